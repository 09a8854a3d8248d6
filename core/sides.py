"""What can be held against each other: a project's mix, a recipe that was run, or predictions that anybody made."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import contrast, groups
from core import project as projects
from core.corpus import Corpus
from core.errors import CoreError, Issue, Value
from core.formats import guess_task, predictions_suffix, read_predictions, text_lines
from core.formats.importing import used_labels
from core.groups import Group
from core.launch import standing
from core.models.catalogue import install
from core.project import Project
from core.recipe import load
from core.scores import Counts
from core.sources import keep_writer
from core.stage import settle, train_specs
from core.tasks import TASKS
from core.tasks import task as task_of
from core.workspace import Workspace

RECIPES = (".yaml", ".yml")


@dataclass(frozen=True)
class Side:
    """One group of runs with what it was tested on. `runs`: ids, or files of predictions, one for each repeat."""

    name: str
    gold: Corpus
    predicted: Sequence[pa.ChunkedArray]
    runs: Sequence[str]

    def counts(self, rule: str) -> list[Counts]:
        """One Counts for each repeat; labels: those that occur in gold, sorted."""
        names = tuple(sorted(used_labels(self.gold)))
        count = task_of(self.gold.schema.task).counter(self.gold.table, names, rule)
        return [count(found) for found in self.predicted]

    @cached_property
    def text(self) -> str:
        """What was tested on, but for its labels."""
        return _digest(self.gold.table.column(task_of(self.gold.schema.task).text_column))

    @cached_property
    def labelled(self) -> str:
        """The same with its labels."""
        return self.text + _digest(self.gold.table.column(task_of(self.gold.schema.task).gold_column))


def check(baseline: Side, other: Side) -> None:
    """Raises CoreError `sides_task`, `sides_rows`, `sides_labels` where two sides weren't put to the same test."""
    values: dict[str, Value] = {"name": other.name, "baseline": baseline.name}
    if baseline.gold.schema.task != other.gold.schema.task:
        raise CoreError("sides_task", values, "hint_sides")
    if baseline.text != other.text:
        rows: dict[str, Value] = {"here": len(other.gold), "there": len(baseline.gold)}
        raise CoreError("sides_rows", values | rows, "hint_sides")
    if baseline.labelled != other.labelled:
        labels = [", ".join(sorted(used_labels(side.gold))) for side in (other, baseline)]
        raise CoreError("sides_labels", values | {"here": labels[0], "there": labels[1]}, "hint_sides")


def side(workspace: Workspace, name: str, split: str) -> Side:
    """What a name on the command line stands for.

    A recipe file: its runs, which must have been carried out; the JSON object that `run --json` printed, or a folder
    or file of predictions (see docs/formats.md): those; PROJECT/MIX: a mix of a project.

    Raises CoreError `side_unknown`, `side_not_run`, `nothing_evaluated`, and those of recipes and files.
    """
    path = Path(name)
    if path.suffix in RECIPES and path.is_file():
        return of_group(workspace, _of_recipe(workspace, path), split, name)
    if path.suffix == ".json" and path.is_file():
        return _of_files(name, _printed(path, split))
    if path.is_dir():
        endings = {predictions_suffix(task) for task in TASKS}
        return _of_files(name, sorted(file for file in path.iterdir() if file.suffix in endings))
    if path.is_file():
        return _of_files(name, [path])
    project, slash, mix = name.partition("/")
    if not slash or project not in projects.names(workspace):
        raise CoreError("side_unknown", {"name": name}, "hint_side")
    found = contrast.finished(workspace, project)
    return of_group(workspace, contrast.named(found, mix), split, name)


def of_group(workspace: Workspace, group: Group, split: str, name: str) -> Side:
    """A group's runs that were evaluated on a split. Raises CoreError `nothing_evaluated`."""
    runs = groups.evaluated(workspace, group, split)
    if not runs:
        raise CoreError("nothing_evaluated", {"name": name, "split": split})
    data = groups.split_of(workspace, group, split)
    return Side(name, data, [groups.predicted(workspace, run, data.id) for run in runs], runs)


def _of_recipe(workspace: Workspace, path: Path) -> Group:
    """The runs of a recipe, as a group. Raises CoreError `side_not_run` where none of them has succeeded."""
    recipe = load(path)
    where = standing(workspace, Project(recipe.project, recipe.project, recipe))
    not_run = CoreError("side_not_run", {"name": str(path)}, "hint_side_not_run")
    if where.stage is None or where.waiting:
        raise not_run
    stage = where.stage
    recipe = replace(recipe, train=keep_writer(workspace, recipe.train, recipe.folder))
    params, names = settle(recipe, stage)
    model = install(recipe.train.model, workspace.models, recipe.folder)
    made = train_specs(stage, params, names, model.identity, recipe.seeds)
    specs = dict(zip(recipe.seeds, made, strict=True))
    known = {run.id: run for run in workspace.store.find([spec.id for spec in specs.values()])}
    runs = {seed: known[spec.id] for seed, spec in specs.items() if spec.id in known}
    splits = {split: id for split, id in stage.imported["corpora"].items() if split in ("dev", "test")}
    group = Group(groups.group_id(specs[recipe.seeds[0]]), path.stem, recipe.mix, recipe.train, splits, runs)
    if not group.finished:
        raise not_run
    return group


def _printed(path: Path, split: str) -> list[Path]:
    """The predictions that an object of `run --json` names. Raises CoreError `side_json`."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        found = [run["predictions"][split] for run in data["runs"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise CoreError("side_json", {"file": str(path), "split": split}, "hint_side") from None
    return [Path(one) for one in found if one]


def _of_files(name: str, paths: Sequence[Path]) -> Side:
    """Predictions in files, one a repeat. Raises CoreError `side_empty`, `sides_labels`, and what a reader finds."""
    if not paths:
        raise CoreError("side_empty", {"name": name}, "hint_side")
    read = [(path, *predictions_in(str(path))) for path in paths]
    sides = [Side(f"{name}: {path.name}", gold, [found], [str(path)]) for path, gold, found, _ in read]
    for one in sides[1:]:
        check(sides[0], one)
    return Side(name, sides[0].gold, [one.predicted[0] for one in sides], [str(path) for path in paths])


def predictions_in(name: str) -> tuple[Corpus, pa.ChunkedArray, list[Issue]]:
    """Gold, predictions and what was repaired in a file of predictions: CoNLL with token, gold, predicted, or CSV with
    text, gold, predicted.

    Raises CoreError with file and row where one can't be read.
    """
    return read_predictions(Path(name), name, guess_task(text_lines.head(Path(name), name)))


def _digest(column: pa.ChunkedArray) -> str:
    """A hash over texts or lists of strings: 16 hex digits."""
    lines = json.dumps(column.to_pylist(), ensure_ascii=False)
    return sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]
