"""The mixes that a search has tried, as a project's events and the runs have them: there is no other record."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from core import pace
from core.errors import CoreError
from core.evaluation.verdicts import Metric
from core.groups import LAUNCH, SEARCH
from core.jobs.folder import Run, worked
from core.mix_prior import Prior
from core.mixing import added
from core.observed import Evidence, Ground, Mixed, Totals, evidence, observed
from core.params import CLOSED, build
from core.project import mix_of
from core.repeats import told
from core.search.designs import STEP
from core.search.rounds import HALVE, Judge, Seen, Terms
from core.search.space import Space
from core.search.surrogate import Surrogate
from core.training.settings import TrainParams
from core.trainings import OF_SEARCH
from core.workspace import Workspace

EACH = 0.5  # times gold of every ingredient of the uniform mix
Why = Literal["runs", "minutes", "gain"]  # what ended a search
Rate = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Condition:
    """What a mix must reach, whatever is searched for. `label`: "" for all together."""

    __pydantic_config__ = CLOSED
    least: Rate
    label: str = ""
    metric: Metric = "precision"


@dataclass(frozen=True)
class MixSearch:
    """What is searched for among which mixes, and how far to go.

    `most`: times gold, by ingredient; `runs`: trainings at most, what was trained before not counted; `minutes`: of
    training; `gain`: it ends where less is expected of another mix (0..1); `repeats`: of a mix at most; `label`: "" for
    all together; `worst`: the label that does worst counts instead; `price`: what 1 x gold of additional rows must be
    worth (0..1); `seed`: of what is tried; `families`: of ingredients of which several variants are searched, the names
    of those, of which a mix has one at most.
    """

    __pydantic_config__ = CLOSED
    most: dict[str, Annotated[float, Field(gt=0, le=100)]]
    runs: Annotated[int, Field(ge=4, le=1000)] = 40
    minutes: Annotated[float, Field(gt=0)] | None = None
    gain: Rate = 0.001
    repeats: Annotated[int, Field(ge=1, le=16)] = 4
    label: str = ""
    metric: Metric = "f1"
    worst: bool = False
    price: Rate = 0.0
    condition: Condition | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    families: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def space(self) -> Space:
        return Space(self.limits, tuple(self.families[name] for name in sorted(self.families)))

    def each(self, amount: float) -> dict[str, float]:
        """So much of every ingredient, or as much as there may be; of one with variants, the ingredient as it was
        where that is among them, else the middle one."""
        usual = {name: name if name in family else family[len(family) // 2] for name, family in self.families.items()}
        inside = {one for family in self.families.values() for one in family}
        return {
            name: min(amount, most)
            for name, most in self.limits.items()
            if name not in inside or name in usual.values()
        }

    @property
    def limits(self) -> dict[str, float]:
        """`most`, in the order of the columns of amounts."""
        return {name: self.most[name] for name in sorted(self.most)}

    @property
    def terms(self) -> Terms:
        return Terms(self.price, self.condition.least if self.condition else None)

    def value(self, found: Totals) -> float:
        """What is searched for, of a run, 0..1."""
        return found.worst(self.metric) if self.worst else found.rate(self.label, self.metric)

    def held(self, found: Totals) -> float:
        """What the condition is about, of a run, 0..1; 0 without one."""
        return found.rate(self.condition.label, self.condition.metric) if self.condition else 0.0

    @property
    def first(self) -> int:
        """How many mixes a search begins with, before it learns from them: gold only and a little of everything among
        them."""
        return max(3, min(self.runs // HALVE, 2 + math.ceil(1.5 * len(self.most))))


@dataclass(frozen=True)
class Begun:
    """A search as the project's history has it. `train`: of its trainings."""

    run: str
    train: TrainParams
    search: MixSearch
    time: float  # unix seconds


@dataclass(frozen=True)
class Step:
    """A mix, tried. `amounts`: what joins gold, times gold; `seeds`: ids of runs as noted, by seed; `runs`: those
    there; `seconds`: of what was carried out for it."""

    number: int  # from 0, in the order in which they were begun
    group: str
    name: str
    amounts: Mapping[str, float]
    seeds: Mapping[int, str]
    runs: Mapping[int, Run]
    seconds: float = 0.0

    @property
    def pending(self) -> bool:
        return any(run.pending for run in self.runs.values())

    @property
    def finished(self) -> int:
        return sum(run.state == "succeeded" for run in self.runs.values())


def searches(workspace: Workspace, project: str) -> list[Begun]:
    """The searches of a project, the first begun first."""
    return list({one.run: one for event in told(workspace, project, SEARCH) if (one := _begun(event))}.values())


def _begun(event: Mapping[str, Any]) -> Begun | None:
    """None for what an archive has that somebody wrote by hand."""
    try:
        train, search = build(TrainParams, event["train"], "train"), build(MixSearch, event["search"], "search")
        return Begun(str(event["run"]), train, search, float(event["time"]))
    except (CoreError, KeyError, TypeError, ValueError):
        return None


def begun(workspace: Workspace, project: str, run: str) -> Begun | None:
    """A search by the id of its run; None where it has not begun."""
    return next((one for one in searches(workspace, project) if one.run == run), None)


