"""What a model predicted for every row of a corpus, kept for good: any metric can be computed from it later."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core.corpus import ID, Corpus, keep, kept
from core.tasks.protocol import Encoded, Predicted, Task
from core.training import batching

if TYPE_CHECKING:
    from accelerate import Accelerator

BATCH_TOKENS = 4096
SCHEMA = pa.schema([("id", ID), ("predicted", pa.list_(pa.string())), ("confidence", pa.list_(pa.float32()))])


@dataclass(frozen=True)
class Predictions:
    """Predictions for the rows of one corpus, in its order. `seconds`: what predicting took."""

    values: Sequence[Sequence[str]]
    confidence: Sequence[Sequence[float]]
    seconds: float


def file_of(run_folder: Path, corpus_id: str) -> Path:
    """Where the predictions of a trained run for a corpus lie."""
    return run_folder / f"predictions-{corpus_id[:16]}.arrow"


def predict(
    task: Task,
    model: Any,
    labels: Sequence[str],
    encoded: Encoded,
    pad: int,
    gear: "Accelerator",
    batch_tokens: int = BATCH_TOKENS,
    check: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict all rows of an encoded corpus. `check` is called before each batch and may raise."""
    import torch

    began = time.monotonic()
    model.eval()
    found: dict[int, Predicted] = {}
    lengths = encoded.lengths
    with torch.inference_mode(), gear.autocast():
        for rows in batching.in_order(lengths, batch_tokens):
            check()
            ids = batching.padded([encoded.ids[row] for row in rows], pad)
            real = (np.arange(ids.shape[1]) < lengths[rows][:, None]).astype(np.int64)
            logits = model(
                input_ids=torch.from_numpy(ids).to(gear.device), attention_mask=torch.from_numpy(real).to(gear.device)
            ).logits
            scores = logits.float().cpu().numpy()
            for index, row in enumerate(rows.tolist()):
                found[row] = task.decode(labels, encoded.words[row], scores[index, : lengths[row]])
    ordered = [found[row] for row in range(len(lengths))]
    return Predictions([p.values for p in ordered], [p.confidence for p in ordered], time.monotonic() - began)


def write(path: Path, corpus: Corpus, predictions: Predictions) -> None:
    """Store predictions beside their run."""
    table = pa.table(
        [
            corpus.table.column("id"),
            pa.array(predictions.values, SCHEMA.field("predicted").type),
            pa.array(predictions.confidence, SCHEMA.field("confidence").type),
        ],
        schema=SCHEMA,
    )
    keep(table, {"seconds": predictions.seconds}, path)


def read(path: Path) -> Predictions:
    """Stored predictions."""
    table, about = kept(path)
    return Predictions(table.column("predicted").to_pylist(), table.column("confidence").to_pylist(), about["seconds"])


def column(path: Path) -> pa.ChunkedArray:
    """The predictions of a stored file as they lie in it, list<string>, memory-mapped: what `Task.counts` reads."""
    return kept(path)[0].column("predicted")


def confidence_column(path: Path) -> pa.ChunkedArray:
    """The probability of each prediction of a stored file, list<float>, memory-mapped."""
    return kept(path)[0].column("confidence")
