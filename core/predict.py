"""A trained run on new text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats.tokenise import tokenise
from core.jobs.machine import Machine
from core.models import loading
from core.models.loading import ModelMeta
from core.params import CLOSED, build
from core.runs import Turn
from core.tasks import task as task_of
from core.tasks.tagging import COLUMNS, spans
from core.training.predictions import BATCH_TOKENS, predict
from core.workspace import Workspace

MOST_LINES = 50  # of one request to the warm process
MOST_CHARACTERS = 2000  # of one line
_UNIT_TOKENS = 512  # of one batch for a request: between two of them it is looked whether anybody still waits


@dataclass(frozen=True)
class PredictRequest:
    """What is asked for: the entities of each line by one trained run."""

    __pydantic_config__ = CLOSED
    run: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """A trained run in memory, ready to predict."""

    meta: ModelMeta
    base: Path  # folder of the installed model it was tuned from
    network: Any
    gear: Any  # accelerate.Accelerator


def predict_lines(workspace: Workspace, run_id: str, lines: list[str]) -> list[dict[str, Any]]:
    """Entities of each line: {"text", "entities": [{"start", "end", "label", "text", "confidence"}]}.

    Offsets are code points; the confidence of an entity is the least probable of its words (0..1). Raises CoreError
    `run_without_weights`.
    """
    folder = _weights(workspace.root, run_id).parent
    return _found(_load(folder, workspace.models, Machine.here().threads), lines, BATCH_TOKENS, lambda: None)


def answer(root: Path, request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    """`predict_lines` over JSON, with the last two runs kept in memory. `request`: a PredictRequest. -> {"rows"}

    Raises CoreError `predict_too_many_lines`, `predict_line_too_long`, `run_without_weights`.
    """
    asked = build(PredictRequest, request, "predict")
    if len(asked.lines) > MOST_LINES:
        raise CoreError("predict_too_many_lines", {"lines": len(asked.lines), "most": MOST_LINES})
    for number, line in enumerate(asked.lines, 1):
        if len(line) > MOST_CHARACTERS:
            values = {"line": number, "characters": len(line), "most": MOST_CHARACTERS}
            raise CoreError("predict_line_too_long", values)
    weights = _weights(root, asked.run)
    written = weights.stat().st_mtime_ns  # the same run trained afresh is the same id
    threads = max(1, Machine.here().threads // 2)  # a training may go on beside it
    with turn.loading():
        trained = _kept(weights.parent, root / "models", threads, written)
    return {"rows": _found(trained, asked.lines, _UNIT_TOKENS, turn.check)}


def _weights(root: Path, run_id: str) -> Path:
    path = root / "runs" / run_id / "model" / loading.OVERLAY
    if not path.is_file():
        raise CoreError("run_without_weights", {"run": run_id}, "hint_run_without_weights")
    return path


@lru_cache(maxsize=2)
def _kept(folder: Path, models: Path, threads: int, written: int) -> Trained:
    return _load(folder, models, threads)


def _load(folder: Path, models: Path, threads: int) -> Trained:
    """A fine-tuned model (folder of a run's `model`), on this machine's device."""
    from core.training.loop import accelerator

    meta = ModelMeta.read(folder)
    base, task, machine = models / meta.base, task_of(meta.task), Machine.here()
    gear = accelerator({"device": machine.device, "precision": machine.precision, "threads": threads})
    network = loading.load_trained(folder, base, task.head, task.classes(meta.labels))
    return Trained(meta, base, gear.prepare(network), gear)


def _found(
    trained: Trained, lines: Sequence[str], batch_tokens: int, check: Callable[[], None]
) -> list[dict[str, Any]]:
    meta, task = trained.meta, task_of(trained.meta.task)
    places = [tokenise(line) for line in lines]
    tokens = [[line[start:end] for start, end in found] for line, found in zip(lines, places, strict=True)]
    data = _unlabelled(meta, tokens)
    encoded = task.encode(data.table, meta.labels, loading.tokenizer(trained.base), meta.max_length)
    pad = loading.pad_id(trained.base)
    found = predict(task, trained.network, meta.labels, encoded, pad, trained.gear, batch_tokens, check)
    each = zip(lines, places, found.values, found.confidence, strict=True)
    return [{"text": line, "entities": _entities(line, where, tags, sure)} for line, where, tags, sure in each]


def _unlabelled(meta: ModelMeta, tokens: Sequence[Sequence[str]]) -> Corpus:
    unknown: list[list[str | None]] = [[None] * len(row) for row in tokens]
    columns = [pa.array(tokens, COLUMNS["tokens"]), pa.array(unknown, COLUMNS["tags"])]
    return Corpus(Schema(meta.task, meta.labels, meta.language), pa.table(columns, names=["tokens", "tags"]))


def _entities(
    line: str, places: Sequence[tuple[int, int]], tags: Sequence[str], sure: Sequence[float]
) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for span in spans(tags):
        start, end = places[span.start][0], places[span.end - 1][1]
        confidence = min(sure[span.start : span.end])
        out.append({"start": start, "end": end, "label": span.label, "text": line[start:end], "confidence": confidence})
    return out
