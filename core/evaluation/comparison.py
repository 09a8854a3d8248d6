"""How two groups of runs differ on the same rows, with intervals over rows and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.scoring import DRAWS, METRICS, Sums, bootstrap, interval
from core.scores import Counts, Interval


@dataclass(frozen=True)
class Difference:
    """The other group's mean minus the baseline's (-1..1), and its 95 % interval; None where no draw defines it."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class LabelComparison:
    """One label in both groups: precision, recall and F1 (0..1), means over seeds; None without support.

    `label`: "" stands for all labels together (micro).
    """

    label: str
    support: int
    baseline: Mapping[str, float | None]
    other: Mapping[str, float | None]
    difference: Mapping[str, Difference | None]


@dataclass(frozen=True)
class Comparison:
    """Two groups of runs over the same rows. `labels`: in the order of the counts."""

    baseline_seeds: int
    other_seeds: int
    rows: int
    overall: LabelComparison
    labels: tuple[LabelComparison, ...]


@dataclass(frozen=True)
class _Measured:
    """One metric of one group. *Shapes:* `mean` (1 + labels,), `draws` (draws, 1 + labels); column 0 is micro."""

    mean: np.ndarray
    draws: np.ndarray


def compare(baseline: Sequence[Counts], other: Sequence[Counts], draws: int = DRAWS, seed: int = 0) -> Comparison:
    """The differences between two groups of runs, one Counts per seed; ValueError unless all have the same gold.

    Percentile bootstrap (Efron & Tibshirani 1993): the same rows for both groups in each draw, since both were tested
    on them; seeds resampled within each group by itself.
    """
    _check([*baseline, *other], min(len(baseline), len(other)))
    row_stream, *seed_streams = np.random.SeedSequence(seed).spawn(3)
    before, after = (
        _measure(group, draws, np.random.default_rng(row_stream), np.random.default_rng(seed_stream))
        for group, seed_stream in zip((baseline, other), seed_streams, strict=True)
    )
    names, gold = baseline[0].names, baseline[0].gold
    support = gold.sum(0)
    overall, *labels = (
        _row(label, int(count), column, before, after)
        for column, (label, count) in enumerate(zip(("", *names), (support.sum(), *support), strict=True))
    )
    return Comparison(len(baseline), len(other), len(gold), overall, tuple(labels))


def _check(counts: Sequence[Counts], smaller: int) -> None:
    if not smaller or not len(counts[0].gold):
        raise ValueError("nothing to compare: a group without runs, or runs without rows")
    first = counts[0]
    if any(c.names != first.names or not np.array_equal(c.gold, first.gold) for c in counts):
        raise ValueError("runs can be compared only over the same labels and the same gold")


def _measure(
    group: Sequence[Counts], draws: int, row_rng: np.random.Generator, seed_rng: np.random.Generator
) -> dict[str, _Measured]:
    whole = Sums.over_rows(group)
    micro, labels = whole.micro(), whole.per_label()
    drawn = bootstrap(group, draws, row_rng, seed_rng)
    return {
        name: _Measured(
            np.append(getattr(micro, name).mean(), getattr(labels, name).mean(0)),
            np.column_stack([getattr(drawn["micro"], name), getattr(drawn["label"], name)]),
        )
        for name in METRICS
    }


def _row(
    label: str, support: int, column: int, before: Mapping[str, _Measured], after: Mapping[str, _Measured]
) -> LabelComparison:
    if not support:
        nothing = dict.fromkeys(METRICS)
        return LabelComparison(label, 0, nothing, nothing, nothing)
    baseline = {name: float(before[name].mean[column]) for name in METRICS}
    other = {name: float(after[name].mean[column]) for name in METRICS}
    difference = {
        name: Difference(
            other[name] - baseline[name],
            _defined_interval(after[name].draws[:, column] - before[name].draws[:, column]),
        )
        for name in METRICS
    }
    return LabelComparison(label, support, baseline, other, difference)


def _defined_interval(draws: np.ndarray) -> Interval | None:
    return None if np.isnan(draws).all() else interval(draws)
