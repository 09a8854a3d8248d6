"""A project: a recipe on disk that people work on, with its named mixes and its history."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.augment import AUGMENTERS
from core.errors import CoreError
from core.jobs.folder import locked, write_text
from core.mix import GOLD, Mix, Part
from core.params import build, slug
from core.recipe import AugmentedIngredient, FileIngredient, Recipe, check
from core.recipe_text import mix_data, recipe_data, yaml_text
from core.tasks import DEFAULT
from core.training import sense
from core.training.settings import TrainParams
from core.workspace import Workspace
from core.yaml_text import parse

FILE = "project.yaml"
_LONGEST_TITLE = 120
LONGEST_INGREDIENT = 60  # characters of its name


@dataclass(frozen=True)
class Project:
    """`recipe`: data, ingredients and training; its mix is the one last saved. `mixes`: those that have a name."""

    slug: str
    title: str
    recipe: Recipe
    mixes: Mapping[str, Mix] = field(default_factory=dict[str, Mix])
    sample: str | None = None  # the sample it was opened from

    @property
    def ingredients(self) -> Mapping[str, FileIngredient | AugmentedIngredient]:
        return self.recipe.ingredients

    def with_mix(self, mix: Mix) -> Recipe:
        """The recipe of one mix."""
        return replace(self.recipe, mix=mix)


def controls(project: Project, mix: Mix) -> list[str]:
    """The ingredients of a mix that are controls, from which nothing new can be learned, as the project has them."""
    drawn = [name for name, part in mix.parts.items() if part.amount > 0]
    parts = {name: project.ingredients.get(name) for name in drawn}
    return [n for n, p in parts.items() if isinstance(p, AugmentedIngredient) and AUGMENTERS[p.augmenter].control]


def _folder(workspace: Workspace, name: str) -> Path:
    if name != slug(name):
        raise CoreError("bad_name", {"name": name, "nearest": slug(name)}, "hint_nearest")
    return workspace.root / "projects" / name


def names(workspace: Workspace) -> list[str]:
    """The projects of a workspace, the last changed first."""
    found = [(path.stat().st_mtime, path.parent.name) for path in (workspace.root / "projects").glob(f"*/{FILE}")]
    return [name for _, name in sorted(found, reverse=True)]


def load(workspace: Workspace, name: str) -> Project:
    """Raises CoreError `project_unknown` with the projects there are, and those of a recipe."""
    path = _folder(workspace, name) / FILE
    try:
        found = path.stat()
        return _load(path, (found.st_ino, found.st_size, found.st_mtime_ns))
    except FileNotFoundError:
        known = ", ".join(names(workspace)) or "-"
        raise CoreError("project_unknown", {"name": name, "known": known}, "hint_project") from None


@lru_cache(maxsize=256)
def _load(path: Path, state: tuple[int, int, int]) -> Project:
    """A project in one state of its file: every page asks for the titles of all."""
    text = path.read_text(encoding="utf-8")
    return from_data(parse(text, f"{path.parent.name}/{FILE}").data, path.parent)


def from_data(data: Any, folder: Path) -> Project:
    """A project from the plain data of its file; `folder` lends it its name."""
    rest = dict(data)
    title, sample = str(rest.pop("title", folder.name)), rest.pop("sample", None)
    mixes = {str(name): mix_of(mix) for name, mix in (rest.pop("mixes", None) or {}).items()}
    recipe = check(rest | {"project": folder.name}, folder, FILE)
    return Project(folder.name, title, recipe, mixes, sample)


def mix_of(data: Mapping[str, Any]) -> Mix:
    """A mix as it stands in a recipe (see core.recipe_text.mix_data)."""
    parts = {k: v if isinstance(v, dict) else {"amount": v} for k, v in (data.get("parts") or {}).items()}
    return build(Mix, dict(data) | {"parts": parts}, "mixes")


def to_data(project: Project) -> dict[str, Any]:
    """The plain data of a project's file."""
    data: dict[str, Any] = {"title": project.title} | ({"sample": project.sample} if project.sample else {})
    data |= recipe_data(project.recipe)
    if project.mixes:
        data["mixes"] = {name: mix_data(mix) for name, mix in project.mixes.items()}
    return data


def create(workspace: Workspace, title: str, data: str, language: str = "en", task: str = DEFAULT) -> Project:
    """A new project over `corpus:NAME`; a name that is taken gets a number."""
    title = " ".join(title.split())[:_LONGEST_TITLE] or "untitled"
    taken = set(names(workspace))
    base = slug(title).casefold()
    name = next(n for n in numbered(base) if n not in taken)
    folder = _folder(workspace, name)
    recipe = check({"version": 1, "task": task, "language": language, "data": data, "project": name}, folder, FILE)
    project = Project(name, title, recipe)
    folder.mkdir(mode=0o700, exist_ok=True)
    write_text(folder / FILE, text_of(project))
    record(workspace, name, {"event": "created"})
    return project


def numbered(base: str) -> Iterator[str]:
    """`base`, `base`-2, `base`-3 ..."""
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


