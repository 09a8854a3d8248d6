"""Whether a child is sound: the first reason against it, whoever made it. What a model thinks of it comes after."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from core.augment import Entry
from core.augment.decisions import Decision, mark
from core.augment.edits import compared
from core.augment.protocol import Child, Example, Rejected
from core.tasks.example import spans, valid_iob2
from core.tasks.protocol import Task


def as_decided(
    task: Task,
    row: Example,
    made: Child,
    decision: Decision,
    labels: Sequence[str],
    forbidden: AbstractSet[bytes],
    seen: AbstractSet[bytes],
) -> Child | Rejected:
    """A sound child as a person decided about it; as it is, if it isn't the one that was decided about."""
    if decision.verdict == "accepted" or decision.made not in ("", mark(made.tokens, made.tags)):
        return made
    if decision.verdict == "rejected":
        return Rejected("rejected_by_hand")
    same = decision.tokens == made.tokens == row.tokens  # of a method that gives labels nothing else can be edited
    pairs = [*zip(decision.tokens, decision.tags, strict=True)]
    by_hand = Child(row.tokens, decision.tags, ()) if same else compared(row, pairs)
    if isinstance(by_hand, Rejected):
        return by_hand
    if not {span.label for span in spans(by_hand.tags)} <= {*labels}:
        return Rejected("invalid_tags")
    by_hand = replace(by_hand, labels=made.labels)
    if same:
        return by_hand if valid_iob2(by_hand.tags) else Rejected("invalid_tags")
    return _unfit(row, by_hand, task.text_content(by_hand.tokens), forbidden, seen) or by_hand


def objection(
    row: Example,
    child: Child,
    entry: Entry,
    content: bytes,
    forbidden: AbstractSet[bytes],
    seen: AbstractSet[bytes],
) -> Rejected | None:
    """The first reason against a child. `content`: what a model sees of it."""
    before, after = (_mentions(one, entry.keeps_mentions) for one in (row, child))
    same = before <= after if entry.adds_mentions else before == after
    if valid_iob2(child.tags) and not (same and _masked(row) == _masked(child)):
        return Rejected("mentions_changed")
    return _unfit(row, child, content, forbidden, seen)


def _unfit(
    row: Example, child: Child, content: bytes, forbidden: AbstractSet[bytes], seen: AbstractSet[bytes]
) -> Rejected | None:
    """The first reason against a child that holds whoever made it."""
    if not valid_iob2(child.tags):
        return Rejected("invalid_tags")
    if content in forbidden:
        return Rejected("overlaps_held_out")
    if child.tokens == row.tokens:
        return Rejected("unchanged")
    return Rejected("duplicate") if content in seen else None


def _mentions(row: Example | Child, surfaces: bool) -> Counter[tuple[str, ...]]:
    """The multiset of a row's labels, each with the surface of its mention where `surfaces` asks for it."""
    return Counter((s.label, *(row.tokens[s.start : s.end] if surfaces else ())) for s in spans(row.tags))


def _masked(row: Example | Child) -> list[str]:
    return [token for token, tag in zip(row.tokens, row.tags, strict=True) if tag is None]
