"""Starting queued runs while a slot is free, ending rows whose processes are gone, and going on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from core.errors import CoreError
from core.jobs import faults, idle
from core.jobs.folder import PROCESSES, exit_of, held, hold, locked, mark_of, read_object, take
from core.jobs.process import Identity, alive, boottime, marked, send
from core.jobs.run import Exit, Run
from core.jobs.store import Store
from core.runs import KINDS

CODE = Path(__file__).resolve().parents[2]  # the folder that holds the package `core`
MARK = "PEIBI_ATTEMPT"  # in the environment of every process of an attempt: which one it belongs to
_WAITER = "resume.lock"  # held by the one process that waits for what goes on by itself
_LOCK_SECONDS = 1.0  # how long a lock that somebody only looks at is waited for
_GONE_SECONDS = 2.0  # how long processes that were killed are waited for
_LONGEST_NAP = 5.0  # seconds between two looks of the process that waits for what goes on by itself
_NEXT_LOOK = 1.0  # seconds between two looks of it while a run waits for others, which it queued and can't start
_AT_ONCE = {"train": 1, "light": 1, "wait": 8}  # runs of a lane that run at once; those that wait only sleep
_children: list[subprocess.Popen[bytes]] = []  # processes that this one started, kept only to be reaped


def dispatch(root: Path) -> list[str]:
    """Start queued runs, first come first served, while a slot of their lane is free. -> ids started

    A slot is taken as long as a run that has it lives: the kernel frees a run's lock with its last process. Before
    that, runs whose processes are gone are ended, and interrupted ones whose time has come are queued again; for
    those whose time is to come, and for what a waiting run queues, a small process waits. Any process may call it at
    any time but that of a run: what it starts would end with the run.
    """
    store = Store(root)
    _children[:] = [child for child in _children if child.poll() is None]
    started: list[str] = []
    with turn(store.root):
        taken = {run.slot for run in reconcile(store)}
        for run in store.pending():
            if run.due:
                store.resume(run.id)
        queued = [run for run in reversed(store.pending()) if run.state == "queued"]
        lanes = slots(store.root) if queued else {}
        for run in queued:
            free = next((slot for slot in lanes.get(run.lane, ()) if slot not in taken), None)
            if free is None:
                continue
            if _shares(run) and idle.stands_by(store.root, free, run.submitted):
                taken.add(free)
            elif _start(store, run, free):
                taken.add(free)
                started.append(run.id)
    if _times(store):
        _wait_elsewhere(store.root)
    return started


def follow(root: Path, slot: str) -> tuple[Run, int] | None:
    """What the process that has a slot is to carry out next, claimed for it, and its lock; None: it is to end.

    Only what waits first in the lane, of a kind that shares a process, and never what went wrong before. Called by who
    holds `turn`, from before the end of the run that had the slot or from when it was `vacant`.
    """
    store = Store(root)
    lane = next((name for name, free in slots(store.root).items() if slot in free), "")
    first = next((run for run in reversed(store.pending()) if run.state == "queued" and run.lane == lane), None)
    if first is None or not _shares(first):
        return None
    lock = _lock(store.folder(first.id))
    claimed = store.claim(first.id, slot) if lock is not None else None
    if lock is not None and claimed is None:
        os.close(lock)
    return (claimed, lock) if claimed is not None and lock is not None else None


def _shares(run: Run) -> bool:
    """Whether a process that carried out another run may carry out this one."""
    return KINDS[run.kind].shares and not run.resumes and not run.halvings


def vacant(root: Path, slot: str) -> bool:
    """Whether no run has a slot. Called by who holds `turn`."""
    return all(run.slot != slot for run in reconcile(Store(root)))


def turn(root: Path) -> AbstractContextManager[None]:
    """While it is held, nobody else gives slots away."""
    return locked(root / "dispatch.lock")


def look_after(root: Path) -> CoreError | None:
    """`dispatch` for who came to look: a full disk, on which nothing can be started, is told and does not stop it."""
    try:
        dispatch(root)
    except CoreError as error:
        if error.code != "disk_full":
            raise
        return error
    return None


def slots(root: Path) -> Mapping[str, Sequence[str]]:
    """The slots by lane: one a GPU for trainings, without one those of the processor; light work; runs that wait.

    `slots.json` in the workspace may say how many: {"train": 2, "light": 4}; a number for trainings counts where
    there is no GPU.
    """
    from core.jobs.machine import gpus

    asked = read_object(root / "slots.json") or {}
    number = {lane: asked[lane] if isinstance(asked.get(lane), int) else most for lane, most in _AT_ONCE.items()}
    train = [f"gpu:{name}" for name in gpus()] or [f"cpu:{at}" for at in range(number["train"])]
    return {"train": train} | {lane: [f"{lane}:{at}" for at in range(number[lane])] for lane in ("light", "wait")}


def reconcile(store: Store) -> list[Run]:
    """End every run that is called running and has no process any more. -> those that do run."""
    living: list[Run] = []
    for run in store.pending():
        folder = store.folder(run.id)
        if not (folder / "spec.json").is_file():
            store.forget(run.id)
        elif run.state == "running" and _lives(folder, run.attempt):
            living.append(run)
        elif run.state == "running":
            store.end(run.id, exit_of(folder, run.attempt))
    return living


def _lives(folder: Path, attempt: int) -> bool:
    """Whether an attempt goes on. What it left behind, when its supervisor was killed, is ended."""
    supervisor = _supervisor(folder, attempt)
    if supervisor is None or alive(supervisor) or not (folder / "lock").exists():
        return held(folder)
    end = time.monotonic() + _GONE_SECONDS
    while (left := marked(MARK, _mark(folder, attempt))) and time.monotonic() < end:
        for who in left:
            send(who, signal.SIGKILL)
        time.sleep(0.01)
    return held(folder)


def _mark(folder: Path, attempt: int) -> str:
    """What the processes of an attempt are marked with: one that had others before is marked as the first of them."""
    found = read_object(folder / PROCESSES) or {}
    return str(found["mark"]) if "mark" in found and found.get("attempt") == attempt else mark_of(folder, attempt)


def _supervisor(folder: Path, attempt: int) -> Identity | None:
    """Who supervises an attempt; None where that was not written yet."""
    found = read_object(folder / PROCESSES) or {}
    return Identity(**found["supervisor"]) if found.get("attempt") == attempt else None


def settled(root: Path, ids: Collection[str]) -> bool:
    """Whether all these runs have ended, for good. One look: call it again, with `dispatch` in between, to wait."""
    store = Store(root)
    return not any(store.get(id).pending for id in ids)


def _start(store: Store, run: Run, slot: str) -> bool:
    """Claim a run and start its supervisor, which inherits the lock; False where another process was faster."""
    folder = store.folder(run.id)
    lock = _lock(folder)
    if lock is None:
        return False
    with open(lock, "rb", buffering=0), (folder / "log.txt").open("ab") as log:
        claimed = store.claim(run.id, slot)
        if claimed is None:
            return False
        command = [sys.executable, "-m", "core.jobs.supervisor", str(store.root), run.id]
        command += [str(claimed.attempt), str(lock)]
        faults.point("spawn.begin")
        try:
            _children.append(spawn(command, log=log.fileno(), keep=(lock,)))
        except OSError as error:
            problem = CoreError("internal", {"what": str(error)}, "hint_log").to_json()
            store.end(run.id, Exit(claimed.attempt, "failed", time.time(), error=problem))
            return False
        faults.point("spawn.done")
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


def _wait_elsewhere(root: Path) -> None:
    """See to it that one process of this workspace waits for what there is to do that nobody comes for."""
    waiter = take(root / _WAITER)
    if waiter is None:
        return
    with open(waiter, "rb", buffering=0), open(os.devnull, "wb") as nowhere:
        command = [sys.executable, "-m", "core.jobs.dispatch", str(root), str(waiter)]
        _children.append(spawn(command, log=nowhere.fileno(), keep=(waiter,)))


def wait_for_due(root: Path) -> None:
    """Dispatch whenever an interrupted run may go on, and now and then while one waits for others, until there is
    none of either, or the workspace is gone."""
    store = Store(root)
    while times := _times(store):
        time.sleep(max(0.05, min(_LONGEST_NAP, min(times) - boottime())))
        if not store.path.exists():
            return
        dispatch(root)


def _times(store: Store) -> list[float]:
    """When there may be something to do that nobody else comes for, in seconds since the boot."""
    pending = store.pending()
    due = [run.due_at for run in pending if run.due_at is not None]
    waiting = any(run.lane == "wait" and run.state == "running" for run in pending)
    return [*due, boottime() + _NEXT_LOOK] if waiting else due


def main(arguments: Sequence[str]) -> None:
    """Arguments: workspace; and the lock of the process that waits, as an open file, for that one."""
    root = Path(arguments[0])
    if not (root / "runs.db").exists():  # the workspace was moved away: none is to be made in its place
        return
    if len(arguments) == 1:
        dispatch(root)
        return
    waiter: int | None = int(arguments[1])
    while waiter is not None:
        os.set_inheritable(waiter, False)
        wait_for_due(root)
        os.close(waiter)
        left = (root / "runs.db").exists() and bool(_times(Store(root)))
        waiter = take(root / _WAITER) if left else None  # what was interrupted just when this one gave up


if __name__ == "__main__":
    main(sys.argv[1:])
