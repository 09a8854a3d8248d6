"""Gold's learning curve: trainings on a part of gold alone, launched together, and what they say a mix is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.contrast import gold_only
from core.errors import CoreError, Value
from core.evaluation.verdicts import ENOUGH_SEEDS
from core.evaluation.worth import FEWEST_SIZES, Curve, Resampled, Worth, about, resample
from core.evaluation.worth import worth as worth_of
from core.groups import Group, comparable, counts_of, evaluated, group_id, groups, history
from core.jobs.folder import read_object
from core.launch import Plan, Planned, estimate, launch, plan_launch
from core.mix import GOLD, Mix, Part
from core.mixing import added
from core.params import digest
from core.project import Project
from core.recipe_text import GOLD_ONLY
from core.stage import Stage
from core.training.settings import TrainParams
from core.workspace import Workspace

SEEDS = (0, 1, 2, 3, 4)
_SHARES = (0.2, 0.4, 0.6, 0.8)  # of all gold, which is the last size
_LEAST = 10  # sentences; with fewer a model learns next to nothing
_MIX = 0  # the stream of a mix's draws; those of a size are its number of sentences


@dataclass(frozen=True)
class CurvePlan:
    """What a curve takes. `runs`: all of its trainings; `plan`: the mixes of which some are missing."""

    full: str  # id of the group with all of gold
    sizes: tuple[int, ...]
    runs: int
    plan: Plan
    parts: frozenset[str]  # names of the mixes with less than all of gold


@dataclass(frozen=True)
class GoldCurve:
    """The groups that trained on gold alone, alike in everything but how much of it.

    `full`: with all of gold; `rows`: how many sentences that are; `points`: by size, ascending, `full` among them;
    `evaluated`: ids of the runs with predictions for the split, by size.
    """

    full: Group
    rows: int
    points: Mapping[int, Group]
    evaluated: Mapping[int, tuple[str, ...]]

    @property
    def enough(self) -> bool:
        """Whether a line can be drawn."""
        return len(self.evaluated) >= FEWEST_SIZES

    @property
    def complete(self) -> bool:
        """Whether every size of such a line has as many repeats as a verdict takes."""
        return self.enough and all(len(runs) >= ENOUGH_SEEDS for runs in self.evaluated.values())

    @property
    def active(self) -> bool:
        return any(group.active for group in self.points.values())


def sizes_of(rows: int) -> tuple[int, ...]:
    """The usual numbers of gold sentences, ascending, all of them last. Raises CoreError `curve_small`."""
    return checked([size for share in _SHARES if (size := round(share * rows)) >= _LEAST], rows)


def checked(sizes: Sequence[int], rows: int) -> tuple[int, ...]:
    """Sizes that make a curve, ascending; all of gold is added. Raises CoreError `curve_size`, `curve_small`."""
    for size in sizes:
        if not _LEAST <= size <= rows:
            raise CoreError("curve_size", {"size": size, "least": _LEAST, "rows": rows})
    found = tuple(sorted({*sizes, rows}))
    if len(found) < FEWEST_SIZES:
        raise CoreError("curve_small", {"rows": rows, "sizes": len(found), "least": FEWEST_SIZES}, "hint_curve_small")
    return found


def mixes_of(sizes: Sequence[int]) -> dict[str, Mix]:
    """The mixes of a curve by name; the last is all of gold.

    Each seed draws sentences of its own, so that which of them one happens to have labelled is part of the spread; for
    one seed a larger size holds the smaller ones.
    """
    parts = {f"gold {size}": Mix({GOLD: Part(size, "rows")}, draw_per_seed=True) for size in sizes[:-1]}
    return parts | {GOLD_ONLY: Mix()}


def plan_curve(
    workspace: Workspace,
    project: Project,
    stage: Stage,
    sizes: Sequence[int],
    seeds: Sequence[int],
    train: TrainParams | None = None,
    look: bool = True,
) -> CurvePlan:
    """The trainings of a curve. `sizes`: of `checked`; `train`: settings other than the project's.

    `look`: whether the model is looked at; without, see core.launch.estimate. Raises what core.launch.plan_launch does.
    """
    if train is not None:
        project = replace(project, recipe=replace(project.recipe, train=train))
    mixes = mixes_of(sizes)
    plan = (plan_launch if look else estimate)(workspace, project, stage, mixes, seeds)
    left, points = missing(workspace, project, plan)
    parts = {one.name for one in left if one.name in points and GOLD in one.mix.parts}
    full = next(group_id(one.specs[0]) for one in plan.mixes if not one.mix.parts)
    runs = sum(len(one.specs) for one in plan.mixes)
    return CurvePlan(full, tuple(sizes), runs, Plan(tuple(left), plan.new, plan.estimate), frozenset(parts))


def missing(workspace: Workspace, project: Project, plan: Plan) -> tuple[list[Planned], set[str]]:
    """The mixes of a plan of which some runs aren't there, and the names of those that are launched for a curve alone.

    One that is there keeps its name, and stays a candidate if it is one.
    """
    known = history(workspace, project.slug)
    left: list[Planned] = []
    points: set[str] = set()
    for one in plan.mixes:
        if not one.new and all(spec.id in known.runs for spec in one.specs):
            continue
        there = known.groups.get(group_id(one.specs[0]))
        left.append(one if there is None else replace(one, name=there.name))
        if there is None or there.curve:
            points.add(left[-1].name)
    return left, points


def launch_curve(workspace: Workspace, project: Project, stage: Stage, planned: CurvePlan) -> list[str]:
    """Submit what is missing. -> ids of runs"""
    return launch(workspace, project, stage, planned.plan, planned.parts) if planned.plan.mixes else []


def curve_of(workspace: Workspace, project: str, baseline: Group, split: str) -> GoldCurve | None:
    """The curve whose trainings have the splits, gold, encoder and settings of a baseline; None without all of gold."""
    like = [group for group in groups(workspace, project) if alike(group, baseline)]
    whole = baseline if _all_of_gold(baseline) else gold_only([group for group in like if _all_of_gold(group)])
    if whole is None:
        return None
    drawn = {group.id: found for group in like if (found := _gold_alone(workspace, group)) is not None}
    if whole.id not in drawn:
        return None
    settings, rows = drawn[whole.id]
    points = {rows: whole}
    for group in like:
        other, size = drawn.get(group.id, ("", 0))
        if other == settings and 0 < size < rows and group.mix.draw_per_seed:
            points[size] = max(points.get(size, group), group, key=lambda one: len(one.finished))
    tested = {size: tuple(evaluated(workspace, points[size], split)) for size in sorted(points)}
    return GoldCurve(whole, rows, {size: points[size] for size in tested}, {s: ids for s, ids in tested.items() if ids})


def alike(group: Group, baseline: Group) -> bool:
    """Whether two groups were chosen on the same splits and trained by the same settings."""
    return group.corpora == baseline.corpora and group.train == baseline.train


def candidates(workspace: Workspace, curve: GoldCurve, found: Sequence[Group], split: str) -> list[Group]:
    """The mixes whose worth the curve can tell: they had the same gold, encoder, splits and settings."""
    inputs = _inputs(workspace, curve.full)
    return [
        group
        for group in comparable(found, curve.full)
        if not group.marks
        and alike(group, curve.full)
        and _inputs(workspace, group) == inputs
        and evaluated(workspace, group, split)
    ]


def _all_of_gold(group: Group) -> bool:
    return (
        not group.curve
        and not added(group.mix)
        and group.mix.shots is None
        and group.mix.requested()[GOLD] == (1.0, "times_gold")
    )


def _spec(workspace: Workspace, group: Group) -> Mapping[str, Any]:
    run = next(iter(group.runs.values()))
    return _read(workspace.run_folder(run.id)) or {"inputs": {}, "params": {}}


@lru_cache(maxsize=4096)
def _read(folder: Path) -> Mapping[str, Any] | None:
    return read_object(folder / "spec.json")


def _inputs(workspace: Workspace, group: Group) -> tuple[str | None, ...]:
    """Gold, dev and encoder."""
    return tuple(_spec(workspace, group)["inputs"].get(role) for role in (GOLD, "dev", "model"))


def _gold_alone(workspace: Workspace, group: Group) -> tuple[str, int] | None:
    """What a group without additions has in common with others of its curve, and its gold sentences."""
    spec = _spec(workspace, group)
    params = spec["params"]
    parts = params.get("mix", {}).get("parts", {})
    if added(group.mix) or set(parts) != {GOLD}:
        return None
    common = {name: value for name, value in params.items() if name not in ("seed", "mix")}
    return digest({"inputs": spec["inputs"], "params": common}), int(parts[GOLD]["amount"])


def resampled(workspace: Workspace, group: Group, split: str, size: int | None = None) -> Resampled:
    """What a group scores on a split. `size`: of a point of the curve; without, it is a mix.

    Raises CoreError `nothing_evaluated`.
    """
    return resample(counts_of(workspace, group, split), size or _MIX)


def points_of(workspace: Workspace, curve: GoldCurve, split: str) -> dict[int, Resampled]:
    """What gold alone scores on a split, by number of sentences. It takes a second for each size."""
    return {size: resampled(workspace, curve.points[size], split, size) for size in curve.evaluated}


def judged(curve: Curve, mix: Resampled) -> Worth:
    """What a mix is worth, from as many repeats on as any verdict takes."""
    return worth_of(curve, mix, ENOUGH_SEEDS)


def worth_words(found: Worth, mix: str) -> tuple[str, dict[str, Value]]:
    """The code and the values of a sentence of the catalogue."""
    values: dict[str, Value] = {"mix": mix, "gold": found.gold}
    if found.sentences is None or found.interval is None:
        return f"worth_{found.code}", values | {"repeats": found.repeats, "least": ENOUGH_SEEDS}
    both = found.code == "none"
    ends = sorted(found.interval, key=abs) if found.code == "loss" else found.interval
    low, high = (end_words(found, end, both) for end in ends)
    values |= {"n": abs(about(found.sentences)), "low": low, "high": high}
    return f"worth_{found.code}{'_beyond' if found.beyond and not both else ''}", values


def end_words(found: Worth, end: float, signed: bool) -> str:
    """An end of an interval in sentences, without a sign unless it is asked for; `>` or `<` where it is farther out."""
    number = f"{about(end):+d}" if signed else str(abs(about(end)))
    if end <= found.lowest:
        return f"{'<' if signed else '>'} {number}"
    return f"> {number}" if end >= found.highest else number
