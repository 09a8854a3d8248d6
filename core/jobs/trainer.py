"""The process that carries out one attempt of a run; its output is the run's log."""

import ctypes
import gc
import math
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs import faults
from core.jobs.folder import (
    CANCELLED,
    CRASHED,
    DISK_FULL,
    FAILED,
    append_line,
    cancel_file,
    disk_full,
    metrics_file,
    noted,
    read_json,
    write_json,
)
from core.jobs.run import GPU_FULL
from core.runs import KINDS, Cancelled, RunContext, RunSpec

FIRST_TO_GO = "500"  # of 1000, see proc(5)
GOES_ON = frozenset({0, FAILED, CANCELLED})  # exit codes after which the process is as it was
# Objects made before the youngest are looked through for garbage: imports make a million, and none of them is. With
# Python's 700, torch and transformers take an eighth longer.
_YOUNG = 10_000
_LONGEST_MESSAGE = 256  # bytes: a run's id and the number of an attempt
_PR_SET_PDEATHSIG = 1
_terminated: list[int] = []  # signals received


@dataclass(frozen=True)
class Context:
    """What the code of a run is given: a RunContext over its folder."""

    root: Path
    folder: Path
    spec: RunSpec
    resolved: Mapping[str, Any]
    attempt: int
    halvings: int = 0

    def input(self, role: str) -> Path:
        return self.root / self.resolved["inputs"][role]  # an absolute path stays what it is

    def metric(self, **values: float | int | str | None) -> None:
        line = {"t": time.time()} | {name: _finite(value) for name, value in values.items()}
        append_line(metrics_file(self.folder, self.attempt), line)

    def note(self, text: str) -> None:
        sys.stderr.write(" ".join(text.splitlines()) + "\n")
        sys.stderr.flush()

    def check_cancelled(self) -> None:
        if _terminated or cancel_file(self.folder, self.attempt).exists():
            raise Cancelled

    def point(self, name: str) -> None:
        faults.point(name)

    def finish(self, result: Mapping[str, Any]) -> None:
        self.point("finish.begin")
        now = noted(self.folder)
        if now is not None and now.attempt != self.attempt:  # another attempt has begun: this one is to say nothing
            raise Cancelled
        write_json(self.folder / "result.json", result)
        self.point("finish.written")


def _finite(value: float | int | str | None) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: Sequence[str]) -> int:
    """Arguments: workspace, run id, attempt, pid of the supervisor; descriptors of the run's lock and of the line to
    the supervisor, "-" where it takes one run only. -> exit code"""
    root, id, attempt, supervisor, lock, line = arguments
    _die_with(int(supervisor))
    gc.set_threshold(_YOUNG)
    os.putenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to others
    os.putenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    with suppress(OSError):  # where memory runs out, the kernel ends this process and not the app
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    signal.signal(signal.SIGTERM, lambda number, _: _terminated.append(number))
    if line == "-":
        return _one(Path(root), id, int(attempt))
    with socket.socket(fileno=int(line)) as told:
        return _several(Path(root), Turn(id, int(attempt), int(lock)), told)


@dataclass(frozen=True)
class Turn:
    """An attempt at a run that this process is to carry out, and the run's lock, which it holds meanwhile."""

    id: str
    attempt: int
    lock: int


def _one(root: Path, id: str, attempt: int) -> int:
    folder = root / "runs" / id
    return carry_out(folder, lambda: _work(root, folder, attempt))


def _several(root: Path, turn: Turn, told: socket.socket) -> int:
    """Carry out one run after another, each as if it were alone, until the supervisor has no more. -> exit code

    How each ended is told as a line. What went wrong in a way that nobody foresaw ends the process with it.
    """
    while True:
        code = _one(root, turn.id, turn.attempt)
        if code not in GOES_ON or _terminated:
            return code
        sys.stdout.flush()
        gc.collect()
        os.close(turn.lock)
        told.sendall(f"{code}\n".encode())
        data, passed, _, _ = socket.recv_fds(told, _LONGEST_MESSAGE, 2)
        if not data:
            return code
        id, attempt = data.decode().split()
        lock, log = passed
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
        faults.reset()
        turn = Turn(id, int(attempt), lock)


def carry_out(folder: Path, work: Callable[[], None]) -> int:
    """Do the work of a run; what goes wrong is left in error.json. -> exit code"""
    try:
        work()
    except Cancelled:
        return CANCELLED
    except Exception as error:  # noqa: BLE001 -- the edge of the process: the traceback goes to the log
        problem = problem_of(error)
        code = FAILED if isinstance(error, CoreError) else DISK_FULL if problem.code == "disk_full" else CRASHED
        try:
            write_json(folder / "error.json", problem.to_json())
            traceback.print_exception(error)
        except OSError as second:
            return DISK_FULL if disk_full(second) else code
        return code
    return 0


def problem_of(error: Exception) -> CoreError:
    """An exception as what the user is told."""
    if isinstance(error, CoreError):
        return error
    if isinstance(error, OSError) and disk_full(error):
        return CoreError("disk_full", {"what": str(error)}, "hint_disk_full")
    if type(error).__name__ == "OutOfMemoryError":  # torch's, of a GPU
        return CoreError(GPU_FULL, {"what": str(error)}, "hint_gpu_memory")
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate" in str(error):  # the latter is torch's
        return CoreError("out_of_memory", {"what": str(error)}, "hint_memory")
    return CoreError("internal", {"what": f"{type(error).__name__}: {error}"}, "hint_log")


def _work(root: Path, folder: Path, attempt: int) -> None:
    spec = RunSpec.from_json(read_json(folder / "spec.json"))
    if spec.kind not in KINDS or spec.id != folder.name:
        raise CoreError("run_other_version", {"kind": spec.kind}, "hint_run_other_version")
    run = noted(folder)
    context = Context(root, folder, spec, read_json(folder / "resolved.json"), attempt, run.halvings if run else 0)
    module, name = KINDS[spec.kind].function.split(":")
    work: Callable[[RunContext], None] = getattr(import_module(module), name)
    work(context)


def _die_with(supervisor: int) -> None:
    """End as soon as the supervisor does, even if it did before this was said."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
