"""The run kind `settle`: repeats of two mixes are added until a question about them is settled, or a budget is spent.

Looking after every repeat is what the rule is made for (core.evaluation.sequential). What is done follows from the
project's history and from the runs alone, so whatever ends an attempt, the next one goes on with the same seeds. It
sleeps nearly all the time. It queues trainings and starts none: what it started would end with it.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Annotated, Any, Literal

from pydantic import Field

from core.errors import CoreError
from core.evaluation.comparison import LEVEL, compare, measure
from core.evaluation.sequential import always_valid
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Metric
from core.groups import LAUNCH, Group, counts_of, evaluated
from core.jobs.dispatch import slots
from core.jobs.folder import Run, cancel_file, read_object
from core.known import asked_of
from core.pace import seconds_all
from core.params import CLOSED, build, canonical
from core.project import record
from core.repeats import group_now, launched_as, next_seeds, note_repeats, repeats_of, told
from core.runs import Cancelled, RunContext, RunSpec
from core.scores import Counts, Interval
from core.workspace import Workspace

SETTLE = "settle"
BUDGET = 16  # repeats in each group, at most
SPLIT = "dev"  # test is never looked at again and again
Claim = Literal["better", "worse", "same", "open"]
_ROUNDING = 1e-9  # a difference that small is none
_NAP = 0.5  # seconds between two looks at the trainings
_SIGN = 30.0  # seconds between two signs of life
_FAILURES = 2  # in a row, in one group, after which it gives up
_REMEMBERED = 64  # newest runs of the kind among which that of a pair is looked for

Pair = tuple[Group, Group]  # the baseline and the mix


@dataclass(frozen=True)
class SettleParams:
    """The question, and how far to go for an answer.

    `asked`: when, in nanoseconds since 1970, so that asking again is another run; `baseline`, `other`: ids of groups;
    `label`: "" for all labels together; `margin`: below it two mixes are the same (0..1); `start`: repeats in each
    group before the first look; `budget`: at most.
    """

    __pydantic_config__ = CLOSED
    asked: int
    project: str
    baseline: str
    other: str
    label: str = ""
    metric: Metric = "f1"
    margin: Annotated[float, Field(gt=0, lt=1)] = MARGIN
    start: Annotated[int, Field(ge=2, le=1000)] = ENOUGH_SEEDS
    budget: Annotated[int, Field(ge=2, le=1000)] = BUDGET


@dataclass(frozen=True)
class Look:
    """What is known at one look. `value`: the other's mean minus the baseline's (-1..1); `interval`, `p`: valid however
    often somebody looks; `p`: of the claim that is made, else of a difference."""

    verdict: Claim
    value: float
    interval: Interval | None
    p: float
    baseline_repeats: int
    other_repeats: int


@dataclass(frozen=True)
class Cost:
    """Trainings from here to the first look, and to the end of the budget; about how many seconds they take."""

    least: int
    most: int
    least_seconds: float
    most_seconds: float


def ask(workspace: Workspace, params: SettleParams) -> Run:
    """Submit the question. Raises CoreError `group_unknown`, `settle_not_comparable`, `settle_budget`, `bad_value`."""
    params = build(SettleParams, asdict(params), SETTLE)
    baseline, other = _pair(workspace, params)
    if baseline.id == other.id or baseline.corpora != other.corpora or SPLIT not in baseline.corpora:
        raise CoreError("settle_not_comparable", {"mix": other.name, "baseline": baseline.name})
    if params.budget < params.start:
        raise CoreError("settle_budget", {"budget": params.budget, "start": params.start})
    return workspace.submit(RunSpec(SETTLE, {}, canonical(params)))[0]


def asked(workspace: Workspace, run_id: str) -> SettleParams | None:
    """What a run of the kind was asked; None where its folder does not say."""
    spec = read_object(workspace.run_folder(run_id) / "spec.json") or {}
    return build(SettleParams, spec["params"], SETTLE) if spec.get("kind") == SETTLE else None


def newest(workspace: Workspace, project: str, baseline: str, other: str) -> Run | None:
    """The run that was last asked about two groups, however it stands."""
    for run in workspace.store.list(kind=SETTLE, limit=_REMEMBERED):
        params = asked(workspace, run.id)
        if params is not None and (params.project, params.baseline, params.other) == (project, baseline, other):
            return run
    return None


def sequential_pairs(workspace: Workspace, project: str) -> frozenset[tuple[str, str]]:
    """The pairs of groups whose repeats were added by looking, by id, in either order: they are to be judged with
    `sequential=True`."""
    found = [(event.get("baseline"), event.get("other")) for event in told(workspace, project, SETTLE)]
    pairs = [(one, two) for one, two in found if isinstance(one, str) and isinstance(two, str)]
    return frozenset([*pairs, *((two, one) for one, two in pairs)])


def cost(workspace: Workspace, baseline: Group, other: Group, start: int = ENOUGH_SEEDS, budget: int = BUDGET) -> Cost:
    """What a question would take: at least the repeats before the first look, at most the budget."""
    runs, seconds = [0, 0], [0.0, 0.0]
    for group in (baseline, other):
        have = sum(run.state == "succeeded" or run.pending for run in group.runs.values())
        about = next((at for run in group.runs.values() if (at := asked_of(workspace.run_folder(run.id)))), None)
        for at, upto in enumerate((start, budget)):
            missing = max(0, upto - have)
            runs[at] += missing
            seconds[at] += seconds_all(workspace, missing, group.train, about.model if about else "")
    return Cost(*runs, *seconds)


def decide(value: float, differs: float, equals: float) -> tuple[Claim, float]:
    """The claim that two p-values allow, of a difference and of none, and the p-value of that claim."""
    if differs <= LEVEL and abs(value) > _ROUNDING:
        return ("better" if value > 0 else "worse"), differs
    return ("same", equals) if equals <= LEVEL else ("open", differs)


def look(baseline: Sequence[Counts], other: Sequence[Counts], params: SettleParams) -> Look:
    """The question, held against one Counts per repeat. Raises CoreError `settle_label` without a mention of it."""
    comparison = compare(measure(baseline), measure(other))
    rows = {row.label: row for row in comparison.all if row.support}
    difference = rows[params.label].difference[params.metric] if params.label in rows else None
    if difference is None:
        known = ", ".join(label for label in rows if label) or "-"
        raise CoreError("settle_label", {"label": params.label, "known": known}, "hint_known")
    found = always_valid(comparison, difference)
    verdict, p = decide(difference.value, found.p, found.p_same(params.margin))
    return Look(verdict, difference.value, found.interval, p, comparison.baseline_seeds, comparison.other_seeds)


def wanted(have: Sequence[int], used: Sequence[int], params: SettleParams, at_once: int) -> tuple[int, int]:
    """How many repeats each of the two groups gets next; none at all: the budget is spent.

    First what both need before the first look; then the group with fewer repeats catches up, and where they have the
    same number both grow. `have`: repeats that can be judged, by group; `used`: those that count against the budget;
    `at_once`: slots for trainings.
    """
    ahead = have[0] - have[1]
    more = [max(0, params.start - one) for one in have]
    if not any(more):
        more = [max(1, at_once // 2)] * 2 if not ahead else [min(at_once, max(0, gap)) for gap in (-ahead, ahead)]
    baseline, other = (min(one, max(0, params.budget - spent)) for one, spent in zip(more, used, strict=True))
    return baseline, other


@dataclass(frozen=True)
class _Work:
    """One attempt."""

    ctx: RunContext
    workspace: Workspace
    params: SettleParams

    @property
    def added(self) -> dict[str, tuple[str, int]]:
        """The repeats that this run added, in this attempt or an earlier one: id -> (group, seed), in order."""
        mine = (one for one in told(self.workspace, self.params.project, LAUNCH) if one.get("by") == self.ctx.spec.id)
        return {id: (event["group"], seed) for event in mine for id, seed in event["seeds"].items()}


def run(ctx: RunContext) -> None:
    """The run kind `settle`. Raises CoreError `settle_failures`, `settle_label`, `group_unknown`; those of models.

    Cancelled, it calls off those of its trainings that still wait; one that runs is finished, and counts as any other.
    """
    work = _Work(ctx, Workspace(ctx.root), build(SettleParams, ctx.spec.params, SETTLE))
    try:
        _told_once(work)
        ctx.finish(_settled(work))
    except Cancelled:
        if cancel_file(ctx.folder, ctx.attempt).exists():  # and not a signal, after which it goes on
            for one in work.workspace.store.find(work.added):
                if one.state == "queued":
                    work.workspace.store.cancel(one.id)
        raise


def _told_once(work: _Work) -> None:
    """Note in the project that from here on this pair's repeats are added by looking."""
    project = work.params.project
    if not any(event.get("run") == work.ctx.spec.id for event in told(work.workspace, project, SETTLE)):
        _pair(work.workspace, work.params)  # nothing is noted for a project that is gone
        about = {name: value for name, value in asdict(work.params).items() if name not in ("asked", "project")}
        record(work.workspace, project, {"event": SETTLE, "run": work.ctx.spec.id, **about})


