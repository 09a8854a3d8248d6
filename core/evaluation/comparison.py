"""How two groups of runs differ on the same rows: what seeds and rows leave open of it.

Scores vary over seeds (another start of the same recipe) and over rows (another sample of text). The two are crossed:
every seed was tested on the same rows, and both groups on the same. The variance of a difference of means is taken
apart as in a two-way layout (Cornfield & Tukey 1956, doi:10.1214/aoms/1177728067; for resampling: Owen 2007,
arXiv 0712.1111):

- *seeds*: the sample variance over seeds of each group, divided by their number. What rows do differently from seed to
  seed is in it already.
- *rows*: what another sample of rows would do to the difference, less what of that is chance from seed to seed.

Rows enter through the first-order influence of each on a rate (Efron & Tibshirani 1993, chapter 22), so nothing is
drawn. Quantiles are Student's, with Welch's and Satterthwaite's degrees of freedom (Satterthwaite 1946), because a
variance over five seeds is itself uncertain. The percentile bootstrap over seeds and rows, which this replaces, divides
by n instead of n - 1, knows no such quantile and counts the chance from seed to seed twice: with 5 seeds of one and the
same recipe it found a difference too often (docs/verdicts.md has both, measured on real runs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from core.evaluation.scoring import METRICS, Rates
from core.scores import Counts, Interval

LEVEL = 0.05  # of wrong claims; intervals hold 95 %


@dataclass(frozen=True)
class Difference:
    """The other group's mean minus the baseline's (-1..1), and what is left open of it.

    `error`: its standard error over seeds and rows, None with fewer than two seeds in a group; `freedom`: degrees of
    freedom of that error; `rows`: what rows add to the error's square, which more repeats don't lessen.
    """

    value: float
    error: float | None = None
    freedom: float = 1.0
    rows: float = 0.0

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval; None where there is no standard error."""
        if self.error is None:
            return None
        reach = float(stdtrit(self.freedom, 1 - LEVEL / 2)) * self.error
        return max(-1.0, self.value - reach), min(1.0, self.value + reach)

    @property
    def p(self) -> float:
        """The probability of a difference at least this large between equals, 0..1; 1 without a standard error."""
        return 2 * self._tail(abs(self.value))

    def p_same(self, margin: float) -> float:
        """The same of a difference this small where the true one is `margin` or more (two one-sided tests,
        Schuirmann 1987, doi:10.1007/BF01068419); 1 where nothing varied: a label that no run ever found shows nothing.
        """
        if not self.error:
            return 1.0
        return max(self._tail(margin - self.value), self._tail(margin + self.value))

    def _tail(self, distance: float) -> float:
        """The probability that chance takes the estimate so far in one direction; 1/2 or more where it needn't."""
        if self.error is None:
            return 0.5 if distance >= 0 else 1.0
        if self.error == 0:
            return 0.5 if distance == 0 else float(distance < 0)
        return float(stdtr(self.freedom, -distance / self.error))


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

    @property
    def seeds(self) -> int:
        """Of the smaller group."""
        return min(self.baseline_seeds, self.other_seeds)

    @property
    def all(self) -> tuple[LabelComparison, ...]:
        """All labels together, then each."""
        return (self.overall, *self.labels)


@dataclass(frozen=True)
class Measured:
    """What a comparison needs of one group, by metric. Columns: all labels together (micro), then each label.

    *Shapes:* scores (seeds, columns); pull (rows, columns): the influence of each row on the mean over seeds, 0 in sum;
    wobble (columns,): the variance over rows of that mean which is chance from seed to seed.
    `gold`: (rows, labels), what the runs were held against.
    """

    names: tuple[str, ...]
    gold: np.ndarray
    scores: Mapping[str, np.ndarray]
    pull: Mapping[str, np.ndarray]
    wobble: Mapping[str, np.ndarray]

    @property
    def seeds(self) -> int:
        return len(self.scores["f1"])


def measure(group: Sequence[Counts]) -> Measured:
    """One Counts per seed; ValueError unless all have the same gold, labels, and at least one row."""
    if not group or not len(group[0].gold):
        raise ValueError("nothing to compare: a group without runs, or runs without rows")
    first = group[0]
    for counts in group:
        _check(first.names, first.gold, counts.names, counts.gold)
    gold = _columns(first.gold)
    scores: dict[str, list[np.ndarray]] = {metric: [] for metric in METRICS}
    total = {metric: np.zeros(gold.shape) for metric in METRICS}
    square = {metric: np.zeros(gold.shape[1]) for metric in METRICS}
    for counts in group:
        tp, pred = _columns(counts.tp), _columns(counts.pred)
        rates = Rates.of(tp.sum(0), pred.sum(0), gold.sum(0))
        for metric, rate, above, below in (
            ("precision", rates.precision, tp, pred),
            ("recall", rates.recall, tp, gold),
            ("f1", rates.f1, 2 * tp, pred + gold),
        ):
            influence = (above - rate * below) / np.maximum(below.sum(0), 1)
            scores[metric].append(rate)
            total[metric] += influence
            square[metric] += (influence**2).sum(0)
    seeds = len(group)
    pull = {metric: sums / seeds for metric, sums in total.items()}
    spread = max(seeds - 1, 1) * seeds
    wobble = {metric: (square[metric] - seeds * (pull[metric] ** 2).sum(0)) / spread for metric in METRICS}
    return Measured(first.names, first.gold, {m: np.stack(rate) for m, rate in scores.items()}, pull, wobble)


