"""What finished trainings of a project say of its mixes: how much was added to gold, and what came of it on dev.

All of a project's trainings count that agree in everything but amounts and seeds, whoever launched them: gold, dev,
encoder, settings, and the pools that were drawn from. One without an ingredient has none of it, so what was trained
before the ingredient was made counts, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CoreError
from core.evaluation.scoring import Rates
from core.evaluation.verdicts import Metric
from core.groups import Group, counts_of, group_id, group_of, history
from core.jobs.folder import Run, read_object
from core.mix import GOLD, Mix
from core.runs import POOL, RunSpec
from core.scores import FEW
from core.training.settings import TrainParams
from core.workspace import Workspace


@dataclass(frozen=True)
class Ground:
    """What trainings agree in. `inputs`: of one with all ingredients in it; `train`: its settings as its spec has them;
    `rows`: of gold."""

    inputs: Mapping[str, str]
    train: Mapping[str, Any]
    rows: int

    @classmethod
    def of(cls, spec: RunSpec, rows: int) -> "Ground":
        return cls(dict(spec.inputs), spec.params.get("train", {}), rows)

    @property
    def names(self) -> list[str]:
        """The ingredients, sorted."""
        return sorted(role[len(POOL) :] for role in self.inputs if role.startswith(POOL))

    @property
    def dev(self) -> str:
        return self.inputs["dev"].removeprefix("corpus:")

    def amounts(self, spec: RunSpec) -> tuple[int, ...] | None:
        """Rows of each ingredient in a training, by `names`; None for one that stands on other ground."""
        there = spec.inputs.items() <= self.inputs.items() and {"dev", GOLD, "model"} <= spec.inputs.keys()
        parts = spec.params.get("mix", {}).get("parts", {})
        if not there or spec.params.get("train", {}) != self.train or _rows(parts, GOLD) != self.rows:
            return None
        return tuple(_rows(parts, name) for name in self.names)


def _rows(parts: Mapping[str, Any], name: str) -> int:
    """Of an ingredient, in the mix of a spec: an amount, or a part with its unit."""
    part = parts.get(name, 0)
    return round(part["amount"] if isinstance(part, Mapping) else part)


@dataclass(frozen=True)
class Mixed:
    """A mix that was trained, as one group. `rows`: of each ingredient; `runs`: by seed, those there."""

    group: str
    name: str
    rows: tuple[int, ...]
    runs: Mapping[int, Run]

    @property
    def finished(self) -> list[Run]:
        return [run for _, run in sorted(self.runs.items()) if run.state == "succeeded"]

    @property
    def pending(self) -> bool:
        return any(run.pending for run in self.runs.values())


def observed(workspace: Workspace, project: str, ground: Ground) -> list[Mixed]:
    """The mixes of a project that were trained on the same ground, the first launched first."""
    past = history(workspace, project)
    known = {run.id: run for run in workspace.store.find(past.runs)}
    found: list[Mixed] = []
    for launched in past.groups.values():
        group = None if launched.curve else group_of(launched, known)
        spec = _spec(workspace.run_folder(next(iter(group.runs.values())).id)) if group else None
        rows = ground.amounts(spec) if spec is not None and group_id(spec) == launched.id else None
        if group is not None and rows is not None:
            found.append(Mixed(group.id, group.name, rows, group.runs))
    return found


@lru_cache(maxsize=4096)
def _spec(folder: Path) -> RunSpec | None:
    data = read_object(folder / "spec.json")
    return RunSpec.from_json(data) if data else None


@dataclass(frozen=True)
class Totals:
    """What a run found on dev, by label. *Shapes:* (labels,) each."""

    labels: tuple[str, ...]
    right: np.ndarray
    predicted: np.ndarray
    gold: np.ndarray

    def counts(self, label: str) -> tuple[float, float, float]:
        """Right, predicted and gold of one label; of all together where it is ""."""
        at = [name == label or not label for name in self.labels]
        right, predicted, gold = (float(side[at].sum()) for side in (self.right, self.predicted, self.gold))
        return right, predicted, gold

    def rate(self, label: str, metric: Metric) -> float:
        """0..1."""
        return float(getattr(Rates.of(*(np.array([side]) for side in self.counts(label))), metric)[0])

    def cases(self, label: str, metric: Metric) -> tuple[float, float]:
        """How many were right, of how many, as the metric counts them."""
        right, predicted, gold = self.counts(label)
        return {
            "precision": (right, predicted),
            "recall": (right, gold),
            "f1": (2 * right, predicted + gold),
        }[metric]

    def worst(self, metric: Metric) -> float:
        """Of the labels with enough mentions to be judged, of all where none has; 0..1."""
        judged = [name for name, gold in zip(self.labels, self.gold, strict=True) if gold >= FEW]
        rates = [self.rate(label, metric) for label in judged or self.labels]
        return min(rates, default=0.0)


def totals(workspace: Workspace, run: Run, dev: str) -> Totals:
    """What a finished run found on dev. Raises CoreError `nothing_evaluated`."""
    return _totals(workspace, run.id, run.attempt, dev)


@lru_cache(maxsize=4096)
def _totals(workspace: Workspace, run_id: str, attempt: int, dev: str) -> Totals:
    alone = Group("", run_id, Mix(), TrainParams(), {"dev": dev}, {0: workspace.store.get(run_id)})
    [counts] = counts_of(workspace, alone, "dev")
    return Totals(counts.names, *(side.sum(axis=0) for side in (counts.tp, counts.pred, counts.gold)))


@dataclass(frozen=True)
class Evidence:
    """Finished runs side by side. `mixes`: positions in the list they came from. *Shapes:* (runs, ingredients), times
    gold; (runs,)."""

    amounts: np.ndarray
    mixes: np.ndarray
    found: tuple[Totals, ...]

    def rates(self, label: str, metric: Metric) -> np.ndarray:
        """*Shape:* (runs,), 0..1."""
        return np.array([one.rate(label, metric) for one in self.found])

    def cases(self, label: str, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Right and of how many. *Shapes:* (runs,), (runs,)."""
        both = np.array([one.cases(label, metric) for one in self.found])
        return both[:, 0], both[:, 1]

    @property
    def labels(self) -> list[str]:
        """Those with enough mentions in dev to be judged, the most frequent first."""
        if not self.found:
            return []
        some = self.found[0]
        known = {name: gold for name, gold in zip(some.labels, some.gold.tolist(), strict=True) if gold >= FEW}
        return sorted(known, key=lambda name: (-known[name], name))


def evidence(workspace: Workspace, ground: Ground, mixes: Sequence[Mixed]) -> Evidence:
    """The finished runs of some mixes; those whose predictions are gone are left out."""
    amounts: list[list[float]] = []
    at: list[int] = []
    found: list[Totals] = []
    for position, mixed in enumerate(mixes):
        for run in mixed.finished:
            try:
                found.append(totals(workspace, run, ground.dev))
            except CoreError:
                continue
            amounts.append([rows / ground.rows for rows in mixed.rows])
            at.append(position)
    return Evidence(np.array(amounts).reshape(len(at), len(ground.names)), np.array(at, int), tuple(found))
