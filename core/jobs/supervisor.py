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
from core.jobs import faults
from core.jobs.dispatch import MARK
from core.jobs.folder import (
    CANCELLED,
    DISK_FULL,
    DRAFT,
    PROCESSES,
    cancel_file,
    mark_of,
    noted,
    read_object,
    stalled_file,
    tail,
    write_json,
)
from core.jobs.process import identity
from core.jobs.run import Exit
from core.jobs.store import Store
from core.jobs.watch import Meter, Pulse, kernel_kills
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
    slot: str

    @property
    def folder(self) -> Path:
        return self.root / "runs" / self.id

    @property
    def cancel(self) -> Path:
        return cancel_file(self.folder, self.number)

    @property
    def gpu(self) -> str | None:
        """The GPU of its slot, as CUDA_VISIBLE_DEVICES names it."""
        return self.slot.removeprefix("gpu:") if self.slot.startswith("gpu:") else None


def main(arguments: Sequence[str]) -> None:
    """Arguments: workspace, run id, attempt, descriptor of the lock."""
    root, id, number, lock = arguments
    run = noted(Path(root) / "runs" / id)
    attempt = Attempt(Path(root), id, int(number), int(lock), run.slot or "" if run else "")
    if run is not None and run.resumes:
        faults.disarm()  # a fault strikes a run once: what goes on after it goes on undisturbed
    try:
        supervise(attempt)
    finally:
        _dispatch(attempt)


def supervise(attempt: Attempt) -> None:
    """Carry an attempt from start to end. exit.json is written first, then the lock is freed, then the row set."""
    began, kills = time.monotonic(), kernel_kills()
    faults.point("supervisor.begin")
    _clear(attempt)
    reserve = attempt.folder / "reserve"
    with suppress(OSError):  # a disk full already is the trainer's to tell
        reserve.write_bytes(bytes(RESERVE))
        sys.stderr.write(f"attempt {attempt.number}\n")
        sys.stderr.flush()
    _adopt()
    _tell_who(attempt, None)
    faults.point("supervisor.ready")
    trainer = _start(attempt)
    _tell_who(attempt, trainer.pid)
    faults.point("supervisor.started")
    _wait(trainer, attempt)
    _end_tree(trainer)
    code = trainer.wait()
    faults.point("supervisor.waited")
    state, error = judge(attempt, code, kernel_kills() > kills)
    score = (read_object(attempt.folder / "result.json") or {}).get("best_dev") if state == "succeeded" else None
    took = round(time.monotonic() - began, 3)
    exit = Exit(attempt.number, state, time.time(), code, _signal_name(code), error, took, score)
    reserve.unlink(missing_ok=True)
    _record(attempt, exit)


def _record(attempt: Attempt, exit: Exit) -> None:
    """Write down how it ended. An attempt that is not the newest any more has nothing to say."""
    now = noted(attempt.folder)
    if now is None or now.attempt == attempt.number:
        write_json(attempt.folder / "exit.json", asdict(exit))
        faults.point("supervisor.exit")
    stalled_file(attempt.folder, attempt.number).unlink(missing_ok=True)
    os.close(attempt.lock)
    faults.point("supervisor.freed")
    Store(attempt.root).end(attempt.id, exit)
    attempt.cancel.unlink(missing_ok=True)


def judge(attempt: Attempt, code: int, kernel_killed: bool = False) -> tuple[State, Mapping[str, Any] | None]:
    """The final state and the error of an attempt. `code`: the trainer's exit code; negative: killed by a signal.

    `kernel_killed`: the kernel killed some process for want of memory meanwhile.
    """
    if code == 0 and (attempt.folder / "result.json").exists():
        return "succeeded", None
    if code != 0 and attempt.cancel.exists():
        return "cancelled", None
    if code == -signal.SIGKILL and kernel_killed:
        return "failed", CoreError("out_of_memory", {"what": ""}, "hint_memory").to_json()
    if code < 0 or code == CANCELLED:  # nobody asked for it: a signal from outside
        name = _signal_name(code) or "SIGTERM"
        return "interrupted", CoreError("run_killed", {"signal": name}, "hint_resumes").to_json()
    return "failed", _why(attempt, code)


def _why(attempt: Attempt, code: int) -> Mapping[str, Any]:
    """The error of an attempt that failed."""
    left = read_object(attempt.folder / "error.json")
    if left is not None and code != 0:
        return left
    if code == DISK_FULL:  # too full even for error.json
        return CoreError("disk_full", {"what": ""}, "hint_disk_full").to_json()
    last = tail(attempt.folder / "log.txt").strip().rpartition("\n")[2]
    return CoreError("internal", {"what": last}, "hint_log").to_json()


def _tell_who(attempt: Attempt, trainer: int | None) -> None:
    """Write down who supervises, and who works, so that what they leave behind can be told from strangers."""
    pids = {"supervisor": os.getpid()} | ({} if trainer is None else {"trainer": trainer})
    found = {role: identity(pid) for role, pid in pids.items()}
    who = {role: asdict(process) for role, process in found.items() if process is not None}
    with suppress(OSError):
        write_json(attempt.folder / PROCESSES, {"attempt": attempt.number} | who)


def _clear(attempt: Attempt) -> None:
    """Remove what earlier attempts left that could be taken for this one's."""
    for name in ("error.json", "result.json"):
        (attempt.folder / name).unlink(missing_ok=True)
    for pattern in (f"{DRAFT}*", "cancel-*", "stalled-*"):
        for path in set(attempt.folder.glob(pattern)) - {attempt.cancel}:
            path.unlink(missing_ok=True)


def _start(attempt: Attempt) -> subprocess.Popen[bytes]:
    """The trainer, in a process group of its own; what is set here is in its environment alone, and its children's."""
    own = [f"{MARK}={mark_of(attempt.folder, attempt.number)}"]
    if attempt.gpu is not None:
        own += ["CUDA_DEVICE_ORDER=PCI_BUS_ID", f"CUDA_VISIBLE_DEVICES={attempt.gpu}"]  # as NVML counts them
    command = ["env", *own, sys.executable, "-m", "core.jobs.trainer", str(attempt.root), attempt.id]
    command += [str(attempt.number), str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(attempt.lock,), process_group=0)


def _wait(trainer: subprocess.Popen[bytes], attempt: Attempt) -> None:
    """Wait for the end of the trainer; it sees a cancellation itself and is forced if it doesn't follow."""
    asked: float | None = None
    steps = [(TERM_AFTER, signal.SIGTERM), (KILL_AFTER, signal.SIGKILL)]
    pulse = Pulse(attempt.folder, attempt.number)
    gpu = int(attempt.gpu) if attempt.gpu is not None and attempt.gpu.isdecimal() else None
    meter = Meter(attempt.folder, attempt.number, trainer.pid, gpu)
    last = time.monotonic()
    while not _ended(trainer):
        time.sleep(POLL)
        now = time.monotonic()
        pulse.look(min(now - last, 2 * POLL))
        meter.look()
        last = now
        if asked is None and attempt.cancel.exists():
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
    faults.disarm()
    command = [sys.executable, "-m", "core.jobs.dispatch", str(attempt.root)]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


if __name__ == "__main__":
    main(sys.argv[1:])
