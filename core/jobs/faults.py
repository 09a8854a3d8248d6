"""Faults on demand: PEIBI_FAULT=name:n[:kill|raise] strikes at the n-th pass of the point `name` in a process."""

import os
import signal
from collections import Counter

_passes: Counter[str] = Counter()


class FaultError(Exception):
    """Raised by a fault test; never otherwise."""


def reset() -> None:
    """Count the passes of this process anew."""
    _passes.clear()


def disarm() -> None:
    """No fault strikes this process, or one that it starts, from here on."""
    os.environ.pop("PEIBI_FAULT", None)


def point(name: str) -> None:
    """A place worth dying at: nothing happens unless the environment asks for it (`kill` is SIGKILL, the default)."""
    wanted = os.environ.get("PEIBI_FAULT")
    if not wanted:
        return
    where, count, *action = wanted.split(":")
    if name != where:
        return
    _passes[name] += 1
    if _passes[name] != int(count):
        return
    if action == ["raise"]:
        raise FaultError(wanted)
    os.kill(os.getpid(), signal.SIGKILL)