def _settled(work: _Work) -> dict[str, Any]:
    """Add, wait and look until there is an answer. -> the result"""
    _go_on(work)
    before = _failed(work)  # what failed in earlier attempts is not held against this one
    while True:
        pair = _ended(work)
        _stop_at_failures(work, before)
        have, used = _counted(work, pair)
        found = _looked(work, pair) if min(have) >= work.params.start else None
        more = wanted(have, used, work.params, max(1, len(slots(work.ctx.root)["train"])))
        if (found is not None and found.verdict != "open") or not any(more):
            answer = asdict(found or _looked(work, pair))
            saved = sum(max(0, work.params.budget - spent) for spent in used)
            return answer | {"repeats": min(have), "added": len(work.added), "saved": saved}
        _add(work, pair, more)


def _pair(workspace: Workspace, params: SettleParams) -> Pair:
    baseline, other = (group_now(workspace, params.project, id) for id in (params.baseline, params.other))
    return baseline, other


def _go_on(work: _Work) -> None:
    """Queue what an earlier attempt noted and did not come to queue, or what was called off with it."""
    known = {run.id: run.state for run in work.workspace.store.find(work.added)}
    for id, (group, seed) in work.added.items():
        if known.get(id, "cancelled") == "cancelled":
            found = group_now(work.workspace, work.params.project, group)
            [spec] = repeats_of(work.workspace, work.params.project, found, [seed])
            work.workspace.queue(spec, {})


