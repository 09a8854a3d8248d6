"""The supervisor of one attempt: starts the trainer, waits, stops it on request, and records how it ended."""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs import faults, idle
from core.jobs.dispatch import MARK, Taken, follow, follow_later, turn
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
from core.jobs.run import Exit, Run
from core.jobs.store import Store
from core.jobs.watch import Meter, Pulse, kernel_kills
from core.runs import KINDS, State

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


@dataclass(frozen=True)
class Trainer:
    """The process that carries out attempts. `line`: to it, where it takes one after another; `mark`: what it and all
    that it starts are marked with."""

    process: subprocess.Popen[bytes]
    line: socket.socket | None
    mark: str


def main(arguments: Sequence[str]) -> None:
    """Arguments: workspace, run id, attempt, descriptor of the lock."""
    root, id, number, lock = arguments
    run = noted(Path(root) / "runs" / id)
    attempt = Attempt(Path(root), id, int(number), int(lock), run.slot or "" if run else "")
    if run is not None and run.resumes:
        faults.disarm()  # a fault strikes a run once: what goes on after it goes on undisturbed
    shares = run is not None and run.kind in KINDS and KINDS[run.kind].shares and not run.resumes
    try:
        supervise(attempt, shares)
    finally:
        _dispatch(attempt.root)


def supervise(attempt: Attempt, shares: bool = False) -> None:
    """Carry an attempt from start to end; after it, where its process may be shared, those that wait behind it."""
    _adopt()
    trainer: Trainer | None = None
    now: Attempt | None = attempt
    while now is not None:
        began, kills = time.monotonic(), kernel_kills()
        faults.point("supervisor.begin")
        reserve = _open(now)
        _tell_who(now, trainer)
        faults.point("supervisor.ready")
        trainer = _start(now, shares) if trainer is None else _hand_over(trainer, now)
        _tell_who(now, trainer)
        faults.point("supervisor.started")
        code = _wait(trainer, now)
        goes_on = code is not None
        if code is None:
            _end_tree(trainer.process)
            code = trainer.process.wait()
        faults.point("supervisor.waited")
        state, error = judge(now, code, kernel_kills() > kills)
        score = (read_object(now.folder / "result.json") or {}).get("best_dev") if state == "succeeded" else None
        took = round(time.monotonic() - began, 3)
        reserve.unlink(missing_ok=True)
        exit = Exit(now.number, state, time.time(), code, _signal_name(code), error, took, score)
        with turn(now.root) if goes_on else nullcontext():
            _record(now, exit)
            last, now = now, _next(now, follow) if goes_on else None
        if now is None and goes_on:
            now = _stand_by(last, trainer)
    if trainer is not None and trainer.process.returncode is None:
        _send_home(trainer)


def _open(attempt: Attempt) -> Path:
    """Clear the folder, and keep some of the disk free. -> the file that keeps it"""
    _clear(attempt)
    reserve = attempt.folder / "reserve"
    with suppress(OSError):  # a disk full already is the trainer's to tell
        reserve.write_bytes(bytes(RESERVE))
        sys.stderr.write(f"attempt {attempt.number}\n")
        sys.stderr.flush()
    return reserve


