"""A batch in the trash: things that were moved out of the workspace together, and can be brought back together.

`trash/NAME/` has a manifest, written before anything moves, and mirrors the workspace: runs/ID/model lies there as
runs/ID/model. A rename is all or nothing, so whenever a process is killed each thing is in its place or in the batch.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from core.errors import CoreError
from core.jobs import faults
from core.jobs.folder import DRAFT, derived, held, hold, locked, read_object, sync_folder, write_json
from core.jobs.store import Store
from core.runs import ACTIVE
from core.workspace import Workspace

MANIFEST = "manifest.json"
NAME = re.compile(r"(?P<kind>clean|aside)-(?P<ns>[0-9]{19})")  # clean: by clean-up; aside: by doctor
_RUN = re.compile(r"runs/([0-9a-f]{16})")
_FOUND = "found"  # why a thing lies in a batch whose manifest was lost
_AT_ONCE = 200  # things that are moved while nothing can be started


@dataclass(frozen=True)
class Item:
    """One thing that moves. `path`: relative to the workspace, a folder or a file; `choice`: why it goes.

    `run`, `attempt`: whose part it is, and the attempt at which that was decided.
    """

    path: str
    bytes: int
    choice: str
    run: str | None = None
    attempt: int | None = None

    @property
    def whole_run(self) -> str | None:
        """The id of the run that it is, not a part of one."""
        found = _RUN.fullmatch(self.path)
        return found[1] if found else None


@dataclass(frozen=True)
class Batch:
    """`made`: unix seconds."""

    name: str
    made: float
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Moved:
    """How many things moved, their bytes on disk, and how many stayed where they were."""

    items: int
    bytes: int
    left: int


def begin(workspace: Workspace, items: Sequence[Item], kind: str = "clean") -> Batch:
    """Write down what will move; from here on it can be carried out, by anybody and again, and undone."""
    batch = Batch(f"{kind}-{time.time_ns():019}", time.time(), tuple(items))
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=workspace.trash))
    write_json(draft / MANIFEST, {"made": batch.made, "items": [asdict(item) for item in items]})
    draft.rename(workspace.trash / batch.name)
    sync_folder(workspace.trash)
    faults.point("clean.planned")
    return batch


def read(workspace: Workspace, name: str) -> Batch:
    """Raises CoreError `batch_unknown`."""
    found = read_object(workspace.trash / name / MANIFEST) if NAME.fullmatch(name) else None
    try:
        items = tuple(Item(**item) for item in (found or {})["items"])
        return Batch(name, float((found or {})["made"]), items)
    except (KeyError, TypeError, ValueError):
        raise CoreError("batch_unknown", {"name": name}, "hint_batch") from None


@contextmanager
def alone(workspace: Workspace, name: str) -> Generator[None]:
    """Nobody else moves things into or out of a batch meanwhile. Raises CoreError `batch_busy`."""
    descriptor = hold(workspace.trash / name)
    if descriptor is None:
        raise CoreError("batch_busy", {"name": name}, "hint_batch_busy")
    try:
        yield
    finally:
        os.close(descriptor)


# those of some items that may move now; asked a second time when nothing can be started any more
Check = Callable[[Sequence[Item]], Iterable[Item]]
Step = Callable[[int, int], None]  # things done, of all; may raise to stop


def carry_out(workspace: Workspace, batch: Batch, allowed: Check, step: Step) -> Moved:
    """Move what may move; what was moved before stays moved. Nothing is started meanwhile."""
    place, store = workspace.trash / batch.name, workspace.store
    with alone(workspace, batch.name):
        for number, some in enumerate(_some(batch.items)):
            step(number * _AT_ONCE, len(batch.items))
            here = list(allowed([item for item in some if os.path.lexists(workspace.root / item.path)]))
            with locked(workspace.root / "dispatch.lock"):
                for item in allowed(here):
                    _move(store, workspace.root, item, place / item.path)
                    faults.point("clean.moved")
        sync_folder(place)
        step(len(batch.items), len(batch.items))
    return lying(workspace, batch)


def lying(workspace: Workspace, batch: Batch) -> Moved:
    """What of a batch lies in the trash now."""
    there = [item for item in batch.items if os.path.lexists(workspace.trash / batch.name / item.path)]
    return Moved(len(there), sum(item.bytes for item in there), len(batch.items) - len(there))


def _move(store: Store, root: Path, item: Item, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.path.lexists(place):  # something was made anew where this came from, while half the batch was moved
        return
    if item.whole_run and item.run:
        store.remove(item.whole_run, place)
    else:
        (root / item.path).rename(place)


def undo(workspace: Workspace, name: str) -> Moved:
    """Bring back what lies in a batch; an empty batch then goes.

    What was made anew meanwhile, and what belongs to an active or a deleted run, stays in the batch.
    Raises CoreError `batch_unknown`, `batch_busy`.
    """
    batch, place = read(workspace, name), workspace.trash / name
    back: list[Item] = []
    with alone(workspace, name):
        there = [item for item in batch.items if os.path.lexists(place / item.path)]
        for some in _some(there):
            with locked(workspace.root / "dispatch.lock"):
                back += [item for item in some if _bring(workspace, item, place / item.path)]
        if len(back) == len(there):
            shutil.rmtree(place)
    return Moved(len(back), sum(item.bytes for item in back), len(there) - len(back))


def _bring(workspace: Workspace, item: Item, place: Path) -> bool:
    """One thing back into its place, if that is free."""
    target = workspace.root / item.path
    inside = item.run is not None and not item.whole_run
    if os.path.lexists(target) or (inside and _busy(workspace, str(item.run))):
        return False
    if inside and not workspace.run_folder(str(item.run)).is_dir():
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.rename(target)
    faults.point("clean.undone")
    if item.whole_run and derived(target) is not None:
        workspace.store.adopt(item.whole_run)
    return True


def _busy(workspace: Workspace, run: str) -> bool:
    folder = workspace.run_folder(run)
    found = derived(folder) if folder.is_dir() else None
    return found is not None and (found.state in ACTIVE or held(folder))


def _some(items: Sequence[Item]) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, _AT_ONCE)):
        yield some


def mended(workspace: Workspace, name: str) -> Batch:
    """A batch whose manifest is lost, with one made of what lies in it. Raises CoreError `batch_unknown`."""
    place, found = workspace.trash / name, NAME.fullmatch(name)
    if found is None or not place.is_dir():
        raise CoreError("batch_unknown", {"name": name}, "hint_batch")
    batch = Batch(name, int(found["ns"]) / 1e9, tuple(_lying(place)))
    write_json(place / MANIFEST, {"made": batch.made, "items": [asdict(item) for item in batch.items]})
    return batch


def _lying(place: Path) -> Iterator[Item]:
    """The things in a batch: whole runs, parts of runs, and what else lies in the folders of a workspace."""
    for path in sorted(place.iterdir()):
        if path.name not in (MANIFEST, "lock") and not path.is_dir():
            yield Item(path.name, 0, _FOUND)
    for path in sorted(place.glob("*/*")):
        item = Item(path.relative_to(place).as_posix(), 0, _FOUND)
        if item.whole_run is None:
            yield item
        elif (path / "spec.json").exists():
            yield replace(item, run=item.whole_run)
        else:
            deep = ("checkpoints/*", "best/*")
            parts = [*(part for part in path.iterdir() if f"{part.name}/*" not in deep), *path.glob(deep[0])]
            for part in sorted([*parts, *path.glob(deep[1])]):
                yield replace(item, path=part.relative_to(place).as_posix(), run=path.name)
