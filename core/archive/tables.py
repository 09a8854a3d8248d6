"""The tables of an archive: corpora whose content is that of their ids, and predictions that fit them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from core import corpus as corpora
from core.archive.arrow import table_of
from core.augment.pool import pool_schema
from core.augment.rejected import REJECTED
from core.corpus import Corpus, Schema, pc
from core.errors import CoreError
from core.params import build
from core.tasks import TASKS
from core.tasks import task as task_of
from core.tasks.protocol import schema_of
from core.training.predictions import SCHEMA as PREDICTIONS

_PREDICTED = ("predicted", "confidence")


def _wrong(name: str) -> CoreError:
    return CoreError("archive_table", {"name": name}, "hint_archive")


def corpus(folder: Path, name: str) -> Corpus:
    """A corpus, written anew in its place. Raises CoreError `archive_table`, `archive_damaged`: not that of its id."""
    known = {task: (schema_of(task_of(task)), pool_schema(task_of(task))) for task in TASKS}
    table, about = table_of(folder / name, [one for schemas in known.values() for one in schemas], name)
    try:
        schema = build(Schema, about, "schema")
    except CoreError:
        raise _wrong(name) from None
    if schema.task not in known or not any(table.schema.equals(one) for one in known[schema.task]):
        raise _wrong(name)
    ids = (table.column(part) for part in ("id", "origin"))
    if any(column.null_count for column in ids) or not task_of(schema.task).sound(table, schema.labels):
        raise _wrong(name)
    found = Corpus(schema, table)
    if found.id != Path(name).stem:
        raise CoreError("archive_damaged", {"name": name}, "hint_archive")
    _write(table, schema.to_json(), folder / name)
    return corpora.read(folder / name)


def _flat(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


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
    predicted, sure = (_flat(table, part) for part in _PREDICTED)
    if any(column.null_count or column.flatten().null_count for column in (predicted, sure)):
        raise _wrong(name)
    if not _as_many(sure, predicted) or not task_of(data.schema.task).fits(data.table, table.column("predicted")):
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
