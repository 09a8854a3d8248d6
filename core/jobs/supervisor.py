"""The supervisor of one attempt: starts the trainer, waits, stops it on request, and records how it ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs.folder import CANCELLED, DISK_FULL, DRAFT, Exit, cancel_file, read_object, tail, write_json
from core.jobs.store import Store
from core.runs import State

POLL = 0.1  # seconds
TERM_AFTER, KILL_AFTER = 10.0, 30.0  # seconds after a cancellation that the trainer doesn't follow by itself
GONE_AFTER = 2.0  # seconds until what was killed is taken for gone
RESERVE = 65536  # bytes kept free for the record of how it ended, should the disk fill up
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Attempt:
    """One attempt of a run. `lock`: the descriptor whose flock lives as long as the process tree."""

    root: Path
    id: str
    number: int
    lock: int
    slots: int

    @property
    def folder(self) -> Path:
        return self.root / "runs" / self.id

    @property
    def cancel(self) -> Path:
        return cancel_file(self.folder, self.number)


def main(arguments: Sequence[str]) -> None:
    """Arguments: workspace, run id, attempt, descriptor of the lock, slots."""
    root, id, number, lock, slots = arguments
    attempt = Attempt(Path(root), id, int(number), int(lock), int(slots))
    try:
        supervise(attempt)
    finally:
        _dispatch(attempt)


def supervise(attempt: Attempt) -> None:
    """Carry an attempt from start to end. exit.json is written first, then the lock is freed, then the row set."""
    began = time.monotonic()
    _clear(attempt)
    reserve = attempt.folder / "reserve"
    with suppress(OSError):  # a disk full already is the trainer's to tell
        reserve.write_bytes(bytes(RESERVE))
        sys.stderr.write(f"attempt {attempt.number}\n")
        sys.stderr.flush()
    _adopt()
    trainer = _start(attempt)
    _wait(trainer, attempt.cancel)
    _end_tree(trainer)
    code = trainer.wait()
    state, error = judge(attempt, code)
    exit = Exit(attempt.number, state, time.time(), code, _signal_name(code), error, round(time.monotonic() - began, 3))
    reserve.unlink(missing_ok=True)
    write_json(attempt.folder / "exit.json", asdict(exit))
    attempt.cancel.unlink(missing_ok=True)
    os.close(attempt.lock)
    Store(attempt.root).end(attempt.id, exit)


def judge(attempt: Attempt, code: int) -> tuple[State, Mapping[str, Any] | None]:
    """The final state and the error of an attempt. `code`: the trainer's exit code; negative: killed by a signal."""
    if code == 0 and (attempt.folder / "result.json").exists():
        return "succeeded", None
    if code != 0 and attempt.cancel.exists():
        return "cancelled", None
    if code < 0 or code == CANCELLED:  # nobody asked for it: a signal from outside
        name = _signal_name(code) or "SIGTERM"
        return "interrupted", CoreError("run_killed", {"signal": name}, "hint_resubmit").to_json()
    left = read_object(attempt.folder / "error.json")
    if left is not None and code != 0:
        return "failed", left
    if code == DISK_FULL:  # too full even for error.json
        return "failed", CoreError("disk_full", {"what": ""}, "hint_disk_full").to_json()
    last = tail(attempt.folder / "log.txt").strip().rpartition("\n")[2]
    return "failed", CoreError("internal", {"what": last}, "hint_log").to_json()


def _clear(attempt: Attempt) -> None:
    """Remove what earlier attempts left that could be taken for this one's."""
    for name in ("error.json", "result.json"):
        (attempt.folder / name).unlink(missing_ok=True)
    for path in [*attempt.folder.glob(f"{DRAFT}*"), *attempt.folder.glob("cancel-*")]:
        if path != attempt.cancel:
            path.unlink(missing_ok=True)


def _start(attempt: Attempt) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "core.jobs.trainer", str(attempt.root), attempt.id]
    command += [str(attempt.number), str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(attempt.lock,), process_group=0)


def _wait(trainer: subprocess.Popen[bytes], cancel: Path) -> None:
    """Wait for the end of the trainer; it sees a cancellation itself and is forced if it doesn't follow."""
    asked: float | None = None
    steps = [(TERM_AFTER, signal.SIGTERM), (KILL_AFTER, signal.SIGKILL)]
    while not _ended(trainer):
        time.sleep(POLL)
        if asked is None and cancel.exists():
            asked = time.monotonic()
        if asked is not None and steps and time.monotonic() - asked >= steps[0][0]:
            os.killpg(trainer.pid, steps.pop(0)[1])


def _ended(trainer: subprocess.Popen[bytes]) -> bool:
    """Whether the trainer has ended. It isn't reaped yet, so its process group can't be a stranger's."""
    if sys.platform == "darwin":
        return trainer.poll() is not None
    return os.waitid(os.P_PID, trainer.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_tree(trainer: subprocess.Popen[bytes]) -> None:
    """Kill and reap all that the trainer left behind, in its process group and outside it."""
    os.killpg(trainer.pid, signal.SIGKILL)
    trainer.wait()
    end = time.monotonic() + GONE_AFTER
    while time.monotonic() < end:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            for pid in _orphans():
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def _adopt() -> None:
    """Become the parent of whatever process of the tree loses its own."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _orphans() -> list[int]:
    """The adopted processes; as they are not reaped, no pid among them can be a stranger's."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _signal_name(code: int) -> str | None:
    return signal.Signals(-code).name if code < 0 else None


def _dispatch(attempt: Attempt) -> None:
    """Let a process that outlives this one start what is next."""
    command = [sys.executable, "-m", "core.jobs.dispatch", str(attempt.root), str(attempt.slots)]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


if __name__ == "__main__":
    main(sys.argv[1:])
