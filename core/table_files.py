"""Tables as files: Parquet, Arrow IPC (which is Feather, version 2), or CSV for spreadsheets."""

import datetime
import json
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from core.errors import CoreError
from core.jobs.folder import DRAFT
from core.report.tables import Cell, spreadsheet_csv

Format = Literal["parquet", "arrow", "csv"]


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet

    sink = BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def _arrow(table: pa.Table) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return spreadsheet_csv(table.column_names, ([_cell(value) for value in row] for row in rows))


def _cell(value: Any) -> Cell:
    """Times in ISO 8601, lists as JSON, true and false as words."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="milliseconds")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else value


FORMATS: Mapping[Format, Callable[[pa.Table], bytes]] = {"parquet": _parquet, "arrow": _arrow, "csv": _csv}


def write(tables: Mapping[str, pa.Table], format: Format, folder: Path) -> list[Path]:
    """A file a table, NAME.FORMAT; what has that name already is replaced, each file whole. -> their paths

    Raises CoreError `file_unwritable`.
    """
    out: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            draft = folder / f"{DRAFT}{name}.{format}"
            draft.write_bytes(FORMATS[format](table))
            out.append(draft.rename(folder / f"{name}.{format}"))
    except OSError as error:
        values = {"file": str(folder), "what": error.strerror or ""}
        raise CoreError("file_unwritable", values, "hint_file") from None
    return out


def packed(tables: Mapping[str, pa.Table], format: Format) -> bytes:
    """The same files as one zip file."""
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in tables.items():
            archive.writestr(f"{name}.{format}", FORMATS[format](table))
    return sink.getvalue()
