"""Trainers kept warm: for a while after its last run one stands by, and what is queued then starts at once.

Importing torch and transformers takes a trainer seven seconds or more of a processor. The environment variable
PEIBI_WARM says for how many seconds one stands by, 0 where it isn't set; the app sets it, the command line doesn't. It
goes home earlier when memory runs short, when another process gets its slot, or when the workspace is gone. Only on
processors: the memory of a GPU is for who uses it.
"""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from core.jobs.folder import read_object, write_json
from core.jobs.process import Identity, alive, identity

WARM = "PEIBI_WARM"
IN_THE_APP = 120  # seconds
LEAST_FREE = 2 << 30  # bytes of memory that must be to be had
FRESH = 5.0  # seconds for which a run that was queued is left to who stands by
_MEMORY = Path("/proc/meminfo")


def seconds() -> float:
    """For how long trainers of this process's children stand by."""
    with suppress(ValueError):
        return max(0.0, float(os.environ.get(WARM) or 0))
    return 0.0


@contextmanager
def announced(root: Path, slot: str) -> Generator[Callable[[], bool]]:
    """Within, others know that this process stands by for a slot. -> whether they still do: there is one a slot, and
    none where the workspace is gone or its disk is full"""
    me, path = identity(os.getpid()), _file(root, slot)

    def known() -> bool:
        return me is not None and read_object(path) == asdict(me)

    if me is not None:
        with suppress(OSError):
            write_json(path, asdict(me))
    try:
        yield known
    finally:
        if known():
            path.unlink(missing_ok=True)


def stands_by(root: Path, slot: str, submitted: float) -> bool:
    """Whether a run of a kind that shares may be left to who stands by for a slot. `submitted`: unix seconds."""
    found = read_object(_file(root, slot))
    return found is not None and 0 <= time.time() - submitted < FRESH and alive(Identity(**found))


def room() -> bool:
    """Whether there is memory enough for a process that only waits; true where the system doesn't say."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").split("\n")
    except OSError:
        return True
    free = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), LEAST_FREE)
    return free >= LEAST_FREE


def _file(root: Path, slot: str) -> Path:
    return root / f"idle-{slot.replace(':', '-')}.json"
