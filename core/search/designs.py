"""Which mixes are tried first: spread over what may be mixed, before anything is known of it.

Corners, softened (nearly all of one ingredient, a little of each other), the centre, and of many mixes drawn by
Dirichlet(1.5) those that lie farthest from all that were taken (Kennard & Stone 1969,
https://doi.org/10.1080/00401706.1969.10490666). What lies far from what is measured between square roots of amounts,
as the surrogate measures it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

SOFT = 0.85  # of what a softened corner adds, one ingredient's share
STEP = 0.05  # times gold: amounts are multiples of it
_TOTALS = (0.5, 3.0)  # times gold: the least and the most that a mix adds in all
_CORNER = 1.0  # times gold that a corner adds
_ALPHA = 1.5
_DRAWN = 2000


def start(most: Mapping[str, float], count: int, seed: int = 0) -> list[dict[str, float]]:
    """`count` different mixes to begin with, as amounts by ingredient (times gold); the first are the corners and the
    centre, as far as `count` goes.

    `most`: what may be added of each ingredient, times gold. Fewer where so many different ones don't exist.
    """
    names = [name for name, amount in most.items() if amount >= STEP]
    if not names:
        return []
    limits = np.array([most[name] for name in names])
    firsts = snapped(np.concatenate([_corners(len(names)), _centre(len(names))]) * _CORNER, limits)
    drawn = snapped(dirichlet(len(names), seed), limits)
    taken = thinned(np.unique(firsts, axis=0)[_order_of(firsts)], np.unique(drawn, axis=0), count)
    return [as_amounts(names, row) for row in taken]


def as_amounts(names: Sequence[str], row: np.ndarray) -> dict[str, float]:
    """Amounts by name without what is 0. *Shape:* row (names,)."""
    return {name: round(float(amount), 4) for name, amount in zip(names, row, strict=True) if amount > 0}


def thinned(taken: np.ndarray, drawn: np.ndarray, count: int) -> np.ndarray:
    """`taken` and, one after the other, the one of `drawn` that is farthest from all taken before. *Shape:* (at most
    count, ingredients)."""
    chosen = list(taken[:count])
    roots = np.sqrt(drawn)
    if not len(drawn):
        return np.array(chosen)
    gaps = np.min([((roots - np.sqrt(one)) ** 2).sum(axis=1) for one in chosen], axis=0)
    while len(chosen) < count and gaps.max() > 0:
        at = int(gaps.argmax())
        chosen.append(drawn[at])
        gaps = np.minimum(gaps, ((roots - roots[at]) ** 2).sum(axis=1))
    return np.array(chosen)


def _order_of(rows: np.ndarray) -> np.ndarray:
    """Where among the sorted different rows each stands that occurs for the first time, in the order of `rows`."""
    _, first, at = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return at.ravel()[np.sort(first)]


def _corners(width: int) -> np.ndarray:
    """One ingredient has nearly all. *Shape:* (width, width), rows sum to 1."""
    if width == 1:
        return np.ones((1, 1))
    return np.full((width, width), (1 - SOFT) / (width - 1)) + np.eye(width) * (SOFT - (1 - SOFT) / (width - 1))


def _centre(width: int) -> np.ndarray:
    return np.full((1, width), 1 / width)


def dirichlet(width: int, seed: int) -> np.ndarray:
    """Mixes of any size between the least and the most, sizes evenly on a scale of ratios. *Shape:* (drawn, width)."""
    rng = np.random.default_rng(seed)
    totals = np.exp(rng.uniform(*np.log(_TOTALS), size=(_DRAWN, 1)))
    return rng.dirichlet(np.full(width, _ALPHA), _DRAWN) * totals


def snapped(amounts: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Amounts as multiples of STEP within their limits. *Shapes:* (mixes, names), (names,)."""
    return np.minimum(np.round(amounts / STEP) * STEP, np.floor(limits / STEP + 1e-9) * STEP).round(4)
