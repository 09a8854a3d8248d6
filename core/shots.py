"""Which method wins with how many labelled rows: trainings on K shots of each label by several methods, each drawn
several times, and where the best of them changes.

A draw is the seed of a training that draws its rows anew (`shots`, `draw_per_seed` of a mix), so which rows one
happened to label is part of the spread. The groups are points of curves, like those of gold's learning curve, and no
candidates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

from core.augment import asks_a_run, reads_others
from core.errors import CoreError
from core.evaluation.scoring import interval
from core.evaluation.worth import Resampled
from core.gold_curve import missing, resampled
from core.groups import Group, evaluated, group_id, groups
from core.launch import Plan, launch, plan_launch
from core.mix import GOLD, Mix
from core.mixing import added
from core.project import Project
from core.recipe import AugmentedIngredient
from core.scores import Interval
from core.stage import Stage
from core.tasks import task
from core.tasks.protocol import Task
from core.training.ways import MIX, method_of, settings_of, without_rows
from core.workspace import Workspace


@dataclass(frozen=True)
class Wanted:
    """The trainings of one method. `groups`: ids by number of shots, 0 for a method that takes none."""

    method: str
    groups: Mapping[int, str]
    plan: Plan  # those of which some are missing
    points: frozenset[str]  # names among them that are launched for this alone
    runs: int


@dataclass(frozen=True)
class Point:
    """What a method scores with so many shots. `rows`: of gold, on average over draws; `f1`, `interval`: 0..1, over
    draws and the rows of the split; `sd`: over draws, None for one."""

    method: str
    shots: int
    rows: float
    draws: int
    f1: float
    sd: float | None
    interval: Interval


@dataclass(frozen=True)
class Crossing:
    """From one number of shots to the next another method is the better one. `clear`: at both ends the bands of the two
    lie apart."""

    better: str
    worse: str
    low: int
    high: int
    clear: bool


def plan_shots(
    workspace: Workspace, project: Project, stage: Stage, methods: Sequence[str], shots: Sequence[int], draws: int
) -> list[Wanted]:
    """The trainings of each method. Raises what core.launch.plan_launch does, CoreError `setting_other_task`,
    `shots_mix_empty`, `shots_mix_knows`."""
    found: list[Wanted] = []
    for method in dict.fromkeys(methods):
        mix = _own_mix(project) if method == MIX else Mix()
        train = settings_of(project.recipe.train, method)
        with_it = replace(project, recipe=replace(project.recipe, train=train))
        none = without_rows(method, project.recipe.train)
        sizes = [0] if none else sorted({*shots})
        mixes = {_name(method, size): _few(mix, size, task(project.recipe.task)) for size in sizes}
        plan = plan_launch(workspace, with_it, stage, mixes, range(1 if none else draws))
        ids = {size: group_id(one.specs[0]) for size, one in zip(sizes, plan.mixes, strict=True)}
        left, points = missing(workspace, project, plan)
        runs = sum(len(one.specs) for one in plan.mixes)
        found.append(Wanted(method, ids, replace(plan, mixes=tuple(left)), frozenset(points), runs))
    return found


def _own_mix(project: Project) -> Mix:
    """The mix that a project is at, if what joins gold there knows no other labelled row than those drawn. Raises
    CoreError `shots_mix_empty`, `shots_mix_knows`."""
    mix = project.recipe.mix
    if not added(mix):
        raise CoreError("shots_mix_empty", {"project": project.slug}, "hint_shots_mix_empty")
    for name in added(mix):
        if _knows_all_gold(project, name):
            raise CoreError("shots_mix_knows", {"name": name}, "hint_shots_mix_knows")
    return mix


def mix_problem(project: Project) -> CoreError | None:
    """Why the mix that a project is at can't be held against methods with few rows; None where it can."""
    try:
        _own_mix(project)
    except CoreError as error:
        return error
    return None


def _knows_all_gold(project: Project, name: str) -> bool:
    """Whether an ingredient takes something from gold rows that a draw of few leaves out. What was made of such a row
    is left out with it (core.tasks.drawing), so that is no such thing."""
    entry = project.recipe.ingredients[name]
    reads = False
    while isinstance(entry, AugmentedIngredient):
        reads = reads or reads_others(entry.augmenter, entry.params)
        if asks_a_run(entry.augmenter, entry.params):
            return True
        if entry.of == GOLD:
            return reads
        entry = project.recipe.ingredients[entry.of]
    return False


