"""Random swap. Wei & Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", https://arxiv.org/abs/1901.11196 (RS).

Departures: mentions and masked tokens stay where they are and nothing is swapped across them; a position is swapped
at most once, and only with another token, so that no swap undoes another.
"""

from dataclasses import dataclass
from random import Random

from core.augment.edits import how_many, outside_runs, substituted
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.params import CLOSED


@dataclass(frozen=True)
class SwapParams:
    """`rate`: swaps per token of the row (EDA's alpha); at least one."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1


class Swap:
    """Pairs of O tokens with no mention between them change places."""

    def __init__(self, params: SwapParams, resources: Resources) -> None:
        self._rate = params.rate

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        run_of = {at: run for run in outside_runs(row) for at in run}
        free = list(run_of)
        rng.shuffle(free)
        new: dict[int, str] = {}
        for at in free:
            if len(new) == 2 * how_many(self._rate, len(row.tokens)):
                break
            if at in new:
                continue
            able = [other for other in run_of[at] if other not in new and row.tokens[other] != row.tokens[at]]
            if able:
                other = rng.choice(able)
                new[at], new[other] = row.tokens[other], row.tokens[at]
        return substituted(row, new) if new else Rejected("nothing_to_change")
