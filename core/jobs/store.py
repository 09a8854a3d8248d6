"""The run store: rows of SQLite as a cache of the run folders, which alone hold what happened."""

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

from core.errors import CoreError
from core.jobs import faults
from core.jobs.folder import DRAFT, derived, disk_full, locked, note, noted, sync_folder, write_json
from core.jobs.run import Exit, Run, after, again
from core.runs import KINDS, MOVES, RunSpec, State

T = TypeVar("T")

VERSION = 2  # PRAGMA user_version
BUSY_SECONDS = 5.0
SAME: frozenset[State] = frozenset({"queued", "running", "succeeded"})  # in these, a spec submitted again *is* that run
_COLUMNS = tuple(field.name for field in fields(Run))
_SCHEMA = f"""
CREATE TABLE runs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    position INTEGER NOT NULL, submitted REAL NOT NULL, {", ".join(_COLUMNS[6:])}) WITHOUT ROWID;
CREATE INDEX runs_order ON runs (position DESC, submitted DESC, id);
CREATE INDEX runs_pending ON runs (state, due_at);
PRAGMA user_version = {VERSION};
"""
_PUT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join(':' + name for name in _COLUMNS)})"
_ORDER = "ORDER BY position DESC, submitted DESC, id"
_LIST = f"SELECT * FROM runs WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR state = ?2) {_ORDER} LIMIT ?3"
_PENDING = f"SELECT * FROM runs WHERE state IN ('queued', 'running') OR due_at IS NOT NULL {_ORDER}"
_SINCE = f"SELECT * FROM runs WHERE ended >= ? {_ORDER}"
_AMONG = "id IN (SELECT value FROM json_each(?))"
_FIND = f"SELECT * FROM runs WHERE {_AMONG} ORDER BY submitted DESC, id LIMIT ?"
_BESIDES = f"SELECT * FROM runs WHERE NOT {_AMONG} {_ORDER} LIMIT ?"
_BRIEFS = "SELECT id, state, state IN ('queued', 'running') OR due_at IS NOT NULL, score FROM runs WHERE kind = ?"
_REMADE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN})
_checked: set[tuple[str, int]] = set()  # databases (path, inode) that this process has looked through


class Brief(NamedTuple):
    """The little of a run that a list of ten thousand needs."""

    id: str
    state: State
    pending: bool  # see Run.pending; as SQLite has it, 0 or 1
    score: float | None


