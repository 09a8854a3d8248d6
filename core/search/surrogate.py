"""What a score is likely to be for a mix that was never trained, from those that were: a Gaussian process.

It works on square roots of amounts: the first half a helping changes more than the fifth. Matern 5/2, one length for
each ingredient, lengths and sizes where the marginal likelihood times weak priors is largest (Rasmussen & Williams
2006, gaussianprocess.org/gpml, chapters 2, 4 and 5). A forecast, where there is one, enters as one more linear term
(ibid. 2.7), whose size is learned with the rest: one that does not go with the scores is left out by itself.

numpy alone, and a few milliseconds: the process that faces the browser may fit one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

Cast = Callable[[np.ndarray], np.ndarray]  # forecasts of mixes: (mixes, ingredients), times gold -> (mixes,)

SEED_SD = 0.02  # of F1 between two seeds of one mix, where nothing is known of it: that of 300 sentences
_SEED_WEIGHT = 3.0  # repeats that it counts as
CALIBRATED = 9  # mixes from which bands are held against what was left out
LEVEL = 0.9  # of bands
_CONSTANT = 3.0  # sd of the unknown mean, in sds of the scores
_JITTER = 1e-6
_FLAT = 0.05  # of the scores' sd: forecasts that differ by less say nothing, so that no other mix's says too much
# Of the logarithms of: lengths (roots of times gold), the process's sd, the forecast's sd, the noise's factor; sds are
# in sds of the scores. Median, width of the prior, least and most.
_LENGTH = (np.log(1.5), 0.75, np.log(0.2), np.log(20.0))
_SIGNAL = (np.log(0.8), 0.75, np.log(0.02), np.log(4.0))
_FORECAST = (np.log(0.4), 1.0, np.log(1e-3), np.log(3.0))
_NOISE = (0.0, 0.35, np.log(0.3), np.log(3.0))
_ROUNDS = 80


@dataclass(frozen=True)
class Scores:
    """Scores by mix. `amounts`: times gold; `values`: the mean over a mix's repeats; `noise`: its variance by chance of
    seeds. *Shapes:* (mixes, ingredients), (mixes,), (mixes,)."""

    amounts: np.ndarray
    values: np.ndarray
    noise: np.ndarray


def averaged(amounts: np.ndarray, values: np.ndarray, seed_sd: float = SEED_SD) -> Scores:
    """One score for each mix, of runs. The variance between seeds is taken to be the same for all mixes: what repeats
    show of it, pooled, and `seed_sd` as if seen in a few more. *Shapes:* (runs, ingredients), (runs,)."""
    mixes, at = np.unique(np.asarray(amounts, float), axis=0, return_inverse=True)
    at, values = at.ravel(), np.asarray(values, float)
    counts = np.bincount(at, minlength=len(mixes))
    means = np.bincount(at, values, minlength=len(mixes)) / np.maximum(counts, 1)
    apart = float(((values - means[at]) ** 2).sum())
    variance = (apart + _SEED_WEIGHT * seed_sd**2) / (len(values) - len(mixes) + _SEED_WEIGHT)
    return Scores(mixes, means, variance / np.maximum(counts, 1))


@dataclass(frozen=True)
class _Sizes:
    """What the likelihood decides, in sds of the scores. `lengths`: of each ingredient, roots of times gold."""

    lengths: np.ndarray
    signal: float
    forecast: float
    noise: float

    @classmethod
    def of(cls, logs: np.ndarray) -> "_Sizes":
        lengths, (signal, forecast, noise) = np.exp(logs[:-3]), np.exp(logs[-3:])
        return cls(lengths, float(signal), float(forecast), float(noise))


@dataclass(frozen=True)
class Surrogate:
    """A fitted process. `roots`: of the amounts, `targets`: standardised values, `noise`: their variances, `prior`: the
    standardised forecast; `cast`: makes it where it is not given. *Shapes:* (mixes, ingredients), (mixes,), (mixes,),
    (mixes,)."""

    roots: np.ndarray
    targets: np.ndarray
    noise: np.ndarray
    prior: np.ndarray
    sizes: _Sizes
    scale: tuple[float, float]  # mean and sd of the values
    prior_scale: tuple[float, float]
    cast: Cast | None = field(repr=False)
    _factor: np.ndarray = field(repr=False)  # Cholesky, of the covariance of the targets
    _weights: np.ndarray = field(repr=False)

    @property
    def lengths(self) -> np.ndarray:
        """How far one must go along each ingredient for scores to change, roots of times gold. *Shape:*
        (ingredients,)."""
        return self.sizes.lengths

    @property
    def seed_noise(self) -> np.ndarray:
        """Sd by chance of seeds of each mix's mean, as the fit has it. *Shape:* (mixes,)."""
        return self.scale[1] * np.sqrt(self.sizes.noise * self.noise)

    def at(self, amounts: np.ndarray, prior: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of what mixes score on average over seeds. `prior`: their forecasts, if it was fitted with some
        and no `cast` makes them. *Shapes:* (points, ingredients), (points,) -> (points,), (points,)."""
        roots, given = self._inside(amounts, prior)
        cross = _covariance(self.sizes, roots, given, self.roots, self.prior)
        half = np.linalg.solve(self._factor, cross.T)
        variance = _own(self.sizes, given) - (half**2).sum(axis=0)
        mean, sd = self.scale
        return mean + sd * (cross @ self._weights), sd * np.sqrt(np.maximum(variance, 0.0))

    def joint(self, amounts: np.ndarray, prior: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Means and covariances of mixes among each other. *Shapes:* (points, ingredients), (points,) -> (points,),
        (points, points)."""
        roots, given = self._inside(amounts, prior)
        cross = _covariance(self.sizes, roots, given, self.roots, self.prior)
        half = np.linalg.solve(self._factor, cross.T)
        among = _covariance(self.sizes, roots, given, roots, given) - half.T @ half
        mean, sd = self.scale
        return mean + sd * (cross @ self._weights), sd**2 * among

    def believing(self, amounts: np.ndarray, prior: np.ndarray | None = None) -> "Surrogate":
        """As if mixes had scored what it expects of them (the Kriging believer; Ginsbourger et al. 2010,
        doi.org/10.1007/978-3-642-10701-6_6): lengths and sizes stay. *Shapes:* as `at`."""
        roots, given = self._inside(amounts, prior)
        expected = (self.at(amounts, prior)[0] - self.scale[0]) / self.scale[1]
        noise = np.full(len(roots), float(np.median(self.noise)))
        found = replace(
            self,
            roots=np.concatenate([self.roots, roots]),
            targets=np.concatenate([self.targets, expected]),
            noise=np.concatenate([self.noise, noise]),
            prior=np.concatenate([self.prior, given]),
        )
        return conditioned(found)

    def held_out(self) -> tuple[np.ndarray, np.ndarray]:
        """What is expected of each mix from the others alone, and the sd of the mean that was measured about it, chance
        of seeds in it (ibid. 5.4.2; lengths and sizes stay). *Shapes:* (mixes,), (mixes,)."""
        inverse = _inverse(self._factor)
        spread = 1 / np.diag(inverse)
        mean, sd = self.scale
        return mean + sd * (self.targets - self._weights * spread), sd * np.sqrt(spread)

    def stretch(self, level: float = LEVEL) -> float | None:
        """How many sds a band has to be wide to each side to hold that share of what was left out; None below
        CALIBRATED mixes (Vovk et al. 2005; by leaving out one, Barber et al. 2021, arxiv.org/abs/1905.02928)."""
        if len(self.targets) < CALIBRATED:
            return None
        mean, sd = self.held_out()
        off = np.sort(np.abs(self.scale[0] + self.scale[1] * self.targets - mean) / sd)
        return float(off[min(len(off), int(np.ceil(level * (len(off) + 1)))) - 1])

    def _inside(self, amounts: np.ndarray, prior: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        amounts = np.atleast_2d(np.asarray(amounts, float))
        if prior is None and self.cast is not None:
            prior = self.cast(amounts)
        if prior is None:
            return np.sqrt(amounts), np.zeros(len(amounts))
        mean, sd = self.prior_scale
        return np.sqrt(amounts), (np.asarray(prior, float) - mean) / sd


def fit(
    amounts: np.ndarray,
    values: np.ndarray,
    noise: np.ndarray,
    prior: np.ndarray | None = None,
    cast: Cast | None = None,
) -> Surrogate:
    """A process through scores. `amounts`: times gold; `values`: any scale; `noise`: variance of each value by chance;
    `prior`: a forecast for each, y = a + b forecast + process; `cast`: what makes it, of these and of any mix asked
    for. *Shapes:* (mixes, ingredients), (mixes,), (mixes,), (mixes,); at least one mix."""
    if cast is not None:
        prior = cast(np.asarray(amounts, float))
    roots, values, noise = np.sqrt(np.asarray(amounts, float)), np.asarray(values, float), np.asarray(noise, float)
    mean = float(values.mean())
    sd = max(float(values.std()), float(np.sqrt(noise.mean())), 1e-9)
    given, prior_scale = _standardised(prior, len(values), _FLAT * sd)
    bare = Surrogate(
        roots, (values - mean) / sd, noise / sd**2, given, _Sizes(np.ones(roots.shape[1]), 1.0, 0.0, 1.0), (mean, sd),
        prior_scale, cast, np.zeros((0, 0)), np.zeros(0),
    )  # fmt: skip
    return conditioned(replace(bare, sizes=_Sizes.of(_likeliest(bare, prior is not None))))


def _standardised(prior: np.ndarray | None, n: int, least: float) -> tuple[np.ndarray, tuple[float, float]]:
    if prior is None:
        return np.zeros(n), (0.0, 1.0)
    given = np.asarray(prior, float)
    mean, sd = float(given.mean()), max(float(given.std()), least)
    return (given - mean) / sd, (mean, sd)


def conditioned(found: Surrogate) -> Surrogate:
    """With what it holds now, under the lengths and sizes that it has."""
    factor = np.linalg.cholesky(_noisy(found.sizes, found))
    return replace(found, _factor=factor, _weights=_solved(factor, found.targets))


def _solved(factor: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.linalg.solve(factor.T, np.linalg.solve(factor, right))


def _inverse(factor: np.ndarray) -> np.ndarray:
    return _solved(factor, np.eye(len(factor)))


def _covariance(sizes: _Sizes, roots: np.ndarray, prior: np.ndarray, others: np.ndarray, its: np.ndarray) -> np.ndarray:
    """*Shape:* (points, others)."""
    apart = ((roots[:, None] - others[None]) / sizes.lengths) ** 2
    process = sizes.signal**2 * _matern(np.sqrt(5 * apart.sum(axis=2)))
    return _CONSTANT**2 + sizes.forecast**2 * np.outer(prior, its) + process


def _matern(far: np.ndarray) -> np.ndarray:
    """`far`: root 5 times the distance."""
    return (1 + far + far**2 / 3) * np.exp(-far)


def _own(sizes: _Sizes, prior: np.ndarray) -> np.ndarray:
    return _CONSTANT**2 + sizes.forecast**2 * prior**2 + sizes.signal**2


def _noisy(sizes: _Sizes, found: Surrogate) -> np.ndarray:
    among = _covariance(sizes, found.roots, found.prior, found.roots, found.prior)
    return among + np.diag(sizes.noise * found.noise + _JITTER)


def _likeliest(found: Surrogate, with_forecast: bool) -> np.ndarray:
    """The logarithms of lengths, signal, forecast and noise that are likeliest, of two climbs: from the priors'
    medians, and from shorter lengths."""
    width = found.roots.shape[1]
    priors = np.array([_LENGTH] * width + [_SIGNAL, _FORECAST, _NOISE])
    climbs = [_climbed(found, priors, start, with_forecast) for start in (0.0, -0.8)]
    return max(climbs, key=lambda climb: climb[1])[0]


def _climbed(found: Surrogate, priors: np.ndarray, shorter: float, with_forecast: bool) -> tuple[np.ndarray, float]:
    """The best point of a climb, and how good it is: Rprop without backtracking (Riedmiller & Braun 1993,
    doi.org/10.1109/ICNN.1993.298623)."""
    low, high = priors[:, 2], priors[:, 3]
    logs, step, before = priors[:, 0].copy(), np.full(len(priors), 0.2), np.zeros(len(priors))
    logs[:-3] += shorter
    free = np.ones(len(priors), bool)
    if not with_forecast:
        logs[-2], free[-2] = -30.0, False  # no forecast: no part of it
        low, high = np.where(free, low, -30.0), np.where(free, high, -30.0)
    best, top = logs, -np.inf
    for _ in range(_ROUNDS):
        value, slope = _evidence(found, priors, logs, free)
        if value > top:
            best, top = logs, value
        turned = np.sign(slope * before)
        step = np.clip(step * np.where(turned > 0, 1.2, np.where(turned < 0, 0.5, 1.0)), 1e-4, 0.6)
        before = np.where(turned < 0, 0.0, slope)
        logs = np.clip(logs + step * np.sign(before), low, high)
        if step.max() < 1e-3:
            break
    return best, top


def _evidence(found: Surrogate, priors: np.ndarray, logs: np.ndarray, free: np.ndarray) -> tuple[float, np.ndarray]:
    """The logarithm of likelihood times priors, but for a constant, and its slope."""
    sizes, targets = _Sizes.of(logs), found.targets
    apart = ((found.roots[:, None] - found.roots[None]) / sizes.lengths) ** 2
    far = np.sqrt(5 * apart.sum(axis=2))
    process = sizes.signal**2 * _matern(far)
    given = sizes.forecast**2 * np.outer(found.prior, found.prior)
    among = _CONSTANT**2 + given + process + np.diag(sizes.noise * found.noise + _JITTER)
    factor = np.linalg.cholesky(among)
    inverse = _inverse(factor)
    weights = inverse @ targets
    off = np.where(free, (logs - priors[:, 0]) / priors[:, 1], 0.0)
    value = -0.5 * float(targets @ weights) - float(np.log(np.diag(factor)).sum()) - 0.5 * float(off @ off)
    pull = np.outer(weights, weights) - inverse
    near = 5 / 3 * sizes.signal**2 * (1 + far) * np.exp(-far) * pull
    slopes = [
        *(0.5 * np.einsum("ij,ijk->k", near, apart)),
        float((pull * process).sum()),
        float((pull * given).sum()),
        0.5 * float(np.diag(pull) @ (sizes.noise * found.noise)),
    ]
    return value, np.where(free, np.array(slopes) - off / priors[:, 1], 0.0)
