"""Carrying a recipe out: import, augment, plan, train, evaluate, score. Every slow stage is a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment.pool import AugmentParams
from core.corpus import Corpus
from core.errors import Action, CoreError, Issue
from core.evaluation.scoring import score
from core.formats.importing import used_labels
from core.formats.write import conll
from core.jobs.folder import Run
from core.mix import GOLD, Mix, Part, Realised, plan, realised
from core.models.catalogue import DEFAULT, install
from core.params import canonical
from core.recipe import AugmentedIngredient, Recipe, about
from core.runs import POOL, RunSpec
from core.scores import Scores
from core.sources import import_spec
from core.submit import Submitter, Watch, cancel_all, raise_mendable, result_of, wait
from core.tasks import task as task_of
from core.training import predictions
from core.training.train import UNKNOWN_WARNING, Prepared, TrainRunParams, prepare
from core.workspace import Workspace


@dataclass(frozen=True)
class Options:
    """The switches of `python -m core run`."""

    test: bool = True
    fresh: bool = False
    detach: bool = False


@dataclass(frozen=True)
class SeedRun:
    """One training of a group. `seconds`: first attempt's start to the end, test predictions included."""

    run: Run
    seed: int
    reused: bool
    seconds: float | None
    predictions: Mapping[str, Path | None]


@dataclass(frozen=True)
class Outcome:
    """What a recipe came to: the object of the public contract, with types."""

    rows: Mapping[str, int]  # by role: train, dev, test
    pools: Mapping[str, int]
    issues: Sequence[Issue]
    requested: Mapping[str, tuple[float, str]]
    realised: Mapping[str, Realised]
    steps: int
    runs: Sequence[SeedRun]
    scores: Mapping[str, Scores | None]


@dataclass
class _Stage:
    """What the stages before training hand on."""

    imported: Mapping[str, Any]
    pools: dict[str, Corpus] = field(default_factory=dict[str, Corpus])  # gold and every ingredient
    issues: list[Issue] = field(default_factory=list[Issue])


def carry_out(workspace: Workspace, recipe: Recipe, options: Options, watch: Watch) -> Outcome:
    """Run a recipe to its scores; on Ctrl-C every run it submitted is cancelled.

    Raises RunEnded for a lost import or pool, and CoreError for what the user can mend: `where` among its values is
    the key of the recipe that it is about, unless it names a file.
    """
    submit = Submitter(workspace, options.fresh)
    try:
        return _carry_out(workspace, recipe, options, watch, submit)
    except KeyboardInterrupt:
        cancel_all(workspace, submit.ids)
        raise


def _carry_out(workspace: Workspace, recipe: Recipe, options: Options, watch: Watch, submit: Submitter) -> Outcome:
    with about("train.model"):
        model = install(recipe.train.model, workspace.models, recipe.folder)
    stage = _import(workspace, recipe, submit, watch)
    _augment(workspace, recipe, stage, submit, watch)
    params, pool_names = _settle(recipe, stage)
    used = {name: stage.pools[name] for name in pool_names}
    prepared = prepare(used, replace(params, seed=recipe.seeds[0]), model.folder)
    _check_targets(recipe, stage, prepared)
    inputs = {GOLD: f"corpus:{stage.imported['corpora']['train']}", "dev": f"corpus:{stage.imported['corpora']['dev']}"}
    inputs |= {POOL + name: f"corpus:{pool.id}" for name, pool in used.items() if name != GOLD}
    inputs |= {"model": f"model:{model.identity}"}
    specs = [RunSpec("train", inputs, canonical(replace(params, seed=seed))) for seed in recipe.seeds]
    submitted = [submit(spec) for spec in specs]
    seeds = dict(zip((run.id for run, _ in submitted), recipe.seeds, strict=True))
    scores: dict[str, Scores | None] = {"dev": None, "test": None}
    runs = [run for run, _ in submitted]
    if not options.detach:
        runs = wait(workspace, list(seeds), watch)
        with about("train.model", model=recipe.train.model):
            raise_mendable(runs)
        good = [run.id for run in runs if run.state == "succeeded"]
        splits = ["dev"]
        if options.test and "test" in stage.imported["corpora"] and good:
            splits.append("test")
            workspace.record(recipe.project, {"event": "look", "split": "test", "runs": good, "recipe": recipe.file})
            _evaluate(workspace, stage.imported["corpora"]["test"], good, submit, watch)
        for split in splits:
            scores[split] = (
                scores_of(workspace, stage.imported["corpora"][split], good, params.labels) if good else None
            )
    reused = dict(zip(seeds, (was for _, was in submitted), strict=True))
    rows = stage.imported["rows"]
    counted = {name: len(pool) for name, pool in stage.pools.items()}
    return Outcome(
        rows={role: rows[role] for role in ("train", "dev", "test") if role in rows},
        pools={name: n for name, n in counted.items() if name != GOLD},
        issues=stage.issues,
        requested=recipe.mix.requested(),
        realised=realised(_with_zeros(recipe.mix, prepared), counted),
        steps=prepared.steps,
        runs=[_seed_run(workspace, run, seeds[run.id], reused[run.id], stage, scores) for run in runs],
        scores=scores,
    )


