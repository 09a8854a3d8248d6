"""The records of a CSV file, parted as RFC 4180 has it, each with the line where it begins."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.errors import CoreError
from core.formats import text_lines
from core.formats.losses import Bad

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


def records(path: Path, name: str, separator: str) -> Iterator[tuple[int, list[str] | Bad]]:
    """(its first line, the fields of each record, or why it has none); blank lines are none.

    Raises CoreError: those of `text_lines.blocks`, `csv_quote_open`.
    """
    return _records(_Lines(_text(path, name), name), separator)


def whole_records(lines: Sequence[str], separator: str) -> int:
    """How many of the lines are complete records, from the first on."""
    pulled, done = _Lines(lines, ""), 0
    try:
        for _ in _records(pulled, separator, torn=False):
            done = pulled.number
    except CoreError:  # a quotation mark that is never closed: the reader says so
        return len(lines)
    return done


def first_line(path: Path, name: str) -> str:
    """The first line that isn't blank, or nothing. Raises CoreError: those of `text_lines.blocks`."""
    return next((line for line in _text(path, name) if line.strip()), "")


def fields_of(line: str, separator: str) -> list[str]:
    """The fields of one line; none where it can't be parted."""
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def guessed(line: str, suits: Callable[[Sequence[str]], bool]) -> str:
    """What parts the columns of a header: that under which its names suit, else which cuts most often."""

    def fit(mark: str) -> tuple[bool, int]:
        names = fields_of(line, mark)
        return suits(names), len(names)

    return max(SEPARATORS.values(), key=fit)


def _text(path: Path, name: str) -> Iterator[str]:
    for _, block in text_lines.blocks(path, name):
        yield from (line.decode() + "\n" for line in block.split(b"\n")[:-1])


def _records(lines: _Lines, separator: str, torn: bool = True) -> Iterator[tuple[int, list[str] | Bad]]:
    """`torn`: whether a record that the end cuts counts."""
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
