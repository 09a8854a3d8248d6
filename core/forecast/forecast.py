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

_ABOUT = "forecast.json"
_ARRAYS = ("grams", "moments", "rows", "mean", "spread", "dev")


@dataclass(frozen=True)
class Pool:
    """An ingredient as an encoder reads it. `states`: of its items, row after row. *Shape:* (items, width)."""

    corpus: Corpus
    states: np.ndarray


@dataclass(frozen=True)
class Outlook:
    """What is likely on dev, label by label in the order of `labels`. `totals`: right, predicted, gold.
    *Shape:* (3, labels), float64."""

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
class Member:
    """One encoder's part of a forecast. `states`: of the items of dev, as it read them. *Shape:* (items, width)."""

    parts: Parts
    scale: Scale
    states: np.ndarray

    @cached_property
    def scaled(self) -> np.ndarray:
        """*Shape:* (items, width + 1), float32."""
        return self.scale(self.states)

    def save(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        parts, scale = self.parts, self.scale
        arrays = (parts.grams, parts.moments, parts.rows, scale.mean, scale.spread, self.states)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path, names: Sequence[str]) -> "Member":
        grams, moments, rows, mean, spread, states = (
            np.lib.format.open_memmap(folder / f"{name}.npy", "r") for name in _ARRAYS
        )
        return cls(Parts(tuple(names), grams, moments, rows), Scale(mean, spread), states)


@dataclass(frozen=True)
class Forecast:
    """All that mixes of some ingredients are scored by: the mean of what its members find on dev, `held`."""

    labels: Sequence[str]
    members: Sequence[Member]
    held: Corpus
    penalty: float = PENALTY

    @property
    def task(self) -> Task:
        return task_of(self.held.schema.task)

    @property
    def names(self) -> Sequence[str]:
        """The ingredients, gold first."""
        return self.members[0].parts.names

    @cached_property
    def _total(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.task.totals(self.held.table, self.labels)

    def of(self, drawn: Mapping[str, int]) -> Outlook:
        """What a mix is likely to score. `drawn`: rows that it draws of each ingredient, one at least in all."""
        found = [self._total(one.scaled @ self.head(one, drawn).astype(np.float32)) for one in self.members]
        return Outlook(self.labels, np.mean(found, axis=0))

    def head(self, member: Member, drawn: Mapping[str, int]) -> np.ndarray:
        """A member's head over a mix. *Shape:* (width + 1, classes)."""
        return solve(member.parts, drawn, self.penalty)

    def save(self, folder: Path) -> None:
        """Keep what `load` can't know: its members lie there already, and it is given dev's rows again."""
        about = {"labels": [*self.labels], "names": [*self.names], "members": len(self.members)}
        (folder / _ABOUT).write_text(json.dumps(about | {"penalty": self.penalty}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, held: Corpus) -> "Forecast":
        """What `save` kept. `held`: dev."""
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        members = [Member.load(member_folder(folder, number), about["names"]) for number in range(about["members"])]
        return cls(about["labels"], members, held, about["penalty"])


def member_folder(folder: Path, number: int) -> Path:
    """Where a member lies in the folder of a forecast."""
    return folder / f"member-{number}"


def member(
    pools: Mapping[str, Pool], dev: Pool, labels: Sequence[str], sizes: Mapping[str, int] | None = None
) -> Member:
    """`pools`: the ingredients as one encoder reads them, gold among them, whose words decide scale and class weights;
    `sizes`: how many rows they have in all, where not all were read."""
    task = task_of(dev.corpus.schema.task)
    classes, gold = len(task.classes(labels)), pools[GOLD]
    scale = scale_of(gold.states)
    weight = class_weights(task.targets(gold.corpus.table, labels), classes)
    parts = {
        name: statistics(pool.states, task.targets(pool.corpus.table, labels), len(pool.corpus), weight, scale)
        for name, pool in pools.items()
    }
    return Member(Parts.of(parts, sizes), scale, dev.states)
