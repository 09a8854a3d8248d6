"""What comes of a search for settings: its best trial on fresh seeds against the first, and a project that uses it.

The best of many trials on dev flatters itself, as the best of many mixes does (core.confirm): only repeats that nobody
picked by say what it is worth.
"""

from collections.abc import Sequence
from dataclasses import replace

from core import confirm as confirming
from core.confirm import REPEATS, Confirmation
from core.errors import CoreError
from core.groups import Group, evaluated
from core.project import Project, edit
from core.repeats import group_now, note_repeats, queue, repeats_of
from core.training.settings import TrainParams
from core.trials import ENDED, Noted, Trial, best, trials
from core.workspace import Workspace


def confirm(workspace: Workspace, project: str, search: Noted, repeats: int = REPEATS) -> list[str]:
    """Train the best trial again on fresh seeds, and the first one too, as far as it has fewer repeats. -> ids of runs

    Raises CoreError `tune_start_best` where the settings it began from did best, and as core.confirm does.
    """
    found = trials(workspace, project, search)
    group, baseline = _pair(workspace, project, found)
    ids = confirming.confirm(workspace, project, group, baseline, sum(one.state in ENDED for one in found), repeats)
    missing = max(0, repeats - len(evaluated(workspace, baseline, "dev")))
    specs = note_repeats(workspace, project, baseline, _fresh(workspace, project, group, baseline)[:missing], {})
    return ids + queue(workspace, baseline, specs)


def go_on(workspace: Workspace, project: str, search: Noted) -> list[str]:
    """Submit again what of a confirmation did not end well. -> ids of all its runs; none where there is none"""
    pair = _pair(workspace, project, trials(workspace, project, search))
    fresh = _fresh(workspace, project, *pair)
    ids: list[str] = []
    for group in pair:
        seeds = [seed for seed in fresh if seed in group.runs]
        ids += queue(workspace, group, repeats_of(workspace, project, group, seeds))
    return ids


def confirmation(workspace: Workspace, project: str, found: Sequence[Trial]) -> Confirmation | None:
    """What fresh repeats say of the best trial against the first; None where they were not asked for.

    Those of the first that are still to end count as pending, too.
    """
    top = best(found)
    if top is None or top.group == found[0].group:
        return None
    group, baseline = (group_now(workspace, project, one.group) for one in (top, found[0]))
    told = confirming.confirmation(workspace, project, group, baseline)
    if told is None:
        return None
    return replace(told, pending=told.pending + sum(run.pending for run in baseline.runs.values()))


def _pair(workspace: Workspace, project: str, found: Sequence[Trial]) -> tuple[Group, Group]:
    """The groups of the best trial and of the first."""
    top = best(found)
    if top is None or top.group == found[0].group:
        raise CoreError("tune_start_best", {})
    group, baseline = (group_now(workspace, project, one.group) for one in (top, found[0]))
    return group, baseline


def _fresh(workspace: Workspace, project: str, group: Group, baseline: Group) -> tuple[int, ...]:
    asked = confirming.asked(workspace, project, group.id, baseline.id)
    return asked.seeds if asked else ()


def use(workspace: Workspace, project: str, train: TrainParams, search: str = "") -> TrainParams:
    """Make settings a project's own. -> those it had: given back, they undo it

    `search`: the run that found them.
    """
    had: list[TrainParams] = []

    def change(found: Project) -> Project:
        had.append(found.recipe.train)
        return replace(found, recipe=replace(found.recipe, train=train))

    edit(workspace, project, change, {"event": "settings"} | ({"search": search} if search else {}))
    return had[-1]
