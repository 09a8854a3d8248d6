"""CSV: a line of column names, then a record a row, fields between quotation marks where they need them (RFC 4180)."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.errors import CoreError, Value
from core.formats import text_lines
from core.formats.labelled import columns, rows
from core.formats.losses import Bad
from core.formats.protocol import Layout, Read, ReadOptions
from core.tasks.protocol import Task

SEPARATORS: Mapping[str, str] = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|"}
_LONGEST_RECORD = 1_000_000  # code points, and
_MOST_LINES = 10_000  # lines: beyond them a quotation mark was never closed


class _Lines:
    """Lines as csv.reader pulls them, counted, so that a record knows where it began."""

    def __init__(self, lines: Iterable[str], name: str) -> None:
        self._lines, self._name = iter(lines), name
        self.number = 0  # of the line that was pulled last
        self.first, self._size = 1, 0  # line where the record began, code points of it

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self._size += len(line)
        if self._size > _LONGEST_RECORD or self.number - self.first > _MOST_LINES:
            raise self.unclosed()
        return line

    def begin(self) -> None:
        """Whatever is pulled from here on is another record."""
        self.first, self._size = self.number + 1, 0

    def unclosed(self) -> CoreError:
        return CoreError("csv_quote_open", {"file": self._name, "line": self.first}, "hint_csv_quote_open")


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The records of a CSV file; blank lines are none.

    Raises CoreError: those of `text_lines.blocks` and `rows.finish`, `bad_value`, `columns_unknown`, `column_unknown`,
    `csv_quote_open`.
    """
    separator = _separator(options, _first_line(path, name))
    lines = _Lines(_text(path, name), name)
    records = _records(lines, separator)
    line, header = next(records, (1, []))
    if isinstance(header, Bad):
        raise CoreError("bad_csv", {"file": name, "line": line} | header.values, "hint_csv_quote_open")
    named = columns.found(header, options.columns)
    if named is None:
        raise columns.unknown(header, options.columns, name, line)
    found = rows.Found(name, named, split=True)
    text, labels = (header.index(named[role]) for role in columns.ROLES)
    for line, fields in records:
        if isinstance(fields, Bad):
            found.drop(line, fields)
        elif len(fields) != len(header):
            found.drop(line, Bad("ragged_row", None, fields=len(fields), columns=len(header)))
        else:
            found.add(line, fields[text], fields[labels])
    encoding = text_lines.mark_and_encoding(text_lines.head(path, name))[1]
    layout = Layout("csv", encoding, _word(separator), len(header), None, False)
    return rows.finish(found, options=options, task=task, layout=layout)


def header_of(text: str, separator: str | None = None) -> list[str]:
    """The column names in the first line of a text, parted as `read` does it."""
    line = next((line for line in text.split("\n") if line.strip()), "")
    return _cut(line, separator or guessed(line))


def guessed(line: str, wanted: Mapping[columns.Role, str] | None = None) -> str:
    """What parts the columns of a header: that under which text and labels are found, else which cuts most often."""

    def fit(mark: str) -> tuple[bool, int]:
        names = _cut(line, mark)
        return columns.found(names, wanted or {}) is not None, len(names)

    return max(SEPARATORS.values(), key=fit)


def whole_records(lines: Sequence[str]) -> int:
    """How many of the lines are complete records, from the first on."""
    pulled, done = _Lines(lines, ""), 0
    separator = guessed(next((line for line in lines if line.strip()), ""))
    try:
        for _ in _records(pulled, separator, torn=False):
            done = pulled.number
    except CoreError:  # a quotation mark that is never closed: the reader says so
        return len(lines)
    return done


def _text(path: Path, name: str) -> Iterator[str]:
    for _, block in text_lines.blocks(path, name):
        yield from (line.decode() + "\n" for line in block.split(b"\n")[:-1])


def _first_line(path: Path, name: str) -> str:
    return next((line for line in _text(path, name) if line.strip()), "")


def _records(lines: _Lines, separator: str, torn: bool = True) -> Iterator[tuple[int, list[str] | Bad]]:
    """(its first line, the fields of each record, or why it has none). `torn`: whether one that the end cuts counts."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if str(error).startswith("unexpected end"):
                if torn and lines.number > lines.first:
                    raise lines.unclosed() from None
                if not torn:
                    return
            yield lines.first, Bad("bad_csv", None, what=str(error))
            continue
        if any(field.strip() for field in fields) or len(fields) > 1:
            yield lines.first, fields


def _cut(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _separator(options: ReadOptions, header: str) -> str:
    if options.separator is None:
        return guessed(header, options.columns)
    if options.separator in SEPARATORS.values():
        return options.separator
    if options.separator not in SEPARATORS:
        expected = " | ".join(SEPARATORS)
        values: dict[str, Value] = {"where": "separator", "value": options.separator, "expected": expected}
        raise CoreError("bad_value", values)
    return SEPARATORS[options.separator]


def _word(separator: str) -> str:
    return next(word for word, mark in SEPARATORS.items() if mark == separator)
