"""The trained run that gives unlabelled rows their labels: what it has seen, and how far its confidence can be trusted.

Labels by a run that has learned from dev or test would carry what it learned there into training. So it must be a run,
of which is known what it and those before it learned from; and of dev and test it may have seen as little as the start
of a training (core.seen). That its best step was chosen on dev is what it has in common with every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core import corpus as corpora
from core.augment import augmenter
from core.continual.chain import DEV, folder_of
from core.errors import CoreError, Issue, Value
from core.evaluation.calibration import Effect, Reliability, Thresholds, effect, reliability, threshold_curve
from core.formats.importing import used_labels
from core.jobs.folder import read_object
from core.models.started import run_of, start_of
from core.recipe import AugmentedIngredient
from core.runs import kept, located
from core.seen import MOST, seen
from core.tasks import task as task_of
from core.training import predictions
from core.trust import marked
from core.workspace import Workspace


@dataclass(frozen=True)
class Trusted:
    """How far a run's confidence can be trusted on its dev, and what thresholds leave of what it marks there."""

    run: str
    reliability: Reliability
    curve: Thresholds

    def at(self, threshold: float) -> Effect:
        """What one threshold leaves, and how much of that is right; it flatters where it was chosen by this."""
        return effect(self.curve, threshold)


def told_of_labeller(
    workspace: Workspace, part: AugmentedIngredient, ids: Mapping[str, str], file: str = ""
) -> list[Issue]:
    """What is to be told of the run that gives an ingredient its labels; nothing of one that none gives.

    `part`: of `keep_named`; `ids`: of the corpora of an import, by role. Raises CoreError `labels_no_run`,
    `labels_saw_much`.
    """
    if not augmenter(part.augmenter).labels:
        return []
    named = str(part.params["model"])
    folder = workspace.root / located(kept(named) or named)
    start = start_of(folder)
    if start is None or start.pretraining is not None:
        raise CoreError("labels_no_run", {"model": named.partition("/")[2] or named}, "hint_labels_no_run")
    issues: list[Issue] = []
    for one in seen(workspace, folder, ids):
        values: dict[str, Value] = {"model": f"run:{start.run}", "split": one.split, "rows": one.rows, "all": one.all}
        if one.too_much:
            raise CoreError("labels_saw_much", values | {"most": f"{MOST:.0%}"}, "hint_labels_saw_much")
        if one.rows:
            issues.append(Issue(file or named, None, "model", "labels_saw", values, "kept"))
    return issues


def trusted(workspace: Workspace, model: str) -> Trusted | None:
    """Of a run, by its kept predictions; None where they are gone, or it marked nothing. `model`: as a param names
    it."""
    run = run_named(workspace, model)
    spec = None if run is None else read_object(workspace.run_folder(run) / "spec.json")
    if run is None or spec is None:
        return None
    folder, dev = _last_look(workspace.run_folder(run), spec["inputs"])
    place = workspace.corpus_path(dev.removeprefix("corpus:"))
    if not place.exists():
        return None
    data = corpora.read(place)
    file = predictions.file_of(folder, data.id)
    if not file.exists():
        return None
    labels = tuple(sorted(used_labels(data)))
    found = marked(data, predictions.column(file), predictions.confidence_column(file), labels)
    if not len(found.confidence):
        return None
    _, gold, _ = task_of(data.schema.task).mentions(data.table, labels)
    return Trusted(run, reliability([found]), threshold_curve([found], len(gold)))


def _last_look(run: Path, inputs: Mapping[str, str]) -> tuple[Path, str]:
    """Where a run's predictions for its dev lie, of a sequence for that of the last step; and that dev."""
    steps = [role for role in inputs if role.startswith(DEV)]
    return (run, inputs["dev"]) if not steps else (folder_of(run, len(steps) - 1), inputs[f"{DEV}{len(steps) - 1}"])


def run_named(workspace: Workspace, model: str) -> str | None:
    """The run that a param means: `run:ID`, or `model:IDENTITY/NAME` of one; None where it means something else."""
    reference = kept(model)
    if reference is None:
        return run_of(model)
    start = start_of(workspace.root / located(reference))
    return None if start is None else start.run
