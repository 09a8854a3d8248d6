"""Several methods one after the other on the same row, as one child.

Each with its default settings; an ingredient made of another ingredient does the same with settings of one's own, and
keeps what lies between.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from core.augment import make, params_of
from core.augment.edits import by_chance, compared
from core.augment.protocol import Ahead, Child, Example, Rate, Rejected, Resources
from core.params import CLOSED

Link = Literal[
    "mention_replacement",
    "token_replacement",
    "shuffle_segments",
    "back_translation",
    "synonym",
    "neighbours",
    "graph",
    "insertion",
    "swap",
    "deletion",
    "keyboard",
    "ocr",
    "spelling",
    "case",
    "spacing",
    "rockner",
]


@dataclass(frozen=True)
class ChainParams:
    """`methods`: in the order in which they are applied; `rate`: probability of each, at least one is."""

    __pydantic_config__ = CLOSED
    methods: Annotated[tuple[Link, ...], Field(min_length=1, max_length=8)] = ("swap", "keyboard")
    rate: Rate = 1.0


class Chain:
    """What one method makes of a row is what the next one is given; a method that can't change it passes it on."""

    def __init__(self, params: ChainParams, resources: Resources) -> None:
        self._rate = params.rate
        self._links = [make(name, params_of(name, {}), resources) for name in params.methods]

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        """Told to the first method of each row: what the next ones are given isn't known yet."""
        first: defaultdict[int, list[tuple[Example, Random]]] = defaultdict(list)
        for row, rng in asked:
            link = by_chance(self._links, self._rate, rng)[0]
            first[self._links.index(link)].append((row, rng))
        for at, rows in first.items():
            link = self._links[at]
            if isinstance(link, Ahead):
                link.ahead(rows)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        now, reasons = row, list[Rejected]()
        for link in by_chance(self._links, self._rate, rng):
            made = link.augment(now, copy, rng)
            if isinstance(made, Rejected):
                reasons.append(made)
            else:
                now = Example(row.id, made.tokens, made.tags)
        if now is row:
            return reasons[0]
        return compared(row, [*zip(now.tokens, now.tags, strict=True)])
