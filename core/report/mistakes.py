"""What one run marked in a corpus, sentence by sentence: the best, the worst, or any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.corpus import Corpus
from core.tasks import task as task_of
from core.training.predictions import Predictions

Order = Literal["worst", "best", "random"]
ORDERS: tuple[Order, ...] = ("worst", "best", "random")


@dataclass(frozen=True)
class Judged:
    """Each row of a corpus as a run marked it. *Shapes:* (rows,).

    `wrong`: mentions missed and mentions that are none; `right`: mentions found; `sure`: the probability of the least
    probable word, 0..1.
    """

    wrong: np.ndarray
    right: np.ndarray
    sure: np.ndarray


def judged(corpus: Corpus, found: Predictions, labels: Sequence[str]) -> Judged:
    """Hold a run's predictions against gold; tokens without a known label are not scored. `labels`: of both."""
    counts = task_of(corpus.schema.task).counts(corpus.table, found.values, labels)
    hits = counts.tp.sum(1)
    sure = np.array([min(row, default=1.0) for row in found.confidence], dtype=np.float64)
    return Judged(counts.gold.sum(1) + counts.pred.sum(1) - 2 * hits, hits, sure)


def ordered(rows: Judged, order: Order, seed: int = 0) -> np.ndarray:
    """Positions of all rows. *Shape:* (rows,).

    Worst: most wrong mentions first, then the least sure. Best: fewest wrong, then most right, then the most sure.
    Random: another order for each seed.
    """
    if order == "random":
        return np.random.default_rng(seed).permutation(len(rows.wrong))
    keys = (rows.sure, -rows.wrong) if order == "worst" else (-rows.sure, -rows.right, rows.wrong)
    return np.lexsort(keys)
