"""What an uploaded file looks like by its first bytes: its rows as they will be read, its raw lines, its columns."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Literal, cast

from core.errors import CoreError
from core.formats import READERS, read, sniff, text_lines, unlabelled
from core.formats.labelled import csv, parquet
from core.formats.losses import shown
from core.formats.protocol import Read, ReadOptions
from core.formats.tagged.conll import COMMENT, DOCUMENT, SEPARATORS
from core.tasks import DEFAULT
from core.tasks import task as task_of

HEAD = 1 << 20  # bytes of a file that a preview looks at, at most
HEAD_LINES = 150_000  # and lines: each may be an issue

SplitName = Literal["train", "dev", "test"]
_WORDS: Mapping[str, SplitName] = {  # words of a file name
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "tst", "testb", "eval", "evaluation"), "test"),
}
_CHINESE: Mapping[str, SplitName] = {"训练": "train", "验证": "dev", "开发": "dev", "测试": "test"}  # anywhere in it
_NOT_LETTERS = re.compile(r"[\W\d_\u4e00-\u9fff]+")

_RAW_LINES = 30
_RAW_WIDTH = 300  # characters
_FIELD_WIDTH = 30  # characters
_LINES = 1000  # that columns are counted in
_RECORDS = 20  # whose keys are collected
_CLOSED_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Preview:
    """The beginning of a file. `rows_seen`: rows in it, those dropped included; `raw`: see `raw_lines`.

    `estimated_rows`: of the whole file, by its size; None where the beginning is all, or the size isn't known.
    """

    read: Read
    rows_seen: int
    estimated_rows: int | None
    raw: str


def preview(
    head: bytes, whole: bool, name: str, options: ReadOptions, size: int | None = None, task: str = DEFAULT
) -> Preview:
    """The first rows of a file, by its own reader. `whole`: the head is all of it; `size`: bytes of the whole file.

    A head that isn't whole ends for the reader with its last complete row. Parquet ends with what is to be known of it,
    so it must be whole, however large. Raises CoreError: those of `read`, `preview_row_too_long` where not even the
    first row is complete, `preview_needs_whole`.
    """
    if _is_parquet(head, task):
        return _of_parquet(head, whole, name, options, task)
    if len(head) > HEAD or head.count(b"\n") > HEAD_LINES:
        head, whole, size = head[:HEAD], False, size or len(head)
    too_long = CoreError("preview_row_too_long", {"file": name, "bytes": len(head)}, "hint_preview_row_too_long")
    with _kept(head) as path:
        format = options.format or _format(path, name, options, task)
        lines, complete = (head, head) if whole else _cut(head, format)
        if not lines:
            raise too_long
        path.write_bytes(complete or lines)
        try:
            found = read(path, name=name, options=options, task=task)
        except CoreError as error:  # without a row: the head may end within, or even before, the first one
            if error.code == "no_usable_rows" and not whole and not (complete and error.values["rows"]):
                raise too_long from None
            raise
    if not complete:
        raise too_long
    estimated = None if whole or size is None else max(found.rows_in, round(found.rows_in * size / len(complete)))
    return Preview(found, found.rows_in, estimated, raw_lines(complete))


def beginning(file: BinaryIO) -> bytes:
    """Of an open file as much as a preview needs: its head, all of a Parquet file."""
    file.seek(0)
    head = file.read(HEAD)
    return head + file.read() if sniff.is_parquet(head) else head


def raw_lines(head: bytes) -> str:
    """The first 30 lines of any file, each cut to 300 characters; what doesn't print, but for tabs, as codes."""
    lines = _LINE_END.split(_text(head), maxsplit=_RAW_LINES)[:_RAW_LINES]
    return "\n".join(_printable(shown(line, _RAW_WIDTH)) for line in lines)


def columns_of(head: bytes, options: ReadOptions | None = None, task: str = DEFAULT) -> list[str]:
    """The columns of a file to choose from; none where no reader takes it.

    CoNLL: number from 1 and content of each field of the first line ("1: The", "2: O") that has as many as most
    lines do; a header is such a line. JSON Lines: the keys of the first records; CSV and Parquet: the names of the
    columns; all exactly as they are.
    """
    options = options or ReadOptions()
    with _kept(head) as path:
        try:
            format = options.format or sniff.recognise(path, "", _formats(task))
            if format == "parquet":
                return parquet.columns_of(path)
        except CoreError:
            return []
    if format == "csv":
        return csv.header_of(_text(head), csv.SEPARATORS.get(options.separator or ""))
    lines = [line for line in _LINE_END.split(_text(head)) if line.strip()]
    if format == "jsonl":
        return list(dict.fromkeys(key for line in lines[:_RECORDS] for key in _keys(line)))
    fields = _first_fields(lines[:_LINES], options.separator)
    return [f"{number}: {_printable(shown(field, _FIELD_WIDTH))}" for number, field in enumerate(fields, 1)]


