"""JSON Lines: one object a line, with tokens and tags, or with text and spans in code points."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Issue
from core.formats import arrays, text_lines
from core.formats.labels import is_label
from core.formats.losses import Bad, shown
from core.formats.protocol import Layout, Read, ReadOptions, Role
from core.formats.records import check_unicode, lines_of, record_of
from core.formats.tagged import rows, schemes
from core.tasks.example import OUTSIDE
from core.tasks.protocol import Task
from core.tasks.tokenise import tokenise

KEYS: Mapping[Role, Sequence[str]] = {  # where a record keeps what, the first that is there
    "tokens": ("tokens",),
    "tags": ("tags", "ner_tags", "labels"),
    "text": ("text",),
    "spans": ("spans", "entities", "label", "labels"),
}
_ROWS = 1000  # of a chunk
_TOKENS = 50_000  # after which a chunk ends, whatever its rows


@dataclass(frozen=True)
class Row:
    """A record. `bounds`: start and end of each token, where the text is known; `trimmed`: spans that lost blanks."""

    line: int
    tokens: Sequence[str]
    tags: Sequence[schemes.Tag]
    text: str | None = None
    bounds: Sequence[tuple[int, int]] = ()
    trimmed: int = 0


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    label: str
    trimmed: bool


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The records of a JSON Lines file; blank lines are none.

    Raises CoreError: those of `text_lines.blocks` and `rows.finish`.
    """
    names = schemes.Names()
    chunks: deque[rows.Chunk] = deque()
    issues: list[Issue] = []
    batch: list[Row] = []
    records = size = 0
    for number, line in lines_of(path, name):
        records += 1
        try:
            row = _row(number, record_of(line), options.columns)
        except Bad as bad:
            issues.append(bad.issue(name, number))
            continue
        if row.trimmed:
            issues.append(Issue(name, number, "spans", "span_trimmed", {"count": row.trimmed}, "repaired"))
        batch.append(row)
        size += len(row.tokens)
        if len(batch) == _ROWS or size > _TOKENS:
            chunks.append(chunk(batch, names))
            batch, size = [], 0
    if batch:
        chunks.append(chunk(batch, names))
    encoding = text_lines.mark_and_encoding(text_lines.head(path, name))[1]
    layout = Layout("jsonl", encoding, None, 0, "IOB2", False)
    found = rows.Found(chunks, names, 0, records, issues)
    return rows.finish(found, name=name, options=options, task=task, layout=layout)


def chunk(batch: Sequence[Row], names: schemes.Names) -> rows.Chunk:
    """Some records; `names`: gets the tags that are new."""
    tokens = arrays.strings([token for row in batch for token in row.tokens])
    raw = np.array([names.code(tag) for row in batch for tag in row.tags], dtype=np.int16)
    lengths = np.array([len(row.tokens) for row in batch])
    begins = np.cumsum(lengths) - lengths
    lines = np.array([row.line for row in batch], dtype=np.int64)
    if all(row.text is None for row in batch):
        return rows.Chunk(tokens, raw, begins, lines)
    known = np.array([row.text is not None for row in batch])
    bounds = np.array([bound for row in batch for bound in row.bounds]).reshape(-1, 2)
    of_text = np.where(known, lengths, 0)
    starts, ends = (arrays.lists(of_text, arrays.int32(bounds[:, side]), known) for side in (0, 1))
    return rows.Chunk(tokens, raw, begins, lines, arrays.strings([row.text for row in batch]), starts, ends)


def _row(line: int, record: Mapping[str, Any], columns: Mapping[Role, str]) -> Row:
    tokens, tags = (_key(record, role, columns) for role in ("tokens", "tags"))
    if tokens is not None and tags is not None:
        return _tagged(line, record[tokens], record[tags])
    text, spans = (_key(record, role, columns) for role in ("text", "spans"))
    if text is not None and spans is not None:
        return _annotated(line, record[text], record[spans])
    raise Bad("fields_missing", None, keys=shown(", ".join(record)))


