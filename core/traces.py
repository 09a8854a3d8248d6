"""How a run went, as its attempts noted it: loss and score over steps, epochs, rows or seconds, and what it used."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from core.jobs.folder import Run, json_lines, metrics_file, read_object, resources_file

Axis = Literal["steps", "epochs", "rows", "seconds"]
AXES: tuple[Axis, ...] = ("steps", "epochs", "rows", "seconds")
Silence = Literal["soon", "elsewhere", "short", "system"]
Points = list[tuple[float, float]]  # (place on the axis, value)

_PAUSE, _MOMENT = 10.0, 60.0  # a gap so many times the median, and so many seconds, is a pause or a clock that was set


@dataclass(frozen=True)
class Step:
    """A step of a training as the attempt that passed it last noted it. `seconds`: of work, over all attempts."""

    step: int
    attempt: int
    seconds: float | None
    rows: int | None  # in its batch
    loss: float | None
    dev: float | None


@dataclass(frozen=True)
class Trace:
    """The steps of a training, ascending. `per_epoch`: steps of a pass over its data, where that is known."""

    steps: tuple[Step, ...]
    per_epoch: float | None

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What its steps can be counted by."""
        known: Mapping[Axis, bool] = {
            "steps": True,
            "epochs": bool(self.per_epoch),
            "rows": any(step.rows for step in self.steps),
            "seconds": any(step.seconds for step in self.steps),
        }
        return tuple(axis for axis in AXES if known[axis])

    @property
    def moved(self) -> bool:
        """Whether there is anything to draw."""
        return bool(self.steps)


@dataclass(frozen=True)
class Curves:
    """Loss and F1 on dev (0..1) over an axis. `starts`: where later attempts began."""

    loss: Points
    dev: Points
    starts: tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """What a run used at a moment. `seconds`: of work, over all attempts; `cpu`: cores; `gpu`: share of time, 0..1."""

    seconds: float
    cpu: float
    memory: int  # bytes
    gpu: float | None
    gpu_memory: int | None  # bytes


@dataclass(frozen=True)
class Usage:
    """What a run used, in the order of time. `starts`: where later attempts began, in seconds."""

    samples: tuple[Sample, ...]
    starts: tuple[float, ...]


def trace(folder: Path) -> Trace:
    """How a training went. What an attempt did beyond the step at which a later one began is lost, and left out."""
    steps: dict[int, Step] = {}
    per_epoch: float | None = None
    before = 0.0  # seconds that earlier attempts took
    for attempt, lines in _attempts(folder, metrics_file):
        clock = _clock(lines)
        first = min((line["step"] for line in lines if line.get("step")), default=None)
        steps = {step: known for step, known in steps.items() if first is None or step < first}
        for line, seconds in zip(lines, clock, strict=True):
            step = line.get("step")
            if step == 0:
                per_epoch = line.get("per_epoch") or per_epoch
            elif isinstance(step, int):
                steps[step] = _merged(steps.get(step), line, attempt, None if seconds is None else before + seconds)
        before += max((seconds for seconds in clock if seconds is not None), default=0.0)
    found = tuple(steps[step] for step in sorted(steps))
    return Trace(found, per_epoch or _per_epoch(folder, found))


def _merged(known: Step | None, line: Mapping[str, Any], attempt: int, seconds: float | None) -> Step:
    """A step with what one more line says of it."""
    if known is None:
        known = Step(line["step"], attempt, seconds, None, None, None)
    said = {
        name: line[name] if line.get(name) is not None else getattr(known, name) for name in ("rows", "loss", "dev")
    }
    return Step(known.step, attempt, known.seconds if seconds is None else known.seconds or seconds, **said)


def _per_epoch(folder: Path, steps: Sequence[Step]) -> float | None:
    """Steps of a pass, of a finished run that did not note it: its rows against those of its batches."""
    rows = sum((read_object(folder / "result.json") or {}).get("rows", {}).values())
    seen = [step.rows for step in steps if step.rows is not None]
    return rows / statistics.fmean(seen) if rows and seen and len(seen) == len(steps) else None


