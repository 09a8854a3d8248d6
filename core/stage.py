"""What the stages before training hand on, and the run specs that follow from it. Nothing here waits or submits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment import augmenter
from core.augment.pool import AugmentParams
from core.augment.protocol import Spent
from core.corpus import Corpus
from core.errors import Action, CoreError, Issue
from core.formats.importing import used_labels
from core.mix import GOLD, Mix, Part, plan
from core.models.catalogue import DEFAULT, origin_of
from core.params import canonical
from core.prompting.settings import WRITER, PromptParams
from core.prompting.voices import voice_of
from core.recipe import AugmentedIngredient, Recipe
from core.runs import POOL, TEXT, RunSpec, kept
from core.tasks import task as task_of
from core.training import sense
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace


@dataclass
class Stage:
    """What the stages before training hand on. `spent`: what language models took for ingredients that they wrote;
    `models`: the workspace's, None where nobody asks what a start goes back to."""

    imported: Mapping[str, Any]
    pools: dict[str, Corpus] = field(default_factory=dict[str, Corpus])  # gold and every ingredient
    issues: list[Issue] = field(default_factory=list[Issue])
    spent: dict[str, Spent] = field(default_factory=dict[str, Spent])
    models: Path | None = None


def imported(workspace: Workspace, result: Mapping[str, Any]) -> Stage:
    """The stage after an import: gold, the file ingredients, and the issues found."""
    stage = Stage(result, issues=[issue_of(data) for data in result["issues"]], models=workspace.models)
    for role, corpus_id in result["corpora"].items():
        if role == "train" or role.startswith(POOL):
            name = GOLD if role == "train" else role[len(POOL) :]
            stage.pools[name] = corpora.read(workspace.corpus_path(corpus_id))
    return stage


def issue_of(data: Mapping[str, Any]) -> Issue:
    action: Action = data["action"]
    return Issue(data["file"], data["row"], data["column"], data["code"], data["values"], action)


def augment_spec(ingredient: AugmentedIngredient, stage: Stage) -> RunSpec:
    return augment_spec_of(ingredient, stage.pools[ingredient.of].id, stage.imported["corpora"])


def augment_spec_of(ingredient: AugmentedIngredient, parent: str, ids: Mapping[str, str]) -> RunSpec:
    """The building of a pool. `parent`: id of the corpus it is made of; `ids`: those of the import, by role.

    What the ingredient's params name is kept in the workspace already (see core.sources.keep_named).
    """
    part = ingredient
    asked = (part.augmenter, part.params, part.copies, part.seed, part.decisions, part.checks)
    params = AugmentParams(*asked).canonical()
    inputs = {"of": f"corpus:{parent}"} | params.named()
    inputs |= {split: f"corpus:{ids[split]}" for split in ("dev", "test") if split in ids}
    return RunSpec("augment", inputs, canonical(params))


def settle(recipe: Recipe, stage: Stage) -> tuple[TrainRunParams, list[str]]:
    """The parameters of the trainings (all but the seed), and the pools that take part."""
    mix = recipe.mix
    requested = {name: ask for name, ask in mix.requested().items() if ask[0] > 0 or name == GOLD}
    names = [GOLD, *(name for name in requested if name != GOLD)]
    labels = stage.imported["labels"]
    roots = {root_of(recipe, name) for name in names} - {GOLD}
    for name in names:
        if unlabelled(recipe, name, stage):
            raise CoreError("part_unlabelled", {"name": name, "where": f"mix.parts.{name}"}, "hint_part_unlabelled")
    in_mix = {label for root in roots for label in labels[POOL + root]}
    given = {labelled_by(recipe, name) for name in names} - roots - {GOLD}
    in_mix |= {label for name in given for label in used_labels(stage.pools[name])}
    trained = set(labels["train"]) | in_mix
    for label in labels["dev"]:
        if label not in trained:
            raise _unknown_dev_label(recipe, stage, label)
    target = sorted(trained)
    masked = [
        n
        for n in names
        if labelled_by(recipe, n) in roots and set(target) - set(stage.imported["covered"][POOL + root_of(recipe, n)])
    ]
    _check_text(recipe, stage)
    origin = recipe.train.model if stage.models is None else origin_of(recipe.train.model, stage.models)
    settled = sense.settled(recipe.train, task_of(recipe.task), origin)
    train = replace(settled, model=DEFAULT, prompt=_prompt(settled, recipe.language))  # which model: see the inputs
    return TrainRunParams(0, tuple(target), _in_rows(mix, stage.pools), train, tuple(sorted(masked))), names


