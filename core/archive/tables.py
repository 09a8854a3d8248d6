"""The tables of an archive: corpora whose content is that of their ids, and predictions that fit them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from core import corpus as corpora
from core.archive.arrow import table_of
from core.augment.pool import POOL, REJECTED
from core.corpus import Corpus, Schema, pc
from core.errors import CoreError
from core.params import build
from core.tasks.tagging import TABLE
from core.training.predictions import SCHEMA as PREDICTIONS

_OFFSETS = ("starts", "ends")
_PREDICTED = ("predicted", "confidence")


def _wrong(name: str) -> CoreError:
    return CoreError("archive_table", {"name": name}, "hint_archive")


def corpus(folder: Path, name: str) -> Corpus:
    """A corpus, written anew in its place. Raises CoreError `archive_table`, `archive_damaged`: not that of its id."""
    table, about = table_of(folder / name, (TABLE, POOL), name)
    try:
        schema = build(Schema, about, "schema")
    except CoreError:
        raise _wrong(name) from None
    if schema.task != "tagging" or not _sound(table, schema):
        raise _wrong(name)
    found = Corpus(schema, table)
    if found.id != Path(name).stem:
        raise CoreError("archive_damaged", {"name": name}, "hint_archive")
    _write(table, schema.to_json(), folder / name)
    return corpora.read(folder / name)


def _sound(table: pa.Table, schema: Schema) -> bool:
    """Whether every row has an id, an origin and tokens, a tag for each, and offsets for each where it has a text."""
    if any(table.column(name).null_count for name in ("id", "origin", "tokens", "tags")):
        return False
    tokens, tags = _flat(table, "tokens"), _flat(table, "tags")
    known = {None, "O"} | {f"{mark}-{label}" for mark in "BI" for label in schema.labels}
    if tokens.flatten().null_count or not _as_many(tags, tokens) or not set(_values(tags)) <= known:
        return False
    for column in (_flat(table, name) for name in _OFFSETS):
        if column.flatten().null_count or not column.is_null().equals(_flat(table, "text").is_null()):
            return False
        if not _as_many(column, tokens):
            return False
    return True


def _flat(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _values(lists: pa.Array) -> list[str | None]:
    return pc.unique(lists.flatten()).to_pylist()


def _as_many(lists: pa.Array, others: pa.Array) -> bool:
    """Whether the lists of two columns are equally long, where there are any."""
    return not pc.any(pc.not_equal(pc.list_value_length(lists), pc.list_value_length(others))).as_py()


def predictions(folder: Path, name: str, known: Mapping[str, Corpus]) -> None:
    """Predictions for the rows of one of the `known` corpora, written anew. Raises CoreError `archive_table`, ..."""
    short = Path(name).stem.removeprefix("predictions-")
    data = next((one for id, one in known.items() if id.startswith(short)), None)
    if data is None:
        raise CoreError("archive_absent", {"name": f"corpora/{short}", "by": name}, "hint_archive")
    table, about = table_of(folder / name, (PREDICTIONS,), name)
    if not table.column("id").equals(data.table.column("id")) or not isinstance(about.get("seconds"), int | float):
        raise _wrong(name)
    for column in (_flat(table, part) for part in _PREDICTED):
        if column.null_count or column.flatten().null_count or not _as_many(column, _flat(data.table, "tokens")):
            raise _wrong(name)
    _write(table, {"seconds": float(about["seconds"])}, folder / name)


def rejected(folder: Path, name: str) -> None:
    """The children that a pool did without, written anew. Raises CoreError `archive_table`."""
    table, _ = table_of(folder / name, (REJECTED,), name)
    if any(table.column(part).null_count for part in REJECTED.names):
        raise _wrong(name)
    _write(table, {}, folder / name)


def _write(table: pa.Table, about: Mapping[str, object], path: Path) -> None:
    """A table as Peibi keeps it, in the place of the file it was read from; whoever moves it in makes it durable."""
    draft = path.with_suffix(".new")
    described = table.replace_schema_metadata({b"peibi": json.dumps(about).encode()})
    with pa.OSFile(str(draft), "wb") as file, pa.ipc.new_file(file, described.schema) as writer:
        writer.write_table(described)
    draft.rename(path)
