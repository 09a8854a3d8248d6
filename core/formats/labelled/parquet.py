"""Parquet: a column of texts and one of labels, which may be class numbers whose names the file knows."""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import CoreError
from core.formats import text_lines
from core.formats.labelled import columns, rows
from core.formats.protocol import Layout, Read, ReadOptions
from core.tasks.protocol import Task

MOST_ROWS = 20_000_000  # a small file may claim any number
_AT_ONCE = 1000
_FEATURES = b"huggingface"  # where data sets of `datasets` keep what their columns mean


def read(path: Path, *, name: str, options: ReadOptions, task: Task) -> Read:
    """The rows of a Parquet file, numbered from 1.

    Raises CoreError: those of `text_lines.head` and `rows.finish`, `bad_parquet`, `too_many_rows`, `columns_unknown`,
    `column_unknown`.
    """
    text_lines.head(path, name)
    with _readable(name):
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MOST_ROWS:
            values = {"file": name, "rows": file.metadata.num_rows, "limit": MOST_ROWS}
            raise CoreError("too_many_rows", values, "hint_too_much_text")
        header = file.schema_arrow.names
        named = columns.found(header, options.columns)
        if named is None:
            raise columns.unknown(header, options.columns, name)
        found = rows.Found(name, named, rows.splits(options))
        names = class_names(file.schema_arrow, named["labels"])
        for number, (text, value) in enumerate(_rows(file, [named[role] for role in columns.ROLES]), 1):
            found.add(number, text, _named(value, names))
    return rows.finish(found, options=options, task=task, layout=Layout("parquet", "", None, len(header), None, False))


def class_names(schema: pa.Schema, column: str) -> Sequence[str]:
    """What the class numbers of a column mean, where the file was written by `datasets`; nothing where it wasn't."""
    try:
        feature: Any = json.loads((schema.metadata or {}).get(_FEATURES, b"{}"))["info"]["features"][column]
        feature = feature.get("feature", feature)  # of a list of classes
        names = feature["names"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    return names if isinstance(names, list) and all(isinstance(one, str) for one in names) else ()


def columns_of(path: Path) -> list[str]:
    """The names of the columns. Raises CoreError `bad_parquet`."""
    with _readable(""):
        return pq.read_schema(path).names


def beginning(path: Path, target: Path, count: int, name: str) -> int:
    """Write the first rows of a file to another one. -> rows of the whole file. Raises CoreError `bad_parquet`."""
    with _readable(name):
        file = pq.ParquetFile(path)
        few = pa.Table.from_batches([*islice(file.iter_batches(batch_size=count), 1)], file.schema_arrow)
        pq.write_table(few, target)
        return file.metadata.num_rows


@contextmanager
def _readable(name: str) -> Generator[None]:
    """What the library can't read inside is the file's fault. Raises CoreError `bad_parquet`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        values = {"file": name, "what": str(error).split("\n")[0][:200]}
        raise CoreError("bad_parquet", values, "hint_bad_parquet") from None


def _rows(file: Any, names: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    for batch in file.iter_batches(batch_size=_AT_ONCE, columns=[*names]):
        yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def _named(value: Any, names: Sequence[str]) -> Any:
    """Class numbers by their names; -1 stands for a class that isn't known."""
    if not names:
        return value
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value
