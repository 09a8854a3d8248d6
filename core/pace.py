"""How long trainings take: those that run by their own pace, those that wait by the pace of finished ones."""

import heapq
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from core.jobs.dispatch import slots
from core.jobs.folder import Run, events, json_lines, last_metrics, metrics_file, read_object
from core.jobs.process import boottime
from core.params import build
from core.training.settings import TrainParams
from core.workspace import Workspace

STARTING = 7.0  # seconds a training process needs before its first step, on a laptop
PER_TOKEN = 0.00035  # seconds a sub-token costs in training, on two laptop cores; both until runs here say better
_SPAWN = 1.0  # seconds until a process notes its first line, besides what it measures itself
_SAVING = 1.0  # seconds from the last prediction to the end
_LOOK_IN_STEPS = 5.0  # what a look at dev costs where nobody knows: so many steps
_STEPS = 100  # of a training for which nobody knows how many epochs come to
_FORWARD = 1 / 3  # of a step's time is spent on what a look does, too
_OUTLIER = 10.0  # a gap so many times the median is a pause, not a step
_SLOWEST = 5.0  # times as long as usual: more is no slowness, but a pause
_FEWEST = 10  # gaps that a pace is taken from, at least; otherwise the newer half
_REMEMBERED = 24  # newest trainings that an estimate looks at
_LOOK_AT_TEST = 20.0  # seconds that a run of another kind takes, where none has ended yet


@dataclass(frozen=True)
class Pace:
    """What a training took, in seconds. `start`: before its first step; `look`: one look at dev, with what is saved."""

    start: float
    step: float
    look: float | None  # None: it has not looked yet


@dataclass(frozen=True)
class Asked:
    """What of a training's spec its time depends on: settings, and identities of encoder and dev."""

    train: TrainParams
    model: str
    dev: str


@dataclass(frozen=True)
class Known:
    """A finished training: what was asked, how long that took, and how many steps it came to."""

    asked: Asked
    pace: Pace
    steps: int


