"""A few rows' children before a pool is built: made by the pool's own code, so the pool will hold the same."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core import corpus as corpora
from core.augment import check_suits, make, params_of, resources
from core.augment.pool import AHEAD, AugmentParams, born, look_ahead
from core.augment.protocol import Augmenter, Change, Child, Example, Rejected
from core.corpus import Corpus
from core.errors import CoreError
from core.formats.leakage import contents
from core.params import CLOSED, build, canonical_json
from core.runs import Turn
from core.tasks import task as task_of
from core.tasks.protocol import Task

CorpusId = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class PreviewRequest:
    """What is asked for: the pool that AugmentParams would make of `corpus`, at some of its rows."""

    __pydantic_config__ = CLOSED
    corpus: CorpusId
    rows: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=100)]  # positions in the corpus
    method: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    copies: Annotated[int, Field(ge=1, le=20)] = 1
    seed: int = 0
    held_out: Annotated[tuple[CorpusId, ...], Field(max_length=8)] = ()  # corpora that no child may repeat


@dataclass(frozen=True)
class Previewed:
    """One row of the corpus and what became of each copy, in order."""

    row: int
    parent: Example
    children: tuple[Child | Rejected, ...]


@dataclass(frozen=True)
class Parent:
    """A corpus as previews need it: its rows, and what a model sees of each."""

    examples: Sequence[Example]
    contents: frozenset[bytes]
    language: str
    task: Task
    labels: Sequence[str]

    @classmethod
    def of(cls, corpus: Corpus) -> "Parent":
        task = task_of(corpus.schema.task)
        schema = corpus.schema
        return cls(task.examples(corpus.table), frozenset(contents(corpus)), schema.language, task, schema.labels)


def preview(
    parent: Corpus, rows: Sequence[int], params: AugmentParams, root: Path, forbidden: AbstractSet[bytes] = frozenset()
) -> list[Previewed]:
    """The children of some rows, as `build_pool` makes them; only `duplicate` is judged by the parents and these rows.

    `forbidden`: text_content of the rows of dev and test. Raises CoreError `preview_row_unknown`, `augmenter_needs`.
    """
    known = Parent.of(parent)
    method = _method(known, params.method, params.params, root)
    return _previewed(known, method, rows, params, forbidden, lambda: None)


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """A preview over JSON. `request`: a PreviewRequest. -> {"rows": [{"row", "tokens", "tags", "children"}]}; a child
    is {"tokens", "tags", "changes"} or {"rejected": code}."""
    asked = build(PreviewRequest, request, "preview")
    params = AugmentParams(asked.method, asked.params, asked.copies, asked.seed).canonical()
    path, held_out = stored(root, asked.corpus), [stored(root, corpus_id) for corpus_id in asked.held_out]
    with turn.loading():
        parent = kept_parent(path)
    with turn.loading():
        method = kept_method(path, params.method, canonical_json(params.params), root)
    with turn.loading():
        forbidden = frozenset[bytes]().union(*(kept_contents(path) for path in held_out))
    found = _previewed(parent, method, asked.rows, params, forbidden, turn.check, turn.loading)
    return {"rows": [_row_json(item) for item in found]}


def _previewed(
    parent: Parent,
    method: Augmenter,
    rows: Sequence[int],
    params: AugmentParams,
    forbidden: AbstractSet[bytes],
    check: Callable[[], None],
    ahead: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[Previewed]:
    """In the order of the pool, copy by copy: which of two equal children is the duplicate depends on it.

    `check` is called before each child and may raise; `ahead` is around what is done for many of them at once, and kept
    for later.
    """
    for row in rows:
        if not 0 <= row < len(parent.examples):
            raise CoreError("preview_row_unknown", {"row": row, "rows": len(parent.examples)})
    seen, held_out = set(parent.contents), set(forbidden)
    children: dict[int, list[Child | Rejected]] = {row: [] for row in sorted(rows)}
    for copy in range(params.copies):
        for at, (row, made) in enumerate(children.items()):
            check()
            if at % AHEAD == 0:
                with ahead():
                    look_ahead(method, params, [parent.examples[one] for one in [*children][at : at + AHEAD]], copy)
            child = born(parent.task, method, params, parent.examples[row], copy, held_out, seen)
            made.append(child)
            if isinstance(child, Child):
                seen.add(parent.task.text_content(child.tokens))
    return [Previewed(row, parent.examples[row], tuple(children[row])) for row in rows]


def _method(parent: Parent, name: str, params: Mapping[str, Any], root: Path) -> Augmenter:
    check_suits(name, parent.task)
    given = resources(name, params, parent.examples, parent.language, root, parent.task.name, parent.labels)
    return make(name, params_of(name, params), given)


def stored(root: Path, corpus_id: str) -> Path:
    """The file of a corpus. Raises CoreError `corpus_gone`."""
    path = root / "corpora" / f"{corpus_id}.arrow"
    if not path.is_file():
        raise CoreError("corpus_gone", {"corpus": corpus_id[:16]})
    return path


# What stays in memory between requests. A corpus never changes under its name, so a path says it all. A method keeps
# no rows: those of the last two corpora are all that is held.


@lru_cache(maxsize=2)
def kept_parent(path: Path) -> Parent:
    """The rows of a stored corpus."""
    return Parent.of(corpora.read(path))


@lru_cache(maxsize=16)  # every method there is, side by side, with room for other settings
def kept_method(path: Path, name: str, params: str, root: Path) -> Augmenter:
    """A method ready for a stored corpus. `params`: as JSON text, which can be a key."""
    return _method(kept_parent(path), name, json.loads(params), root)


@lru_cache(maxsize=4)
def kept_contents(path: Path) -> frozenset[bytes]:
    """What a model sees of each row of a stored corpus."""
    return frozenset(contents(corpora.read(path)))


def child_json(child: Child | Rejected) -> dict[str, Any]:
    if isinstance(child, Rejected):
        return {"rejected": child.code}
    told = {name: value for name, value in asdict(child).items() if value is not None}
    return {name: value for name, value in told.items() if name not in ("attempt", "sure")}


def child_of(data: Mapping[str, Any]) -> Child | Rejected:
    """What `child_json` wrote."""
    if "rejected" in data:
        return Rejected(data["rejected"])
    changes = tuple(Change(one["start"], one["end"], tuple(one["was"])) for one in data["changes"])
    labels = data.get("labels")
    own = None if labels is None else tuple(labels)
    return Child(tuple(data["tokens"]), tuple(data["tags"]), changes, data.get("text"), own)


def _row_json(item: Previewed) -> dict[str, Any]:
    children = [child_json(child) for child in item.children]
    return {"row": item.row, "tokens": item.parent.tokens, "tags": item.parent.tags, "children": children}
