"""Whether the beginning of a file looks like texts with labels."""

import csv as table
import re
from collections.abc import Sequence
from typing import Any

from core.errors import CoreError
from core.formats import sniff, text_lines
from core.formats.labelled import columns, csv
from core.formats.losses import Bad
from core.formats.records import record_of

_RECORDS = 50  # that are looked at
_TAG = re.compile(r"O|[BIESLUM]-.+")


def seen(head: bytes) -> bool:
    """Parquet; JSON Lines with a text and a label; a header with both over a column that holds no tags."""
    if sniff.is_parquet(head):
        return True
    mark, encoding = text_lines.mark_and_encoding(head)
    lines = [line for line in re.split(r"\r\n|\r|\n", head[mark:].decode(encoding, "replace")) if line.strip()]
    try:
        records = sniff.looks_like_records(head)
    except CoreError:
        return False
    return _records(lines) if records else _columns(lines)


def _records(lines: Sequence[str]) -> bool:
    for line in lines[:_RECORDS]:
        try:
            record = record_of(line)
        except Bad:
            continue
        named = columns.found(list(record), {})
        if "tokens" in record or named is None:
            return False
        value = record[named["labels"]]
        if value not in (None, [], ""):
            return not _spans(value)
    return False


def _spans(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, list | dict) for one in value))


def _columns(lines: Sequence[str]) -> bool:
    header = next(iter(lines), "")
    separator = csv.guessed(header)
    names = csv.header_of(header, separator)
    named = columns.found(names, {})
    if named is None:
        return False
    at = names.index(named["labels"])
    try:
        rows = [row for row in table.reader(lines[1 : _RECORDS + 1], delimiter=separator) if len(row) > at]
    except table.Error:
        return True
    return 2 * sum(bool(_TAG.fullmatch(row[at])) for row in rows) <= len(rows)
