"""What a corpus looks like, split by split: sizes, labels, lengths, and what train has shown before."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from core.corpus import Corpus, pc
from core.report.composition import PoolIndex, index
from core.tasks import task

TRAIN = "train"
_BETWEEN = "\0"


@dataclass(frozen=True)
class Unseen:
    """How many mentions of a split don't stand in train; case makes no difference."""

    mentions: int
    unseen: int
    distinct: int
    distinct_unseen: int

    @property
    def share(self) -> float | None:
        """Of all mentions, by occurrence, 0..1; None where there is none."""
        return self.unseen / self.mentions if self.mentions else None

    @property
    def distinct_share(self) -> float | None:
        """Of the distinct mentions, 0..1; None where there is none."""
        return self.distinct_unseen / self.distinct if self.distinct else None


@dataclass(frozen=True)
class SplitPortrait:
    """One split. `lengths`: words per row, *shape* (rows,). `unseen` is None for train itself and without a train."""

    rows: int
    words: int
    mentions: Mapping[str, int]  # per label
    without: int  # rows without a mention
    lengths: np.ndarray
    median_length: float
    long_length: float  # words; 95 % of the rows are no longer
    unseen: Unseen | None
    unseen_by_label: Mapping[str, Unseen]


@dataclass(frozen=True)
class Portrait:
    """All splits. `shared`: rows of the second split of a pair whose tokens stand in the first, exactly."""

    splits: Mapping[str, SplitPortrait]
    shared: Mapping[tuple[str, str], int]


def portrait(splits: Mapping[str, Corpus]) -> Portrait:
    """The portrait of a corpus by its splits; "train" is what the others are held against."""
    indexes = {name: index(corpus) for name, corpus in splits.items()}
    known = indexes[TRAIN].mention_ids if TRAIN in indexes else None
    told = {name: _split(found, None if name == TRAIN else known) for name, found in indexes.items()}
    return Portrait(told, _shared(splits))


def _split(found: PoolIndex, known: np.ndarray | None) -> SplitPortrait:
    median, long = np.percentile(found.lengths, (50, 95)) if found.rows else (0.0, 0.0)
    return SplitPortrait(
        rows=found.rows,
        words=found.words,
        mentions=dict(zip(found.labels, found.label_counts.sum(0).tolist(), strict=True)),
        without=int((np.diff(found.mention_offsets) == 0).sum()),
        lengths=found.lengths,
        median_length=float(median),
        long_length=float(long),
        unseen=None if known is None else _unseen(found.mention_ids, known),
        unseen_by_label={} if known is None else _by_label(found, known),
    )


def _by_label(found: PoolIndex, known: np.ndarray) -> dict[str, Unseen]:
    return {
        label: _unseen(found.mention_ids[found.mention_labels == at], known) for at, label in enumerate(found.labels)
    }


def _unseen(ids: np.ndarray, known: np.ndarray) -> Unseen:
    distinct = np.unique(ids)
    return Unseen(
        mentions=len(ids),
        unseen=int((~np.isin(ids, known)).sum()),
        distinct=len(distinct),
        distinct_unseen=int((~np.isin(distinct, known)).sum()),
    )


def _shared(splits: Mapping[str, Corpus]) -> dict[tuple[str, str], int]:
    texts = {name: _texts(corpus) for name, corpus in splits.items()}
    distinct = {name: pc.unique(text) for name, text in texts.items()}
    return {(a, b): _hits(texts[b], distinct[a]) for a, b in combinations(splits, 2)}


def _texts(corpus: Corpus) -> pa.ChunkedArray:
    """What a model reads of each row, as one string."""
    column = corpus.table.column(task(corpus.schema.task).text_column)
    return pc.binary_join(column, _BETWEEN) if pa.types.is_list(column.type) else column


def _hits(texts: pa.ChunkedArray, known: pa.Array) -> int:
    return int(pc.sum(pc.is_in(texts, value_set=known)).as_py() or 0)
