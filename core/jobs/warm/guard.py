"""The guard of the warm process: it starts the server and ends it when it does not come back.

The server says again and again, over a pipe, within how many seconds it will be heard again: a dead man's switch. That
works whatever the server hangs in: a loop, C code that holds the interpreter's lock, a stopped process. Only time in
which the guard itself was awake counts, so a machine that slept does not cost the server its life.
"""

import ctypes
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from core.jobs.warm import identified, server
from core.jobs.warm.protocol import socket_path, there

START_SECONDS = 60.0  # until the server is first heard
_TICK = 0.25  # seconds between two looks
_SLEPT = 1.5  # seconds between two looks that say: this process did not run
_LAST_WORDS = 1.0  # seconds for the traceback
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> None:
    """Arguments: workspace, idle seconds, bytes a request may take, the held lock as an open file. Ends with the
    server; SIGTERM is handed on to it."""
    root, idle, memory, lock = Path(arguments[0]), float(arguments[1]), int(arguments[2]), int(arguments[3])
    os.set_inheritable(lock, False)
    os.umask(0o077)
    heard, alive = os.pipe()
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _die_with(guard)
        with suppress(SystemExit):  # SIGTERM
            server.main(server.Setting(root, idle, memory, lock, alive))
        os._exit(0)  # there is nothing to tidy up, and much that would take its time
    os.close(alive)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    try:
        identified.sign(root)
    except OSError as error:  # a full disk: nobody can then end this process by name, which is no reason not to serve
        server.say(f"not signed: {error}")
    _watch(child, heard)
    _clear(root, lock)


def _watch(child: int, heard: int) -> None:
    """Return when the server has ended, by itself or not."""
    left, last = START_SECONDS, time.monotonic()
    while left > 0:
        ready = select.select([heard], [], [], _TICK)[0]
        now = time.monotonic()
        gap, last = now - last, now
        if ready:
            block = os.read(heard, 4096)
            if not block:
                os.waitpid(child, 0)
                return
            (left,) = struct.unpack("d", block[-8:])  # whole numbers: a write of 8 bytes is never cut
        else:
            left = max(left, server.GRACE) if gap > _SLEPT else left - gap
    _end(child)


def _end(child: int) -> None:
    """Abort the server, which leaves its traceback in the log, and kill it where that does not help."""
    server.say("the server did not come back in time and is ended")
    os.kill(child, signal.SIGABRT)
    end = time.monotonic() + _LAST_WORDS
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _clear(root: Path, lock: int) -> None:
    """Remove what a killed server left behind, if this is still its workspace."""
    if there(root, lock):
        with suppress(OSError):
            socket_path(root).unlink(missing_ok=True)
            identified.unsign(root)


def _die_with(guard: int) -> None:
    """End as soon as the guard does, even if it did before this was said."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
