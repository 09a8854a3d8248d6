"""Carrying a recipe out: import, augment, plan, train, evaluate, score. Every slow stage is a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core import corpus as corpora
from core import estimate as estimates
from core.augment.protocol import Spent
from core.corpus import Corpus
from core.errors import CoreError, Issue
from core.estimate import Wanted
from core.evaluation.scoring import score
from core.formats import predictions_suffix, write_predictions
from core.formats.importing import used_labels
from core.jobs.folder import Run
from core.known import Asked, Sizes
from core.labeller import told_of_labeller
from core.mix import GOLD, Mix, Realised, realised
from core.models.catalogue import install
from core.models.fit import unknown_issue
from core.params import build
from core.prompting.prompted import Told, told_in
from core.questions import per_run, questions
from core.recipe import AugmentedIngredient, Recipe, about
from core.runs import RunSpec
from core.scores import Scores
from core.seen import told_or_refused
from core.sources import import_spec, keep_named, keep_writer
from core.stage import Stage, augment_spec, imported, settle, train_specs
from core.submit import Submitter, Watch, cancel_all, raise_mendable, result_of, wait
from core.tasks import task as task_of
from core.training import predictions, sense
from core.training.train import Prepared, TrainRunParams, prepare
from core.workspace import Workspace


@dataclass(frozen=True)
class Options:
    """The switches of `python -m core run`."""

    test: bool = True
    fresh: bool = False
    detach: bool = False


@dataclass(frozen=True)
class SeedRun:
    """One training of a group. `seconds`: first attempt's start to the end, test predictions included; `prompted`: what
    became of its questions about dev, where it asked a language model."""

    run: Run
    seed: int
    reused: bool
    seconds: float | None
    predictions: Mapping[str, Path | None]
    prompted: Told | None = None


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
    recipe = replace(recipe, train=keep_writer(workspace, recipe.train, recipe.folder))
    sense.check_encoder(recipe.train, model.folder)
    stage = _import(workspace, recipe, submit, watch)
    with about("train.model"):
        name, ids = recipe.train.model, stage.imported["corpora"]
        stage.issues += told_or_refused(workspace, name, model.folder, ids, recipe.file)
    _augment(workspace, recipe, stage, submit, watch)
    params, pool_names = settle(recipe, stage)
    used = {name: stage.pools[name] for name in pool_names}
    cache = workspace.root / "cache"
    prepared = prepare(used, replace(params, seed=recipe.seeds[0]), model.folder, cache)
    _check_targets(recipe, stage, prepared)
    with about("train.prompt"):
        questions(workspace, stage, params, len(recipe.seeds))  # that they can be put
    specs = train_specs(stage, params, pool_names, model.identity, recipe.seeds)
    submitted = [submit(spec) for spec in specs]
    _note(workspace, params, prepared, specs[0], [run.id for run, was in submitted if not was])
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


def _note(workspace: Workspace, params: TrainRunParams, prepared: Prepared, spec: RunSpec, runs: Sequence[str]) -> None:
    """Keep what is expected of new runs, to be held against what they take."""
    train, model = replace(params.train, steps=prepared.steps), spec.inputs["model"].removeprefix("model:")
    dev = corpora.read(workspace.corpus_path(spec.inputs["dev"].removeprefix("corpus:")))
    read = len(dev) * estimates.tokens_of_a_row(workspace, dev, model)
    sizes = Sizes(float(prepared.encoded.lengths.sum()), read, per_run(params, len(dev), len(runs)))
    asked = Asked(train, model, spec.inputs["dev"])
    estimates.note(workspace, Wanted(asked, len(runs), sizes, len(params.labels)), runs)


def _import(workspace: Workspace, recipe: Recipe, submit: Submitter, watch: Watch) -> Stage:
    run, _ = submit(import_spec(workspace, recipe))
    return imported(workspace, result_of(workspace, run, watch))


def pools_of(workspace: Workspace, recipe: Recipe, watch: Watch) -> tuple[dict[str, Corpus], dict[str, int]]:
    """Gold, if any, and the ingredients of a recipe, without training -> (pools, rejected children by code)."""
    stage, rejected = staged(workspace, recipe, watch)
    return stage.pools, rejected


def staged(workspace: Workspace, recipe: Recipe, watch: Watch) -> tuple[Stage, dict[str, int]]:
    """What a recipe hands to its trainings, imported and built as far as needed -> (it, rejected children by code)"""
    submit = Submitter(workspace, fresh=False)
    stage = _import(workspace, recipe, submit, watch)
    return stage, _augment(workspace, recipe, stage, submit, watch)


def _augment(workspace: Workspace, recipe: Recipe, stage: Stage, submit: Submitter, watch: Watch) -> dict[str, int]:
    """Build the pools of all augmented ingredients, parents before children -> rejected children by code."""
    rejected: Counter[str] = Counter()
    left = {name: i for name, i in recipe.ingredients.items() if isinstance(i, AugmentedIngredient)}
    order = list(recipe.ingredients)
    while left:
        ready = {name: i for name, i in left.items() if i.of in stage.pools}
        started: dict[str, Run] = {}
        for name, part in ready.items():
            with about(f"ingredients.{name}.params"):
                whole = keep_named(workspace, part, recipe.folder, recipe.language)
                stage.issues += told_of_labeller(workspace, whole, stage.imported["corpora"], recipe.file)
            started[name] = submit(augment_spec(whole, stage))[0]
        for name, run in started.items():
            with about(f"ingredients.{name}"):
                result = result_of(workspace, run, watch)
            stage.pools[name] = corpora.read(workspace.corpus_path(result["corpus"]))
            rejected.update(result["rejected"])
            if result.get("audit", {}).get("spent"):
                stage.spent[name] = build(Spent, result["audit"]["spent"], "spent")
            del left[name]
    stage.pools = {name: stage.pools[name] for name in [GOLD, *order] if name in stage.pools}
    return dict(rejected)


def _check_targets(recipe: Recipe, stage: Stage, prepared: Prepared) -> None:
    """Something must be learned; and a model that does not know the words is said."""
    if not (prepared.encoded.targets >= 0).any():
        raise CoreError("nothing_to_learn", {"where": "mix"}, "hint_nothing_to_learn")
    unknown = unknown_issue(prepared.encoded.pieces.unknown_share, recipe.train.model, recipe.file)
    stage.issues += [unknown] if unknown is not None else []


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
    kept = [predictions.column(predictions.file_of(workspace.run_folder(run), corpus_id)) for run in runs]
    return score([task.counts(data.table, found, names) for found in kept], task.headline, task.also)


def _seed_run(
    workspace: Workspace, run: Run, seed: int, reused: bool, stage: Stage, scores: Mapping[str, Scores | None]
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
    prompted = told_in(workspace.result(run.id)) if run.state == "succeeded" else None
    return SeedRun(run, seed, reused, seconds, paths, prompted)


def export_predictions(workspace: Workspace, path: Path, corpus_id: str) -> Path:
    """Kept predictions as a file that shows them beside gold, as the task has it; rows in input order."""
    data = corpora.read(workspace.corpus_path(corpus_id))
    target = path.with_suffix(predictions_suffix(data.schema.task))
    if not target.exists():
        write_predictions(data, target, predictions.read(path).values)
    return target
