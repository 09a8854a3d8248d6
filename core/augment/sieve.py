"""What a model has against children that are sound by themselves.

`similarity`: a child means about what its parent means. The cosine of their mean states lies between two bounds, below
which it says something else, and above which it says nothing new (Jin et al. 2020, https://arxiv.org/abs/1907.11932,
ask for .84 of an attack).

`agreement`: who has seen neither parent nor child finds in the child what it is labelled with. A linear head is solved
over the frozen encoder, in _FOLDS folds of the parents (by root, so that relatives stay together); the F1 that it
reaches on a child may be at most so much below the one on its parent, which it doesn't label without fault either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from core.augment.protocol import Name, Names
from core.corpus import Corpus
from core.errors import CoreError
from core.models.reading import Encoder, Read
from core.models.ridge import ridge
from core.params import CLOSED
from core.tasks import task as task_of
from core.tasks.protocol import IGNORED, Task

_FOLDS = 5
_DIGITS = 4
_MOST = 200_000  # items that a head is solved from

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Checks:
    """`similarity`: the least and the most; `agreement`: how far a child may be below its parent; `encoder`: whose
    states are read, by default those of the one that is bundled for the language. What isn't given isn't checked."""

    __pydantic_config__ = CLOSED
    similarity: tuple[Share, Share] | None = None
    agreement: Share | None = None
    encoder: Annotated[Name, Names("model")] | None = None

    def __post_init__(self) -> None:
        if self.similarity is not None and self.similarity[0] > self.similarity[1]:
            raise CoreError("similarity_order", {}, "")

    @property
    def any(self) -> bool:
        return self.similarity is not None or self.agreement is not None


@dataclass(frozen=True)
class Judged:
    """Of each child. `similarity`: cosine to its parent; `agreement`: of the child less that of its parent, -1..1.
    *Shapes:* (children,), float64; None: not asked for."""

    similarity: np.ndarray | None
    agreement: np.ndarray | None

    def take(self, stay: np.ndarray) -> "Judged":
        """Of some children. *Shape:* stay (children,), bool."""
        both = (None if values is None else values[stay] for values in (self.similarity, self.agreement))
        return Judged(*both)

    def objections(self, checks: Checks) -> list[str | None]:
        """The first reason against each child."""
        least, most = checks.similarity or (-1.0, 1.0)
        lowest = -(checks.agreement or 0.0) - 1e-9
        similar = [] if self.similarity is None else self.similarity.tolist()
        agreeing = [] if self.agreement is None else self.agreement.tolist()
        far = ["too_far" if cosine < least else "too_near" if cosine > most else None for cosine in similar]
        doubts = ["labels_doubted" if value < lowest else None for value in agreeing]
        return [first or second for first, second in zip(far or doubts, doubts or far, strict=True)]


def judged(
    parent: Corpus, children: Corpus, places: Sequence[int], checks: Checks, encoder: Path, check: Callable[[], None]
) -> Judged:
    """`places`: the position of each child's parent. `check` is called now and then and may raise."""
    task = task_of(parent.schema.task)
    reader = Encoder(encoder, task)
    items = checks.agreement is not None
    before, after = (reader.read(corpus.table, check, items) for corpus in (parent, children))
    at = np.asarray(places, dtype=np.int64)
    similarity = None
    if checks.similarity is not None:  # rounded: the last digits hang on batches and processors
        similarity = np.clip(np.round((before.rows[at] * after.rows).sum(axis=1).astype(float), _DIGITS), -1, 1)
    agreement = _agreement(task, parent, children, at, before, after) if checks.agreement is not None else None
    return Judged(similarity, agreement)


def _agreement(task: Task, parent: Corpus, children: Corpus, at: np.ndarray, before: Read, after: Read) -> np.ndarray:
    """How much better a child's labels are found than its parent's, by who saw neither: F1 of one less of the other."""
    labels = parent.schema.labels
    roots = parent.table.column("origin").to_pylist()
    fold_of = {root: number % _FOLDS for number, root in enumerate(sorted({*roots}))}
    folds = np.array([fold_of[root] for root in roots], dtype=np.int64)
    targets = task.targets(parent.table, labels)
    scored = targets != IGNORED if targets.ndim == 1 else ~np.isnan(targets).all(axis=1)
    parents, born = np.ones(len(parent)), np.ones(len(children))
    for fold in range(_FOLDS):
        held = folds == fold
        seen = scored & np.repeat(~held, np.diff(before.ends)) & before.items.any(axis=1)
        if held.any() and seen.any():
            some = np.flatnonzero(seen)
            some = some[:: max(1, -(-len(some) // _MOST))]
            head = ridge(before.items[some], targets[some], len(task.classes(labels)))
            parents[held] = _found(task, parent, before, np.flatnonzero(held), *head)
            theirs = np.flatnonzero(held[at])
            born[theirs] = _found(task, children, after, theirs, *head)
    return np.round(born - parents[at], _DIGITS)


def _found(
    task: Task, corpus: Corpus, read: Read, rows: np.ndarray, weights: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """F1 of each of some rows under a head; 1 where nothing is labelled and nothing found. *Shape:* (rows,)."""
    labels, values = corpus.schema.labels, list[Sequence[str]]()
    for row in rows.tolist():
        items = read.items[read.ends[row] : read.ends[row + 1]]
        seen = np.asarray(items.any(axis=1))
        values.append(task.decode(labels, seen, items[seen] @ weights.T + bias).values)
    found = task.counts(corpus.table.take(pa.array(rows)), values, labels)
    right, all = found.tp.sum(axis=1), (found.pred + found.gold).sum(axis=1)
    return np.where(all > 0, 2 * right / np.maximum(all, 1), 1.0)
