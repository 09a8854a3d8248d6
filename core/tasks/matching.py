"""Gold and predicted mentions held against each other, one to one, over a whole corpus at once.

Two mentions belong together where they share a token: those with the same bounds, else from left to right. Mentions of
one side don't overlap each other, so whatever has the same bounds overlaps nothing else, and going from left to right
pairs as many as can be paired. Counts follow the four rules of SemEval-2013 task 9 (Segura-Bedmar et al. 2013,
https://aclanthology.org/S13-2056): precision = COR / ACT and recall = COR / POS, where a rule that knows partial hits
adds half of them to COR. One pairing serves all rules; SemEval leaves open how to pair where several mentions overlap.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from core.corpus import pc
from core.scores import Counts
from core.tasks.iob2 import Flat, classes, entities
from core.tasks.pairs import (
    BOUNDARY,
    BOUNDARY_AND_TYPE,
    CORRECT,
    KINDS,
    WRONG_TYPE,
    Matches,
    Side,
    Surfaces,
    tally,
)

_WORTH: Mapping[str, Mapping[int, float]] = {  # what a pair of each kind counts as; those left out count nothing
    "strict": {CORRECT: 1},
    "exact": {CORRECT: 1, WRONG_TYPE: 1},
    "partial": {CORRECT: 1, WRONG_TYPE: 1, BOUNDARY: 0.5, BOUNDARY_AND_TYPE: 0.5},
    "type": {CORRECT: 1, BOUNDARY: 1},
}
RULES: tuple[str, ...] = tuple(_WORTH)
_Entities = tuple[np.ndarray, np.ndarray, np.ndarray]


def match(truth: Flat, guess: Flat, labels: Sequence[str]) -> Matches:
    """Pair two taggings of the same rows. A prediction that touches a token whose gold tag is null is dropped."""
    gold, found = entities(truth.codes, truth.offsets), _scored(truth, guess)
    left, right = _pairs(gold, found)
    partner = np.full(len(gold[0]), -1)
    partner[left] = right
    alone = np.ones(len(found[0]), dtype=bool)
    alone[right] = False
    start = np.concatenate((gold[0], found[0][alone]))
    row = np.searchsorted(truth.offsets, start, side="right") - 1
    origin = truth.offsets[row]
    other = np.concatenate((partner, np.flatnonzero(alone)))
    mine = np.concatenate((np.arange(len(gold[0])), np.full(int(alone.sum()), -1)))
    return Matches(tuple(labels), len(truth.offsets) - 1, row, _side(gold, mine, origin), _side(found, other, origin))


def count(truth: Flat, guess: Flat, labels: Sequence[str]) -> Counts:
    """Strict entity counts per row and label of two taggings of the same rows; what `counts_of` says, sooner."""
    rows, width = len(truth.offsets) - 1, len(labels)
    row_of = truth.rows
    gold, pred = (np.stack(e).astype(np.int64) for e in (truth.mentions, _scored(truth, guess)))
    size = len(truth.codes) + 1
    gold_key, pred_key = ((e[0] * size + e[1]) * max(width, 1) + e[2] for e in (gold, pred))
    hit = pred[:, np.isin(pred_key, gold_key, assume_unique=True)]

    def table(found: np.ndarray) -> np.ndarray:
        return tally(row_of[found[0]], found[2], rows, width)

    return Counts(tuple(labels), table(hit), table(pred), table(gold))


def counts_of(matches: Matches, rule: str) -> Counts:
    """Counts per row and label under one of RULES; KeyError for another.

    - strict: bounds and label are right; a prediction counts under its own label.
    - exact: bounds are right. partial: half a hit where they only overlap. type: overlap, and the label is right.

    In these three a prediction that has a partner counts under the partner's label, so that there are figures per
    label where the label doesn't matter; they add up to those of all. `tp` is float32 under partial, else int32.
    """
    worth = _WORTH[rule]
    gold, found, kind = matches.gold.label, matches.predicted.label, matches.kind
    under = found if rule == "strict" else np.where(gold >= 0, gold, found)
    hits = np.array([worth.get(code, 0.0) for code in range(len(KINDS))])[kind]
    rows, width = matches.rows, len(matches.names)

    def table(there: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return tally(matches.row[there], labels[there], rows, width)

    whole, half = table(hits == 1, under), table(hits == 0.5, under)
    tp = (whole + half / 2).astype(np.float32) if 0.5 in worth.values() else whole
    return Counts(matches.names, tp, table(found >= 0, under), table(gold >= 0, gold))


def tokens(truth: Flat, guess: Flat, labels: Sequence[str]) -> Counts:
    """Counts of tokens, not mentions: what is counted is the label of each known token, B- or I- alike."""
    return _at_tokens(truth, (truth.codes + 1) // 2, (guess.codes + 1) // 2, tuple(labels))


def tags(truth: Flat, guess: Flat, labels: Sequence[str]) -> Counts:
    """Counts of tokens per tag: `names` are B-X and I-X of every label, also of those that occur nowhere, so that all
    runs over the same labels have the same columns."""
    return _at_tokens(truth, truth.codes, guess.codes, classes(labels)[1:])


def _at_tokens(truth: Flat, gold: np.ndarray, found: np.ndarray, names: tuple[str, ...]) -> Counts:
    """Counts of codes per token, where code k stands for name k - 1 and 0 for none."""
    rows, width, row_of = len(truth.offsets) - 1, len(names), truth.rows

    def table(codes: np.ndarray, where: np.ndarray) -> np.ndarray:
        at = np.flatnonzero(where & truth.known & (codes > 0))
        return tally(row_of[at], codes[at] - 1, rows, width)

    return Counts(names, table(gold, gold == found), table(found, found > 0), table(gold, gold > 0))


# The words of mentions, for parts that are scored apart (core.evaluation.slices)


def surfaces(matches: Matches, tokens: pa.ChunkedArray) -> tuple[Surfaces, Surfaces]:
    """-> the mentions of gold, and those predicted. `tokens`: of the rows that were matched, list<string>."""
    words, offsets = _words(tokens)
    both: list[Surfaces] = []
    for side in (matches.gold, matches.predicted):
        there = side.label >= 0
        row, length = matches.row[there], (side.end - side.start)[there]
        form, forms = _forms(words, offsets[row] + side.start[there], length)
        hit = matches.kind[there] == CORRECT
        both.append(Surfaces(row, side.label[there], length, hit, form, forms))
    return both[0], both[1]


def _words(tokens: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """All tokens one after the other, and where each row begins among them."""
    lengths = pc.list_value_length(tokens).to_numpy().astype(np.int64)
    return pc.list_flatten(tokens).combine_chunks(), np.concatenate(([0], np.cumsum(lengths)))


def _forms(words: pa.Array, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The form of each mention: an index into distinct forms, and those."""
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    mentions = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words.take(pa.array(at)))
    found = pc.binary_join(mentions, " ").dictionary_encode()
    return found.indices.to_numpy(), found.dictionary.to_pylist()


