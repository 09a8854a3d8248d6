"""The trainings that a search queues: noted before they are queued, called off with it, and none kept for its weights
but those of the best."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.groups import LAUNCH, group_id, history
from core.jobs.folder import Run
from core.mix import Mix
from core.params import Json, canonical
from core.project import record
from core.recipe_text import mix_data
from core.runs import RunSpec
from core.training.settings import TrainParams
from core.workspace import Workspace

OF_SEARCH = "tune"  # in an event of a launch: the run of the search, of settings or of mixes, that it is a trial of


@dataclass(frozen=True)
class About:
    """What the history says of trainings. `name`: of their mix; `corpora`: ids by split."""

    name: str
    mix: Mix
    train: TrainParams
    corpora: Mapping[str, str]


def note(workspace: Workspace, project: str, specs: Sequence[RunSpec], about: About, more: Mapping[str, Json]) -> str:
    """Note trainings of one group in a project's history; a group that is there keeps its name. -> its id

    `more`: what else the history says of them.
    """
    group = group_id(specs[0])
    there = history(workspace, project).groups.get(group)
    event = {"event": LAUNCH, "group": group, "mix": there.name if there else about.name, "asked": mix_data(about.mix)}
    event |= {"train": canonical(about.train), "corpora": dict(about.corpora)}
    seeds = {spec.id: int(spec.params.get("seed", 0)) for spec in specs}
    record(workspace, project, event | {"seeds": seeds} | dict(more))
    return group


def call_off(workspace: Workspace, runs: Iterable[Run], state: str = "") -> None:
    """Cancel trainings: those in a state, or all that are not at their end."""
    for run in runs:
        if run.pending and state in ("", run.state):
            workspace.store.cancel(run.id)


def lighten(workspace: Workspace, project: str, search: str, since: float, found: Mapping[str, Iterable[Run]]) -> None:
    """Drop the weights of finished trainings, by group, that were carried out for a search alone, and since then."""
    groups = history(workspace, project).groups
    for group, runs in found.items():
        if groups[group].tune != search:
            continue
        for run in runs:
            if run.state == "succeeded" and run.submitted >= since:
                shutil.rmtree(workspace.run_folder(run.id) / "model", ignore_errors=True)
