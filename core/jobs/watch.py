"""What a supervisor sees of its trainer from outside: whether it moves, what it uses, whether the kernel killed it."""

import os
import statistics
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.jobs.folder import append_line, metrics_file, resources_file, stalled_file, write_json

LEAST = 60.0  # seconds without a sign of life before an attempt may be called stalled
MEDIANS = 10  # and at least so many times its median step
SAMPLES = 300  # lines of resources in the first half of an attempt: the longer it takes, the rarer they get
_EVERY = 2.0  # seconds between two samples, at least
_REMEMBERED = 101  # steps that the median is of
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME, _RSS = 11, 12, 21  # of the fields of /proc/PID/stat after the command, proc(5)


@dataclass
class Pulse:
    """Whether an attempt moves. Its clock counts only what was watched: a laptop asleep is not an attempt stalled."""

    folder: Path
    attempt: int
    clock: float = 0.0  # seconds watched
    moved: float = 0.0  # on that clock: the last sign of life
    steps: deque[float] = field(default_factory=lambda: deque[float](maxlen=_REMEMBERED))  # seconds each
    size: int = 0  # bytes of metrics read
    signs: tuple[int, ...] = ()

    def look(self, passed: float) -> None:
        """A look, so many seconds after the one before. Flags the attempt, or takes the flag back."""
        self.clock += passed
        lines, signs = self._new_lines(), self._signs()
        if lines or signs != self.signs:
            if lines:
                self.steps.extend([(self.clock - self.moved) / lines] * lines)
            self.moved, self.signs = self.clock, signs
            stalled_file(self.folder, self.attempt).unlink(missing_ok=True)
        elif self.clock - self.moved >= self.patience and not stalled_file(self.folder, self.attempt).exists():
            with suppress(OSError):  # on a full disk nobody is told
                write_json(stalled_file(self.folder, self.attempt), {"seconds": self.patience})

    @property
    def patience(self) -> float:
        """Seconds that it may stand still."""
        return max(LEAST, MEDIANS * statistics.median(self.steps)) if self.steps else LEAST

    def _new_lines(self) -> int:
        try:
            with metrics_file(self.folder, self.attempt).open("rb") as stream:
                stream.seek(self.size)
                new = stream.read()
        except OSError:
            return 0
        self.size += len(new)
        return new.count(b"\n")

    def _signs(self) -> tuple[int, ...]:
        """Other things that change while something is done: the log, the checkpoints."""
        found: list[int] = []
        for name in ("log.txt", "checkpoints", "best"):
            with suppress(OSError):
                found.append((self.folder / name).stat().st_mtime_ns)
        return tuple(found)


@dataclass
class Meter:
    """What the processes of an attempt use: cores, bytes of memory, and the share and memory of its GPU."""

    folder: Path
    attempt: int
    pid: int  # of the trainer
    gpu: int | None = None  # its number, as NVML counts
    began: float = field(default_factory=time.monotonic)
    last: tuple[float, int] | None = None  # (monotonic, clock ticks used) of the sample before

    def look(self) -> None:
        """Append a line when it is time for one."""
        now = time.monotonic()
        if self.last is not None and now - self.last[0] < max(_EVERY, (now - self.began) / SAMPLES):
            return
        usage = [used for pid in tree(self.pid) if (used := _used(pid)) is not None]
        ticks = sum(used for used, _ in usage)
        if self.last is not None:
            cpu = max(0, ticks - self.last[1]) / _TICKS / (now - self.last[0])
            line = {"t": time.time(), "cpu": round(cpu, 2), "memory": sum(size for _, size in usage)}
            with suppress(OSError):  # a full disk is the trainer's to tell
                append_line(resources_file(self.folder, self.attempt), line | _gpu_used(self.gpu))
        self.last = now, ticks


def tree(pid: int) -> list[int]:
    """A process and all its descendants that have not ended."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in path.read_text(encoding="ascii").split()]
    except OSError:
        children = []
    return [pid, *(below for child in children for below in tree(child))]


def _used(pid: int) -> tuple[int, int] | None:
    """Clock ticks that a process used so far, and bytes it holds in memory; None once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[_UTIME]) + int(fields[_STIME]), int(fields[_RSS]) * _PAGE


def _gpu_used(number: int | None) -> dict[str, Any]:
    """Share of time that a GPU was busy (0..1), and bytes of its memory in use; empty without NVML."""
    if number is None:
        return {}
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(number)
        share = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        return {"gpu": share / 100, "gpu_memory": int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)}
    except pynvml.NVMLError:
        return {}


def kernel_kills() -> int:
    """How many processes this machine's kernel killed for want of memory since it started."""
    try:
        lines: Sequence[str] = Path("/proc/vmstat").read_text(encoding="ascii").split("\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