def _key(record: Mapping[str, Any], role: Role, columns: Mapping[Role, str]) -> str | None:
    keys = (columns[role],) if role in columns else KEYS[role]
    return next((key for key in keys if key in record), None)


def _tagged(line: int, tokens: Any, tags: Any) -> Row:
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise Bad("tokens_not_strings", "tokens")
    if not isinstance(tags, list) or not all(tag is None or isinstance(tag, str) for tag in tags):
        raise Bad("tags_not_strings", "tags")
    if len(tokens) != len(tags):
        raise Bad("length_mismatch", "tags", tokens=len(tokens), tags=len(tags))
    check_tokens(tokens)
    for tag in tags:
        check_unicode(tag or "", "tags")
    return Row(line, tokens, [schemes.MASKED if tag is None else tag for tag in tags])


def check_tokens(tokens: Sequence[str]) -> None:
    """Raises Bad."""
    if not tokens:
        raise Bad("no_tokens", "tokens")
    for token in tokens:
        if not token or token.isspace():
            raise Bad("empty_token", "tokens")
        if not token.isprintable() and any(character in token for character in "\t\n\r\0"):
            raise Bad("bad_token", "tokens", token=shown(ascii(token)))
        check_unicode(token, "tokens")


def _annotated(line: int, text: Any, spans: Any) -> Row:
    if not isinstance(text, str):
        raise Bad("text_not_string", "text")
    if not isinstance(spans, list):
        raise Bad("spans_malformed", "spans")
    check_unicode(text, "text")
    found = sorted((_span(span, text) for span in spans), key=lambda span: (span.start, span.end))
    bounds = tokenise(text)
    tokens = [text[start:end] for start, end in bounds]
    check_tokens(tokens)
    return Row(line, tokens, _placed(text, found, bounds), text, bounds, sum(span.trimmed for span in found))


def _span(span: Any, text: str) -> _Span:
    """A span as {start, end, label}, doccano's {start_offset, end_offset, label} or [start, end, label]."""
    if isinstance(span, dict):
        span = [
            span.get("start", span.get("start_offset")),  # pyright: ignore[reportUnknownMemberType]
            span.get("end", span.get("end_offset")),  # pyright: ignore[reportUnknownMemberType]
            span.get("label"),  # pyright: ignore[reportUnknownMemberType]
        ]
    if not isinstance(span, list) or len(span) != 3:  # pyright: ignore[reportUnknownArgumentType]
        raise Bad("spans_malformed", "spans")
    start, end, label = span  # pyright: ignore[reportUnknownVariableType]
    if type(start) is not int or type(end) is not int or not isinstance(label, str):
        raise Bad("spans_malformed", "spans")
    if not is_label(label):
        raise Bad("bad_tag", "spans", tag=shown(ascii(label)))
    if not 0 <= start <= end <= len(text):
        raise Bad("span_outside", "spans", start=start, end=end, length=len(text))
    surface = text[start:end]
    if not surface.strip():
        raise Bad("span_empty", "spans", start=start, end=end)
    end = start + len(surface.rstrip())
    start = end - len(surface.strip())
    return _Span(start, end, label, len(surface) > end - start)


def _placed(text: str, spans: Sequence[_Span], bounds: Sequence[tuple[int, int]]) -> list[schemes.Tag]:
    """The tags of all tokens; `spans` in order."""
    first = {start: index for index, (start, _) in enumerate(bounds)}
    last = {end: index for index, (_, end) in enumerate(bounds)}
    tags: list[schemes.Tag] = [schemes.Placed(OUTSIDE, "")] * len(bounds)
    before = 0
    for span in spans:
        surface = shown(text[span.start : span.end])
        if span.start < before:
            raise Bad("span_nested", "spans", surface=surface, label=span.label)
        before = span.end
        if span.start not in first or span.end not in last:
            raise Bad("span_off_boundary", "spans", surface=surface, start=span.start, end=span.end)
        begin, end = first[span.start], last[span.end] + 1
        tags[begin:end] = [schemes.Placed("B", span.label)] + [schemes.Placed("I", span.label)] * (end - begin - 1)
    return tags
