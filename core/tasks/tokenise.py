"""The tokeniser for running text with spans: where the words are, in code points."""

from functools import cache
from typing import Any

# A word is a run of letters, marks and digits, with apostrophes inside; a Chinese character, a kana or any other
# character that isn't whitespace stands alone. Combining marks stay with the character before them.
_CJK = r"[[\p{Han}\p{scx=Hira}\p{scx=Kana}]--\p{M}]"
_LETTER = r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{scx=Hira}\p{scx=Kana}]]"
_TOKEN = rf"(?V1){_CJK}\p{{M}}*+|{_LETTER}++(?:['’]{_LETTER}++)*+|[^\s\x1c-\x1f]\p{{M}}*+"


@cache
def _pattern() -> Any:
    import regex

    return regex.compile(_TOKEN)


def tokenise(text: str) -> list[tuple[int, int]]:
    """(start, end) of every token, in order; only whitespace lies between them."""
    return [match.span() for match in _pattern().finditer(text)]
