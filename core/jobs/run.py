"""A run as it stands, how an attempt of it ended, and what follows from that: the end, or another attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import CoreError
from core.jobs.process import boot_id, boottime
from core.runs import ACTIVE, State

BACK_OFF = (3.0, 10.0, 30.0)  # seconds until an interrupted run goes on by itself: the first, second, third time
MOST_HALVINGS = 4  # of the batch, for want of GPU memory
GPU_FULL = "gpu_out_of_memory"  # the error after which the batch is halved


@dataclass(frozen=True)
class Run:
    """One run: a line of its events, and its row in the database. Times are unix seconds, but `due_at`."""

    id: str
    kind: str
    state: State
    attempt: int  # the newest one that was started; 0: none
    position: int  # place in the queue, smallest first
    submitted: float
    started: float | None = None  # the first attempt's start
    ended: float | None = None
    error: Mapping[str, Any] | None = None  # CoreError.to_json(): why it failed or was interrupted
    lane: str = "light"  # the slots it waits for: those of its lane
    slot: str | None = None  # what its newest attempt has or had: "light", "cpu", "gpu:0"
    resumes: int = 0  # times it went on by itself since somebody submitted it
    halvings: int = 0  # times its batch was halved
    due_boot: str | None = None  # the boot in which `due_at` counts; in any other it is due
    due_at: float | None = None  # seconds since the boot: when it goes on by itself; None: it doesn't
    score: float | None = None  # headline on dev (0..1) of a training that succeeded

    @property
    def seconds(self) -> float | None:
        """Wall time from the first attempt's start to the end."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)

    @property
    def pending(self) -> bool:
        """Whether it runs, waits for a slot, or goes on by itself in a moment."""
        return self.state in ACTIVE or self.due_at is not None

    @property
    def due(self) -> bool:
        """Whether an interrupted run may go on now."""
        return self.due_at is not None and (self.due_boot != boot_id() or boottime() >= self.due_at)


@dataclass(frozen=True)
class Exit:
    """How an attempt ended: exit.json, written before the database hears of it."""

    attempt: int
    state: State
    ended: float  # unix seconds
    returncode: int | None = None
    signal: str | None = None  # the name of the signal that killed it
    error: Mapping[str, Any] | None = None
    seconds: float | None = None  # that this attempt took; nobody who sets the clock changes it
    score: float | None = None


def after(run: Run, exit: Exit) -> Run:
    """The run when this attempt of it has ended: what was interrupted goes on by itself, but not for ever."""
    ended = replace(run, state=exit.state, ended=exit.ended, error=exit.error, score=exit.score)
    code = (exit.error or {}).get("code")
    if exit.state == "failed" and code == GPU_FULL and run.halvings < MOST_HALVINGS:
        told = CoreError("batch_halved", {"times": run.halvings + 1, "part": 2 ** (run.halvings + 1)})
        halved = replace(ended, state="interrupted", error=told.to_json(), halvings=run.halvings + 1)
        return _due(halved, 0.0)
    if exit.state != "interrupted":
        return ended
    if run.resumes == len(BACK_OFF):
        signal = exit.signal or "-"
        told = CoreError("run_poison", {"times": 1 + run.resumes, "signal": signal}, "hint_run_poison")
        return replace(ended, state="failed", error=told.to_json())
    return _due(replace(ended, resumes=run.resumes + 1), BACK_OFF[run.resumes])


def _due(run: Run, seconds: float) -> Run:
    return replace(run, due_boot=boot_id(), due_at=boottime() + seconds)


def again(run: Run) -> Run:
    """The run back in the queue, in its old place."""
    return replace(run, state="queued", ended=None, error=None, slot=None, due_boot=None, due_at=None)
