"""What a reader of a file format is given and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from core.corpus import Corpus
from core.errors import Issue
from core.params import CLOSED

Scheme = Literal["IO", "IOB1", "IOB2", "BIOES", "spans"]  # spans: offsets, no tags in the file
Role = Literal["tokens", "tags", "text", "spans"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file; whatever is None is recognised from its content."""

    __pydantic_config__ = CLOSED
    format: str | None = None  # a name in READERS
    scheme: str | None = None  # a name in core.formats.schemes.NAMES
    separator: str | None = None  # tab | space
    token_column: int = 0  # from 0, negative: from the end
    tag_column: int = -1
    language: str = "en"
    columns: Mapping[Role, str] = field(default_factory=dict[Role, str])  # role -> key of a JSON record


@dataclass(frozen=True)
class Layout:
    """How a file was read. `columns`: how many of them (0: none, it is JSON)."""

    format: str
    encoding: str
    separator: str | None
    columns: int
    scheme: Scheme
    position_digits: bool  # every character was followed by its position in the word, and lost it


@dataclass(frozen=True)
class Read:
    """The rows of a file: those kept, and an issue for everything done to them.

    `lines`: the first line (JSON Lines: the record number) of each kept row, from 1. *Shape:* (rows,), int64.
    `rows_in` = len(corpus) + the issues whose action is `dropped`.
    """

    corpus: Corpus
    lines: np.ndarray
    issues: list[Issue]
    rows_in: int
    layout: Layout


class Reader(Protocol):
    """Reads one format. `name`: the file as the user wrote it, for issues and errors; raises CoreError."""

    def __call__(self, path: Path, *, name: str, options: ReadOptions) -> Read: ...


class Writer(Protocol):
    """Writes one format, whole or not at all."""

    def __call__(self, corpus: Corpus, path: Path) -> None: ...
