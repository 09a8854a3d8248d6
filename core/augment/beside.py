"""A child of a row by each of several methods, to set beside each other; or of the next row with a rejected one."""

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core.augment import available, slow
from core.augment.pool import AugmentParams, born, look_ahead
from core.augment.preview import CorpusId, Parent, child_json, kept_contents, kept_method, kept_parent, stored
from core.augment.protocol import Augmenter
from core.errors import CoreError
from core.params import CLOSED, build, canonical_json
from core.runs import Turn
from core.tasks.protocol import Task

MOST_COLUMNS = 8
MOST_ROWS = 500  # of a search
MOMENT = 0.2  # seconds, after which no other column is begun
SEARCH = 1.5  # seconds, after which a search does not go on to another row
_CHUNK = 8  # rows that a method is told of at once
_USUAL = (
    "mention_replacement",
    "synonym",
    "shuffle_segments",
    "swap",
    "deletion",
    "keyboard",
)  # the most telling first
_ENGLISH = ("synonym",)  # of these, what other languages don't have,
_WORDS = ("swap", "deletion")  # and what makes little sense where words are single characters
_CHARACTERS = ("zh", "ja")


@dataclass(frozen=True)
class Column:
    """A method with its settings."""

    __pydantic_config__ = CLOSED
    method: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0


@dataclass(frozen=True)
class BesideRequest:
    """What is asked for: the first of `rows` (positions in the corpus), or the first of them of which a column rejects
    a child."""

    __pydantic_config__ = CLOSED
    corpus: CorpusId
    rows: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=MOST_ROWS)]
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=MOST_COLUMNS)]
    held_out: Annotated[tuple[CorpusId, ...], Field(max_length=8)] = ()  # corpora that no child may repeat
    rejected: bool = False


@dataclass(frozen=True)
class _Made:
    """A column ready to work."""

    method: Augmenter
    params: AugmentParams


@dataclass(frozen=True)
class _Desk:
    """What all columns work on. `forbidden`: text_content of the rows that no child may repeat."""

    root: Path
    path: Path
    parent: Parent
    forbidden: AbstractSet[bytes]
    turn: Turn


def usual(task: Task, language: str, count: int) -> list[str]:
    """The methods to begin with."""
    there = available(task)
    short = language.partition("-")[0]
    able = [name for name in _USUAL if name in there and (short == "en" or name not in _ENGLISH)]
    return sorted(able, key=lambda name: short in _CHARACTERS and name in _WORDS)[:count]


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """A row's first child by each method over JSON. `request`: a BesideRequest. -> {"row", "looked", "columns"}

    A column is {"child": ...} as in a preview, {"problem": error} where its method can't work here, or {} where
    it has to be asked for again, lest the others wait for it; one at least is done. Of a search, `row` is None where
    none of the `looked` first rows was it. Raises CoreError `preview_row_unknown`, `corpus_gone`.
    """
    asked = build(BesideRequest, request, "beside")
    path, held_out = stored(root, asked.corpus), [stored(root, corpus_id) for corpus_id in asked.held_out]
    with turn.loading():
        parent = kept_parent(path)
    with turn.loading():
        forbidden = frozenset[bytes]().union(*(kept_contents(path) for path in held_out))
    for row in asked.rows:
        if row >= len(parent.examples):
            raise CoreError("preview_row_unknown", {"row": row, "rows": len(parent.examples)})
    return (_search if asked.rejected else _look)(_Desk(root, path, parent, forbidden, turn), asked)


def _look(desk: _Desk, asked: BesideRequest) -> dict[str, Any]:
    """One row: quick methods first, as many as a moment has room for, and a slow one by itself."""
    row, columns = asked.rows[0], asked.columns
    found: list[dict[str, Any]] = [{} for _ in columns]
    end = time.monotonic() + MOMENT
    for at in sorted(range(len(columns)), key=lambda at: _slow(columns[at])):
        if any(found) and (_slow(columns[at]) or time.monotonic() > end):
            break
        found[at] = _column(desk, _made(desk, columns[at]), row)
    return {"row": row, "looked": 1, "columns": found}


def _search(desk: _Desk, asked: BesideRequest) -> dict[str, Any]:
    """Row after row, until a child is rejected or the time is used up."""
    made = [_made(desk, column) for column in asked.columns]
    end, looked = time.monotonic() + SEARCH, 0
    for start in range(0, len(asked.rows), _CHUNK):
        chunk = asked.rows[start : start + _CHUNK]
        for one in made:
            _tell(desk, one, chunk)
        for row in chunk:
            looked += 1
            found = [_column(desk, one, row) for one in made]
            if any("rejected" in column.get("child", ()) for column in found):
                return {"row": row, "looked": looked, "columns": found}
        if time.monotonic() > end:
            break
    return {"row": None, "looked": looked, "columns": []}


def _slow(column: Column) -> bool:
    try:
        return slow(column.method)
    except CoreError:
        return False


def _made(desk: _Desk, column: Column) -> _Made | CoreError:
    """A column's method, or why there is none for these data: the other columns don't mind."""
    with desk.turn.loading():
        try:
            params = AugmentParams(column.method, column.params, seed=column.seed).canonical()
            method = kept_method(desk.path, params.method, canonical_json(params.params), desk.root)
        except CoreError as error:
            return error
    return _Made(method, params)


def _tell(desk: _Desk, made: _Made | CoreError, rows: Sequence[int]) -> None:
    """Which rows come next, for methods that are quicker with many."""
    desk.turn.check()
    if isinstance(made, _Made):
        with desk.turn.loading():
            look_ahead(made.method, made.params, [desk.parent.examples[row] for row in rows], 0)


def _column(desk: _Desk, made: _Made | CoreError, row: int) -> dict[str, Any]:
    """The first child as its pool makes it, but that only the parents can make it a duplicate: so it is the same
    whatever rows are looked at with it."""
    if isinstance(made, CoreError):
        return {"problem": made.to_json()}
    parent = desk.parent
    try:
        _tell(desk, made, [row])
        child = born(parent.task, made.method, made.params, parent.examples[row], 0, desk.forbidden, parent.contents)
    except CoreError as error:  # of an endpoint that doesn't answer
        return {"problem": error.to_json()}
    return {"child": child_json(child)}
