"""What can be wrong with a workspace, found by looking at all of it. Nothing is changed here, see core.care.mending."""

import json
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa

from core import corpus as corpora
from core import project as projects
from core.care import batches, trash
from core.care.facts import facts
from core.errors import CoreError, Value
from core.jobs import warm
from core.jobs.folder import Run, derived, held
from core.jobs.store import Store
from core.models.checks import sha256_of
from core.runs import ENDED
from core.sources import named_gold
from core.training import checkpoints
from core.workspace import Workspace

# what mending does: its words are the codes mend_NAME
Mend = Literal["rebuild", "row", "forget", "adopt", "aside", "remake", "mode", "manifest", "dropped", "none"]
STALE = 600.0  # seconds after which nobody is still writing a temporary file
_SETTLING = 0.5  # seconds in which a run that just ended comes to rest
_RUN = frozenset("0123456789abcdef")
# what a killed process leaves behind, outside the folders of runs; a file that somebody may be writing is young
_LEFT = (
    *(".tmp-*", ".probe-*", "runs.db.aside-*", "files/.*", "corpora/*.tmp", "corpora/.*", "models/*.tmp"),
    *("cache/*.tmp", "cache/.tmp-*", "projects/*/.tmp-*", "runs/.*", "trash/.tmp-*"),
)
_LEFT_IN_RUN = (
    *(".tmp-*", ".*.tmp", "*.tmp", "cancel-*", "reserve", "staging"),
    *("checkpoints/.draft-*", "checkpoints/.dropped-*", "best/.draft-*", "best/.dropped-*"),
)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong. `code`: its words; `where`: a path in the workspace; `run`: whose it is."""

    code: str
    where: str
    mend: Mend
    run: str | None = None
    attempt: int | None = None
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class _Ward:
    """A workspace under examination. `ended`: the folders of runs that are at rest."""

    workspace: Workspace
    runs: Mapping[str, Run]

    @property
    def root(self) -> Path:
        return self.workspace.root

    def ended(self) -> Iterator[tuple[Run, Path]]:
        for run in self.runs.values():
            folder = self.workspace.run_folder(run.id)
            if run.state in ENDED and folder.is_dir() and not held(folder):
                yield run, folder


def examine(workspace: Workspace, step: batches.Step = lambda done, of: None) -> list[Finding]:
    """Everything that is wrong, database first; while that is broken, nothing is said of its rows.

    `step` is told how many of the checks are done, of all; it may raise to stop.
    """
    found = list(_database(workspace))
    if found:
        return found
    ward = _Ward(workspace, {run.id: run for run in workspace.store.list()})
    for number, check in enumerate(CHECKS.values()):
        step(number, len(CHECKS))
        found += check(ward)
    step(len(CHECKS), len(CHECKS))
    return found


def _database(workspace: Workspace) -> Iterator[Finding]:
    path = workspace.root / "runs.db"
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            said = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        yield Finding("finding_database", "runs.db", "rebuild", values={"what": said[:200]})


def _rows(ward: _Ward) -> Iterator[Finding]:
    """Each row against the folder it stands for, which alone is right."""
    store = ward.workspace.store
    for id, run in ward.runs.items():
        folder, where = ward.workspace.run_folder(id), f"runs/{id}"
        if not folder.is_dir():
            yield Finding("finding_row_alone", where, "forget", id)
        elif derived(folder) is not None and _differs(store, run, folder):
            yield Finding("finding_row_differs", where, "row", id)


def _differs(store: Store, run: Run, folder: Path) -> bool:
    """Whether row and folder disagree, and still do once whatever moved has come to rest."""
    if _same(run, derived(folder)):
        return False
    time.sleep(_SETTLING)
    try:
        return not _same(store.get(run.id), derived(folder))
    except CoreError:  # it was deleted in this moment
        return False


def _same(run: Run, found: Run | None) -> bool:
    names = ("kind", "state", "attempt", "submitted", "started", "ended")
    return found is not None and all(getattr(run, name) == getattr(found, name) for name in names)


def _folders(ward: _Ward) -> Iterator[Finding]:
    """Run folders that no row stands for, and those that say nothing."""
    for folder in sorted((ward.root / "runs").iterdir()):
        where = f"runs/{folder.name}"
        if not folder.is_dir() or len(folder.name) != 16 or not _RUN.issuperset(folder.name) or held(folder):
            continue
        if facts(folder) is None or derived(folder) is None:
            if _stale(folder):
                yield Finding("finding_spec", where, "aside", folder.name)
        elif folder.name not in ward.runs:
            yield Finding("finding_folder_alone", where, "adopt", folder.name)


def _stale(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > STALE
    except FileNotFoundError:
        return False


def _leftovers(ward: _Ward) -> Iterator[Finding]:
    for pattern in _LEFT:
        for path in sorted(ward.root.glob(pattern)):
            if path.name != ".samples.lock" and _stale(path):
                yield Finding("finding_leftover", path.relative_to(ward.root).as_posix(), "aside")
    for run, folder in ward.ended():
        for path in sorted({path for pattern in _LEFT_IN_RUN for path in folder.glob(pattern)}):
            where = path.relative_to(ward.root).as_posix()
            yield Finding("finding_leftover", where, "aside", run.id, run.attempt)
    for path in sorted(ward.workspace.trash.glob(f"{trash.DROPPED}*")):
        yield Finding("finding_dropped", f"trash/{path.name}", "dropped")


def _corpora(ward: _Ward) -> Iterator[Finding]:
    """Corpora whose content is not that of their name, and those that a run made and that are gone."""
    for path in sorted(ward.workspace.corpora.glob("*.arrow")):
        if not _whole(path):
            yield Finding("finding_corpus", f"corpora/{path.name}", "remake")
    gone: set[str] = set()
    for run, folder in ward.ended():
        about = facts(folder) if run.state == "succeeded" and run.kind in ("import", "augment") else None
        for id in about.made if about else ():
            if not ward.workspace.corpus_path(id).exists() and id not in gone:
                gone.add(id)
                yield Finding("finding_corpus_gone", f"corpora/{id}.arrow", "remake", run.id)


def _whole(path: Path) -> bool:
    try:
        found = corpora.read(path)
        found.table.validate(full=True)
        return found.id == path.stem
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return False


def _uploads(ward: _Ward) -> Iterator[Finding]:
    for path in sorted((ward.root / "files").iterdir()):
        if path.is_file() and not path.name.startswith(".") and sha256_of(path) != path.name:
            yield Finding("finding_upload", f"files/{path.name}", "aside")


def _names(ward: _Ward) -> Iterator[Finding]:
    """Names of labelled data and projects that can't be read: for somebody who knows what they should say."""
    for name in ward.workspace.corpus_names():
        try:
            gold = named_gold(ward.workspace, f"corpus:{name}")
            missing = [file for file in gold.inputs.values() if not (ward.root / file.replace(":", "s/", 1)).exists()]
        except (CoreError, KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError):
            yield Finding("finding_name", f"corpora/{name}.json", "none")
        else:
            for file in missing:
                yield Finding("finding_name_empty", f"corpora/{name}.json", "none", values={"file": file[5:21]})
    for name in projects.names(ward.workspace):
        try:
            projects.load(ward.workspace, name)
        except (CoreError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as error:
            what = str(error)[:200]
            yield Finding("finding_project", f"projects/{name}/{projects.FILE}", "none", values={"what": what})


def _checkpoints(ward: _Ward) -> Iterator[Finding]:
    for run, folder in ward.ended():
        for parent in ("checkpoints", "best"):
            for step, path in checkpoints.steps(folder / parent):
                flaw = checkpoints.flaw(path, step)
                if flaw:
                    where = path.relative_to(ward.root).as_posix()
                    yield Finding("finding_checkpoint", where, "aside", run.id, run.attempt, {"what": flaw})


def _modes(ward: _Ward) -> Iterator[Finding]:
    """What others on this machine could read or write."""
    inner = [path for parent in ("runs", "projects") for path in sorted((ward.root / parent).iterdir())]
    for path in [ward.root, *sorted(ward.root.iterdir()), *inner]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if mode & 0o077 and (path.is_dir() or path.name in ("runs.db", "warm.sock")) and not path.is_symlink():
            where = path.relative_to(ward.root).as_posix()
            yield Finding("finding_mode", where, "mode", values={"mode": f"{mode:o}"})


def _trash(ward: _Ward) -> Iterator[Finding]:
    for path in sorted(ward.workspace.trash.iterdir()):
        if batches.NAME.fullmatch(path.name):
            try:
                batches.read(ward.workspace, path.name)
            except CoreError:
                yield Finding("finding_batch", f"trash/{path.name}", "manifest")


def _sockets(ward: _Ward) -> Iterator[Finding]:
    if (ward.root / "warm.sock").exists() and warm.state(ward.root) == "off":
        yield Finding("finding_socket", "warm.sock", "aside")


CHECKS: Mapping[str, Callable[[_Ward], Iterator[Finding]]] = {
    "rows": _rows,
    "folders": _folders,
    "leftovers": _leftovers,
    "corpora": _corpora,
    "uploads": _uploads,
    "names": _names,
    "checkpoints": _checkpoints,
    "modes": _modes,
    "trash": _trash,
    "sockets": _sockets,
}
