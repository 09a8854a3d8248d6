"""The run kind `unpack`: an archive becomes a project, or nothing at all.

Everything is read into the run's own folder, checked there, and moved in when all of it is right: what other things
refer to first, the project last. What is there already stays as it is. A killed attempt begins anew.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import project as projects
from core.archive import reading
from core.archive.checking import Staged, check
from core.archive.entries import EVENTS, MANIFEST, UNPACKED, Manifest
from core.archive.export import check_room
from core.errors import CoreError
from core.jobs.folder import sync_folder, write_text
from core.params import CLOSED, build
from core.project import FILE, Project, events, from_data, numbered, text_of, to_data
from core.recipe import Data, FileIngredient
from core.runs import RunContext, RunSpec
from core.sources import Gold, name_gold, named_gold
from core.workspace import Workspace

STAGING = "staging"  # in the run's folder
_TOLD = 100  # lines of progress, about


@dataclass(frozen=True)
class UnpackParams:
    """No choices: the input `archive` is the file."""

    __pydantic_config__ = CLOSED


def spec_of(workspace: Workspace, archive: str) -> RunSpec:
    """The unpacking of a file (its sha256); where its project was deleted since, it is done again."""
    spec = RunSpec("unpack", {"archive": f"file:{archive}"})
    while unpacked(workspace, spec.id) is None and (workspace.run_folder(spec.id) / "result.json").exists():
        spec = replace(spec, repeat=spec.repeat + 1)
    return spec


def unpacked(workspace: Workspace, run_id: str) -> str | None:
    """The project that an unpacking brought in, where it is still there."""
    there = (name for name in projects.names(workspace) if _came_by(workspace, name, run_id))
    return next(there, None)


def _came_by(workspace: Workspace, name: str, run_id: str) -> bool:
    return any(event.get("event") == UNPACKED and event.get("run") == run_id for event in events(workspace, name))


def run(ctx: RunContext) -> None:
    """Read, check, move in. Raises CoreError `archive_*`, `no_room`, `model_*`, those of a recipe."""
    workspace = Workspace(ctx.root)
    staging = ctx.folder / STAGING
    build(UnpackParams, ctx.spec.params, "unpack")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700)
    try:
        listed = _read(ctx, workspace, staging)
        staged = check(staging, listed, ctx.check_cancelled)
        os.sync()  # thousands of files at once: a call for each would take minutes
        ctx.point("unpack.staged")
        result = _move_in(ctx, workspace, staging, staged)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    ctx.finish(result)


def _read(ctx: RunContext, workspace: Workspace, staging: Path) -> Manifest:
    told = -1

    def step(done: int) -> None:
        nonlocal told
        ctx.check_cancelled()
        share = done * _TOLD // max(1, listed.bytes)
        if share > told:
            told = share
            ctx.metric(step=done, total=listed.bytes, what=MANIFEST)

    with ctx.input("archive").open("rb") as stream:
        listed = reading.manifest(stream)
        check_room(workspace, listed.bytes)
        reading.unpack(stream, listed, staging, step)
    return listed


def _move_in(ctx: RunContext, workspace: Workspace, staging: Path, staged: Staged) -> dict[str, Any]:
    """Files, corpora and models, runs, names, and then the project."""
    counts: dict[str, int] = {}
    for parent in ("files", "corpora", "models", "runs"):
        counts[parent] = sum(_bring(ctx, path, workspace.root / parent) for path in _children(staging / parent))
    store = workspace.store
    for run in staged.runs:
        store.adopt(run.id)
    sync_folder(workspace.root / "runs")
    ctx.point("unpack.moved")
    names = {name: _named(workspace, name, gold) for name, gold in staged.names.items()}
    project = renamed(staged.project, names)
    slug = _place(ctx, workspace, staging / "project", project, staged.events)
    ctx.point("unpack.placed")
    return {"project": slug, "title": project.title, "new": counts, "runs": len(staged.runs)}


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _bring(ctx: RunContext, path: Path, parent: Path) -> bool:
    """Move one thing in under its name, unless it is there."""
    ctx.check_cancelled()
    target = parent / path.name
    if os.path.lexists(target):
        return False
    path.rename(target)
    ctx.point("unpack.moving")
    return True


def _named(workspace: Workspace, name: str, gold: Gold) -> str:
    """The name under which labelled data is known here: its own, or with a number where that means other data."""
    for found in numbered(name):
        if found not in workspace.corpus_names():
            name_gold(workspace, found, gold)
            return found
        try:
            if named_gold(workspace, f"corpus:{found}") == gold:
                return found
        except (CoreError, KeyError, ValueError):  # a name that can't be read is taken
            continue
    raise AssertionError


def renamed(project: Project, names: dict[str, str]) -> Project:
    """A project whose data go by other names. `names`: old name -> new name."""

    def now(source: str | None) -> str | None:
        return source and f"corpus:{names[source.removeprefix('corpus:')]}"

    recipe = project.recipe
    data = recipe.data
    if isinstance(data, Data):
        data = replace(data, **{role: now(getattr(data, role)) for role in ("train", "dev", "test", "file")})
    else:
        data = str(now(data))
    parts = {
        name: replace(part, file=str(now(part.file))) if isinstance(part, FileIngredient) else part
        for name, part in recipe.ingredients.items()
    }
    return replace(project, recipe=replace(recipe, data=data, ingredients=parts))


def _place(
    ctx: RunContext, workspace: Workspace, draft: Path, project: Project, history: tuple[dict[str, Any], ...]
) -> str:
    """Put the project where people find it, under the first name that is free; once, however often this is called."""
    there = unpacked(workspace, ctx.spec.id)
    if there is not None:
        return there
    draft.mkdir(mode=0o700)
    told = [
        *(event for event in history if event["event"] != UNPACKED),
        {"time": time.time(), "event": UNPACKED, "run": ctx.spec.id},
    ]
    write_text(draft / EVENTS, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in told))
    for slug in _free(workspace, project.slug):
        target = workspace.root / "projects" / slug
        write_text(draft / FILE, text_of(from_data(to_data(project) | {"project": slug}, target)))
        try:
            draft.rename(target)
        except OSError:  # somebody took the name in this moment
            continue
        sync_folder(workspace.root / "projects")
        return slug
    raise AssertionError


def _free(workspace: Workspace, base: str) -> Iterator[str]:
    return (name for name in numbered(base) if not os.path.lexists(workspace.root / "projects" / name))