def _import(workspace: Workspace, recipe: Recipe, submit: Submitter, watch: Watch) -> _Stage:
    run, _ = submit(import_spec(workspace, recipe))
    result = result_of(workspace, run, watch)
    stage = _Stage(result, issues=[issue_of(data) for data in result["issues"]])
    for role, corpus_id in result["corpora"].items():
        if role == "train" or role.startswith(POOL):
            name = GOLD if role == "train" else role[len(POOL) :]
            stage.pools[name] = corpora.read(workspace.corpus_path(corpus_id))
    return stage


def issue_of(data: Mapping[str, Any]) -> Issue:
    action: Action = data["action"]
    return Issue(data["file"], data["row"], data["column"], data["code"], data["values"], action)


def pools_of(workspace: Workspace, recipe: Recipe, watch: Watch) -> tuple[dict[str, Corpus], dict[str, int]]:
    """Gold, if any, and the ingredients of a recipe, without training -> (pools, rejected children by code)."""
    submit = Submitter(workspace, fresh=False)
    stage = _import(workspace, recipe, submit, watch)
    rejected = _augment(workspace, recipe, stage, submit, watch)
    return stage.pools, rejected


def _augment(workspace: Workspace, recipe: Recipe, stage: _Stage, submit: Submitter, watch: Watch) -> dict[str, int]:
    """Build the pools of all augmented ingredients, parents before children -> rejected children by code."""
    rejected: Counter[str] = Counter()
    left = {name: i for name, i in recipe.ingredients.items() if isinstance(i, AugmentedIngredient)}
    order = list(recipe.ingredients)
    while left:
        ready = {name: i for name, i in left.items() if i.of in stage.pools}
        started = {name: submit(_augment_spec(i, stage))[0] for name, i in ready.items()}
        for name, run in started.items():
            with about(f"ingredients.{name}"):
                result = result_of(workspace, run, watch)
            stage.pools[name] = corpora.read(workspace.corpus_path(result["corpus"]))
            rejected.update(result["rejected"])
            del left[name]
    stage.pools = {name: stage.pools[name] for name in [GOLD, *order] if name in stage.pools}
    return dict(rejected)


def _augment_spec(ingredient: AugmentedIngredient, stage: _Stage) -> RunSpec:
    params = AugmentParams(ingredient.augmenter, ingredient.params, ingredient.copies, ingredient.seed).canonical()
    inputs = {"of": f"corpus:{stage.pools[ingredient.of].id}"}
    ids = stage.imported["corpora"]
    inputs |= {split: f"corpus:{ids[split]}" for split in ("dev", "test") if split in ids}
    return RunSpec("augment", inputs, canonical(params))


def _settle(recipe: Recipe, stage: _Stage) -> tuple[TrainRunParams, list[str]]:
    """The parameters of the trainings (all but the seed), and the pools that take part."""
    mix = recipe.mix
    requested = {name: ask for name, ask in mix.requested().items() if ask[0] > 0 or name == GOLD}
    names = [GOLD, *(name for name in requested if name != GOLD)]
    labels = stage.imported["labels"]
    roots = {_root(recipe, name) for name in names} - {GOLD}
    in_mix = {label for root in roots for label in labels[POOL + root]}
    trained = set(labels["train"]) | in_mix
    for label in labels["dev"]:
        if label not in trained:
            raise _unknown_dev_label(recipe, stage, label)
    target = sorted(trained)
    masked = [
        n
        for n in names
        if _root(recipe, n) in roots and set(target) - set(stage.imported["covered"][POOL + _root(recipe, n)])
    ]
    train = replace(recipe.train, model=DEFAULT)  # which model it is stands among the inputs
    return TrainRunParams(0, tuple(target), _in_rows(mix, stage.pools), train, tuple(sorted(masked))), names


