"""From tokens and raw tags to a corpus: rows are judged, tags brought to IOB2, the Arrow table built bit by bit."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from core.corpus import ID, ID_BYTES, Corpus, Schema, numbered, pc
from core.errors import Issue, Value
from core.formats import arrays, labels
from core.formats.losses import refuse_mostly_bad, shown
from core.formats.protocol import Layout, Read, ReadOptions
from core.formats.tagged import schemes
from core.tasks.iob2 import classes
from core.tasks.protocol import Task
from core.tasks.tagged import COLUMNS, TABLE, content


@dataclass(frozen=True)
class Chunk:
    """Some whole rows.

    `tokens`: flat; `raw`: the number of each token's tag, (tokens,) int16; `begins`: index of each row's first token,
    `lines`: its line, (rows,) int64; text and offsets per row where they are known.
    """

    tokens: pa.StringArray
    raw: np.ndarray
    begins: np.ndarray
    lines: np.ndarray
    text: pa.Array | None = None
    starts: pa.Array | None = None
    ends: pa.Array | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per row. *Shape:* (rows,), int64."""
        return np.diff(self.begins, append=len(self.raw))


@dataclass(frozen=True)
class Found:
    """What stands in a file before its tags are understood.

    `line_step`: 1 where every token has a line of its own, 0 where a row is a line. `issues`: what was found so far.
    """

    chunks: deque[Chunk]  # emptied while the corpus is built, so that no token is held twice
    names: schemes.Names
    line_step: int
    rows_in: int
    issues: list[Issue]
    detail: Callable[[int], dict[str, Value]] = field(default=lambda line: {})  # values of a `ragged_row` at a line


class _Corpus:
    """A corpus in the making; its tags are those of `labels`."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.tags = arrays.strings(classes(labels))
        self.used = np.zeros(len(labels), dtype=bool)
        self.columns: dict[str, list[pa.Array]] = {column: [] for column in COLUMNS}
        self.contents = bytearray()
        self.lines: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
        self.unknown = 0  # tokens whose tag is not known

    def add(self, chunk: Chunk, codes: np.ndarray) -> None:
        """Whole rows with their tags as in schemes.Tagged."""
        self.used[(codes[codes > 0] - 1) // 2] = True
        self.unknown += int(np.count_nonzero(codes < 0))
        self.lines.append(chunk.lines)
        for content_of_row in _contents(chunk, codes, self.tags):
            self.contents += content_of_row
        for column, values in _columns(chunk, codes, self.tags).items():
            self.columns[column].append(values)

    def done(self, task: Task, language: str) -> Corpus:
        ids = arrays.fixed_width(_ids(self.contents), ID)
        columns = {name: pa.chunked_array(chunks, COLUMNS[name]) for name, chunks in self.columns.items()}
        table = pa.table({"id": ids, "origin": ids, "parent": pa.nulls(len(ids), ID), **columns}, TABLE)
        labels = tuple(label for label, there in zip(self.labels, self.used, strict=True) if there)
        return Corpus(Schema(task.name, labels, language), table)


def finish(found: Found, *, name: str, options: ReadOptions, task: Task, layout: Layout) -> Read:
    """Judge the rows and build the corpus.

    Raises CoreError: `unknown_scheme`, `too_many_labels`, `no_usable_rows`, `mostly_ragged`.
    """
    tags = found.names.tags()
    parts = [(chunk.raw, chunk.begins) for chunk in found.chunks]
    reading = schemes.recognise(tags, parts, schemes.resolve(options.scheme))
    del parts
    making = _Corpus(reading.labels)
    issues = list(found.issues)
    while found.chunks:
        chunk = found.chunks.popleft()
        tagged = schemes.to_iob2(reading, chunk.raw, chunk.begins)
        keep = np.ones(len(chunk.begins), dtype=bool)
        for row, token, _ in _per_row(chunk, tagged.bad):
            keep[row] = False
            issues.append(_dropped(found, name, tags[chunk.raw[token]], _line(found, chunk, row, token)))
        for row, token, count in _per_row(chunk, tagged.repaired):
            if keep[row]:
                line = _line(found, chunk, row, token)
                issues.append(Issue(name, line, "tags", "tag_repaired", {"count": count}, "repaired"))
        if keep.any():
            making.add(*((chunk, tagged.codes) if keep.all() else _filtered(chunk, tagged.codes, keep)))
    issues.sort(key=lambda issue: issue.row or 0)
    lines = np.concatenate(making.lines)
    refuse_mostly_bad(name, len(lines), found.rows_in, issues)
    corpus = making.done(task, options.language)
    issues = [*_of_file(name, reading.scheme, making.unknown, corpus.schema.labels), *issues]
    return Read(corpus, lines, issues, found.rows_in, replace(layout, scheme=reading.scheme))


def _per_row(chunk: Chunk, chosen: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(row, its first chosen token, how many of them) for every row that has one. `chosen`: (tokens,) bool."""
    tokens = np.flatnonzero(chosen)
    rows = np.searchsorted(chunk.begins, tokens, side="right") - 1
    unique, first, counts = np.unique(rows, return_index=True, return_counts=True)
    for row, index, count in zip(unique, first, counts, strict=True):
        yield int(row), int(tokens[index]), int(count)


