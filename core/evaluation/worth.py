"""What a score is worth in gold sentences: the learning curve of gold, read backwards.

The curve is a straight line over the logarithm of the number of sentences, score = a + b ln n. Learning curves are
usually taken for power laws, score = s - c n^-d (Figueroa et al. 2012, doi 10.1186/1472-6947-12-8; Hestness et al.
2017, arXiv 1712.00409). Over the few sizes of one data set d is small and n^-d = 1 - d ln n + ..., so the line is the
power law's beginning, and two parameters are all that five sizes with the noise of seeds can settle. Its weakness: a
power law levels off and the line does not. Beyond the last size the line then promises too much of more gold, so that
what a mix is worth is rather understated; before the steep part of a curve it is the other way round. Hence the check
of the fit, and a cap beyond which nothing is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from core.evaluation.scoring import DRAWS, Rates, interval, row_weights
from core.scores import FEW, Counts, Interval

FEWEST_SIZES = 3  # with two, a line always fits
FARTHEST = 3  # times the gold there is: as far as the line is followed
_AT_ONCE = 250  # draws
_ROUNDING = 1e-9  # an interval that ends this close to zero ends at zero

Code = Literal["few_repeats", "few_mentions", "flat", "none", "gain", "loss"]


@dataclass(frozen=True)
class Resampled:
    """What a group of runs scores (0..1). Column 0: F1 over all labels (micro); then the recall of each label.

    *Shapes:* `support` (1 + labels,); `runs` (runs, 1 + labels); `draws` (draws, 1 + labels), NaN in a draw without
    the label.
    """

    names: tuple[str, ...]
    support: np.ndarray
    runs: np.ndarray
    draws: np.ndarray

    def column(self, label: str) -> int:
        """Where a label stands, "" for all of them together. ValueError for one that isn't there."""
        if label and label not in self.names:
            raise ValueError(f"no label {label!r}")
        return 1 + self.names.index(label) if label else 0


@dataclass(frozen=True)
class Curve:
    """The learning curve of gold: score = `intercept` + `slope` x ln(sentences), with scores of 0..1.

    `label`: "" for F1 over all labels, else its recall. `scores`: of single runs by size, ascending. `gap`: how far
    the mean of `gap_size` lies from the line, which is farther than any other's; `spread`: standard deviation of
    single runs around the mean of their size, None where no size has two. `draws`: intercepts and slopes, (2, draws).
    """

    label: str
    scores: Mapping[int, tuple[float, ...]]
    support: int
    intercept: float
    slope: float
    slope_interval: Interval
    gap: float
    gap_size: int
    spread: float | None
    draws: np.ndarray

    @property
    def gold(self) -> int:
        """All gold sentences there are."""
        return max(self.scores)

    @property
    def repeats(self) -> int:
        """Of the size with the fewest."""
        return min(len(runs) for runs in self.scores.values())

    @property
    def bends(self) -> bool:
        """Whether a size's mean misses the line by more than single runs miss their mean."""
        return self.spread is not None and self.gap > max(self.spread, _ROUNDING)


@dataclass(frozen=True)
class Worth:
    """What a mix is worth in gold sentences, more (+) or fewer (-) than the `gold` there are.

    `code`: few_repeats, few_mentions: not judged; flat: more gold is not shown to help; none: the interval holds 0;
    gain or loss. `sentences`, `interval`: None where nothing can be said; both lie between `lowest` and `highest`, and
    a value at one of these means that or beyond. `score`, `score_interval`: of the mix, 0..1. `repeats`: of the mix,
    or of the size with the fewest.
    """

    code: Code
    gold: int
    sentences: float | None
    interval: Interval | None
    lowest: float
    highest: float
    score: float
    score_interval: Interval
    repeats: int

    @property
    def beyond(self) -> bool:
        """Whether the best guess lies at or beyond an end of what can be said."""
        return self.sentences is not None and not self.lowest < self.sentences < self.highest


def resample(group: Sequence[Counts], stream: int, draws: int = DRAWS, seed: int = 0) -> Resampled:
    """Scores of a group of runs (one Counts per seed), and their means over rows and seeds drawn anew.

    Every group draws the same rows, since all were tested on them; `stream`: what its draws of seeds go by, another
    one for each group that is held against others. Means of n seeds drawn from n spread too little, by (n - 1) / n of
    the variance: what a draw of seeds moves the mean by is widened by the root of n / (n - 1).
    """
    rows = len(group[0].gold)
    weights = _rows_anew(draws, rows, seed)
    some = (weights[at : at + _AT_ONCE].astype(np.float32) for at in range(0, draws, _AT_ONCE))
    scores = np.concatenate([_on(group, part) for part in some])
    means, seeds = scores.mean(1), len(group)
    if seeds > 1:
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, stream)))
        shares = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
        means = means + math.sqrt(seeds / (seeds - 1)) * (np.einsum("dsc,ds->dc", scores, shares) - means)
    support = group[0].gold.sum(0)
    [runs] = _on(group, np.ones((1, rows), dtype=np.float32))
    return Resampled(group[0].names, np.append(support.sum(), support), runs, np.clip(means, 0.0, 1.0))


@lru_cache(maxsize=1)
def _rows_anew(draws: int, rows: int, seed: int) -> np.ndarray:
    """How often each row is in each draw, the same for all groups. *Shape:* (draws, rows), uint8"""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    parts = (row_weights(rng, min(_AT_ONCE, draws - at), rows, np.arange(rows)) for at in range(0, draws, _AT_ONCE))
    return np.concatenate([part.astype(np.uint8) for part in parts])


