"""Who the warm process is, so that clients can end one that lives and gives no sign of life.

Its guard (guard.py) ends a server that hangs. What is left is a guard that is stopped itself: it runs several times a
second, so where its counters stand still over several looks of a client that waits, it is killed, and its server with
it. Only looks count, never time that went by between them: a client that slept as well has not looked.
"""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from core.jobs.process import Identity, identity, send
from core.jobs.warm.protocol import LOCK

LOOKS = 5  # without a sign of life, after which it is killed
APART = 1.0  # seconds that two looks must lie apart to count as two
_FILE = "warm.json"
_PROC = Path("/proc")


@dataclass(frozen=True)
class _Seen:
    who: Identity
    pulse: str
    looks: int
    last: float  # on the monotonic clock


_seen: dict[Path, _Seen] = {}  # by workspace


def sign(root: Path) -> None:
    """Leave word of who this process is, which guards the workspace's server."""
    who = identity(os.getpid())
    if who is not None:
        draft = root / f"{_FILE}.new"
        draft.write_text(json.dumps(asdict(who)), encoding="utf-8")
        draft.rename(root / _FILE)


def unsign(root: Path) -> None:
    (root / _FILE).unlink(missing_ok=True)


def answered(root: Path) -> None:
    """The warm process is well."""
    _seen.pop(root, None)


def unanswered(root: Path) -> bool:
    """One look of a client that waits for an answer. -> whether the warm process was killed, after enough of them"""
    who = _signed(root)
    pulse = None if who is None or not _holds(who.pid, root / LOCK) else _pulse(who.pid)
    if who is None or pulse is None:
        _seen.pop(root, None)
        return False
    now, before = time.monotonic(), _seen.get(root)
    if before is None or (before.who, before.pulse) != (who, pulse):
        _seen[root] = _Seen(who, pulse, 0, now)
    elif now - before.last >= APART:
        _seen[root] = _Seen(who, pulse, before.looks + 1, now)
        if before.looks + 1 >= LOOKS:
            del _seen[root]
            return send(who, signal.SIGKILL)
    return False


def _signed(root: Path) -> Identity | None:
    """Who the file names; None where there is none, or nothing readable in it."""
    try:
        found = json.loads((root / _FILE).read_text(encoding="utf-8"))
        return Identity(str(found["boot"]), int(found["pid"]), int(found["ticks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _holds(pid: int, lock: Path) -> bool:
    """Whether a process has the lock open, as no stranger does."""
    try:
        wanted = lock.stat()
        return any(_is_open(path, wanted) for path in (_PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False


def _is_open(path: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), wanted)
    except OSError:
        return False


def _pulse(pid: int) -> str | None:
    """What changes whenever a process has run: how often it gave up its processor. None where it is gone."""
    try:
        text = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    except OSError:
        return None
    return "".join(row for row in text.split("\n") if "ctxt_switches" in row)
