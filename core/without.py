"""Blamed rows before a real run: a mix trained with and without them, on the same fresh seeds.

The rows were picked by what a linear head finds on dev (core.forecast.blame). Seeds that nobody picked by take the luck
of seeds away; that dev's rows suit the choice, only test can tell. Nothing of the project changes: the mix without them
draws as much from what is left of the ingredient.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Annotated

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core import estimate as estimates
from core.confirm import only, unused
from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.comparison import Comparison, compare, measure
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Judged, judge
from core.groups import Group, counts_of, evaluated, group_id, history
from core.launch import Plan, Planned, estimate, launch, plan_launch
from core.mix import Mix
from core.params import build, canonical
from core.project import Project, record
from core.recipe_text import mix_name
from core.repeats import group_now, queue, repeats_of, told
from core.scores import FEW
from core.settle import decide
from core.stage import Stage
from core.workspace import Workspace

WITHOUT = "without"  # the event
REPEATS = 5


@dataclass(frozen=True)
class Blamed:
    """Rows of an ingredient that are blamed. `rows`: their ids, in hex; `label`: what they are to hurt, "" for all."""

    ingredient: str
    rows: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Trial:
    """A mix with and without blamed rows, as the project's history has it. `whole`, `less`: groups; `seeds`: the fresh
    ones."""

    blamed: Blamed
    whole: str
    less: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = field(default_factory=tuple[int, ...])


@dataclass(frozen=True)
class Outcome:
    """What fresh repeats say of leaving rows out; differences are those of the mix without them, -1..1.

    `asked`: of F1 of the label that was blamed for, one question for itself; `others`: all else, judged together; both
    None and empty before both mixes have a repeat. `finished` of `wanted` runs ended well, `pending` are still to end.
    """

    trial: Trial
    asked: Judged | None
    others: Sequence[Judged]
    finished: int
    wanted: int
    pending: int


def wanted(workspace: Workspace, project: Project, stage: Stage, mix: Mix) -> Plan:
    """What `ask` would start, about: as many trainings of the whole mix, without a look at the encoder. Raises
    CoreError `mix_*` for a mix that can't be drawn."""
    seeds = _fresh(workspace, project, stage, 2 * REPEATS)
    return estimate(workspace, project, stage, {mix_name(mix): mix}, seeds)


def ask(
    workspace: Workspace, project: Project, stage: Stage, mix: Mix, blamed: Blamed, repeats: int = REPEATS
) -> list[str]:
    """Train a mix with and without the rows on fresh seeds. -> ids of the runs

    Raises CoreError `confirm_repeats` for fewer than 2 seeds, and as core.launch.plan_launch does.
    """
    if repeats < 2:
        raise CoreError("confirm_repeats", {"n": repeats})
    corpora.write(_left(stage.pools[blamed.ingredient], blamed.rows), workspace.corpora)
    plan = _plan(workspace, project, stage, mix, blamed, repeats)
    ids = launch(workspace, project, stage, plan)
    whole, less = (group_id(part.specs[0]) for part in plan.mixes)
    seeds = tuple(int(spec.params["seed"]) for spec in plan.mixes[0].specs)
    record(workspace, project.slug, {"event": WITHOUT, **canonical(Trial(blamed, whole, less, seeds))})
    return ids


def _plan(workspace: Workspace, project: Project, stage: Stage, mix: Mix, blamed: Blamed, repeats: int) -> Plan:
    """Both mixes over the same fresh seeds; a mix that was launched before keeps its name."""
    known = history(workspace, project.slug).groups
    seeds = _fresh(workspace, project, stage, repeats)
    pools = {**stage.pools, blamed.ingredient: _left(stage.pools[blamed.ingredient], blamed.rows)}
    name = mix_name(mix)
    parts: list[Planned] = []
    for some, called in ((stage, name), (replace(stage, pools=pools), _named(name, blamed))):
        [part] = plan_launch(workspace, project, some, {called: mix}, seeds).mixes
        there = known.get(group_id(part.specs[0]))
        parts.append(part if there is None else replace(part, name=there.name))
    cost = estimates.estimate(workspace, [part.wanted for part in parts])
    return Plan(tuple(parts), sum(part.new for part in parts), cost)


def _fresh(workspace: Workspace, project: Project, stage: Stage, repeats: int) -> range:
    found = stage.imported["corpora"]
    return unused(
        workspace, project.slug, {split: found[split] for split in ("dev", "test") if split in found}, repeats
    )


def _named(mix: str, blamed: Blamed) -> str:
    return f"{mix}, {blamed.ingredient} without {len(blamed.rows)} rows"


def _left(pool: Corpus, rows: Collection[str]) -> Corpus:
    """A pool without some rows, by their ids in hex: what it is once they are rejected."""
    out = {bytes.fromhex(row) for row in rows}
    stays = [at for at, id in enumerate(pool.table.column("id").to_pylist()) if id not in out]
    return pool.take(np.array(stays, dtype=np.int64))


def trial(workspace: Workspace, project: str, ingredient: str, label: str = "") -> Trial | None:
    """The newest of an ingredient's rows that are blamed for a label; None where nobody asked for one."""
    for event in reversed(told(workspace, project, WITHOUT)):
        try:
            found = build(Trial, {k: v for k, v in event.items() if k not in ("event", "time")}, WITHOUT)
        except CoreError:  # of an archive that somebody wrote by hand
            continue
        if (found.blamed.ingredient, found.blamed.label) == (ingredient, label):
            return found
    return None


def outcome(workspace: Workspace, project: str, trial: Trial, split: str = "dev") -> Outcome | None:
    """What came of it so far; None where its runs were deleted."""
    try:
        whole, less = _groups(workspace, project, trial)
    except CoreError:
        return None
    runs = [*whole.runs.values(), *less.runs.values()]
    counts = sum(len(group.finished) for group in (whole, less)), 2 * len(trial.seeds), sum(r.pending for r in runs)
    if not all(evaluated(workspace, group, split) for group in (whole, less)):
        return Outcome(trial, None, (), *counts)
    comparison = compare(*(measure(counts_of(workspace, group, split)) for group in (whole, less)))
    label = trial.blamed.label
    others = [one for one in judge({"": comparison})[""] if label or one.metric != "f1"]
    return Outcome(trial, _asked(comparison, label), others, *counts)


def _asked(comparison: Comparison, label: str) -> Judged | None:
    """One question, asked once: nothing to correct for. None for a label without a mention."""
    row = next((row for row in comparison.all if row.label == label), None)
    difference = None if row is None else row.difference["f1"]
    if row is None or difference is None:
        return None
    verdict, p = decide(difference.value, difference.p, difference.p_same(MARGIN))
    if comparison.seeds < ENOUGH_SEEDS:
        return Judged(label, "f1", row.support, difference, None, "few_repeats", None)
    if row.support < FEW:
        return Judged(label, "f1", row.support, difference, difference.interval, "few_mentions", None)
    return Judged(label, "f1", row.support, difference, difference.interval, verdict, p)


def go_on(workspace: Workspace, project: str, trial: Trial) -> list[str]:
    """Submit again what did not end well. -> ids of all its runs. Raises CoreError as core.repeats does."""
    found = _groups(workspace, project, trial)
    return [*chain(*(queue(workspace, one, repeats_of(workspace, project, one, trial.seeds)) for one in found))]


def _groups(workspace: Workspace, project: str, trial: Trial) -> list[Group]:
    """Both, with the fresh repeats alone. Raises CoreError `group_unknown` where they are gone."""
    return [only(group_now(workspace, project, id), trial.seeds) for id in (trial.whole, trial.less)]
