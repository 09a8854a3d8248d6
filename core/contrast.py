"""The finished groups of a project side by side: which can be compared, which stand out, and what was seen of test."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from core.board import best_dev
from core.errors import CoreError
from core.evaluation.verdicts import ENOUGH_SEEDS
from core.groups import Group, evaluated, groups
from core.jobs.folder import Run, read_object
from core.mix import GOLD, Mix
from core.mixing import added
from core.models.started import run_of
from core.project import events
from core.report.finding import Finding
from core.workspace import Workspace


def finished(workspace: Workspace, project: str) -> list[Group]:
    """The groups with a run that succeeded, the first launched first; without the points of gold's learning curve and
    the trials of searches for settings."""
    return [group for group in groups(workspace, project) if group.finished and not group.marks]


def titles(found: Sequence[Group]) -> dict[str, str]:
    """What to call each group, by id: its mix, with the start of its id where two groups have mixes of one name."""
    names = Counter(group.name for group in found)
    return {g.id: g.name if names[g.name] == 1 else f"{g.name} ({g.id[:4]})" for g in found}


def gold_only(found: Sequence[Group]) -> Group | None:
    """The group that trained on all of gold alone; of several one that begins with no trained run, then the one with
    the most finished runs."""
    alone = [group for group in found if not added(group.mix) and not group.marks and _whole(group.mix)]
    return max(alone, key=lambda group: (run_of(group.train.model) is None, len(group.finished)), default=None)


def _whole(mix: Mix) -> bool:
    """Whether every gold sentence is in; of an amount in rows or shares nobody can tell without the data."""
    amount, unit = mix.requested()[GOLD]
    return mix.shots is None and unit == "times_gold" and amount >= 1


def other_splits(group: Group, baseline: Group) -> list[str]:
    """The splits whose sentences aren't the baseline's: with any, the two can't be compared."""
    return sorted(
        split
        for split in {*group.corpora, *baseline.corpora}
        if group.corpora.get(split) != baseline.corpora.get(split)
    )


def named(found: Sequence[Group], name: str) -> Group:
    """The group called that, by title or id. Raises CoreError `group_unknown`."""
    known = titles(found)
    for group in found:
        if name in (group.id, known[group.id]):
            return group
    raise CoreError("group_unknown", {"name": name, "known": ", ".join(known.values()) or "-"}, "hint_known")


def by_dev(workspace: Workspace, found: Sequence[Group]) -> list[Group]:
    """Groups with enough finished runs to be judged, by their mean best F1 on dev, the best first."""
    means: dict[str, float] = {}
    for group in found:
        runs = [run for run in group.runs.values() if run.state == "succeeded"]
        scores = [run.score if run.score is not None else best_dev(workspace.run_folder(run.id)) for run in runs]
        scores = [score for score in scores if score is not None]
        if len(scores) >= ENOUGH_SEEDS:
            means[group.id] = statistics.fmean(scores)
    return sorted((g for g in found if g.id in means), key=lambda group: -means[group.id])


def best_and_worst(
    order: Sequence[Group], found: Mapping[str, Finding]
) -> tuple[tuple[Group, Finding] | None, tuple[Group, Finding] | None]:
    """The mix that is best on dev, and the one that is worst there if it does harm, with what they are found to do.

    `order`: of `by_dev`, the baseline left out; `found`: by id, judged together.
    """
    if not order:
        return None, None
    best, worst = order[0], order[-1]
    last = found[worst.id]
    return (best, found[best.id]), ((worst, last) if worst is not best and last.harms else None)


def looks(workspace: Workspace, project: str) -> list[float]:
    """When test was looked at, unix seconds, oldest first."""
    return [event["time"] for event in events(workspace, project) if event.get("event") == "look"]


def unseen(workspace: Workspace, group: Group) -> tuple[int, int]:
    """Finished runs of a group that were not evaluated on test. -> with weights, so that they can be; without"""
    left = set(group.finished) - set(evaluated(workspace, group, "test"))
    kept = sum((workspace.run_folder(run) / "model").exists() for run in left)
    return kept, len(left) - kept


def newest_look(workspace: Workspace, found: Sequence[Group]) -> Run | None:
    """The newest run that looks, or looked, at test with models of these groups."""
    models = {f"run:{run}" for group in found for run in group.finished}
    for run in workspace.store.list(kind="evaluate"):
        spec = read_object(workspace.run_folder(run.id) / "spec.json") or {}
        if models & {*spec.get("inputs", {}).values()}:
            return run
    return None


def repeats(workspace: Workspace, group: Group, split: str) -> Mapping[int, str]:
    """The runs of a group that were evaluated on a split, by seed."""
    there = set(evaluated(workspace, group, split))
    return {seed: run.id for seed, run in group.runs.items() if run.id in there}
