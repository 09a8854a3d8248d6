"""What was expensive to ask and is asked again: texts by key, in an SQLite file among what can be made again.

Several processes may use it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

_BUSY = 30.0  # seconds that one process waits for another's write


class Remembered:
    """The texts of one table. `name`: of the file, without its ending, and of the table."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path, self._table = folder / f"{name}.db", name

    def find(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Those that are there."""
        found: dict[bytes, str] = {}
        with closing(self._open()) as db:
            for key in keys:
                row = db.execute(f"SELECT text FROM {self._table} WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = row[0]
        return found

    def keep(self, texts: Mapping[bytes, str]) -> None:
        """What is there already stays as it is."""
        with closing(self._open()) as db:
            db.executemany(f"INSERT OR IGNORE INTO {self._table} VALUES (?, ?)", texts.items())
            db.commit()

    def _open(self) -> sqlite3.Connection:
        """The file, made where somebody has cleaned it up, and anew where it is none any more."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connected()
        except sqlite3.OperationalError:  # busy, or the disk is full: no reason to give up what is there
            raise
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_BUSY)
        try:
            db.execute("PRAGMA synchronous = OFF")  # what a power cut loses is asked again
            db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} (key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")
            db.commit()
        except sqlite3.Error:
            db.close()
            raise
        return db