class Store:
    """The runs of one workspace. Many processes and threads may use it at once: it holds no connection.

    Raises CoreError `database_newer`, `database_busy` (after 5 s), `disk_full`. A database that is missing, older or
    corrupt is set aside and made anew from the run folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.path = self.root / "runs.db"
        self._guard = self.root / "runs.db.lock"  # shared by all users; whoever makes the database anew has it alone
        if self._known():
            self._do(lambda db: None)  # its version may have changed
            return
        _private(self.root / "runs")
        if self._beside("-shm").exists() and not self._beside("-wal").exists():
            self.rebuild()  # what was last committed is gone with the file that held it
        self._do(_settle)
        self._known(add=True)

    def _known(self, add: bool = False) -> bool:
        """Whether this process has looked through this database before."""
        try:
            key = (str(self.path), self.path.stat().st_ino)
        except OSError:
            return False
        if add:
            _checked.add(key)
        return key in _checked

    def _beside(self, suffix: str) -> Path:
        return Path(f"{self.path}{suffix}")

    def folder(self, id: str) -> Path:
        return self.root / "runs" / id

    def get(self, id: str) -> Run:
        """Raises CoreError `run_unknown`."""
        run = self._do(lambda db: _select(db, id))
        if run is None:
            raise CoreError("run_unknown", {"id": id})
        return run

    def list(self, kind: str | None = None, state: State | None = None, limit: int | None = None) -> tuple[Run, ...]:
        """The runs of a kind and state, the last submitted first."""
        rows = self._do(lambda db: db.execute(_LIST, (kind, state, -1 if limit is None else limit)).fetchall())
        return tuple(_of_row(row) for row in rows)

    def pending(self) -> tuple[Run, ...]:
        """The runs that run, wait for a slot or go on by themselves, the last submitted first."""
        return tuple(_of_row(row) for row in self._do(lambda db: db.execute(_PENDING).fetchall()))

    def since(self, time: float) -> tuple[Run, ...]:
        """The runs that ended (were interrupted, too) at a time or after it; unix seconds."""
        return tuple(_of_row(row) for row in self._do(lambda db: db.execute(_SINCE, (time,)).fetchall()))

    def find(self, ids: Collection[str], limit: int | None = None) -> tuple[Run, ...]:
        """Those of some runs that exist, the last submitted first."""
        asked = (json.dumps([*ids]), -1 if limit is None else limit)
        return tuple(_of_row(row) for row in self._do(lambda db: db.execute(_FIND, asked).fetchall()))

    def besides(self, ids: Collection[str], limit: int) -> tuple[Run, ...]:
        """The newest of all runs but those, the last submitted first."""
        asked = (json.dumps([*ids]), limit)
        return tuple(_of_row(row) for row in self._do(lambda db: db.execute(_BESIDES, asked).fetchall()))

    def starting(self, prefix: str) -> tuple[Run, ...]:
        """The runs whose ids begin so."""
        asked = (prefix, prefix + "\U0010ffff")
        query = "SELECT * FROM runs WHERE id >= ? AND id < ?"
        return tuple(_of_row(row) for row in self._do(lambda db: db.execute(query, asked).fetchall()))

    def briefs(self, kind: str) -> dict[str, Brief]:
        """All runs of a kind in brief, by id."""
        rows = self._do(lambda db: db.execute(_BRIEFS, (kind,)).fetchall())
        return {brief.id: brief for brief in map(Brief._make, rows)}

    def submit(self, spec: RunSpec, resolved: Mapping[str, Any]) -> tuple[Run, bool]:
        """The run of a spec, and whether it was there already (queued, running or succeeded).

        A run that failed, was cancelled or interrupted is queued again; its resolved.json stays as first written.
        """
        folder = self.folder(spec.id)
        reused = False
        _private(folder)

        def change(found: Run | None, db: sqlite3.Connection) -> Run | None:
            nonlocal reused
            reused = found is not None and found.state in SAME
            if reused:
                return None
            faults.point("submit.begin")
            if not (folder / "resolved.json").exists():
                write_json(folder / "resolved.json", resolved)
            faults.point("submit.resolved")
            write_json(folder / "spec.json", spec.to_json())
            faults.point("submit.spec")
            position = 1 + (db.execute("SELECT max(position) FROM runs").fetchone()[0] or 0)
            lane = KINDS[spec.kind].slot
            new = Run(spec.id, spec.kind, "queued", 0, position, time.time(), lane=lane)
            if found is None:
                return new
            return replace(new, attempt=found.attempt, started=found.started, halvings=found.halvings)

        return self._change(spec.id, change, "submit")[1], reused

    def transition(
        self, id: str, old: Collection[State], new: State, *, of_attempt: int | None = None, **fields: Any
    ) -> bool:
        """Compare and set: `new` where the state is in `old` (and the attempt is `of_attempt`), otherwise False."""

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            if run is None or run.state not in old or of_attempt not in (None, run.attempt):
                return None
            return replace(run, state=new, **fields)

        return self._change(id, change, new)[0]

    def cancel(self, id: str) -> bool:
        """Cancel a run that waits, for a slot or to go on by itself; False where it doesn't."""

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            if run is None or not run.pending or run.state == "running":
                return None
            return replace(run, state="cancelled", ended=time.time(), error=None, due_boot=None, due_at=None)

        return self._change(id, change, "cancel")[0]

    def claim(self, id: str, slot: str = "light") -> Run | None:
        """Start the next attempt of a queued run in a slot; None where it isn't queued any more."""

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            if run is None or run.state != "queued":
                return None
            started = run.started or time.time()
            return replace(run, state="running", attempt=run.attempt + 1, started=started, slot=slot)

        changed, run = self._change(id, change, "claim")
        return run if changed else None

    def end(self, id: str, exit: Exit) -> bool:
        """Record how an attempt ended, and whether the run goes on by itself; False where that is known already."""

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            return after(run, exit) if run and (run.state, run.attempt) == ("running", exit.attempt) else None

        return self._change(id, change, "end")[0]

    def resume(self, id: str) -> bool:
        """Queue an interrupted run whose time has come; False where it has not, or somebody was faster."""

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            return again(run) if run and run.state == "interrupted" and run.due else None

        return self._change(id, change, "resume")[0]

    def move(self, ids: Sequence[str], where: Literal["first", "last"]) -> None:
        """Bring queued runs to the front or the end of the line, in the order given; what isn't queued stays.

        Raises CoreError `run_unknown`.
        """
        for id in ids if where == "last" else reversed(ids):

            def change(run: Run | None, db: sqlite3.Connection) -> Run | None:
                if run is None or run.state != "queued":
                    return None
                edges = "SELECT min(position) - 1, max(position) + 1 FROM runs WHERE state = 'queued'"
                first, last = db.execute(edges).fetchone()
                return replace(run, position=first if where == "first" else last)

            self._change(id, change, "move")

    def forget(self, id: str) -> None:
        """Remove the row of a run whose folder is gone."""
        self._do(lambda db: db.execute("DELETE FROM runs WHERE id = ?", (id,)), write=True)

    def remove(self, id: str, place: Path) -> None:
        """Move the folder of an ended run to `place` and drop its row; nobody can start the run in between.

        Raises CoreError `run_unknown`, `run_active`.
        """
        self.remove_all({id: place})

    def remove_all(self, places: Mapping[str, Path]) -> None:
        """`remove` for several runs, each to its place, in one go: all of them, or none."""

        def work(db: sqlite3.Connection) -> None:
            for id in places:
                run = _select(db, id)
                if run is None:
                    raise CoreError("run_unknown", {"id": id})
                if run.pending:
                    raise CoreError("run_active", {"id": id}, "hint_run_active")
            moved: list[str] = []
            try:
                for id, place in places.items():
                    if self.folder(id).exists():
                        self.folder(id).rename(place)
                        moved.append(id)
                db.executemany("DELETE FROM runs WHERE id = ?", [(id,) for id in places])
            except BaseException:
                for id in moved:
                    places[id].rename(self.folder(id))
                raise

        self._do(work, write=True)

    def adopt(self, id: str) -> Run:
        """Take in a run whose folder is there already: brought back from the trash, or finished elsewhere.

        Raises CoreError `run_unknown` where the folder holds no run.
        """
        return self.adopt_all([id])[0]

    def adopt_all(self, ids: Collection[str]) -> tuple[Run, ...]:
        """`adopt` for several runs, in one go."""
        found = {id: derived(self.folder(id)) for id in ids}

        def work(db: sqlite3.Connection) -> tuple[Run, ...]:
            known: list[Run] = []
            for id, run in found.items():
                if run is None:
                    raise CoreError("run_unknown", {"id": id})
                there = _select(db, id)
                if there is None:
                    _put(db, run)
                known.append(there or run)
            return tuple(known)

        return self._do(work, write=True)

    def rebuild(self) -> None:
        """Set the database aside and make it anew from the run folders."""
        with locked(self._guard):
            self._remake()

    def _change(
        self, id: str, change: Callable[[Run | None, sqlite3.Connection], Run | None], name: str
    ) -> tuple[bool, Run]:
        """Replace a run by what `change` makes of it (None: leave it). -> (changed, the run now)

        What it is now is what its folder says; the row follows. An event on the disk is what counts: a process that
        dies between that and the row leaves a row that the next change, or a look at the folders, sets right.
        Passes the fault points `<name>.noted` and `<name>.kept`. Raises CoreError `run_unknown`.
        """
        folder = self.folder(id)

        def work(db: sqlite3.Connection) -> tuple[Run | None, Run | None]:
            row = _select(db, id)
            before = noted(folder) or row if (folder / "spec.json").exists() else None
            now = change(before, db)
            if now is not None:
                assert (before.state if before else None, now.state) in MOVES
                note(folder, before, now)
                faults.point(f"{name}.noted")
            known = now or before
            if known is not None and known != row:
                _put(db, known)
            return before, now

        before, now = self._do(work, write=True)
        faults.point(f"{name}.kept")
        known = now or before
        if known is None:
            raise CoreError("run_unknown", {"id": id})
        return now is not None, known

    def _do(self, work: Callable[[sqlite3.Connection], T], write: bool = False) -> T:
        for second in (False, True):
            try:
                with locked(self._guard, shared=True), closing(self._open()) as db:
                    return _transaction(db, work) if write else work(db)
            except (sqlite3.DatabaseError, _UnusableError, OSError) as error:
                if second or not _unusable(error):
                    raise _translated(error) from error
            self._restore()
        raise AssertionError

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version > VERSION:
                raise CoreError("database_newer", {"found": version, "known": VERSION}, "hint_database_newer")
            if version < VERSION:
                raise _UnusableError
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    def _restore(self) -> None:
        """Make the database anew, unless somebody else just did."""
        with locked(self._guard):
            try:
                with closing(self._open()) as db:
                    _settle(db)
            except (sqlite3.DatabaseError, _UnusableError) as error:
                if not _unusable(error):
                    raise _translated(error) from error
                self._remake()

    def _remake(self) -> None:
        stamp = time.time_ns()
        for suffix in ("", "-journal", "-wal", "-shm"):
            part = self._beside(suffix)
            if part.exists():
                part.rename(f"{self.path}.aside-{stamp}{suffix}")
        fresh = self.root / f"{DRAFT}runs.db"
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        found = (derived(folder) for folder in sorted((self.root / "runs").iterdir()) if folder.is_dir())
        with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
            db.executescript(f"BEGIN; {_SCHEMA}")
            for run in found:
                if run is not None:
                    _put(db, run)
            db.execute("COMMIT")
        fresh.rename(self.path)
        sync_folder(self.root)


