"""Position digits: in Weibo NER's files each character is followed by its place in the word (`科0`, `技1`)."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from core.corpus import pc
from core.formats import arrays
from core.formats.tagged.rows import Chunk

_SHARE = 0.95  # of the tokens that must be as described
_DIGITS = 3  # most digits of a place


def recognised(chunks: Iterable[Chunk]) -> bool:
    """Whether the tokens of a file carry position digits.

    True where at least 95 % of them are one character and a number that is 0 or one more than the token before has,
    and most of these characters are not ASCII.
    """
    total = fitting = wide = 0
    for chunk in chunks:
        places, not_ascii = _places(chunk.tokens)
        fits = places == 0
        fits[1:] |= (places[1:] > 0) & (places[1:] == places[:-1] + 1)
        fits[chunk.begins] = places[chunk.begins] == 0
        total += len(fits)
        fitting += int(np.count_nonzero(fits))
        wide += int(np.count_nonzero(fits & not_ascii))
        if 2 * fitting < total:
            return False
    return total > 0 and fitting >= _SHARE * total and 2 * wide > fitting


def stripped(chunk: pa.StringArray) -> pa.StringArray:
    """The tokens without the digits at their end; at least one character stays."""
    return pc.replace_substring_regex(chunk, r"(?s)^(.+?)[0-9]+$", r"\1", memory_pool=arrays.POOL)


def _places(chunk: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """The number behind the first character, -1 where the token is anything else; and whether it isn't ASCII."""
    _, offset_buffer, data = chunk.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    values = np.frombuffer(data, dtype=np.uint8)
    points = arrays.numbers(pc.utf8_length(chunk, memory_pool=arrays.POOL))
    places = np.full(len(chunk), -1, dtype=np.int16)
    for digits in range(1, _DIGITS + 1):
        tokens = np.flatnonzero(points == digits + 1)
        number = np.zeros(len(tokens), dtype=np.int16)
        good = np.ones(len(tokens), dtype=bool)
        for back in range(digits, 0, -1):
            digit = values[offsets[tokens + 1] - back].astype(np.int16) - ord("0")
            good &= (digit >= 0) & (digit <= 9)
            number = number * 10 + digit
        places[tokens[good]] = number[good]
    return places, np.diff(offsets) > points
