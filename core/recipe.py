"""A recipe file: a project on disk, checked before anything is started."""

import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core.augment.sieve import Checks
from core.errors import CoreError
from core.formats.importing import Split
from core.formats.protocol import ReadOptions
from core.mix import GOLD, Mix
from core.mix import check as check_mix
from core.models.catalogue import default_for
from core.params import CLOSED, bad_value, build, field_names, unknown_key
from core.tasks import DEFAULT, task
from core.training import sense
from core.training.settings import TrainParams
from core.yaml_text import LARGEST, parse

VERSION = 1
SEEDS = tuple(range(8))
_ROOT = "recipe"  # what messages call the place of the outermost keys
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)]
Labels = dict[str, str | None]
Licence = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True)
class Data:
    """Where gold comes from: up to three files, or one file and a split."""

    __pydantic_config__ = CLOSED
    train: str | None = None
    dev: str | None = None
    test: str | None = None
    file: str | None = None
    split: Split | None = None
    train_rows: Annotated[int, Field(ge=1)] | None = None  # a quick look: at most so many rows of train
    options: ReadOptions = ReadOptions()
    columns: dict[str, str] = field(default_factory=dict[str, str])  # ours -> theirs


@dataclass(frozen=True)
class FileIngredient:
    """Another labelled file, with its labels mapped to ours (None masks a label)."""

    __pydantic_config__ = CLOSED
    file: str
    labels: Labels | None = None
    options: ReadOptions = ReadOptions()
    columns: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class AugmentedIngredient:
    """Children of an augmenter over gold or another ingredient."""

    __pydantic_config__ = CLOSED
    augmenter: str
    of: str = GOLD
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    seed: int = 0
    decisions: str | None = None  # a file of what people decided about single children
    checks: Checks | None = None  # by a model


@dataclass(frozen=True)
class Recipe:
    """Everything a mix, its training and its comparison need. `folder`: what relative files are relative to."""

    data: Data | str  # a string: corpus:NAME
    folder: Path
    file: str
    project: str
    task: str = DEFAULT
    language: str = "en"
    ingredients: Mapping[str, FileIngredient | AugmentedIngredient] = field(
        default_factory=dict[str, FileIngredient | AugmentedIngredient]
    )
    mix: Mix = Mix()
    train: TrainParams = TrainParams()
    seeds: tuple[int, ...] = SEEDS
    licences: Mapping[str, str] = field(default_factory=dict[str, str])  # of gold and ingredients, in words
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)  # dotted path of a key -> its line


@dataclass(frozen=True)
class _Top:
    """The keys of a recipe, before each is looked into."""

    __pydantic_config__ = CLOSED
    version: int
    data: Any
    task: str = DEFAULT
    language: str = "en"
    ingredients: dict[str, Any] | None = None
    mix: dict[str, Any] | None = None
    train: dict[str, Any] | None = None
    project: str | None = None
    licences: dict[str, Licence] | None = None


@dataclass(frozen=True)
class _Seeds:
    __pydantic_config__ = CLOSED
    seeds: Seeds


def load(path: Path, name: str | None = None) -> Recipe:
    """The recipe in a file. Every error names the file and, where it can, the line of the key."""
    name = name or str(path)
    try:
        text = _read(path, name).decode("utf-8-sig")
    except FileNotFoundError:
        raise CoreError("file_missing", {"file": name}, "hint_file") from None
    except UnicodeDecodeError as error:
        raise CoreError("recipe_not_text", {"file": name, "byte": error.start}) from None
    except OSError as error:
        raise CoreError("file_unreadable", {"file": name, "what": error.strerror or ""}, "hint_file") from None
    document = parse(text, name)
    try:
        return replace(check(document.data, path.parent, name), lines=document.lines)
    except CoreError as error:
        found = placed(error, document.lines, name)
        raise CoreError(found.code, {"file": name} | found.values, found.hint_code) from None


def _read(path: Path, name: str) -> bytes:
    """The bytes of a recipe, never more than the longest recipe could have."""
    most = 4 * LARGEST
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise CoreError("yaml_too_large", {"file": name, "most": LARGEST})
    return found


def placed(error: CoreError, lines: Mapping[str, int], name: str) -> CoreError:
    """The error with file and line of the recipe's key that it is about; one about a data file names that already."""
    where, key = str(error.values.get("where", "")), str(error.values.get("key", ""))
    path = ".".join(part for part in (where, key) if part).removeprefix(f"{_ROOT}.")
    if "file" in error.values or not path:
        return error
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return CoreError(error.code, {"file": name, "row": lines.get(path)} | error.values, error.hint_code)


@contextmanager
def about(where: str, **known: str) -> Generator[None]:
    """What goes wrong inside is about the key `where`, unless the error names another."""
    try:
        yield
    except CoreError as error:
        raise CoreError(error.code, {"where": where} | error.values | known, error.hint_code) from None


