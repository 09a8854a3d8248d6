"""K shots: so few labelled rows that each label stands in them at least K times.

The greedy sampling of Yang & Katiyar 2020, "Simple and Effective Few-Shot Named Entity Recognition with Structured
Nearest Neighbor Learning" (https://arxiv.org/abs/2010.02405, appendix A): labels from the rarest on, rows with them at
random until there are K, and in the end no row is left without which there still would be. Where every row has one
label it comes to K rows of each.
"""

import numpy as np

from core.corpus import Corpus
from core.mix import draw
from core.tasks.protocol import Task


def few(task: Task, corpus: Corpus, shots: int, seed: int) -> np.ndarray:
    """Positions of rows with at least `shots` mentions of each label, or all that there are. Ascending, int64."""
    labels = corpus.schema.labels
    row, label, _ = task.mentions(corpus.table, labels)
    order = draw(corpus.keys(), np.zeros(len(corpus), dtype=np.int64), len(corpus), seed)
    return sampled(row, label, order, len(labels), shots)


def sampled(row: np.ndarray, label: np.ndarray, order: np.ndarray, labels: int, shots: int) -> np.ndarray:
    """`few` over mentions. `row`, `label`: of each mention; `order`: of the rows, at random."""
    width = max(labels, 1)
    pairs, times = np.unique(row * width + label, return_counts=True)
    rows, of = pairs // width, pairs % width
    total = np.bincount(of, weights=times, minlength=width).astype(np.int64)
    wanted, have = np.minimum(total, shots), np.zeros(width, dtype=np.int64)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    chosen: list[int] = []
    there: set[int] = set()
    for one in np.argsort(total, kind="stable").tolist():
        for at in sorted(rows[of == one].tolist(), key=rank.__getitem__):
            if have[one] >= wanted[one]:
                break
            if at not in there:
                there.add(at)
                chosen.append(at)
                found = slice(*np.searchsorted(rows, [at, at + 1]))
                have[of[found]] += times[found]
    for at in chosen:
        found = slice(*np.searchsorted(rows, [at, at + 1]))
        if (have[of[found]] - times[found] >= wanted[of[found]]).all():
            have[of[found]] -= times[found]
            there.discard(at)
    return np.array(sorted(there), dtype=np.int64)
