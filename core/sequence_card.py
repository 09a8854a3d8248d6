"""What a model card says of the model of a sequence: which corpora it learned, in which order, and what it forgot."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core import project as projects
from core.card import encoder_name
from core.continual.chain import DEV, GOLD, KIND, START, TEST, SequenceParams, folder_of
from core.evaluation.scoring import score
from core.formats.guard import HELD_OUT
from core.formats.importing import used_labels
from core.jobs.folder import Run, read_json, read_object
from core.mix import GOLD as ROLE
from core.mix import Mix
from core.models.loading import ModelMeta, check_kept
from core.origins import Origins, origins, recipe_of
from core.params import build, canonical, digest
from core.recipe import Recipe
from core.runs import RunSpec
from core.scores import Scores
from core.sequence_outcome import Told, outcome
from core.sequences import Part, Series, looked, name_of, sequences
from core.tasks import task as task_of
from core.training import predictions
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """One corpus that was learned. `rows`: of its gold, learned from in this run; `replayed`: those of steps before;
    `scores`: of the model in the end, by split."""

    part: Part
    origins: Origins
    licence: str
    rows: int
    replayed: int
    steps: int
    scores: Mapping[str, Scores]


@dataclass(frozen=True)
class SequenceCard:
    """All that is told of the model of one run. `train`: with the encoder's own name; `way`: how was kept what was
    learned before, as `core sequence` calls it; `start`: the run that was the first step; `told`: what it came to on
    dev."""

    run: Run
    meta: ModelMeta
    params: SequenceParams
    train: TrainParams
    way: str
    start: str
    steps: tuple[Step, ...]
    told: Told
    result: Mapping[str, Any]
    resolved: Mapping[str, Any]
    known: Mapping[str, Recipe]  # of the projects that are still there

    @property
    def title(self) -> str:
        """What the model is called."""
        return f"{', then '.join(step.part.title for step in self.steps)} ({self.way})"

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.steps[-1].part.project or 'sequence'}-{self.run.id[:8]}"

    def recipes(self) -> dict[str, Recipe]:
        """One for each step, by file: given to `core sequence` in this order they repeat it."""
        return {f"step-{number}.yaml": self._recipe(step) for number, step in enumerate(self.steps, 1)}

    def _recipe(self, step: Step) -> Recipe:
        params = TrainRunParams(self.params.seed, step.part.labels, Mix(), self.train)
        name = step.part.project or f"step-{step.part.title.rpartition(' ')[2]}"
        found = recipe_of(step.origins, params, self.train, name, self.known.get(step.part.project))
        return replace(found, ingredients={}, licences={ROLE: step.licence} if step.licence else {})


def sequence_card(workspace: Workspace, run_id: str, licences: Mapping[str, str] | None = None) -> SequenceCard:
    """Gather what is known of a run. `licences`: by project, before those that the projects state.

    Raises CoreError `run_unknown`, `run_without_weights`, `run_of_parts`.
    """
    run, folder = workspace.store.get(run_id), workspace.run_folder(run_id)
    check_kept(folder, run_id)
    spec = RunSpec.from_json(read_json(folder / "spec.json"))
    params, meta = build(SequenceParams, spec.params, KIND), ModelMeta.read(folder / "model")
    series, result = series_of(workspace, run_id), read_object(folder / "result.json") or {}
    known = _known(workspace, series)
    stated = {name: recipe.licences.get(ROLE, "") for name, recipe in known.items()} | dict(licences or {})
    noted: list[dict[str, Any]] = [*result.get("steps", [])]
    if params.keep.joint:  # all at once, noted with the last
        noted = [{"rows": len(corpora.read(_path(workspace, part, "train"))), "replayed": 0} for part in series.parts]
    steps = tuple(
        Step(
            part,
            origins(workspace, _as_training(part), meta.task, meta.language),
            stated.get(part.project, ""),
            int(one.get("rows", 0)),
            int(one.get("replayed", 0)),
            int(one.get("steps", 0)),
            _scores(workspace, folder, part, len(series.parts) - 1, looked(workspace, series)),
        )
        for part, one in zip(series.parts, noted, strict=True)
    )
    [told] = outcome(workspace, series)
    return SequenceCard(
        run=run,
        meta=meta,
        params=params,
        train=replace(params.train, model=_encoder(workspace, series, meta)),
        way=told.method,
        start=series.start,
        steps=steps,
        told=told,
        result=result,
        resolved=read_object(folder / "resolved.json") or {},
        known=known,
    )


def state_of(workspace: Workspace, run_id: str, licences: Mapping[str, str] | None = None) -> str:
    """What changes when the card of a run would: its model, a look at test, a title or a licence. 16 hex digits."""
    run, series = workspace.store.get(run_id), series_of(workspace, run_id)
    known = _known(workspace, series)
    stated = {name: dict(recipe.licences) for name, recipe in known.items()}
    about = [run.attempt, run.ended, looked(workspace, series), [part.title for part in series.parts]]
    return digest({"run": about, "licences": stated, "more": dict(licences or {})})[:16]


def series_of(workspace: Workspace, run_id: str) -> Series:
    """The sequence of one run alone; where no project has noted it, its steps have numbers for names."""
    spec = RunSpec.from_json(read_json(workspace.run_folder(run_id) / "spec.json"))
    params, ids = build(SequenceParams, spec.params, KIND), spec.inputs
    way = {name_of(params.keep): {params.seed: run_id}}
    for project in projects.names(workspace):
        for one in sequences(workspace, project):
            if any(run_id in runs.values() for runs in one.runs.values()):
                return replace(one, runs=way)
    roles = {"train": GOLD, "dev": DEV, "test": TEST}
    parts = tuple(
        Part("", f"Step {at + 1}", {split: id.partition(":")[2] for split, role in roles.items()
                                    if (id := ids.get(f"{role}{at}"))}, labels)
        for at, labels in enumerate(params.labels)
    )  # fmt: skip
    return Series(spec.id, parts, params.train, ids.get(START, "").removeprefix("run:"), way)


def held(card: SequenceCard) -> tuple[str, ...]:
    """The corpora that an export is held against: dev and gold of each step."""
    return tuple(step.part.corpora[split] for split in ("dev", "train") for step in card.steps)


def _known(workspace: Workspace, series: Series) -> dict[str, Recipe]:
    there = {part.project for part in series.parts} & {*projects.names(workspace)}
    return {name: projects.load(workspace, name).recipe for name in sorted(there)}


def _encoder(workspace: Workspace, series: Series, meta: ModelMeta) -> str:
    """As the project called it that noted the sequence, where the first step was not a trained run."""
    noted = series.parts[-1].project and not series.start
    return series.train.model if noted else encoder_name(workspace, meta.base)


def _path(workspace: Workspace, part: Part, split: str) -> Path:
    return workspace.corpus_path(part.corpora[split])


def _as_training(part: Part) -> RunSpec:
    """A training on a step alone: what its corpora were read from is found by it."""
    ids = {ROLE: f"corpus:{part.corpora['train']}", "dev": f"corpus:{part.corpora['dev']}"}
    return RunSpec("train", ids, canonical(TrainRunParams(0, part.labels)))


def _scores(workspace: Workspace, run: Path, part: Part, last: int, looked: bool) -> dict[str, Scores]:
    """Of the model after the last step, on the rows that a step holds out; test where somebody looked."""
    found: dict[str, Scores] = {}
    for split in HELD_OUT[: 1 + looked]:
        id = part.corpora.get(split)
        file = predictions.file_of(folder_of(run, last), id or "")
        if id is not None and file.is_file() and workspace.corpus_path(id).is_file():
            data = corpora.read(workspace.corpus_path(id))
            task, labels = task_of(data.schema.task), tuple(sorted(used_labels(data)))
            found[split] = score([task.counts(data.table, predictions.column(file), labels)], task.headline, task.also)
    return found
