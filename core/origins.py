"""Where the rows of a trained run came from: files, how they were read, and what was made of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment.pool import AugmentParams
from core.care.facts import made_by
from core.formats.importing import ImportParams, Source
from core.jobs.folder import read_json, read_object
from core.mix import GOLD
from core.models.loading import ModelMeta
from core.params import build
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe
from core.runs import POOL, TEXT, RunSpec
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Origin:
    """One corpus. `file`: its name as the user wrote it, and its sha256; `made`: how it was made of `of`."""

    corpus: str  # sha256 of the content
    rows: int | None  # None: the corpus is not in the workspace any more
    source: Source | None = None
    file: tuple[str, str] | None = None
    made: AugmentParams | None = None
    of: str = ""


@dataclass(frozen=True)
class Origins:
    """`parts`: train (which is gold), dev, test as far as they are known, and the ingredients by name, parents before
    children. `imported`: how the files were read; None where that run is gone.
    """

    parts: Mapping[str, Origin]
    imported: ImportParams | None = None
    task: str = ""
    language: str = "en"
    ingredients: tuple[str, ...] = ()  # that were drawn from


class _Made:
    """The runs that made corpora, looked through once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.pools: dict[str, RunSpec] = {}
        for folder, result in self._ended("augment"):
            for id in made_by(result):
                self.pools[id] = _spec(folder)

    def _ended(self, kind: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        for run in self.workspace.store.list(kind=kind, state="succeeded"):
            folder = self.workspace.run_folder(run.id)
            yield folder, read_object(folder / "result.json") or {}

    def imported(self, gold: str, dev: str) -> tuple[RunSpec, Mapping[str, str]] | None:
        """The newest import that came to these two. -> its spec, and what it made by role"""
        for folder, result in self._ended("import"):
            found = result.get("corpora")
            if isinstance(found, dict) and (found.get("train"), found.get("dev")) == (gold, dev):
                return _spec(folder), found  # pyright: ignore[reportUnknownVariableType]
        return None


def _spec(folder: Path) -> RunSpec:
    return RunSpec.from_json(read_json(folder / "spec.json"))


def origins_of(workspace: Workspace, run_id: str) -> Origins:
    """Of a trained run that is kept."""
    folder = workspace.run_folder(run_id)
    meta = ModelMeta.read(folder / "model")
    return origins(workspace, _spec(folder), meta.task, meta.language)


def origins(workspace: Workspace, spec: RunSpec, task: str, language: str) -> Origins:
    """Of a training. Reads run folders, and of corpora their number of rows."""
    ids = {role: value.partition(":")[2] for role, value in spec.inputs.items() if value.startswith("corpus:")}
    made = _Made(workspace)
    found = made.imported(ids[GOLD], ids["dev"])
    reading, by_role = found if found is not None else (None, {"train": ids[GOLD], "dev": ids["dev"]})
    params = None if reading is None else build(ImportParams, reading.params, "import")
    parts: dict[str, Origin] = {}
    for role, id in by_role.items():
        source_role = role if params is None or role in params.sources else "file" if role in SPLITS else role
        source = None if params is None else params.sources.get(source_role)
        held = "" if reading is None else reading.inputs.get(source_role, "").partition(":")[2]
        name = role.removeprefix(POOL)
        parts[name] = Origin(id, _rows(workspace, id), source, (source.name, held) if source and held else None)
    named = {parts["train"].corpus: GOLD} | {part.corpus: name for name, part in parts.items() if name not in SPLITS}
    for role, id in ids.items():
        name = role.partition(":")[2]
        if role.startswith((POOL, TEXT)) and name not in parts:
            _add_pool(workspace, made, name, id, parts, named)
    drawn = tuple(role.removeprefix(POOL) for role in ids if role.startswith(POOL))
    return Origins(parts, params, task, language, drawn)


def _add_pool(
    workspace: Workspace, made: _Made, name: str, id: str, parts: dict[str, Origin], named: dict[str, str]
) -> None:
    """A pool, and before it what it was made of, where that has no name yet."""
    named[id] = name
    spec = made.pools.get(id)
    if spec is None:
        parts[name] = Origin(id, _rows(workspace, id))
        return
    parent = spec.inputs["of"].partition(":")[2]
    if parent not in named:
        _add_pool(workspace, made, f"{name} before", parent, parts, named)
    params = build(AugmentParams, spec.params, "augment")
    parts[name] = Origin(id, _rows(workspace, id), made=params, of=named[parent])


def _rows(workspace: Workspace, id: str) -> int | None:
    path = workspace.corpus_path(id)
    return len(corpora.read(path)) if path.is_file() else None


def recipe_of(
    found: Origins, params: TrainRunParams, train: TrainParams, project: str, known: Recipe | None = None
) -> Recipe:
    """A recipe that repeats a training. `known`: that of its project, whose names for data and files are kept where it
    has them. The files are named as they were when they were read."""
    parts = {name: part for name, part in found.parts.items() if name not in SPLITS}
    ingredients: dict[str, FileIngredient | AugmentedIngredient] = {}
    for name, part in parts.items():
        kept = None if known is None else known.ingredients.get(name)
        if part.made is not None:
            made = part.made
            ingredients[name] = AugmentedIngredient(
                made.method, part.of, dict(made.params), made.copies, made.seed, made.decisions, made.checks
            )
        elif isinstance(kept, FileIngredient):
            ingredients[name] = kept
        elif part.source is not None:
            ingredients[name] = FileIngredient(part.source.name, part.source.labels, part.source.options)
    licences = {} if known is None else {k: v for k, v in known.licences.items() if k == GOLD or k in ingredients}
    return Recipe(
        data=known.data if known is not None and isinstance(known.data, str) else _data(found),
        folder=Path(),
        file="recipe.yaml",
        project=project,
        task=found.task,
        language=found.language,
        ingredients=ingredients,
        mix=params.mix,
        train=train,
        seeds=(params.seed,),
        licences=licences,
    )


def _data(found: Origins) -> Data:
    """The gold files as they were read."""
    params = found.imported
    if params is None:
        return Data(train="train")
    names = {role: source.name for role, source in params.sources.items() if not role.startswith(POOL)}
    some = next(source for role, source in params.sources.items() if role in names)
    train, dev, test, file = (names.get(role) for role in (*SPLITS, "file"))
    return Data(train, dev, test, file, params.split, params.train_rows, some.options)


def licence_of(stated: Mapping[str, str], parts: Mapping[str, Origin], name: str) -> str:
    """Of a split or an ingredient, "" where nobody stated one; children have that of what they go back to."""
    return stated.get(GOLD if name in SPLITS else name) or stated.get(_root(parts, name), "")


def _root(parts: Mapping[str, Origin], name: str) -> str:
    """What an ingredient of children goes back to."""
    part = parts.get(name)
    return name if part is None or part.made is None else _root(parts, part.of)
