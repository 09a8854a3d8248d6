"""Splits and pools while an import works on them."""

from dataclasses import dataclass, field

import numpy as np

from core.corpus import Corpus
from core.errors import Action, Issue, Value
from core.formats.protocol import Layout, ReadOptions
from core.params import CLOSED


@dataclass(frozen=True)
class Source:
    """One file of an import: its name as the user wrote it, and how to read it."""

    __pydantic_config__ = CLOSED
    name: str
    options: ReadOptions = ReadOptions()
    labels: dict[str, str | None] | None = None  # pools: source label -> target label, None masks


@dataclass
class Part:
    """A split or pool while it is worked on: the corpus, and for each row where it stood."""

    corpus: Corpus
    lines: np.ndarray
    source: Source

    def take(self, rows: np.ndarray) -> "Part":
        return Part(self.corpus.take(rows), self.lines[rows], self.source)

    def without(self, rows: np.ndarray) -> "Part":
        return self.take(np.setdiff1d(np.arange(len(self.corpus)), rows))


@dataclass
class Imported:
    """The result: parts by role, what was found, and rows read per role before anything was dropped."""

    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    issues: list[Issue] = field(default_factory=list[Issue])
    rows_in: dict[str, int] = field(default_factory=dict[str, int])
    layouts: dict[str, Layout] = field(default_factory=dict[str, Layout])

    def note(self, part: Part, row: int | None, code: str, values: dict[str, Value], action: Action) -> None:
        line = None if row is None else int(part.lines[row])
        self.issues.append(Issue(part.source.name, line, None, code, values, action))
