"""Who a process is: boot, pid and start together, so that a stranger who got the same pid is never taken for it."""

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
_START = 19  # of the fields of /proc/PID/stat after the command: start in clock ticks since the boot, proc(5)


@dataclass(frozen=True)
class Identity:
    """A process of one boot of one machine. `ticks`: clock ticks from the boot to its start."""

    boot: str
    pid: int
    ticks: int


def boot_id() -> str:
    """What tells this boot of this machine from all others; empty where the system has no such name."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def boottime() -> float:
    """Seconds since the boot, sleep included: nobody who sets the clock moves it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def identity(pid: int) -> Identity | None:
    """The process that has this pid now; None where none has, or one that only waits to be reaped."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else Identity(boot_id(), pid, int(fields[_START]))


def alive(who: Identity) -> bool:
    """Whether exactly this process lives."""
    return identity(who.pid) == who


def send(who: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process, through a pidfd; False where it is gone, or the system has no pidfds."""
    with _pinned(who) as descriptor:
        if descriptor is None:
            return False
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
            return True
    return False


@contextmanager
def _pinned(who: Identity) -> Generator[int | None]:
    """A pidfd of the process: what lives after it was opened, and is who is meant, is what was opened."""
    if sys.platform != "linux":
        yield None
        return
    try:
        descriptor = os.pidfd_open(who.pid)
    except OSError:
        yield None
        return
    try:
        yield descriptor if alive(who) else None
    finally:
        os.close(descriptor)


def marked(name: str, value: str) -> list[Identity]:
    """The living processes that were started with `name=value` in their environment, as all children inherit it."""
    wanted = f"{name}={value}".encode()
    found: list[Identity] = []
    for folder in _PROC.glob("[0-9]*"):
        who = identity(int(folder.name))
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended, or is somebody else's
            continue
        if who is not None and wanted in environment and alive(who):
            found.append(who)
    return found
