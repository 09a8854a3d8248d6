"""What a file is, by its first bytes; its name and extension are not asked."""

import re
from collections.abc import Sequence
from pathlib import Path

from core.errors import CoreError
from core.formats import text_lines

_MAGIC = (  # how a file that is no text begins, and what it is
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP (.zip, .docx, .xlsx)"),
    (b"PK\x05\x06", "ZIP (.zip, .docx, .xlsx)"),
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Microsoft Office (.doc, .xls)"),
    (b"PAR1", "Parquet"),
    (b"ARROW1\0\0", "Arrow"),
    (b"SQLite format 3\0", "SQLite"),
    (b"{\\rtf", "RTF"),
)
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x00-\x20}\]\x95(c]")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_RECORD = re.compile(r"\s*\{\s*[\"}]")  # how a line of JSON Lines begins
_DOCUMENT = re.compile(r"\s*(\[\s*[\[{\"]|\{\s*(\"[^\"\t]*\"\s*:\s*[\[{]?)?\s*$|\[\s*$)")  # a JSON text over many lines
_LINES = 100  # that are looked at


def recognise(path: Path, name: str, formats: Sequence[str]) -> str:
    """Which of the formats a file has, by the rules of docs/formats.md.

    `jsonl` where at least half of the first 100 lines begin as JSON objects do; `parquet` where it begins as such files
    do; else the first of the formats. Raises CoreError `wrong_type` for what is of none of them: no text, HTML, or one
    JSON text over many lines; and those of `text_lines.head`.
    """
    first = text_lines.head(path, name)
    kind = _other_type(first)
    if kind and kind.casefold() in formats:
        return kind.casefold()
    if kind:
        raise CoreError("wrong_type", {"file": name, "kind": kind}, "hint_wrong_type")
    return "jsonl" if looks_like_records(first, name) else formats[0]


def is_parquet(first: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return _other_type(first) == "Parquet"


def looks_like_records(first: bytes, name: str = "") -> bool:
    """Whether a text is JSON Lines. Raises CoreError `wrong_type` for one JSON text over many lines."""
    mark, encoding = text_lines.mark_and_encoding(first)
    lines = re.split(r"\r\n|\r|\n", first[mark:].decode(encoding, "replace"))
    lines = [line for line in lines if line.strip()][:_LINES]
    records = sum(bool(_RECORD.match(line)) for line in lines)
    if lines and 2 * records >= len(lines) and (len(lines) == 1 or not _DOCUMENT.match(lines[0])):
        return True
    if lines and "\t" not in lines[0] and _DOCUMENT.match(lines[0]):
        raise CoreError("wrong_type", {"file": name, "kind": "JSON"}, "hint_json_lines")
    return False


def _other_type(first: bytes) -> str | None:
    """What a file is that is no text to be read."""
    for magic, kind in _MAGIC:
        if first.startswith(magic) and (magic != b"PAR1" or b"\0" in first):
            return kind
    if _BZIP2.match(first):
        return "bzip2"
    if _PICKLE.match(first):
        return "pickle"
    return "HTML" if _HTML.match(first) else None
