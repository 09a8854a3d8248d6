"""Text without labels: lines of plain text, or rows of any format whose labels, if there are any, are left aside.

Every label of such a row is unknown, which is what null means wherever labels stand.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.corpus import Corpus, Schema
from core.errors import CoreError, Issue
from core.formats import csv_records, sniff, text_lines
from core.formats.labelled import columns, rows
from core.formats.losses import Bad, shown
from core.formats.protocol import Layout, Read, ReadOptions
from core.formats.records import check_unicode, lines_of, record_of
from core.formats.tagged import conll, jsonl, schemes
from core.formats.tagged import rows as tagged
from core.tasks.protocol import Task
from core.tasks.tokenise import tokenise

PLAIN = "text"  # a row is a line
FORMATS = {"tagged": ("conll", "jsonl"), "labelled": ("csv", "jsonl", "parquet")}  # kind of rows -> the others
_AT_ONCE = 1000  # rows
_LOOKED_AT = 100  # lines, to tell columns of tags from plain text
_TAG = re.compile(r"O|[BIESLUM]-\S+")
_Value = str | list[str]  # a text, or its words


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The rows of a file, all labels unknown.

    A line of plain text, or a text of a record, is cut into words as texts with spans are; with the separator `space`,
    where blanks stand. Raises CoreError: those of `format_of`, `unknown_format`, `text_lines.blocks` and the readers.
    """
    format = options.format or format_of(path, name, options, task)
    if format not in (PLAIN, *FORMATS[task.rows]):
        known = ", ".join((PLAIN, *FORMATS[task.rows]))
        raise CoreError("unknown_format", {"value": format, "known": known}, "hint_known")
    if format == "conll":
        return _forgotten(conll.read(path, name=name, options=options, task=task), name, task)
    encoding = "" if format == "parquet" else text_lines.mark_and_encoding(text_lines.head(path, name))[1]
    layout = Layout(format, encoding, options.separator, 0, None, False)
    found = _values(path, name, format, options)
    build = _tagged if task.rows == "tagged" else _labelled
    made = build(found, name, options, task, layout)
    return replace(made, issues=[issue for issue in made.issues if issue.code != "no_labels"])


def format_of(path: Path, name: str, options: ReadOptions, task: Task) -> str:
    """`text`, or one of FORMATS, by the beginning of a file. Raises CoreError of `sniff.recognise`."""
    kinds = FORMATS[task.rows]
    found = sniff.recognise(path, name, [PLAIN, *kinds])
    if found != PLAIN:
        return found
    first = text_lines.head(path, name)
    mark, encoding = text_lines.mark_and_encoding(first)
    lines = [line for line in re.split(r"\r\n|\r|\n", first[mark:].decode(encoding, "replace")) if line.strip()]
    columned = _has_tags(lines[:_LOOKED_AT]) if "conll" in kinds else _has_header(lines[:1], options)
    return kinds[0] if columned else PLAIN


def _has_tags(lines: list[str]) -> bool:
    """Whether most lines are a word or more and a tag."""
    fields = [line.split() for line in lines if not line.startswith((conll.DOCUMENT.decode(), conll.COMMENT.decode()))]
    return 2 * sum(len(one) > 1 and _TAG.fullmatch(one[-1]) is not None for one in fields) > len(fields)


def _has_header(lines: list[str], options: ReadOptions) -> bool:
    """Whether the first line names a column of texts."""
    return any(_text_column(csv_records.fields_of(line, _separator(line, options)), options) for line in lines)


def _text_column(names: list[str], options: ReadOptions) -> str | None:
    return columns.named(names, "text", options.columns)


def _separator(line: str, options: ReadOptions) -> str:
    given = csv_records.SEPARATORS.get(options.separator or "")
    return given or csv_records.guessed(line, lambda names: _text_column([*names], options) is not None)


def _forgotten(found: Read, name: str, task: Task) -> Read:
    """Rows without the tags that they had, and without what was to be said of these."""
    words = int(task.lengths(found.corpus.table).sum())
    schema = Schema(found.corpus.schema.task, (), found.corpus.schema.language)
    bare = task.masked(task.mapped(found.corpus, dict.fromkeys(found.corpus.schema.labels), ()), outside=True)
    told = Issue(name, None, "tags", "tags_unknown", {"count": words}, "kept")
    issues = [told, *(issue for issue in found.issues if issue.action == "dropped" or issue.column != "tags")]
    return replace(found, corpus=Corpus(schema, bare.table), issues=issues)


