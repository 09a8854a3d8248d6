"""The run kind `tune`: the settings of one mix's training are searched, by trials that are trainings of their own.

A trial is some settings under a few seeds, judged on dev alone. What is tried next follows from the trials there are
(core.sampler), and these from the project's history and the runs (core.trials): whatever ends an attempt, the next one
goes on with the same trials. Like `settle` it sleeps nearly all the time, queues trainings and starts none.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core import corpus as corpora
from core.errors import CoreError
from core.formats.importing import used_labels
from core.jobs.folder import Run, cancel_file, read_object
from core.mix import Mix
from core.models.catalogue import DEFAULT, install
from core.pace import at_once
from core.params import CLOSED, build, canonical
from core.project import record
from core.recipe import Recipe
from core.runs import Cancelled, RunContext, RunSpec
from core.seen import told_or_refused
from core.stage import Stage, settle, train_specs
from core.training import sense
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.trainings import OF_SEARCH, About, call_off, lighten, note
from core.trials import (
    ENDED,
    PRUNED,
    TUNE,
    Noted,
    Search,
    Trial,
    Why,
    best,
    ended,
    noted,
    seconds_left,
    trials,
)
from core.tunable import Tried, check, check_encoder, with_values
from core.workspace import Workspace

_NAP = 0.5  # seconds between two looks at the trainings
_SIGN = 30.0  # seconds between two signs of life
_FAILURES = 3  # trials in a row, after which it gives up
_REMEMBERED = 64  # newest runs of the kind among which that of a mix is looked for


@dataclass(frozen=True)
class TuneParams:
    """`name`, `mix`: as they were asked for; `model`: what the recipe calls the encoder; `training`: of the first
    trial, whatever its seed; `corpora`: ids by split. The inputs are those of a training."""

    __pydantic_config__ = CLOSED
    project: str
    name: str
    mix: Mix
    model: str
    training: TrainRunParams
    corpora: dict[str, str]
    search: Search


def ask(workspace: Workspace, recipe: Recipe, stage: Stage, name: str, search: Search) -> tuple[Run, bool]:
    """Submit a search for a recipe's mix, called `name`. -> (the run, whether it was there already)

    Raises CoreError `tune_empty`, `tune_range`, `settle_label`, `unknown_key`, `bad_value`, `setting_without_effect`;
    `mix_*`, `layers_*`, `prompt_learns_nothing`, those of models.
    """
    check(search.ranges)
    search = build(Search, asdict(search), "search")
    model = install(recipe.train.model, workspace.models, recipe.folder)
    sense.check(recipe.train)
    sense.check_learns(recipe.train)
    check_encoder(search.ranges, recipe.train, model.folder)
    told_or_refused(workspace, recipe.train.model, model.folder, stage.imported["corpora"])
    training, names = settle(recipe, stage)
    [like] = train_specs(stage, training, names, model.identity, [0])
    splits = {split: id for split, id in stage.imported["corpora"].items() if split in ("dev", "test")}
    _check_label(workspace, splits["dev"], search.label)
    params = TuneParams(recipe.project, name, recipe.mix, recipe.train.model, training, splits, search)
    return workspace.submit(RunSpec(TUNE, like.inputs, canonical(params)))


def _check_label(workspace: Workspace, dev: str, label: str) -> None:
    known = sorted(used_labels(corpora.read(workspace.corpus_path(dev))))
    if label and label not in known:
        raise CoreError("settle_label", {"label": label, "known": ", ".join(known) or "-"}, "hint_known")


def asked(workspace: Workspace, run_id: str) -> TuneParams | None:
    """What a run of the kind was asked; None where its folder does not say."""
    spec = read_object(workspace.run_folder(run_id) / "spec.json") or {}
    return build(TuneParams, spec["params"], TUNE) if spec.get("kind") == TUNE else None


def newest(workspace: Workspace, project: str, mix: Mix | None = None) -> Run | None:
    """The run that was last asked about a project's mix, or about any of its mixes, however it stands."""
    for run in workspace.store.list(kind=TUNE, limit=_REMEMBERED):
        params = asked(workspace, run.id)
        if params is not None and params.project == project and mix in (None, params.mix):
            return run
    return None


@dataclass(frozen=True)
class _Work:
    """One attempt."""

    ctx: RunContext
    workspace: Workspace
    params: TuneParams
    noted: Noted

    @property
    def search(self) -> Search:
        return self.params.search

    def trials(self) -> list[Trial]:
        return trials(self.workspace, self.params.project, self.noted)

    def specs(self, number: int, train: TrainParams) -> list[RunSpec]:
        """The trainings of a trial. What was asked is taken as it is kept: a whole number read as a float is another
        run."""
        kept = dict(self.ctx.spec.params["training"])
        if number:
            settings = canonical(replace(train, model=DEFAULT))
            kept = {name: value for name, value in kept.items() if name != "train"}
            kept |= {"train": settings} if settings else {}
        seeds = range(self.search.repeats)
        return [RunSpec("train", self.ctx.spec.inputs, {**kept, "seed": seed}) for seed in seeds]


def run(ctx: RunContext) -> None:
    """The run kind `tune`. Raises CoreError `tune_failures`.

    Cancelled, it calls off those of its trainings that still wait; one that runs is finished, and counts.
    """
    workspace, params = Workspace(ctx.root), build(TuneParams, ctx.spec.params, TUNE)
    work = _Work(ctx, workspace, params, _noted_once(ctx, workspace, params))
    try:
        ctx.finish(_searched(work))
    except Cancelled:
        if cancel_file(ctx.folder, ctx.attempt).exists():  # and not a signal, after which it goes on
            _call_off(work, work.trials(), "queued")
        raise


def _noted_once(ctx: RunContext, workspace: Workspace, params: TuneParams) -> Noted:
    """Note in the project that the search began, with what it is."""
    found = noted(workspace, params.project, ctx.spec.id)
    if found is None:
        train = canonical(replace(params.training.train, model=params.model))
        about = {"mix": params.name, "train": train, "search": canonical(params.search)}
        record(workspace, params.project, {"event": TUNE, "run": ctx.spec.id, **about})
        found = noted(workspace, params.project, ctx.spec.id)
    assert found is not None
    return found


def _searched(work: _Work) -> dict[str, Any]:
    """Begin trials, wait and give up the hopeless until there is an end. -> the result"""
    _go_on(work)
    before = len(work.trials())  # what failed in earlier attempts is not held against this one
    looked: set[tuple[int, int]] = set()  # trials with the newest look that was judged
    told, sign = -1, 0.0
    while True:
        work.ctx.check_cancelled()
        found = work.trials()
        _give_up(work, found, looked)
        _stop_at_failures(found, before)
        why = ended(work.workspace, work.noted, found)
        done = sum(one.state in ENDED for one in found)
        if done != told or time.monotonic() - sign >= _SIGN:
            told, sign = done, time.monotonic()
            _tell(work, found)
            _lighten(work, found)
        running = sum(run.pending for one in found for run in one.runs.values())
        if why is not None and not running:
            return _result(work, found, why)
        if why is None and running < at_once(work.ctx.root):
            _begin(work, found)
        else:
            time.sleep(_NAP)


def _begin(work: _Work, found: Sequence[Trial]) -> None:
    """Note one more trial and queue its trainings; the first has the settings that the search began from."""
    from core.sampler import next_values

    values: dict[str, Tried] = next_values(work.search, found) if found else {}
    train = with_values(work.noted.train, values) if values else work.noted.train
    specs = work.specs(len(found), train)
    about = About(work.params.name, work.params.mix, train, work.params.corpora)
    note(work.workspace, work.params.project, specs, about, {OF_SEARCH: work.ctx.spec.id, "trial": len(found)})
    work.ctx.point("tune.noted")
    for spec in specs:
        work.workspace.queue(spec, {})


def _go_on(work: _Work) -> None:
    """Queue what an earlier attempt noted and did not come to queue, or what was called off with it; what it gave up
    and did not come to cancel is cancelled."""
    for one in work.trials():
        if one.given_up:
            _call_off(work, [one])
            continue
        for seed, spec in enumerate(work.specs(one.number, one.train)):
            if seed not in one.runs or one.runs[seed].state == "cancelled":
                work.workspace.queue(spec, {})


def _give_up(work: _Work, found: Sequence[Trial], looked: set[tuple[int, int]]) -> None:
    """Note the trials that fall behind, and cancel their trainings. `looked`: what was judged before, is added to."""
    from core.sampler import hopeless

    for one in found:
        if not work.search.prune or one.state != "active" or one.given_up:
            continue
        newest = (one.number, max(one.looks, default=0))
        if newest in looked:
            continue
        looked.add(newest)
        if hopeless(work.search, found, one):
            work.ctx.note(f"trial {one.number} is given up at {one.so_far}: the finished ones were better there")
            about = {TUNE: work.ctx.spec.id, "trial": one.number, "reached": one.so_far}
            record(work.workspace, work.params.project, {"event": PRUNED, **about})
            work.ctx.point("tune.pruned")
            _call_off(work, [one])


def _call_off(work: _Work, found: Sequence[Trial], state: str = "") -> None:
    """Cancel trainings of trials: those in a state, or all that are not at their end."""
    call_off(work.workspace, [run for one in found for run in one.runs.values()], state)


def _stop_at_failures(found: Sequence[Trial], before: int) -> None:
    """Raises CoreError `tune_failures` where the newest trials all failed, and not for their settings."""
    tried = [one for one in found[before:] if one.state != "active"][-_FAILURES:]
    if len(tried) == _FAILURES and all(one.state == "failed" for one in tried):
        runs = [run.id for run in tried[-1].runs.values() if run.state == "failed"]
        raise CoreError("tune_failures", {"n": _FAILURES, "run": runs[-1]}, "hint_settle_failures")


def _tell(work: _Work, found: Sequence[Trial]) -> None:
    """One line of metrics: how many trials have ended, the best so far, how long the rest takes."""
    top, left = best(found), seconds_left(work.workspace, work.noted, found)
    about = {} if top is None else {"best": top.number, "value": top.value}
    done = sum(one.state in ENDED for one in found)
    work.ctx.metric(step=done, total=work.search.trials, left=round(left, 1), **about)


def _lighten(work: _Work, found: Sequence[Trial]) -> None:
    """Drop the weights of trainings that were carried out for this search alone, but for those of the best trial."""
    top = best(found)
    runs = {one.group: one.runs.values() for one in found if one.state == "finished" and one is not top}
    lighten(work.workspace, work.params.project, work.ctx.spec.id, work.noted.time, runs)


def _result(work: _Work, found: Sequence[Trial], why: Why) -> dict[str, Any]:
    """Raises CoreError `tune_failures` where no trial has finished."""
    from core.sampler import importance

    top = best(found)
    if top is None:
        runs = [run.id for one in found for run in one.runs.values()]
        raise CoreError("tune_failures", {"n": len(found), "run": runs[-1] if runs else "-"}, "hint_settle_failures")
    states = [one.state for one in found]
    return {
        "best": top.number,
        "value": top.value,
        "start": found[0].value,
        "train": canonical(top.train),
        "tried": len(found),
        "pruned": states.count("pruned"),
        "failed": len(found) - states.count("finished") - states.count("pruned"),
        "stopped": why,
        "importance": importance(work.search, found),
    }
