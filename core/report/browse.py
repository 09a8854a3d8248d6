"""Finding rows in a corpus, and showing them: running text with its mentions and its changed words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from core.augment.protocol import Change, Child, restore
from core.corpus import Corpus, pc
from core.tasks import task
from core.tasks.example import Span, spans
from core.tasks.protocol import Task
from core.tasks.running import Running, placed, spliced
from core.tasks.running import joined as running_text

_UNSPACED = ("ja", "zh")  # languages in whose texts blanks say nothing: tokens are joined and searched without any


@dataclass(frozen=True)
class Index:
    """What searching a corpus needs. `text`: see Task.texts.

    *Shape:* has (rows, labels), bool: which labels a row has, or has mentions of.
    """

    labels: tuple[str, ...]
    blanks: bool  # whether blanks count
    text: pa.ChunkedArray
    has: np.ndarray


@dataclass(frozen=True)
class Segment:
    """A piece of a shown row. `was`: the text it stands for now, None where it is new; empty `text`: deleted."""

    text: str
    label: str | None = None
    was: str | None = None
    changed: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a corpus. `text`, `starts` and `ends` are None where the running text is not known.

    `labels`: of the row as a whole; None: not known.
    """

    position: int
    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]
    text: str | None
    starts: tuple[int, ...] | None
    ends: tuple[int, ...] | None
    changes: tuple[Change, ...]
    labels: tuple[str, ...] | None = ()

    @property
    def segments(self) -> list[Segment]:
        return segments(self.tokens, self.tags, self.text, self.starts, self.ends, self.changes)


@dataclass(frozen=True)
class Place:
    """Where one stands among rows found: at the position `row`, the `number`th of them from 0. `before`, `after`: the
    positions of its neighbours, None at an end."""

    row: int
    number: int
    before: int | None
    after: int | None


@dataclass(frozen=True)
class _Marked:
    """Tokens [start, end) that are shown as one segment; start == end: something was deleted here."""

    start: int
    end: int
    owner: Span | Change


def index(corpus: Corpus) -> Index:
    """The index of one corpus."""
    blanks = corpus.schema.language not in _UNSPACED
    text = task(corpus.schema.task).texts(corpus.table, blanks)
    rows, labels = task(corpus.schema.task).labels_of(corpus.table, corpus.schema.labels)
    has = np.zeros((len(corpus), len(corpus.schema.labels)), dtype=bool)
    has[rows, labels] = True
    return Index(corpus.schema.labels, blanks, text, has)


def find(index: Index, text: str = "", labels: Sequence[str] = (), without: bool = False) -> np.ndarray:
    """Positions, ascending, of the rows that hold `text` as it stands, but for case, and mentions of all `labels`.

    `without`: rows without any mention alone.
    """
    found = np.full(len(index.has), set(labels) <= set(index.labels))
    if without:
        found &= ~index.has.any(1)
    for label in {*labels} & {*index.labels}:
        found &= index.has[:, index.labels.index(label)]
    wanted = text if index.blanks else text.replace(" ", "")
    if wanted:
        found &= pc.match_substring(index.text, wanted, ignore_case=True).to_numpy()
    return np.flatnonzero(found)


def of_length(positions: np.ndarray, lengths: np.ndarray, fewest: int | None, most: int | None) -> np.ndarray:
    """Those of the positions whose rows have so many words; None: no bound. `lengths`: of all rows of the corpus."""
    low, high = 0 if fewest is None else fewest, np.inf if most is None else most
    return positions[(lengths[positions] >= low) & (lengths[positions] <= high)]


def place(found: np.ndarray, at: int) -> Place:
    """The first of the rows found that does not stand before position `at`, else the last. `found`: ascending, at
    least one."""
    number = min(int(np.searchsorted(found, at)), len(found) - 1)
    before = int(found[number - 1]) if number else None
    after = int(found[number + 1]) if number + 1 < len(found) else None
    return Place(int(found[number]), number, before, after)


def most_changed(pool: Corpus) -> np.ndarray:
    """Positions of a pool's children, those first of whose words the greatest share is another's or none is left of
    what stood there; of equals in the order of the pool. *Shape:* (rows,), int64."""
    lengths = task(pool.schema.task).lengths(pool.table)
    changes = pool.table.column("changes").combine_chunks()
    rows = np.repeat(np.arange(len(pool)), changes.value_lengths().to_numpy())
    flat = changes.flatten()
    new = flat.field("end").to_numpy() - flat.field("start").to_numpy()
    gone = flat.field("was").value_lengths().to_numpy()
    touched = np.bincount(rows, np.maximum(new, gone), minlength=len(pool))
    return np.argsort(-touched / np.maximum(lengths, 1), kind="stable")


