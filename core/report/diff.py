"""What a child has that its parent hasn't, word by word: kept, inserted, removed, replaced, moved."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal, get_args

from core.augment.protocol import Child, restore
from core.report.browse import Row, joined, running_of
from core.tasks.example import Span, spans
from core.tasks.running import Running

Kind = Literal["kept", "inserted", "removed", "replaced", "moved"]
Way = Literal["", "left", "right"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Op:
    """The parent's words at `was` are the child's at `now`: the same ones if kept or moved, others if replaced.

    Of what was inserted `was` is empty, of what was removed `now` is, and says before which word. Over all ops of a
    diff, `was` covers every word of the parent once, and `now` every word of the child.
    """

    kind: Kind
    was: range
    now: range
    way: Way = ""  # where it was moved to


@dataclass(frozen=True)
class Piece:
    """Words as they are shown. `gap`: what stands before them; `was`: words that stood there before."""

    kind: Kind
    text: str
    was: str = ""
    gap: str = ""
    way: Way = ""


@dataclass(frozen=True)
class Stretch:
    """Pieces that are a mention with `label`, or stand outside of mentions. `was`: the label that the same words had
    in the parent, where it is another one."""

    pieces: tuple[Piece, ...]
    label: str | None = None
    was: str | None = None


def diff(child: Child) -> list[Op]:
    """A child beside its parent, in the child's order.

    What `changes` don't name is kept. Within a change the words that stand in the same order are kept, too. Of the
    others, a word that was taken out at one place and put in at another was moved.
    """
    old, new = restore(child), child.tokens
    parts = [*_parts(child)]
    taken = [at for what, was, _ in parts if what != "kept" for at in was]
    put = [at for what, _, now in parts if what != "kept" for at in now]
    origin = _origins(old, new, taken, put)
    ops: list[Op] = []
    for what, was, now in parts:
        ops += [Op("kept", was, now)] if what == "kept" else _changed(was, now, origin)
    return _with_ways([op for op in ops if op.was or op.now])


def counts(ops: Sequence[Op]) -> Mapping[Kind, int]:
    """Words of each kind: those of the longer side."""
    found = dict.fromkeys(KINDS, 0)
    for op in ops:
        found[op.kind] += max(len(op.was), len(op.now))
    return found


def stretches(parent: Row, child: Child, ops: Sequence[Op]) -> list[Stretch]:
    """A child in pieces, with the running text that its pool will give it. `ops`: its diff."""
    running = running_of(parent, child)
    mentions = spans(child.tags)
    owners: list[Span | None] = [None] * len(child.tokens)
    for mention in mentions:
        owners[mention.start : mention.end] = [mention] * (mention.end - mention.start)
    before = _labels(parent.tags)
    placed: list[tuple[Span | None, Piece, str | None]] = []
    for op in ops:
        placed += _placed(op, parent.tokens, running, owners, before)
    return [_stretch(owner, [*held]) for owner, held in groupby(placed, key=lambda one: one[0])]


def original(parent: Row) -> list[Stretch]:
    """The parent itself in pieces."""
    same = Child(parent.tokens, parent.tags, ())
    return stretches(parent, same, diff(same))


def _parts(child: Child) -> Iterator[tuple[str, range, range]]:
    """What stays and what doesn't, in order: ("kept", was, now), or another word for the rest."""
    old = restore(child)
    was, now = 0, 0
    for change in child.changes:
        kept = change.start - now
        yield "kept", range(was, was + kept), range(now, change.start)
        was += kept
        inside = SequenceMatcher(None, change.was, child.tokens[change.start : change.end], autojunk=False)
        for what, i, j, k, m in inside.get_opcodes():
            here = range(was + i, was + j), range(change.start + k, change.start + m)
            yield ("kept" if what == "equal" else what), *here
        was, now = was + len(change.was), change.end
    yield "kept", range(was, len(old)), range(now, len(child.tokens))


