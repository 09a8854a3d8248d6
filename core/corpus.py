"""A corpus: a schema and an immutable Arrow table, named by its content."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from core.params import canonical_json

pc: Any = pyarrow.compute  # its functions are made when it is imported: a type checker can't see them
ID_BYTES = 16
ID = pa.binary(ID_BYTES)
BASE = pa.schema([("id", ID), ("origin", ID), ("parent", ID)])


@dataclass(frozen=True)
class Schema:
    """What the rows of a corpus mean: the task, its labels in order, and the language."""

    task: str
    labels: tuple[str, ...]
    language: str = "en"

    def to_json(self) -> dict[str, Any]:
        return {"task": self.task, "labels": list(self.labels), "language": self.language}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Schema":
        return cls(data["task"], tuple(data["labels"]), data["language"])


@dataclass(frozen=True)
class Corpus:
    """One split or pool. `table` has the columns of BASE (row id, id of its root row, id of its parent
    or null) and the task's own."""

    schema: Schema
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def id(self) -> str:
        """sha256 in hex over the schema and the content of every column, not over file bytes."""
        return content_id(self.schema, self.table)

    def take(self, rows: np.ndarray) -> "Corpus":
        """The rows at the given positions, in that order; repeats allowed."""
        return Corpus(self.schema, self.table.take(pa.array(rows)))

    def keys(self) -> np.ndarray:
        """The first 8 bytes of each row id. *Shape:* (rows,), uint64, little-endian."""
        joined = b"".join(chunk_bytes(chunk) for chunk in self.table.column("id").chunks)
        return np.frombuffer(joined, dtype="<u8").reshape(-1, ID_BYTES // 8)[:, 0]


def chunk_bytes(chunk: pa.Array) -> bytes:
    """The value bytes of one fixed-width binary array without nulls."""
    width = chunk.type.byte_width
    return chunk.buffers()[1].slice(chunk.offset * width, len(chunk) * width).to_pybytes()


def content_id(schema: Schema, table: pa.Table) -> str:
    """sha256 over the schema's JSON and, per column in name order, types, validity, offsets and values."""
    digest = hashlib.sha256(canonical_json(schema.to_json()).encode())
    for name in sorted(table.column_names):
        column = table.column(name)
        digest.update(f"\0{name}:{column.type}:{len(column)}\0".encode())
        _update(digest, column.chunks or [pa.array([], column.type)])
    return digest.hexdigest()


def _update(digest: Any, chunks: Sequence[pa.Array]) -> None:
    """Feed arrays of one type, as if they were one array, whatever the chunk borders and slices."""
    kind = chunks[0].type
    nulls = any(chunk.null_count for chunk in chunks)
    digest.update(b"\1" if nulls else b"\0")
    if nulls:
        for chunk in chunks:
            digest.update(chunk.is_valid().to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_list(kind) or pa.types.is_string(kind) or pa.types.is_binary(kind):
        for chunk in chunks:  # lengths say the same as offsets from 0, and don't depend on the chunk borders
            digest.update(_lengths(chunk).astype("<i4").tobytes())
    if pa.types.is_list(kind):
        _update(digest, [chunk.flatten() for chunk in chunks])
    elif pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            _update(digest, [chunk.flatten()[index] for chunk in chunks])
    else:
        for chunk in chunks:
            _update_values(digest, chunk)


def _lengths(chunk: pa.Array) -> np.ndarray:
    offsets = np.frombuffer(chunk.buffers()[1], dtype="<i4")[chunk.offset : chunk.offset + len(chunk) + 1]
    lengths = np.diff(offsets)
    return np.where(chunk.is_valid().to_numpy(zero_copy_only=False), lengths, 0) if chunk.null_count else lengths


def _update_values(digest: Any, chunk: pa.Array) -> None:
    if chunk.null_count:
        chunk = chunk.drop_null()
    if not len(chunk):
        return
    kind = chunk.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        offsets = np.frombuffer(chunk.buffers()[1], dtype="<i4")
        start, end = int(offsets[chunk.offset]), int(offsets[chunk.offset + len(chunk)])
        if end > start:
            digest.update(chunk.buffers()[2].slice(start, end - start))
    elif pa.types.is_fixed_size_binary(kind):
        digest.update(chunk_bytes(chunk))
    elif pa.types.is_primitive(kind):
        digest.update(chunk.to_numpy(zero_copy_only=False).tobytes())
    else:
        raise TypeError(f"no content id for columns of type {kind}")


def digest_parts(parts: Iterable[bytes]) -> bytes:
    """16 bytes of BLAKE2b over the parts, each closed by its length so that no two lists collide."""
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def numbered(contents: Sequence[bytes]) -> list[bytes]:
    """Row ids: content digests made unique by their occurrence number (the first keeps its own)."""
    seen: dict[bytes, int] = {}
    out: list[bytes] = []
    for content in contents:
        count = seen[content] = seen.get(content, -1) + 1
        out.append(content if count == 0 else digest_parts((content, str(count).encode())))
    return out


def write(corpus: Corpus, folder: Path) -> Path:
    """Store a corpus as `folder/<id>.arrow` (uncompressed IPC): temporary name, fsync, rename; never changed."""
    path = folder / f"{corpus.id}.arrow"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    keep(corpus.table, corpus.schema.to_json(), path)
    return path


def read(path: Path) -> Corpus:
    """Open a stored corpus, memory-mapped."""
    table, schema = kept(path)
    return Corpus(Schema.from_json(schema), table)


def keep(table: pa.Table, about: dict[str, Any], path: Path) -> None:
    """Write a table and what is to be known of it as uncompressed Arrow IPC: temporary name, fsync, rename."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    described = table.replace_schema_metadata({b"peibi": json.dumps(about).encode()})
    with temporary.open("wb") as file:
        with pa.ipc.new_file(file, described.schema) as writer:
            writer.write_table(described)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def kept(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """A table that `keep` wrote, memory-mapped, and what is to be known of it."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    return table.replace_schema_metadata(None), json.loads(table.schema.metadata[b"peibi"])
