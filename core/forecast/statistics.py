"""What is enough to know of an ingredient to solve a linear head over any mix of it: no row is touched again.

Of ingredient k, with states x of its words, y their classes one-hot, c_y a weight of the class, and n_k rows:

    G_k = 1/n_k sum c_y phi phi'      B_k = 1/n_k sum c_y phi y'      phi = [(x - mean) / spread; 1]

Weighted ridge regression over a mix that draws a share w_k of its N rows from k is then

    W(w) = (sum w_k G_k + lambda I)^-1 sum w_k B_k        lambda = penalty / N_eff
    N_eff = 1 / sum over w_k > 0 of w_k^2 / min(n_k, w_k N)

so that size and repetition count: a small ingredient drawn again and again is worth no more rows than it has. How W
moves with a share follows without solving anew: dW/dw_k = S^-1 (B_k - G_k W), S the matrix that is inverted.

The formulas are those of the project's evidence; ridge regression: Hoerl & Kennard 1970,
https://doi.org/10.1080/00401706.1970.10488634.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PENALTY = 10.0  # of standardised states, for one row
POWER = (
    0.25  # of how often gold has a class: its words count so much less; 1/2 and 0 rank mixes worse, docs/forecast.md
)
_BLOCK = 8192  # words taken at once


@dataclass(frozen=True)
class Scale:
    """What states are standardised by, the same for all ingredients. *Shapes:* (width,), float64."""

    mean: np.ndarray
    spread: np.ndarray

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """phi. *Shape:* (words, width) -> (words, width + 1), float32."""
        scaled = (states.astype(np.float32) - self.mean.astype(np.float32)) / self.spread.astype(np.float32)
        return np.concatenate([scaled, np.ones((len(scaled), 1), np.float32)], axis=1)


@dataclass(frozen=True)
class Statistics:
    """Of one ingredient. `gram`: *Shape:* (width + 1, width + 1); `moment`: (width + 1, classes), both float64, a row;
    `rows`: how many there are."""

    gram: np.ndarray
    moment: np.ndarray
    rows: int


@dataclass(frozen=True)
class Parts:
    """The statistics of several ingredients, one after the other. *Shapes:* grams (parts, width + 1, width + 1),
    moments (parts, width + 1, classes), rows (parts,)."""

    names: tuple[str, ...]
    grams: np.ndarray
    moments: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(found: Mapping[str, Statistics], sizes: Mapping[str, int] | None = None) -> "Parts":
        """`sizes`: rows of ingredients that were not read whole."""
        sizes = sizes or {}
        grams, moments = (np.stack([getattr(one, side) for one in found.values()]) for side in ("gram", "moment"))
        return Parts(tuple(found), grams, moments, np.array([sizes.get(name, one.rows) for name, one in found.items()]))


def scale_of(states: np.ndarray) -> Scale:
    """Of gold's words. *Shape:* (words, width)."""
    wide = states.astype(np.float64)
    return Scale(wide.mean(axis=0), wide.std(axis=0) + 1e-6)


def class_weights(targets: np.ndarray, classes: int) -> np.ndarray:
    """How much a word of each class counts: a power of how rarely gold has it, 1 in the mean over gold's words; 1 where
    a word may have several classes.

    `targets`: as of `statistics`. -> (classes,), float64
    """
    if targets.ndim > 1:
        return np.ones(classes)
    counts = np.bincount(targets[targets >= 0], minlength=classes).astype(float)
    weight = np.maximum(counts, 1) ** -POWER
    return weight * counts.sum() / max(float((weight * counts).sum()), 1e-12)


def statistics(states: np.ndarray, targets: np.ndarray, rows: int, weight: np.ndarray, scale: Scale) -> Statistics:
    """Of an ingredient's words.

    `states`: *Shape:* (words, width), may be memory-mapped; `targets`: (words,) classes, negative where nothing is
    known, or (words, classes) 0, 1 or NaN: a word counts where all of it is known; `weight`: (classes,).
    """
    width, classes = states.shape[1] + 1, len(weight)
    gram, moment = np.zeros((width, width)), np.zeros((width, classes))
    for start in range(0, len(targets), _BLOCK):
        part = targets[start : start + _BLOCK]
        known = part >= 0 if part.ndim == 1 else ~np.isnan(part).any(axis=1)
        phi = scale(np.asarray(states[start : start + _BLOCK])[known])
        hot = np.eye(classes, dtype=np.float32)[part[known]] if part.ndim == 1 else part[known].astype(np.float32)
        counted = phi * (weight[part[known]].astype(np.float32)[:, None] if part.ndim == 1 else np.float32(1))
        gram += counted.T @ phi
        moment += counted.T @ hot
    return Statistics(gram / max(1, rows), moment / max(1, rows), rows)


def effective(drawn: np.ndarray, rows: np.ndarray) -> float:
    """How many different rows a mix is worth. `drawn`: rows that it draws of each part; `rows`: that there are."""
    used = drawn > 0
    parts = (drawn[used] / drawn.sum()) ** 2 / np.minimum(rows[used], drawn[used])
    return float(1 / parts.sum()) if used.any() else 0.0


def solve(parts: Parts, drawn: Mapping[str, int], penalty: float = PENALTY) -> np.ndarray:
    """The head over a mix. `drawn`: rows that it draws of each ingredient, one at least in all. *Shape:* (width + 1,
    classes)."""
    matrix, moment = system(parts, drawn, penalty)
    return np.linalg.solve(matrix, moment)


def towards(parts: Parts, drawn: Mapping[str, int], penalty: float = PENALTY) -> np.ndarray:
    """How the head over a mix moves with the share of each ingredient. *Shape:* (parts, width + 1, classes)."""
    matrix, moment = system(parts, drawn, penalty)
    inverse = np.linalg.inv(matrix)
    weights = inverse @ moment
    return np.stack([inverse @ (parts.moments[at] - parts.grams[at] @ weights) for at in range(len(parts.names))])


def system(parts: Parts, drawn: Mapping[str, int], penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """What is inverted, and what it is multiplied by. *Shapes:* (width + 1, width + 1), (width + 1, classes)."""
    amounts = np.array([drawn.get(name, 0) for name in parts.names], dtype=float)
    shares = amounts / amounts.sum()
    matrix, moment = (np.tensordot(shares, side, axes=1) for side in (parts.grams, parts.moments))
    ridge = np.full(len(matrix), penalty / effective(amounts, parts.rows))
    ridge[-1] = 1e-6  # the bias is free
    matrix[np.diag_indices(len(matrix))] += ridge
    return matrix, moment
