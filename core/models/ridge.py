"""A linear head in closed form, over states that an encoder makes of rows."""

import numpy as np

RIDGE = 10.0  # of standardised features, a scored item each
_STILL = 0.01  # of what features vary by in the middle: less is none
_SHARPER = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # the solution is between 0 and 1: what it is multiplied by to be logits


def ridge(features: np.ndarray, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A linear head in closed form: weighted ridge regression on one-hot targets, then made sharper to be logits.

    `features`: *Shape:* (items, width); `targets`: (items,) classes or (items, classes) 0, 1, or NaN where nobody
    knows. Items count by the inverse root of how often their class occurs. -> weights (classes, width) and bias
    (classes,), float32.
    """
    hot = np.eye(classes)[targets] if targets.ndim == 1 else np.nan_to_num(targets.astype(float))
    weight = np.ones(len(hot)) if targets.ndim > 1 else (hot / np.sqrt(np.maximum(hot.sum(axis=0), 1))).sum(axis=1)
    mean, spread = features.mean(axis=0), _spread(features)
    x = np.concatenate([(features - mean) / spread, np.ones((len(features), 1))], axis=1)
    weighted = x * (weight / weight.mean())[:, None]
    penalty = np.full(x.shape[1], RIDGE)
    penalty[-1] = 1e-6  # the bias is free
    known = np.ones(hot.shape, bool) if targets.ndim == 1 else ~np.isnan(targets)
    if known.all():
        solved = np.linalg.solve(weighted.T @ x + np.diag(penalty), weighted.T @ hot)
    else:  # each class from the rows of which it is known whether they have it
        solved = np.zeros((x.shape[1], classes))
        for label, there in enumerate(known.T):
            mine = weighted[there]
            solved[:, label] = np.linalg.solve(mine.T @ x[there] + np.diag(penalty), mine.T @ hot[there, label])
    sharper = _sharpest(x @ solved, targets)
    weights = sharper * (solved[:-1] / spread[:, None])
    bias = sharper * solved[-1] - mean @ weights - (0.5 * sharper if targets.ndim > 1 else 0.0)
    return weights.T.astype(np.float32), bias.astype(np.float32)


def _spread(features: np.ndarray) -> np.ndarray:
    """How much each feature varies. Infinite where that is next to nothing, so that the feature counts for nothing: it
    tells no items apart, and the large weight that would make up for it undoes the head as soon as dropout or a
    training moves the feature."""
    found = features.std(axis=0)
    return np.where(found > _STILL * np.median(found), found, np.inf)


def _sharpest(values: np.ndarray, targets: np.ndarray) -> float:
    """The factor of _SHARPER under which the cross-entropy is least; where an item has several classes: one of them."""
    if targets.ndim > 1:
        return 8.0
    rows = np.arange(len(values))

    def loss(factor: float) -> float:
        logits = factor * values
        return float((np.logaddexp.reduce(logits, axis=1) - logits[rows, targets]).mean())

    return min(_SHARPER, key=loss)
