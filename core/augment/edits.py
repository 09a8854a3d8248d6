"""Edits of one row: which places may be touched, which of them are, and the child that comes of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import TypeVar

from core.augment.protocol import Change, Child, Example, Rejected, Scope
from core.tasks.example import OUTSIDE

T = TypeVar("T")
Tagged = tuple[str, str | None]  # a word and its tag


@dataclass(frozen=True)
class Edit:
    """The parent's tokens[start:end] become `tokens` with `tags`."""

    start: int
    end: int
    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]


def edited(row: Example, edits: Iterable[Edit]) -> Child:
    """The row after edits that are in order and don't overlap; those that alter no token leave no trace."""
    tokens: list[str] = []
    tags: list[str | None] = []
    changes: list[Change] = []
    position = 0
    for edit in edits:
        was = row.tokens[edit.start : edit.end]
        if was == edit.tokens:
            continue
        tokens += row.tokens[position : edit.start]
        tags += row.tags[position : edit.start]
        changes.append(Change(len(tokens), len(tokens) + len(edit.tokens), was))
        tokens += edit.tokens
        tags += edit.tags
        position = edit.end
    return Child((*tokens, *row.tokens[position:]), (*tags, *row.tags[position:]), tuple(changes))


def compared(row: Example, new: Sequence[Tagged]) -> Child | Rejected:
    """The row as it reads now, whatever was done to it: the changes are found word by word; a word of another tag is
    another word. Rejected where no word differs."""
    old = [*zip(row.tokens, row.tags, strict=True)]
    if not new or [word for word, _ in new] == list(row.tokens):
        return Rejected("unchanged")
    changes = [
        Change(to, until, row.tokens[start:end])
        for what, start, end, to, until in SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if what != "equal"
    ]
    return Child(tuple(word for word, _ in new), tuple(tag for _, tag in new), tuple(changes))


def substituted(row: Example, new: Mapping[int, str]) -> Child:
    """The row with single tokens replaced; tags stay."""
    return edited(row, (Edit(at, at + 1, (new[at],), (row.tags[at],)) for at in sorted(new)))


def in_scope(row: Example, scope: Scope) -> list[int]:
    """Positions of the tokens that may be touched; masked ones are never among them."""
    if scope == "outside":
        return [at for at, tag in enumerate(row.tags) if tag == OUTSIDE]
    if scope == "inside":
        return [at for at, tag in enumerate(row.tags) if tag is not None and tag != OUTSIDE]
    return [at for at, tag in enumerate(row.tags) if tag is not None]


def outside_runs(row: Example) -> list[range]:
    """The longest runs of O tokens: no mention and no masked token lies within one."""
    runs: list[range] = []
    start = 0
    for at, tag in enumerate((*row.tags, None)):
        if tag != OUTSIDE:
            if at > start:
                runs.append(range(start, at))
            start = at + 1
    return runs


def gaps(row: Example) -> list[int]:
    """Places before which a word may be put in, without splitting a mention or a masked stretch."""
    return [gap for gap in range(len(row.tokens) + 1) if _open(row, gap)]


def _open(row: Example, gap: int) -> bool:
    if gap in (0, len(row.tokens)):
        return True
    before, after = row.tags[gap - 1], row.tags[gap]
    if after is None:
        return before is not None
    return not after.startswith("I-")


def by_chance(items: Sequence[T], rate: float | Callable[[T], float], rng: Random) -> list[T]:
    """Each item with probability `rate`, in order; if chance takes none, one all the same (none of none)."""
    taken = [item for item in items if rng.random() < (rate(item) if callable(rate) else rate)]
    return taken or ([rng.choice(items)] if items else [])


def how_many(rate: float, tokens: int) -> int:
    """How many words of a sentence EDA changes: max(1, rate x length), rounded down."""
    return max(1, int(rate * tokens))
