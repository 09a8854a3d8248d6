"""What commands are given, what they answer, and what several of them do."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import project as projects
from core.errors import CoreError
from core.jobs.folder import Run
from core.project import Project
from core.recipe import load
from core.runs import RunSpec
from core.sides import RECIPES
from core.submit import Watch, result_of
from core.workspace import Workspace

MODELS = ("train", "sequence")  # kinds of runs whose model finds labels in text


@dataclass(frozen=True)
class Answer:
    """What a command says, and its exit status."""

    data: Mapping[str, Any]
    text: str
    status: int = 0
    stream: Iterator[str] | None = None  # in place of both: lines that are printed as they come


@dataclass(frozen=True)
class Setting:
    """What every command is given besides its arguments."""

    workspace: Workspace
    language: str
    watch: Watch
    say: Callable[[str], None] = lambda text: None  # a line for people, at once


def delivered(spec: RunSpec, at: Setting) -> dict[str, Any]:
    """Submit a run, wait, and give what it delivers."""
    return result_of(at.workspace, at.workspace.submit(spec)[0], at.watch)


def asked_project(name: str, at: Setting) -> Project:
    """A project, or that of a recipe file. Raises CoreError `project_unknown`, those of recipes."""
    file = Path(name).suffix in RECIPES or Path(name).is_file()
    if name in projects.names(at.workspace) or not file:
        return projects.load(at.workspace, name)
    recipe = load(Path(name), name)
    return Project(recipe.project, recipe.project, recipe)


def known(run_id: str, at: Setting) -> Run:
    """A run by its id or the beginning of it. Raises CoreError `run_ambiguous`."""
    runs = at.workspace.store.starting(run_id)
    if len(runs) != 1:
        raise CoreError("run_ambiguous", {"run": run_id, "found": len(runs)}, "hint_list")
    return runs[0]


def trained(run_id: str, at: Setting, kinds: Collection[str] = ("train",)) -> Run:
    """A run with a model, of one of these kinds. Raises CoreError `run_ambiguous`, `run_has_no_model`."""
    found = known(run_id, at)
    if found.kind not in kinds or found.state != "succeeded":
        raise CoreError("run_has_no_model", {"run": found.id, "kind": found.kind, "state": found.state}, "hint_list")
    return found
