"""Where the rows behind a report come from, under what licence, and the recipe that repeats it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import corpus as corpora
from core.groups import Group
from core.jobs.folder import read_json, read_object
from core.mix import GOLD
from core.models.catalogue import BUNDLED
from core.origins import SPLITS, Origin, origins
from core.params import digest
from core.project import Project
from core.recipe_text import recipe_text
from core.runs import RunSpec
from core.tasks import task as task_of
from core.workspace import Workspace


@dataclass(frozen=True)
class Sources:
    """`gold_rows`: of gold; `gold_labels`: mentions in it by label; `added`: rows that a training draws of each
    ingredient; `parts`: where splits and ingredients come from; `licences`: as somebody stated them, by part, "" where
    nobody did; `model`: the encoder and its licence; `recipes`: of the mix and of the baseline, as YAML; `state`: a
    digest over all data and runs, 16 hex digits."""

    gold_rows: int
    gold_labels: Mapping[str, int]
    added: Mapping[str, int]
    parts: Mapping[str, Origin]
    licences: Mapping[str, str]
    model: tuple[str, str]
    recipes: tuple[str, str]
    state: str


def sources(workspace: Workspace, project: Project, mix: Group, baseline: Group) -> Sources:
    """Of a mix that has a finished run."""
    folder = workspace.run_folder(mix.finished[0])
    spec = RunSpec.from_json(read_json(folder / "spec.json"))
    drawn: Mapping[str, int] = (read_object(folder / "result.json") or {}).get("rows", {})
    recipe = project.recipe
    found = origins(workspace, spec, recipe.task, recipe.language)
    gold = corpora.read(workspace.corpus_path(found.parts["train"].corpus))
    _, labels, _ = task_of(recipe.task).mentions(gold.table, gold.schema.labels)
    counts = {name: int((labels == at).sum()) for at, name in enumerate(gold.schema.labels)}
    parts = {name: one for name, one in found.parts.items() if name in SPLITS or name in _needed(found.parts, drawn)}
    name = mix.train.model
    return Sources(
        gold_rows=len(gold),
        gold_labels=counts,
        added={part: rows for part, rows in drawn.items() if part != GOLD and rows},
        parts=parts,
        licences={part: _licence(recipe.licences, parts, part) for part in parts},
        model=(name, BUNDLED[name].licence if name in BUNDLED else ""),
        recipes=(_recipe(project, mix), _recipe(project, baseline)),
        state=digest([sorted(one.corpus for one in parts.values()), mix.finished, baseline.finished])[:16],
    )


def _needed(parts: Mapping[str, Origin], drawn: Mapping[str, int]) -> set[str]:
    """What is drawn from, and what that was made of."""
    out: set[str] = set()
    left = [name for name, rows in drawn.items() if rows and name in parts]
    while left:
        name = left.pop()
        out.add(name)
        of = parts[name].of
        if of in parts and of not in out:
            left.append(of)
    return out


def _licence(stated: Mapping[str, str], parts: Mapping[str, Origin], part: str) -> str:
    """Children have that of what they were made of."""
    key = GOLD if part in SPLITS else part
    if key in stated:
        return stated[key]
    made = part in parts and parts[part].made is not None
    of = parts[part].of if made else ""
    return _licence(stated, parts, "train" if of == GOLD else of) if of else ""


def _recipe(project: Project, group: Group) -> str:
    """With what the mix needs alone."""
    recipe = project.recipe
    needed = _closed(recipe.ingredients, [name for name in group.mix.parts if name in recipe.ingredients])
    kept = {name: one for name, one in recipe.ingredients.items() if name in needed}
    licences = {name: words for name, words in recipe.licences.items() if name == GOLD or name in kept}
    seeds = tuple(seed for seed, run in sorted(group.runs.items()) if run.state == "succeeded")
    whole = replace(
        recipe, ingredients=kept, mix=group.mix, train=group.train, seeds=seeds or recipe.seeds, licences=licences
    )
    return recipe_text(whole)


def _closed(ingredients: Mapping[str, object], names: Sequence[str]) -> set[str]:
    """The names and what their rows are made of."""
    out, left = set[str](), [*names]
    while left:
        name = left.pop()
        out.add(name)
        of = getattr(ingredients.get(name), "of", GOLD)
        if of != GOLD and of not in out:
            left.append(of)
    return out
