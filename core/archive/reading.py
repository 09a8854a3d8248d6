"""An archive read once, from front to back: what stands in it is checked before it is believed, and while it is read.

The directory at the end of a zip file is never looked at. So its size, the names and sizes it tells, entries that share
their bytes, and links cost nothing and mean nothing; each entry is exactly what its own header and the manifest say, at
its place in line. (zipfile would hold the whole directory in memory first.) What is memory-hungry is not read at all:
packing is none or deflate.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from core.archive.entries import (
    LONGEST_LINE,
    LONGEST_MANIFEST,
    LONGEST_NAME,
    MANIFEST,
    RATIO,
    SMALL,
    Entry,
    Manifest,
    manifest_of,
)
from core.errors import CoreError
from core.jobs import faults

_BLOCK = 1 << 18  # bytes that are unpacked at once
_LOCAL, _DIRECTORY = b"PK\x03\x04", b"PK\x01\x02"
_HEADER = struct.Struct("<4s5H3I2H")
_UTF8 = 0x0800  # the only flag that is known: names are UTF-8
_STORED, _DEFLATED = 0, 8
_ZIP64, _IN_ZIP64 = 1, 0xFFFFFFFF


@dataclass(frozen=True)
class _Local:
    """The header before an entry."""

    name: str
    method: int
    packed: int
    size: int


def manifest(stream: BinaryIO) -> Manifest:
    """The first entry, with which every archive begins. Raises CoreError `archive_*`."""
    local = _header(stream)
    if local is None or local.name != MANIFEST:
        raise CoreError("archive_unknown", {}, "hint_archive")
    return manifest_of(_lines(_unpacked(stream, local, LONGEST_MANIFEST)))


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise CoreError("archive_unknown", {}, "hint_archive")
    if rest:
        yield rest


def unpack(stream: BinaryIO, listed: Manifest, folder: Path, step: Callable[[int], None]) -> None:
    """Write every entry after the manifest below a folder, where nothing lies yet. `step`: bytes so far; may raise.

    The names are those of the manifest, none of which leads out of the folder. Raises CoreError `archive_*`.
    """
    done = 0
    for entry in listed.entries:
        local = _header(stream)
        if local is None or local.name != entry.name:
            raise CoreError("archive_order", {"name": entry.name}, "hint_archive")
        target = folder / entry.name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("xb") as file:
            for block in _unpacked(stream, local, entry.bytes):
                digest.update(block)
                file.write(block)
                done += len(block)
                step(done)
            if file.tell() != entry.bytes or digest.hexdigest() != entry.sha256:
                raise _damaged(entry)
        faults.point("unpack.read")
    if _header(stream) is not None:
        raise CoreError("archive_order", {"name": MANIFEST}, "hint_archive")


def _damaged(entry: Entry) -> CoreError:
    return CoreError("archive_damaged", {"name": entry.name}, "hint_archive")


def _header(stream: BinaryIO) -> _Local | None:
    """The header of the next entry; None where the directory begins. Raises CoreError `archive_cut`, ..."""
    head = stream.read(_HEADER.size)
    if head[:4] == _DIRECTORY:
        return None
    if head[:4] != _LOCAL:
        raise CoreError("archive_unknown" if stream.tell() <= _HEADER.size else "archive_cut", {}, "hint_archive")
    if len(head) < _HEADER.size:
        raise CoreError("archive_cut", {}, "hint_archive")
    _, _, flags, method, _, _, _, packed, size, name_bytes, extra_bytes = _HEADER.unpack(head)
    if name_bytes > LONGEST_NAME:
        raise CoreError("archive_entry", {"name": stream.read(40).decode("utf-8", "replace")}, "hint_archive_entry")
    name, extra = stream.read(name_bytes).decode("utf-8", "replace"), stream.read(extra_bytes)
    if flags & ~_UTF8 or method not in (_STORED, _DEFLATED):
        raise CoreError("archive_packing", {"name": name}, "hint_archive")
    if _IN_ZIP64 in (packed, size):
        size, packed = _long(extra, name)
    return _Local(name, method, packed, size)


def _long(extra: bytes, name: str) -> tuple[int, int]:
    """The sizes of a large entry, unpacked and packed."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64 and length >= 16 and at + 20 <= len(extra):
            size, packed = struct.unpack_from("<QQ", extra, at + 4)
            return size, packed
        at += 4 + length
    raise CoreError("archive_packing", {"name": name}, "hint_archive")


def _unpacked(stream: BinaryIO, local: _Local, most: int) -> Iterator[bytes]:
    """The bytes of an entry, block by block, at most `most`.

    Raises CoreError `archive_cut`, `archive_damaged`, `archive_large`, `archive_ratio`.
    """
    damaged = CoreError("archive_damaged", {"name": local.name}, "hint_archive")
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if local.method == _DEFLATED else None
    left, got = local.packed, 0
    while left:
        block = stream.read(min(left, _BLOCK))
        if not block:
            raise CoreError("archive_cut", {}, "hint_archive")
        left -= len(block)
        try:
            for out in [block] if inflate is None else _inflated(inflate, block):
                got += len(out)
                if got > most:
                    raise CoreError("archive_large", {"name": local.name, "most": most}, "hint_archive_large")
                if got > SMALL and got > RATIO * (local.packed - left):
                    raise CoreError("archive_ratio", {"name": local.name, "most": RATIO}, "hint_archive_large")
                yield out
        except zlib.error:
            raise damaged from None
        if inflate is not None and inflate.eof and (left or inflate.unused_data):
            raise damaged  # what follows the end would pile up in memory
    if got != local.size or (inflate is not None and not inflate.eof):
        raise damaged


def _inflated(inflate: Any, block: bytes) -> Iterator[bytes]:
    out = inflate.decompress(block, _BLOCK)
    while out:
        yield out
        out = inflate.decompress(inflate.unconsumed_tail, _BLOCK)
