"""A trained model in an installed folder: what it predicts for rows, how right that is, and how sure it was of gold."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import CoreError
from core.models import batching, loading, started
from core.models.heads import classes_of
from core.tasks import task as task_of
from core.tasks.protocol import IGNORED, Pieces, Predicted, Task

_TOKENS = 4096  # sub-tokens of a batch, padding included
_LONGEST, _MOST = 256, 8192  # sub-tokens of a row: where the folder doesn't say, and of what it may say
_DIGITS = 4
_MASKS = ("[MASK]", "<mask>", "[UNK]", "<unk>")


@dataclass(frozen=True)
class Held:
    """Predictions held against gold. `found`: what is right, predicted and gold of each row, by strict counting.
    *Shape:* (rows, 3), int64. `sure`: the log-probability of gold, summed over what is scored of a row, rounded: the
    last digits hang on processors. *Shape:* (rows,), float64, at most 0."""

    found: np.ndarray
    sure: np.ndarray

    @property
    def faults(self) -> np.ndarray:
        """How much was predicted that gold doesn't have, or missed. *Shape:* (rows,), int64."""
        return self.found[:, 1] + self.found[:, 2] - 2 * self.found[:, 0]

    @property
    def wrong(self) -> np.ndarray:
        """Whether anything was. *Shape:* (rows,), bool."""
        return self.faults > 0


@dataclass(frozen=True)
class Guess:
    """What a model finds in a row. `chances`: where any number of labels may hold, the probability of each of the
    model's, 0..1. *Shape:* (labels,); None elsewhere."""

    predicted: Predicted
    chances: np.ndarray | None


class TrainedModel:
    """The model, in float32, on the GPU where there is one: a trained run (`core.models.started`), or any folder whose
    configuration names the classes of a task.

    Raises CoreError `model_not_trained` for a model without a head for such labels, `model_other_task` for a run that
    was trained on rows of another kind, `model_unloadable`.
    """

    def __init__(self, folder: Path, task: Task, name: str) -> None:
        import torch

        start = started.start_of(folder)
        name = name if start is None else f"run:{start.run}"
        if start is not None and task_of(start.task).rows != task.rows:
            raise CoreError("model_other_task", {"model": name, "task": start.task, "asked": task.name})
        self._task = task if start is None else task_of(start.task)
        classes = classes_of(folder)
        self.labels = _labels(self._task, classes) if _is_for(folder, self._task) else None
        if self.labels is None:
            raise CoreError("model_not_trained", {"model": name}, "hint_model_not_trained")
        self._order = [classes.index(one) for one in self._task.classes(self.labels)]
        self._tokenizer, self._pad = loading.tokenizer(folder), loading.pad_id(folder)
        self._length = loading.longest_input(folder, _longest(folder))
        with torch.random.fork_rng():
            network: Any = loading.network(folder, self._task.head, classes)
        if not _has_head(folder, network):
            raise CoreError("model_not_trained", {"model": name}, "hint_model_not_trained")
        self._network = loading.reading(network)
        self._device = self._network.device

    @property
    def task(self) -> str:
        return self._task.name

    @property
    def mask(self) -> str:
        """A word that says nothing."""
        return next((word for word in _MASKS if self._tokenizer.token_to_id(word) is not None), "_")

    def guess(self, table: pa.Table) -> list[Guess]:
        """What it finds in rows with the columns of `Task.changed`, whatever gold says."""
        logits, seen, parts = self._answered(table)
        several = self._task.objective == "sigmoid"
        return [
            Guess(self._task.decode(self.labels or (), seen[p], logits[p][seen[p]]),
                  0.5 * (1.0 + np.tanh(0.5 * logits[p][0].astype(np.float64))) if several else None)
            for p in parts
        ]  # fmt: skip

    def read(self, table: pa.Table, known: Collection[str] = ()) -> Held:
        """Rows with the columns of `Task.changed`. `known`: labels that gold has, those among them that the model has
        never heard of are missed. Batches hold these rows alone, so what comes out doesn't hang on others."""
        labels = self.labels or ()
        logits, seen, parts = self._answered(table)
        predicted: list[Predicted] = [self._task.decode(labels, seen[p], logits[p][seen[p]]) for p in parts]
        names = (*labels, *sorted({*known} - {*labels}))
        counts = self._task.counts(table, [one.values for one in predicted], names)
        found = np.stack([one.sum(axis=1) for one in (counts.tp, counts.pred, counts.gold)], axis=1).astype(np.int64)
        sure = np.where(seen, _sure(logits, self._task.targets(table, labels)), 0.0)
        return Held(found, np.round([float(sure[p].sum()) for p in parts], _DIGITS))

    def _answered(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray, list[slice]]:
        """The logits of all items, which of them it saw, and where those of each row stand."""
        pieces = self._task.pieces(table, self._tokenizer, self._length)
        parts = [slice(int(start), int(end)) for start, end in pairwise(pieces.items)]
        return self._logits(pieces), pieces.places >= 0, parts

    def _logits(self, pieces: Pieces) -> np.ndarray:
        """Of each item; zeros where it was cut off. *Shape:* (items, classes), float32."""
        import torch

        out = np.zeros((len(pieces.places), len(self._order)), dtype=np.float32)
        with torch.inference_mode():
            for rows in batching.in_order(pieces.lengths, _TOKENS):
                put = batching.inputs(pieces.ids, pieces.rows, rows, self._pad)
                found = self._network(**{name: torch.from_numpy(a).to(self._device) for name, a in put.items()}).logits
                found = found.float().cpu().numpy()[..., self._order]
                for within, row in enumerate(rows.tolist()):
                    span = slice(int(pieces.items[row]), int(pieces.items[row + 1]))
                    places = np.maximum(pieces.places[span], 0)
                    out[span] = found[within][places] if self._task.reads == "tokens" else found[within]
        return out