def _prompt(train: TrainParams, language: str) -> PromptParams | None:
    """How a language model is prompted, the template written out, and it called by what the workspace keeps."""
    found = train.prompt
    if found is None:
        return None
    template = found.template or voice_of(language).template
    return replace(found, model=kept(found.model) or found.model, template=template)


def train_specs(
    stage: Stage, params: TrainRunParams, names: Sequence[str], model: str, seeds: Sequence[int]
) -> list[RunSpec]:
    """One training for each seed. `params`, `names`: of `settle`; `model`: identity of the installed model."""
    inputs = {GOLD: f"corpus:{stage.imported['corpora']['train']}", "dev": f"corpus:{stage.imported['corpora']['dev']}"}
    inputs |= {POOL + name: f"corpus:{stage.pools[name].id}" for name in names if name != GOLD}
    inputs |= {"model": f"model:{model}"} | text_input(params.train, stage) | _writer_input(params.train)
    return [RunSpec("train", inputs, canonical(replace(params, seed=seed))) for seed in seeds]


def _writer_input(train: TrainParams) -> dict[str, str]:
    """The language model that is prompted, where the workspace keeps it."""
    held = None if train.prompt is None else kept(train.prompt.model)
    return {} if held is None else {WRITER: held}


def text_input(train: TrainParams, stage: Stage) -> dict[str, str]:
    """The text that a training learns consistency from, as an input of its run; none where it learns from none."""
    name = train.consistency
    return {} if name is None else {TEXT + name: f"corpus:{stage.pools[name].id}"}


def _in_rows(mix: Mix, pools: Mapping[str, Corpus]) -> Mix:
    """What a mix delivers, as rows by name of the ingredient: mixes that come to the same are the same run.

    Where gold is few shots, how many rows these are hangs on the draw, and it stays as it was asked for.
    """
    try:
        rows = plan(mix, {name: len(pool) for name, pool in pools.items()})
    except CoreError as error:
        part = error.values.get("name")
        about = "mix.size" if error.code in ("size_unused", "shares_negative") else "mix.parts"
        where = {"where": f"mix.parts.{part}" if part else about}
        raise CoreError(error.code, where | error.values, error.hint_code) from None
    if mix.shots is not None:
        return replace(mix, parts={name: part for name, part in mix.parts.items() if part.amount or name == GOLD})
    parts = {name: Part(rows[name]) for name in sorted(rows) if rows[name] or name == GOLD}
    return replace(mix, unit="rows", size=None, short="shrink", parts=parts)


def root_of(recipe: Recipe, name: str) -> str:
    """The file ingredient (or gold) that an ingredient's rows go back to."""
    ingredient = recipe.ingredients.get(name)
    return root_of(recipe, ingredient.of) if isinstance(ingredient, AugmentedIngredient) else name


def labelled_by(recipe: Recipe, name: str) -> str:
    """The ingredient whose labels an ingredient's rows have: their root, or where a run gave them labels on the way."""
    part = recipe.ingredients.get(name)
    if isinstance(part, AugmentedIngredient) and not augmenter(part.augmenter).labels:
        return labelled_by(recipe, part.of)
    return name


def unlabelled(recipe: Recipe, name: str, stage: Stage) -> bool:
    """Whether no label of an ingredient's rows is known, so that nothing can be learned from them."""
    root = root_of(recipe, name)
    return root != GOLD and labelled_by(recipe, name) == root and not stage.imported["covered"][POOL + root]


def drawable(recipe: Recipe, stage: Stage) -> dict[str, int]:
    """Rows of gold and of each ingredient that something can be learned from."""
    return {name: len(pool) for name, pool in stage.pools.items() if not unlabelled(recipe, name, stage)}


def _check_text(recipe: Recipe, stage: Stage) -> None:
    """Raises CoreError `consistency_labelled`, `consistency_empty` for what consistency can't be learned from."""
    name = recipe.train.consistency
    if name is None:
        return
    values = {"name": name, "where": "train.consistency"}
    if name not in stage.pools:
        raise CoreError("pool_not_ready", values, "hint_pool_not_ready")
    if not unlabelled(recipe, name, stage):
        raise CoreError("consistency_labelled", values, "hint_consistency_labelled")
    if not len(stage.pools[name]):
        raise CoreError("consistency_empty", values)


def _unknown_dev_label(recipe: Recipe, stage: Stage, label: str) -> CoreError:
    file = recipe.data if isinstance(recipe.data, str) else recipe.data.dev or recipe.data.file or recipe.data.train
    row = stage.imported["first_rows"]["dev"][label]
    known = ", ".join(stage.imported["labels"]["train"])
    return CoreError("dev_label_unknown", {"file": file, "row": row, "label": label, "known": known}, "hint_dev_label")
