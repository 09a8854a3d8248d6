"""What a mix is likely to score on dev: a head is solved over it from statistics, and reads dev's frozen states.

A forecast ranks mixes; it is not what a training will score. A linear head finds fewer mentions than a trained network,
and what is known of how well it ranks is in docs/forecast.md.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.corpus import Corpus
from core.forecast.statistics import PENALTY, Parts, Scale, class_weights, scale_of, solve, statistics
from core.mix import GOLD
from core.tasks import task as task_of
from core.tasks.protocol import Task

_ABOUT, _DEV = "forecast.json", "dev.npy"
_SUMS = ("grams", "moments", "rows", "mean", "spread")


@dataclass(frozen=True)
class Pool:
    """An ingredient as an encoder reads it. `states`: of its items, row after row. *Shape:* (items, width)."""

    corpus: Corpus
    states: np.ndarray


@dataclass(frozen=True)
class Outlook:
    """What is likely on dev, label by label in the order of `labels`. `totals`: right, predicted, gold.
    *Shape:* (3, labels), int64."""

    labels: Sequence[str]
    totals: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """0 where nothing is predicted. *Shape:* (labels,), 0..1."""
        return self.totals[0] / np.maximum(self.totals[1], 1)

    @property
    def recall(self) -> np.ndarray:
        """*Shape:* (labels,), 0..1."""
        return self.totals[0] / np.maximum(self.totals[2], 1)

    @property
    def f1(self) -> float:
        """Micro F1 over all labels, 0..1."""
        right, predicted, gold = self.totals.sum(axis=1).tolist()
        return 2 * right / max(1, predicted + gold)


@dataclass(frozen=True)
class Forecast:
    """All that mixes of some ingredients are scored by. `dev`: states of the items of `held`, as they were read.
    *Shape:* (items, width)."""

    labels: Sequence[str]
    parts: Parts
    scale: Scale
    dev: np.ndarray
    held: Corpus
    penalty: float = PENALTY

    @property
    def task(self) -> Task:
        return task_of(self.held.schema.task)

    @cached_property
    def _scaled(self) -> np.ndarray:
        return self.scale(self.dev)

    @cached_property
    def _total(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.task.totals(self.held.table, self.labels)

    def of(self, drawn: Mapping[str, int]) -> Outlook:
        """What a mix is likely to score. `drawn`: rows that it draws of each ingredient, one at least in all."""
        return Outlook(self.labels, self._total(self._scaled @ self.head(drawn).astype(np.float32)))

    def head(self, drawn: Mapping[str, int]) -> np.ndarray:
        """The head over a mix. *Shape:* (width + 1, classes)."""
        return solve(self.parts, drawn, self.penalty)

    def save(self, folder: Path) -> None:
        """Keep all but dev's rows, which `load` is given again."""
        parts, scale = self.parts, self.scale
        for name, array in zip(_SUMS, (parts.grams, parts.moments, parts.rows, scale.mean, scale.spread), strict=True):
            np.save(folder / f"{name}.npy", array)
        np.save(folder / _DEV, self.dev)
        about = {"labels": [*self.labels], "names": [*parts.names], "penalty": self.penalty}
        (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, held: Corpus) -> "Forecast":
        """What `save` kept. `held`: dev."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        grams, moments, rows, mean, spread = (_mapped(folder / f"{name}.npy") for name in _SUMS)
        parts, scale = Parts(tuple(about["names"]), grams, moments, rows), Scale(mean, spread)
        return cls(about["labels"], parts, scale, _mapped(folder / _DEV), held, about["penalty"])


def _mapped(file: Path) -> np.ndarray:
    return np.lib.format.open_memmap(file, "r")


def forecast(
    pools: Mapping[str, Pool], dev: Pool, labels: Sequence[str], sizes: Mapping[str, int] | None = None
) -> Forecast:
    """`pools`: the ingredients, gold among them, whose words decide scale and class weights; `sizes`: how many rows
    they have in all, where not all were read."""
    task = task_of(dev.corpus.schema.task)
    classes, gold = len(task.classes(labels)), pools[GOLD]
    scale = scale_of(gold.states)
    weight = class_weights(task.targets(gold.corpus.table, labels), classes)
    parts = {
        name: statistics(pool.states, task.targets(pool.corpus.table, labels), len(pool.corpus), weight, scale)
        for name, pool in pools.items()
    }
    return Forecast(labels, Parts.of(parts, sizes), scale, dev.states, dev.corpus)
