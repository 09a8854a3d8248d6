"""What each ingredient of a mix is worth: Shapley values of a score, read off a surrogate over real runs.

A coalition is some of the mix's ingredients in their amounts, gold and steps as ever; the empty one is gold only. An
ingredient's value is what it adds on average over all orders in which they might have joined (Shapley 1953; in this
use Lundberg & Lee 2017, arxiv.org/abs/1705.07874): the values add up to the mix's lead over gold only. All of it is
linear in the scores of coalitions, so intervals follow from the process exactly.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.search.surrogate import Surrogate

MOST = 10  # ingredients in a mix: 2 to the power of it coalitions are looked at
_BAND = 1.645  # sds to each side: 90 %


@dataclass(frozen=True)
class Value:
    """A difference of scores with its sd, both in the scores' own unit."""

    mean: float
    sd: float

    @property
    def interval(self) -> tuple[float, float]:
        """90 %."""
        return self.mean - _BAND * self.sd, self.mean + _BAND * self.sd

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves out 0; else 0: it can't be told."""
        low, high = self.interval
        return (low > 0) - (high < 0)


@dataclass(frozen=True)
class Share:
    """What an ingredient is worth. `value`: on average over all orders; `last`: what the mix loses without it."""

    ingredient: int
    value: Value
    last: Value


@dataclass(frozen=True)
class Attribution:
    """`lead`: of the mix over gold only; what the shares' values add up to. `shares`: of the ingredients in the mix."""

    lead: Value
    shares: tuple[Share, ...]


def attribute(process: Surrogate, mix: np.ndarray) -> Attribution:
    """The shares of the ingredients of a mix, at most MOST of which are in it. *Shape:* (ingredients,)."""
    present = np.flatnonzero(mix > 0)
    count = len(present)
    if count > MOST:
        raise ValueError(f"{count} ingredients")
    inside = (np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1
    rows = np.zeros((2**count, len(mix)))
    rows[:, present] = np.where(inside, mix[present], 0.0)
    mean, among = process.joint(rows)

    def value(weights: np.ndarray) -> Value:
        return Value(float(weights @ mean), float(np.sqrt(max(weights @ among @ weights, 0.0))))

    shares = tuple(
        Share(int(at), value(_weights(inside, nth)), value(_last(inside, nth))) for nth, at in enumerate(present)
    )
    whole = np.eye(2**count)[-1] - np.eye(2**count)[0]
    return Attribution(value(whole), shares)


def _weights(inside: np.ndarray, nth: int) -> np.ndarray:
    """How much each coalition's score counts in a value. *Shapes:* (coalitions, count) -> (coalitions,)."""
    count, sizes = inside.shape[1], inside.sum(axis=1)
    orders = np.array([math.factorial(size) * math.factorial(count - size - 1) for size in range(count)])
    share = orders / math.factorial(count)
    return np.where(inside[:, nth], share[sizes - 1], -share[np.minimum(sizes, count - 1)])


def _last(inside: np.ndarray, nth: int) -> np.ndarray:
    """The whole mix minus the mix without it. *Shapes:* (coalitions, count) -> (coalitions,)."""
    weights = np.zeros(len(inside))
    weights[-1], weights[len(inside) - 1 - (1 << nth)] = 1.0, -1.0
    return weights
