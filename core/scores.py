"""Scores: what is known of predictions once they are counted. No model, no text, only numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Interval = tuple[float, float]

FEW = 30  # support below which a label's figures say little


@dataclass(frozen=True)
class Counts:
    """True positives, predictions and gold items per row and label.

    *Shapes:* (rows, labels), int32; `tp` is float32 where a rule knows half hits. `names`: the labels, in column order.
    """

    names: tuple[str, ...]
    tp: np.ndarray
    pred: np.ndarray
    gold: np.ndarray


@dataclass(frozen=True)
class Metric:
    """Mean over seeds, their sample standard deviation (None for one seed), 95 % interval."""

    mean: float
    sd: float | None
    interval: Interval


@dataclass(frozen=True)
class LabelScores:
    """Precision, recall and F1 of one label (0..1), means over seeds; None where the label has no support."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    interval: Mapping[str, Interval | None]


@dataclass(frozen=True)
class Scores:
    """The scores of one split over the seeds of a group."""

    headline: str
    metrics: Mapping[str, Metric]
    support: int
    overall: Mapping[str, float | int]
    per_label: Mapping[str, LabelScores]

    def to_json(self) -> dict[str, object]:
        return {
            "headline": self.headline,
            "metrics": {
                name: {"mean": m.mean, "sd": m.sd, "interval": list(m.interval)} for name, m in self.metrics.items()
            },
            "support": self.support,
            "overall": dict(self.overall),
            "per_label": {
                name: {
                    "precision": s.precision,
                    "recall": s.recall,
                    "f1": s.f1,
                    "support": s.support,
                    "interval": {k: None if v is None else list(v) for k, v in s.interval.items()},
                }
                for name, s in self.per_label.items()
            },
        }