def _origins(old: Sequence[str], new: Sequence[str], taken: Sequence[int], put: Sequence[int]) -> dict[int, int]:
    """Where each moved word of the child stood in the parent: neighbours together where that can be."""
    free: defaultdict[str, deque[int]] = defaultdict(deque)
    for at in taken:
        free[old[at]].append(at)
    found: dict[int, int] = {}
    for at in put:
        left = free[new[at]]
        if left:
            following = found.get(at - 1, -2) + 1
            found[at] = following if following in left else left[0]
            left.remove(found[at])
    return found


def _changed(was: range, now: range, origin: Mapping[int, int]) -> list[Op]:
    """One changed place: what was moved to it, and of the rest the first stretch stands for the first, and so on."""
    gone = {*origin.values()}
    out = deque(_runs([at for at in was if at not in gone]))
    ops: list[Op] = []
    for new in _runs([*now], origin):
        if new.start in origin:
            from_ = origin[new.start]
            ops.append(Op("moved", range(from_, from_ + len(new)), new))
        else:
            before = out.popleft() if out else range(was.start, was.start)
            ops.append(Op("replaced" if before else "inserted", before, new))
    return [*ops, *(Op("removed", before, range(now.stop, now.stop)) for before in out)]


def _runs(positions: Sequence[int], origin: Mapping[int, int] | None = None) -> list[range]:
    """Neighbouring positions together, where they also come from neighbouring places, or all from none."""
    known = origin or {}
    found: list[range] = []
    for at in positions:
        last = found[-1] if found else range(0)
        follows = last.stop == at and len(last)
        if follows and (known.get(at) == known[at - 1] + 1 if at - 1 in known else at not in known):
            found[-1] = range(last.start, at + 1)
        else:
            found.append(range(at, at + 1))
    return found


def _with_ways(ops: Sequence[Op]) -> list[Op]:
    """Moved words went right where more of what was kept stands before them now; left where less does."""
    kept = [op for op in ops if op.kind == "kept"]

    def way(op: Op) -> Way:
        before = sum(len(one.was) for one in kept if one.was.start < op.was.start)
        now = sum(len(one.now) for one in kept if one.now.start < op.now.start)
        right = now > before if now != before else op.now.start > op.was.start
        return "right" if right else "left"

    return [Op(op.kind, op.was, op.now, way(op)) if op.kind == "moved" else op for op in ops]


def _labels(tags: Sequence[str | None]) -> list[str | None]:
    """The label of each word; None outside of mentions."""
    found: list[str | None] = [None] * len(tags)
    for mention in spans(tags):
        found[mention.start : mention.end] = [mention.label] * (mention.end - mention.start)
    return found


def _placed(
    op: Op, old: Sequence[str], running: Running, owners: Sequence[Span | None], before: Sequence[str | None]
) -> Iterator[tuple[Span | None, Piece, str | None]]:
    """An op in pieces, none across the edge of a mention: the mention, the piece, the label that its words had."""
    was = joined(old[op.was.start : op.was.stop]) if op.kind in ("removed", "replaced") else ""
    if not op.now:
        at = op.now.start
        inside = 0 < at < len(owners) and owners[at - 1] is owners[at]
        yield owners[at] if inside else None, Piece("removed", "", was), None
    for owner, held in groupby(op.now, key=owners.__getitem__):
        places = [*held]
        first, last = places[0], places[-1]
        gap = running.text[running.ends[first - 1] if first else 0 : running.starts[first]]
        text = running.text[running.starts[first] : running.ends[last]]
        at = op.was.start + first - op.now.start
        label = before[at] if op.kind in ("kept", "moved") else None
        yield owner, Piece(op.kind, text, was if first == op.now.start else "", gap, op.way), label


def _stretch(owner: Span | None, held: Sequence[tuple[Span | None, Piece, str | None]]) -> Stretch:
    pieces = tuple(piece for _, piece, _ in held)
    if owner is None:
        return Stretch(pieces)
    was = next((label for _, _, label in held if label not in (None, owner.label)), None)
    return Stretch(pieces, owner.label, was)
