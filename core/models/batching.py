"""Batches of like length under a budget of sub-tokens; the same seed and epoch give the same batches."""

from itertools import pairwise

import numpy as np


def cuts(lengths: np.ndarray, budget: int) -> list[int]:
    """Where to cut rows sorted by length into batches: rows x longest <= budget, at least one row each.

    `lengths`: (rows,), ascending. -> start of every batch and, last, the number of rows. Depends on the lengths
    alone, so the number of batches is known before any order is drawn.
    """
    if not len(lengths):
        return [0]
    out = [0]
    for row, length in enumerate(lengths.tolist()):
        if row > out[-1] and (row - out[-1] + 1) * length > budget:
            out.append(row)
    return [*out, len(lengths)]


def count(lengths: np.ndarray, budget: int) -> int:
    """Batches in one pass."""
    return len(cuts(np.sort(lengths), budget)) - 1


def epoch(lengths: np.ndarray, budget: int, seed: int, number: int) -> list[np.ndarray]:
    """The batches of one pass, as row positions: rows of equal length and the batches in random order."""
    rng = np.random.default_rng([seed, number])
    shuffled = rng.permutation(len(lengths))
    order = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    edges = cuts(lengths[order], budget)
    batches = [order[start:end] for start, end in pairwise(edges)]
    return [batches[i] for i in rng.permutation(len(batches))]


def in_order(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """All rows once, longest first, for prediction."""
    order = np.argsort(lengths, kind="stable")
    edges = cuts(lengths[order], budget)
    return [order[start:end] for start, end in pairwise(edges)][::-1]


def inputs(ids: np.ndarray, ends: np.ndarray, rows: np.ndarray, pad: int) -> dict[str, np.ndarray]:
    """A batch as networks are called with it: `input_ids`, `attention_mask`. *Shapes:* (rows, longest), int64.

    `ids`, `ends`: sub-tokens of all rows, as of `padded`; `pad`: what fills a row up.
    """
    return {
        "input_ids": padded(ids, ends, rows, pad).astype(np.int64),
        "attention_mask": mask(ends[rows + 1] - ends[rows]),
    }


def mask(lengths: np.ndarray) -> np.ndarray:
    """Which places of a batch are filled. *Shape:* (rows,) -> (rows, longest), int64."""
    return (np.arange(int(lengths.max(initial=0))) < lengths[:, None]).astype(np.int64)


def padded(values: np.ndarray, ends: np.ndarray, rows: np.ndarray, fill: int = 0) -> np.ndarray:
    """Rows of different length as one array. `values`: row i has values[ends[i] : ends[i + 1]], numbers or vectors.

    *Shape:* (rows, longest, ...), of the type of `values`.
    """
    lengths = ends[rows + 1] - ends[rows]
    out = np.full((len(rows), int(lengths.max(initial=0)), *values.shape[1:]), fill, dtype=values.dtype)
    for index, row in enumerate(rows.tolist()):
        out[index, : lengths[index]] = values[ends[row] : ends[row + 1]]
    return out
