"""CSV: a line of column names, then a record a row, fields between quotation marks where they need them (RFC 4180)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import CoreError, Value
from core.formats import csv_records, text_lines
from core.formats.csv_records import SEPARATORS
from core.formats.labelled import columns, rows
from core.formats.losses import Bad
from core.formats.protocol import Layout, Read, ReadOptions
from core.tasks.protocol import Task


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The records of a CSV file; blank lines are none.

    Raises CoreError: those of `csv_records.records` and `rows.finish`, `bad_value`, `columns_unknown`,
    `column_unknown`.
    """
    separator = _separator(options, csv_records.first_line(path, name))
    records = csv_records.records(path, name, separator)
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
    return csv_records.fields_of(line, separator or guessed(line))


def guessed(line: str, wanted: Mapping[columns.Role, str] | None = None) -> str:
    """What parts the columns of a header: that under which text and labels are found, else which cuts most often."""
    return csv_records.guessed(line, lambda names: columns.found(names, wanted or {}) is not None)


def whole_records(lines: Sequence[str]) -> int:
    """How many of the lines are complete records, from the first on."""
    return csv_records.whole_records(lines, guessed(next((line for line in lines if line.strip()), "")))


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