def _ended(work: _Work) -> Pair:
    """Wait until no run of the two groups is to end any more, whoever submitted it."""
    sign = -_SIGN
    while True:
        work.ctx.check_cancelled()
        pair = _pair(work.workspace, work.params)
        if not any(group.active for group in pair):
            return pair
        if time.monotonic() - sign >= _SIGN:
            sign = time.monotonic()
            work.ctx.metric(step=min(_have(work.workspace, pair)), total=work.params.budget)
        time.sleep(_NAP)


def _have(workspace: Workspace, pair: Pair) -> list[int]:
    """Repeats that can be judged, by group."""
    return [len(evaluated(workspace, group, SPLIT)) for group in pair]


def _counted(work: _Work, pair: Pair) -> tuple[list[int], list[int]]:
    """Repeats that can be judged, and those that count against the budget: with them what this run tried in vain."""
    failed = _failed(work)
    vain = [group for id, (group, _) in work.added.items() if id in failed]
    return _have(work.workspace, pair), [len(group.finished) + vain.count(group.id) for group in pair]


def _failed(work: _Work) -> frozenset[str]:
    """Repeats that this run added and that ended without success."""
    found = work.workspace.store.find(work.added)
    return frozenset(run.id for run in found if run.state != "succeeded" and not run.pending)


def _stop_at_failures(work: _Work, before: frozenset[str]) -> None:
    """Raises CoreError `settle_failures` where the newest repeats of a group all ended without success."""
    failed = _failed(work)
    for group in (work.params.baseline, work.params.other):
        tried = [id for id, (mine, _) in work.added.items() if mine == group and id not in before][-_FAILURES:]
        if len(tried) == _FAILURES and failed.issuperset(tried):
            name = launched_as(work.workspace, work.params.project, group).name
            raise CoreError("settle_failures", {"mix": name, "n": _FAILURES, "run": tried[-1]}, "hint_settle_failures")


def _looked(work: _Work, pair: Pair) -> Look:
    """One look, noted in the metrics."""
    baseline, other = (counts_of(work.workspace, group, SPLIT) for group in pair)
    found = look(baseline, other, work.params)
    step = min(found.baseline_repeats, found.other_repeats)
    work.ctx.metric(step=step, total=work.params.budget, p=found.p, value=found.value)
    return found


def _add(work: _Work, pair: Pair, more: Sequence[int]) -> None:
    """Note more repeats of both groups, with the same seeds where that is possible, and queue them side by side."""
    seeds = [launched_as(work.workspace, work.params.project, group.id).members for group in pair]
    by = {"by": work.ctx.spec.id}
    specs: list[list[RunSpec]] = []
    for group, mine, its, number in zip(pair, seeds, seeds[::-1], more, strict=True):
        added = next_seeds(mine, its, number)
        specs.append(note_repeats(work.workspace, work.params.project, group, added, by) if added else [])
    work.ctx.point("settle.noted")
    for both in zip_longest(*specs):
        for spec in both:
            if spec is not None:
                work.workspace.queue(spec, {})