def guess_role(name: str) -> SplitName | None:
    """The split a file's name speaks of (wnut17train.conll, eng.testa, 测试集.txt); None where of none or several."""
    last = re.split(r"[/\\]", name)[-1].casefold()
    said: set[SplitName] = {_WORDS[word] for word in _NOT_LETTERS.split(last) if word in _WORDS}
    said |= {split for word, split in _CHINESE.items() if word in last}
    return said.pop() if len(said) == 1 else None


def _formats(task: str) -> list[str]:
    return [*READERS[task_of(task).rows]]


def _format(path: Path, name: str, options: ReadOptions, task: str) -> str:
    if options.unlabelled:
        return unlabelled.format_of(path, name, options, task_of(task))
    return sniff.recognise(path, name, _formats(task))


def _is_parquet(head: bytes, task: str) -> bool:
    return "parquet" in _formats(task) and sniff.is_parquet(head)


def _of_parquet(head: bytes, whole: bool, name: str, options: ReadOptions, task: str) -> Preview:
    if not whole:
        raise CoreError("preview_needs_whole", {"file": name}, "hint_preview_needs_whole")
    with _kept(head) as path:
        few = path.with_name("few")
        rows = parquet.beginning(path, few, _LINES, name)
        found = read(few, name=name, options=options, task=task)
    return Preview(found, found.rows_in, rows if rows > found.rows_in else None, "")


@contextmanager
def _kept(head: bytes) -> Generator[Path]:
    """The head as a file while it is needed, under a name of our own."""
    with TemporaryDirectory(prefix="peibi-") as folder:
        path = Path(folder) / "head"
        path.write_bytes(head)
        yield path


def _cut(head: bytes, format: str) -> tuple[bytes, bytes]:
    """(the complete lines of a head, its complete rows); both the head as it is where that can't be decoded."""
    mark, encoding = text_lines.mark_and_encoding(head)
    errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"  # so that it encodes to the same bytes
    try:
        text = codecs.getincrementaldecoder(encoding)(errors).decode(head[mark:])
    except UnicodeDecodeError:
        return head, head  # the reader names the line
    closed = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    lines: list[str] = _CLOSED_LINE.findall(closed)[:HEAD_LINES]
    if format == "csv":
        del lines[csv.whole_records(lines) :]
    while format == "conll" and lines and not _ends_row(lines[-1]):
        lines.pop()

    def beginning(part: str) -> bytes:
        return head[: mark + len(part.encode(encoding, errors))] if part else b""

    return beginning(closed), beginning("".join(lines))


def _ends_row(line: str) -> bool:
    return not line.strip() or _is_document(line)


def _is_document(line: str) -> bool:
    return line.startswith(DOCUMENT.decode()) and line[len(DOCUMENT) :][:1] in ("", " ", "\t", "\r", "\n")


def _text(head: bytes) -> str:
    mark, encoding = text_lines.mark_and_encoding(head)
    return head[mark:].decode(encoding, "replace")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\u{ord(c):04x}" for c in text)


def _keys(line: str) -> list[str]:
    """The keys of a record; none of a line that is no JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(cast("dict[str, Any]", record)) if isinstance(record, dict) else []


def _first_fields(lines: Sequence[str], separator: str | None) -> list[str]:
    """The fields of the first line that has as many as most, separated as the reader of CoNLL does it."""
    comment = COMMENT.decode()
    plain = [line for line in lines if not _is_document(line) and ("\t" in line or not line.startswith(comment))]
    recognised = "tab" if 2 * sum("\t" in line for line in plain) > len(plain) else "space"
    by_tab = SEPARATORS.get(separator or "", recognised) == "tab"
    cut = [line.split("\t") if by_tab else re.split("[ \t]+", line.strip(" \t")) for line in plain]
    counts = Counter(map(len, cut))
    most = max(counts, key=lambda count: (counts[count], count), default=0)
    return next((fields for fields in cut if len(fields) == most), [])
