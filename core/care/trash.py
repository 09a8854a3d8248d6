"""The trash of a workspace: what was deleted, cleaned up or set aside; it is brought back, or gone for good."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core import project as projects
from core.care import batches
from core.care.usage import Usage
from core.errors import CoreError
from core.jobs import faults
from core.jobs import trash as deleted_runs
from core.jobs.folder import held, read_object
from core.workspace import Workspace

Kind = Literal["run", "project", "clean", "aside", "other"]
DROPPED = ".dropped-"  # prefix of what is gone for good, but not yet taken off the disk


@dataclass(frozen=True)
class Entry:
    """`what`: kind of the run, name of the project, or why the things of a batch went; `since`: unix seconds."""

    name: str
    kind: Kind
    what: tuple[str, ...]
    since: float
    bytes: int


def entries(workspace: Workspace, found: Usage) -> list[Entry]:
    """What lies in the trash, the last thrown away first."""
    out: list[Entry] = []
    for name, tree in found.trash.items():
        if not name.startswith("."):
            place = workspace.trash / name
            kind = _kind(name)
            with suppress(FileNotFoundError):  # it was brought back meanwhile
                since = place.lstat().st_ctime  # a rename sets it
                out.append(Entry(name, kind, _what(workspace, place, kind), since, tree.bytes))
    return sorted(out, key=lambda entry: (-entry.since, entry.name))


def _kind(name: str) -> Kind:
    batch = batches.NAME.fullmatch(name)
    if batch:
        return "clean" if batch["kind"] == "clean" else "aside"
    if name.startswith("run-"):
        return "run"
    return "project" if name.startswith("project-") else "other"


def _what(workspace: Workspace, place: Path, kind: Kind) -> tuple[str, ...]:
    if kind == "run":
        return (str((read_object(place / "spec.json") or {}).get("kind", "")),)
    if kind == "project":
        return (place.name.removeprefix("project-").rpartition("-")[0],)
    if kind == "other":
        return ()
    with suppress(CoreError):
        return tuple(dict.fromkeys(item.choice for item in batches.read(workspace, place.name).items))
    return ()


def bring_back(workspace: Workspace, name: str) -> batches.Moved:
    """Bring back what an entry is: a run, a project, or what of a batch has its place free.

    Raises CoreError `batch_unknown`, `batch_busy`, `run_not_deleted`, `bad_name` where a project has its name now.
    """
    kind, place = _kind(name), workspace.trash / name
    if kind == "run":
        deleted_runs.restore(workspace.root, [name.removeprefix("run-")])
    elif kind == "project" and place.parent == workspace.trash and place.is_dir():
        projects.restore(workspace, place)
    else:
        return batches.undo(workspace, name)
    return batches.Moved(1, 0, 0)


def empty(workspace: Workspace, names: Iterable[str], seconds: float | None = None) -> int:
    """Take entries of the trash off the disk, for good; a batch that is being moved stays.

    For about so many seconds; None: until all is gone. What is named is out of reach at once, whatever happens then;
    any later call, with no names too, goes on. -> how many entries are still being taken off
    """
    end = float("inf") if seconds is None else time.monotonic() + seconds
    for name in names:
        place = workspace.trash / name
        if place.parent == workspace.trash and not name.startswith(".") and place.is_dir() and not held(place):
            place.rename(workspace.trash / f"{DROPPED}{name}-{time.time_ns()}")
            faults.point("clean.dropped")
    left = [path for path in sorted(workspace.trash.iterdir()) if path.name.startswith(DROPPED)]
    while left and _remove(str(left[0]), end):
        left.pop(0)
    return len(left)


def _remove(folder: str, end: float) -> bool:
    """Remove a folder with all in it; False where the time is over before."""
    with os.scandir(folder) as entries:
        listed = list(entries)
    for entry in listed:
        if time.monotonic() > end:
            return False
        if entry.is_dir(follow_symlinks=False):
            if not _remove(entry.path, end):
                return False
        else:
            os.unlink(entry.path)
    os.rmdir(folder)
    return True
