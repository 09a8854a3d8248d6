"""From tokens and raw tags to a corpus: rows are judged, tags brought to IOB2, the Arrow table built bit by bit."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from core.corpus import ID, Corpus, Schema, numbered
from core.errors import CoreError, Issue, Value
from core.formats import arrays, schemes
from core.formats.protocol import Layout, Read, ReadOptions
from core.tasks.tagging import COLUMNS, TABLE, classes, content

TASK = "tagging"


@dataclass(frozen=True)
class Chunk:
    """Some whole rows: their tokens in one flat array and, where it is known, text and offsets per row."""

    tokens: pa.StringArray
    text: pa.Array | None = None
    starts: pa.Array | None = None
    ends: pa.Array | None = None


@dataclass(frozen=True)
class Found:
    """What stands in a file before its tags are understood.

    `raw`: number of each token's tag in `names`; `begins`: index of each row's first token; `lines`: the line of each
    row's first token. *Shapes:* (tokens,) int16; (rows,) int64; (rows,) int64. `line_step`: 1 where every token has
    a line of its own, 0 where a row is a line. `issues`: of rows that already are dropped or repaired.
    """

    chunks: deque[Chunk]  # emptied while the corpus is built, so that no token is held twice
    raw: np.ndarray
    begins: np.ndarray
    lines: np.ndarray
    names: schemes.Names
    line_step: int
    rows_in: int
    issues: list[Issue]
    detail: Callable[[int], dict[str, Value]] = field(default=lambda line: {})  # values of a `ragged_row` at a line


def finish(found: Found, *, name: str, options: ReadOptions, layout: Layout) -> Read:
    """Judge the rows and build the corpus.

    Raises CoreError: `unknown_scheme`, `too_many_labels`, `no_usable_rows`, `mostly_ragged`.
    """
    first = np.zeros(len(found.raw), dtype=bool)
    first[found.begins] = True
    tags = found.names.tags()
    tagged = schemes.to_iob2(tags, found.raw, first, schemes.resolve(options.scheme))
    del first
    keep = np.ones(len(found.begins), dtype=bool)
    issues = list(found.issues)
    for row, token, _ in _per_row(found, np.flatnonzero(tagged.bad)):
        keep[row] = False
        issues.append(_dropped(found, name, tags[found.raw[token]], _line(found, row, token)))
    for row, token, count in _per_row(found, np.flatnonzero(tagged.repaired)):
        if keep[row]:
            line = _line(found, row, token)
            issues.append(Issue(name, line, "tags", "tag_repaired", {"count": count}, "repaired"))
    issues.sort(key=lambda issue: issue.row or 0)
    _refuse_mostly_bad(name, int(keep.sum()), found.rows_in, issues)
    unknown = int(np.count_nonzero((tagged.codes < 0) & ~tagged.bad))
    corpus = _corpus(found, tagged, keep, options.language)
    issues = [*_of_file(name, tagged.scheme, unknown, corpus.schema.labels), *issues]
    return Read(corpus, found.lines[keep], issues, found.rows_in, replace(layout, scheme=tagged.scheme))


def shown(text: str, most: int = 60) -> str:
    """A piece of user data, short enough for a message."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _per_row(found: Found, tokens: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(row, its first of these tokens, how many of them) for ascending token indices."""
    rows = np.searchsorted(found.begins, tokens, side="right") - 1
    unique, first, counts = np.unique(rows, return_index=True, return_counts=True)
    for row, index, count in zip(unique, first, counts, strict=True):
        yield int(row), int(tokens[index]), int(count)


def _line(found: Found, row: int, token: int) -> int:
    return int(found.lines[row]) + found.line_step * (token - int(found.begins[row]))


def _dropped(found: Found, name: str, tag: schemes.Tag, line: int) -> Issue:
    if tag == schemes.RAGGED:
        return Issue(name, line, None, tag.code, found.detail(line), "dropped")
    if isinstance(tag, schemes.Special):
        return Issue(name, line, "tokens", tag.code, {}, "dropped")
    return Issue(name, line, "tags", "bad_tag", {"tag": shown(str(tag))}, "dropped")


def _refuse_mostly_bad(name: str, kept: int, rows_in: int, issues: Sequence[Issue]) -> None:
    dropped = rows_in - kept
    values: dict[str, Value] = {"file": name, "rows": rows_in, "dropped": dropped}
    if dropped:
        values["line"] = next(issue.row for issue in issues if issue.action == "dropped")
    hint = "hint_first_bad_line" if dropped else "hint_no_rows"
    if not kept:
        raise CoreError("no_usable_rows", values, hint)
    if 2 * dropped > rows_in:
        raise CoreError("mostly_ragged", values, hint)


