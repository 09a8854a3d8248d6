"""The database of a workspace, runs.db: a cache of the run folders, made anew from them whenever it is of no use."""

import json
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from core.errors import CoreError
from core.jobs.folder import DRAFT, derived, disk_full, locked, sync_folder
from core.jobs.run import Run

T = TypeVar("T")

VERSION = 2  # PRAGMA user_version
BUSY_SECONDS = 5.0
_LOOKS = (0.001, 0.01)  # seconds between two tries to write
_COLUMNS = tuple(field.name for field in fields(Run))
_SCHEMA = f"""
CREATE TABLE runs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
    position INTEGER NOT NULL, submitted REAL NOT NULL, {", ".join(_COLUMNS[6:])}) WITHOUT ROWID;
CREATE INDEX runs_order ON runs (position DESC, submitted DESC, id);
CREATE INDEX runs_pending ON runs (state, due_at);
PRAGMA user_version = {VERSION};
"""
_PUT = f"INSERT OR REPLACE INTO runs VALUES ({', '.join(':' + name for name in _COLUMNS)})"
_REMADE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN})
_checked: set[tuple[str, int]] = set()  # databases (path, inode) that this process has looked through


class Database:
    """One file of SQLite. Many processes and threads may use it at once: it holds no connection.

    Raises CoreError `database_newer`, `database_busy` (after 5 s), `disk_full`. A database that is missing, older or
    corrupt is set aside and made anew from the run folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "runs.db"
        self._guard = root / "runs.db.lock"  # shared by all users; whoever makes the database anew has it alone
        if self._known():
            self.do(lambda db: None)  # its version may have changed
            return
        (root / "runs").mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._beside("-shm").exists() and not self._beside("-wal").exists():
            self.rebuild()  # what was last committed is gone with the file that held it
        self.do(_settle)
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

    def rebuild(self) -> None:
        """Set the database aside and make it anew from the run folders."""
        with locked(self._guard):
            self._remake()

    def do(self, work: Callable[[sqlite3.Connection], T], write: bool = False) -> T:
        """What `work` gives, over a connection of its own; `write`: in a transaction that nobody else writes beside."""
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
                    put(db, run)
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
    _begin(db)
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _begin(db: sqlite3.Connection) -> None:
    """Take the right to write, within 5 s. SQLite looks for it ten times a second: one of several writers could miss it
    for seconds, as another one has it nearly always."""
    end = time.monotonic() + BUSY_SECONDS
    db.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(random.uniform(*_LOOKS))
    db.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")


def select(db: sqlite3.Connection, id: str) -> Run | None:
    """The row of a run."""
    row = db.execute("SELECT * FROM runs WHERE id = ?", (id,)).fetchone()
    return None if row is None else run_of(row)


def run_of(row: tuple[Any, ...]) -> Run:
    """A row, all its columns in their order, as a run."""
    run = Run(*row)
    return run if run.error is None else replace(run, error=json.loads(cast(str, run.error)))


def put(db: sqlite3.Connection, run: Run) -> None:
    """Write the row of a run."""
    error = None if run.error is None else json.dumps(run.error)
    db.execute(_PUT, {name: getattr(run, name) for name in _COLUMNS} | {"error": error})


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