def page(
    corpus: Corpus,
    positions: np.ndarray,
    start: int,
    count: int,
    values: Sequence[Sequence[str]] | Mapping[int, Sequence[str]] | None = None,
) -> list[Row]:
    """The rows at positions[start : start + count], in that order. `values`: what was predicted for each row of the
    corpus, or for those by position, to be shown in place of gold."""
    wanted, kind = positions[start : start + count], task(corpus.schema.task)
    names = [name for name in (*kind.columns, *kind.made, "changes") if name in corpus.table.column_names]
    found = corpus.table.select(dict.fromkeys(names)).take(pa.array(wanted, pa.int64())).to_pylist()
    places: list[int] = wanted.tolist()
    marked = [None] * len(places) if values is None else [values[position] for position in places]
    return [_row(kind, *each) for each in zip(places, found, marked, strict=True)]


def segments(
    tokens: Sequence[str],
    tags: Sequence[str | None],
    text: str | None = None,
    starts: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
    changes: Sequence[Change] = (),
) -> list[Segment]:
    """A row in pieces that are its running text when put together again, or its joined tokens where that isn't known.

    Each mention is one segment, each change outside mentions another, and all that is between them is plain. What was
    replaced is told once, where the change starts; a mention with a change in it tells how it read as a whole.
    """
    running = running_text(tokens)
    if text is not None and starts is not None and ends is not None:
        running = Running(text, tuple(starts), tuple(ends))
    out: list[Segment] = []
    at = 0
    for marked in _marked(len(tokens), spans(tags), changes):
        left, right = _place(running, marked)
        if left > at:
            out.append(Segment(running.text[at:left]))
        touching = [change for change in changes if _touches(change, marked)]
        label = marked.owner.label if isinstance(marked.owner, Span) else None
        out.append(Segment(running.text[left:right], label, _before(tokens, marked, touching), bool(touching)))
        at = right
    if at < len(running.text):
        out.append(Segment(running.text[at:]))
    return out


def child_segments(parent: Row, child: Child) -> list[Segment]:
    """A child of a row in pieces, with the running text that its pool will give it."""
    running = running_of(parent, child)
    return segments(child.tokens, child.tags, running.text, running.starts, running.ends, child.changes)


def running_of(parent: Row, child: Child) -> Running:
    """The text of a child; its joined tokens where that of the parent isn't known."""
    if parent.text is None or parent.starts is None or parent.ends is None:
        return placed(child.tokens, child.text) if child.text is not None else running_text(child.tokens)
    return spliced(Running(parent.text, parent.starts, parent.ends), child)


def joined(tokens: Sequence[str]) -> str:
    """Tokens as a text, spaced as augmentation spaces them."""
    return running_text(tokens).text


def _row(kind: Task, position: int, row: Mapping[str, Any], values: Sequence[str] | None) -> Row:
    view = kind.view(row, values)
    where = (None, None, None) if view.running is None else (view.running.text, view.running.starts, view.running.ends)
    changes = tuple(Change(c["start"], c["end"], tuple(c["was"])) for c in row.get("changes") or ())
    return Row(position, view.tokens, view.tags, *where, changes, view.labels)


def _marked(length: int, mentions: Sequence[Span], changes: Sequence[Change]) -> Iterator[_Marked]:
    """What is shown apart, in order. A token that stands in a mention belongs to it, changed or not."""
    owners: list[Span | Change | None] = [None] * length
    for owner in (*changes, *mentions):
        owners[owner.start : owner.end] = [owner] * (owner.end - owner.start)
    found = [_Marked(c.start, c.end, c) for c in changes if c.start == c.end and not _inside(c, mentions)]
    for owner, positions in groupby(range(length), key=owners.__getitem__):
        if owner is not None:
            held = [*positions]
            found.append(_Marked(held[0], held[-1] + 1, owner))
    yield from sorted(found, key=lambda marked: (marked.start, marked.end))


def _inside(deleted: Change, mentions: Sequence[Span]) -> bool:
    return any(mention.start < deleted.start < mention.end for mention in mentions)


def _touches(change: Change, marked: _Marked) -> bool:
    """Whether a change shows in a segment; a deletion at the border of one shows beside it."""
    if change.start == change.end:
        return marked.owner is change or marked.start < change.start < marked.end
    return change.start < marked.end and change.end > marked.start


def _place(running: Running, marked: _Marked) -> tuple[int, int]:
    """Where a segment stands in the text, in code points; a deletion stands before the token behind it."""
    if marked.end > marked.start:
        return running.starts[marked.start], running.ends[marked.end - 1]
    at = running.starts[marked.start] if marked.start < len(running.starts) else max(running.ends, default=0)
    return at, at


def _before(tokens: Sequence[str], marked: _Marked, touching: Sequence[Change]) -> str | None:
    """How a segment read before the changes that start in it; None if none does, or if all of it is new."""
    if not any(change.start >= marked.start for change in touching):
        return None
    local = tuple(
        Change(
            max(change.start, marked.start) - marked.start,
            min(change.end, marked.end) - marked.start,
            change.was if change.start >= marked.start else (),
        )
        for change in touching
    )
    was = restore(Child(tuple(tokens[marked.start : marked.end]), (), local))
    return joined(was) or None
