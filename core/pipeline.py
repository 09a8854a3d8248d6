"""Carrying a recipe out: import, augment, plan, train, evaluate, score. Every slow stage is a run."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.augment.pool import AugmentParams
from core.corpus import Corpus
from core.errors import Action, CoreError, Issue
from core.evaluation.scoring import score
from core.formats.importing import ImportParams, Source, used_labels
from core.formats.protocol import ReadOptions
from core.formats.write import conll
from core.jobs.dispatch import cancel, dispatch, settled
from core.jobs.folder import Run
from core.mix import GOLD, Mix, Part, Realised, plan, realised
from core.models.catalogue import DEFAULT, install
from core.params import build, canonical
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe
from core.runs import ACTIVE, POOL, RunSpec
from core.scores import Scores
from core.tasks import task as task_of
from core.training import predictions
from core.training.train import UNKNOWN_WARNING, Prepared, TrainRunParams, prepare
from core.workspace import Workspace

Watch = Callable[[Sequence[Run]], None]  # called while runs are waited for
_POLL = 0.2  # seconds
_NOT_MENDABLE = frozenset({"internal", "out_of_memory", "loss_not_finite", "disk_full"})


class RunEnded(Exception):
    """A run that a recipe needs before training ended without success, and not by a fault in what was given."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.id)
        self.run = run


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
    submit = _Submitter(workspace, options.fresh)
    try:
        return _carry_out(workspace, recipe, options, watch, submit)
    except KeyboardInterrupt:
        _cancel(workspace, submit.ids)
        raise


def _carry_out(workspace: Workspace, recipe: Recipe, options: Options, watch: Watch, submit: "_Submitter") -> Outcome:
    with _about("train.model"):
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
        with _about("train.model", model=recipe.train.model):
            _raise_mendable(runs)
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


class _Submitter:
    """Submits specs; with `fresh`, each as a replicate that nobody has run."""

    def __init__(self, workspace: Workspace, fresh: bool) -> None:
        self.workspace = workspace
        self.fresh = fresh
        self.ids: list[str] = []  # of the runs submitted, in order

    def __call__(self, spec: RunSpec) -> tuple[Run, bool]:
        if self.fresh:
            taken = {path.name for path in (self.workspace.root / "runs").iterdir()}
            number = 1
            while replace(spec, repeat=number).id in taken:
                number += 1
            spec = replace(spec, repeat=number)
        self.ids.append(spec.id)
        return self.workspace.submit(spec)


@contextmanager
def _about(where: str, **known: str) -> Generator[None]:
    """What goes wrong inside is about the recipe's key `where`, unless the error names another."""
    try:
        yield
    except CoreError as error:
        raise CoreError(error.code, {"where": where} | error.values | known, error.hint_code) from None


def wait(workspace: Workspace, ids: Sequence[str], watch: Watch) -> list[Run]:
    """Wait until all have ended; on Ctrl-C they are cancelled first."""
    store = workspace.store
    try:
        while True:
            dispatch(workspace.root)
            runs = [store.get(run_id) for run_id in ids]
            watch(runs)
            if not any(run.state in ACTIVE for run in runs):
                return runs
            time.sleep(_POLL)
    except KeyboardInterrupt:
        _cancel(workspace, ids)
        raise


def _cancel(workspace: Workspace, ids: Sequence[str]) -> None:
    """Cancel runs, and wait until they have stopped."""
    known = [run.id for run in workspace.store.list() if run.id in ids]
    for run_id in known:
        cancel(workspace.root, run_id)
    while not settled(workspace.root, known):
        dispatch(workspace.root)
        time.sleep(_POLL)


def _succeed(workspace: Workspace, run: Run, watch: Watch) -> dict[str, Any]:
    """The result of a run that must succeed before anything else can be done."""
    [run] = wait(workspace, [run.id], watch)
    if run.state != "succeeded":
        _raise_mendable([run])
        raise RunEnded(run)
    return workspace.result(run.id)


def _raise_mendable(runs: Sequence[Run]) -> None:
    """A run that failed for something in what the user gave is the user's error."""
    for run in runs:
        if run.state == "failed" and run.error and run.error["code"] not in _NOT_MENDABLE:
            raise CoreError.from_json(run.error)


