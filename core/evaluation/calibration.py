"""How far the confidence of marked mentions can be trusted: what share of them is right, and what a threshold keeps.

The confidence of a mention is the probability of its least probable word. All figures are means over the runs of a
group, never those of its best run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.scores import FEW, Interval

BINS = 10
DRAWS = 1000
_DRAWS_AT_ONCE = 250
_CHANCES = 200  # imagined runs whose confidence is exactly right
_ALIKE = 0.01  # claimed and right shares that differ by less are alike
Lean = Literal["over", "under", "mixed", "fair", "few"]


@dataclass(frozen=True)
class Marked:
    """The mentions that one run marked. *Shapes:* (mentions,) each.

    `confidence`: 0..1; `right`: bool, whether span and label are those of gold; `label`: its number among the labels;
    `row`: of the corpus.
    """

    confidence: np.ndarray
    right: np.ndarray
    label: np.ndarray
    row: np.ndarray

    def of(self, label: int) -> "Marked":
        """Those of one label."""
        mine = self.label == label
        return Marked(self.confidence[mine], self.right[mine], self.label[mine], self.row[mine])


@dataclass(frozen=True)
class Bin:
    """Mentions of like confidence: from `low` to `high`, `claimed` on average, of which the share `right` is right.

    `interval`: of `right`, 95 %; None where no draw defines it; `count`: mentions of a run.
    """

    low: float
    high: float
    claimed: float
    right: float
    interval: Interval | None
    count: float


@dataclass(frozen=True)
class Reliability:
    """Confidence against the share that is right, 0..1.

    `error`: the expected calibration error; `spread`: its lowest and highest run; `chance`: what it stays under in 95
    of 100 cases where the confidence is exactly right; `gap`: claimed minus right, with its 95 % interval; `count`:
    mentions of a run.
    """

    bins: tuple[Bin, ...]
    error: float
    spread: Interval
    chance: float
    claimed: float
    right: float
    gap: Interval
    count: float
    runs: int

    @property
    def lean(self) -> Lean:
        """Which way it is wrong. "mixed": too sure of some and not sure enough of others; "few": not to be judged."""
        if self.count < FEW:
            return "few"
        if abs(self.claimed - self.right) >= _ALIKE and not self.gap[0] <= 0 <= self.gap[1]:
            return "over" if self.claimed > self.right else "under"
        return "mixed" if self.error > self.chance else "fair"


@dataclass(frozen=True)
class Band:
    """Rates over the thresholds: mean over runs, lowest and highest run, 0..1. *Shapes:* (thresholds,) each.

    NaN where a run keeps nothing, so that its precision is not defined.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Thresholds:
    """What is left when mentions marked with less confidence than a threshold are thrown away.

    `at`: the thresholds, ascending from 0; `kept`: mentions of a run, mean. *Shapes:* (thresholds,) each.
    """

    at: np.ndarray
    precision: Band
    recall: Band
    f1: Band
    kept: np.ndarray
    runs: int


@dataclass(frozen=True)
class Effect:
    """What one threshold does: rates (0..1) and mentions of a run without it and with it. None: nothing is kept."""

    threshold: float
    precision: tuple[float | None, float | None]
    recall: tuple[float, float]
    f1: tuple[float, float]
    kept: tuple[float, float]


def reliability(runs: Sequence[Marked], bins: int = BINS, draws: int = DRAWS, seed: int = 0) -> Reliability:
    """The calibration of a group of runs over the same rows. Raises ValueError where a run marked nothing.

    Expected calibration error: Naeini, Cooper & Hauskrecht 2015, https://doi.org/10.1609/aaai.v29i1.9602; Guo et al.
    2017, https://arxiv.org/abs/1706.04599. Departure: bins hold about equally many mentions of all runs together
    (Nixon et al. 2019, https://arxiv.org/abs/1904.01685), since most confidences are near 1; equal ones share a bin,
    so there may be fewer bins. Intervals: percentile bootstrap, rows and runs resampled together. Chance: Bröcker &
    Smith 2007, https://doi.org/10.1175/WAF993.1, the mean over runs of each run's 95 % quantile.
    """
    if not runs or not all(len(run.confidence) for run in runs):
        raise ValueError("a run without a marked mention has no calibration")
    rng = np.random.default_rng(seed)
    edges = _edges(np.concatenate([run.confidence for run in runs]), bins)
    sums = _sums(runs, edges)
    whole = sums.sum(0)
    errors = np.abs(whole[1] - whole[2]).sum(1) / whole[0].sum(1)
    claimed, right = (_mean(part.sum(1) / whole[0].sum(1)) for part in (whole[1], whole[2]))
    ends, gap = _intervals(sums, draws, rng)
    return Reliability(
        _bins(runs, edges, whole, ends),
        _mean(errors),
        (float(errors.min()), float(errors.max())),
        _mean(np.array([_chance(run.confidence, edges, rng) for run in runs])),
        claimed,
        right,
        gap,
        float(whole[0].sum(1).mean()),
        len(runs),
    )