def _of_file(name: str, scheme: str, unknown: int, labels: Sequence[str]) -> list[Issue]:
    """What holds for the whole file."""

    def issue(code: str, values: dict[str, Value]) -> Issue:
        return Issue(name, None, "tags", code, values, "kept")

    out: list[Issue] = []
    if scheme in ("IO", "IOB1", "BIOES"):
        out.append(issue("scheme_converted", {"scheme": scheme}))
    if unknown:
        out.append(issue("tags_unknown", {"count": unknown}))
    if not labels:
        out.append(issue("no_labels", {}))
    out += [issue("label_lookalike", {"labels": ", ".join(group)}) for group in schemes.lookalikes(labels)]
    return out


def _corpus(found: Found, tagged: schemes.Tagged, keep: np.ndarray, language: str) -> Corpus:
    """The kept rows, chunk by chunk; takes the chunks out of `found`."""
    tag_names = arrays.strings(classes(tagged.labels))
    columns: dict[str, list[pa.Array]] = {column: [] for column in COLUMNS}
    contents: list[bytes] = []
    used = np.zeros(len(tagged.labels), dtype=bool)
    token = row = 0
    while found.chunks:
        chunk = found.chunks.popleft()
        last = int(np.searchsorted(found.begins, token + len(chunk.tokens)))
        codes = tagged.codes[token : token + len(chunk.tokens)]
        lengths = np.diff(found.begins[row:last], append=token + len(chunk.tokens))
        token += len(chunk.tokens)
        chosen, row = keep[row:last], last
        if not chosen.all():
            mask = np.repeat(chosen, lengths)
            codes, lengths, chunk = codes[mask], lengths[chosen], _filtered(chunk, chosen, mask)
        if not len(lengths):
            continue
        used[(codes[codes > 0] - 1) // 2] = True
        contents += _contents(chunk.tokens, codes, lengths, tag_names)
        for column, values in _columns(chunk, codes, lengths, tag_names).items():
            columns[column].append(values)
    ids = arrays.fixed_width(numbered(contents), ID)
    base = {"id": ids, "origin": ids, "parent": pa.nulls(len(ids), ID)}
    table = pa.table({**base, **{name: pa.chunked_array(c, COLUMNS[name]) for name, c in columns.items()}}, TABLE)
    labels = tuple(label for label, there in zip(_labels(tag_names), used, strict=True) if there)
    return Corpus(Schema(TASK, labels, language), table)


def _labels(tag_names: pa.Array) -> list[str]:
    return [name.removeprefix("B-") for name in tag_names.to_pylist()[1::2]]


def _filtered(chunk: Chunk, rows: np.ndarray, tokens: np.ndarray) -> Chunk:
    mask = arrays.booleans(rows)
    text, starts, ends = (None if c is None else c.filter(mask) for c in (chunk.text, chunk.starts, chunk.ends))
    return Chunk(chunk.tokens.filter(arrays.booleans(tokens)), text, starts, ends)


def _contents(tokens: pa.StringArray, codes: np.ndarray, lengths: np.ndarray, tag_names: pa.Array) -> Iterator[bytes]:
    """The content of each row. *Shapes:* codes (tokens,), lengths (rows,)."""
    words: list[str] = tokens.to_pylist()
    names: list[str | None] = [*tag_names.to_pylist(), None]  # -1: the tag is not known
    tags = [names[code] for code in codes.tolist()]
    end = 0
    for length in lengths.tolist():
        start, end = end, end + length
        yield content(words[start:end], tags[start:end])


def _columns(chunk: Chunk, codes: np.ndarray, lengths: np.ndarray, tag_names: pa.Array) -> dict[str, pa.Array]:
    rows = len(lengths)
    return {
        "tokens": arrays.lists(lengths, chunk.tokens),
        "tags": arrays.lists(lengths, tag_names.take(arrays.indices(codes))),
        "text": pa.nulls(rows, COLUMNS["text"]) if chunk.text is None else chunk.text,
        "starts": pa.nulls(rows, COLUMNS["starts"]) if chunk.starts is None else chunk.starts,
        "ends": pa.nulls(rows, COLUMNS["ends"]) if chunk.ends is None else chunk.ends,
    }
