"""A function of mixes, told between some at which it is known: what takes long to work out, asked for thousands.

Cubic radial basis functions and a linear part over square roots of amounts, through all that is known (Duchon 1977,
doi.org/10.1007/BFb0086566). An amount beyond those known counts as the farthest one known: a cubic would run away.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Between:
    """`roots`: of the amounts at which it is known; `weights`: of those and of the linear part. *Shapes:* (known,
    ingredients), (known + 1 + ingredients, values)."""

    roots: np.ndarray
    weights: np.ndarray

    @classmethod
    def through(cls, amounts: np.ndarray, values: np.ndarray) -> "Between":
        """*Shapes:* (known, ingredients), times gold, all different; (known, values)."""
        roots = np.sqrt(amounts)
        line, size = _linear(roots), len(roots)
        whole = np.zeros((size + line.shape[1],) * 2)
        whole[:size, :size], whole[:size, size:], whole[size:, :size] = _cubic(roots, roots), line, line.T
        right = np.concatenate([values, np.zeros((line.shape[1], values.shape[1]))])
        return cls(roots, np.linalg.lstsq(whole, right, rcond=None)[0])

    def at(self, amounts: np.ndarray) -> np.ndarray:
        """*Shapes:* (mixes, ingredients), times gold -> (mixes, values)."""
        roots = np.clip(np.sqrt(np.atleast_2d(amounts)), self.roots.min(axis=0), self.roots.max(axis=0))
        return np.concatenate([_cubic(roots, self.roots), _linear(roots)], axis=1) @ self.weights


def _cubic(roots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """*Shape:* (mixes, others)."""
    return ((roots[:, None] - others[None]) ** 2).sum(axis=2) ** 1.5


def _linear(roots: np.ndarray) -> np.ndarray:
    """*Shape:* (mixes, 1 + ingredients)."""
    return np.concatenate([np.ones((len(roots), 1)), roots], axis=1)
