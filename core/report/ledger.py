"""The sentences behind a difference: where one group of runs is right about a label and the other isn't."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.scores import Counts

Change = Literal["fixed", "broken"]


@dataclass(frozen=True)
class Entry:
    """One row. `before`, `after`: the share of repeats that are exactly right about the label in it, 0..1.

    `shown`: the first repeat of each group that shows the change, as a position among its runs: for a row that was
    fixed one that was wrong and one that is right.
    """

    row: int
    before: float
    after: float
    shown: tuple[int, int] = (0, 0)

    @property
    def change(self) -> Change:
        return "fixed" if self.after > self.before else "broken"


def ledger(baseline: Sequence[Counts], other: Sequence[Counts], label: str = "") -> list[Entry]:
    """The rows in which the share of right repeats differs, the largest difference first, then in the order of rows.

    Right is a repeat that marks all mentions of the label in a row, and nothing else as that label; without a label, of
    all labels. One Counts per seed, all over the same rows; ValueError where they aren't, or where the label is not in
    them.
    """
    first = baseline[0]
    if any(
        counts.names != first.names or not np.array_equal(counts.gold, first.gold) for counts in (*baseline, *other)
    ):
        raise ValueError("runs can be compared only over the same labels and the same gold")
    columns = slice(None) if not label else [first.names.index(label)]
    right = [_right(group, columns) for group in (baseline, other)]
    before, after = (of_group.mean(0) for of_group in right)
    rows = np.flatnonzero(before != after)
    order = rows[np.argsort(-np.abs(after[rows] - before[rows]), kind="stable")]
    fixed = after > before
    shown = (np.argmax(right[0] != fixed, axis=0), np.argmax(right[1] == fixed, axis=0))
    return [
        Entry(int(row), float(before[row]), float(after[row]), (int(shown[0][row]), int(shown[1][row])))
        for row in order
    ]


def _right(group: Sequence[Counts], columns: slice | list[int]) -> np.ndarray:
    """Which repeats are right about some labels in each row. *Shape:* (repeats, rows), bool."""
    tp, pred = (np.stack([getattr(counts, name)[:, columns] for counts in group]) for name in ("tp", "pred"))
    return ((tp == pred) & (tp == group[0].gold[:, columns])).all(-1)