def _sure(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Log-probability of what is to be found in each item, 0 where that isn't known. *Shape:* (items,), float64.

    `targets`: of `Task.targets`: a class of each item, or for each class whether it applies.
    """
    found = logits.astype(np.float64)
    if targets.ndim == 1:
        found -= np.logaddexp.reduce(found, axis=1, keepdims=True)
        gold = np.where(targets == IGNORED, 0, targets)
        return np.where(targets == IGNORED, 0.0, found[np.arange(len(gold)), gold])
    signs = np.where(targets > 0, found, -found)
    return np.where(np.isnan(targets), 0.0, -np.logaddexp(0.0, -signs)).sum(axis=1)


def _is_for(folder: Path, task: Task) -> bool:
    """Whether the configuration doesn't say that the model is one for something else."""
    told: list[str] = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    return not told or any(one.endswith(task.head.partition("AutoModel")[2]) for one in told)


def _labels(task: Task, classes: tuple[str, ...]) -> tuple[str, ...] | None:
    """The labels of which a task makes just these classes, in whatever order; None: of none."""
    inner = tuple(dict.fromkeys(name.partition("-")[2] for name in classes if "-" in name))
    return next((one for one in (classes, inner) if one and {*task.classes(one)} == {*classes}), None)


def _longest(folder: Path) -> int:
    """The longest row in sub-tokens that it was trained on."""
    path = folder / "tokenizer_config.json"
    told: Any = json.loads(path.read_text(encoding="utf-8")).get("model_max_length") if path.is_file() else None
    return int(told) if isinstance(told, int) and 0 < told <= _MOST else _LONGEST


def _has_head(folder: Path, network: Any) -> bool:
    """Whether the weights outside the encoder stand in the folder."""
    from safetensors import safe_open

    there: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(str(path), "np") as file:
            there |= {*file.keys()}
    encoder = f"{network.base_model_prefix}."
    return {name for name, _ in network.named_parameters() if not name.startswith(encoder)} <= there