def _line(found: Found, chunk: Chunk, row: int, token: int) -> int:
    return int(chunk.lines[row]) + found.line_step * (token - int(chunk.begins[row]))


def _dropped(found: Found, name: str, tag: schemes.Tag, line: int) -> Issue:
    if isinstance(tag, schemes.Special):
        ragged = tag == schemes.RAGGED
        return Issue(
            name, line, None if ragged else "tokens", tag.code, found.detail(line) if ragged else {}, "dropped"
        )
    return Issue(name, line, "tags", "bad_tag", {"tag": shown(str(tag))}, "dropped")


def _of_file(name: str, scheme: str, unknown: int, names: Sequence[str]) -> list[Issue]:
    """What holds for the whole file."""

    def issue(code: str, values: dict[str, Value]) -> Issue:
        return Issue(name, None, "tags", code, values, "kept")

    out: list[Issue] = []
    if scheme in ("IO", "IOB1", "BIOES"):
        out.append(issue("scheme_converted", {"scheme": scheme}))
    if unknown:
        out.append(issue("tags_unknown", {"count": unknown}))
    return [*out, *labels.of_file(names, name, "tags")]


def _ids(contents: bytearray) -> bytearray:
    """The ids of rows with these contents, 16 bytes each; only contents that occur again become Python objects."""
    halves = np.frombuffer(bytes(contents), dtype=np.uint64).reshape(-1, 2)
    order = np.lexsort((halves[:, 0], halves[:, 1]))
    equal = (halves[order[1:]] == halves[order[:-1]]).all(axis=1)
    again = np.sort(order[np.concatenate((equal, [False])) | np.concatenate(([False], equal))])
    places = [slice(ID_BYTES * row, ID_BYTES * (row + 1)) for row in again.tolist()]
    for place, row_id in zip(places, numbered([bytes(contents[place]) for place in places]), strict=True):
        contents[place] = row_id
    return contents


def _filtered(chunk: Chunk, codes: np.ndarray, keep: np.ndarray) -> tuple[Chunk, np.ndarray]:
    lengths = chunk.lengths
    tokens, rows = np.repeat(keep, lengths), arrays.booleans(keep)
    begins = np.cumsum(lengths[keep]) - lengths[keep]
    text, starts, ends = (None if c is None else c.filter(rows) for c in (chunk.text, chunk.starts, chunk.ends))
    kept = pc.filter(chunk.tokens, arrays.booleans(tokens), memory_pool=arrays.POOL)
    return Chunk(kept, chunk.raw[tokens], begins, chunk.lines[keep], text, starts, ends), codes[tokens]


def _contents(chunk: Chunk, codes: np.ndarray, tag_names: pa.StringArray) -> Iterator[bytes]:
    """The content of each row."""
    words: list[str] = chunk.tokens.to_pylist()
    names: list[str | None] = [*tag_names.to_pylist(), None]  # -1: the tag is not known
    tags = [names[code] for code in codes.tolist()]
    bounds: list[int] = [*chunk.begins.tolist(), len(words)]
    for start, end in pairwise(bounds):
        yield content(words[start:end], tags[start:end])


def _columns(chunk: Chunk, codes: np.ndarray, tag_names: pa.StringArray) -> dict[str, pa.Array]:
    lengths = chunk.lengths
    tags = pc.take(tag_names, arrays.indices(codes), memory_pool=arrays.POOL)
    known = {"text": chunk.text, "starts": chunk.starts, "ends": chunk.ends}
    return {
        "tokens": arrays.lists(lengths, chunk.tokens),
        "tags": arrays.lists(lengths, tags),
        **{n: pa.nulls(len(lengths), COLUMNS[n], arrays.POOL) if c is None else c for n, c in known.items()},
    }