def _edges(confidence: np.ndarray, bins: int) -> np.ndarray:
    """The lowest confidence of every bin but the first, ascending; at most `bins` - 1."""
    ordered = np.sort(confidence)
    cuts = ordered[[len(ordered) * part // bins for part in range(1, bins)]]
    return np.unique(cuts[cuts > ordered[0]])


def _sums(runs: Sequence[Marked], edges: np.ndarray) -> np.ndarray:
    """Mentions, their confidence and how many are right. *Shape:* (rows with a mention, 3, runs, bins)."""
    row = np.unique(np.concatenate([run.row for run in runs]), return_inverse=True)[1]
    of = np.repeat(np.arange(len(runs)), [len(run.row) for run in runs])
    confidence, right = (np.concatenate([getattr(run, name) for run in runs]) for name in ("confidence", "right"))
    width = len(edges) + 1
    cell = (row * len(runs) + of) * width + np.searchsorted(edges, confidence, side="right")
    shape = (int(row.max()) + 1, len(runs), width)
    parts = [np.bincount(cell, weights, int(np.prod(shape))) for weights in (None, confidence, right)]
    return np.stack([part.reshape(shape) for part in parts], 1)


def _bins(
    runs: Sequence[Marked], edges: np.ndarray, whole: np.ndarray, ends: Sequence[Interval | None]
) -> tuple[Bin, ...]:
    """`whole`: mentions, confidence, right. *Shape:* (3, runs, bins). A run without a mention in a bin is left out."""
    confidence = np.concatenate([run.confidence for run in runs])
    at = np.searchsorted(edges, confidence, side="right")
    rates = np.divide(whole[1:], whole[0], out=np.full(whole[1:].shape, np.nan), where=whole[0] > 0)
    claimed, right = np.nanmean(rates, axis=1)
    return tuple(
        Bin(
            float(confidence[at == number].min()),
            float(confidence[at == number].max()),
            float(claimed[number]),
            float(right[number]),
            ends[number],
            float(whole[0, :, number].mean()),
        )
        for number in range(len(edges) + 1)
    )


def _intervals(sums: np.ndarray, draws: int, rng: np.random.Generator) -> tuple[list[Interval | None], Interval]:
    """Of the share that is right in each bin, and of claimed minus right over all. `sums`: see _sums."""
    rows, _, runs, bins = sums.shape
    flat = sums.reshape(rows, -1)
    right: list[np.ndarray] = []
    gap: list[np.ndarray] = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        count, claimed, hits = np.moveaxis((_weights(rng, size, rows) @ flat).reshape(size, 3, runs, bins), 1, 0)
        share = _weights(rng, size, runs)
        there = share[..., None] * (count > 0)
        rates = np.divide(hits, count, out=np.zeros(hits.shape), where=count > 0)
        weight = there.sum(1)
        mean = np.divide((rates * there).sum(1), weight, out=np.full(weight.shape, np.nan), where=weight > 0)
        right.append(mean)
        whole = np.maximum(count.sum(2), 1)
        gap.append(((claimed.sum(2) - hits.sum(2)) / whole * share).sum(1) / share.sum(1))
    drawn = np.concatenate(right)
    ends = [None if np.isnan(column).all() else _quantiles(column) for column in drawn.T]
    return ends, _quantiles(np.concatenate(gap))


def _weights(rng: np.random.Generator, draws: int, items: int) -> np.ndarray:
    """How often each item is picked in each draw of as many. *Shape:* (draws, items), float64."""
    picks = rng.integers(0, items, size=(draws, items)) + np.arange(draws)[:, None] * items
    return np.bincount(picks.ravel(), minlength=draws * items).reshape(draws, items).astype(np.float64)


def _quantiles(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def _chance(confidence: np.ndarray, edges: np.ndarray, rng: np.random.Generator) -> float:
    """The 95 % quantile of the error of a run with these confidences, all of them exactly right."""
    at = np.searchsorted(edges, confidence, side="right")
    off = confidence - (rng.random((_CHANCES, len(confidence))) < confidence)
    errors = sum(np.abs(off[:, at == number].sum(1)) for number in range(len(edges) + 1)) / len(confidence)
    return float(np.percentile(errors, 95))


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def threshold_curve(runs: Sequence[Marked], gold: int) -> Thresholds:
    """Precision, recall and F1 over thresholds of 0, .01, ... 1. `gold`: mentions that are to be found.

    Of one label: hand in its mentions (`Marked.of`) and its gold. Rates as in core.evaluation.scoring, except that
    precision is not defined where nothing is kept.
    """
    at = np.arange(101) / 100
    kept, hits = (np.stack(part) for part in zip(*(_kept(run, at) for run in runs), strict=True))
    recall = hits / gold if gold else np.zeros(hits.shape)
    f1 = 2 * hits / np.maximum(kept + gold, 1)  # the same as of precision and recall, and 0 where both are
    precision = np.divide(hits, kept, out=np.full(hits.shape, np.nan), where=kept > 0)
    return Thresholds(at, _band(precision), _band(recall), _band(f1), kept.mean(0), len(runs))


def _band(rates: np.ndarray) -> Band:
    return Band(rates.mean(0), rates.min(0), rates.max(0))


def _kept(run: Marked, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mentions with at least a confidence, and how many of them are right. *Shapes:* (thresholds,)."""
    order = np.argsort(run.confidence, kind="stable")
    first = np.searchsorted(run.confidence[order], at, side="left")
    before = np.concatenate(([0], np.cumsum(run.right[order])))
    return len(order) - first, before[-1] - before[first]


def best_threshold(curve: Thresholds) -> float:
    """The threshold with the highest mean F1, the lowest of equals. It is to be sought on dev, never on test."""
    return float(curve.at[int(np.argmax(curve.f1.mean))])


def effect(curve: Thresholds, threshold: float) -> Effect:
    """What a threshold (0..1, in hundredths) does, beside no threshold."""
    at = int(np.argmin(np.abs(curve.at - threshold)))

    def both(rates: np.ndarray) -> tuple[float, float]:
        return float(rates[0]), float(rates[at])

    before, after = (None if np.isnan(rate) else rate for rate in both(curve.precision.mean))
    recall, f1 = both(curve.recall.mean), both(curve.f1.mean)
    return Effect(float(curve.at[at]), (before, after), recall, f1, both(curve.kept))