def _next(last: Attempt, claim: Callable[[Path, str], tuple[Run, int] | None]) -> Attempt | None:
    """The attempt at the run that waits behind another one; from here on, what is said goes into its log."""
    found = claim(last.root, last.slot)
    if found is None:
        return None
    run, lock = found
    log = os.open(last.root / "runs" / run.id / "log.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    return Attempt(last.root, run.id, run.attempt, lock, last.slot)


def _stand_by(last: Attempt, trainer: Trainer) -> Attempt | None:
    """Keep an idle trainer for what is queued while it is warm, see `core.jobs.idle`. -> the attempt that is next"""
    if not idle.seconds() or last.gpu is not None:
        return None
    end = time.monotonic() + idle.seconds()
    with idle.announced(last.root, last.slot), suppress(Taken):
        _adopt(False)  # what is started now is not this process's to end
        _dispatch(last.root).wait()
        _adopt()
        while time.monotonic() < end and not _ended(trainer.process) and idle.room():
            if not (last.root / "runs.db").exists():
                return None
            found = _next(last, follow_later)
            if found is not None:
                return found
            time.sleep(POLL)
    return None


def _hand_over(trainer: Trainer, attempt: Attempt) -> Trainer:
    """Give an idle trainer its next attempt; one that has ended meanwhile is found out by who waits for it."""
    assert trainer.line is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(trainer.line, [f"{attempt.id} {attempt.number}".encode()], [attempt.lock, 2])
    return trainer


def _send_home(trainer: Trainer) -> None:
    """Let an idle trainer end, and all that it left behind."""
    if trainer.line is not None:
        trainer.line.close()
    with suppress(subprocess.TimeoutExpired):
        trainer.process.wait(GONE_AFTER)
        return
    _end_tree(trainer.process)


def _record(attempt: Attempt, exit: Exit) -> None:
    """Write down how it ended, free the lock, then tell the store.

    An attempt that is not the newest any more has nothing to say.
    """
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


def _tell_who(attempt: Attempt, trainer: Trainer | None) -> None:
    """Write down who supervises, and who works, so that what they leave behind can be told from strangers."""
    pids = {"supervisor": os.getpid()} | ({} if trainer is None else {"trainer": trainer.process.pid})
    found = {role: identity(pid) for role, pid in pids.items()}
    who: dict[str, Any] = {role: asdict(process) for role, process in found.items() if process is not None}
    if trainer is not None:
        who["mark"] = trainer.mark
    with suppress(OSError):
        write_json(attempt.folder / PROCESSES, {"attempt": attempt.number} | who)


def _clear(attempt: Attempt) -> None:
    """Remove what earlier attempts left that could be taken for this one's."""
    for name in ("error.json", "result.json"):
        (attempt.folder / name).unlink(missing_ok=True)
    for pattern in (f"{DRAFT}*", "cancel-*", "stalled-*"):
        for path in set(attempt.folder.glob(pattern)) - {attempt.cancel}:
            path.unlink(missing_ok=True)


def _start(attempt: Attempt, shares: bool) -> Trainer:
    """The trainer, in a process group of its own; what is set here is in its environment alone, and its children's."""
    mark = mark_of(attempt.folder, attempt.number)
    own = [f"{MARK}={mark}"]
    if attempt.gpu is not None:
        own += ["CUDA_DEVICE_ORDER=PCI_BUS_ID", f"CUDA_VISIBLE_DEVICES={attempt.gpu}"]  # as NVML counts them
    ours, theirs = socket.socketpair() if shares else (None, None)
    command = ["env", *own, sys.executable, "-m", "core.jobs.trainer", str(attempt.root), attempt.id]
    command += [
        str(attempt.number),
        str(os.getpid()),
        str(attempt.lock),
        "-" if theirs is None else str(theirs.fileno()),
    ]
    passed = (attempt.lock,) if theirs is None else (attempt.lock, theirs.fileno())
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=passed, process_group=0)
    if theirs is not None:
        theirs.close()
    return Trainer(process, ours, mark)


def _wait(trainer: Trainer, attempt: Attempt) -> int | None:
    """Wait for the end of an attempt; it sees a cancellation itself and is forced if it doesn't follow.

    -> the code that it ended with, where its trainer waits for the next one; None: the trainer has ended.
    """
    asked: float | None = None
    steps = [(TERM_AFTER, signal.SIGTERM), (KILL_AFTER, signal.SIGKILL)]
    pulse = Pulse(attempt.folder, attempt.number)
    gpu = int(attempt.gpu) if attempt.gpu is not None and attempt.gpu.isdecimal() else None
    meter = Meter(attempt.folder, attempt.number, trainer.process.pid, gpu)
    last = time.monotonic()
    while not _ended(trainer.process):
        code = _told(trainer.line)
        if code is not None:
            return code
        now = time.monotonic()
        pulse.look(min(now - last, 2 * POLL))
        meter.look()
        last = now
        if asked is None and attempt.cancel.exists():
            asked = time.monotonic()
        if asked is not None and steps and time.monotonic() - asked >= steps[0][0]:
            os.killpg(trainer.process.pid, steps.pop(0)[1])
    return None


def _told(line: socket.socket | None) -> int | None:
    """The code that a trainer ended an attempt with, if it tells one within a moment."""
    if line is None:
        time.sleep(POLL)
        return None
    if not select.select([line], [], [], POLL)[0]:
        return None
    with suppress(ConnectionResetError):
        told = line.recv(16)
        if told:
            return int(told)
    time.sleep(POLL)  # it is ending
    return None


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


def _adopt(whatever: bool = True) -> None:
    """Become the parent of whatever process of the tree loses its own, or leave that to others."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(whatever))


def _orphans() -> list[int]:
    """The adopted processes; as they are not reaped, no pid among them can be a stranger's."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _signal_name(code: int) -> str | None:
    return signal.Signals(-code).name if code < 0 else None


def _dispatch(root: Path) -> subprocess.Popen[bytes]:
    """Let a process that outlives this one start what is next."""
    faults.disarm()
    command = [sys.executable, "-m", "core.jobs.dispatch", str(root)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


if __name__ == "__main__":
    main(sys.argv[1:])
