"""An attempt at a run, as its supervisor has it, and what its end means."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.jobs.folder import CANCELLED, DISK_FULL, cancel_file, read_object, tail
from core.runs import State


@dataclass(frozen=True)
class Attempt:
    """One attempt of a run. `lock`: the descriptor whose flock lives as long as the process tree."""

    root: Path
    id: str
    number: int
    lock: int
    slot: str

    @property
    def folder(self) -> Path:
        return self.root / "runs" / self.id

    @property
    def cancel(self) -> Path:
        return cancel_file(self.folder, self.number)

    @property
    def gpu(self) -> str | None:
        """The GPU of its slot, as CUDA_VISIBLE_DEVICES names it."""
        return self.slot.removeprefix("gpu:") if self.slot.startswith("gpu:") else None


def judge(attempt: Attempt, code: int, kernel_killed: bool = False) -> tuple[State, Mapping[str, Any] | None]:
    """The final state and the error of an attempt. `code`: the trainer's exit code; negative: killed by a signal.

    `kernel_killed`: the kernel killed some process for want of memory meanwhile.
    """
    if code == 0 and (attempt.folder / "result.json").exists():
        return "succeeded", None
    if code != 0 and attempt.cancel.exists():
        return "cancelled", None
    if code == -signal.SIGKILL and kernel_killed:
        return "failed", CoreError("out_of_memory", {"what": ""}, "hint_memory").to_json()
    if code < 0 or code == CANCELLED:  # nobody asked for it: a signal from outside
        name = signal_name(code) or "SIGTERM"
        return "interrupted", CoreError("run_killed", {"signal": name}, "hint_resumes").to_json()
    return "failed", _why(attempt, code)


def _why(attempt: Attempt, code: int) -> Mapping[str, Any]:
    """The error of an attempt that failed."""
    left = read_object(attempt.folder / "error.json")
    if left is not None and code != 0:
        return left
    if code == DISK_FULL:  # too full even for error.json
        return CoreError("disk_full", {"what": ""}, "hint_disk_full").to_json()
    last = tail(attempt.folder / "log.txt").strip().rpartition("\n")[2]
    return CoreError("internal", {"what": last}, "hint_log").to_json()


def signal_name(code: int) -> str | None:
    return signal.Signals(-code).name if code < 0 else None