def _on(group: Sequence[Counts], weights: np.ndarray) -> np.ndarray:
    """Scores on weighted rows: F1 over all labels, recall of each; NaN without the label.

    *Shapes:* (draws, rows) -> (draws, runs, 1 + labels). Sums stay below 2^24, so float32 products are exact.
    """
    rows, labels = group[0].gold.shape
    tp = np.stack([counts.tp for counts in group], 1).reshape(rows, -1)
    marked = np.stack([counts.pred.sum(1) for counts in group], 1)
    both = weights @ np.concatenate([tp, marked, group[0].gold], 1, dtype=np.float32)
    found, predicted, gold = np.split(both.astype(np.float64), [tp.shape[1], tp.shape[1] + len(group)], axis=1)
    found, gold = found.reshape(len(weights), len(group), labels), gold[:, None, :]
    f1 = Rates.of(found.sum(-1), predicted, gold.sum(-1)).f1
    recall = np.divide(found, gold, out=np.full(found.shape, np.nan), where=gold > 0)
    return np.concatenate([f1[..., None], recall], 2)


def learning_curve(points: Mapping[int, Resampled], label: str = "") -> Curve:
    """The line through the means of all sizes, each weighted by its runs. `points`: by number of gold sentences.

    ValueError for fewer than FEWEST_SIZES, or a label that isn't there.
    """
    sizes = sorted(points)
    if len(sizes) < FEWEST_SIZES:
        raise ValueError(f"a curve needs {FEWEST_SIZES} sizes")
    column = points[sizes[0]].column(label)
    scores = {size: points[size].runs[:, column] for size in sizes}
    means = np.array([runs.mean() for runs in scores.values()])
    weights = np.array([len(runs) for runs in scores.values()], dtype=float)
    places = np.log(sizes)
    intercept, slope = _line(places, means, weights)
    drawn = np.stack(_line(places, np.column_stack([points[size].draws[:, column] for size in sizes]), weights))
    gaps = np.abs(means - intercept - slope * places)
    return Curve(
        label, {size: tuple(runs.tolist()) for size, runs in scores.items()}, int(points[sizes[0]].support[column]),
        float(intercept), float(slope), interval(drawn[1]),
        float(gaps.max()), sizes[int(gaps.argmax())], _spread([*scores.values()]), drawn,
    )  # fmt: skip


def _line(places: np.ndarray, means: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope by weighted least squares. *Shapes:* (sizes,), (..., sizes), (sizes,) -> (...), (...)"""
    share = weights / weights.sum()
    from_middle = places - share @ places
    slope = means @ (share * from_middle) / (share @ from_middle**2)
    return means @ share - slope * (share @ places), slope


def _spread(scores: Sequence[np.ndarray]) -> float | None:
    """The standard deviation of runs around the mean of their size, over all sizes."""
    free = sum(len(runs) - 1 for runs in scores)
    return math.sqrt(sum(float(((runs - runs.mean()) ** 2).sum()) for runs in scores) / free) if free else None


def worth(curve: Curve, mix: Resampled, least: int = 1) -> Worth:
    """The gold sentences at which gold alone would be expected to score what the mix does, less those there are.

    The line is followed from its smallest size to FARTHEST times all of gold. `mix`: resampled on the same rows, with
    a stream of its own; `least`: repeats of the mix and of every size from which on it is judged.
    """
    column = mix.column(curve.label)
    score, drawn = float(mix.runs[:, column].mean()), mix.draws[:, column]
    gold, repeats = curve.gold, min(len(mix.runs), curve.repeats)
    ends = (float(min(curve.scores) - gold), float((FARTHEST - 1) * gold))
    code: Code | None = None
    if repeats < least:
        code = "few_repeats"
    elif curve.support < FEW:
        code = "few_mentions"
    elif curve.slope_interval[0] <= _ROUNDING:
        code = "flat"
    if code is not None:
        return Worth(code, gold, None, None, *ends, score, interval(drawn), repeats)
    best = float(_sentences(np.array([score]), np.array([[curve.intercept], [curve.slope]]), gold, ends)[0])
    low, high = interval(_sentences(drawn, curve.draws, gold, ends))
    code = "gain" if low > _ROUNDING else "loss" if high < -_ROUNDING else "none"
    return Worth(code, gold, best, (low, high), *ends, score, interval(drawn), repeats)


def _sentences(score: np.ndarray, lines: np.ndarray, gold: int, ends: Interval) -> np.ndarray:
    """Sentences more than gold has at which a line reaches a score, held between the ends; NaN stays.

    A line that doesn't rise reaches no score that it hasn't at gold. *Shapes:* (draws,), (2, draws) -> (draws,)
    """
    intercept, slope = lines
    rises = slope > 0
    above = np.where(score >= intercept + slope * math.log(gold), np.inf, -np.inf)
    place = np.where(rises, (score - intercept) / np.where(rises, slope, 1.0), above)
    low, high = ends
    found = np.exp(np.minimum(place, math.log(gold + high))) - gold
    held = np.where(found <= low + _ROUNDING, low, np.where(found >= high - _ROUNDING, high, found))
    return np.where(np.isnan(score + intercept), np.nan, held)


def band(curve: Curve, sizes: Sequence[float]) -> list[tuple[float, float, Interval]]:
    """The line at some numbers of sentences: (sentences, score, 95 % interval), 0..1 where the line leaves that."""
    out: list[tuple[float, float, Interval]] = []
    for size in sizes:
        drawn = interval(curve.draws[0] + curve.draws[1] * math.log(size))
        middle, low, high = (min(max(y, 0.0), 1.0) for y in (curve.intercept + curve.slope * math.log(size), *drawn))
        out.append((size, middle, (low, high)))
    return out


def about(sentences: float) -> int:
    """A number of sentences as far as it can be trusted: two digits."""
    digits = math.floor(math.log10(abs(sentences))) if abs(sentences) >= 1 else 0
    return int(round(sentences, min(0, 1 - digits)))
