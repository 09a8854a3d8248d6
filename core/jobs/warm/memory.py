"""How much memory a request may take, and with how much the process ends itself to begin anew.

| | bytes |
|---|---|
| the machine's | physical memory, or the limit of the control group if that is less |
| a request may take | a quarter of the machine's, at least 1 GiB, beyond what the process had when the request began |
| the process may keep | 1 GiB beyond that: what is loaded takes less than half a GiB |

What a request takes is the private, writable memory that it maps (RLIMIT_DATA): corpora and weights that are only
read from files do not count. Where a GPU is used its driver's mappings would, so there only the second limit holds.
"""

import os
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from core.jobs.machine import Machine

LEAST = 1 << 30  # bytes
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_STATM = Path("/proc/self/statm")  # pages: size, resident, shared, text, library, data, dirty


def share() -> int:
    """Bytes that a request may take on this machine."""
    return max(LEAST, _machine() // 4)


def resident() -> int:
    """Bytes of this process that lie in memory and in no file; 0 where the system does not say."""
    return _pages(1) - _pages(2)


@contextmanager
def capped(most: int) -> Generator[None]:
    """Within, this process can take `most` bytes more than it has; what asks for more gets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    mapped = _pages(5)
    if mapped and Machine.here().device == "cpu":
        resource.setrlimit(resource.RLIMIT_DATA, (_least(mapped + most, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def out_of_memory(error: Exception) -> bool:
    """Whether an exception says that memory was not to be had; torch says it by a RuntimeError."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def _machine() -> int:
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUPS:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        found += [int(text)] if text.isdigit() else []  # "max": no limit
    return min(found)


def _least(wanted: int, hard: int) -> int:
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _pages(field: int) -> int:
    """A field of statm, in bytes."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
