"""What the runs of a group marked in a split, how sure they were of it, and whether it is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.corpus import Corpus
from core.errors import CoreError
from core.evaluation.calibration import (
    Effect,
    Marked,
    Reliability,
    Thresholds,
    best_threshold,
    effect,
    reliability,
    threshold_curve,
)
from core.formats.importing import used_labels
from core.groups import Group, evaluated, split_of
from core.tasks import task as task_of
from core.tasks.pairs import CORRECT
from core.training import predictions
from core.workspace import Workspace

_DIGITS = 6  # confidences are kept in single precision: .9 is to be at least .9


@dataclass(frozen=True)
class Marks:
    """`labels`: those that occur in the split, sorted; `gold`: mentions of each. *Shape:* (labels,)."""

    labels: tuple[str, ...]
    gold: np.ndarray
    runs: tuple[Marked, ...]

    def of(self, label: str) -> "Marks":
        """Of one label; "" stands for all together."""
        if not label:
            return self
        at = self.labels.index(label)
        return Marks((label,), self.gold[at : at + 1], tuple(run.of(at) for run in self.runs))


def marks(workspace: Workspace, group: Group, split: str) -> Marks:
    """What every evaluated run of a group marked. Raises CoreError `nothing_evaluated`."""
    runs = evaluated(workspace, group, split)
    if not runs:
        raise CoreError("nothing_evaluated", {"name": group.name, "split": split})
    data = split_of(workspace, group, split)
    labels = tuple(sorted(used_labels(data)))
    files = [predictions.file_of(workspace.run_folder(run), data.id) for run in runs]
    found = [marked(data, predictions.column(file), predictions.confidence_column(file), labels) for file in files]
    _, of_gold, _ = task_of(data.schema.task).mentions(data.table, labels)
    gold = np.bincount(of_gold, minlength=len(labels))
    return Marks(labels, gold, tuple(found))


def marked(data: Corpus, predicted: pa.ChunkedArray, confidence: pa.ChunkedArray, labels: Sequence[str]) -> Marked:
    """The mentions that a run marked. `predicted`: tags, `confidence`: of each of them, both as they are stored.

    As in the scores: those that touch a word with a null tag are left out, and so are those of other labels than
    `labels`; right is the very span with its label. Raises ValueError for predictions of other rows.
    """
    task = task_of(data.schema.task)
    found = task.pairs(data.table, predicted, labels)
    there = found.predicted.label >= 0
    sure = np.clip(np.round(task.sure(found, predicted, confidence), _DIGITS), 0.0, 1.0)
    return Marked(sure, found.kind[there] == CORRECT, found.predicted.label[there], found.row[there])


def reliable(found: Marks) -> Reliability | None:
    """How far the confidence of a group can be trusted; runs that marked nothing say nothing. None: all of them."""
    runs = [run for run in found.runs if len(run.confidence)]
    return reliability(runs) if runs else None


def curve(found: Marks) -> Thresholds:
    """What thresholds on the confidence keep."""
    return threshold_curve(found.runs, int(found.gold.sum()))


def carried(dev: Marks, found: Marks) -> tuple[Effect, Effect]:
    """What the threshold that does best on dev does there, where it flatters, and on another split."""
    there = curve(dev)
    best = best_threshold(there)
    return effect(there, best), effect(curve(found), best)
