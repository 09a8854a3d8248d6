"""Rows of text with labels: what they consist of, as words, as children of other rows, and as they are shown.

`labels` are those that apply, sorted; a null list: it is not known which; a null among them: there may be others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from core.corpus import BASE, digest_parts, pc
from core.tasks.example import OUTSIDE, Child, Example
from core.tasks.protocol import Pieces, View
from core.tasks.running import Running, spliced
from core.tasks.tokenise import tokenise
from core.tasks.words import flattened, unknown_of

COLUMNS: Mapping[str, pa.DataType] = {"text": pa.string(), "labels": pa.list_(pa.string())}
MADE: Mapping[str, pa.DataType] = {  # of rows that were made of others: where the words that `changes` counts stand
    "starts": pa.list_(pa.int32()),
    "ends": pa.list_(pa.int32()),
}
TABLE = pa.schema([*BASE, *COLUMNS.items()])
_ROWS_AT_ONCE = 1000
# For counting words with Arrow alone: letters of scripts without blanks are set apart, then runs of letters and other
# signs are counted. RE2's own \s knows ASCII only.
_ALONE = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_WORD = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*|[^\s\x0b\x1c-\x1f\x{85}\p{Z}]"


def content(text: str, labels: Sequence[str | None] | None) -> bytes:
    """What a row is: its text and its labels. 16 bytes; row ids are made of it."""
    known = [b"\0unknown"] if labels is None else [b"\0labels", *((label or "").encode() for label in labels)]
    return digest_parts([text.encode(), *known])


def text_content(words: Iterable[str]) -> bytes:
    """What a model sees of a row: its characters, but for blanks. 16 bytes."""
    return digest_parts(("".join(words).encode(),))


def words(table: pa.Table) -> Iterator[list[str]]:
    for text, bounds in _bounds(table):
        yield [text[start:end] for start, end in bounds]


def lengths(table: pa.Table) -> np.ndarray:
    """About as many as `words` has: combining marks and signs of several scripts may be told apart otherwise."""
    apart = pc.replace_substring_regex(table.column("text"), _ALONE, r" \0 ")
    return pc.count_substring_regex(apart, _WORD).to_numpy().astype(np.int64)


def texts(table: pa.Table, blanks: bool) -> pa.ChunkedArray:
    column = table.column("text")
    return column if blanks else pc.replace_substring_regex(column, r"[\s\p{Z}]+", "")


def examples(table: pa.Table) -> list[Example]:
    """No word is part of a mention: any may be touched."""
    ids, labels = (table.column(name).to_pylist() for name in ("id", "labels"))
    found: list[Example] = []
    for row_id, of, (text, bounds) in zip(ids, labels, _bounds(table), strict=True):
        tokens = tuple(text[start:end] for start, end in bounds)
        known = None if of is None else tuple(of)
        found.append(Example(row_id, tokens, (OUTSIDE,) * len(tokens), known, Running(text, *_sides(bounds))))
    return found


def children(parent: pa.Table, born: Sequence[tuple[int, Child]]) -> dict[str, list[Any]]:
    """A child keeps the labels of its parent, unless it has its own."""
    labels = parent.column("labels").to_pylist()
    known = [Running(text, *_sides(bounds)) for text, bounds in _bounds(parent)]
    made = [spliced(known[at], child) for at, child in born]
    return {
        "text": [found.text for found in made],
        "labels": [labels[at] if child.labels is None else _sorted(child.labels) for at, child in born],
        "starts": [found.starts for found in made],
        "ends": [found.ends for found in made],
    }


def _sorted(labels: Sequence[str | None]) -> list[str | None]:
    """In order, and last the null, where there is one."""
    known: list[str | None] = [*sorted(label for label in labels if label is not None)]
    return [*known, *([None] if None in labels else [])]


def changed(born: Sequence[tuple[Example, Child]]) -> pa.Table:
    """A row whose text isn't known reads as its words with blanks between."""
    texts = [" ".join(child.tokens) if row.running is None else spliced(row.running, child).text for row, child in born]
    columns = {"text": texts, "labels": [row.labels for row, _ in born]}
    return pa.table({name: pa.array(values, COLUMNS[name]) for name, values in columns.items()})


