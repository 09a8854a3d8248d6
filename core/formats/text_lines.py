"""A text file as blocks of whole lines in UTF-8, read piece by piece, with errors that name the line."""

import codecs
import os
from collections.abc import Iterator
from errno import EINVAL, EISDIR
from pathlib import Path

from core.errors import CoreError

BLOCK = 1 << 16  # bytes read at a time; small, for numpy needs some forty times as much while it cuts a block
MAX_LINE = 1_000_000  # bytes

_MARKS = (  # byte order marks, the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def head(path: Path, name: str, size: int = 1 << 16) -> bytes:
    """The first bytes of a file. Raises CoreError: `file_missing`, `file_unreadable`, `empty_file`."""
    if not path.exists():
        raise CoreError("file_missing", {"file": name}, "hint_file")
    if not path.is_file():
        raise _unreadable(name, EISDIR if path.is_dir() else EINVAL)
    try:
        with path.open("rb") as file:
            first = file.read(size)
    except OSError as error:
        raise _unreadable(name, error.errno or 0) from None
    if len(first) == mark_and_encoding(first)[0]:
        raise CoreError("empty_file", {"file": name}, "hint_empty_file")
    return first


def _unreadable(name: str, number: int) -> CoreError:
    return CoreError("file_unreadable", {"file": name, "what": os.strerror(number)}, "hint_file")


def mark_and_encoding(first: bytes) -> tuple[int, str]:
    """The length of the byte order mark and the encoding it stands for; without one: 0 and UTF-8."""
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return len(mark), encoding
    return 0, "utf-8"


def blocks(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """(number of its first line from 1, block): whole lines in valid UTF-8, each closed by a line feed.

    CR LF, CR and LF each end a line and nothing else does. A block holds about BLOCK bytes, whatever the size of
    the file. Raises CoreError: those of `head`, `bad_encoding`, `binary_file`, `line_too_long`.
    """
    mark, encoding = mark_and_encoding(head(path, name))
    number, rest = 1, b""
    for piece in _pieces(path, mark, encoding):
        whole, rest = _cut(rest + piece)
        if whole:
            _check(whole, name, number)
            yield number, whole
            number += whole.count(b"\n")
        if len(rest) > MAX_LINE:
            raise _too_long(name, number)
    if rest:
        whole = rest.removesuffix(b"\r") + b"\n"
        _check(whole, name, number)
        yield number, whole


def _pieces(path: Path, skip: int, encoding: str) -> Iterator[bytes]:
    """The bytes of a file after its mark, as UTF-8; what can't be decoded comes out as invalid UTF-8, in its place."""
    with path.open("rb") as file:
        file.seek(skip)
        if encoding == "utf-8":
            while piece := file.read(BLOCK):
                yield piece
            return
        decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        try:
            while piece := file.read(BLOCK):
                yield decoder.decode(piece).encode("utf-8", "surrogatepass")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            yield b"\xff"


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """The whole lines of `data`, each closed by a line feed, and the rest; a CR at the very end stays in the rest."""
    held = b""
    if data.endswith(b"\r"):
        data, held = data[:-1], b"\r"
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    end = data.rfind(b"\n") + 1
    return data[:end], data[end:] + held


def _check(block: bytes, name: str, number: int) -> None:
    if block.index(b"\n") > MAX_LINE:
        raise _too_long(name, number)
    if b"\0" in block:
        line = number + block.count(b"\n", 0, block.index(b"\0"))
        raise CoreError("binary_file", {"file": name, "line": line}, "hint_text_file")
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = number + block.count(b"\n", 0, error.start)
        raise CoreError("bad_encoding", {"file": name, "line": line}, "hint_text_file") from None


def _too_long(name: str, line: int) -> CoreError:
    return CoreError("line_too_long", {"file": name, "line": line, "limit": MAX_LINE}, "hint_line_too_long")
