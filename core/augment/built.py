"""Tables that are expensive to make and can be made again: Arrow files in the folder for such things."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa


def made(path: Path, build: Callable[[], pa.Table]) -> Path:
    """The file, built if need be: by one process, which others wait for."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _store(build(), path)
    return path


def mapped(path: Path) -> pa.Table:
    """What was kept; it stays on disk and comes into memory as it is read."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def _store(table: pa.Table, path: Path) -> None:
    """Temporary name, then rename: nobody sees half a file."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    temporary.rename(path)