def _method_of(group: Group) -> str | None:
    """What the method of a group is called, as `shots` launches them."""
    return MIX if added(group.mix) and group.train.method == "full" else method_of(group.train)


def _few(mix: Mix, shots: int, of: Task) -> Mix:
    """A mix with so many rows of each label; of a method that looks at none, one, or where it reads words all of gold's
    text."""
    if not shots and of.reads == "tokens":
        return mix
    return replace(mix, shots=shots or 1, draw_per_seed=True)


def _name(method: str, shots: int) -> str:
    return f"{method}, {shots} shots" if shots else method


def launch_shots(workspace: Workspace, project: Project, stage: Stage, wanted: Sequence[Wanted]) -> list[str]:
    """Submit what is missing. -> ids of runs"""
    return [id for one in wanted if one.plan.mixes for id in launch(workspace, project, stage, one.plan, one.points)]


def points_of(workspace: Workspace, project: str, wanted: Sequence[Wanted], split: str) -> list[Point]:
    """What has predictions for a split, by method and shots."""
    known = {group.id: group for group in groups(workspace, project)}
    return [
        point_of(workspace, known[id], one.method, shots, split)
        for one in wanted
        for shots, id in one.groups.items()
        if id in known and evaluated(workspace, known[id], split)
    ]


def tried(workspace: Workspace, project: str, like: Group) -> dict[tuple[str, int], Group]:
    """What was launched for this on the splits of a group, by method and shots, 0 for a method that takes no rows."""
    found: dict[tuple[str, int], Group] = {}
    for group in groups(workspace, project):
        method = _method_of(group)
        shots = group.mix.shots if method is None or not without_rows(method, group.train) else 0
        if group.curve and shots is not None and group.corpora == like.corpora and method is not None:
            found[method, shots] = group
    return dict(sorted(found.items()))


def point_of(workspace: Workspace, group: Group, method: str, shots: int, split: str) -> Point:
    """What a group scores. Raises CoreError `nothing_evaluated`."""
    found: Resampled = resampled(workspace, group, split, shots or None)
    f1, ids = found.runs[:, 0], evaluated(workspace, group, split)
    rows = [workspace.result(id)["rows"][GOLD] for id in ids] if shots else [0]
    sd = float(f1.std(ddof=1)) if len(f1) > 1 else None
    return Point(method, shots, sum(rows) / len(rows), len(f1), float(f1.mean()), sd, interval(found.draws[:, 0]))


def crossings(points: Sequence[Point]) -> list[Crossing]:
    """Where two methods change places, from fewer shots to more; a method without rows is alike at all of them."""
    by = {method: _line(points, method) for method in dict.fromkeys(point.method for point in points)}
    sizes = sorted({point.shots for point in points if point.shots})
    return [crossed for pair in combinations(by, 2) for crossed in _between(by, pair, sizes)]


def _line(points: Sequence[Point], method: str) -> dict[int, Point]:
    return {point.shots: point for point in points if point.method == method}


def _between(by: Mapping[str, Mapping[int, Point]], pair: tuple[str, str], sizes: Sequence[int]) -> Iterator[Crossing]:
    one, other = ({size: p for size in sizes if (p := by[m].get(size) or by[m].get(0))} for m in pair)
    for low, high in pairwise(size for size in sizes if size in one and size in other):
        before, after = (one[size].f1 - other[size].f1 for size in (low, high))
        if before * after < 0:
            clear = all(_apart(one[size], other[size]) for size in (low, high))
            better, worse = pair if after > 0 else pair[::-1]
            yield Crossing(better, worse, low, high, clear)


def _apart(one: Point, other: Point) -> bool:
    return one.interval[0] > other.interval[1] or other.interval[0] > one.interval[1]


def best(points: Sequence[Point], shots: int) -> tuple[Point, list[Point]]:
    """The method that scores highest with so many shots, and those whose band reaches into its own. Raises CoreError
    `shots_none`."""
    there = [point for point in points if point.shots in (0, shots)]
    if not there:
        raise CoreError("shots_none", {"shots": shots})
    first = max(there, key=lambda point: point.f1)
    return first, [point for point in there if point is not first and not _apart(point, first)]