class _UnusableError(Exception):
    """A database that must be made anew from the folders."""


def journal_mode(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """WAL only where SQLite's reset race is mended (3.51.3, 3.50.7, 3.44.6)."""
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return "wal" if mended else "delete"


def _settle(db: sqlite3.Connection) -> None:
    """Check a database that is met for the first time, and put it into the journal mode of this SQLite."""
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise _UnusableError
    if db.execute("PRAGMA journal_mode").fetchone()[0] != journal_mode():
        db.execute(f"PRAGMA journal_mode = {journal_mode()}")


def _transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _select(db: sqlite3.Connection, id: str) -> Run | None:
    row = db.execute("SELECT * FROM runs WHERE id = ?", (id,)).fetchone()
    return None if row is None else _of_row(row)


def _of_row(row: tuple[Any, ...]) -> Run:
    run = Run(*row)
    return run if run.error is None else replace(run, error=json.loads(cast(str, run.error)))


def _put(db: sqlite3.Connection, run: Run) -> None:
    error = None if run.error is None else json.dumps(run.error)
    db.execute(_PUT, {name: getattr(run, name) for name in _COLUMNS} | {"error": error})


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _unusable(error: Exception) -> bool:
    return isinstance(error, _UnusableError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _REMADE


def _translated(error: Exception) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CoreError("database_busy", {"seconds": BUSY_SECONDS}, "hint_database_busy")
    full = isinstance(error, OSError) and disk_full(error)
    if full or code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return CoreError("disk_full", {"what": str(error)}, "hint_disk_full")
    return error
