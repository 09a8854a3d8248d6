"""How long trainings take: those that run by their own pace, those that wait by the pace of finished ones."""

import heapq
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.expected import STEPS, Expected, expected
from core.jobs.dispatch import slots
from core.jobs.folder import Run, events, json_lines, last_metrics, metrics_file, worked
from core.jobs.process import boottime
from core.known import (
    LOOK_IN_STEPS,
    SAVING,
    SPAWN,
    Asked,
    Known,
    Pace,
    Sizes,
    asked_of,
    follows,
    pace_of,
    references,
    so_far,
)
from core.runs import KINDS
from core.training.settings import MOST_LOOKS, TrainParams
from core.workspace import Workspace

_SLOWEST = 5.0  # times as long as usual: more is no slowness, but a pause
_REMEMBERED = 24  # newest runs of a kind that an estimate looks at
_LOOK_AT_TEST = 20.0  # seconds that a run of another kind takes, where none has ended yet


def seconds_left(lines: Sequence[Mapping[str, Any]], train: TrainParams, pace: Pace, steps: int = STEPS) -> float:
    """Seconds until a training ends, from the line it noted last. `lines`: its metrics, one a step.

    `steps`: how many it takes, where neither its settings nor its metrics say so. Patience is not counted on.
    """
    first = next((line for line in lines if isinstance(line.get("total"), int)), dict[str, Any]())
    total = first.get("total") or train.steps or steps
    done = max((line["step"] for line in lines if line.get("loss") is not None), default=0)
    looked = max((line["step"] for line in lines if line.get("dev") is not None), default=0)
    planned = train.evaluation_steps(total, first.get("looks") or train.evaluations or MOST_LOOKS)
    looks = sum(at > looked and at >= done for at in planned)
    look = pace.step * LOOK_IN_STEPS if pace.look is None else pace.look
    return max(0, total - done) * pace.step + looks * look + SAVING


def seconds_each(workspace: Workspace, train: TrainParams, model: str = "") -> float:
    """About how long one training takes: from the newest ones of this workspace, else from a table.

    `model`: identity of the encoder, where it is known; trainings of the same one are believed before others.
    """
    return expected(workspace, Asked(train, model, ""), references(workspace)).together(1)


def seconds_all(
    workspace: Workspace, runs: int, train: TrainParams, model: str = "", sizes: Sizes | None = None, dev: str = ""
) -> float:
    """About how long several trainings on the same rows take: one after the other in one process for each slot."""
    found = expected(workspace, Asked(train, model, dev), references(workspace), sizes)
    return found.together(-(-runs // at_once(workspace.root)))


@dataclass(frozen=True)
class _Outlook:
    """What finished trainings let expect of others. `slow`: how much slower all goes now than it used to."""

    workspace: Workspace
    known: Sequence[Known]
    slow: float = 1.0
    made: dict[Asked, Expected] = field(default_factory=dict[Asked, Expected])

    def of(self, asked: Asked) -> Expected:
        if asked not in self.made:
            self.made[asked] = expected(self.workspace, asked, self.known)
        return self.made[asked]


def time_left(workspace: Workspace) -> dict[str, float]:
    """Seconds until each run ends that needs a slot for trainings, by run id: side by side as there are slots.

    What runs goes by its own pace, what waits in its turn by that of finished ones, and in the process of those before.
    """
    pending = [run for run in reversed(workspace.store.pending()) if run.lane == "train"]
    known = references(workspace) if pending else []
    running = [run for run in pending if run.state == "running"]
    known += [one for run in running if (one := so_far(workspace.run_folder(run.id), run.attempt)) is not None]
    outlook = _Outlook(workspace, known)
    slow = max((_slowness(outlook, run) for run in running), default=1.0)
    outlook = replace(outlook, slow=slow)
    ends = {run.id: _left(outlook, run) for run in running}
    busy = [(end, True) for end in ends.values()] + [(0.0, False)] * (at_once(workspace.root) - len(ends))
    heapq.heapify(busy)
    for run in (run for run in pending if run.state != "running"):
        ready = 0.0 if run.due_at is None else max(0.0, run.due_at - boottime())
        free, used = heapq.heappop(busy)
        shares = used and KINDS[run.kind].shares and not run.resumes
        ends[run.id] = max(ready, free) + _left(outlook, run, shares)
        heapq.heappush(busy, (ends[run.id], True))
    return ends


def at_once(root: Path) -> int:
    """How many trainings run side by side."""
    return max(1, len(slots(root)["train"]))


def _left(outlook: _Outlook, run: Run, shares: bool = False) -> float:
    """Seconds from now until a run ends, if it runs from now on. `shares`: in a process that had others before."""
    folder, slow = outlook.workspace.run_folder(run.id), outlook.slow
    asked = asked_of(folder)
    if asked is None:
        return _other(outlook.workspace, run)
    usual = outlook.of(asked)
    pace = Pace(usual.start, usual.step, usual.look)
    lines = last_metrics(folder) if run.attempt else []
    rest = slow * seconds_left(lines, asked.train, pace, usual.steps)
    if run.state != "running":
        return slow * (usual.follow if shares else usual.start + usual.states) + rest
    mine = json_lines(metrics_file(folder, run.attempt))
    if not mine:
        return rest + _since(_began(folder, run), slow * _starting(usual, folder))
    own = pace_of(mine)
    if own is None:
        return rest
    own = own if own.look is not None else Pace(own.start, own.step, usual.look)
    longest = max(own.step, own.look or 0.0)
    left = seconds_left(lines, asked.train, own, usual.steps)
    return max(SAVING, left - longest + _since(mine[-1].get("t"), longest))


def _starting(usual: Expected, folder: Path) -> float:
    """Before the first step of a run that has begun."""
    return usual.follow if follows(folder) else usual.start + usual.states


def _slowness(outlook: _Outlook, run: Run) -> float:
    """How many times longer than usual a training without a pace of its own took to start, or takes; at least 1."""
    folder = outlook.workspace.run_folder(run.id)
    asked, lines = asked_of(folder), json_lines(metrics_file(folder, run.attempt))
    if asked is None or pace_of(lines) is not None:
        return 1.0
    began = _began(folder, run)
    took = SPAWN + float(lines[0].get("s", 0.0)) if lines else time.time() - (time.time() if began is None else began)
    return min(_SLOWEST, max(1.0, took / _starting(outlook.of(asked), folder)))


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
    took = [seconds for other in ended if (seconds := worked(workspace.run_folder(other.id), other))]
    whole = statistics.median(took) if took else _LOOK_AT_TEST
    return _since(run.started, whole) if run.state == "running" else whole
