"""Heads in closed form by how near an item is to what was shown of each class: numpy alone.

Prototypes: Snell et al. 2017, "Prototypical Networks for Few-shot Learning" (https://arxiv.org/abs/1703.05175): a
softmax over minus the squared distance to the mean of each class is a linear map exactly (their section 2.4). How sharp
it is, is chosen so that each item, left out, is told best by the others (of the softmax of Snell et al. the scale is 1,
which their encoder learns to suit; here it is often not trained).
"""

import numpy as np

NEVER = -1e4  # the logit of a class of which nothing was shown
SHARP = 16.0  # where nothing says how sharp: with one item of each class, or none
_SHARPNESSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # of distances as parts of the usual one
_MOST = 2000  # items by which the sharpness is chosen


def prototypes(features: np.ndarray, targets: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A linear head whose softmax is that over minus the squared distances to the classes' means, sharpened.

    *Shapes:* features (items, width), targets (items,) -> weights (classes, width), bias (classes,), float32.
    """
    counts = np.bincount(targets, minlength=classes)
    sums = np.zeros((classes, features.shape[1]))
    np.add.at(sums, targets, features)
    means = sums / np.maximum(counts, 1)[:, None]
    some = _some(len(features))
    far = distances(features[some], means)
    own = np.arange(len(some)), targets[some]
    n = counts[targets[some]]
    left_out = far.copy()
    left_out[own] *= (n / np.maximum(n - 1, 1)) ** 2  # from the mean of the others of its class
    return linear(means, counts > 0, sharpness(left_out[n > 1], targets[some][n > 1], counts > 0, far))


def linear(means: np.ndarray, there: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The linear head of `prototypes` for given means. `there`: the classes that have one. *Shape:* (classes,), bool.

    Distances are taken from the middle of the means, which changes no softmax and keeps numbers small.
    """
    middle = means[there].mean(axis=0)
    away = np.where(there[:, None], means - middle, 0.0)
    bias = -scale * ((away**2).sum(axis=1) + 2 * away @ middle)
    return (2 * scale * away).astype(np.float32), np.where(there, bias, NEVER).astype(np.float32)


def neighbours(features: np.ndarray, targets: np.ndarray, classes: int) -> float:
    """How sharply a nearest-neighbour head reads these items: chosen as for `prototypes`."""
    some = _some(len(features))
    far = distances(features[some], features)
    far[np.arange(len(some)), some] = np.inf
    there = np.bincount(targets, minlength=classes) > 0
    nearest = np.stack([far[:, targets == one].min(axis=1, initial=np.inf) for one in range(classes)], axis=1)
    known = np.isfinite(nearest[np.arange(len(some)), targets[some]])
    return sharpness(nearest[known], targets[some][known], there, nearest)


def sharpness(far: np.ndarray, targets: np.ndarray, there: np.ndarray, usual: np.ndarray) -> float:
    """The factor of squared distances under which the cross-entropy is least, among a few; SHARP without items.

    *Shapes:* far (items, classes): distances of items to classes that they were left out of; usual (n, classes): from
    which distances are taken that are usual.
    """
    finite = usual[:, there][np.isfinite(usual[:, there])]
    unit = max(float(finite.mean()) if len(finite) else 1.0, 1e-12)
    if not len(far):
        return SHARP / unit
    rows = np.arange(len(far))

    def loss(factor: float) -> float:
        logits = np.where(there, -factor / unit * far, NEVER)
        return float((np.logaddexp.reduce(logits, axis=1) - logits[rows, targets]).mean())

    return min(_SHARPNESSES, key=loss) / unit


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared, of each to each. *Shapes:* (n, width), (m, width) -> (n, m), at least 0."""
    found = (left**2).sum(axis=1)[:, None] - 2 * left @ right.T + (right**2).sum(axis=1)
    return np.maximum(found, 0.0)


def _some(items: int) -> np.ndarray:
    """Positions, evenly spaced, of at most `_MOST` items."""
    return np.unique(np.linspace(0, items - 1, min(items, _MOST)).astype(int)) if items else np.empty(0, dtype=int)
