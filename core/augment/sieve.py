"""What a model has against children that are sound by themselves.

`similarity`: a child means about what its parent means. The cosine of their mean states lies between two bounds, below
which it says something else, and above which it says nothing new (Jin et al. 2020, https://arxiv.org/abs/1907.11932,
ask for .84 of an attack).

`agreement`: who has seen neither parent nor child finds in the child what it is labelled with. A linear head is solved
over the frozen encoder, in _FOLDS folds of the parents (by root, so that relatives stay together); the F1 that it
reaches on a child may be at most so much below the one on its parent, which it doesn't label without fault either.

`perplexity`: a child reads about as well as its parent. Its pseudo-perplexity under a masked language model (Salazar et
al. 2020, https://arxiv.org/abs/1910.14659) may be at most so many times its parent's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from core.augment.protocol import Name, Names
from core.corpus import Corpus
from core.errors import CoreError
from core.models.catalogue import default_for
from core.models.masked import MaskedModel
from core.models.reading import Encoder, Read
from core.models.ridge import ridge
from core.params import CLOSED
from core.tasks import task as task_of
from core.tasks.protocol import IGNORED, Task

_FOLDS = 5
_DIGITS = 4
_MOST_TIMES = 20.0  # e to it: nothing reads worse
_MOST = 200_000  # items that a head is solved from

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Checks:
    """`similarity`: the least and the most; `agreement`: how far a child may be below its parent; `encoder`: whose
    states are read, by default those of the one that is bundled for the language; `perplexity`: how many times its
    parent's, under the model `masked_lm`. What isn't given isn't checked. Raises CoreError `similarity_order`,
    `perplexity_model`."""

    __pydantic_config__ = CLOSED
    similarity: tuple[Share, Share] | None = None
    agreement: Share | None = None
    encoder: Annotated[Name, Names("model")] | None = None
    perplexity: Annotated[float, Field(ge=1, le=1000)] | None = None
    masked_lm: Annotated[Name, Names("model")] | None = None

    def __post_init__(self) -> None:
        if self.perplexity is not None and self.masked_lm is None:
            raise CoreError("perplexity_model", {}, "hint_perplexity_model")
        if self.similarity is not None and self.similarity[0] > self.similarity[1]:
            raise CoreError("similarity_order", {}, "")

    @property
    def any(self) -> bool:
        return self.reads or self.perplexity is not None

    @property
    def reads(self) -> bool:
        """Whether an encoder is asked."""
        return self.similarity is not None or self.agreement is not None

    def models(self, language: str = "") -> dict[str, str]:
        """The models that are asked, by field: as they are named, or the bundled encoder of a language, if one is
        given."""
        usual = default_for(language) if language else None
        asked = {"encoder": (self.encoder or usual) if self.reads else None,
                 "masked_lm": None if self.perplexity is None else self.masked_lm}  # fmt: skip
        return {field: name for field, name in asked.items() if name is not None}


@dataclass(frozen=True)
class Judged:
    """Of each child. `similarity`: cosine to its parent; `agreement`: of the child less that of its parent, -1..1;
    `perplexity`: of the child over that of its parent. *Shapes:* (children,), float64; None: not asked for."""

    similarity: np.ndarray | None
    agreement: np.ndarray | None
    perplexity: np.ndarray | None = None

    def take(self, stay: np.ndarray) -> "Judged":
        """Of some children. *Shape:* stay (children,), bool."""
        all = (self.similarity, self.agreement, self.perplexity)
        return Judged(*(None if values is None else values[stay] for values in all))

    def objections(self, checks: Checks) -> list[str | None]:
        """The first reason against each child."""
        least, most = checks.similarity or (-1.0, 1.0)
        lowest, times = -(checks.agreement or 0.0) - 1e-9, checks.perplexity or 0.0
        found: list[list[str | None]] = []
        if self.similarity is not None:
            near = self.similarity.tolist()
            found.append(["too_far" if one < least else "too_near" if one > most else None for one in near])
        if self.agreement is not None:
            found.append(["labels_doubted" if one < lowest else None for one in self.agreement.tolist()])
        if self.perplexity is not None:
            found.append(["reads_badly" if one > times else None for one in self.perplexity.tolist()])
        return [next((code for code in codes if code is not None), None) for codes in zip(*found, strict=True)]


def judged(
    parent: Corpus,
    children: Corpus,
    places: Sequence[int],
    checks: Checks,
    models: Mapping[str, Path],
    check: Callable[[], None],
) -> Judged:
    """`places`: the position of each child's parent; `models`: folders of those of `Checks.models`. `check` is called
    now and then and may raise. Raises CoreError `model_not_masked`."""
    at = np.asarray(places, dtype=np.int64)
    perplexity = None
    if checks.perplexity is not None:
        perplexity = _perplexity(parent, children, at, models["masked_lm"], check)
    if not checks.reads:
        return Judged(None, None, perplexity)
    task = task_of(parent.schema.task)
    reader = Encoder(models["encoder"], task)
    items = checks.agreement is not None
    before, after = (reader.read(corpus.table, check, items) for corpus in (parent, children))
    similarity = None
    if checks.similarity is not None:  # rounded: the last digits hang on batches and processors
        similarity = np.clip(np.round((before.rows[at] * after.rows).sum(axis=1).astype(float), _DIGITS), -1, 1)
    agreement = _agreement(task, parent, children, at, before, after) if checks.agreement is not None else None
    return Judged(similarity, agreement, perplexity)


def _perplexity(
    parent: Corpus, children: Corpus, at: np.ndarray, folder: Path, check: Callable[[], None]
) -> np.ndarray:
    """A child's pseudo-perplexity over its parent's. *Shape:* (children,)."""
    task, model = task_of(parent.schema.task), MaskedModel(folder, folder.name[:16])
    used = np.unique(at)
    before = np.zeros(len(parent))
    before[used] = model.surprise([row.tokens for row in task.examples(parent.table.take(pa.array(used)))], check)
    after = model.surprise([row.tokens for row in task.examples(children.table)], check)
    return np.round(np.exp(np.minimum(after - before[at], _MOST_TIMES)), _DIGITS)


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
