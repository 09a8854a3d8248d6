"""Rows of running text that hold a row of dev or test, whole: a line of a file may be many sentences."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from core.tasks.letters import letters

_SHORTEST = 20  # letters: a shorter row ("Thank you .") stands in others by chance, and counts where it is all of a row


def containing(table: pa.Table, held_out: pa.Table) -> np.ndarray:
    """Whether the letters of a row hold those of any row of `held_out`, white space aside. *Shape:* (rows,), bool.

    In time that grows with the letters alone: the first letters of long rows are looked up at every place.
    """
    known = [*letters(held_out)]
    short = {text for text in known if len(text) < _SHORTEST}
    by_start: dict[str, list[str]] = {}
    for text in known:
        if len(text) >= _SHORTEST:
            by_start.setdefault(text[:_SHORTEST], []).append(text)
    return np.fromiter(
        (text in short or any(True for _ in _found(text, by_start)) for text in letters(table)), bool, len(table)
    )


def _found(text: str, by_start: dict[str, list[str]]) -> Iterator[str]:
    """The rows of dev or test that stand in a text."""
    for at in range(len(text) - _SHORTEST + 1):
        for other in by_start.get(text[at : at + _SHORTEST], ()):
            if text.startswith(other, at):
                yield other
