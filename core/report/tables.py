"""Tables for people's spreadsheets."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

Cell = str | int | float | None

_FORMULA = frozenset("=+-@＝＋－＠")  # the wide ones too: East Asian versions of spreadsheets take them
_CONTROL = ("\t", "\r", "\n")


def spreadsheet_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A table as a CSV file (RFC 4180, UTF-8 with byte order mark) in which no text is a formula.

    Text that a spreadsheet could take for one gets a leading apostrophe, "-5" too; numbers stay numbers, None is empty.
    For reading by people: what is trained on is exported exactly, by core.formats.writing. Raises ValueError where a
    row is not as long as the columns.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([_cell(column) for column in columns])
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{len(row)} cells in {len(columns)} columns")
        writer.writerow([_cell(cell) for cell in row])
    return out.getvalue().encode("utf-8-sig", "backslashreplace")


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, str) and math.isfinite(cell):
        return str(cell)
    text = str(cell)
    return f"'{text}" if _like_formula(text) else text


def _like_formula(text: str) -> bool:
    """Whether the first character that can be seen begins a formula, or the first one but blanks is a control."""
    visible = next((c for c in text if c.isprintable() and not c.isspace()), "")
    return visible in _FORMULA or text.lstrip(" ").startswith(_CONTROL)
