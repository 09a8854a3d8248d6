"""What is said of a model that learned one thing after another, from its scores after each step.

R[t, i] is the score on step i's rows after step t. Average, backward and forward transfer: Lopez-Paz & Ranzato 2017
(https://arxiv.org/abs/1706.08840); forgetting: Chaudhry et al. 2018 (https://arxiv.org/abs/1801.10112). Forward
transfer is held against 0: a model that knows none of a step's labels finds none.
"""

from dataclasses import dataclass

import numpy as np

from core.evaluation.comparison import Difference


@dataclass(frozen=True)
class Course:
    """One way of keeping over several seeds. `scores`: F1 (0..1), NaN where the model does not exist, as before the end
    of joint training. *Shape:* (seeds, steps, steps). What is told has a value for each seed."""

    scores: np.ndarray

    @property
    def steps(self) -> int:
        return self.scores.shape[1]

    @property
    def average(self) -> np.ndarray:
        """The mean over all steps' rows in the end. *Shape:* (seeds,)."""
        return self.scores[:, -1].mean(axis=1)

    @property
    def old(self) -> np.ndarray:
        """The mean over the rows of all steps but the last, in the end. *Shape:* (seeds,)."""
        return self.scores[:, -1, :-1].mean(axis=1)

    @property
    def newest(self) -> np.ndarray:
        """The score on the last step's rows in the end. *Shape:* (seeds,)."""
        return self.scores[:, -1, -1]

    @property
    def backward(self) -> np.ndarray:
        """How much better the rows of earlier steps are read in the end than right after their step."""
        own = np.diagonal(self.scores, axis1=1, axis2=2)
        return (self.scores[:, -1, :-1] - own[:, :-1]).mean(axis=1)

    @property
    def forward(self) -> np.ndarray:
        """How well a step's rows are read before it is learned."""
        before = np.arange(1, self.steps)
        return self.scores[:, before - 1, before].mean(axis=1)

    @property
    def forgetting(self) -> np.ndarray:
        """How much worse the rows of earlier steps are read in the end than at their best before."""
        best = self.scores[:, :-1, :-1].max(axis=1) if self.steps > 1 else np.zeros((len(self.scores), 0))
        return (best - self.scores[:, -1, :-1]).mean(axis=1)


def difference(baseline: np.ndarray, other: np.ndarray, rows: float = 0.0) -> Difference:
    """Of the means of two values per seed, by Welch. `rows`: what other rows add to the error's square."""
    value = float(other.mean() - baseline.mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in (baseline, other) if len(side) > 1]
    if len(parts) < 2:
        return Difference(value)
    square = sum(parts) + rows
    loose = sum(part**2 / (len(side) - 1) for part, side in zip(parts, (baseline, other), strict=True))
    return Difference(value, square**0.5, square**2 / loose if loose else 1e9, rows)
