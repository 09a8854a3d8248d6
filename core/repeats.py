"""More repeats of a group: the same training under seeds that it has not had, noted in the project like a launch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count, islice
from typing import Any

from core import estimate as estimates
from core.errors import CoreError
from core.groups import LAUNCH, Group, Launched, check_version, group_of, history
from core.jobs.folder import read_json
from core.models.catalogue import install
from core.params import Json, canonical
from core.project import events, history_file, record
from core.recipe_text import mix_data
from core.runs import RunSpec
from core.workspace import Workspace


def launched_as(workspace: Workspace, project: str, group_id: str) -> Launched:
    """A group as it was launched. Raises CoreError `group_unknown`."""
    known = history(workspace, project).groups
    if group_id not in known:
        names = ", ".join(group.name for group in known.values()) or "-"
        raise CoreError("group_unknown", {"name": group_id, "known": names}, "hint_known")
    return known[group_id]


def group_now(workspace: Workspace, project: str, group_id: str) -> Group:
    """A group with its runs as they stand; no other group is looked at. Raises CoreError `group_unknown`."""
    launched = launched_as(workspace, project, group_id)
    found = group_of(launched, {run.id: run for run in workspace.store.find(launched.runs)})
    if found is None:  # all its runs were deleted
        raise CoreError("group_unknown", {"name": launched.name, "known": "-"}, "hint_known")
    return found


def next_seeds(have: Collection[int], partner: Collection[int], number: int) -> list[int]:
    """Seeds for so many more repeats: those that the partner has and this group hasn't, then those that neither has;
    the smallest first."""
    shared = (seed for seed in sorted(partner) if seed not in have)
    unused = (seed for seed in count() if seed not in have and seed not in partner)
    first = [*islice(shared, number)]
    return [*first, *islice(unused, number - len(first))]


def add_repeats(workspace: Workspace, project: str, group: Group, number: int) -> list[str]:
    """Queue so many more repeats of a group under the next unused seeds, and note them. -> run ids

    Raises CoreError as `repeats_of` does.
    """
    specs = note_repeats(workspace, project, group, next_seeds(group.runs, (), number), {})
    return queue(workspace, group, specs)


def queue(workspace: Workspace, group: Group, specs: Sequence[RunSpec]) -> list[str]:
    """Submit repeats of a group, and note what each new one is expected to take. -> run ids"""
    found = [workspace.submit(spec) for spec in specs]
    new = [run.id for run, reused in found if not reused]
    estimates.note_like(workspace, next(iter(group.runs.values())).id, new)
    return [run.id for run, _ in found]


def note_repeats(
    workspace: Workspace, project: str, group: Group, seeds: Sequence[int], more: Mapping[str, Json]
) -> list[RunSpec]:
    """Note repeats in the project's history. -> their specs, in the order of the seeds, still to be queued

    `more`: what else the history says of them. Raises CoreError as `repeats_of` does.
    """
    specs = repeats_of(workspace, project, group, seeds)
    event = {"event": LAUNCH, "group": group.id, "mix": group.name, "asked": mix_data(group.mix)}
    event |= {"train": canonical(group.train), "corpora": dict(group.corpora)}
    made = {spec.id: seed for spec, seed in zip(specs, seeds, strict=True)}
    record(workspace, project, event | dict(group.marks) | dict(more) | {"seeds": made})
    return specs


def repeats_of(workspace: Workspace, project: str, group: Group, seeds: Sequence[int]) -> list[RunSpec]:
    """The specs of a group's training under these seeds, from one of its runs.

    Raises CoreError `group_older`; `model_other` where the encoder is gone and its name means another one by now; those
    of models.
    """
    [some, *_] = group.runs.values()
    spec = RunSpec.from_json(read_json(workspace.run_folder(some.id) / "spec.json"))
    check_version(group, spec)
    identity = spec.inputs["model"].removeprefix("model:")
    if not (workspace.models / identity).exists():  # that of a sample, or cleaned up
        model = install(group.train.model, workspace.models, workspace.root / "projects" / project)
        if model.identity != identity:
            raise CoreError("model_other", {"model": group.train.model})
    return [replace(spec, params={**spec.params, "seed": seed}, repeat=0) for seed in seeds]


def told(workspace: Workspace, project: str, kind: str) -> tuple[Mapping[str, Any], ...]:
    """The events of one kind in a project's history, oldest first; read again only when it has grown."""
    try:
        found = history_file(workspace, project).stat()
    except FileNotFoundError:
        return ()
    return _told(workspace, project, kind, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _told(workspace: Workspace, project: str, kind: str, state: tuple[int, int, int]) -> tuple[Mapping[str, Any], ...]:
    return tuple(event for event in events(workspace, project) if event.get("event") == kind)
