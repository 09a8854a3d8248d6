"""The warm process: one per workspace, which has loaded what takes seconds to load and answers small requests.

This is the clients' side. The warm process listens on a Unix socket, one JSON line in, one JSON line out, one request
at a time. `warm.lock` is held from before it starts until it has ended, and the socket appears when it takes requests:
between them they say where it stands. It is two processes: a guard (guard.py) and the server (server.py) that it may
have to end.
"""

import fcntl
import json
import os
import select
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any, Literal

from core.errors import CoreError
from core.jobs.dispatch import spawn
from core.jobs.warm import identified
from core.jobs.warm.protocol import LOCK, MOST_ANSWER, MOST_REQUEST, MOST_SECONDS, flocked, line, socket_path

IDLE_SECONDS = 600.0  # without a request, after which it ends
_MOST_LOG = 1 << 20  # bytes, beyond which warm.log begins anew
_LOOK_SECONDS = 0.5  # between two looks of `ask`
_started: list[Popen[bytes]] = []  # warm processes that this process started, kept only to be reaped


@dataclass(frozen=True)
class Question:
    """A request under way: what is still to be sent, and what has come back."""

    root: Path
    connection: socket.socket
    seconds: float
    end: float  # when its client gives up, on the monotonic clock
    unsent: bytearray
    received: bytearray


def start(root: Path, idle: float = IDLE_SECONDS, memory: int = 0) -> None:
    """See to it that a warm process lives, and don't wait until it is ready. Any process may call it at any time.

    `memory`: bytes that a request may take; 0: as the machine has it (memory.py).
    """
    root = root.resolve()
    lock = _claim(root / LOCK)
    if lock is None:
        return
    with open(lock, "rb", buffering=0):
        _started[:] = [process for process in _started if process.poll() is None]
        socket_path(root).unlink(missing_ok=True)  # of a process that was killed
        path = root / "warm.log"
        with path.open("wb" if path.exists() and path.stat().st_size > _MOST_LOG else "ab") as log:
            command = [sys.executable, "-m", "core.jobs.warm.guard", str(root), str(idle), str(memory), str(lock)]
            _started.append(spawn(command, log=log.fileno(), keep=(lock,)))


def state(root: Path) -> Literal["off", "starting", "ready"]:
    """Where the warm process of a workspace stands. One look, which starts nothing.

    `ready`: it takes requests; the first of a kind may still have to wait for what it needs to be loaded.
    """
    root = root.resolve()
    try:
        descriptor = os.open(root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "off"
    with open(descriptor, "rb", buffering=0):
        if flocked(descriptor, fcntl.LOCK_SH):
            return "off"
    return "ready" if socket_path(root).exists() else "starting"


def ask(root: Path, kind: str, request: Mapping[str, Any], timeout: float = 5.0) -> dict[str, Any]:
    """The answer to one request, within `timeout` seconds. Raises what `begin` and `answer_to` raise."""
    question = begin(root, kind, request, timeout)
    try:
        while (found := answer_to(question, _LOOK_SECONDS)) is None:
            pass
        return found
    finally:
        hang_up(question)


def begin(root: Path, kind: str, request: Mapping[str, Any], timeout: float = 5.0) -> Question:
    """Put a request, without waiting for anything; the server works on it for `timeout` seconds at most.

    Raises CoreError `warm_off`, `warm_starting`, `warm_busy` (too many wait), `warm_too_large`.
    """
    root, seconds = root.resolve(), min(timeout, MOST_SECONDS)
    end = time.monotonic() + seconds
    unsent = bytearray(line({"kind": kind, "request": request, "until": end}, MOST_REQUEST))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(str(socket_path(root)))
    except BlockingIOError:
        connection.close()
        identified.unanswered(root)
        raise CoreError("warm_busy", {}, "hint_warm") from None
    except OSError:
        connection.close()
        raise CoreError("warm_off" if state(root) == "off" else "warm_starting", {}, "hint_warm") from None
    except CoreError:
        connection.close()
        raise
    question = Question(root, connection, seconds, end, unsent, bytearray())
    with suppress(OSError):  # `answer_to` will meet it again
        _exchanged(question, 0)
    return question


def answer_to(question: Question, wait: float) -> dict[str, Any] | None:
    """The answer, if it comes within `wait` seconds; None: ask again.

    Raises CoreError `warm_timeout` when its time is over, `warm_ended` (the warm process ended while it had the
    request), and whatever the answering function raised; an error that it did not foresee is `internal`, with the
    traceback in warm.log. Once it raised or answered, the question is over.
    """
    until = min(time.monotonic() + wait, question.end)
    try:
        while not question.received.endswith(b"\n"):
            if not _exchanged(question, until - time.monotonic()):
                if time.monotonic() < question.end:
                    identified.unanswered(question.root)
                    return None
                raise CoreError("warm_timeout", {"seconds": question.seconds}, "hint_warm_timeout")
    except OSError:
        hang_up(question)
        raise CoreError("warm_ended", {}, "hint_warm_ended") from None
    except CoreError:
        hang_up(question)
        raise
    hang_up(question)
    identified.answered(question.root)
    answer = json.loads(question.received)
    if "error" in answer:
        raise CoreError.from_json(answer["error"])
    return answer["answer"]


def hang_up(question: Question) -> None:
    """Give up a question: the server drops it, or stops at its next unit of work. May be called again."""
    question.connection.close()


def _exchanged(question: Question, seconds: float) -> bool:
    """Send and receive what can be within `seconds`; False where that is nothing. Raises OSError where the other side
    is gone."""
    poll, connection = select.poll(), question.connection
    poll.register(connection, select.POLLIN | (select.POLLOUT if question.unsent else 0))
    ready = poll.poll(max(0.0, seconds) * 1000)
    for _, events in ready:
        if events & select.POLLOUT:
            del question.unsent[: connection.send(question.unsent)]
        if events & ~select.POLLOUT:
            block = connection.recv(1 << 16)
            if not block or len(question.received) + len(block) > MOST_ANSWER:
                raise ConnectionAbortedError
            question.received.extend(block)
    return bool(ready)


def _claim(path: Path) -> int | None:
    """The lock as an open file, None where a warm process has it or is being started.

    Those who only look share the lock for a moment: they are waited for, the warm process is not.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while flocked(descriptor, fcntl.LOCK_SH):
        if flocked(descriptor, fcntl.LOCK_EX):
            return descriptor
        time.sleep(0.001)
    os.close(descriptor)
    return None
