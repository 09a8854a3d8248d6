"""The run store: rows of SQLite as a cache of the run folders, which alone hold what happened."""

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from core.errors import CoreError
from core.jobs import faults
from core.jobs.database import Database, put, run_of, select
from core.jobs.folder import cancel_file, derived, note, noted, write_json
from core.jobs.run import Exit, Run, after, again
from core.runs import KINDS, MOVES, RunSpec, State

SAME: frozenset[State] = frozenset({"queued", "running", "succeeded"})  # in these, a spec submitted again *is* that run
_ORDER = "ORDER BY position DESC, submitted DESC, id"
_LIST = f"SELECT * FROM runs WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR state = ?2) {_ORDER} LIMIT ?3"
_PENDING = f"SELECT * FROM runs WHERE state IN ('queued', 'running') OR due_at IS NOT NULL {_ORDER}"
_SINCE = f"SELECT * FROM runs WHERE ended >= ? {_ORDER}"
_AMONG = "id IN (SELECT value FROM json_each(?))"
_FIND = f"SELECT * FROM runs WHERE {_AMONG} ORDER BY submitted DESC, id LIMIT ?"
_BESIDES = f"SELECT * FROM runs WHERE NOT {_AMONG} {_ORDER} LIMIT ?"
_BRIEFS = "SELECT id, state, state IN ('queued', 'running') OR due_at IS NOT NULL, score FROM runs WHERE kind = ?"


class Brief(NamedTuple):
    """The little of a run that a list of ten thousand needs."""

    id: str
    state: State
    pending: bool  # see Run.pending; as SQLite has it, 0 or 1
    score: float | None


class Store:
    """The runs of one workspace. Many processes and threads may use it at once. Raises what core.jobs.database does."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._database = Database(self.root)
        self._do, self.path, self.rebuild = self._database.do, self._database.path, self._database.rebuild

    def folder(self, id: str) -> Path:
        return self.root / "runs" / id

    def get(self, id: str) -> Run:
        """Raises CoreError `run_unknown`."""
        run = self._do(lambda db: select(db, id))
        if run is None:
            raise CoreError("run_unknown", {"id": id})
        return run

    def list(self, kind: str | None = None, state: State | None = None, limit: int | None = None) -> tuple[Run, ...]:
        """The runs of a kind and state, the last submitted first."""
        rows = self._do(lambda db: db.execute(_LIST, (kind, state, -1 if limit is None else limit)).fetchall())
        return tuple(run_of(row) for row in rows)

    def pending(self) -> tuple[Run, ...]:
        """The runs that run, wait for a slot or go on by themselves, the last submitted first."""
        return tuple(run_of(row) for row in self._do(lambda db: db.execute(_PENDING).fetchall()))

    def since(self, time: float) -> tuple[Run, ...]:
        """The runs that ended (were interrupted, too) at a time or after it; unix seconds."""
        return tuple(run_of(row) for row in self._do(lambda db: db.execute(_SINCE, (time,)).fetchall()))

    def find(self, ids: Collection[str], limit: int | None = None) -> tuple[Run, ...]:
        """Those of some runs that exist, the last submitted first."""
        asked = (json.dumps([*ids]), -1 if limit is None else limit)
        return tuple(run_of(row) for row in self._do(lambda db: db.execute(_FIND, asked).fetchall()))

    def besides(self, ids: Collection[str], limit: int) -> tuple[Run, ...]:
        """The newest of all runs but those, the last submitted first."""
        asked = (json.dumps([*ids]), limit)
        return tuple(run_of(row) for row in self._do(lambda db: db.execute(_BESIDES, asked).fetchall()))

    def starting(self, prefix: str) -> tuple[Run, ...]:
        """The runs whose ids begin so."""
        asked = (prefix, prefix + "\U0010ffff")
        query = "SELECT * FROM runs WHERE id >= ? AND id < ?"
        return tuple(run_of(row) for row in self._do(lambda db: db.execute(query, asked).fetchall()))

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
        folder.mkdir(mode=0o700, exist_ok=True)

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

    def cancel(self, id: str) -> bool:
        """Cancel a run that waits, for a slot or to go on by itself; one that runs is asked to stop at its next step.

        False where it was not cancelled there and then: it runs, or has ended. Nothing comes in between: either the
        end of an attempt sees that it was asked, or this sees that it has ended. Raises CoreError `run_unknown`.
        """

        def change(run: Run | None, _: sqlite3.Connection) -> Run | None:
            if run is None or not run.pending:
                return None
            if run.state == "running":
                cancel_file(self.folder(id), run.attempt).touch()
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
            if run is None or (run.state, run.attempt) != ("running", exit.attempt):
                return None
            now = after(run, exit)
            if now.pending and cancel_file(self.folder(id), exit.attempt).exists():  # asked while it was ending
                return replace(now, state="cancelled", error=None, resumes=run.resumes, due_boot=None, due_at=None)
            return now

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
                run = select(db, id)
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
                there = select(db, id)
                if there is None:
                    put(db, run)
                known.append(there or run)
            return tuple(known)

        return self._do(work, write=True)

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
            row = select(db, id)
            before = noted(folder) or row if (folder / "spec.json").exists() else None
            now = change(before, db)
            if now is not None:
                assert (before.state if before else None, now.state) in MOVES
                note(folder, before, now)
                faults.point(f"{name}.noted")
            known = now or before
            if known is not None and known != row:
                put(db, known)
            return before, now

        before, now = self._do(work, write=True)
        faults.point(f"{name}.kept")
        known = now or before
        if known is None:
            raise CoreError("run_unknown", {"id": id})
        return now is not None, known
