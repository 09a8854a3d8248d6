"""Spaces that are missing or too many: two words run together, or one falls apart. Dhole et al. 2021, NL-Augmenter,
https://arxiv.org/abs/2112.02721 (whitespace perturbation).

Departures: words are joined and cut, not characters of a text, so tags go with them; two words are joined only within
a mention or between two mentions, and no masked word is touched.
"""

from dataclasses import dataclass
from random import Random

from core.augment.edits import Edit, by_chance, edited, outside_runs
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.params import CLOSED
from core.tasks.example import OUTSIDE, spans


@dataclass(frozen=True)
class SpacingParams:
    """`rate`: probability that a word is cut, or joined with the one behind it; `joined`: the share of the latter."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    joined: Rate = 0.5


class Spacing:
    """Words run together or fall apart; a mention stays one mention of its label."""

    def __init__(self, params: SpacingParams, resources: Resources) -> None:
        self._params = params

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        segment = {at: part.start for part in _segments(row) for at in part}
        able = [at for at in segment if len(row.tokens[at]) > 1 and row.tokens[at].isalnum()]
        edits: list[Edit] = []
        end = 0
        for at in by_chance(able, self._params.rate, rng):
            beside = segment.get(at + 1) == segment[at] and row.tokens[at + 1].isalnum()
            cut, join = rng.randrange(1, len(row.tokens[at])), rng.random() < self._params.joined
            if at >= end:
                edits.append(_join(row, at) if join and beside else _cut(row, at, cut))
                end = edits[-1].end
        return edited(row, edits) if edits else Rejected("nothing_to_change")


def _segments(row: Example) -> list[range]:
    return sorted([*(range(s.start, s.end) for s in spans(row.tags)), *outside_runs(row)], key=lambda part: part.start)


def _join(row: Example, at: int) -> Edit:
    return Edit(at, at + 2, (row.tokens[at] + row.tokens[at + 1],), (row.tags[at],))


def _cut(row: Example, at: int, where: int) -> Edit:
    word, tag = row.tokens[at], row.tags[at]
    assert tag is not None
    return Edit(at, at + 1, (word[:where], word[where:]), (tag, tag if tag == OUTSIDE else f"I-{tag[2:]}"))
