"""The encoders that lie in a workspace, and what they are called."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import CoreError
from core.groups import Group, groups, history
from core.known import asked_of
from core.models.catalogue import at_hand
from core.models.started import start_of
from core.project import names
from core.workspace import Workspace


@dataclass(frozen=True)
class Encoder:
    """An installed encoder. `names`: what launches called it, and a run's; `runs`: trainings that began with it."""

    identity: str
    names: tuple[str, ...]
    bytes: int
    runs: int


@dataclass(frozen=True)
class Trained:
    """A group with finished runs. `kept`: those with weights on disk, by seed; `dev`: mean best F1 on dev, 0..1."""

    group: Group
    kept: Mapping[int, str]
    dev: float | None
    active: bool  # one of its repeats is being trained again


def trained(workspace: Workspace, project: str) -> list[Trained]:
    """The groups of a project with finished runs, the first launched first; without the trials of searches."""
    known = workspace.store.briefs("train")
    past = history(workspace, project)
    found: list[Trained] = []
    for group in groups(workspace, project):
        done = {seed: run for seed, run in group.runs.items() if run.state == "succeeded"}
        if done and not group.tune:
            kept = {seed: run.id for seed, run in done.items() if (workspace.run_folder(run.id) / "model").exists()}
            scores = [run.score for run in done.values() if run.score is not None]
            active = any(known[id].pending for id in past.groups[group.id].runs if id in known)
            found.append(Trained(group, kept, statistics.fmean(scores) if scores else None, active))
    return found


def encoders(workspace: Workspace) -> list[Encoder]:
    """What lies in `models`, whether or not a project still names it."""
    called: dict[str, list[str]] = {}
    known = workspace.store.briefs("train")
    for launched in (one for project in names(workspace) for one in history(workspace, project).groups.values()):
        runs = [next((id for id in ids if id in known), None) for ids in launched.members.values()]
        runs = [id for id in runs if id is not None]
        asked = asked_of(workspace.run_folder(runs[0])) if runs else None
        if asked is not None:
            called.setdefault(asked.model, []).extend([launched.train.model] * len(runs))
    found: list[Encoder] = []
    for folder in sorted(workspace.models.iterdir()):
        if (folder / "config.json").is_file():
            uses, start = called.get(folder.name, []), start_of(folder)
            names_of = [*uses, *([] if start is None else [f"run:{start.run}"])]
            size = sum(path.stat().st_size for path in folder.iterdir())
            found.append(Encoder(folder.name, tuple(dict.fromkeys(names_of)), size, len(uses)))
    return found


def encoder_of(workspace: Workspace, group: Group) -> str:
    """The identity of the encoder that a group began with. Raises CoreError `run_unknown`."""
    run = next(iter(group.runs.values()))
    asked = asked_of(workspace.run_folder(run.id))
    if asked is None:
        raise CoreError("run_unknown", {"id": run.id})
    return asked.model


def folder_of(workspace: Workspace, name: str, relative_to: Path) -> Path | None:
    """Where the files of an encoder lie that a recipe names; None for one that was not installed yet and is of a hub
    or comes as a file that a folder is made of."""
    found = at_hand(name, relative_to, workspace.models)
    if found is not None:
        return found
    known = next((one.identity for one in encoders(workspace) if name in one.names), None)
    return None if known is None else workspace.models / known


def weights_bytes(workspace: Workspace, run_id: str) -> int:
    """The size of a run's trained model on disk; 0 where it was not kept."""
    return sum(path.stat().st_size for path in (workspace.run_folder(run_id) / "model").glob("*"))
