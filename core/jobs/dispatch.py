"""Starting queued runs while a slot is free, ending rows whose processes are gone, and cancelling."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from core.errors import CoreError
from core.jobs.folder import Exit, Run, cancel_file, exit_of, held, hold, locked
from core.jobs.store import Store
from core.runs import ACTIVE, KINDS

CODE = Path(__file__).resolve().parents[2]  # the folder that holds the package `core`
_LOCK_SECONDS = 1.0  # how long a lock that somebody only looks at is waited for
_children: list[subprocess.Popen[bytes]] = []  # supervisors of this process, kept only to be reaped


def dispatch(root: Path, slots: int = 1) -> list[str]:
    """Start queued runs, first come first served, while fewer than `slots` of their kind's slot run. -> ids started.

    An import does not wait for trainings: each slot of core.runs.KINDS is counted for itself.
    Runs whose processes are gone are ended first. Any process may call it at any time.
    """
    store = Store(root)
    _children[:] = [child for child in _children if child.poll() is None]
    started: list[str] = []
    with locked(store.root / "dispatch.lock"):
        used = Counter(_slot(run) for run in reconcile(store))
        for run in reversed(store.list(state="queued")):
            if not store.folder(run.id).is_dir():
                store.forget(run.id)
            elif used[_slot(run)] < slots and _start(store, run, slots):
                used[_slot(run)] += 1
                started.append(run.id)
    return started


def _slot(run: Run) -> str:
    return KINDS[run.kind].slot if run.kind in KINDS else "light"


def reconcile(store: Store) -> list[Run]:
    """End every run that is called running and has no process any more. -> those that do run."""
    alive: list[Run] = []
    for run in store.list(state="running"):
        folder = store.folder(run.id)
        if not folder.is_dir():
            store.forget(run.id)
        elif held(folder):
            alive.append(run)
        else:
            store.end(run.id, exit_of(folder, run.attempt))
    return alive


def cancel(root: Path, id: str) -> None:
    """Ask a run to stop: a queued one is cancelled at once, a running one at its next step, an ended one stays.

    Raises CoreError `run_unknown`.
    """
    store = Store(root)
    while True:
        run = store.get(id)
        if run.state == "running":
            cancel_file(store.folder(id), run.attempt).touch()
        elif run.state == "queued" and not store.transition(id, {"queued"}, "cancelled", ended=time.time()):
            continue  # it was started in between
        return


def settled(root: Path, ids: Collection[str]) -> bool:
    """Whether all these runs have ended. One look: call it again, with `dispatch` in between, to wait."""
    store = Store(root)
    return not any(store.get(id).state in ACTIVE for id in ids)


def _start(store: Store, run: Run, slots: int) -> bool:
    """Claim a run and start its supervisor, which inherits the lock; False where another process was faster."""
    folder = store.folder(run.id)
    lock = _lock(folder)
    if lock is None:
        return False
    with open(lock, "rb", buffering=0), (folder / "log.txt").open("ab") as log:
        claimed = store.claim(run.id)
        if claimed is None:
            return False
        command = [sys.executable, "-m", "core.jobs.supervisor", str(store.root), run.id]
        command += [str(claimed.attempt), str(lock), str(slots)]
        try:
            _children.append(spawn(command, log=log.fileno(), keep=(lock,)))
        except OSError as error:
            problem = CoreError("internal", {"what": str(error)}, "hint_log").to_json()
            store.end(run.id, Exit(claimed.attempt, "failed", time.time(), error=problem))
            return False
    return True


def spawn(command: Sequence[str], log: int, keep: Sequence[int]) -> subprocess.Popen[bytes]:
    """A process of its own session. It starts in the folder of the code, where `-m core...` finds the package."""
    return subprocess.Popen(
        command, cwd=CODE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=keep, start_new_session=True
    )


def _lock(folder: Path) -> int | None:
    """The lock of a queued run; somebody who looks whether it is free has it for a moment."""
    end = time.monotonic() + _LOCK_SECONDS
    while (descriptor := hold(folder)) is None and time.monotonic() < end:
        time.sleep(0.01)
    return descriptor


if __name__ == "__main__":
    dispatch(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
