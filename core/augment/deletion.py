"""Random deletion. Wei & Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", https://arxiv.org/abs/1901.11196 (RD).

Departures: only O tokens are deleted; where chance takes none, one is deleted all the same; and where it takes
every token of the row, one of them stays (EDA: the same).
"""

from dataclasses import dataclass
from random import Random

from core.augment.edits import Edit, by_chance, edited, in_scope
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.params import CLOSED


@dataclass(frozen=True)
class DeletionParams:
    """`rate`: probability that an O token is deleted (EDA's alpha)."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1


class Deletion:
    """O tokens go; mentions and masked tokens stay."""

    def __init__(self, params: DeletionParams, resources: Resources) -> None:
        self._rate = params.rate

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        able = in_scope(row, "outside")
        if not able or len(row.tokens) == 1:
            return Rejected("nothing_to_change")
        gone = by_chance(able, self._rate, rng)
        if len(gone) == len(row.tokens):
            gone.remove(rng.choice(gone))
        return edited(row, [Edit(at, at + 1, (), ()) for at in gone])
