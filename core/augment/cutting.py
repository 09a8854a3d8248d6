"""New text cut into words as a corpus cuts its own."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from core.augment.protocol import Example
from core.tasks.running import joined
from core.tasks.tokenise import tokenise

_LOOKED_AT = 500  # rows, to see how a corpus cuts
_PARTED = re.compile(r"n['’]t|['’](?:s|m|re|ve|d|ll)", re.IGNORECASE)  # what a corpus may cut off from its word
_CLITIC = re.compile(rf"^(.+?)({_PARTED.pattern})$", re.IGNORECASE)
_EDGES = re.compile(r"^([^\w@#$€£&]*)(.*?)([^\w]*)$", re.DOTALL)
_RUN = re.compile(r"(.)\1*", re.DOTALL)


def parts(tokens: Iterable[str]) -> bool:
    """Whether a corpus cuts "do n't" in two."""
    return any(map(_PARTED.fullmatch, tokens))


def words(chunk: str, parted: bool, known: Collection[str] = ()) -> Iterator[str]:
    """The words of what stands between two blanks; `known`: those that stay whole."""
    before, word, after = _EDGES.match(chunk).groups()  # pyright: ignore[reportOptionalMemberAccess]
    yield from _runs(before)
    clitic = _CLITIC.match(word) if parted and word not in known else None
    yield from clitic.groups() if clitic else (word,) if word else ()
    yield from _runs(after)


class Cutter:
    """What cuts. A corpus that is cut as `core.tasks.tokenise` cuts gets the same; any other has its words between
    blanks, without the punctuation around them, and "do n't" in two where it has that."""

    def __init__(self, rows: Sequence[Example]) -> None:
        some = [row.tokens for row in rows[:_LOOKED_AT] if row.tokens]
        texts = ((tokens, joined(tokens).text) for tokens in some)
        same = sum(tuple(text[start:end] for start, end in tokenise(text)) == tokens for tokens, text in texts)
        self._usual = same * 10 >= len(some) * 9
        self._parted = any(map(parts, some))

    def bounds(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of every word, in order."""
        if self._usual:
            return tokenise(text)
        found: list[tuple[int, int]] = []
        at = 0
        for word in (word for chunk in text.split() for word in words(chunk, self._parted)):
            start = text.index(word, at)
            at = start + len(word)
            found.append((start, at))
        return found


def _runs(marks: str) -> Iterator[str]:
    """Punctuation, the same mark again and again as one word ("...")."""
    return (run.group() for run in _RUN.finditer(marks))
