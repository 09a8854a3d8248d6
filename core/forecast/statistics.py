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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PENALTY = 10.0  # of standardised states, for one row
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
class Solved:
    """A head over a mix. `weights`: *Shape:* (width + 1, classes); `inverse`: of the matrix that was inverted, for
    `towards`."""

    weights: np.ndarray
    inverse: np.ndarray

    def towards(self, other: Statistics) -> np.ndarray:
        """How the head moves with the share of an ingredient. *Shape:* as `weights`."""
        return self.inverse @ (other.moment - other.gram @ self.weights)


def scale_of(states: np.ndarray) -> Scale:
    """Of gold's words. *Shape:* (words, width)."""
    wide = states.astype(np.float64)
    return Scale(wide.mean(axis=0), wide.std(axis=0) + 1e-6)


def class_weights(targets: np.ndarray, classes: int) -> np.ndarray:
    """How much a word of each class counts: the inverse root of how often gold has it, 1 in the mean over gold's words.

    `targets`: *Shape:* (words,), negative where nothing is known. -> (classes,), float64
    """
    counts = np.bincount(targets[targets >= 0], minlength=classes).astype(float)
    weight = 1 / np.sqrt(np.maximum(counts, 1))
    return weight * counts.sum() / max(float((weight * counts).sum()), 1e-12)


def statistics(states: np.ndarray, targets: np.ndarray, rows: int, weight: np.ndarray, scale: Scale) -> Statistics:
    """Of an ingredient's words.

    `states`: *Shape:* (words, width), may be memory-mapped; `targets`: (words,), negative where nothing is known;
    `weight`: (classes,).
    """
    width, classes = states.shape[1] + 1, len(weight)
    gram, moment = np.zeros((width, width)), np.zeros((width, classes))
    for start in range(0, len(targets), _BLOCK):
        part = targets[start : start + _BLOCK]
        known = part >= 0
        phi = scale(np.asarray(states[start : start + _BLOCK])[known])
        counted = phi * weight[part[known]].astype(np.float32)[:, None]
        gram += counted.T @ phi
        moment += counted.T @ np.eye(classes, dtype=np.float32)[part[known]]
    return Statistics(gram / max(1, rows), moment / max(1, rows), rows)


def effective(drawn: Mapping[str, int], rows: Mapping[str, int]) -> float:
    """How many different rows a mix is worth. `drawn`: rows that it draws; `rows`: that an ingredient has."""
    whole = sum(drawn.values())
    parts = [(n / whole) ** 2 / min(rows[name], n) for name, n in drawn.items() if n]
    return 1 / sum(parts) if parts else 0.0


def solve(parts: Mapping[str, Statistics], drawn: Mapping[str, int], penalty: float = PENALTY) -> Solved:
    """The head over a mix. `drawn`: rows that it draws of each ingredient, at least one row in all."""
    names = [name for name, n in drawn.items() if n]
    shares = _shares(names, drawn)
    gram = np.tensordot(shares, np.stack([parts[name].gram for name in names]), axes=1)
    moment = np.tensordot(shares, np.stack([parts[name].moment for name in names]), axes=1)
    size = effective({name: drawn[name] for name in names}, {name: parts[name].rows for name in names})
    ridge = np.full(len(gram), penalty / size)
    ridge[-1] = 1e-6  # the bias is free
    gram[np.diag_indices(len(gram))] += ridge
    inverse = np.linalg.inv(gram)
    return Solved(inverse @ moment, inverse)


def _shares(names: Sequence[str], drawn: Mapping[str, int]) -> np.ndarray:
    whole = sum(drawn[name] for name in names)
    return np.array([drawn[name] / whole for name in names])
