"""One row as augmenters change it and pages show it: its words, the mentions among them, and what was changed.

A word's tag is in the scheme IOB2; of a task without mentions every word is O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.tasks.iob2 import OUTSIDE

if TYPE_CHECKING:
    from core.tasks.running import Running

__all__ = ["OUTSIDE", "Attempt", "Change", "Child", "Example", "Span", "restore", "spans", "valid_iob2"]


@dataclass(frozen=True)
class Span:
    """A mention: tokens[start:end] of one row carry `label`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Example:
    """One row: its id and its tokens with IOB2 tags (None: masked, untouchable).

    `running`: its text with the places of its tokens, where that is known. Of a row that is labelled as a whole: its
    `labels` (None: not known).
    """

    id: bytes
    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]
    labels: tuple[str | None, ...] | None = ()
    running: "Running | None" = None

    @property
    def stated(self) -> tuple[str, ...] | None:
        """Its labels as a whole; None where they are not known, or not all of them."""
        found = tuple(label for label in self.labels or () if label is not None)
        return None if self.labels is None or len(found) < len(self.labels) else found


@dataclass(frozen=True)
class Change:
    """The child's tokens[start:end] stand where the parent had `was` (empty: inserted; start == end: deleted)."""

    start: int
    end: int
    was: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """What an attack on a model came to. `queries`: rows that the model was asked about; `before`, `after`: what is
    right, predicted and gold of the row, and of what was made of it (of the row again where the attack failed);
    `beaten`: whether the model was right before and is wrong after; `changed`, `words`: others, and all, after."""

    queries: int
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    beaten: bool = False
    changed: int = 0
    words: int = 0


@dataclass(frozen=True)
class Child:
    """A changed row. `changes` are in order and don't overlap: with them the parent's tokens can be had back.

    A row that was written anew may have a `text` of its own, in which its tokens stand in order with nothing but blanks
    between them, and `labels` of its own; None: those of its parent. `attempt`: of one that was made against a model;
    `sure`: of one that a model labelled, how sure it was of each mention or label, in order, 0..1.
    """

    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]
    changes: tuple[Change, ...]
    text: str | None = None
    labels: tuple[str | None, ...] | None = None
    attempt: Attempt | None = None
    sure: tuple[float, ...] = ()


def spans(tags: Sequence[str | None]) -> list[Span]:
    """The mentions in one row's tags, strict IOB2, in order."""
    out: list[Span] = []
    start, label = -1, ""
    for index, tag in enumerate([*tags, None]):
        if start >= 0 and tag != f"I-{label}":
            out.append(Span(start, index, label))
            start = -1
        if tag is not None and tag.startswith("B-"):
            start, label = index, tag[2:]
    return out


def restore(child: Child) -> tuple[str, ...]:
    """The parent's tokens."""
    out: list[str] = []
    position = 0
    for change in child.changes:
        out += child.tokens[position : change.start]
        out += change.was
        position = change.end
    return (*out, *child.tokens[position:])


def valid_iob2(tags: Sequence[str | None]) -> bool:
    """Whether every I- continues a mention of its label."""
    inside = sum(span.end - span.start for span in spans(tags))
    return inside == sum(tag is not None and tag != OUTSIDE for tag in tags)