def level(group: Measured, metric: str) -> list[tuple[float, Interval]]:
    """The mean of a metric over seeds and its 95 % interval (0..1), by column; over rows alone where there is one seed.

    A column without any gold mention has a level of 0 and says nothing.
    """
    mean = group.scores[metric].mean(0)
    seeds, rows = group.seeds, len(group.gold)
    between = group.scores[metric].var(0, ddof=1) / seeds if seeds > 1 else np.zeros_like(mean)
    moved = (group.pull[metric] ** 2).sum(0) - (group.wobble[metric] if seeds > 1 else 0)
    parts = (between, np.maximum(0.0, moved) * rows / max(rows - 1, 1))
    error, freedom = _error(parts, (max(seeds - 1, 1), max(rows - 1, 1)))
    reach = stdtrit(freedom, 1 - LEVEL / 2) * error
    ends = zip(np.maximum(0.0, mean - reach).tolist(), np.minimum(1.0, mean + reach).tolist(), strict=True)
    return list(zip(mean.tolist(), ends, strict=True))


def compare(baseline: Measured, other: Measured) -> Comparison:
    """The differences between two groups of runs; ValueError unless both have the same gold and labels."""
    _check(baseline.names, baseline.gold, other.names, other.gold)
    support = baseline.gold.sum(0)
    found = {metric: _differences(baseline, other, metric) for metric in METRICS}
    overall, *labels = (
        _row(label, int(count), column, baseline, other, found)
        for column, (label, count) in enumerate(zip(("", *baseline.names), (support.sum(), *support), strict=True))
    )
    return Comparison(baseline.seeds, other.seeds, len(baseline.gold), overall, tuple(labels))


def _check(names: tuple[str, ...], gold: np.ndarray, other_names: tuple[str, ...], other_gold: np.ndarray) -> None:
    if names != other_names or not (gold is other_gold or np.array_equal(gold, other_gold)):
        raise ValueError("runs can be compared only over the same labels and the same gold")


def _columns(counts: np.ndarray) -> np.ndarray:
    """Counts with those of all labels together before them. *Shapes:* (rows, labels) -> (rows, 1 + labels), float64."""
    return np.concatenate((counts.sum(1, keepdims=True), counts), axis=1, dtype=np.float64)


def _differences(baseline: Measured, other: Measured, metric: str) -> list[Difference]:
    """By column."""
    value = other.scores[metric].mean(0) - baseline.scores[metric].mean(0)
    if min(baseline.seeds, other.seeds) < 2:
        return [Difference(float(one)) for one in value]
    parts = [group.scores[metric].var(0, ddof=1) / group.seeds for group in (baseline, other)]
    rows = len(baseline.gold)
    moved = ((other.pull[metric] - baseline.pull[metric]) ** 2).sum(0) - baseline.wobble[metric] - other.wobble[metric]
    parts.append(np.maximum(0.0, moved) * rows / max(rows - 1, 1))
    errors, freedom = _error(parts, (baseline.seeds - 1, other.seeds - 1, max(rows - 1, 1)))
    return [Difference(*map(float, one)) for one in zip(value, errors, freedom, parts[-1], strict=True)]


def _error(parts: Sequence[np.ndarray], freedoms: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of a sum of independent variances, and its degrees of freedom (Satterthwaite)."""
    variance = np.sum(parts, axis=0)
    left = sum((part**2 / freedom for part, freedom in zip(parts, freedoms, strict=True)), np.zeros_like(variance))
    return np.sqrt(variance), np.divide(variance**2, left, out=np.ones_like(variance), where=left > 0)


def _row(
    label: str,
    support: int,
    column: int,
    baseline: Measured,
    other: Measured,
    found: Mapping[str, Sequence[Difference]],
) -> LabelComparison:
    if not support:
        nothing = dict.fromkeys(METRICS)
        return LabelComparison(label, 0, nothing, nothing, nothing)
    before, after = ({m: float(group.scores[m][:, column].mean()) for m in METRICS} for group in (baseline, other))
    return LabelComparison(label, support, before, after, {metric: found[metric][column] for metric in METRICS})
