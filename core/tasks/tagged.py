"""Rows of words with tags: what they consist of, as children of other rows, and as they are shown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from core.corpus import BASE, digest_parts, pc
from core.tasks.example import Child, Example, spans
from core.tasks.iob2 import classes, entities, flat
from core.tasks.protocol import View
from core.tasks.running import Running, spliced
from core.tasks.tokenise import tokenise

COLUMNS: Mapping[str, pa.DataType] = {
    "tokens": pa.list_(pa.string()),
    "tags": pa.list_(pa.string()),  # IOB2; null items are masked
    "text": pa.string(),  # the running text, where it is known
    "starts": pa.list_(pa.int32()),  # code points into text, one per token
    "ends": pa.list_(pa.int32()),
}
TABLE = pa.schema([*BASE, *COLUMNS.items()])
_ROWS_AT_ONCE = 1000
_MANY_ROWS = 10_000  # that are looked through without a Python object for each
_RUNNING = ("text", "starts", "ends")


def content(tokens: Sequence[str], tags: Sequence[str | None]) -> bytes:
    """What a row is: its tokens and tags. 16 bytes; row ids are made of it."""
    return digest_parts([*(t.encode() for t in tokens), b"\0tags", *((t or "").encode() for t in tags)])


def text_content(words: Iterable[str]) -> bytes:
    """What a model sees of a row: its tokens. 16 bytes; two rows that agree here leak into each other."""
    return digest_parts(word.encode() for word in words)


def words(table: pa.Table) -> Iterator[list[str]]:
    for chunk in table.column("tokens").chunks:
        for start in range(0, len(chunk), _ROWS_AT_ONCE):
            yield from chunk.slice(start, _ROWS_AT_ONCE).to_pylist()


def lengths(table: pa.Table) -> np.ndarray:
    return pc.list_value_length(table.column("tokens")).to_numpy().astype(np.int64)


def texts(table: pa.Table, blanks: bool) -> pa.ChunkedArray:
    """The tokens joined, and behind them the running text where it differs."""
    joined = pc.binary_join(table.column("tokens"), " " if blanks else "")
    running = table.column("text")
    other = pc.if_else(pc.equal(running, joined), pa.scalar(None, pa.string()), running)
    return pc.binary_join_element_wise(joined, other, "\n", null_handling="skip")


def mentions(table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    none = np.empty(0, dtype=np.int64)
    rows, labels, surfaces, start = [none], [none], list[str](), 0
    for batch in table.select(["tokens", "tags"]).to_batches(max_chunksize=_MANY_ROWS):
        tags = flat(pa.chunked_array([batch.column(1)]), names)
        begins, ends, label_of = entities(tags.codes, tags.offsets)
        rows.append(start + tags.rows[begins])
        labels.append(label_of.astype(np.int64))
        surfaces += _surfaces(batch.column(0), begins, ends)
        start += len(batch)
    return np.concatenate(rows), np.concatenate(labels), surfaces


def examples(table: pa.Table) -> list[Example]:
    columns = [table.column(name).to_pylist() for name in ("id", "tokens", "tags")]
    there = set(_RUNNING) <= {*table.column_names}
    places = zip(*(table.column(name).to_pylist() for name in _RUNNING), strict=True) if there else repeat((None,) * 3)
    return [
        Example(row_id, tuple(tokens), tuple(tags), running=_running(*place))
        for row_id, tokens, tags, place in zip(*columns, places, strict=False)
    ]


def _running(text: str | None, starts: Sequence[int] | None, ends: Sequence[int] | None) -> Running | None:
    if text is None or starts is None or ends is None:
        return None
    return Running(text, tuple(starts), tuple(ends))


def children(parent: pa.Table, born: Sequence[tuple[int, Child]]) -> dict[str, list[Any]]:
    """The text of a child is not known where its parent's isn't."""
    known = [_running(*place) for place in zip(*(parent.column(name).to_pylist() for name in _RUNNING), strict=True)]
    made = [running and spliced(running, child) for running, child in ((known[at], child) for at, child in born)]
    return {
        "tokens": [child.tokens for _, child in born],
        "tags": [child.tags for _, child in born],
        **{name: [found and getattr(found, name) for found in made] for name in _RUNNING},
    }


def changed(born: Sequence[tuple[Example, Child]]) -> pa.Table:
    """The running text stays where no word was changed."""
    columns = {"tokens": [child.tokens for _, child in born], "tags": [child.tags for _, child in born]}
    as_was = [row.running if child.tokens == row.tokens else None for row, child in born]
    columns |= {name: [running and getattr(running, name) for running in as_was] for name in _RUNNING}
    return pa.table({name: pa.array(values, COLUMNS[name]) for name, values in columns.items()})


def view(row: Mapping[str, Any], values: Sequence[str] | None = None) -> View:
    running = _running(*(row[name] for name in _RUNNING))
    return View(tuple(row["tokens"]), tuple(row["tags"] if values is None else values), running)


def unlabelled(lines: Sequence[str]) -> pa.Table:
    """Lines as words; all tags are unknown."""
    bounds = [[*tokenise(line)] for line in lines]
    columns: dict[str, list[Any]] = {
        "tokens": [[line[start:end] for start, end in cut] for line, cut in zip(lines, bounds, strict=True)],
        "tags": [[None] * len(cut) for cut in bounds],
        "text": [*lines],
        "starts": [[start for start, _ in cut] for cut in bounds],
        "ends": [[end for _, end in cut] for cut in bounds],
    }
    return pa.table({name: pa.array(values, COLUMNS[name]) for name, values in columns.items()})


def answer(line: str, values: Sequence[str], confidence: Sequence[float]) -> dict[str, Any]:
    """{"text", "entities": [{"start", "end", "label", "text", "confidence"}]}.

    Offsets are code points; an entity is as sure as the least probable of its words.
    """
    places, out = tokenise(line), list[dict[str, Any]]()
    for span in spans(values):
        start, end = places[span.start][0], places[span.end - 1][1]
        sure = min(confidence[span.start : span.end])
        out.append({"start": start, "end": end, "label": span.label, "text": line[start:end], "confidence": sure})
    return {"text": line, "entities": out}


def sound(table: pa.Table, labels: Sequence[str]) -> bool:
    """Whether every row has tokens, a tag for each, and offsets for each where it has a text."""
    if any(table.column(name).null_count for name in ("tokens", "tags")):
        return False
    tokens, tags, text = (table.column(name).combine_chunks() for name in ("tokens", "tags", "text"))
    known = {None, *classes(labels)}
    if tokens.flatten().null_count or not _as_many(tags, tokens) or not {*tags.flatten().unique().to_pylist()} <= known:
        return False
    for column in (table.column(name).combine_chunks() for name in ("starts", "ends")):
        if column.flatten().null_count or not column.is_null().equals(text.is_null()):
            return False
        if not _as_many(column, tokens):
            return False
    return True


def fits(table: pa.Table, predicted: pa.ChunkedArray) -> bool:
    """A tag for each token."""
    return len(predicted) == len(table) and _as_many(predicted, table.column("tokens"))


def _as_many(lists: Any, others: Any) -> bool:
    """Whether the lists of two columns are equally long, where there are any."""
    return not pc.any(pc.not_equal(pc.list_value_length(lists), pc.list_value_length(others))).as_py()


def _surfaces(tokens: pa.ListArray, starts: np.ndarray, ends: np.ndarray) -> list[str]:
    """The tokens [start, end) of the flattened list, joined with blanks."""
    sizes = ends - starts
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    positions = np.repeat(starts - offsets[:-1], sizes) + np.arange(offsets[-1])
    chosen = tokens.flatten().take(pa.array(positions))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), chosen), " ").to_pylist()
