"""Where labelled data comes from: files, named corpora, a hub. All are kept in the workspace before they are read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.errors import CoreError
from core.formats.importing import ImportParams, Source
from core.formats.protocol import ReadOptions
from core.params import build, canonical
from core.recipe import Data, FileIngredient, Recipe, about
from core.runs import POOL, RunSpec
from core.workspace import Workspace


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
                sources[role], inputs[role] = keep_source(workspace, source, role, recipe.folder, data.columns)
    for name, ingredient in recipe.ingredients.items():
        if isinstance(ingredient, FileIngredient):
            source = Source(ingredient.file, ingredient.options, ingredient.labels)
            with about(f"ingredients.{name}.file"):
                kept, where = keep_source(workspace, source, "file", recipe.folder, ingredient.columns)
            sources[POOL + name], inputs[POOL + name] = kept, where
    params = ImportParams(sources, recipe.task, recipe.language, data.split, data.train_rows)
    return RunSpec("import", inputs, canonical(params))


def _named_data(workspace: Workspace, reference: str) -> Data:
    """`data: corpus:NAME`: the roles that were imported under that name."""
    named = workspace.named_corpus(reference.partition(":")[2])
    one = "file" in named["sources"] and "split" not in named
    roles = {"train": reference} if one else dict.fromkeys(named["sources"], reference)
    return build(Data, roles | {k: named[k] for k in ("split", "train_rows") if k in named}, "data")


def keep_source(
    workspace: Workspace, source: Source, role: str, folder: Path, columns: Mapping[str, str]
) -> tuple[Source, str]:
    """Keep the file a source names (a path, corpus:NAME or hub:...) -> (the source, its input)."""
    kind, _, rest = source.name.partition(":")
    if kind == "corpus":
        named = workspace.named_corpus(rest)
        chosen = role if role in named["sources"] else "train" if "train" in named["sources"] else "file"
        if chosen not in named["sources"]:
            raise CoreError(
                "corpus_without_split",
                {"name": rest, "split": role, "known": ", ".join(workspace.corpus_names()) or "-"},
                "hint_import",
            )
        stored = named["sources"][chosen]
        options = build(ReadOptions, stored.get("options", {}), "options")
        return replace(source, name=stored["name"], options=options), named["inputs"][chosen]
    if kind == "hub":
        from core.formats.hub import fetch

        path = fetch(source.name, columns, workspace.root / "cache")
        return source, f"file:{workspace.add_file(path, source.name)}"
    return source, f"file:{workspace.add_file(folder / source.name, source.name)}"