def view(row: Mapping[str, Any], values: Sequence[str] | None = None) -> View:
    text = row["text"]
    starts, ends = row.get("starts"), row.get("ends")
    where = Running(text, *_sides(tokenise(text)))
    if starts is not None and ends is not None:
        where = Running(text, tuple(starts), tuple(ends))
    tokens = tuple(text[start:end] for start, end in zip(where.starts, where.ends, strict=True))
    labels = row["labels"] if values is None else values
    known = None if labels is None else tuple(label for label in labels if label is not None)
    return View(tokens, (OUTSIDE,) * len(tokens), where, known)


def unlabelled(lines: Sequence[str]) -> pa.Table:
    nothing = pa.nulls(len(lines), COLUMNS["labels"])
    return pa.table({"text": pa.array(lines, pa.string()), "labels": nothing})


def answer(line: str, values: Sequence[str], confidence: Sequence[float]) -> dict[str, Any]:
    """{"text", "labels": [{"label", "confidence"}]}, the surest label first."""
    found = sorted(zip(values, confidence, strict=True), key=lambda one: (-one[1], one[0]))
    return {"text": line, "labels": [{"label": label, "confidence": sure} for label, sure in found]}


def sound(table: pa.Table, labels: Sequence[str]) -> bool:
    """Whether every row has a text, labels of the schema, and words that lie within the text."""
    if table.column("text").null_count:
        return False
    if not {*pc.unique(pc.list_flatten(table.column("labels"))).to_pylist()} <= {None, *labels}:
        return False
    if not {*MADE} <= {*table.column_names}:
        return True
    if any(table.column(name).null_count or pc.list_flatten(table.column(name)).null_count for name in MADE):
        return False
    rows = zip(*(table.column(name).to_pylist() for name in ("text", *MADE)), strict=True)
    return all(_within(text, starts, ends) for text, starts, ends in rows)


def pieces(table: pa.Table, tokenizer: Any, max_length: int) -> Pieces:
    """The text as the tokenizer itself cuts it; a row is one item, which stands at its first sub-token."""
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    unknown_id = unknown_of(tokenizer)
    ids: list[np.ndarray] = []
    counted: list[tuple[int, int, int]] = []  # words with an unknown sub-token, words, words cut off
    for batch in table.column("text").chunks:
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            rows = batch.slice(start, _ROWS_AT_ONCE).to_pylist()
            for text, item in zip(rows, tokenizer.encode_batch(rows), strict=True):
                piece = np.array(item.ids, dtype=np.int32)
                counted.append(_counted(text, item, piece == unknown_id))
                ids.append(piece)
    unknown, words, cut = np.array(counted, dtype=np.int32).reshape(-1, 3).T
    one_each = np.arange(len(ids) + 1, dtype=np.int64)
    return Pieces(*flattened(ids), np.zeros(len(ids), dtype=np.int32), one_each, unknown, words, cut)


def _counted(text: str, item: Any, unknown: np.ndarray) -> tuple[int, int, int]:
    """Of one row: words with an unknown sub-token, words, words behind the last sub-token."""
    bounds = tokenise(text)
    if not unknown.any() and not item.overflowing:
        return 0, len(bounds), 0
    where = np.array(item.offsets, dtype=np.int64).reshape(-1, 2)
    starts, ends = np.array(bounds, dtype=np.int64).reshape(-1, 2).T
    cut = int((starts >= where[:, 1].max(initial=0)).sum()) if item.overflowing else 0
    odd = np.zeros(len(bounds), dtype=bool)
    for left, right in where[unknown].tolist():
        odd |= (starts < right) & (ends > left)
    return int(odd.sum()), len(bounds), cut


def _bounds(table: pa.Table) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Each text, and where its words stand: as an augmenter put them there, else as the tokeniser finds them."""
    names = [name for name in ("text", *MADE) if name in table.column_names]
    for batch in table.select(names).to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [column.to_pylist() for column in batch.columns]
        for text, *where in zip(*columns, strict=True):
            yield text, list(zip(*where, strict=True)) if where else tokenise(text)


def _sides(bounds: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(start for start, _ in bounds), tuple(end for _, end in bounds)


def _within(text: str, starts: Sequence[int], ends: Sequence[int]) -> bool:
    if len(starts) != len(ends):
        return False
    edges = [edge for bounds in zip(starts, ends, strict=True) for edge in bounds]
    return all(left <= right for left, right in pairwise([0, *edges, len(text)]))
