"""A row as a line of text that people edit: words between blanks, a mention as `[New York](place)`.

A masked stretch is `[so](?)`; in words, `[`, `]`, `\\` and blanks stand after a `\\`, and so do `)` and `?` in labels.
"""

import re
from collections.abc import Sequence

from core.errors import CoreError
from core.tasks.example import OUTSIDE

_MASKED = "?"
_IN_WORD, _IN_LABEL = re.compile(r"[\[\]\\\s]"), re.compile(r"[)?\\]")
_BARE = r"(?:\\.|[^\[\]\\\s])+"
_END = re.compile(r"\s*$")
_PIECE = re.compile(rf"\s*(?:\[\s*({_BARE}(?:\s+{_BARE})*)\s*\]\(((?:\\.|[^)\\])+)\)|({_BARE}))(?=\s|$)", re.DOTALL)


def written(tokens: Sequence[str], tags: Sequence[str | None]) -> str:
    """The line of a row in the scheme IOB2."""
    pieces: list[str] = []
    at = 0
    while at < len(tokens):
        end = at + 1
        if tags[at] != OUTSIDE:
            while end < len(tokens) and _goes_on(tags[at], tags[end]):
                end += 1
        words = " ".join(_IN_WORD.sub(r"\\\g<0>", token) for token in tokens[at:end])
        tag = tags[at]
        label = _MASKED if tag is None else _IN_LABEL.sub(r"\\\g<0>", tag[2:])
        pieces.append(words if tag == OUTSIDE else f"[{words}]({label})")
        at = end
    return " ".join(pieces)


def read(text: str) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """The words of a line, and their tags. Raises CoreError `markup` with the place where it can't be read."""
    tokens: list[str] = []
    tags: list[str | None] = []
    at = 0
    while not _END.match(text, at):
        found = _PIECE.match(text, at)
        if found is None:
            raise CoreError("markup", {"place": text[at : at + 20].strip()}, "hint_markup")
        inside, label, word = found.groups()
        words = re.findall(_BARE, inside or word, re.DOTALL)
        tokens += [re.sub(r"\\(.)", r"\1", one, flags=re.DOTALL) for one in words]
        tags += [OUTSIDE] if word else _tags(label, len(words))
        at = found.end()
    return tuple(tokens), tuple(tags)


def _tags(label: str, words: int) -> list[str | None]:
    if label == _MASKED:
        return [None] * words
    plain = re.sub(r"\\(.)", r"\1", label, flags=re.DOTALL)
    return [f"B-{plain}", *[f"I-{plain}"] * (words - 1)]


def _goes_on(first: str | None, tag: str | None) -> bool:
    return tag is None if first is None else tag == f"I-{first[2:]}"
