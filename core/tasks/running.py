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


def _gaps(parent: Running, child: Child) -> list[str | None]:
    """What stands before each of the child's tokens; None: nothing is known, the default holds."""
    known: list[str | None] = [None]  # before the first token stands the row's margin, no gap
    known += [parent.text[end:start] for end, start in zip(parent.ends, parent.starts[1:], strict=False)]
    gaps: list[str | None] = []
    source = 0
    lost: str | None = None  # the space before deleted tokens, until the next token
    parted = False  # what comes next had another token before it, or none
    for change in (*child.changes, Change(len(child.tokens), len(child.tokens), ())):
        kept = known[source : source + change.start - len(gaps)]
        if kept and parted:
            kept[0] = _parted(kept[0] or lost if lost else kept[0], child.tokens, len(gaps))
        was = known[source + len(kept) : source + len(kept) + len(change.was)]
        new = change.end - change.start
        lost = None if new else next((gap for gap in was if gap), None if kept else lost)
        parted = not new or not was
        gaps += kept
        gaps += (was + [None] * new)[:new]
        source += len(kept) + len(was)
    return gaps


def _parted(gap: str | None, tokens: Sequence[str], at: int) -> str | None:
    """The gap before tokens[at], whose neighbour is a new one: two words must not run together."""
    return None if gap == "" and tokens[at - 1][-1:].isalnum() and tokens[at][:1].isalnum() else gap


def _default(left: str, right: str) -> str:
    return "" if left and right and _unspaced(left[-1]) and _unspaced(right[0]) else " "


def _unspaced(character: str) -> bool:
    point = ord(character)
    return any(first <= point <= last for first, last in _UNSPACED)
