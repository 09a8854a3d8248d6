"""Arrow files that somebody else wrote: read from the front, never unpacked, every offset checked."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.errors import CoreError

_MAGIC = b"ARROW1\0\0"  # then a stream; the footer behind it could point anywhere, and is not read
_LONGEST_METADATA = 4 << 20  # bytes, of one message
_COMPRESSION = 3  # which field of a record batch, Message.fbs


def table_of(path: Path, schemas: Sequence[pa.Schema], name: str) -> tuple[pa.Table, dict[str, Any]]:
    """A table with one of these schemas and what is to be known of it, memory-mapped.

    Raises CoreError `archive_table` with the name of the entry.
    """
    wrong = CoreError("archive_table", {"name": name}, "hint_archive")
    try:
        buffer = pa.memory_map(str(path)).read_buffer()
        if buffer.size <= len(_MAGIC) or buffer.slice(0, len(_MAGIC)).to_pybytes() != _MAGIC:
            raise wrong
        stream = buffer.slice(len(_MAGIC))
        if not _plain(stream):
            raise wrong
        with pa.ipc.open_stream(stream) as reader:
            about = (reader.schema.metadata or {}).get(b"peibi", b"{}")
            if not any(reader.schema.remove_metadata().equals(schema) for schema in schemas):
                raise wrong
            table = reader.read_all()
        table.validate(full=True)
        known = json.loads(about)
    except (pa.ArrowException, OSError, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(known, dict):
        raise wrong
    return table.replace_schema_metadata(None), known


def _plain(stream: pa.Buffer) -> bool:
    """Whether a stream holds one schema and record batches that are not compressed: nothing grows when it is read."""
    kinds: list[str] = []
    for message in pa.ipc.MessageReader.open_stream(stream):
        metadata = message.metadata
        if metadata.size > _LONGEST_METADATA:
            return False
        kinds.append(message.type)
        if message.type == "record batch" and _compressed(metadata.to_pybytes()):
            return False
    return kinds[:1] == ["schema"] and set(kinds[1:]) <= {"record batch"}


def _compressed(message: bytes) -> bool:
    """Whether the record batch in a message (a flatbuffer) has the field that says how it is compressed."""

    def field(table: int, number: int) -> int:
        """Where a field of a table lies, relative to the table; 0: it has no such field."""
        entries = table - struct.unpack_from("<i", message, table)[0]
        size = struct.unpack_from("<H", message, entries)[0]
        return struct.unpack_from("<H", message, entries + 4 + 2 * number)[0] if 4 + 2 * number < size else 0

    try:
        root = struct.unpack_from("<I", message, 0)[0]
        header = root + field(root, 2)
        batch = header + struct.unpack_from("<I", message, header)[0]
        return field(batch, _COMPRESSION) != 0
    except struct.error:
        return True
