"""Where labelled data comes from: files, named corpora, a hub. All are kept in the workspace before they are read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import project as projects
from core.augment import check_named, named_by
from core.augment.protocol import Names
from core.errors import CoreError
from core.formats import guess_task, text_lines
from core.formats.importing import ImportParams, Source, Split
from core.formats.protocol import ReadOptions
from core.models.catalogue import install
from core.models.endpoints import name_of
from core.params import build, canonical, slug
from core.project import Project
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe, about
from core.runs import POOL, RunSpec, kept
from core.tasks import DEFAULT
from core.tasks import task as task_of
from core.training.settings import TrainParams
from core.workspace import Workspace

_LONGEST = 100  # code points of a file's name


@dataclass(frozen=True)
class Gold:
    """Labelled files that the workspace keeps, by role: train with or without dev and test, or one `file` to split.

    `inputs`: file:SHA256. One file without `split` holds rows that belong to no split.
    """

    sources: Mapping[str, Source]
    inputs: Mapping[str, str]
    split: Split | None = None
    train_rows: int | None = None
    task: str = DEFAULT


def check_roles(roles: Collection[str]) -> None:
    """Raises CoreError `data_train_or_file`."""
    if ("file" in roles) == ("train" in roles):
        raise CoreError("data_train_or_file", {}, "hint_data")


def gold_spec(gold: Gold, language: str) -> RunSpec:
    """The import of gold alone."""
    roles = {role: POOL + role if role == "file" and gold.split is None else role for role in gold.sources}
    sources = {roles[role]: source for role, source in gold.sources.items()}
    params = ImportParams(sources, gold.task, language, gold.split, gold.train_rows)
    return RunSpec("import", {roles[role]: value for role, value in gold.inputs.items()}, canonical(params))


def name_gold(workspace: Workspace, name: str, gold: Gold) -> None:
    """Remember gold as `corpus:NAME`."""
    data: dict[str, Any] = {"sources": {role: canonical(source) for role, source in gold.sources.items()}}
    data["inputs"] = dict(gold.inputs)
    data |= {"split": canonical(gold.split)} if gold.split else {}
    data |= {"train_rows": gold.train_rows} if gold.train_rows else {}
    data |= {"task": gold.task} if gold.task != DEFAULT else {}
    workspace.name_corpus(name, data)


def named_gold(workspace: Workspace, reference: str) -> Gold:
    """What `corpus:NAME` means. Raises CoreError `corpus_unknown`."""
    data = workspace.named_corpus(reference.partition(":")[2])
    sources = {role: build(Source, source, role) for role, source in data["sources"].items()}
    split = build(Split, data["split"], "split") if "split" in data else None
    return Gold(sources, data["inputs"], split, data.get("train_rows"), data.get("task", DEFAULT))


def likely_task(workspace: Workspace, name: str, folder: Path) -> str:
    """The task that labelled data are for: that of `corpus:NAME`, else what the file looks like.

    Raises CoreError `corpus_unknown`, and those of `text_lines.head` for a file that is there.
    """
    if name.startswith("corpus:"):
        return named_gold(workspace, name).task
    path = folder / name
    return guess_task(text_lines.head(path, name)) if path.is_file() else DEFAULT


def corpora_like(workspace: Workspace, recipe: Recipe) -> list[str]:
    """Names of the corpora whose rows could join a recipe's gold, without gold itself."""
    kinds = {name: named_gold(workspace, f"corpus:{name}").task for name in workspace.corpus_names()}
    mine = task_of(recipe.task).rows
    return [name for name, task in kinds.items() if task_of(task).rows == mine and f"corpus:{name}" != recipe.data]


def bring(workspace: Workspace, title: str, gold: Gold, language: str) -> Project:
    """A new project over gold, which is remembered under a name like the project's. Nothing is imported yet."""
    name = free_corpus_name(workspace, slug(title).casefold())
    project = projects.create(workspace, title, f"corpus:{name}", language, gold.task)
    name_gold(workspace, name, gold)
    return project


def bring_again(workspace: Workspace, project: str, gold: Gold, language: str) -> Project:
    """A project over the same files read in another way; what `corpus:NAME` meant so far stays as it is."""
    name = free_corpus_name(workspace, project)
    name_gold(workspace, name, gold)

    def change(found: Project) -> Project:
        return replace(found, recipe=replace(found.recipe, data=f"corpus:{name}", language=language, task=gold.task))

    return projects.edit(workspace, project, change, {"event": "read_again", "data": f"corpus:{name}"})


def free_corpus_name(workspace: Workspace, base: str) -> str:
    """`base`, with a number where a corpus or a project, deleted ones included, has it already."""
    taken = {*workspace.corpus_names(), *projects.names(workspace)}
    return next(name for name in projects.numbered(base) if name not in taken)


