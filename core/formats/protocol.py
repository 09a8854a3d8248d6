"""What a reader of a file format is given and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from core.corpus import Corpus
from core.errors import Issue
from core.params import CLOSED
from core.tasks.protocol import Task

Scheme = Literal["IO", "IOB1", "IOB2", "BIOES", "spans"]  # spans: offsets, no tags in the file
Role = Literal["tokens", "tags", "text", "spans", "labels"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; whatever is None is recognised from its content."""

    __pydantic_config__ = CLOSED
    format: str | None = None  # a name in READERS, among those of the task's rows
    scheme: str | None = None  # a name in core.formats.tagged.schemes.NAMES
    separator: str | None = None  # of CoNLL: tab | space; of CSV: comma | tab | semicolon | pipe
    token_column: int = 0  # from 0, negative: from the end
    tag_column: int = -1
    language: str = "en"
    columns: Mapping[Role, str] = field(default_factory=dict[Role, str])  # role -> column, or key of a JSON record
    label_separator: str | None = None  # between several labels of a cell; "none": a cell is one label
    unlabelled: bool = False  # text alone, whatever labels stand there; only for ingredients


@dataclass(frozen=True)
class Choices:
    """What may be said about how files of one kind of rows are read: values of ReadOptions.

    `roles`: of columns with names, or keys of records; the others are of what lies between columns, of tags, and of
    what lies between several labels in a cell, where files have such.
    """

    roles: tuple[Role, ...]
    separators: tuple[str, ...]
    schemes: tuple[str, ...] = ()
    label_separators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """How a file was read.

    `columns`: how many of them (0: none, it is JSON); `scheme`: None where there are no tags; `names`: those of the
    columns of texts and labels, by role; `between`: what parted several labels of a cell.
    """

    format: str
    encoding: str
    separator: str | None
    columns: int
    scheme: Scheme | None
    position_digits: bool  # every character was followed by its position in the word, and lost it
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    between: str = ""


@dataclass(frozen=True)
class Read:
    """The rows of a file: those kept, and an issue for everything done to them.

    `lines`: the first line (Parquet: the record number) of each kept row, from 1. *Shape:* (rows,), int64.
    `rows_in` = len(corpus) + the issues whose action is `dropped`.
    """

    corpus: Corpus
    lines: np.ndarray
    issues: list[Issue]
    rows_in: int
    layout: Layout


class Reader(Protocol):
    """Reads one format. `name`: the file as the user wrote it, for issues and errors; raises CoreError."""

    def __call__(self, path: Path, *, name: str, options: ReadOptions, task: Task) -> Read: ...


class Writer(Protocol):
    """Writes one format, whole or not at all."""

    def __call__(self, corpus: Corpus, path: Path) -> None: ...
