"""What the same runs lose on changed copies of the same rows, with intervals over rows and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.evaluation.scoring import METRICS, Rates, Sums
from core.scores import Counts, Interval

DRAWS = 1000
_DRAWS_AT_ONCE = 250


@dataclass(frozen=True)
class Loss:
    """The mean on the changed rows minus that on the clean ones (-1..1), and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Shift:
    """One label on one changed copy: precision, recall and F1 (0..1), means over runs. `label`: "" is all together."""

    copy: str
    label: str
    support: int
    clean: Mapping[str, float]
    changed: Mapping[str, float]
    difference: Mapping[str, Loss]


def shifts(
    clean: Sequence[Counts], copies: Mapping[str, Sequence[Counts]], draws: int = DRAWS, seed: int = 0
) -> list[Shift]:
    """All labels together and each label that has mentions, copy by copy. One Counts for each run, in one order.

    Percentile bootstrap: in each draw the same rows and the same runs on both sides, since both are the same runs on
    copies of the same rows. ValueError unless all have the same labels and the same gold.
    """
    versions = [clean, *copies.values()]
    first = clean[0]
    if any(len(runs) != len(clean) for runs in versions) or any(
        counts.names != first.names or not np.array_equal(counts.gold, first.gold)
        for runs in versions
        for counts in runs
    ):
        raise ValueError("copies can be compared only over the same runs, labels and gold")
    support = [int(first.gold.sum()), *(int(count) for count in first.gold.sum(0))]
    labels = [(column, label) for column, label in enumerate(("", *first.names)) if support[column]]
    means = [_rates(Sums.over_rows(runs)) for runs in versions]
    drawn = _drawn(versions, draws, np.random.default_rng(seed))
    return [
        Shift(copy, label, support[column], *_sides(means[0], means[at], drawn[at - 1], column))
        for at, copy in enumerate(copies, 1)
        for column, label in labels
    ]


def _sides(
    clean: np.ndarray, changed: np.ndarray, drawn: np.ndarray, column: int
) -> tuple[dict[str, float], dict[str, float], dict[str, Loss]]:
    before, after = (
        {name: float(rates[at, :, column].mean()) for at, name in enumerate(METRICS)} for rates in (clean, changed)
    )
    ends = np.nanpercentile(drawn[:, :, column], (2.5, 97.5), axis=0)
    lost = {
        name: Loss(after[name] - before[name], (float(ends[0, at]), float(ends[1, at])))
        for at, name in enumerate(METRICS)
    }
    return before, after, lost


def _rates(sums: Sums) -> np.ndarray:
    """Each metric of all labels together and of each label. *Shape:* (metrics, ..., 1 + labels)."""
    micro, label = sums.micro(), sums.per_label()
    return np.stack([_columns(micro, label, name) for name in METRICS])


def _columns(micro: Rates, label: Rates, name: str) -> np.ndarray:
    return np.concatenate([getattr(micro, name)[..., None], getattr(label, name)], axis=-1)


def _drawn(versions: Sequence[Sequence[Counts]], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Differences to the first version; NaN where a draw has no mention of a label.

    *Shape:* (versions - 1, draws, metrics, 1 + labels).
    """
    tp, pred = (np.stack([[getattr(counts, name) for counts in runs] for runs in versions]) for name in ("tp", "pred"))
    several, runs, rows, labels = tp.shape
    gold = versions[0][0].gold
    flat = np.concatenate([np.moveaxis(part, 2, 0).reshape(rows, -1) for part in (tp, pred)] + [gold], 1)
    there = np.flatnonzero(flat.any(1))  # a row without mentions adds nothing to any sum
    flat = flat[there].astype(np.float32)
    cut = several * runs * labels
    out: list[np.ndarray] = []
    for start in range(0, draws, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, draws - start)
        sums = (_weights(rng, size, rows)[:, there] @ flat).astype(np.float64)
        share = _weights(rng, size, runs) / runs
        found = (sums[:, :cut], sums[:, cut : 2 * cut], np.tile(sums[:, 2 * cut :], (1, several * runs)))
        rates = _rates(Sums(*(part.reshape(size, several, runs, labels) for part in found)))
        mean = np.einsum("mdvrl,dr->vdml", rates, share)
        absent = sums[:, 2 * cut :] == 0
        absent = np.column_stack([absent.all(1), absent])
        out.append(np.where(absent[:, None], np.nan, mean[1:] - mean[:1]))
    return np.concatenate(out, axis=1)


def _weights(rng: np.random.Generator, draws: int, items: int) -> np.ndarray:
    """How often each item is picked in each draw of as many. *Shape:* (draws, items), float32."""
    picks = rng.integers(0, items, size=(draws, items)) + np.arange(draws)[:, None] * items
    return np.bincount(picks.ravel(), minlength=draws * items).reshape(draws, items).astype(np.float32)
