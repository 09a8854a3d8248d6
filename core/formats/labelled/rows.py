"""From texts and what stands for their labels to a corpus: rows are judged, cells split into labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from core.corpus import ID, Corpus, Schema, numbered
from core.errors import CoreError, Issue
from core.formats import labels as of_labels
from core.formats.labels import MAX_LABELS, UNKNOWN, is_label
from core.formats.losses import Bad, refuse_mostly_bad, shown
from core.formats.protocol import Layout, Read, ReadOptions, Role
from core.formats.records import check_unicode
from core.tasks.labelled import COLUMNS, TABLE, content
from core.tasks.protocol import Task

LONGEST = 100_000  # code points of a text
MOST_TEXT = 1 << 31  # code points of a file
SPLITS = ("|", ";")  # what may stand between several labels of a cell, the first that occurs in the file
NO_SPLIT = "none"
_AT_ONCE = 10_000  # texts that are Python objects

Cell = str | tuple[str | None, ...] | None  # still to be split, the labels, or nothing known
_Labels = tuple[str | None, ...] | None


@dataclass
class Found:
    """What stands in a file before its cells are understood. `columns`: the names of those of text and labels.

    `split`: whether a string may hold several labels, or say that they are not known.
    """

    name: str
    columns: Mapping[Role, str]
    split: bool
    rows_in: int = 0
    issues: list[Issue] = field(default_factory=list[Issue])
    lines: list[int] = field(default_factory=list[int])
    cells: list[Cell] = field(default_factory=list[Cell])
    _texts: list[str] = field(default_factory=list[str])
    _kept: list[pa.Array] = field(default_factory=list[pa.Array])
    _size: int = 0
    _same: dict[Cell, Cell] = field(default_factory=dict[Cell, Cell])  # equal cells are one object

    def add(self, line: int, text: Any, value: Any) -> None:
        """A row of a file, or the issue that it becomes. Raises CoreError `too_much_text`."""
        self.rows_in += 1
        try:
            known, cell = _text(text, self.columns["text"]), _cell(value, self.columns["labels"], self.split)
        except Bad as bad:
            self.issues.append(bad.issue(self.name, line))
            return
        self._size += len(known)
        if self._size > MOST_TEXT:
            raise CoreError("too_much_text", {"file": self.name, "limit": MOST_TEXT}, "hint_too_much_text")
        self.lines.append(line)
        self.cells.append(self._same.setdefault(cell, cell))
        self._texts.append(known)
        if len(self._texts) == _AT_ONCE:
            self._keep()

    def drop(self, line: int, bad: Bad) -> None:
        """A row that could not even be cut into columns."""
        self.rows_in += 1
        self.issues.append(bad.issue(self.name, line))

    def texts(self) -> pa.ChunkedArray:
        self._keep()
        return pa.chunked_array(self._kept, pa.string())

    def _keep(self) -> None:
        self._kept.append(pa.array(self._texts, pa.string()))
        self._texts = []


def splits(options: ReadOptions) -> bool:
    """Whether strings are to be split that stand where there could be lists."""
    return options.label_separator not in (None, NO_SPLIT)


def finish(found: Found, *, options: ReadOptions, task: Task, layout: Layout) -> Read:
    """Split the cells, judge the rows and build the corpus.

    Raises CoreError: `too_many_labels`, `no_usable_rows`, `mostly_ragged`.
    """
    column = found.columns["labels"]
    between = _between(found, options)
    labels = {cell: _labels(cell, between, column) for cell in dict.fromkeys(found.cells)}
    several = task.objective == "sigmoid" or any(isinstance(one, tuple) and len(one) > 1 for one in labels.values())
    several = several or any(one == () and cell != "" for cell, one in labels.items())
    if not several and labels.get("") == ():
        labels[""] = Bad("label_missing", column)
    keep, issues = np.ones(len(found.cells), dtype=bool), found.issues
    for at, (line, cell) in enumerate(zip(found.lines, found.cells, strict=True)):
        bad = labels[cell]
        if isinstance(bad, Bad):
            keep[at] = False
            issues.append(bad.issue(found.name, line))
    issues.sort(key=lambda issue: issue.row or 0)
    refuse_mostly_bad(found.name, int(keep.sum()), found.rows_in, issues)
    good = {cell: one for cell, one in labels.items() if not isinstance(one, Bad)}
    rows = [good[cell] for cell, there in zip(found.cells, keep, strict=True) if there]
    names = sorted({label for one in {*rows} if one is not None for label in one if label is not None})
    if len(names) > MAX_LABELS:
        raise of_labels.too_many(len(names))
    corpus = _corpus(found.texts().filter(pa.array(keep)), rows, Schema(task.name, tuple(names), options.language))
    told = _of_file(found.name, column, between, rows)
    lines = np.array(found.lines, dtype=np.int64)[keep]
    told = [*told, *of_labels.of_file(names, found.name, column), *issues]
    return Read(corpus, lines, told, found.rows_in, replace(layout, names={**found.columns}, between=between or ""))


def _corpus(texts: pa.ChunkedArray, rows: Sequence[_Labels], schema: Schema) -> Corpus:
    contents: list[bytes] = []
    for chunk in texts.chunks:
        start = len(contents)
        contents += [content(text, rows[at]) for at, text in enumerate(chunk.to_pylist(), start)]
    ids = pa.array(numbered(contents), ID)
    columns = {"text": texts, "labels": pa.array(rows, COLUMNS["labels"])}
    return Corpus(schema, pa.table({"id": ids, "origin": ids, "parent": pa.nulls(len(ids), ID), **columns}, TABLE))


def _text(text: Any, column: str) -> str:
    """Raises Bad."""
    if text is None or text == "":
        raise Bad("text_empty", column)
    if not isinstance(text, str):
        raise Bad("text_not_string", column)
    if len(text) > LONGEST:
        raise Bad("text_too_long", column, length=len(text), limit=LONGEST)
    check_unicode(text, column)
    if "\0" in text:
        raise Bad("text_nul", column)
    if text.isspace():
        raise Bad("text_empty", column)
    return text


def _cell(value: Any, column: str, split: bool) -> Cell:
    """Raises Bad."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return _several(value, column)
    label = _one(value, column).strip()
    if not split:
        return (label,) if label else ""
    if label.startswith("[") and label.endswith("]"):
        try:
            listed = json.loads(label)
        except (ValueError, RecursionError):
            return label
        return _several(listed, column) if all(isinstance(one, str | None) for one in listed) else label
    return label


