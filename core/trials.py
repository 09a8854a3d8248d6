"""The trials of a search for settings, as a project's events and the runs have them: there is no other record."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from core import pace
from core.board import best_dev
from core.errors import CoreError
from core.evaluation.verdicts import Metric
from core.groups import LAUNCH
from core.jobs.folder import Run, last_metrics, worked
from core.observed import totals
from core.params import CLOSED, build
from core.repeats import told
from core.training.settings import TrainParams
from core.trainings import OF_SEARCH
from core.tunable import Range, Tried, placed
from core.workspace import Workspace

TUNE = "tune"  # the kind of run, and the event that a search began
PRUNED = "pruned"  # the event that a trial was given up
PARTS = 4  # of a training: the looks at dev of trainings of any length fall into them
_DIVERGED = "loss_not_finite"
State = Literal["active", "finished", "pruned", "diverged", "stopped", "failed"]
Why = Literal["trials", "minutes", "patience"]  # what ended a search
ENDED: frozenset[State] = frozenset({"finished", "pruned", "diverged", "failed"})


@dataclass(frozen=True)
class Search:
    """What is searched, by what a trial is judged, and how far to go.

    `repeats`: seeds of each trial; `minutes`: of training, all trials together; `patience`: trials without a gain after
    which it ends; `label`: "" for all together; `prune`: give up what falls behind; `seed`: of what is tried.
    """

    __pydantic_config__ = CLOSED
    ranges: dict[str, Range]
    trials: Annotated[int, Field(ge=2, le=1000)] = 20
    repeats: Annotated[int, Field(ge=1, le=64)] = 2
    minutes: Annotated[float, Field(gt=0)] | None = None
    patience: Annotated[int, Field(ge=1)] | None = 10
    label: str = ""
    metric: Metric = "f1"
    prune: bool = True
    seed: Annotated[int, Field(ge=0)] = 0

    @property
    def headline(self) -> bool:
        """Whether trials are judged by what trainings choose their best step by."""
        return (self.label, self.metric) == ("", "f1")


@dataclass(frozen=True)
class Noted:
    """A search as the project's history has it. `mix`: its name; `train`: the settings of the first trial."""

    run: str
    mix: str
    train: TrainParams
    search: Search
    time: float  # unix seconds


@dataclass(frozen=True)
class Trial:
    """Some settings, tried. `values`: of those that are searched; `runs`: by seed, those there.

    `value`: the mean of what is searched for (0..1) once all repeats are in; `looks`: the mean so far, by how far it
    was: PARTS to a repeat, one repeat after the other; `seconds`: of trainings that were carried out for it;
    `given_up`: whether it is noted that it fell behind.
    """

    number: int  # from 0, which has the settings that the search began from
    group: str
    train: TrainParams
    values: Mapping[str, Tried]
    runs: Mapping[int, Run]
    state: State
    value: float | None = None
    looks: Mapping[int, float] = field(default_factory=dict[int, float])
    seconds: float = 0.0
    given_up: bool = False

    @property
    def so_far(self) -> float | None:
        """What it reached, all repeats in or not."""
        return self.value if self.value is not None else max(self.looks.values(), default=None)


def searches(workspace: Workspace, project: str) -> list[Noted]:
    """The searches of a project, the first begun first."""
    return list({one.run: one for event in told(workspace, project, TUNE) if (one := _noted(event))}.values())


def _noted(event: Mapping[str, Any]) -> Noted | None:
    """None for what an archive has that somebody wrote by hand."""
    try:
        train, search = build(TrainParams, event["train"], "train"), build(Search, event["search"], "search")
        return Noted(str(event["run"]), str(event["mix"]), train, search, float(event["time"]))
    except (CoreError, KeyError, TypeError, ValueError):
        return None


def noted(workspace: Workspace, project: str, search: str) -> Noted | None:
    """A search by the id of its run; None where it has not begun."""
    return next((one for one in searches(workspace, project) if one.run == search), None)


def trials(workspace: Workspace, project: str, search: Noted) -> list[Trial]:
    """The trials of a search, in the order in which they were begun."""
    events = [event for event in told(workspace, project, LAUNCH) if event.get(OF_SEARCH) == search.run]
    events = [event for event in events if isinstance(event.get("trial"), int)]
    given_up = {event.get("trial") for event in told(workspace, project, PRUNED) if event.get(TUNE) == search.run}
    known = {run.id: run for run in workspace.store.find([id for event in events for id in event["seeds"]])}
    return [_trial(workspace, search, event, known, event["trial"] in given_up) for event in events]


def _trial(
    workspace: Workspace, noted: Noted, event: Mapping[str, Any], known: Mapping[str, Run], given_up: bool
) -> Trial:
    search, train = noted.search, build(TrainParams, event["train"], "train")
    seeds = sorted((seed, id) for id, seed in event["seeds"].items())
    runs = {seed: known[id] for seed, id in seeds if id in known}
    there = [runs.get(seed) for seed, _ in seeds]
    looks = looks_of(workspace, there, train) if search.headline else {}
    state = _state(there, given_up)
    value = None
    if state == "finished":
        scores = [_score(workspace, run, search, event["corpora"]["dev"]) for run in runs.values()]
        value = statistics.fmean(scores)
    values = {name: placed(name, train, found) for name, found in search.ranges.items()}
    tried = {name: value for name, value in values.items() if value is not None}
    mine = [run for run in runs.values() if run.submitted >= noted.time]
    seconds = sum(worked(workspace.run_folder(run.id), run) or 0.0 for run in mine)
    return Trial(int(event["trial"]), event["group"], train, tried, runs, state, value, looks, seconds, given_up)


