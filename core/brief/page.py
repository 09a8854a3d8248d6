"""A report as it is laid out: words and numbers, in one language, top to bottom. Nothing here is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from core.report.browse import Segment


@dataclass(frozen=True)
class Figure:
    """A label before the fold. `whole`: icons by kind; `rates`: found before and now, 0..1; `likely`: of the latter."""

    label: str
    text: str
    right: str
    says: str
    whole: tuple[int, int, int, int]
    rates: tuple[float, float]
    likely: tuple[float, float] | None
    alt: str


@dataclass(frozen=True)
class Marked:
    """A sentence in one state. `segments`: its words; `labels`: of the whole row; `right`: whether it is as it should
    be."""

    lead: str
    segments: Sequence[Segment]
    labels: Sequence[str]
    right: bool


@dataclass(frozen=True)
class Shown:
    """A sentence that changed."""

    title: str
    note: str
    better: bool
    lines: Sequence[Marked]


@dataclass(frozen=True)
class Table:
    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Fold:
    """What one may open. `code`: text in fixed width, such as a recipe."""

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()
    code: Sequence[tuple[str, str]] = ()  # title, text


@dataclass(frozen=True)
class Page:
    """A report, top to bottom. `tone`: of its answer: good, bad or open; `legend`: of icons by kind, and of the
    strip; `more`: of labels without a figure."""

    language: str
    title: str
    date: str
    question: str
    answer: str
    tone: str
    sure: Sequence[str]
    figures: Sequence[Figure]
    more: Sequence[str]
    legend: Mapping[str, str]
    examples: Sequence[Shown]
    no_examples: str
    cost: Sequence[str]
    worse: Sequence[str]
    open: Sequence[str]
    folds: Sequence[Fold]
    words: Mapping[str, str] = field(default_factory=dict[str, str])  # headings and buttons
    labels: Sequence[str] = ()  # all of the data, so that each keeps its colour
