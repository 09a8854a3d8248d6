"""Precision, recall and F1 from counts, and the 95 % intervals that resample rows and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.scores import Counts, Interval, LabelScores, Metric, Scores

DRAWS = 2000
METRICS: tuple[str, ...] = ("precision", "recall", "f1")
_DRAWS_AT_ONCE = 250


@dataclass(frozen=True)
class Rates:
    """Precision, recall and F1, element-wise; 0 where the denominator is 0 (seqeval's zero_division=0)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray

    @classmethod
    def of(cls, tp: np.ndarray, pred: np.ndarray, gold: np.ndarray) -> "Rates":
        precision, recall = _ratio(tp, pred), _ratio(tp, gold)
        return cls(precision, recall, _ratio(2 * precision * recall, precision + recall))


@dataclass(frozen=True)
class Sums:
    """Counts summed over rows. *Shapes:* (..., seeds, labels); gold is the same for every seed."""

    tp: np.ndarray
    pred: np.ndarray
    gold: np.ndarray

    @classmethod
    def over_rows(cls, seeds: Sequence[Counts]) -> "Sums":
        tp, pred = (np.stack([getattr(c, name).sum(0) for c in seeds]) for name in ("tp", "pred"))
        return cls(tp, pred, np.broadcast_to(seeds[0].gold.sum(0), tp.shape))

    def per_label(self) -> Rates:
        return Rates.of(self.tp, self.pred, self.gold)

    def micro(self) -> Rates:
        return Rates.of(self.tp.sum(-1), self.pred.sum(-1), self.gold.sum(-1))

    def macro(self) -> Rates:
        """The mean over the labels that stand in gold or in the predictions, as seqeval averages."""
        there = (self.pred > 0) | (self.gold > 0)
        size = np.maximum(there.sum(-1), 1)
        rates = self.per_label()
        return Rates(*((np.where(there, r, 0).sum(-1) / size) for r in (rates.precision, rates.recall, rates.f1)))


def score(
    seeds: Sequence[Counts],
    headline: str = "f1",
    also: Mapping[str, str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Scores:
    """The scores of a group of runs (one Counts per seed, same rows and labels in each).

    `also`: other names that metrics go by. Means over seeds; intervals by percentile bootstrap (Efron & Tibshirani
    1993), rows and seeds resampled together, the rows once per draw for all seeds.
    """
    names = seeds[0].names
    whole = Sums.over_rows(seeds)
    rng = np.random.default_rng(seed)
    boot = bootstrap(seeds, draws, rng, rng)
    support = seeds[0].gold.sum(0)
    micro, micro_draws = whole.micro(), boot["micro"]
    macro, macro_draws = whole.macro(), boot["macro"]
    metrics = {name: _metric(getattr(micro, name), getattr(micro_draws, name)) for name in METRICS}
    metrics |= {name: metrics[of] for name, of in (also or {}).items()}
    metrics |= {f"macro_{name}": _metric(getattr(macro, name), getattr(macro_draws, name)) for name in METRICS}
    rates, label_draws = whole.per_label(), boot["label"]
    per_label = {
        name: _label(
            {n: getattr(rates, n)[:, i] for n in METRICS},
            {n: getattr(label_draws, n)[:, i] for n in METRICS},
            int(support[i]),
        )
        for i, name in enumerate(names)
    }
    total = int(support.sum())
    overall: dict[str, float | int] = {name: metrics[name].mean for name in METRICS}
    return Scores(headline, metrics, total, overall | {"support": total}, per_label)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below != 0)


def _metric(seeds: np.ndarray, draws: np.ndarray) -> Metric:
    sd = float(seeds.std(ddof=1)) if len(seeds) > 1 else None
    return Metric(float(seeds.mean()), sd, interval(draws))


def _label(seeds: dict[str, np.ndarray], draws: dict[str, np.ndarray], support: int) -> LabelScores:
    if not support:
        return LabelScores(None, None, None, 0, dict.fromkeys(METRICS))
    mean = {name: float(seeds[name].mean()) for name in METRICS}
    intervals = {name: interval(draws[name]) for name in METRICS}
    return LabelScores(mean["precision"], mean["recall"], mean["f1"], support, intervals)


def interval(draws: np.ndarray) -> Interval:
    """The 2.5 and 97.5 percentiles; draws without any gold item of the label (NaN) say nothing and are left out."""
    if np.isnan(draws).all():
        return (0.0, 1.0)
    low, high = np.nanpercentile(draws, (2.5, 97.5))
    return float(low), float(high)


def bootstrap(
    group: Sequence[Counts], draws: int, row_rng: np.random.Generator, seed_rng: np.random.Generator
) -> dict[str, Rates]:
    """Means over resampled seeds on resampled rows, one Counts per seed.

    -> per "label" (draws, labels), "micro" and "macro" (draws,). Equal `row_rng` streams pick equal rows. Sums are
    whole numbers below 2^24, so float32 products are exact and the same on every machine.
    """
    tp, pred, gold = np.stack([c.tp for c in group]), np.stack([c.pred for c in group]), group[0].gold
    seeds, rows, labels = tp.shape
    flat = np.concatenate([tp.transpose(1, 0, 2).reshape(rows, -1), pred.transpose(1, 0, 2).reshape(rows, -1), gold], 1)
    there = np.flatnonzero(flat.any(1))  # a row without entities in gold or predictions adds nothing to any sum
    flat = np.ascontiguousarray(flat[there], dtype=np.float32)
    out: dict[str, list[Rates]] = {"label": [], "micro": [], "macro": []}
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        picked = row_weights(row_rng, size, rows, there)
        weight = _seed_weights(seed_rng, size, seeds)
        sums = (picked @ flat).astype(np.float64)
        cut = seeds * labels
        both = Sums(
            sums[:, :cut].reshape(size, seeds, labels),
            sums[:, cut : 2 * cut].reshape(size, seeds, labels),
            np.broadcast_to(sums[:, None, 2 * cut :], (size, seeds, labels)),
        )
        label = _mean_over_seeds(both.per_label(), weight)
        absent = both.gold[:, 0, :] == 0
        out["label"].append(Rates(*(np.where(absent, np.nan, r) for r in (label.precision, label.recall, label.f1))))
        out["micro"].append(_mean_over_seeds(both.micro(), weight))
        out["macro"].append(_mean_over_seeds(both.macro(), weight))
    return {
        name: Rates(*(np.concatenate([getattr(r, n) for r in rates]) for n in METRICS)) for name, rates in out.items()
    }


def row_weights(rng: np.random.Generator, draws: int, rows: int, there: np.ndarray) -> np.ndarray:
    """How often each row of `there` is picked in each draw of as many as there are rows. *Shape:* (draws, there)."""
    weights = np.empty((draws, len(there)), dtype=np.float32)
    for draw in range(draws):  # one at a time: counts of one draw stay in the processor's cache
        weights[draw] = np.bincount(rng.integers(0, rows, size=rows), minlength=rows)[there]
    return weights


def _seed_weights(rng: np.random.Generator, draws: int, seeds: int) -> np.ndarray:
    """The share of each seed in each draw; one of a single seed. *Shape:* (draws, seeds)."""
    picks = rng.integers(0, seeds, size=(draws, seeds)) + np.arange(draws)[:, None] * seeds
    return np.bincount(picks.ravel(), minlength=draws * seeds).reshape(draws, seeds) / seeds


def _mean_over_seeds(rates: Rates, weight: np.ndarray) -> Rates:
    return Rates(*(np.einsum("ds...,ds->d...", r, weight) for r in (rates.precision, rates.recall, rates.f1)))
