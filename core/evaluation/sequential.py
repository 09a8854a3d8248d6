"""Adding repeats until a question is settled, without being fooled by looking again and again.

The rule is always valid: whoever looks after every repeat, and stops whenever it pleases, still claims a difference
between equals in at most 5 of 100 cases. It is the t-test as an e-process: the ratio of Student densities of the
difference under a normal prior on the standardised effect and under none (Goenen, Johnson, Lu & Westfall 2005,
doi:10.1198/000313005X55233). With the right Haar prior on the spread, which this ratio has, it is an e-process for the
null (Hendriksen, de Heide & Gruenwald 2021, arXiv 1807.09077; Perez-Ortiz, Lardy, de Heide & Gruenwald 2024,
arXiv 2208.07610; for confidence sequences: Wang & Ramdas 2024, arXiv 2310.03722), so by Ville's inequality 1/E is a
p-value at any time (Johari et al. 2022, arXiv 1512.04922).

Departures, both on the safe side: the error holds the rows' part too, which a seed more does not lessen; and of Welch's
degrees of freedom and the pooled ones the fewer count.
"""

import math
from dataclasses import dataclass

from core.evaluation.comparison import LEVEL, Comparison, Difference
from core.scores import Interval

SPREADS = 2.0  # standard deviation of the prior on the effect, in spreads from seed to seed: 4 points where that is 2


@dataclass(frozen=True)
class AlwaysValid:
    """A difference under the always-valid rule. `baseline_seeds`, `other_seeds`: repeats so far in each group."""

    difference: Difference
    baseline_seeds: int
    other_seeds: int

    @property
    def p(self) -> float:
        """A p-value however often, and whenever, somebody looks, 0..1."""
        return self._p(self.difference.value)

    def p_same(self, margin: float) -> float:
        """The same for the claim that the true difference is smaller than `margin`."""
        value = self.difference.value
        if abs(value) >= margin or not self.difference.error:
            return 1.0
        return max(self._p(margin - value), self._p(margin + value))

    @property
    def interval(self) -> Interval | None:
        """The 95 % confidence sequence at this moment; None where it can't exclude anything yet."""
        found, error = self._most(), self.difference.error
        if error is None or found is None:
            return None
        return max(-1.0, self.difference.value - found * error), min(1.0, self.difference.value + found * error)

    def _sizes(self) -> tuple[float, float]:
        """(degrees of freedom, 1 + effective repeats x prior variance)."""
        pooled = self.baseline_seeds + self.other_seeds - 2
        repeats = self.baseline_seeds * self.other_seeds / (self.baseline_seeds + self.other_seeds)
        return min(self.difference.freedom, pooled), 1 + repeats * SPREADS**2

    def _p(self, distance: float) -> float:
        """1 / E for a difference of `distance` from what is to be excluded."""
        error = self.difference.error
        if error is None or distance == 0:
            return 1.0
        freedom, size = self._sizes()
        x = math.inf if error == 0 else (distance / error) ** 2 / freedom
        grown = size if math.isinf(x) else (1 + x) / (1 + x / size)
        return min(1.0, math.sqrt(size) * grown ** (-(freedom + 1) / 2))

    def _most(self) -> float | None:
        """How many standard errors are still within the confidence sequence; None: any number."""
        freedom, size = self._sizes()
        grown = (math.sqrt(size) / LEVEL) ** (2 / (freedom + 1))
        return math.sqrt(freedom * (grown - 1) / (1 - grown / size)) if grown < size else None


def always_valid(comparison: Comparison, difference: Difference) -> AlwaysValid:
    """A difference of a comparison under the always-valid rule."""
    return AlwaysValid(difference, comparison.baseline_seeds, comparison.other_seeds)