# Pairing


def _scored(truth: Flat, guess: Flat) -> _Entities:
    """The predicted mentions that touch no masked token."""
    start, end, label = entities(guess.codes, guess.offsets)
    if truth.known.all():
        return start, end, label
    hidden = np.concatenate(([0], np.cumsum(~truth.known)))
    seen = hidden[end] == hidden[start]
    return start[seen], end[seen], label[seen]


def _pairs(gold: _Entities, found: _Entities) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the mentions that belong together, each at most once. *Shapes:* (pairs,) each."""
    first = np.searchsorted(found[1], gold[0], side="right")
    many = np.searchsorted(found[0], gold[1], side="left") - first
    left = np.repeat(np.arange(len(many)), many)
    right = np.arange(len(left)) + np.repeat(first - (np.cumsum(many) - many), many)
    same = (gold[0][left] == found[0][right]) & (gold[1][left] == found[1][right])
    taken = same.copy()
    others = np.flatnonzero(~same)
    last = (-1, -1)
    for at, pair in zip(others.tolist(), zip(left[others].tolist(), right[others].tolist(), strict=True), strict=True):
        if pair[0] != last[0] and pair[1] != last[1]:  # in order, so only the last pair can be in the way
            taken[at] = True
            last = pair
    return left[taken], right[taken]


def _side(found: _Entities, at: np.ndarray, origin: np.ndarray) -> Side:
    """The mentions at these positions, -1 for none, as token positions within their row."""
    start, end, label = (np.append(values, -1)[at] for values in found)
    there = at >= 0
    return Side(np.where(there, start - origin, -1), np.where(there, end - origin, -1), label.astype(np.int64))
