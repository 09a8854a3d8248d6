"""Gold and predictions in pairs, whatever is marked: mentions in a row, or labels of a whole one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

KINDS: tuple[str, ...] = ("correct", "wrong_type", "boundary", "boundary_and_type", "missed", "spurious")
CORRECT, WRONG_TYPE, BOUNDARY, BOUNDARY_AND_TYPE, MISSED, SPURIOUS = range(len(KINDS))


@dataclass(frozen=True)
class Side:
    """One side of each pair: tokens[start:end] of the row carry label number `label`; -1 where there is no mention.

    *Shapes:* (pairs,), int64.
    """

    start: np.ndarray
    end: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Every mention of gold and of a prediction, in pairs.

    First each gold mention, in order (so the same entry is the same mention in every run), then each prediction that
    has no partner, in order. `names`: the labels; `rows`: their number. *Shape of `row`:* (pairs,), int64.
    """

    names: tuple[str, ...]
    rows: int
    row: np.ndarray
    gold: Side
    predicted: Side

    @cached_property
    def kind(self) -> np.ndarray:
        """What each pair is, an index into KINDS. *Shape:* (pairs,), int8.

        correct; wrong_type: the same bounds; boundary: overlap, the same label; boundary_and_type: overlap alone;
        missed: no prediction; spurious: no gold.
        """
        gold, found = self.gold, self.predicted
        same_label = gold.label == found.label
        same_bounds = (gold.start == found.start) & (gold.end == found.end)
        kind = np.where(
            same_bounds,
            np.where(same_label, CORRECT, WRONG_TYPE),
            np.where(same_label, BOUNDARY, BOUNDARY_AND_TYPE),
        )
        return np.where(found.label < 0, MISSED, np.where(gold.label < 0, SPURIOUS, kind)).astype(np.int8)


@dataclass(frozen=True)
class Confusion:
    """How often mentions of each gold label were predicted as what.

    Rows: `names`, then *nothing* (spurious predictions). Columns: `names` (the same bounds), then *boundary* (overlap
    alone, whatever the label) and *missed*. A spurious prediction stands under its own label. *Shape of `counts`:*
    (labels + 1, labels + 2): int64 of one run, float64 of a mean.
    """

    names: tuple[str, ...]
    counts: np.ndarray


def confusion(matches: Matches) -> Confusion:
    """The confusion matrix of one run."""
    width = len(matches.names)
    gold, found, kind = matches.gold.label, matches.predicted.label, matches.kind
    row = np.where(gold < 0, width, gold)
    column = np.where((kind == BOUNDARY) | (kind == BOUNDARY_AND_TYPE), width, found)
    column[kind == MISSED] = width + 1
    size = (width + 1) * (width + 2)
    cells = np.bincount(row * (width + 2) + column, minlength=size)
    return Confusion(matches.names, cells.reshape(width + 1, width + 2))


def kinds_of(matches: Matches) -> np.ndarray:
    """How many pairs of each kind there are under each label, a spurious one under its own.

    *Shape:* (labels, KINDS), int64.
    """
    label = np.where(matches.gold.label < 0, matches.predicted.label, matches.gold.label)
    return tally(label, matches.kind.astype(np.int64), len(matches.names), len(KINDS)).astype(np.int64)


def mean_confusion(runs: Sequence[Confusion]) -> Confusion:
    """The mean over runs; ValueError unless there are any, all with the same labels."""
    if not runs or any(run.names != runs[0].names for run in runs):
        raise ValueError("a mean needs runs over the same labels")
    return Confusion(runs[0].names, np.mean([run.counts for run in runs], axis=0))


@dataclass(frozen=True)
class Surfaces:
    """The mentions of one side with their words.

    A form is the tokens of a mention with a space between, case as it stands. `form`: index into `forms`, which are
    distinct; `length` in tokens; `hit`: the other side has the same bounds and label. *Shapes:* (mentions,).
    """

    row: np.ndarray
    label: np.ndarray
    length: np.ndarray
    hit: np.ndarray
    form: np.ndarray
    forms: Sequence[str]


def tally(rows: np.ndarray, labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """How often each (row, label) occurs. *Shape:* (height, width), int32."""
    return np.bincount(rows * width + labels, minlength=height * width).reshape(height, width).astype(np.int32)