def check(data: Any, folder: Path, name: str) -> Recipe:
    """A recipe from plain data."""
    if not isinstance(data, dict):
        raise CoreError("recipe_empty", {"file": name}, "hint_recipe")
    top = build(_Top, data, _ROOT)
    if top.version != VERSION:
        raise bad_value("version", top.version, str(VERSION))
    with about("task"):
        task(top.task)
    if not re.fullmatch("[a-z]{2,3}", top.language):
        raise bad_value("language", top.language, "en, zh, ...")
    ingredients = {key: _ingredient(key, value, top.task) for key, value in (top.ingredients or {}).items()}
    _check_parents(ingredients)
    train = dict(top.train or {})
    seeds = build(_Seeds, {"seeds": train.pop("seeds", SEEDS)}, "train").seeds
    if len(set(seeds)) < len(seeds):
        raise bad_value("train.seeds", list(seeds), "distinct seeds")
    mix = _mix(dict(top.mix or {}), train)
    if "epochs" in train and "steps" in train and None not in (train["epochs"], train["steps"]):
        raise CoreError("epochs_and_steps", {"where": "train.steps"}, "hint_epochs_and_steps")
    for part in mix.parts:
        if part != GOLD and part not in ingredients:
            raise unknown_key(part, [GOLD, *ingredients], "mix.parts")
    settings = _train({"model": default_for(top.language)} | train)
    if settings.consistency is not None and settings.consistency not in ingredients:
        raise unknown_key(settings.consistency, [*ingredients], "train.consistency")
    for part in top.licences or {}:
        if part != GOLD and part not in ingredients:
            raise unknown_key(part, [GOLD, *ingredients], "licences")
    return Recipe(
        data=_data(top.data),
        folder=folder,
        file=name,
        project=top.project or Path(name).stem,
        task=top.task,
        language=top.language,
        ingredients=ingredients,
        mix=mix,
        train=settings,
        seeds=seeds,
        licences=top.licences or {},
    )


def _train(data: dict[str, Any]) -> TrainParams:
    found = build(TrainParams, data, "train")
    sense.check(found)
    return found


def _data(data: Any) -> Data | str:
    if isinstance(data, str):
        if data.startswith("hub:"):  # one split: it is train, and dev is split off
            return Data(train=data)
        if not data.startswith("corpus:"):
            raise bad_value("data", data, "corpus:NAME, hub:NAME, or train / dev / test, or file and split")
        return data
    if not isinstance(data, dict):
        raise bad_value("data", data, "train / dev / test, or file and split")
    found = build(Data, data, "data")
    if (found.file is None) == (found.train is None):
        raise CoreError("data_train_or_file", {"where": "data"}, "hint_data")
    if found.file is not None and (found.dev or found.test):
        raise CoreError("data_train_or_file", {"where": "data.dev" if found.dev else "data.test"}, "hint_data")
    if found.split is not None and found.file is None:
        raise CoreError("split_without_file", {"where": "data.split"}, "hint_data")
    return found


def _ingredient(name: str, data: Any, of: str) -> FileIngredient | AugmentedIngredient:
    where = f"ingredients.{name}"
    if name == GOLD or not name:
        raise CoreError("ingredient_name", {"name": name, "where": where})
    if not isinstance(data, dict):
        raise bad_value(where, data, "augmenter: NAME, or file: FILE")
    if "augmenter" in data and "file" in data:
        raise CoreError("ingredient_both", {"where": f"{where}.file"})
    if "file" in data:
        return build(FileIngredient, data, where)
    if "augmenter" not in data:
        known = [*field_names(AugmentedIngredient), *field_names(FileIngredient)]
        strange = next((key for key in data if key not in known), None)
        if strange is not None:
            raise unknown_key(strange, known, where)
        raise CoreError("missing_key", {"key": "augmenter", "where": where})
    found = build(AugmentedIngredient, {k: ({} if k == "params" and v is None else v) for k, v in data.items()}, where)
    from core.augment import check_suits, params_of

    with about(f"{where}.augmenter"):
        params_of(found.augmenter, found.params, f"{where}.params")
        check_suits(found.augmenter, task(of))
    return found


def _check_parents(ingredients: Mapping[str, FileIngredient | AugmentedIngredient]) -> None:
    """`of` names gold or another ingredient, and never leads back to itself."""
    for name in ingredients:
        seen = [name]
        while isinstance(child := ingredients[seen[-1]], AugmentedIngredient) and child.of != GOLD:
            if child.of not in ingredients:
                raise unknown_key(child.of, [GOLD, *ingredients], f"ingredients.{seen[-1]}.of")
            if child.of in seen:
                raise CoreError("ingredient_cycle", {"name": child.of, "where": f"ingredients.{seen[-1]}.of"})
            seen.append(child.of)


def _mix(data: dict[str, Any], train: dict[str, Any]) -> Mix:
    """A bare number in `parts` is an amount in the mix's own unit; `draw_per_seed` may also stand under `train`."""
    if "draw_per_seed" in train:
        value = train.pop("draw_per_seed")
        if "draw_per_seed" in data:
            raise CoreError("yaml_duplicate", {"key": "draw_per_seed", "where": "train"})
        if not isinstance(value, bool):
            raise bad_value("train.draw_per_seed", value, "true, false")
        data["draw_per_seed"] = value
    parts = data.get("parts")
    if isinstance(parts, dict):
        data["parts"] = {k: v if isinstance(v, dict) else {"amount": v} for k, v in parts.items()}
    elif "parts" in data and parts is None:
        del data["parts"]
    mix = build(Mix, data, "mix")
    check_mix(mix)
    return mix


def needed(recipe: Recipe, names: Iterable[str]) -> Recipe:
    """With some ingredients alone, and what they are made of, in the recipe's order."""
    kept, left = set[str](), [*names]
    while left:
        name = left.pop()
        part = recipe.ingredients.get(name)
        if part is not None and name not in kept:
            kept.add(name)
            left += [part.of] if isinstance(part, AugmentedIngredient) else []
    return replace(recipe, ingredients={name: part for name, part in recipe.ingredients.items() if name in kept})
