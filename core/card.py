"""What a model card says of a trained run, gathered from its folder, its project and its kept predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core import project as projects
from core.errors import CoreError
from core.evaluation.scoring import score
from core.formats.importing import used_labels
from core.groups import Launched, groups, history
from core.jobs.folder import Run, read_json, read_object
from core.mix import GOLD
from core.models.catalogue import BUNDLED, at_hand
from core.models.checks import manifest_of
from core.models.loading import ModelMeta, is_prompted
from core.models.started import Start, start_of
from core.origins import Origins, origins, recipe_of
from core.params import build, digest
from core.project import Project
from core.recipe import Recipe
from core.runs import RunSpec
from core.scores import Scores
from core.seen import Seen, seen
from core.shelf import encoders
from core.tasks import task as task_of
from core.training import predictions
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace


@dataclass(frozen=True)
class Launch:
    """The project that launched a run, and the group it is one of. `repeats`: dev's headline by seed, 0..1."""

    project: Project
    group: Launched
    repeats: Mapping[int, float]
    looks: int  # at test, in the whole project


@dataclass(frozen=True)
class Card:
    """All that is told of a trained run. `train`: with the encoder's own name; `saw`: what that had learned from."""

    run: Run
    meta: ModelMeta
    params: TrainRunParams
    train: TrainParams
    result: Mapping[str, Any]
    resolved: Mapping[str, Any]
    origins: Origins
    start: Start | None
    saw: tuple[Seen, ...]
    scores: Mapping[str, Scores]  # of dev, and of test where it was looked at
    licences: Mapping[str, str]  # of gold and ingredients, as somebody stated them
    launch: Launch | None = None

    @property
    def title(self) -> str:
        """What the model is called: its project and mix, or its run."""
        if self.launch is None:
            return f"Run {self.run.id}"
        return f"{self.launch.project.title}: {self.launch.group.name}"

    @property
    def slug(self) -> str:
        """A name for files."""
        return f"{self.launch.project.slug if self.launch else 'run'}-{self.run.id[:8]}"

    def recipe(self) -> Recipe:
        """What repeats the training."""
        known = None if self.launch is None else self.launch.project
        name = known.slug if known else f"run-{self.run.id[:8]}"
        found = recipe_of(self.origins, self.params, self.train, name, known.recipe if known else None)
        kept = {part: words for part, words in self.licences.items() if part == GOLD or part in found.ingredients}
        return replace(found, licences=kept)


def card(workspace: Workspace, run_id: str, licences: Mapping[str, str] | None = None, project: str = "") -> Card:
    """Gather what is known of a trained run.

    `licences`: by part, before those that its project states; `project`: which one that is, where several launched it.

    Raises CoreError `run_unknown`, `run_without_weights`, `run_prompted`.
    """
    run, folder = workspace.store.get(run_id), workspace.run_folder(run_id)
    if is_prompted(folder / "model"):
        raise CoreError("run_prompted", {"run": run_id}, "hint_run_prompted")
    if not (folder / "model" / "model.json").is_file():
        raise CoreError("run_without_weights", {"run": run_id}, "hint_run_without_weights")
    spec = RunSpec.from_json(read_json(folder / "spec.json"))
    params = build(TrainRunParams, spec.params, "train")
    meta, launch = ModelMeta.read(folder / "model"), launched_by(workspace, run_id, project)
    found = origins(workspace, spec, meta.task, meta.language)
    base = workspace.models / meta.base
    name = launch.group.train.model if launch else encoder_name(workspace, meta.base)
    ids = {role: part.corpus for role, part in found.parts.items() if role in ("dev", "test") and part.rows is not None}
    told = {} if launch is None else launch.project.recipe.licences
    return Card(
        run=run,
        meta=meta,
        params=params,
        train=replace(params.train, model=name),
        result=read_object(folder / "result.json") or {},
        resolved=read_object(folder / "resolved.json") or {},
        origins=found,
        start=start_of(base) if base.is_dir() else None,
        saw=tuple(seen(workspace, base, ids)),
        scores={split: scores for split, id in ids.items() if (scores := _scores(workspace, params, folder, id))},
        licences={**told, **(licences or {})},
        launch=launch,
    )


def state_of(workspace: Workspace, run_id: str, licences: Mapping[str, str] | None = None, project: str = "") -> str:
    """What changes when the card of a run would: another evaluation, repeat, look at test or licence. 16 hex digits."""
    folder, launch = workspace.run_folder(run_id), launched_by(workspace, run_id, project)
    files = sorted(path.name for path in folder.glob("predictions-*.arrow"))
    run = workspace.store.get(run_id)
    told = {} if launch is None else {
        "project": [launch.project.slug, launch.project.title, launch.group.name, launch.looks],
        "licences": dict(launch.project.recipe.licences),
        "repeats": {str(seed): found for seed, found in launch.repeats.items()},
    }  # fmt: skip
    return digest({**told, "files": files, "run": [run.attempt, run.ended], "more": dict(licences or {})})[:16]


def launched_by(workspace: Workspace, run_id: str, project: str = "") -> Launch | None:
    """The project that launched a run: `project` where it did, else the last changed one that did; None for a run of a
    recipe on the command line."""
    for name in sorted(projects.names(workspace), key=lambda name: name != project):
        found = history(workspace, name).runs.get(run_id)
        if found is None:
            continue
        group = history(workspace, name).groups[found[0]]
        whole = next(one for one in groups(workspace, name) if one.id == group.id)
        done = {seed: run.score for seed, run in whole.runs.items() if run.state == "succeeded"}
        repeats = {seed: value for seed, value in done.items() if value is not None}
        looks = sum(event.get("event") == "look" for event in projects.events(workspace, name))
        return Launch(projects.load(workspace, name), group, repeats, looks)
    return None


def encoder_name(workspace: Workspace, identity: str) -> str:
    """What an installed encoder is called: `run:ID`, as launches did, a bundled one, else its folder."""
    folder = workspace.models / identity
    start = start_of(folder) if folder.is_dir() else None
    if start is not None:
        return f"run:{start.run}"
    named = next((one.names for one in encoders(workspace) if one.identity == identity and one.names), ())
    if named:
        return named[-1]
    return next((name for name in BUNDLED if _identity(name, workspace.root) == identity), f"model:{identity}")


@lru_cache(maxsize=8)
def _identity(bundled: str, root: Path) -> str:
    folder = at_hand(bundled, root)
    return BUNDLED[bundled].identity if folder is None else manifest_of(folder)


def _scores(workspace: Workspace, params: TrainRunParams, folder: Path, corpus_id: str) -> Scores | None:
    """From kept predictions; None where there are none: nobody looked."""
    path, data = predictions.file_of(folder, corpus_id), workspace.corpus_path(corpus_id)
    if not path.is_file() or not data.is_file():
        return None
    found = corpora.read(data)
    task = task_of(found.schema.task)
    names = tuple(sorted({*params.labels, *used_labels(found)}))
    return score([task.counts(found.table, predictions.column(path), names)], task.headline, task.also)
