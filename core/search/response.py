"""How a score goes with the amounts of a mix: along one ingredient, over two, and where it is good enough.

The good region is what one may choose from: mixes that are not shown to be worse than the best one, whose expected
score lies below its by no more than so many sds of the difference between the two, and by no more than the margin
within which verdicts call two mixes the same: where nothing was tried, sds alone would call anything good.
"""

from dataclasses import dataclass

import numpy as np

from core.evaluation.verdicts import MARGIN
from core.search.rates import log_odds, rate
from core.search.surrogate import SEED_SD, Cast, Surrogate, averaged, fit

GOOD = 1.0  # sds of the difference to the best
_BAND = 1.645  # sds to each side: 90 %, where there are too few mixes to calibrate it
_LINE, _PLANE = 41, 25  # places along an axis
_SPREAD = SEED_SD / 0.24  # in log-odds, near even


@dataclass(frozen=True)
class Rates:
    """Of runs: how many were right, of how many; by mix. *Shapes:* (runs, ingredients), (runs,), (runs,)."""

    amounts: np.ndarray
    right: np.ndarray
    of: np.ndarray


@dataclass(frozen=True)
class Curve:
    """Along one ingredient. `low`, `high`: 90 % band of the mean over seeds; all but `good` in 0..1. *Shape:*
    (places,)."""

    at: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    good: np.ndarray


@dataclass(frozen=True)
class Plane:
    """Over two ingredients. *Shapes:* (places,), (others,), (others, places), (others, places)."""

    at: np.ndarray
    other: np.ndarray
    mean: np.ndarray
    good: np.ndarray


@dataclass(frozen=True)
class Response:
    """A rate as it goes with amounts. `process`: over its log-odds, or over itself."""

    process: Surrogate
    odds: bool = True

    @classmethod
    def of(cls, rates: Rates, cast: Cast | None = None) -> "Response":
        """The chance of seeds is the larger, the fewer cases a rate is of. `cast`: a forecast of its log-odds."""
        odds = log_odds(rates.right, rates.of)
        cases = float(np.mean(rates.of)) * float(np.mean(rate(odds) * rate(-odds)))
        scores = averaged(rates.amounts, odds, float(np.hypot(_SPREAD, 0.5 / np.sqrt(max(cases, 0.25)))))
        return cls(fit(scores.amounts, scores.values, scores.noise, cast=cast))

    def at(self, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and 90 % band of mixes, as wide as mixes that were left out show that it has to be. *Shapes:* (mixes,
        ingredients) -> three of (mixes,), 0..1."""
        mean, sd = self.process.at(amounts)
        wide = (self.process.stretch() or _BAND) * sd
        middle, low, high = (rate(end) if self.odds else end for end in (mean, mean - wide, mean + wide))
        return middle, low, high

    def good(self, amounts: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Which mixes are good beside the best. *Shapes:* (mixes, ingredients), (ingredients,) -> (mixes,), bool."""
        mean, among = self.process.joint(np.concatenate([np.atleast_2d(best), amounts]))
        apart = among[0, 0] + np.diag(among)[1:] - 2 * among[0, 1:]
        scores = rate(mean) if self.odds else mean
        near = scores[0] - scores[1:] <= MARGIN
        return near & (mean[0] - mean[1:] <= GOOD * np.sqrt(np.maximum(apart, 0.0)))

    def best(self, amounts: np.ndarray) -> np.ndarray:
        """The mix of which most is expected. *Shape:* (ingredients,)."""
        return amounts[int(self.process.at(amounts)[0].argmax())]

    def span(self, mix: np.ndarray, ingredient: int, most: float, best: np.ndarray) -> tuple[float, float] | None:
        """From where to where the amount of an ingredient stays good beside `best`, the others as in `mix`: around its
        amount in the best mix, or, of an ingredient that takes another's place there, around what is best of it; None
        where no amount is good. *Shapes:* (ingredients,), (ingredients,)."""
        there = float(best[ingredient])
        found = self.curve(mix, ingredient, max(most, there), best)
        stays = bool((mix == best).all())
        at = int(np.abs(found.at - there).argmin()) if stays else int(found.mean.argmax())
        if not stays and not found.good[at]:
            return None
        bad = np.flatnonzero(~found.good)
        low, high = bad[bad < at], bad[bad > at]
        first, last = (low[-1] + 1 if len(low) else 0), (high[0] - 1 if len(high) else len(found.at) - 1)
        ends = float(found.at[min(first, at)]), float(found.at[max(last, at)])
        return (min(ends[0], there), max(ends[1], there)) if stays else ends

    def curve(self, mix: np.ndarray, ingredient: int, most: float, best: np.ndarray) -> Curve:
        """Along one ingredient, the others as in `mix`; good beside `best`. *Shapes:* (ingredients,)."""
        places = np.linspace(0, most, _LINE)
        rows = np.repeat(np.atleast_2d(mix), _LINE, axis=0)
        rows[:, ingredient] = places
        return Curve(places, *self.at(rows), self.good(rows, best))

    def plane(self, mix: np.ndarray, pair: tuple[int, int], most: tuple[float, float], best: np.ndarray) -> Plane:
        """Over two ingredients, the others as in `mix`; good beside `best`. *Shapes:* (ingredients,)."""
        across, along = (np.linspace(0, end, _PLANE) for end in most)
        rows = np.repeat(np.atleast_2d(mix), _PLANE**2, axis=0)
        rows[:, pair[0]], rows[:, pair[1]] = np.tile(across, _PLANE), np.repeat(along, _PLANE)
        mean, shape = self.at(rows)[0], (_PLANE, _PLANE)
        return Plane(across, along, mean.reshape(shape), self.good(rows, best).reshape(shape))
