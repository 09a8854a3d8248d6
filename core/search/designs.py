"""Which mixes are tried first: spread over what may be mixed, before anything is known of it.

Corners, softened (nearly all of one ingredient, or of one variant of it, a little of each other), the centre, and of
many mixes drawn by
Dirichlet(1.5) those that lie farthest from all that were taken (Kennard & Stone 1969,
https://doi.org/10.1080/00401706.1969.10490666). What lies far from what is measured between square roots of amounts,
as the surrogate measures it.
"""

from collections.abc import Sequence

import numpy as np

from core.search.space import Space

SOFT = 0.85  # of what a softened corner adds, one ingredient's share
STEP = 0.05  # times gold: amounts are multiples of it
_TOTALS = (0.5, 3.0)  # times gold: the least and the most that a mix adds in all
_CORNER = 1.0  # times gold that a corner adds
_ALPHA = 1.5
_DRAWN = 2000


def start(space: Space, count: int, seed: int = 0) -> list[dict[str, float]]:
    """`count` different mixes to begin with, as amounts by ingredient (times gold); the first are the corners and the
    centre, as far as `count` goes.

    Fewer where so many different ones don't exist.
    """
    space = space.among(STEP)
    if not space.most:
        return []
    firsts = snapped(np.concatenate([_corners(space), _centre(space)]) * _CORNER, space.limits)
    spread = dirichlet(len(space.units), seed)
    drawn = snapped(space.placed(spread, variants(spread.shape, seed)), space.limits)
    taken = thinned(np.unique(firsts, axis=0)[_order_of(firsts)], np.unique(drawn, axis=0), count)
    return [as_amounts(space.names, row) for row in taken]


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


def _corners(space: Space) -> np.ndarray:
    """One column has nearly all, and the others of its family nothing. *Shape:* (columns, columns), rows sum to 1."""
    units = space.units
    if len(units) == 1:
        return np.eye(len(space.most))
    rest = (1 - SOFT) / (len(units) - 1)
    shares, which = np.full((len(space.most), len(units)), rest), np.zeros((len(space.most), len(units)), int)
    which += np.arange(len(which))[:, None]  # of the others each variant in turn
    for unit, columns in enumerate(units):
        shares[columns, unit], which[columns, unit] = SOFT, np.arange(len(columns))
    return space.placed(shares, which)


def _centre(space: Space) -> np.ndarray:
    sizes = np.array([[len(columns) for columns in space.units]])
    return space.placed(np.full(sizes.shape, 1 / sizes.size), sizes // 2)


def dirichlet(width: int, seed: int) -> np.ndarray:
    """Mixes of any size between the least and the most, sizes evenly on a scale of ratios. *Shape:* (drawn, width)."""
    rng = np.random.default_rng(seed)
    totals = np.exp(rng.uniform(*np.log(_TOTALS), size=(_DRAWN, 1)))
    return rng.dirichlet(np.full(width, _ALPHA), _DRAWN) * totals


def variants(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Which variant of each family a mix has, by chance, as `Space.placed` takes it. *Shape:* as given."""
    return np.random.default_rng([seed, 1]).integers(0, 2**31, shape)


def snapped(amounts: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Amounts as multiples of STEP within their limits. *Shapes:* (mixes, names), (names,)."""
    return np.minimum(np.round(amounts / STEP) * STEP, np.floor(limits / STEP + 1e-9) * STEP).round(4)
