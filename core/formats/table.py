"""A small CSV table that isn't labelled data: a gazetteer, triples. All of it is good, or none is read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.errors import CoreError, Value
from core.formats import csv_records
from core.formats.losses import Bad, shown

MOST = 1_000_000  # rows of a table
_LONGEST = 500  # code points of a field


def read(path: Path, name: str, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, the fields of those columns, without blanks around them) of every row.

    `columns`: ours -> what they may be called in the first line, whatever its case; other columns are left out. Raises
    CoreError: those of `csv_records.records`, `table_columns`, `bad_csv`, `table_ragged`, `table_blank`, `table_field`,
    `table_long`.
    """
    line = csv_records.first_line(path, name)
    separator = csv_records.guessed(line, lambda names: _places(names, columns) is not None)
    records = csv_records.records(path, name, separator)
    number, header = next(records, (1, []))
    places = None if isinstance(header, Bad) else _places(header, columns)
    if isinstance(header, Bad) or places is None:
        found = "" if isinstance(header, Bad) else ", ".join(map(shown, header[:20]))
        wanted = ", ".join(columns)
        raise CoreError("table_columns", {"file": name, "line": number, "wanted": wanted, "known": found})
    for count, (at, fields) in enumerate(records, 1):
        if count > MOST:
            raise CoreError("table_long", {"file": name, "most": MOST})
        if isinstance(fields, Bad):
            raise CoreError(fields.code, {"file": name, "line": at} | fields.values, "hint_csv_quote_open")
        if len(fields) != len(header):
            values: dict[str, Value] = {"file": name, "line": at, "fields": len(fields), "columns": len(header)}
            raise CoreError("table_ragged", values, "hint_table_ragged")
        yield at, tuple(_field(fields[place], name, at, column) for column, place in places.items())


def _places(header: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int] | None:
    """Where our columns stand; None where one is missing."""
    plain = [name.strip().casefold() for name in header]
    found = {ours: next((plain.index(name) for name in names if name in plain), -1) for ours, names in columns.items()}
    return None if -1 in found.values() or len({*found.values()}) < len(found) else found


def _field(text: str, name: str, line: int, column: str) -> str:
    plain = " ".join(text.split())
    if not plain:
        raise CoreError("table_blank", {"file": name, "line": line, "column": column})
    if len(plain) > _LONGEST:
        raise CoreError("table_field", {"file": name, "line": line, "column": column, "most": _LONGEST})
    return plain