def _in_rows(mix: Mix, pools: Mapping[str, Corpus]) -> Mix:
    """What a mix delivers, as rows by name of the ingredient: mixes that come to the same are the same run."""
    try:
        rows = plan(mix, {name: len(pool) for name, pool in pools.items()})
    except CoreError as error:
        part = error.values.get("name")
        about = "mix.size" if error.code in ("size_unused", "shares_negative") else "mix.parts"
        where = {"where": f"mix.parts.{part}" if part else about}
        raise CoreError(error.code, where | error.values, error.hint_code) from None
    parts = {name: Part(rows[name]) for name in sorted(rows) if rows[name] or name == GOLD}
    return replace(mix, unit="rows", size=None, short="shrink", parts=parts)


def _root(recipe: Recipe, name: str) -> str:
    """The file ingredient (or gold) that an ingredient's rows go back to."""
    ingredient = recipe.ingredients.get(name)
    return _root(recipe, ingredient.of) if isinstance(ingredient, AugmentedIngredient) else name


def _unknown_dev_label(recipe: Recipe, stage: _Stage, label: str) -> CoreError:
    file = recipe.data if isinstance(recipe.data, str) else recipe.data.dev or recipe.data.file or recipe.data.train
    row = stage.imported["first_rows"]["dev"][label]
    known = ", ".join(stage.imported["labels"]["train"])
    return CoreError("dev_label_unknown", {"file": file, "row": row, "label": label, "known": known}, "hint_dev_label")


def _check_targets(recipe: Recipe, stage: _Stage, prepared: Prepared) -> None:
    """Something must be learned; and a model that does not know the words is said."""
    if not any((targets >= 0).any() for targets in prepared.encoded.targets):
        raise CoreError("nothing_to_learn", {"where": "mix"}, "hint_nothing_to_learn")
    if prepared.encoded.unknown > UNKNOWN_WARNING:
        percent = round(100 * prepared.encoded.unknown, 1)
        values: dict[str, str | int | float | None] = {"model": recipe.train.model, "percent": percent}
        stage.issues.append(Issue(recipe.file, None, "train.model", "unknown_words", values, "kept"))


def _with_zeros(mix: Mix, prepared: Prepared) -> dict[str, int]:
    """Rows of every part, those left at zero too, in recipe order."""
    return {name: prepared.rows.get(name, 0) for name in mix.requested()}


def _evaluate(workspace: Workspace, corpus_id: str, runs: Sequence[str], submit: Submitter, watch: Watch) -> None:
    """Predict a corpus with all trained runs that have not done so yet."""
    missing = [r for r in runs if not predictions.file_of(workspace.run_folder(r), corpus_id).exists()]
    if missing:
        inputs = {"data": f"corpus:{corpus_id}"} | {f"model:{i}": f"run:{r}" for i, r in enumerate(missing)}
        result_of(workspace, submit(RunSpec("evaluate", inputs))[0], watch)


def scores_of(workspace: Workspace, corpus_id: str, runs: Sequence[str], labels: Sequence[str]) -> Scores:
    """The scores of a group of trained runs on a corpus, from their kept predictions."""
    data = corpora.read(workspace.corpus_path(corpus_id))
    task = task_of(data.schema.task)
    names = tuple(sorted({*labels, *used_labels(data)}))
    kept = [predictions.read(predictions.file_of(workspace.run_folder(run), corpus_id)) for run in runs]
    return score([task.counts(data.table, found.values, names) for found in kept], task.headline)


def _seed_run(
    workspace: Workspace, run: Run, seed: int, reused: bool, stage: _Stage, scores: Mapping[str, Scores | None]
) -> SeedRun:
    seconds = run.seconds
    paths: dict[str, Path | None] = {"dev": None, "test": None}
    for split in paths:
        corpus_id = stage.imported["corpora"].get(split)
        if scores[split] is None or run.state != "succeeded" or corpus_id is None:
            continue
        found = predictions.file_of(workspace.run_folder(run.id), corpus_id)
        paths[split] = export_predictions(workspace, found, corpus_id)
        if split == "test" and seconds is not None:
            seconds += predictions.read(found).seconds
    return SeedRun(run, seed, reused, seconds, paths)


def export_predictions(workspace: Workspace, path: Path, corpus_id: str) -> Path:
    """Kept predictions as a CoNLL file: token, gold, predicted; rows in input order."""
    target = path.with_suffix(".conll")
    if not target.exists():
        data = corpora.read(workspace.corpus_path(corpus_id))
        conll(data, target, predictions.read(path).values)
    return target
