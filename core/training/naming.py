"""Which words of a text may be names, told from the text alone, and what they are then taught as.

A run of words in capitals may be a name, unless the text has these words as often, or more often, in small letters: so
most words that only begin a sentence are left out (Lita et al. 2003, tRuEcasIng, doi:10.3115/1075096.1075116, in its
simplest form: each word by itself). Text that is all in small letters, or of a script without case, has no such runs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

OTHERS = ("a common word", "a day, month or date", "a number")  # what runs in capitals mean that are no names
_LINKS = frozenset({"of", "the", "for", "and", "de", "del", "du", "la", "van", "von", "der", "di", "da"})
_LINKED = 2  # such words may stand between two words of one name
_SHORTEST = 2  # characters of a word that may begin a name

Run = tuple[int, int, int]  # row, first word, the one behind the last


def candidates(rows: Sequence[Sequence[str]]) -> list[Run]:
    """Runs of words that may be names, row by row."""
    capital, small = Counter[str](), Counter[str]()
    for row in rows:
        capital.update(word.lower() for word in row[1:] if word[:1].isupper())
        small.update(word for word in row if word[:1].islower())

    def may_be(word: str) -> bool:
        return len(word) >= _SHORTEST and word[:1].isupper() and small[word.lower()] <= capital[word.lower()]

    return [(number, *run) for number, row in enumerate(rows) for run in _runs(row, [may_be(word) for word in row])]


def _runs(row: Sequence[str], named: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Stretches of words that may be names, with the links between them."""
    start = end = -1
    for place, name in enumerate(named):
        if not name:
            continue
        between = row[end:place] if start >= 0 else ()
        if start < 0 or len(between) > _LINKED or not _LINKS.issuperset(between):
            if start >= 0:
                yield start, end
            start = place
        end = place + 1
    if start >= 0:
        yield start, end


def taught(rows: Sequence[Sequence[str]], runs: Sequence[Run], labels: np.ndarray, most: int) -> np.ndarray:
    """The classes of all words, as IOB2 has them in order: 0 outside, 1 + 2 x label where a name begins, one more where
    it goes on. `labels`: of the runs; from `most` on they are no names. *Shapes:* (runs,) -> (words,), int64."""
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    out = np.zeros(int(starts[-1]), dtype=np.int64)
    for (row, first, behind), label in zip(runs, labels.tolist(), strict=True):
        if label < most:
            at = int(starts[row])
            out[at + first : at + behind] = 2 + 2 * label
            out[at + first] = 1 + 2 * label
    return out
