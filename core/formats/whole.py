"""A file that appears whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO


@contextmanager
def whole_text(path: Path) -> Generator[TextIO, None, None]:
    """A text file in UTF-8 that takes its name only once it is complete and on disk."""
    temporary = _temporary(path)
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
            _settled(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_bytes(path: Path) -> Generator[IO[bytes], None, None]:
    """The same of bytes."""
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            yield file
            _settled(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _settled(file: TextIO | IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
