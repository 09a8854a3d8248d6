"""Lines cut into fields with numpy, a block at a time: no Python object per line or token."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

TAB, LINE_FEED, SPACE = 9, 10, 32


@dataclass(frozen=True)
class Lines:
    """A block of whole lines. `first`: the number of its first line; `block`: UTF-8, closed by a line feed."""

    first: int
    block: bytes

    @cached_property
    def data(self) -> np.ndarray:
        """*Shape:* (bytes,), uint8."""
        return np.frombuffer(self.block, dtype=np.uint8)

    @cached_property
    def ends(self) -> np.ndarray:
        """Where each line's line feed stands. *Shape:* (lines,), int64."""
        return np.flatnonzero(self.data == LINE_FEED)

    @cached_property
    def starts(self) -> np.ndarray:
        return np.concatenate((np.zeros(1, dtype=np.int64), self.ends[:-1] + 1))

    @cached_property
    def blank(self) -> np.ndarray:
        """True where a line holds nothing but spaces and tabs. *Shape:* (lines,), bool."""
        white = np.flatnonzero((self.data == SPACE) | (self.data == TAB))
        return per_line(white, self.ends) == self.ends - self.starts

    def begin_with(self, prefix: bytes) -> np.ndarray:
        """True where a line begins with `prefix`. *Shape:* (lines,), bool."""
        out = np.zeros(len(self.ends), dtype=bool)
        lines = np.flatnonzero(self.ends - self.starts >= len(prefix))
        for offset, byte in enumerate(prefix):
            lines = lines[self.data[self.starts[lines] + offset] == byte]
        out[lines] = True
        return out

    def text(self, line: int) -> str:
        return self.block[self.starts[line] : self.ends[line]].decode()


@dataclass(frozen=True)
class Fields:
    """Where the fields of a block lie, line after line. *Shapes:* starts, ends (fields,); counts (lines,); int64."""

    starts: np.ndarray
    ends: np.ndarray
    counts: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """The index of each line's first field. *Shape:* (lines,), int64."""
        return np.cumsum(self.counts) - self.counts


def cut(lines: Lines, separator: str) -> Fields:
    """The fields of each line: between single tabs (`tab`), or between runs of spaces and tabs (`space`)."""
    data = lines.data
    if separator == "tab":
        ends = np.flatnonzero((data == TAB) | (data == LINE_FEED))
        starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))
    else:
        ink = (data != SPACE) & (data != TAB) & (data != LINE_FEED)
        starts = np.flatnonzero(ink & ~np.concatenate((np.zeros(1, dtype=bool), ink[:-1])))
        ends = np.flatnonzero(ink & ~np.concatenate((ink[1:], np.zeros(1, dtype=bool)))) + 1
    return Fields(starts, ends, per_line(ends - 1 if separator == "space" else ends, lines.ends))


def per_line(positions: np.ndarray, line_ends: np.ndarray) -> np.ndarray:
    """How many of the positions (ascending) lie in each line, its line feed included. *Shape:* (lines,), int64."""
    return np.diff(np.searchsorted(positions, line_ends, side="right"), prepend=0)


def strings(lines: Lines, starts: np.ndarray, ends: np.ndarray) -> pa.StringArray:
    """The pieces block[starts[i]:ends[i]], which don't overlap and stand in order, as an Arrow array."""
    lengths = ends - starts
    some = lengths > 0
    marks = np.zeros(len(lines.data) + 1, dtype=np.int8)
    marks[starts[some]] += 1
    marks[ends[some]] -= 1
    inside = np.cumsum(marks[:-1], dtype=np.int8).view(bool)
    offsets = np.zeros(len(starts) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    values = lines.data[inside]
    return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(values))
