"""What a model predicted for every row of a corpus, kept for good: any metric can be computed from it later."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from core.corpus import ID, Corpus, keep, kept
from core.evaluation.scoring import Rates
from core.models import batching
from core.tasks.protocol import Predicted, Task, Values
from core.training.feed import BATCH_TOKENS, Feed, Reader
from core.training.gear import Gear

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
    network: Reader,
    labels: Sequence[str],
    feed: Feed,
    gear: Gear,
    batch_tokens: int = BATCH_TOKENS,
    check: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict all rows of a feed. The network is in evaluation mode from here on; `check` is called before each batch
    and may raise."""
    import torch

    began = time.monotonic()
    network.whole.eval()
    found: dict[int, Predicted] = {}
    with torch.inference_mode():
        for rows in batching.in_order(feed.pieces.lengths, batch_tokens):
            check()
            _, within, places = feed.items(rows)
            seen = places >= 0
            with gear.autocast():
                scores = network(feed.inputs(rows, gear), within[seen], places[seen]).cpu().numpy()
            ends = np.searchsorted(within, np.arange(len(rows) + 1))
            read = np.concatenate([[0], np.cumsum(seen)])
            for index, row in enumerate(rows.tolist()):
                start, end = ends[index], ends[index + 1]
                found[row] = network.task.decode(labels, seen[start:end], scores[read[start] : read[end]])
    ordered = [found[row] for row in range(len(feed.pieces))]
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


def f1_of(task: Task, data: Corpus, guessed: Values, labels: Sequence[str]) -> float:
    """The headline: micro F1."""
    counts = task.counts(data.table, guessed, labels)
    return float(Rates.of(counts.tp.sum(), counts.pred.sum(), counts.gold.sum()).f1)


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
