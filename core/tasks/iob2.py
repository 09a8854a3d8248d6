"""Tags in the IOB2 scheme as flat arrays, over a whole corpus at once: codes of tokens, and the mentions in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from core.corpus import pc

OUTSIDE = "O"


@dataclass(frozen=True)
class Flat:
    """A column of tags as flat arrays.

    `codes`: 0 for O (and masked), 1 + 2k for B- and 2 + 2k for I- of label k. *Shapes:* codes (tokens,) int32;
    known (tokens,) bool, False where the tag is null; offsets (rows + 1,) int64.
    """

    codes: np.ndarray
    known: np.ndarray
    offsets: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of every token. *Shape:* (tokens,), int64."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def mentions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(start, end, label) of all mentions, see `entities`."""
        return entities(self.codes, self.offsets)


def flat(tags: pa.ChunkedArray, labels: Sequence[str]) -> Flat:
    """Tags as codes; a tag of a label that is not in `labels` counts as O."""
    lengths = pc.list_value_length(tags).to_numpy().astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    values = pc.list_flatten(tags)
    codes = pc.index_in(values, value_set=pa.array(classes(labels), pa.string()))
    known = values.is_valid().to_numpy()
    return Flat(codes.fill_null(0).to_numpy().astype(np.int32), known.astype(bool), offsets)


def classes(labels: Sequence[str]) -> tuple[str, ...]:
    """O, then B- and I- of every label."""
    return (OUTSIDE, *(prefix + label for label in labels for prefix in ("B-", "I-")))


def begun(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The codes with an I- that continues nothing as the B- of its label. *Shape:* (tokens,)."""
    lost = (codes > 0) & (codes % 2 == 0) & ~_continues(codes, offsets)
    return codes - lost


def entities(codes: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(start, end, label) of all entities in flat codes, strict IOB2. *Shapes:* (entities,) each."""
    starts = np.flatnonzero(codes % 2 == 1)
    breaks = np.append(np.flatnonzero(~_continues(codes, offsets)), len(codes))  # tokens that continue nothing
    ends = breaks[np.searchsorted(breaks, starts, side="right")]
    return starts, ends, (codes[starts] - 1) // 2


def _continues(codes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Whether a token is an I- after a token of the same label in the same row. *Shape:* (tokens,), bool."""
    first = np.zeros(len(codes), dtype=bool)
    first[offsets[:-1][offsets[:-1] < len(codes)]] = True  # an empty row at the end has no token
    previous = np.concatenate((np.zeros(1, dtype=codes.dtype), codes[:-1]))
    return (codes > 0) & (codes % 2 == 0) & ((previous == codes) | (previous == codes - 1)) & ~first
