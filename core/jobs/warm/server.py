"""The server of the warm process: it answers one client after the other, and loads what they may need in between."""

import faulthandler
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs.machine import Machine
from core.jobs.warm import memory, pieces
from core.jobs.warm.clients import CLIENT_SECONDS, Client, Clients
from core.jobs.warm.protocol import MOST_ANSWER, MOST_SECONDS, REQUESTS, line, socket_path, there

GRACE = 2.0  # seconds after a deadline in which a request must have noticed it; then the guard ends this process
LOAD_SECONDS = 120.0  # for one thing that is loaded
_BEAT_SECONDS = 8.0  # within which it is heard again between requests
_LOOK_SECONDS = 1.0  # between two looks whether the workspace is still there
_QUIET_SECONDS = 1.0  # after the start and each request, before more is loaded: others may follow
_BACKLOG = 64  # clients in the kernel's queue


@dataclass(frozen=True)
class Setting:
    """What the process was started with. `memory`: bytes that a request may take, 0: as the machine has it; `lock`,
    `alive`: open files, the workspace's lock and the pipe to the guard."""

    root: Path
    idle: float
    memory: int
    lock: int
    alive: int


class Gone(Exception):
    """The client hung up."""


@dataclass(frozen=True)
class _Turn:
    """A core.runs.Turn. `end`: when its client gives up, on the monotonic clock."""

    client: Client
    setting: Setting
    end: float
    seconds: float

    def check(self) -> None:
        if self.client.gone:
            raise Gone
        if time.monotonic() >= self.end:
            raise CoreError("warm_timeout", {"seconds": round(self.seconds, 1)}, "hint_warm_timeout")

    @contextmanager
    def loading(self) -> Generator[None]:
        _heard_within(self.setting, LOAD_SECONDS)
        gc.disable()  # it would look through what is made again and again, and find that all of it stays
        try:
            yield
        finally:
            gc.enable()
        self.check()
        _heard_within(self.setting, max(0.0, self.end - time.monotonic()) + GRACE)


def main(setting: Setting) -> None:
    """Serve until nobody asks, the workspace is gone, too much memory is kept, or SIGTERM comes."""
    began = time.monotonic()
    faulthandler.enable()  # SIGABRT, by which the guard ends this process, leaves a traceback
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.set_blocking(setting.alive, False)
    os.putenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to others
    while not pieces.light():
        _load(setting)
    with socket.socket(socket.AF_UNIX) as listener:
        path = socket_path(setting.root)
        _publish(listener, path)
        own = path.stat().st_ino
        try:
            say(f"ready after {time.monotonic() - began:.2f} s")
            _serve(Clients(listener), setting)
        finally:
            with suppress(OSError):
                if path.stat().st_ino == own:
                    path.unlink()


def _publish(listener: socket.socket, path: Path) -> None:
    """The socket appears under its name when clients can connect, and not before."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    listener.bind(str(draft))
    draft.chmod(0o600)
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    draft.rename(path)


def _serve(clients: Clients, setting: Setting) -> None:
    """Answer one client after the other; while none waits, load piece after piece."""
    most = setting.memory or memory.share()
    last = time.monotonic()  # when the last request was answered
    loads = last + _QUIET_SECONDS  # when the next piece is loaded
    while time.monotonic() - last < setting.idle and there(setting.root, setting.lock):
        _heard_within(setting, _BEAT_SECONDS)
        clients.exchange(min(_LOOK_SECONDS, max(0.0, loads - time.monotonic()) if pieces.left() else setting.idle))
        client = clients.next()
        if client is not None:
            _take(client, clients, setting, most)
            last, loads = time.monotonic(), time.monotonic() + _QUIET_SECONDS
            if _keeps_too_much(most):
                break
        elif pieces.left() and time.monotonic() >= loads:
            _load(setting)
    end = time.monotonic() + CLIENT_SECONDS
    while clients.sending and time.monotonic() < end:
        _heard_within(setting, _BEAT_SECONDS)
        clients.exchange(_LOOK_SECONDS)


def _keeps_too_much(most: int) -> bool:
    """Whether this process had better begin anew."""
    if memory.resident() <= most + memory.LEAST:
        return False
    gc.collect()
    found = memory.resident()
    say(f"{found >> 20} MiB are kept after a request")
    return found > most + memory.LEAST


def _load(setting: Setting) -> None:
    """One piece; what can't be loaded is told to those who ask for it."""
    began = time.monotonic()
    _heard_within(setting, LOAD_SECONDS)
    gc.disable()
    try:
        name = pieces.load_next(setting.root)
    except Exception:  # noqa: BLE001 -- the edge of the process: the traceback goes to the log
        say(traceback.format_exc())
    else:
        say(f"{name} loaded in {time.monotonic() - began:.2f} s")
    gc.freeze()  # what stays for good need not be looked through again
    gc.enable()


def _take(client: Client, clients: Clients, setting: Setting, most: int) -> None:
    try:
        clients.answer(client, _answer(client, setting, most))
    except Gone:
        clients.drop(client)


def _answer(client: Client, setting: Setting, most: int) -> bytes:
    """The line that answers a client's, whatever that says. Raises Gone."""
    try:
        kind, request, end = _parsed(bytes(client.inbox))
        turn = _Turn(client, setting, end, max(0.0, end - client.since))
        turn.check()
        module, _, name = REQUESTS[kind].partition(":")
        with turn.loading():
            function = getattr(import_module(module), name)
            Machine.here()  # which may ask a driver
        with memory.capped(most):
            return line({"answer": function(setting.root, request, turn)}, MOST_ANSWER)
    except Gone:
        raise
    except CoreError as error:
        return line({"error": error.to_json()}, MOST_ANSWER)
    except Exception as error:  # noqa: BLE001 -- the edge of the process: the traceback goes to the log
        return line({"error": _problem(error, most).to_json()}, MOST_ANSWER)


def _problem(error: Exception, most: int) -> CoreError:
    """An exception as what the user is told."""
    from core.jobs.trainer import problem_of

    if memory.out_of_memory(error):
        say(f"out of memory: {error}")
        gc.collect()
        return CoreError("out_of_memory", {"most": most // 1_000_000}, "hint_warm_memory")
    say(traceback.format_exc())
    found = problem_of(error)
    return CoreError(found.code, found.values, "hint_warm_log" if found.code == "internal" else found.hint_code)


def _parsed(text: bytes) -> tuple[str, Mapping[str, Any], float]:
    """Kind, request and until when its client waits. Raises CoreError `warm_bad_request`, `warm_unknown_request`."""
    latest = time.monotonic() + MOST_SECONDS
    try:
        asked = json.loads(text)
        kind, request, end = asked["kind"], asked["request"], min(latest, float(asked.get("until", latest)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise CoreError("warm_bad_request") from None
    if not isinstance(kind, str) or kind not in REQUESTS or not isinstance(request, Mapping):
        raise CoreError("warm_unknown_request", {"kind": str(kind)[:80], "known": ", ".join(REQUESTS)})
    return kind, request, end


def _heard_within(setting: Setting, seconds: float) -> None:
    """Tell the guard when it will hear next of this process at the latest."""
    with suppress(BlockingIOError):  # a guard that is stopped does not read
        os.write(setting.alive, struct.pack("d", seconds))


def say(text: str) -> None:
    """To the log, with the time."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stderr.flush()
