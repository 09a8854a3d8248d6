"""The running text of a child: the parent's, with the changes spliced in, so that text[start:end] is the token."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.tasks.example import Change, Child

# First and last code points of scripts written without spaces: Chinese and Japanese, their punctuation, full width.
_UNSPACED = (
    (0x2E80, 0x303F),
    (0x3040, 0x30FF),
    (0x31F0, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFF9F),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True)
class Running:
    """A text and where its tokens stand: code points, `ends` exclusive, one pair per token, in order."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def spliced(parent: Running, child: Child) -> Running:
    """The child's text.

    What stands between tokens stays with the token behind it; replacements take it over in order. An inserted token
    is set off by a space, or by nothing between characters of scripts without spaces. What stands before the first
    and after the last token of the row stays there.
    """
    if not parent.starts:
        return parent
    if child.text is not None:
        return placed(child.tokens, child.text, parent.text[: parent.starts[0]], parent.text[parent.ends[-1] :])
    gaps = _gaps(parent, child)
    pieces: list[str] = [parent.text[: parent.starts[0]]]
    starts: list[int] = []
    ends: list[int] = []
    length = len(pieces[0])
    for at, (gap, token) in enumerate(zip(gaps, child.tokens, strict=True)):
        space = "" if at == 0 else _default(child.tokens[at - 1], token) if gap is None else gap
        starts.append(length + len(space))
        ends.append(starts[-1] + len(token))
        pieces += (space, token)
        length = ends[-1]
    pieces.append(parent.text[parent.ends[-1] :])
    return Running("".join(pieces), tuple(starts), tuple(ends))


def placed(tokens: Sequence[str], text: str, before: str = "", after: str = "") -> Running:
    """Where tokens stand in a text that has them in order. `before`, `after`: what stands around it."""
    starts: list[int] = []
    at = 0
    for token in tokens:
        starts.append(text.index(token, at))
        at = starts[-1] + len(token)
    moved = tuple(start + len(before) for start in starts)
    return Running(before + text + after, moved, tuple(a + len(b) for a, b in zip(moved, tokens, strict=True)))


def joined(tokens: Sequence[str]) -> Running:
    """Tokens as a text: the first one, and the others inserted behind it, so spaced as augmentation spaces them."""
    first = Running("".join(tokens[:1]), (0,) * len(tokens[:1]), tuple(len(token) for token in tokens[:1]))
    return spliced(first, Child(tuple(tokens), (), (Change(1, len(tokens), ()),)))


def _gaps(parent: Running, child: Child) -> list[str | None]:
    """What stands before each of the child's tokens; None: nothing is known, the default holds."""
    known: list[str | None] = [None]  # before the first token stands the row's margin, no gap
    known += [parent.text[end:start] for end, start in zip(parent.ends, parent.starts[1:], strict=False)]
    gaps: list[str | None] = []
    places: list[int] = []  # of the parent's tokens whose gaps they are, -1 for none
    source = 0
    lost: str | None = None  # the space before deleted tokens, until the next token
    parted = False  # what comes next had another token before it, or none
    for change in (*child.changes, Change(len(child.tokens), len(child.tokens), ())):
        kept = known[source : source + change.start - len(gaps)]
        if kept and parted and lost:
            kept[0] = kept[0] or lost
        was = known[source + len(kept) : source + len(kept) + len(change.was)]
        new = change.end - change.start
        lost = None if new else next((gap for gap in was if gap), None if kept else lost)
        parted = not new or not was
        gaps += [*kept, *(was + [None] * new)[:new]]
        places += [*range(source, source + len(kept) + min(len(was), new)), *[-1] * (new - len(was))]
        source += len(kept) + len(was)
    words = [parent.text[start:end] for start, end in zip(parent.starts, parent.ends, strict=True)]
    return [
        _parted(gap, child.tokens, at, words, place) for at, (gap, place) in enumerate(zip(gaps, places, strict=True))
    ]


def _parted(gap: str | None, tokens: Sequence[str], at: int, words: Sequence[str], place: int) -> str | None:
    """The gap before tokens[at], where `place` says which of the parent's words it was before: two words must not run
    together that didn't there."""
    if gap != "" or at == 0 or not _joined(tokens[at - 1], tokens[at]):
        return gap
    as_before = place > 0 and words[place] == tokens[at] and _joined(words[place - 1], words[place])
    return gap if as_before else None


def _joined(left: str, right: str) -> bool:
    return left[-1:].isalnum() and right[:1].isalnum()


def _default(left: str, right: str) -> str:
    return "" if left and right and unspaced(left[-1]) and unspaced(right[0]) else " "


def unspaced(character: str) -> bool:
    """Whether a character is of a script without spaces."""
    point = ord(character)
    return any(first <= point <= last for first, last in _UNSPACED)
