"""File formats: one file each, found through two literal tables."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from core.corpus import Corpus
from core.errors import CoreError
from core.formats import sniff
from core.formats.protocol import Layout, Read, Reader, ReadOptions, Writer

__all__ = ["READERS", "WRITERS", "Layout", "Read", "ReadOptions", "read", "write"]

READERS: Mapping[str, str] = {
    "conll": "core.formats.conll:read",
    "jsonl": "core.formats.jsonl:read",
}
WRITERS: Mapping[str, str] = {
    "conll": "core.formats.writing:conll",
    "jsonl": "core.formats.writing:jsonl",
}


def read(path: Path, *, name: str, options: ReadOptions) -> Read:
    """The rows of a file whose format is recognised by its content, never by its name."""
    recognised = sniff.recognise(path, name)
    reader: Reader = _entry(READERS, options.format or recognised)
    return reader(path, name=name, options=options)


def write(corpus: Corpus, path: Path, *, format: str) -> None:
    """Write a corpus as a file that `read` brings back with the same tokens and tags."""
    writer: Writer = _entry(WRITERS, format)
    writer(corpus, path)


def _entry(table: Mapping[str, str], format: str):
    if format not in table:
        raise CoreError("unknown_format", {"value": format, "known": ", ".join(table)}, "hint_known")
    module, function = table[format].split(":")
    return getattr(import_module(module), function)