def _values(path: Path, name: str, format: str, options: ReadOptions) -> Iterator[tuple[int, _Value | Bad]]:
    """(line or record number, text or words) of each row, or why it has none."""
    if format == "csv":
        yield from _of_csv(path, name, options)
    elif format == "parquet":
        yield from enumerate(_of_parquet(path, name, options), 1)
    else:
        for number, line in lines_of(path, name):
            if format == PLAIN:
                yield number, line.split() if options.separator in ("space", " ") else line.strip()
                continue
            try:
                yield number, _of_record(record_of(line), options)
            except Bad as bad:
                yield number, bad


def _of_record(record: dict[str, Any], options: ReadOptions) -> _Value:
    """Raises Bad."""
    tokens = record.get(options.columns.get("tokens", "tokens"))
    if tokens is not None:
        if not isinstance(tokens, list) or not all(isinstance(one, str) for one in tokens):  # pyright: ignore[reportUnknownVariableType]
            raise Bad("tokens_not_strings", "tokens")
        return tokens  # pyright: ignore[reportUnknownVariableType]
    key = _text_column([*record], options)
    if key is None:
        raise Bad("fields_missing", None, keys=shown(", ".join(record)))
    if not isinstance(record[key], str):
        raise Bad("text_not_string", key)
    return record[key]


def _of_csv(path: Path, name: str, options: ReadOptions) -> Iterator[tuple[int, str | Bad]]:
    separator = _separator(csv_records.first_line(path, name), options)
    records = csv_records.records(path, name, separator)
    line, header = next(records, (1, []))
    if isinstance(header, Bad):
        raise CoreError("bad_csv", {"file": name, "line": line} | header.values, "hint_csv_quote_open")
    text = _text_column(header, options)
    if text is None:
        raise columns.unknown(header, options.columns, name, line)
    for line, fields in records:
        if isinstance(fields, Bad):
            yield line, fields
        elif len(fields) != len(header):
            yield line, Bad("ragged_row", None, fields=len(fields), columns=len(header))
        else:
            yield line, fields[header.index(text)]


def _of_parquet(path: Path, name: str, options: ReadOptions) -> Iterator[str | Bad]:
    try:
        file = pq.ParquetFile(path)
        text = _text_column(file.schema_arrow.names, options)
        if text is None:
            raise columns.unknown(file.schema_arrow.names, options.columns, name)
        for batch in file.iter_batches(batch_size=_AT_ONCE, columns=[text]):
            for value in batch.column(text).to_pylist():
                yield value if isinstance(value, str) else Bad("text_not_string", text)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        values = {"file": name, "what": str(error).split("\n")[0][:200]}
        raise CoreError("bad_parquet", values, "hint_bad_parquet") from None


def _tagged(
    found: Iterator[tuple[int, _Value | Bad]], name: str, options: ReadOptions, task: Task, layout: Layout
) -> Read:
    names, chunks = schemes.Names(), deque[tagged.Chunk]()
    issues: list[Issue] = []
    batch: list[jsonl.Row] = []
    read = 0
    for line, value in found:
        read += 1
        try:
            batch.append(_row(line, value))
        except Bad as bad:
            issues.append(bad.issue(name, line))
        if len(batch) == _AT_ONCE:
            chunks.append(jsonl.chunk(batch, names))
            batch = []
    if batch:
        chunks.append(jsonl.chunk(batch, names))
    all = tagged.Found(chunks, names, 0, read, issues)
    return tagged.finish(all, name=name, options=replace(options, scheme=None), task=task, layout=layout)


def _row(line: int, value: _Value | Bad) -> jsonl.Row:
    """Raises Bad."""
    if isinstance(value, Bad):
        raise value
    text = value if isinstance(value, str) else None
    check_unicode(text or "", "text")
    bounds = [] if text is None else tokenise(text)
    tokens = value if text is None else [text[start:end] for start, end in bounds]
    jsonl.check_tokens(tokens)
    return jsonl.Row(line, tokens, [schemes.MASKED] * len(tokens), text, bounds)


def _labelled(
    found: Iterator[tuple[int, _Value | Bad]], name: str, options: ReadOptions, task: Task, layout: Layout
) -> Read:
    all = rows.Found(name, {role: role for role in columns.ROLES}, split=False)
    for line, value in found:
        if isinstance(value, Bad):
            all.drop(line, value)
        else:
            all.add(line, value if isinstance(value, str) else " ".join(value), None)
    return rows.finish(all, options=options, task=task, layout=layout)
