"""What a mix is likely to score on dev: a head is solved over it from statistics, and reads dev's frozen states.

A forecast ranks mixes; it is not what a training will score. Frozen features don't see what new text teaches an
encoder, and a linear head finds fewer mentions than a trained network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.corpus import Corpus
from core.forecast.statistics import PENALTY, Parts, Scale, class_weights, scale_of, solve, statistics
from core.mix import GOLD
from core.tasks import task as task_of
from core.tasks.protocol import Task


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
    """All that mixes of some ingredients are scored by. `dev`: its standardised states. *Shape:* (items, width + 1)."""

    task: Task
    labels: Sequence[str]
    parts: Parts
    dev: np.ndarray
    held: Corpus
    penalty: float = PENALTY
    scale: Scale = field(repr=False, default=Scale(np.zeros(0), np.ones(0)))

    @cached_property
    def _total(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.task.totals(self.held.table, self.labels)

    def of(self, drawn: Mapping[str, int]) -> Outlook:
        """What a mix is likely to score. `drawn`: rows that it draws of each ingredient."""
        return self._read(self.head(drawn))

    def head(self, drawn: Mapping[str, int]) -> np.ndarray:
        """The head over a mix. *Shape:* (width + 1, classes)."""
        return solve(self.parts, drawn, self.penalty)

    def slope(self, drawn: Mapping[str, int], name: str, step: float = 0.5) -> tuple[Outlook, Outlook]:
        """A mix, and the same with more of an ingredient: `step` times gold's rows."""
        more = dict(drawn) | {name: drawn.get(name, 0) + round(step * drawn[GOLD])}
        return self.of(drawn), self.of(more)

    def _read(self, weights: np.ndarray) -> Outlook:
        return Outlook(self.labels, self._total(self.dev @ weights.astype(np.float32)))


def forecast(pools: Mapping[str, Pool], dev: Pool, labels: Sequence[str], penalty: float = PENALTY) -> Forecast:
    """`pools`: the ingredients, gold among them, whose words decide scale and class weights."""
    task = task_of(dev.corpus.schema.task)
    classes, gold = len(task.classes(labels)), pools[GOLD]
    scale = scale_of(gold.states)
    weight = class_weights(task.targets(gold.corpus.table, labels), classes)
    parts = {
        name: statistics(pool.states, task.targets(pool.corpus.table, labels), len(pool.corpus), weight, scale)
        for name, pool in pools.items()
    }
    return Forecast(task, labels, Parts.of(parts), scale(dev.states), dev.corpus, penalty, scale)