def edit(workspace: Workspace, name: str, change: Callable[[Project], Project], event: Mapping[str, Any]) -> Project:
    """Change a project as it stands on disk (not as a page remembers it) and note what was done."""
    with locked(_folder(workspace, name) / "lock"):
        project = change(load(workspace, name))
        from_data(to_data(project), _folder(workspace, name))  # what is written can be read again
        write_text(_folder(workspace, name) / FILE, text_of(project))
    record(workspace, name, event)
    return project


def ingredient_name(title: str) -> str:
    """A title as the name of an ingredient: what such a name can't hold becomes a blank."""
    return " ".join(re.sub(r"[^\w .-]", " ", title).split()).lstrip(" .-")[:LONGEST_INGREDIENT].rstrip() or "ingredient"


def with_ingredient(name: str, part: FileIngredient | AugmentedIngredient) -> Callable[[Project], Project]:
    """The change that adds an ingredient or sets it anew."""
    if name == GOLD or not re.fullmatch(r"[\w][\w .-]{0,59}", name):
        raise CoreError("ingredient_name", {"name": name}, "hint_ingredient_name")
    return lambda p: replace(p, recipe=replace(p.recipe, ingredients={**p.recipe.ingredients, name: part}))


def without_ingredient(name: str) -> Callable[[Project], Project]:
    """The change that takes an ingredient out, of mixes and training too.

    Raises CoreError `ingredient_in_use` for a parent.
    """

    def change(project: Project) -> Project:
        left = {key: part for key, part in project.ingredients.items() if key != name}
        child = next((k for k, part in left.items() if isinstance(part, AugmentedIngredient) and part.of == name), None)
        if child is not None:
            raise CoreError("ingredient_in_use", {"name": name, "child": child})
        mixes = {key: _mix_without(mix, name) for key, mix in project.mixes.items()}
        licences = {key: words for key, words in project.recipe.licences.items() if key != name}
        recipe = replace(
            project.recipe,
            ingredients=left,
            mix=_mix_without(project.recipe.mix, name),
            train=_train_without(project.recipe.train, name),
            licences=licences,
        )
        return replace(project, recipe=recipe, mixes=mixes)

    return change


def with_again(before: Project, name: str) -> Callable[[Project], Project]:
    """The change that undoes `without_ingredient`: the ingredient in its old place, and its amounts in the mixes.

    `before`: the project as it was then.
    """

    def change(project: Project) -> Project:
        found = {**project.ingredients, name: before.ingredients[name]}
        order = [*(key for key in before.ingredients if key in found), *found]
        mixes = {key: _mix_again(mix, before.mixes.get(key), name) for key, mix in project.mixes.items()}
        mix = _mix_again(project.recipe.mix, before.recipe.mix, name)
        licences = {k: words for k, words in before.recipe.licences.items() if k == name} | {**project.recipe.licences}
        parts = {key: found[key] for key in dict.fromkeys(order)}
        train = project.recipe.train
        if _train_without(before.recipe.train, name) == train:
            train = before.recipe.train
        recipe = replace(project.recipe, ingredients=parts, mix=mix, train=train, licences=licences)
        return replace(project, recipe=recipe, mixes=mixes)

    return change


def _mix_again(mix: Mix, before: Mix | None, name: str) -> Mix:
    return before if before is not None and _mix_without(before, name) == mix else mix


def _mix_without(mix: Mix, name: str) -> Mix:
    parts: dict[str, Part] = {key: part for key, part in mix.parts.items() if key != name}
    return replace(mix, parts=parts)


def _train_without(train: TrainParams, name: str) -> TrainParams:
    return sense.tidied(replace(train, consistency=None)) if train.consistency == name else train


def record(workspace: Workspace, name: str, event: Mapping[str, Any]) -> None:
    """Append an event to the history."""
    workspace.record(name, event)


def history_file(workspace: Workspace, name: str) -> Path:
    """Where the history of a project lies."""
    return _folder(workspace, name) / "events.jsonl"


def events(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """The history, oldest first; a torn line is left out."""
    path = history_file(workspace, name)
    out: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            try:
                value = json.loads(line) if line else None
            except ValueError:
                continue
            if isinstance(value, dict):
                out.append(value)  # pyright: ignore[reportUnknownArgumentType]
    return out


def delete(workspace: Workspace, name: str) -> Path:
    """Move a project to the trash, from which `restore` brings it back. Its runs stay. -> its place in the trash"""
    place = workspace.trash / f"project-{name}-{time.time_ns()}"
    _folder(workspace, name).rename(place)
    return place


def restore(workspace: Workspace, place: Path) -> str:
    """Bring a deleted project back. -> its name"""
    name = place.name.removeprefix("project-").rpartition("-")[0]
    if place.parent != workspace.trash or _folder(workspace, name).exists():
        raise CoreError("bad_name", {"name": name, "nearest": name}, "")
    place.rename(_folder(workspace, name))
    return name


def text_of(project: Project) -> str:
    """The text of a project's file."""
    return yaml_text(to_data(project))
