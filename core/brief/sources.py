"""Where the rows behind a report come from, under what licence, and the recipe that repeats it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core import corpus as corpora
from core.groups import Group
from core.jobs.folder import read_json, read_object
from core.mix import GOLD
from core.models.catalogue import BUNDLED
from core.origins import SPLITS, Origin, licence_of, origins
from core.params import digest
from core.project import Project
from core.recipe import needed
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
    used = {*SPLITS, *(part for name, rows in drawn.items() if rows for part in _chain(found.parts, name))}
    parts = {name: one for name, one in found.parts.items() if name in used}
    name = mix.train.model
    return Sources(
        gold_rows=len(gold),
        gold_labels=counts,
        added={part: rows for part, rows in drawn.items() if part != GOLD and rows},
        parts=parts,
        licences={part: licence_of(recipe.licences, parts, part) for part in parts},
        model=(name, BUNDLED[name].licence if name in BUNDLED else ""),
        recipes=(_recipe(project, mix), _recipe(project, baseline)),
        state=digest([sorted(one.corpus for one in parts.values()), mix.finished, baseline.finished])[:16],
    )


def _chain(parts: Mapping[str, Origin], name: str) -> set[str]:
    """An ingredient and what it was made of."""
    part = parts.get(name)
    return set() if part is None else {name} | _chain(parts, part.of)


def _recipe(project: Project, group: Group) -> str:
    """With what the mix needs alone."""
    recipe = needed(project.recipe, group.mix.parts)
    licences = {name: words for name, words in recipe.licences.items() if name == GOLD or name in recipe.ingredients}
    seeds = tuple(seed for seed, run in sorted(group.runs.items()) if run.state == "succeeded")
    return recipe_text(replace(recipe, mix=group.mix, train=group.train, seeds=seeds, licences=licences))