def pace_of(lines: Sequence[Mapping[str, Any]]) -> Pace | None:
    """The pace of one attempt, from its metrics; None where fewer than two steps are noted, or no times.

    The newer half of the steps says how fast it goes now, so that a machine that became busy is seen, and looks at
    dev are taken to have become slower with them; pauses are left out.
    """
    steps = [line for line in lines if line.get("loss") is not None]
    looked = {line["step"] for line in lines if line.get("dev") is not None}
    gaps = [(one["step"], _clock(other) - _clock(one)) for one, other in pairwise(steps)]
    plain = [gap for step, gap in gaps if step not in looked and gap > 0]
    if not plain:
        return None
    middle = statistics.median(plain)
    steady = [gap for gap in plain if gap <= _OUTLIER * middle]
    step = statistics.fmean(steady[-max(_FEWEST, len(steady) // 2) :])
    whole = statistics.fmean(steady)
    looks = [max(0.0, gap - whole) for at, gap in gaps if at in looked and gap > 0]
    first = next((line for line in lines if line.get("step") == 0), None)
    start = STARTING if first is None or "s" not in first else _SPAWN + float(first["s"])
    look = statistics.fmean(looks) * step / whole if looks else _unseen_look(first or {}, step)
    return Pace(start, step, look)


def _clock(line: Mapping[str, Any]) -> float:
    """Seconds on a clock that nobody sets, where the attempt noted one."""
    return float(line["s"] if "s" in line else line.get("t", 0.0))


def _unseen_look(first: Mapping[str, Any], step: float) -> float | None:
    """What the first look will cost, by the sub-words of dev and of a batch; None where they were not noted."""
    if not first.get("dev_tokens") or not first.get("tokens") or not first.get("per_epoch"):
        return None
    return _FORWARD * step * first["dev_tokens"] * first["per_epoch"] / first["tokens"]


def seconds_left(lines: Sequence[Mapping[str, Any]], train: TrainParams, pace: Pace, steps: int = _STEPS) -> float:
    """Seconds until a training ends, from the line it noted last. `lines`: its metrics, one a step.

    `steps`: how many it takes, where neither its settings nor its metrics say so.
    """
    total = next((line["total"] for line in lines if isinstance(line.get("total"), int)), train.steps or steps)
    done = max((line["step"] for line in lines if line.get("loss") is not None), default=0)
    looked = max((line["step"] for line in lines if line.get("dev") is not None), default=0)
    looks = sum(at > looked and at >= done for at in train.evaluation_steps(total))
    look = pace.step * _LOOK_IN_STEPS if pace.look is None else pace.look
    return max(0, total - done) * pace.step + (looks + 1) * look + _SAVING


def seconds_each(workspace: Workspace, train: TrainParams, model: str = "") -> float:
    """About how long one training takes: from the newest ones of this workspace, else from a laptop's figures.

    `model`: identity of the encoder, where it is known; trainings of the same one are believed before others.
    """
    return _whole(Asked(train, model, ""), _references(workspace))


def seconds_all(workspace: Workspace, runs: int, train: TrainParams, model: str = "") -> float:
    """About how long several trainings like that take, side by side as there are slots."""
    return -(-runs // _at_once(workspace.root)) * seconds_each(workspace, train, model)


def _whole(asked: Asked, known: Sequence[Known]) -> float:
    usual = _usual(asked, known)
    return usual.pace.start + seconds_left((), asked.train, usual.pace, usual.steps)


def _usual(asked: Asked, known: Sequence[Known]) -> Known:
    """What is to be expected: as finished trainings with the same encoder and dev, the same encoder, or any."""
    like = _likest(asked, known)
    batch = asked.train.batch_tokens
    if not like:
        return Known(asked, Pace(STARTING, batch * PER_TOKEN, None), _STEPS)
    step = statistics.median(one.pace.step * batch / one.asked.train.batch_tokens for one in like)
    looks = [one.pace.look for one in like if one.pace.look is not None]
    start = statistics.median(one.pace.start for one in like)
    same = [one.steps for one in like if one.asked.train == asked.train]
    steps = round(statistics.median(same)) if same else _STEPS
    return Known(asked, Pace(start, step, statistics.median(looks) if looks else None), steps)


def _likest(asked: Asked, known: Sequence[Known]) -> list[Known]:
    ranks = [2 * (one.asked.model == asked.model) + (one.asked.dev == asked.dev) for one in known]
    return [one for one, rank in zip(known, ranks, strict=True) if rank == max(ranks)]


def _references(workspace: Workspace) -> list[Known]:
    """The newest finished trainings of this machine; where there are none, those that came with a sample or archive."""
    runs = workspace.store.list(kind="train", state="succeeded", limit=_REMEMBERED)
    found = [_finished(workspace.run_folder(run.id), run.attempt, run.ended) for run in runs]
    here = [one for one in found if one is not None]
    return here or [one for run in runs if (one := _by_its_whole(workspace.run_folder(run.id), run)) is not None]


@lru_cache(maxsize=256)
def _finished(folder: Path, attempt: int, ended: float | None) -> Known | None:
    """What is known of a run that ended then: it will not change."""
    return _so_far(folder, attempt)


def _by_its_whole(folder: Path, run: Run) -> Known | None:
    """What is known of a finished training of which no times of steps were kept."""
    asked, steps = asked_of(folder), max((line["step"] for line in last_metrics(folder)), default=0)
    if asked is None or not steps or run.seconds is None:
        return None
    looks = len(asked.train.evaluation_steps(steps)) + 1
    step = max(0.0, run.seconds - STARTING - _SAVING) / (steps + looks * _LOOK_IN_STEPS)
    return Known(asked, Pace(STARTING, step, None), steps)


def _so_far(folder: Path, attempt: int) -> Known | None:
    lines = json_lines(metrics_file(folder, attempt))
    asked, pace = asked_of(folder), pace_of(lines)
    if asked is None or pace is None:
        return None
    return Known(asked, pace, max(line.get("total", line.get("step", 0)) for line in lines))


@lru_cache(maxsize=8192)
def asked_of(folder: Path) -> Asked | None:
    """What a training was asked for, which never changes; None where it can't be read."""
    spec = read_object(folder / "spec.json")
    if spec is None or spec.get("kind") != "train":
        return None
    inputs = spec["inputs"]
    return Asked(
        build(TrainParams, spec["params"].get("train", {}), "train"),
        str(inputs["model"]).removeprefix("model:"),
        inputs["dev"],
    )


def time_left(workspace: Workspace) -> dict[str, float]:
    """Seconds until each run ends that needs a slot for trainings, by run id: side by side as there are slots.

    What runs goes by its own pace, what waits in its turn by that of finished ones.
    """
    pending = [run for run in reversed(workspace.store.pending()) if run.lane == "train"]
    known = _references(workspace) if pending else []
    running = [run for run in pending if run.state == "running"]
    known += [one for run in running if (one := _so_far(workspace.run_folder(run.id), run.attempt)) is not None]
    slow = max((_slowness(workspace, run, known) for run in running), default=1.0)
    ends = {run.id: _left(workspace, run, known, slow) for run in running}
    busy = [*ends.values()] + [0.0] * (_at_once(workspace.root) - len(ends))
    heapq.heapify(busy)
    for run in (run for run in pending if run.state != "running"):
        ready = 0.0 if run.due_at is None else max(0.0, run.due_at - boottime())
        ends[run.id] = max(ready, heapq.heappop(busy)) + _left(workspace, run, known, slow)
        heapq.heappush(busy, ends[run.id])
    return ends


def _at_once(root: Path) -> int:
    """How many trainings run side by side."""
    return max(1, len(slots(root)["train"]))


def _left(workspace: Workspace, run: Run, known: Sequence[Known], slow: float) -> float:
    """Seconds from now until a run ends, if it runs from now on. `slow`: how much slower all goes than it used to."""
    folder = workspace.run_folder(run.id)
    asked = asked_of(folder)
    if asked is None:
        return _other(workspace, run)
    usual = _usual(asked, known)
    lines = last_metrics(folder) if run.attempt else []
    rest = slow * seconds_left(lines, asked.train, usual.pace, usual.steps)
    if run.state != "running":
        return slow * usual.pace.start + rest
    mine = json_lines(metrics_file(folder, run.attempt))
    if not mine:
        return rest + _since(_began(folder, run), slow * usual.pace.start)
    own = pace_of(mine)
    if own is None:
        return rest
    own = own if own.look is not None else Pace(own.start, own.step, usual.pace.look)
    longest = max(own.step, own.look or 0.0)
    left = seconds_left(lines, asked.train, own, usual.steps)
    return max(_SAVING, left - longest + _since(mine[-1].get("t"), longest))


def _slowness(workspace: Workspace, run: Run, known: Sequence[Known]) -> float:
    """How many times longer than usual a training without a pace of its own took to start, or takes; at least 1."""
    folder = workspace.run_folder(run.id)
    asked, lines = asked_of(folder), json_lines(metrics_file(folder, run.attempt))
    if asked is None or pace_of(lines) is not None:
        return 1.0
    began = _began(folder, run)
    took = _SPAWN + float(lines[0].get("s", 0.0)) if lines else time.time() - (time.time() if began is None else began)
    return min(_SLOWEST, max(1.0, took / _usual(asked, known).pace.start))


def _began(folder: Path, run: Run) -> float | None:
    """When the newest attempt of a run that runs began."""
    return next((event.get("t") for event in reversed(events(folder)) if event.get("to") == "running"), run.started)


def _since(when: float | None, seconds: float) -> float:
    """What is left of so many seconds that began at a time (unix seconds), whatever the clock says."""
    passed = 0.0 if when is None else time.time() - when
    return seconds - min(max(0.0, passed), seconds)


def _other(workspace: Workspace, run: Run) -> float:
    """What is left of a run that is no training: as long as the newest of its kind took."""
    ended = workspace.store.list(kind=run.kind, state="succeeded", limit=_REMEMBERED)
    took = [other.seconds for other in ended if other.seconds]
    whole = statistics.median(took) if took else _LOOK_AT_TEST
    return _since(run.started, whole) if run.state == "running" else whole
