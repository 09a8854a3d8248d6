"""Shuffle within segments. Dai & Adel 2020, "An Analysis of Simple Data Augmentation for Named Entity Recognition",
https://arxiv.org/abs/2010.11683, section 3 (SiS).

A row is cut into its mentions and the stretches between them; the tokens of a segment change their order and the
tags stay where they are. Departures: a segment that was chosen always ends in another order, at least one segment of
a row is shuffled where that is possible, and masked stretches stay as they are.
"""

from dataclasses import dataclass
from random import Random

from core.augment.edits import Edit, by_chance, edited, outside_runs
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.params import CLOSED
from core.tasks.example import spans


@dataclass(frozen=True)
class ShuffleSegmentsParams:
    """`rate`: probability that a segment is shuffled; `scope`: outside leaves mentions as they are, which a corpus of
    single characters needs: shuffled, its names are none any more (docs/results.md)."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.3
    scope: Scope = "all"


class ShuffleSegments:
    """Word order changes, but never across the edge of a mention."""

    def __init__(self, params: ShuffleSegmentsParams, resources: Resources) -> None:
        self._params = params

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        scope = self._params.scope
        mentions = [range(span.start, span.end) for span in spans(row.tags)] if scope != "outside" else []
        between = outside_runs(row) if scope != "inside" else []
        segments = sorted([*mentions, *between], key=lambda segment: segment.start)
        able = [s for s in segments if len(set(row.tokens[s.start : s.stop])) > 1]
        if not able:
            return Rejected("nothing_to_change")
        return edited(row, [_shuffled(row, segment, rng) for segment in by_chance(able, self._params.rate, rng)])


def _shuffled(row: Example, segment: range, rng: Random) -> Edit:
    old = row.tokens[segment.start : segment.stop]
    new = list(old)
    while tuple(new) == old:  # at least two tokens differ: one order in two or more is another one
        rng.shuffle(new)
    return Edit(segment.start, segment.stop, tuple(new), row.tags[segment.start : segment.stop])
