"""What may stand in an archive: a list of names, and how much of each.

An archive is a zip file whose first entry is the manifest; all others follow in the order of their names, which is the
order of the manifest. Nothing else is read: no path, no name and no kind of file that isn't on this list.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import CoreError
from core.models.checks import TEXT_FILES

VERSION = 1
MANIFEST = "manifest.jsonl"
PROJECT, EVENTS, NAMES = "project.yaml", "events.jsonl", "names.json"
UNPACKED = "unpacked"  # the event that ends the history of a project that came so; it stays where it happened
KINDS = ("import", "augment", "train", "evaluate")  # of the runs that belong to a project

_KB, _MB, _GB = 1 << 10, 1 << 20, 1 << 30
MOST_ENTRIES = 100_000
MOST_BYTES = 64 * _GB  # of all entries, unpacked
LONGEST_MANIFEST, LONGEST_LINE = 32 * _MB, _MB
LARGEST_JSON = 8 * _MB  # what is read whole
LONGEST_NAME = 120
RATIO, SMALL = 200, _MB  # how much larger than packed an entry may be, from so many bytes on
_TEXTS = "|".join(re.escape(name) for name in sorted(TEXT_FILES))
# name -> bytes, unpacked
PLACES: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(re.escape(PROJECT)), 800 * _KB),
    (re.compile(re.escape(EVENTS)), 64 * _MB),
    (re.compile(re.escape(NAMES)), LARGEST_JSON),
    (re.compile(r"files/[0-9a-f]{64}"), 8 * _GB),
    (re.compile(r"corpora/[0-9a-f]{64}\.arrow"), 8 * _GB),
    (re.compile(r"runs/[0-9a-f]{16}/(spec|resolved|run|exit|result)\.json"), LARGEST_JSON),
    (re.compile(r"runs/[0-9a-f]{16}/metrics-[1-9][0-9]{0,3}\.jsonl"), 64 * _MB),
    (re.compile(r"runs/[0-9a-f]{16}/(predictions-[0-9a-f]{16}|rejected)\.arrow"), 4 * _GB),
    (re.compile(r"runs/[0-9a-f]{16}/model/model\.json"), LARGEST_JSON),
    (re.compile(r"runs/[0-9a-f]{16}/model/trained\.safetensors"), 16 * _GB),
    (re.compile(rf"models/[0-9a-f]{{64}}/({_TEXTS})"), 256 * _MB),
    (re.compile(r"models/[0-9a-f]{64}/[A-Za-z0-9][A-Za-z0-9._-]{0,60}\.safetensors"), 16 * _GB),
)


def largest(name: str) -> int:
    """The bytes that an entry of this name may have. Raises CoreError `archive_entry`: it has no place here."""
    for pattern, most in PLACES:
        if pattern.fullmatch(name):
            return most
    raise CoreError("archive_entry", {"name": name[:LONGEST_NAME]}, "hint_archive_entry")


def has_place(name: str) -> bool:
    """Whether an entry may have this name."""
    return any(pattern.fullmatch(name) for pattern, _ in PLACES)


@dataclass(frozen=True)
class Entry:
    """One line of the manifest. `bytes`: unpacked; `sha256`: in hex."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`behaviours`: of the kinds of runs, as the program that wrote the archive had them: part of the ids of runs."""

    project: str
    weights: bool
    models: bool
    behaviours: Mapping[str, int]
    entries: tuple[Entry, ...]

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.entries)


def manifest_lines(manifest: Manifest) -> bytes:
    """The manifest as it stands in an archive: JSON Lines, the first about the archive, then one for each entry."""
    head = {"archive": VERSION, "project": manifest.project, "weights": manifest.weights, "models": manifest.models}
    head |= {"behaviours": dict(manifest.behaviours), "entries": len(manifest.entries), "bytes": manifest.bytes}
    lines: list[object] = [head, *([entry.name, entry.bytes, entry.sha256] for entry in manifest.entries)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def manifest_of(lines: Iterable[bytes]) -> Manifest:
    """Raises CoreError `archive_unknown`, `archive_newer`, and what `_listed` does."""
    left = iter(lines)
    head = _json(next(left, b""))
    if not isinstance(head, dict) or not isinstance(head.get("archive"), int):
        raise CoreError("archive_unknown", {}, "hint_archive")
    if head["archive"] != VERSION:
        raise CoreError("archive_newer", {"found": str(head["archive"])[:20], "known": VERSION}, "hint_archive_newer")
    try:
        behaviours = {kind: int(head["behaviours"][kind]) for kind in KINDS}
        project, about = str(head["project"]), (bool(head["weights"]), bool(head["models"]))
    except (KeyError, TypeError, ValueError):
        raise CoreError("archive_unknown", {}, "hint_archive") from None
    return Manifest(project, *about, behaviours, tuple(_listed(left)))


def _listed(lines: Iterator[bytes]) -> Iterator[Entry]:
    """Raises CoreError `archive_entry`, `archive_twice`, `archive_entries`, `archive_large`, `archive_total`."""
    before, total, count = "", 0, 0
    for line in lines:
        match _json(line):
            case [str(name), int(size), str(digest)] if size >= 0 and re.fullmatch("[0-9a-f]{64}", digest):
                pass
            case _:
                raise CoreError("archive_unknown", {}, "hint_archive")
        most = largest(name)
        if name <= before:
            raise CoreError("archive_twice", {"name": name}, "hint_archive")
        total, count, before = total + size, count + 1, name
        if size > most:
            raise CoreError("archive_large", {"name": name, "most": most}, "hint_archive_large")
        if total > MOST_BYTES:
            raise CoreError("archive_total", {"most": MOST_BYTES >> 30}, "hint_archive_large")
        if count > MOST_ENTRIES:
            raise CoreError("archive_entries", {"most": MOST_ENTRIES}, "hint_archive_large")
        yield Entry(name, size, digest)


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