def import_spec(workspace: Workspace, recipe: Recipe) -> RunSpec:
    """The import that a recipe asks for; its files are kept in the workspace first."""
    sources: dict[str, Source] = {}
    inputs: dict[str, str] = {}
    with about("data"):
        data = recipe.data if isinstance(recipe.data, Data) else _named_data(workspace, recipe.data)
    for role in ("train", "dev", "test", "file"):
        name = getattr(data, role)
        if name is not None:
            source = Source(name, data.options)
            with about(f"data.{role}"):
                kept = keep_source(workspace, source, role, recipe.folder, data.columns, recipe.task)
                sources[role], inputs[role] = kept
    for name, ingredient in recipe.ingredients.items():
        if isinstance(ingredient, FileIngredient):
            source = Source(ingredient.file, ingredient.options, ingredient.labels)
            with about(f"ingredients.{name}.file"):
                kept = keep_source(workspace, source, "file", recipe.folder, ingredient.columns, recipe.task)
            sources[POOL + name], inputs[POOL + name] = kept
    params = ImportParams(sources, recipe.task, recipe.language, data.split, data.train_rows)
    return RunSpec("import", inputs, canonical(params))


def _named_data(workspace: Workspace, reference: str) -> Data:
    """`data: corpus:NAME`: the roles that were imported under that name."""
    named = workspace.named_corpus(reference.partition(":")[2])
    one = "file" in named["sources"] and "split" not in named
    roles = {"train": reference} if one else dict.fromkeys(named["sources"], reference)
    return build(Data, roles | {k: named[k] for k in ("split", "train_rows") if k in named}, "data")


def keep_source(
    workspace: Workspace, source: Source, role: str, folder: Path, columns: Mapping[str, str], task: str = DEFAULT
) -> tuple[Source, str]:
    """Keep the file a source names (a path, corpus:NAME or hub:...) -> (the source, its input).

    `columns`: ours -> theirs. Raises CoreError `corpus_other_task` where corpus:NAME holds rows of another kind.
    """
    kind, _, rest = source.name.partition(":")
    if kind == "corpus":
        named = workspace.named_corpus(rest)
        theirs = named.get("task", DEFAULT)
        if task_of(theirs).rows != task_of(task).rows:
            raise CoreError("corpus_other_task", {"name": rest, "task": theirs, "asked": task}, "hint_task")
        chosen = role if role in named["sources"] else "train" if "train" in named["sources"] else "file"
        if chosen not in named["sources"]:
            raise CoreError(
                "corpus_without_split",
                {"name": rest, "split": role, "known": ", ".join(workspace.corpus_names()) or "-"},
                "hint_import",
            )
        stored = named["sources"][chosen]
        options = build(ReadOptions, stored.get("options", {}), "options")
        options = replace(options, unlabelled=options.unlabelled or source.options.unlabelled)
        return replace(source, name=stored["name"], options=options), named["inputs"][chosen]
    if kind == "hub":
        from core.formats.hub import fetch

        path = fetch(source.name, columns, workspace.root / "cache", task)
        return source, f"file:{workspace.add_file(path, source.name)}"
    if columns:
        known = build(ReadOptions, {"columns": dict(columns)}, "").columns
        options = replace(source.options, columns={**source.options.columns, **known})
        source = replace(source, options=options)
    return source, f"file:{workspace.add_file(folder / source.name, source.name)}"


def keep_named(workspace: Workspace, part: AugmentedIngredient, folder: Path, language: str) -> AugmentedIngredient:
    """The ingredient with what its params name kept in the workspace, and called by what it holds: `file:SHA/NAME`,
    `model:IDENTITY/NAME`. `folder`: what relative names are relative to; `language`: of the rows.

    Raises CoreError of `Workspace.add_file`, of a file's reader and of `core.models.catalogue.install`.
    """
    params = dict(part.params)
    for name, mark in named_by(part.augmenter).items():
        given = params.get(name)
        if isinstance(given, str) and kept(given) is None and not mark.outside(given):
            held = _held(workspace, mark, given, folder)
            params[name] = f"{held}/{Path(given).name[-_LONGEST:]}"
    decisions = part.decisions
    if decisions is not None and kept(decisions) is None:
        decisions = _held(workspace, Names("file", "core.augment.decisions:read"), decisions, folder)
    checks = part.checks
    if checks is not None:
        for field, name in checks.models(language).items():
            if kept(name) is None:
                held = _held(workspace, Names("model"), name, folder)
                checks = replace(checks, **{field: f"{held}/{Path(name).name[-_LONGEST:]}"})
    return replace(part, params=params, decisions=decisions, checks=checks)


def keep_writer(workspace: Workspace, train: TrainParams, folder: Path) -> TrainParams:
    """The settings of a training with the language model that is prompted kept in the workspace, if it is no endpoint:
    `model:IDENTITY/NAME`. `folder`: what a relative name is relative to. Raises CoreError of models."""
    prompt = train.prompt if train.method == "prompt" else None
    if prompt is None or name_of(prompt.model) is not None or kept(prompt.model) is not None:
        return train
    with about("train.prompt.model"):
        held = _held(workspace, Names("model"), prompt.model, folder)
    return replace(train, prompt=replace(prompt, model=f"{held}/{Path(prompt.model).name[-_LONGEST:]}"))


def _held(workspace: Workspace, mark: Names, given: str, folder: Path) -> str:
    if mark.kind == "model":
        return f"model:{install(given, workspace.models, folder, asked=mark.run).identity}"
    check_named(mark, folder / given, given)
    return f"file:{workspace.add_file(folder / given, given)}"