def _state(runs: Sequence[Run | None], given_up: bool) -> State:
    """`given_up`: because it fell behind; what else was cancelled, or is gone, was stopped."""
    there = [run for run in runs if run is not None]
    if any(run.pending for run in there):
        return "active"
    if len(there) == len(runs) and all(run.state == "succeeded" for run in there):
        return "finished"
    if any(run.state == "failed" and (run.error or {}).get("code") == _DIVERGED for run in there):
        return "diverged"
    if any(run.state == "failed" for run in there):
        return "failed"
    return "pruned" if given_up else "stopped"


def looks_of(workspace: Workspace, runs: Sequence[Run | None], train: TrainParams) -> dict[int, float]:
    """The mean of the best of dev so far (0..1), by how far a trial is: the looks of its first run, then of its second.

    Trials are so held against each other on the same seeds, and on the same part of their trainings.
    """
    out: dict[int, float] = {}
    before: list[float] = []
    for at, run in enumerate(runs):
        if run is None:
            break
        best = 0.0
        for part, dev in _looked(workspace.run_folder(run.id), run, train).items():
            best = max(best, dev)
            out[at * PARTS + part] = statistics.fmean([*before, best])
        if run.state != "succeeded":
            break
        before.append(best if run.score is None else run.score)
        out[(at + 1) * PARTS] = statistics.fmean(before)
    return out


def _looked(folder: Path, run: Run, train: TrainParams) -> Mapping[int, float]:
    """The best of dev by the part of the training, from 1 to PARTS, at whose end it was looked at."""
    if run.pending:
        return _parts(folder, train.steps)
    return _parts_of_ended(folder, run.attempt, run.ended, train.steps)


@lru_cache(maxsize=4096)
def _parts_of_ended(folder: Path, attempt: int, ended: float | None, steps: int | None) -> Mapping[int, float]:
    return _parts(folder, steps)


def _parts(folder: Path, steps: int | None) -> Mapping[int, float]:
    lines = last_metrics(folder)
    total = next((line["total"] for line in lines if isinstance(line.get("total"), int)), steps)
    out: dict[int, float] = {}
    for line in lines:
        dev = line.get("dev")
        if isinstance(dev, int | float) and total:
            part = min(PARTS, max(1, -(-PARTS * int(line["step"]) // total)))
            out[part] = max(out.get(part, 0.0), float(dev))
    return out


def _score(workspace: Workspace, run: Run, search: Search, dev: str) -> float:
    """What a finished run reached of what is searched for, on dev."""
    if search.headline:
        found = run.score if run.score is not None else best_dev(workspace.run_folder(run.id))
        return 0.0 if found is None else found
    return totals(workspace, run, dev).rate(search.label, search.metric)


def best(found: Sequence[Trial]) -> Trial | None:
    """The trial that did best, the first of equals; None where none has finished."""
    return max((one for one in found if one.value is not None), key=lambda one: one.value or 0.0, default=None)


def without_gain(found: Sequence[Trial]) -> int:
    """Trials that have ended and were begun after the best one."""
    top = best(found)
    return sum(one.state in ENDED for one in found if top is not None and one.number > top.number)


def seconds_each(workspace: Workspace, noted: Noted, found: Sequence[Trial], model: str = "") -> float:
    """About how long one trial's trainings take, one after the other: as the finished ones, else as any training."""
    took = [one.seconds for one in found if one.state in ("finished", "pruned") and one.seconds]
    return statistics.fmean(took) if took else noted.search.repeats * pace.seconds_each(workspace, noted.train, model)


def seconds_left(workspace: Workspace, noted: Noted, found: Sequence[Trial]) -> float:
    """About how long a search still takes, if nothing ends it before all its trials."""
    ends = pace.time_left(workspace)
    now = max((ends.get(run.id, 0.0) for one in found for run in one.runs.values() if run.pending), default=0.0)
    rest = max(0, noted.search.trials - len(found))
    return now + rest * seconds_each(workspace, noted, found) / pace.at_once(workspace.root)


def ended(workspace: Workspace, noted: Noted, found: Sequence[Trial]) -> Why | None:
    """Why no more trials are begun; None: more are to come."""
    search = noted.search
    if len(found) >= search.trials:
        return "trials"
    if search.patience is not None and without_gain(found) >= search.patience:
        return "patience"
    spent = sum(one.seconds for one in found)
    going = 1 + sum(one.state == "active" for one in found)
    if search.minutes is not None and found:
        return "minutes" if spent + going * seconds_each(workspace, noted, found) > 60 * search.minutes else None
    return None
