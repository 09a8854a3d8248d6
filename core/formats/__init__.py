"""File formats: one file each, found through literal tables by the kind of rows that they hold."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.corpus import Corpus
from core.errors import CoreError, Issue
from core.formats import sniff
from core.formats.protocol import Choices, Layout, Read, Reader, ReadOptions, Writer
from core.tasks import DEFAULT, TASKS
from core.tasks import task as task_of

__all__ = [
    "CHOICES",
    "PREDICTIONS",
    "READERS",
    "WRITERS",
    "Layout",
    "Read",
    "ReadOptions",
    "guess_task",
    "predictions_suffix",
    "read",
    "read_predictions",
    "write",
    "write_predictions",
]

READERS: Mapping[str, Mapping[str, str]] = {  # kind of rows -> format; a text of no other format is of the first
    "tagged": {
        "conll": "core.formats.tagged.conll:read",
        "jsonl": "core.formats.tagged.jsonl:read",
    },
    "labelled": {
        "csv": "core.formats.labelled.csv:read",
        "jsonl": "core.formats.labelled.jsonl:read",
        "parquet": "core.formats.labelled.parquet:read",
    },
}
WRITERS: Mapping[str, Mapping[str, str]] = {
    "tagged": {
        "conll": "core.formats.tagged.writing:conll",
        "jsonl": "core.formats.tagged.writing:jsonl",
    },
    "labelled": {
        "csv": "core.formats.labelled.writing:csv",
        "jsonl": "core.formats.labelled.writing:jsonl",
        "parquet": "core.formats.labelled.writing:parquet",
    },
}
UNLABELLED = "core.formats.unlabelled:read"  # of any kind of rows, without their labels
SIGNS: Mapping[str, str] = {  # kind of rows -> whether the beginning of a file looks like them
    "labelled": "core.formats.labelled.signs:seen",
}
CHOICES: Mapping[str, Choices] = {  # kind of rows -> what may be said about how a file of them is read
    "tagged": Choices(("tokens", "tags", "text", "spans"), ("tab", "space"), schemes=("IOB2", "IOB1", "BIOES", "IO")),
    "labelled": Choices(
        ("text", "labels"), ("comma", "tab", "semicolon", "pipe"), label_separators=("none", "|", ";", ",")
    ),
}
PREDICTIONS: Mapping[str, str] = {  # kind of rows -> a module with SUFFIX, read and write
    "tagged": "core.formats.tagged.predictions",
    "labelled": "core.formats.labelled.predictions",
}


def read(path: Path, *, name: str, options: ReadOptions, task: str = DEFAULT) -> Read:
    """The rows of a file whose format is recognised by its content, never by its name."""
    found = task_of(task)
    if options.unlabelled:
        bare: Reader = _named(UNLABELLED)
        return bare(path, name=name, options=options, task=found)
    readers = READERS[found.rows]
    recognised = sniff.recognise(path, name, [*readers])
    reader: Reader = _entry(readers, options.format or recognised)
    return reader(path, name=name, options=options, task=found)


def guess_task(head: bytes) -> str:
    """The task that a file is likely to be for, by its first bytes: the first whose rows it looks like."""
    likely = (name for name in TASKS if (place := SIGNS.get(task_of(name).rows)) and _named(place)(head))
    return next(likely, DEFAULT)


def write(corpus: Corpus, path: Path, *, format: str) -> None:
    """Write a corpus as a file that `read` brings back with the same rows."""
    writer: Writer = _entry(WRITERS[task_of(corpus.schema.task).rows], format)
    writer(corpus, path)


def predictions_suffix(task: str) -> str:
    """How a file of predictions ends: .conll, .csv."""
    return _predictions(task).SUFFIX


def write_predictions(corpus: Corpus, path: Path, values: Sequence[Sequence[str]]) -> None:
    """Write what was predicted for each row beside gold."""
    _predictions(corpus.schema.task).write(corpus, path, values)


def read_predictions(path: Path, name: str, task: str) -> tuple[Corpus, pa.ChunkedArray, list[Issue]]:
    """Gold, predictions and what was repaired in a file of predictions. Raises CoreError with file and row."""
    return _predictions(task).read(path, name, task_of(task))


def _predictions(task: str) -> Any:
    return import_module(PREDICTIONS[task_of(task).rows])


def _entry(table: Mapping[str, str], format: str) -> Any:
    if format not in table:
        raise CoreError("unknown_format", {"value": format, "known": ", ".join(table)}, "hint_known")
    return _named(table[format])


def _named(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)
