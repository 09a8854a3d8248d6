"""A trained model that children are made against: what it is asked, and how alike it finds sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from core.augment.protocol import Attempt, Child, Example
from core.models.reading import Encoder
from core.models.trained import Guess, Held, TrainedModel
from core.prompting.prompted import opened
from core.tasks import task as task_of
from core.tasks.example import spans

_DIGITS = 4


@dataclass(frozen=True)
class Victim:
    """A trained model, and the task whose rows it is asked about. A row itself is a child without changes."""

    task: str
    model: TrainedModel

    def held(self, row: Example, children: Sequence[Child]) -> Held:
        """What the model predicts for children of a row, held against their gold."""
        known = {span.label for span in spans(row.tags)} | {label for label in row.labels or () if label is not None}
        return self.model.read(task_of(self.task).changed([(row, child) for child in children]), known)


def victim(folder: Path, task: str) -> Victim:
    """The model of an installed folder. Raises CoreError of `core.models.trained`."""
    return Victim(task, _loaded(folder, task))


class Labeller(Protocol):
    """What gives rows their labels: a trained model, or one that is prompted."""

    @property
    def task(self) -> str:
        """The name of the task that its labels are of."""
        ...

    @property
    def labels(self) -> tuple[str, ...] | None:
        """All that it may give."""
        ...

    def guess(self, table: pa.Table) -> list[Guess]:
        """What it finds in rows with the columns of `Task.changed`, whatever gold says."""
        ...


def labeller(folder: Path, task: str) -> Labeller:
    """That of an installed folder, `models/<identity>` of a workspace. Raises CoreError of `core.models.trained`, and
    of core.prompting.prompted."""
    return opened(folder, folder.parents[1]) or _loaded(folder, task)


def guessed(model: Labeller, task: str, rows: Sequence[Example]) -> dict[bytes, Guess]:
    """What a model finds in rows, by their ids."""
    found = model.guess(task_of(task).changed([(row, same(row)) for row in rows]))
    return {row.id: guess for row, guess in zip(rows, found, strict=True)}


def same(row: Example) -> Child:
    """A row as a child of itself."""
    return Child(row.tokens, row.tags, ())


def begun(row: Example, held: Held) -> Attempt:
    """An attack after its first question. `held`: of the row as it is."""
    return Attempt(1, found(held, 0), found(held, 0), words=len(row.tokens))


def found(held: Held, at: int) -> tuple[int, int, int]:
    """What is right, predicted and gold of one of the rows that a model was asked about."""
    right, predicted, gold = held.found[at].tolist()
    return right, predicted, gold


def won(child: Child, attempt: Attempt, held: Held, at: int) -> Child:
    """A child about which the model is wrong, with what it took."""
    changed = sum(max(change.end - change.start, len(change.was)) for change in child.changes)
    told = Attempt(attempt.queries, attempt.before, found(held, at), True, changed, len(child.tokens))
    return replace(child, attempt=told)


class Likeness:
    """How alike children are to their row: cosines of an encoder's mean states, -1..1, rounded."""

    def __init__(self, encoder: Path, task: str, row: Example) -> None:
        self._encoder, self._task, self._row = encoder, task, row
        [self._state] = self._states([same(row)])

    def of(self, children: Sequence[Child]) -> list[float]:
        found: list[float] = np.round((self._states(children) @ self._state).astype(float), _DIGITS).tolist()
        return found

    def _states(self, children: Sequence[Child]) -> np.ndarray:
        """*Shape:* (children, width), float32, each of length 1."""
        table = task_of(self._task).changed([(self._row, child) for child in children])
        return _encoder(self._encoder, self._task).read(table, items=False).rows


@lru_cache(maxsize=1)
def _loaded(folder: Path, task: str) -> TrainedModel:
    """In memory: other settings need no other. An installed folder never changes."""
    return TrainedModel(folder, task_of(task), folder.name[:16])


@lru_cache(maxsize=1)
def _encoder(folder: Path, task: str) -> Encoder:
    return Encoder(folder, task_of(task))
