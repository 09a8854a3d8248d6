"""How many repeats it would take to see a difference of a given size, told from the spread that was seen."""

import math

from scipy.special import stdtrit

from core.evaluation.comparison import LEVEL, Comparison, Difference
from core.evaluation.verdicts import ENOUGH_SEEDS

POWER = 0.8  # a true difference of that size is shown in so many cases
_MOST = 64  # repeats in each group; beyond that nobody waits


def repeats_for(comparison: Comparison, difference: Difference, size: float) -> int | None:
    """Repeats in each group with which a true difference of `size` (0..1) is shown in four of five cases.

    None: not even 64 would do, because too few rows were tested on: more test text is needed. An approximation (Student
    quantiles at both ends, Lehr's rule with them), for one difference by itself.
    """
    if difference.error is None:
        return None
    now = 2 / (1 / comparison.baseline_seeds + 1 / comparison.other_seeds)  # harmonic mean of the groups
    of_one = max(0.0, difference.error**2 - difference.rows) * now
    for repeats in range(ENOUGH_SEEDS, _MOST + 1):
        error = math.sqrt(of_one / repeats + difference.rows)
        freedom = 2 * (repeats - 1)
        if (float(stdtrit(freedom, 1 - LEVEL / 2)) + float(stdtrit(freedom, POWER))) * error <= size:
            return repeats
    return None
