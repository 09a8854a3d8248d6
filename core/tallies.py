"""What a training marked on a split, counted: all labels together and each label; for tables and trackers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.contrast import looks
from core.evaluation.scoring import METRICS, Rates
from core.groups import Group, counts_of, evaluated
from core.scores import Counts
from core.workspace import Workspace

SPLITS = ("dev", "test")


@dataclass(frozen=True)
class Tally:
    """One label of one split; `label` None: all together. Rates are 0..1, None where gold has none of it."""

    label: str | None
    tp: int
    predicted: int
    gold: int
    precision: float | None
    recall: float | None
    f1: float | None


def splits_of(workspace: Workspace, project: str, group: Group) -> list[str]:
    """The splits that a group's runs are counted on, as far as their rows are there; test only where a look at it is on
    record."""
    open_ones = SPLITS if looks(workspace, project) else SPLITS[:1]
    return [
        split
        for split in open_ones
        if evaluated(workspace, group, split) and workspace.corpus_path(group.corpora[split]).is_file()
    ]


def counts_by_run(workspace: Workspace, group: Group, split: str) -> dict[str, Counts]:
    """Run id -> counts per row and label, of the evaluated runs of a group."""
    return dict(zip(evaluated(workspace, group, split), counts_of(workspace, group, split), strict=True))


def tallies(counts: Counts) -> list[Tally]:
    """All labels together, then each."""
    sums = [getattr(counts, name).sum(axis=0) for name in ("tp", "pred", "gold")]
    whole = _tally(None, [int(column.sum()) for column in sums])
    return [whole, *_each(counts.names, sums)]


def _each(names: Sequence[str], sums: Sequence[Sequence[int]]) -> Iterator[Tally]:
    for name, *found in zip(names, *sums, strict=True):
        yield _tally(name, [int(number) for number in found])


def _tally(label: str | None, found: Sequence[int]) -> Tally:
    tp, predicted, gold = found
    if not gold:
        return Tally(label, tp, predicted, gold, None, None, None)
    rates = Rates.of(*(np.array(number) for number in found))
    return Tally(label, tp, predicted, gold, *(float(getattr(rates, name)) for name in METRICS))