def steps(workspace: Workspace, project: str, search: Begun) -> list[Step]:
    """The mixes that a search tried, in the order in which they were begun."""
    by_number: dict[int, list[Mapping[str, Any]]] = {}
    for event in told(workspace, project, LAUNCH):
        if event.get(OF_SEARCH) == search.run and isinstance(event.get("trial"), int):
            by_number.setdefault(event["trial"], []).append(event)
    ids = [id for events in by_number.values() for event in events for id in event["seeds"]]
    known = {run.id: run for run in workspace.store.find(ids)}
    return [_step(workspace, search, number, events, known) for number, events in sorted(by_number.items())]


def _step(
    workspace: Workspace, search: Begun, number: int, events: Sequence[Mapping[str, Any]], known: Mapping[str, Run]
) -> Step:
    seeds = {seed: id for event in events for id, seed in event["seeds"].items()}
    runs = {seed: known[id] for seed, id in seeds.items() if id in known}
    mine = [run for run in runs.values() if run.submitted >= search.time]
    seconds = sum(worked(workspace.run_folder(run.id), run) or 0.0 for run in mine)
    amounts = added(mix_of(events[0]["asked"]))
    return Step(number, events[0]["group"], events[0]["mix"], amounts, seeds, runs, seconds)


def spent(search: Begun, found: Sequence[Step]) -> int:
    """Trainings that were carried out, or wait, for a search; what was trained before costs nothing."""
    return sum(run.submitted >= search.time for one in found for run in one.runs.values())


def seconds_each(workspace: Workspace, search: Begun, found: Sequence[Step], model: str = "") -> float:
    """About how long one training takes: as those that ended, else as any training."""
    took = [one.seconds / one.finished for one in found if one.finished and one.seconds and not one.pending]
    return statistics.fmean(took) if took else pace.seconds_each(workspace, search.train, model)


def seconds_left(workspace: Workspace, search: Begun, found: Sequence[Step]) -> float:
    """About how long a search still takes, if nothing ends it before all its runs."""
    ends = pace.time_left(workspace)
    now = max((ends.get(run.id, 0.0) for one in found for run in one.runs.values() if run.pending), default=0.0)
    rest = max(0, search.search.runs - spent(search, found))
    return now + rest * seconds_each(workspace, search, found) / pace.at_once(workspace.root)


def ended(workspace: Workspace, search: Begun, found: Sequence[Step]) -> Why | None:
    """Why no more trainings are begun, as far as the budget goes; None: more may come."""
    if spent(search, found) >= search.search.runs:
        return "runs"
    minutes = search.search.minutes
    if minutes is None or not found:
        return None
    going = 1 + sum(run.pending for one in found for run in one.runs.values())
    each = seconds_each(workspace, search, found)
    return "minutes" if sum(one.seconds for one in found) + going * each > 60 * minutes else None


@dataclass(frozen=True)
class Survey:
    """All that is known of the mixes of a search's ingredients. `mixes`: those that were trained, or are, by whomever;
    `rows`: of each in `mixes`; `prior`: what is forecast of them. *Shape:* (mixes, ingredients), times gold."""

    search: MixSearch
    ground: Ground
    mixes: Sequence[Mixed]
    found: Evidence
    rows: np.ndarray = field(repr=False)
    prior: Prior | None = field(default=None, repr=False)

    @cached_property
    def terms(self) -> Terms:
        terms, prior, search = self.search.terms, self.prior, self.search
        return terms if prior is None else replace(terms, cast=prior.of(search.value), cast_held=prior.of(search.held))

    @cached_property
    def seen(self) -> Seen:
        """The finished runs."""
        values = np.array([self.search.value(one) for one in self.found.found])
        return Seen(self.found.amounts, values, np.array([self.search.held(one) for one in self.found.found]))

    @cached_property
    def judge(self) -> Judge:
        """What is expected of mixes. Of at least one finished run."""
        return Judge.of(self.seen, self.terms)

    @property
    def process(self) -> Surrogate:
        return self.judge.process

    @cached_property
    def done(self) -> list[int]:
        """Finished repeats of each mix whose predictions are there."""
        return np.bincount(self.found.mixes, minlength=len(self.mixes)).tolist()

    @property
    def order(self) -> list[int]:
        """Positions of the mixes, the one of which most is expected first."""
        return self.judge.order(self.rows).tolist()

    @property
    def best(self) -> int | None:
        """The position of the best of those with the most believable scores: with 2 repeats, or 1 where none has; of
        mixes within the limits."""
        space = self.search.space
        within = np.all(self.rows <= space.limits + STEP / 2, axis=1) & space.holds(self.rows)
        there = [at for at in self.order if self.done[at] and within[at]] if sum(self.done) else []
        sure = [at for at in there if self.done[at] >= HALVE]
        return next(iter(sure or there), None)

    @property
    def gold(self) -> int | None:
        """The position of gold only."""
        return next((at for at, mixed in enumerate(self.mixes) if not any(mixed.rows)), None)


def survey(workspace: Workspace, project: str, search: MixSearch, ground: Ground, prior: Prior | None = None) -> Survey:
    """Look at all trainings of a project on the search's ground."""
    mixes = observed(workspace, project, ground)
    rows = np.array([mixed.rows for mixed in mixes], float).reshape(len(mixes), len(ground.names)) / ground.rows
    return Survey(search, ground, mixes, evidence(workspace, ground, mixes), rows, prior)
