"""The supervisor of one attempt: starts the trainer, waits, stops it on request, and records how it ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.jobs import faults, idle
from core.jobs.attempt import Attempt, judge, signal_name
from core.jobs.dispatch import follow, turn, vacant
from core.jobs.folder import DRAFT, PROCESSES, noted, read_object, stalled_file, write_json
from core.jobs.process import identity
from core.jobs.run import Exit
from core.jobs.store import Store
from core.jobs.trainer_process import POLL, Trainer, adopt, end_tree, ended, hand_over, send_home, start, told
from core.jobs.watch import Meter, Pulse, kernel_kills
from core.runs import KINDS

TERM_AFTER, KILL_AFTER = 10.0, 30.0  # seconds after a cancellation that the trainer doesn't follow by itself
RESERVE = 65536  # bytes kept free for the record of how it ended, should the disk fill up


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
    adopt()
    trainer: Trainer | None = None
    now: Attempt | None = attempt
    while now is not None:
        began, kills = time.monotonic(), kernel_kills()
        faults.point("supervisor.begin")
        reserve = _open(now)
        _tell_who(now, trainer)
        faults.point("supervisor.ready")
        trainer = start(now, shares) if trainer is None else hand_over(trainer, now)
        _tell_who(now, trainer)
        faults.point("supervisor.started")
        code = _wait(trainer, now)
        goes_on = code is not None
        if code is None:
            end_tree(trainer.process)
            code = trainer.process.wait()
        faults.point("supervisor.waited")
        state, error = judge(now, code, kernel_kills() > kills)
        score = (read_object(now.folder / "result.json") or {}).get("best_dev") if state == "succeeded" else None
        took = round(time.monotonic() - began, 3)
        reserve.unlink(missing_ok=True)
        exit = Exit(now.number, state, time.time(), code, signal_name(code), error, took, score)
        with turn(now.root) if goes_on else nullcontext():
            _record(now, exit)
            last, now = now, _next(now) if goes_on else None
        if now is None and goes_on:
            now = _stand_by(last, trainer)
    if trainer is not None and trainer.process.returncode is None:
        send_home(trainer)


def _open(attempt: Attempt) -> Path:
    """Clear the folder, and keep some of the disk free. -> the file that keeps it"""
    _clear(attempt)
    reserve = attempt.folder / "reserve"
    with suppress(OSError):  # a disk full already is the trainer's to tell
        reserve.write_bytes(bytes(RESERVE))
        sys.stderr.write(f"attempt {attempt.number}\n")
        sys.stderr.flush()
    return reserve


def _next(last: Attempt) -> Attempt | None:
    """The attempt at the run that waits behind another one; from here on, what is said goes into its log."""
    found = follow(last.root, last.slot)
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
    with idle.announced(last.root, last.slot) as known:
        adopt(False)  # what is started now is not this process's to end
        _dispatch(last.root).wait()
        adopt()
        while time.monotonic() < end and known() and idle.room() and not ended(trainer.process):
            with turn(last.root):
                if not vacant(last.root, last.slot):
                    return None
                found = _next(last)
            if found is not None:
                return found
            time.sleep(POLL)
    return None


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
    while not ended(trainer.process):
        code = told(trainer.line)
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


def _dispatch(root: Path) -> subprocess.Popen[bytes]:
    """Let a process that outlives this one start what is next."""
    faults.disarm()
    command = [sys.executable, "-m", "core.jobs.dispatch", str(root)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


if __name__ == "__main__":
    main(sys.argv[1:])
