"""The trainer's process, as its supervisor holds it: started, handed one attempt after another, ended with its tree."""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.jobs.attempt import Attempt
from core.jobs.dispatch import MARK
from core.jobs.folder import mark_of

POLL = 0.1  # seconds
GONE_AFTER = 2.0  # seconds until what was killed is taken for gone
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Trainer:
    """The process that carries out attempts. `line`: to it, where it takes one after another; `mark`: what it and all
    that it starts are marked with."""

    process: subprocess.Popen[bytes]
    line: socket.socket | None
    mark: str


def start(attempt: Attempt, shares: bool) -> Trainer:
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


def hand_over(trainer: Trainer, attempt: Attempt) -> Trainer:
    """Give an idle trainer its next attempt; one that has ended meanwhile is found out by who waits for it."""
    assert trainer.line is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(trainer.line, [f"{attempt.id} {attempt.number}".encode()], [attempt.lock, 2])
    return trainer


def send_home(trainer: Trainer) -> None:
    """Let an idle trainer end, and all that it left behind."""
    if trainer.line is not None:
        trainer.line.close()
    with suppress(subprocess.TimeoutExpired):
        trainer.process.wait(GONE_AFTER)
        return
    end_tree(trainer.process)


def told(line: socket.socket | None) -> int | None:
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


def ended(trainer: subprocess.Popen[bytes]) -> bool:
    """Whether the trainer has ended. It isn't reaped yet, so its process group can't be a stranger's."""
    if sys.platform == "darwin":
        return trainer.poll() is not None
    return os.waitid(os.P_PID, trainer.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def end_tree(trainer: subprocess.Popen[bytes]) -> None:
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


def adopt(whatever: bool = True) -> None:
    """Become the parent of whatever process of the tree loses its own, or leave that to others."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(whatever))


def _orphans() -> list[int]:
    """The adopted processes; as they are not reaped, no pid among them can be a stranger's."""
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []
