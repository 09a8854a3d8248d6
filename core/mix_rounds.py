"""The run kind `search`: mixes are tried, and tried again where they do well.

What it varies is built first, and forecasts are solved where they have a say. It begins with mixes that are spread over
what may be mixed; then a surrogate over all trainings there are says which
one to try next, and which of those tried deserves another seed (core.search.rounds). Like `settle` and `tune` it sleeps
nearly all the time, queues trainings and starts none, and what it does follows from the project's history and from the
runs: whatever ends an attempt, the next one goes on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Literal

import numpy as np

from core import corpus as corpora
from core import mix_prior, mix_variants
from core.errors import CoreError
from core.forecast.forecast import Forecast
from core.groups import SEARCH
from core.jobs.folder import cancel_file
from core.mix_search import Frame
from core.mix_trials import (
    EACH,
    Begun,
    MixSearch,
    Step,
    Survey,
    Why,
    begun,
    ended,
    seconds_left,
    spent,
    steps,
    survey,
)
from core.observed import Mixed
from core.pace import at_once
from core.params import canonical
from core.project import record
from core.recipe_text import mix_name
from core.repeats import group_now, repeats_of
from core.runs import Cancelled, RunContext, RunSpec
from core.search.designs import start
from core.search.rounds import next_mix, to_repeat
from core.trainings import OF_SEARCH, About, call_off, lighten, note
from core.workspace import Workspace

_NAP = 0.5  # seconds between two looks at the trainings
_SIGN = 30.0  # seconds between two signs of life
_FAILURES = 3  # trainings in a row, after which it gives up
Move = Mapping[str, float] | Mixed | Why | Literal["wait"]  # another mix; another seed of one; an end, unless some run


@dataclass(frozen=True)
class _Work:
    """One attempt."""

    ctx: RunContext
    frame: Frame
    begun: Begun

    @property
    def workspace(self) -> Workspace:
        return self.frame.workspace

    @property
    def project(self) -> str:
        return self.frame.params.project

    @property
    def search(self) -> MixSearch:
        return self.frame.search

    def steps(self) -> list[Step]:
        return steps(self.workspace, self.project, self.begun)

    def survey(self) -> Survey:
        return survey(self.workspace, self.project, self.search, self.frame.ground, self.frame.prior)


def run(ctx: RunContext) -> None:
    """The run kind `search`. Raises CoreError `search_failures`.

    Cancelled, it calls off those of its trainings that still wait; one that runs is finished, and counts.
    """
    frame = Frame.of(Workspace(ctx.root), ctx.spec)
    specs = {name: RunSpec.from_json(data) for name, data in frame.params.variants.items()}
    mix_variants.built(ctx, frame.workspace, specs, frame.params.search.runs)
    _solve_once(ctx, frame)
    work = _Work(ctx, frame, _begun_once(ctx, frame))
    try:
        ctx.finish(_searched(work))
    except Cancelled:
        if cancel_file(ctx.folder, ctx.attempt).exists():  # and not a signal, after which it goes on
            call_off(work.workspace, [run for one in work.steps() for run in one.runs.values()], "queued")
        raise


def _solve_once(ctx: RunContext, frame: Frame) -> None:
    """Solve the forecasts that have a say, unless an earlier attempt did; some seconds."""
    if frame.forecast is None or mix_prior.kept(ctx.folder) is not None:
        return
    dev = corpora.read(frame.workspace.corpus_path(frame.ground.dev))
    forecast = Forecast.load(frame.workspace.run_folder(frame.forecast), dev)
    found = mix_prior.solved(forecast, frame.search.space, frame.ground.rows, ctx.check_cancelled)
    mix_prior.keep(ctx.folder, forecast.labels, *found)


def _begun_once(ctx: RunContext, frame: Frame) -> Begun:
    """Note in the project that the search began, with what it is."""
    workspace, project = frame.workspace, frame.params.project
    found = begun(workspace, project, ctx.spec.id)
    if found is None:
        about = {"train": canonical(frame.recipe.train), "search": canonical(frame.search)}
        record(workspace, project, {"event": SEARCH, "run": ctx.spec.id, **about})
        found = begun(workspace, project, ctx.spec.id)
    assert found is not None
    return found


def _searched(work: _Work) -> dict[str, Any]:
    """Begin trainings and wait until there is an end. -> the result"""
    _go_on(work)
    before = {run.id for one in work.steps() for run in one.runs.values() if not run.pending}
    told, sign = -1, 0.0
    while True:
        work.ctx.check_cancelled()
        found = work.steps()
        _stop_at_failures(found, before)
        running = sum(run.pending for one in found for run in one.runs.values())
        done = sum(one.finished for one in found)
        if done != told or time.monotonic() - sign >= _SIGN:
            told, sign = done, time.monotonic()
            _tell(work, found)
        why = ended(work.workspace, work.begun, found)
        move: Move = why or "wait"
        if why is None and running < at_once(work.ctx.root):
            move = _next(work, found)
        if isinstance(move, Mixed):
            _repeat(work, found, move)
        elif isinstance(move, Mapping):
            _begin(work, found, move)
        elif running:
            time.sleep(_NAP)
        else:
            return _result(work, found, "gain" if move == "wait" else move)


def _next(work: _Work, found: Sequence[Step]) -> Move:
    """What comes next: the mixes that a search begins with, then seeds that were earned, then what promises most."""
    now, search = work.survey(), work.search
    first = next((one for one in _first(work, found, now) if _untried(work, now, one)), None)
    if first is not None:
        return first
    if not sum(now.done) or any(one.pending and not one.finished for one in found[: search.first]):
        return "wait"
    running = [sum(run.pending for run in mixed.runs.values()) for mixed in now.mixes]
    begun = [one + other for one, other in zip(now.done, running, strict=True)]
    at = to_repeat(now.order, now.done, begun, search.repeats, [] if now.gold is None else [now.gold])
    if at is not None:
        return now.mixes[at]
    going, grain = now.rows[np.array(running) > 0], 1 / work.frame.ground.rows
    best = next_mix(now.seen, going, search.space, now.terms, _seed(search, now), grain)
    if best is None or best[1] < search.gain:
        return "gain"
    amounts = work.frame.named(best[0])
    return amounts if _untried(work, now, amounts) else "gain"


def _seed(search: MixSearch, now: Survey) -> int:
    return 1000 * search.seed + len(now.mixes)


def _first(work: _Work, found: Sequence[Step], now: Survey) -> list[dict[str, float]]:
    """The mixes that it begins with; fewer of those that fill the space where others were trained before."""
    search, mine = work.search, {one.group for one in found}
    there = sum(mixed.group not in mine and any(mixed.rows) for mixed in now.mixes)
    spread = start(search.space, search.first, search.seed)
    return [{}, search.each(EACH), *spread[: max(0, search.first - 2 - there)]]


def _untried(work: _Work, now: Survey, amounts: Mapping[str, float]) -> bool:
    rows = work.frame.rows(amounts)
    return all(mixed.rows != rows for mixed in now.mixes)


def _begin(work: _Work, found: Sequence[Step], amounts: Mapping[str, float]) -> None:
    """Note one more mix and queue its first training."""
    mix = work.frame.mix(amounts)
    about = About(mix_name(mix), mix, work.begun.train, work.frame.splits)
    _queue(work, work.frame.specs(amounts, [0]), about, len(found))


def _repeat(work: _Work, found: Sequence[Step], mixed: Mixed) -> None:
    """Note one more seed of a mix, and queue it."""
    group = group_now(work.workspace, work.project, mixed.group)
    number = next((one.number for one in found if one.group == mixed.group), len(found))
    taken = {seed for one in found if one.group == mixed.group for seed in one.seeds} | {*mixed.runs}
    [seed] = islice((seed for seed in count() if seed not in taken), 1)
    about = About(group.name, group.mix, group.train, group.corpora)
    _queue(work, repeats_of(work.workspace, work.project, group, [seed]), about, number)


def _queue(work: _Work, specs: Sequence[RunSpec], about: About, number: int) -> None:
    note(work.workspace, work.project, specs, about, {OF_SEARCH: work.ctx.spec.id, "trial": number})
    work.ctx.point("search.noted")
    for spec in specs:
        work.workspace.queue(spec, {})


def _go_on(work: _Work) -> None:
    """Queue what an earlier attempt noted and did not come to queue, or what was called off with it."""
    for one in work.steps():
        left = [s for s in one.seeds if s not in one.runs or one.runs[s].state == "cancelled"]
        for seed in left:
            [spec] = work.frame.specs(one.amounts, [seed])
            if spec.id != one.seeds[seed]:  # of a mix that somebody drew in another way
                [spec] = repeats_of(
                    work.workspace, work.project, group_now(work.workspace, work.project, one.group), [seed]
                )
            work.workspace.queue(spec, {})


def _stop_at_failures(found: Sequence[Step], before: set[str]) -> None:
    """Raises CoreError `search_failures` where the newest trainings all failed."""
    runs = [run for one in found for run in one.runs.values() if not run.pending and run.id not in before]
    newest = sorted(runs, key=lambda run: run.ended or 0.0)[-_FAILURES:]
    if len(newest) == _FAILURES and all(run.state == "failed" for run in newest):
        raise CoreError("search_failures", {"n": _FAILURES, "run": newest[-1].id}, "hint_settle_failures")


def _tell(work: _Work, found: Sequence[Step]) -> None:
    """One line of metrics: how many trainings there were, the best so far, how long the rest takes; then the weights
    go that nobody needs."""
    now = work.survey()
    about: dict[str, Any] = {}
    if now.best is not None:
        about = {"best": now.mixes[now.best].group, "value": float(now.judge.worth(now.rows[[now.best]])[0][0])}
    left = round(seconds_left(work.workspace, work.begun, found), 1)
    work.ctx.metric(step=spent(work.begun, found), total=work.search.runs, left=left, **about)
    runs = {one.group: one.runs.values() for one in found}
    lighten(work.workspace, work.project, work.ctx.spec.id, work.begun.time, runs)


def _result(work: _Work, found: Sequence[Step], why: Why) -> dict[str, Any]:
    """Raises CoreError `search_failures` where nothing has finished."""
    now = work.survey()
    if now.best is None:
        runs = [run.id for one in found for run in one.runs.values()]
        raise CoreError("search_failures", {"n": len(runs), "run": runs[-1] if runs else "-"}, "hint_settle_failures")
    best = now.mixes[now.best]
    return {
        "group": best.group,
        "amounts": work.frame.amounts(best),
        "value": float(now.judge.worth(now.rows[[now.best]])[0][0]),
        "mixes": len(found),
        "runs": spent(work.begun, found),
        "known": sum(now.done),
        "stopped": why,
    }