def import_spec(workspace: Workspace, recipe: Recipe) -> RunSpec:
    """The import that a recipe asks for; its files are kept in the workspace first."""
    sources: dict[str, Source] = {}
    inputs: dict[str, str] = {}
    with _about("data"):
        data = recipe.data if isinstance(recipe.data, Data) else _named_data(workspace, recipe.data)
    for role in ("train", "dev", "test", "file"):
        name = getattr(data, role)
        if name is not None:
            source = Source(name, data.options)
            with _about(f"data.{role}"):
                sources[role], inputs[role] = keep_source(workspace, source, role, recipe.folder, data.columns)
    for name, ingredient in recipe.ingredients.items():
        if isinstance(ingredient, FileIngredient):
            source = Source(ingredient.file, ingredient.options, ingredient.labels)
            with _about(f"ingredients.{name}.file"):
                kept, where = keep_source(workspace, source, "file", recipe.folder, ingredient.columns)
            sources[POOL + name], inputs[POOL + name] = kept, where
    params = ImportParams(sources, recipe.task, recipe.language, data.split)
    return RunSpec("import", inputs, canonical(params))


def _named_data(workspace: Workspace, reference: str) -> Data:
    """`data: corpus:NAME`: the roles that were imported under that name."""
    named = workspace.named_corpus(reference.partition(":")[2])
    if "file" in named["sources"] and "split" not in named:
        return Data(train=reference)
    roles = dict.fromkeys(named["sources"], reference)
    return build(Data, roles | {k: named[k] for k in ("split",) if k in named}, "data")


def keep_source(
    workspace: Workspace, source: Source, role: str, folder: Path, columns: Mapping[str, str]
) -> tuple[Source, str]:
    """Keep the file a source names (a path, corpus:NAME or hub:...) -> (the source, its input)."""
    kind, _, rest = source.name.partition(":")
    if kind == "corpus":
        named = workspace.named_corpus(rest)
        chosen = role if role in named["sources"] else "train" if "train" in named["sources"] else "file"
        if chosen not in named["sources"]:
            raise CoreError("corpus_without_split", {"name": rest, "split": role}, "hint_import")
        stored = named["sources"][chosen]
        options = build(ReadOptions, stored.get("options", {}), "options")
        return replace(source, name=stored["name"], options=options), named["inputs"][chosen]
    if kind == "hub":
        from core.formats.hub import fetch

        path = fetch(source.name, columns, workspace.root / "cache")
        return source, f"file:{workspace.add_file(path, source.name)}"
    return source, f"file:{workspace.add_file(folder / source.name, source.name)}"


def _import(workspace: Workspace, recipe: Recipe, submit: _Submitter, watch: Watch) -> _Stage:
    run, _ = submit(import_spec(workspace, recipe))
    result = _succeed(workspace, run, watch)
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
    """Gold and the ingredients of a recipe, without training anything -> (pools, rejected children by code)."""
    submit = _Submitter(workspace, fresh=False)
    stage = _import(workspace, recipe, submit, watch)
    rejected = _augment(workspace, recipe, stage, submit, watch)
    return stage.pools, rejected


def _augment(workspace: Workspace, recipe: Recipe, stage: _Stage, submit: _Submitter, watch: Watch) -> dict[str, int]:
    """Build the pools of all augmented ingredients, parents before children -> rejected children by code."""
    rejected: Counter[str] = Counter()
    left = {name: i for name, i in recipe.ingredients.items() if isinstance(i, AugmentedIngredient)}
    order = list(recipe.ingredients)
    while left:
        ready = {name: i for name, i in left.items() if i.of in stage.pools}
        started = {name: submit(_augment_spec(i, stage))[0] for name, i in ready.items()}
        for name, run in started.items():
            with _about(f"ingredients.{name}"):
                result = _succeed(workspace, run, watch)
            stage.pools[name] = corpora.read(workspace.corpus_path(result["corpus"]))
            rejected.update(result["rejected"])
            del left[name]
    stage.pools = {name: stage.pools[name] for name in [GOLD, *order]}
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


def _evaluate(workspace: Workspace, corpus_id: str, runs: Sequence[str], submit: _Submitter, watch: Watch) -> None:
    """Predict a corpus with all trained runs that have not done so yet."""
    missing = [r for r in runs if not predictions.file_of(workspace.run_folder(r), corpus_id).exists()]
    if missing:
        inputs = {"data": f"corpus:{corpus_id}"} | {f"model:{i}": f"run:{r}" for i, r in enumerate(missing)}
        _succeed(workspace, submit(RunSpec("evaluate", inputs))[0], watch)


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