def _several(values: Sequence[Any], column: str) -> tuple[str | None, ...]:
    """Each label once, sorted, and last a null where there is one."""
    if len(values) > MAX_LABELS:
        raise Bad("bad_label", column, label=f"[{len(values)}]")
    labels = [None if value is None else _one(value, column) for value in values]
    known = tuple(sorted({_checked(label, column) for label in labels if label is not None}))
    return (*known, None) if None in labels else known


def _one(value: Any, column: str) -> str:
    """A label as a string; numbers and truth values in their own words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if not isinstance(value, str):
        raise Bad("label_not_string", column)
    check_unicode(value, column)
    return value


def _checked(label: str, column: str) -> str:
    """Raises Bad."""
    if not is_label(label):
        raise Bad("bad_label", column, label=shown(ascii(label)))
    return label


def _between(found: Found, options: ReadOptions) -> str | None:
    """What parts the labels of a cell; None: nothing does."""
    given = options.label_separator
    if given is not None:
        return None if given == NO_SPLIT else given
    if not found.split:
        return None
    cells = [cell for cell in dict.fromkeys(found.cells) if isinstance(cell, str)]
    return next((mark for mark in SPLITS if any(mark in cell for cell in cells)), None)


def _labels(cell: Cell, between: str | None, column: str) -> _Labels | Bad:
    """What a cell says; an empty one: that no label applies."""
    if not isinstance(cell, str):
        try:
            return cell and tuple(None if label is None else _checked(label, column) for label in cell)
        except Bad as bad:
            return bad
    parts = [part.strip() for part in (cell.split(between) if between else [cell])]
    parts = [part for part in parts if part]
    if parts == [UNKNOWN]:
        return None
    try:
        return _several([None if part == UNKNOWN else part for part in parts], column)
    except Bad as bad:
        return bad


def _of_file(name: str, column: str, between: str | None, rows: Sequence[_Labels]) -> list[Issue]:
    out: list[Issue] = []
    many = sum(one is not None and len(one) > 1 for one in rows)
    if between and many:
        out.append(Issue(name, None, column, "labels_split", {"separator": between, "rows": many}, "kept"))
    unknown = sum(one is None or None in one for one in rows)
    if unknown:
        out.append(Issue(name, None, column, "labels_unknown", {"count": unknown}, "kept"))
    return out