def curves(found: Trace, axis: Axis) -> Curves:
    """Loss and score over an axis that the trace has."""
    places = _places(found, axis)
    pairs = list(zip(places, found.steps, strict=True))
    loss = [(place, step.loss) for place, step in pairs if step.loss is not None and place is not None]
    dev = [(place, step.dev) for place, step in pairs if step.dev is not None and place is not None]
    starts = [
        place
        for (place, step), before in zip(pairs[1:], found.steps, strict=False)
        if step.attempt != before.attempt and place is not None
    ]
    return Curves(loss, dev, tuple(starts))


def _places(found: Trace, axis: Axis) -> list[float | None]:
    if axis == "seconds":
        return [step.seconds for step in found.steps]
    if axis == "epochs" and found.per_epoch:
        return [step.step / found.per_epoch for step in found.steps]
    if axis == "rows":
        rows, out = 0, list[float | None]()
        for step in found.steps:
            rows += step.rows or 0
            out.append(rows)
        return out
    return [step.step for step in found.steps]


def usage(folder: Path) -> Usage:
    """What a run used."""
    samples: list[Sample] = []
    starts: list[float] = []
    before = 0.0
    for _, lines in _attempts(folder, resources_file):
        told = [line for line in lines if isinstance(line.get("cpu"), int | float) and "memory" in line]
        if samples and told:
            starts.append(before)
        for line, seconds in zip(told, _clock(told), strict=True):
            gpu, memory = line.get("gpu"), line.get("gpu_memory")
            samples.append(Sample(before + (seconds or 0.0), float(line["cpu"]), int(line["memory"]), gpu, memory))
        before = samples[-1].seconds if samples else 0.0
    return Usage(tuple(samples), tuple(starts))


def silent(folder: Path, run: Run) -> Silence:
    """Why a run has no samples of what it used."""
    if run.attempt == 0 or (run.state == "running" and not run.ended):
        return "soon"
    if not (folder / "lock").exists():
        return "elsewhere"
    return "short" if Path("/proc/self/stat").exists() else "system"


def _attempts(folder: Path, file: Any) -> list[tuple[int, Sequence[Mapping[str, Any]]]]:
    """What each attempt noted in its file of a kind, the first attempt first."""
    found: list[tuple[int, Sequence[Mapping[str, Any]]]] = []
    stem = file(folder, 0).name.removesuffix("0.jsonl")
    for path in folder.glob(f"{stem}*.jsonl"):
        number = path.stem.removeprefix(stem)
        if number.isdecimal():
            state = path.stat()
            found.append((int(number), _lines(path, state.st_size, state.st_mtime_ns)))
    return sorted(found, key=lambda pair: pair[0])


@lru_cache(maxsize=256)
def _lines(path: Path, size: int, changed: int) -> Sequence[Mapping[str, Any]]:
    """The lines of a file in one state of it."""
    return json_lines(path)


def _clock(lines: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Seconds from an attempt's start to each line; None for all where it noted no times.

    By the clock that the attempt kept itself, where it did. The machine's may have been set meanwhile: of that only
    the gaps are believed, and none that goes back or is far longer than the others.
    """
    if any("s" in line for line in lines):
        return [float(line["s"]) if "s" in line else None for line in lines]
    times = [float(line.get("t", 0.0)) for line in lines]
    gaps = [max(0.0, later - earlier) for earlier, later in pairwise(times)]
    if not any(gaps):
        return [None] * len(lines)
    middle = statistics.median(gap for gap in gaps if gap)
    seconds, out = 0.0, list[float | None]([0.0])
    for gap in gaps:
        seconds += gap if gap <= max(_MOMENT, _PAUSE * middle) else middle
        out.append(seconds)
    return out
