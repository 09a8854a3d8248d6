"""A diff of words loses none: each side can be had back from it, and what it says of a word is so."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment import AUGMENTERS, available, lacking
from core.augment.pool import AugmentParams
from core.augment.preview import preview
from core.augment.protocol import Change, Child, restore
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import read
from core.formats.protocol import ReadOptions
from core.report import browse
from core.report.diff import Op, counts, diff, original, stretches
from core.sample import sample
from core.tasks import task

WORDS = st.lists(st.sampled_from("abcdef"), max_size=5)
FAST = settings(max_examples=400, deadline=None)


@st.composite
def children(draw) -> Child:
    """Any child: words that stay, and changes between them, side by side at times."""
    tokens: list[str] = []
    changes: list[Change] = []
    for stays, was, now in draw(st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=5)):
        tokens += stays
        changes.append(Change(len(tokens), len(tokens) + len(now), tuple(was)))
        tokens += now
    tags = draw(st.lists(st.sampled_from(("O", "B-X", "B-Y", "I-X", None)), min_size=len(tokens), max_size=len(tokens)))
    return Child(tuple(tokens), tuple(tags), tuple(changes))


def child(parent: str, now: str, *changes: tuple[int, int, str]) -> Child:
    found = Child(
        tuple(now.split()),
        ("O",) * len(now.split()),
        tuple(Change(start, end, tuple(was.split())) for start, end, was in changes),
    )
    assert restore(found) == tuple(parent.split())
    return found


def told(found: Child) -> list[tuple[str, str, str]]:
    """(kind, words before, words now), without what is kept."""
    old = restore(found)
    return [
        (
            op.kind + op.way,
            " ".join(old[op.was.start : op.was.stop]),
            " ".join(found.tokens[op.now.start : op.now.stop]),
        )
        for op in diff(found)
        if op.kind != "kept"
    ]


def row(tokens: Sequence[str], tags: Sequence[str | None], text: str | None = None) -> browse.Row:
    return browse.Row(0, tuple(tokens), tuple(tags), text, None, None, ())


@FAST
@given(children())
def test_both_sides_can_be_had_back(found):
    old, ops = restore(found), diff(found)
    assert [at for op in ops for at in op.now] == [*range(len(found.tokens))]
    assert [at for op in sorted(ops, key=lambda op: op.was.start) for at in op.was] == [*range(len(old))]
    for op in ops:
        same = old[op.was.start : op.was.stop] == found.tokens[op.now.start : op.now.stop]
        assert same == (op.kind in ("kept", "moved"))
        assert (not op.was, not op.now) == (op.kind == "inserted", op.kind == "removed")
        assert bool(op.way) == (op.kind == "moved")


@FAST
@given(children())
def test_a_word_that_is_still_there_is_never_called_removed(found):
    old, ops = restore(found), diff(found)
    gone = Counter(old[at] for op in ops if op.kind in ("removed", "replaced") for at in op.was)
    new = Counter(found.tokens[at] for op in ops if op.kind in ("inserted", "replaced") for at in op.now)
    assert not gone & new
    kept = [op for op in ops if op.kind == "kept"]
    assert kept == sorted(kept, key=lambda op: op.was.start)
    untouched = len(found.tokens) - sum(change.end - change.start for change in found.changes)
    assert sum(len(op.now) for op in kept) >= untouched


@FAST
@given(children())
def test_what_is_shown_is_the_child_and_what_was_taken_out(found):
    ops = diff(found)
    parent = row(restore(found), ("O",) * len(restore(found)))
    shown = stretches(parent, found, ops)
    text = "".join(piece.gap + piece.text for stretch in shown for piece in stretch.pieces)
    assert text == browse.joined(found.tokens)
    was = [word for stretch in shown for piece in stretch.pieces for word in piece.was.split()]
    gone = [at for op in ops if op.kind in ("removed", "replaced") for at in op.was]
    assert was == [restore(found)[at] for at in gone]
    mentions = [stretch for stretch in shown if stretch.label is not None]
    assert [s.label for s in mentions] == [span.label for span in browse.spans(found.tags)]


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (child("a b c", "a b c"), []),
        (child("a x c", "a y c", (1, 2, "x")), [("replaced", "x", "y")]),
        (child("a c", "a b c", (1, 2, "")), [("inserted", "", "b")]),
        (child("a b c", "a c", (1, 1, "b")), [("removed", "b", "")]),
        (
            child("the big dog ran", "ran big dog the", (0, 1, "the"), (3, 4, "ran")),
            [("movedleft", "ran", "ran"), ("movedright", "the", "the")],
        ),
        (child("a b c d", "d a b c", (0, 4, "a b c d")), [("movedleft", "d", "d")]),
        (
            child("a b x c", "c y a b", (0, 4, "a b x c")),
            [("movedleft", "c", "c"), ("inserted", "", "y"), ("removed", "x", "")],
        ),
        (child("a b c d", "c d q a b", (0, 5, "a b c d")), [("movedleft", "c d", "c d"), ("inserted", "", "q")]),
        (child("a new york b", "a york b", (1, 2, "new york")), [("removed", "new", "")]),
        (  # of two that are alike, the one beside the word that moved too
            child("a b a x y", "x y b a", (0, 0, "a b a"), (2, 4, "")),
            [("removed", "a", ""), ("movedright", "b a", "b a")],
        ),
        (  # what is left of a place, in its order
            child("p a q x b", "r b s x a", (0, 3, "p a q"), (4, 5, "b")),
            [("replaced", "p", "r"), ("movedleft", "b", "b"), ("replaced", "q", "s"), ("movedright", "a", "a")],
        ),
        (child("a b", "b a b a", (0, 1, ""), (3, 4, "")), [("inserted", "", "b"), ("inserted", "", "a")]),
    ],
)  # fmt: skip
def test_what_is_said_of_words(found, wanted):
    assert told(found) == wanted


def test_words_are_counted_on_the_longer_side():
    found = child("a b c d", "x c y d", (0, 1, "a b"), (2, 3, ""))
    assert counts(diff(found)) == {"kept": 2, "inserted": 1, "removed": 0, "replaced": 2, "moved": 0}


def test_a_mention_with_another_label_says_which_it_had():
    parent = row(("Ann", "saw", "New", "York"), ("B-PER", "O", "B-LOC", "I-LOC"))
    found = Child(parent.tokens, ("B-LOC", "O", "B-LOC", "I-LOC"), ())
    assert [(s.label, s.was) for s in stretches(parent, found, diff(found))] == [
        ("LOC", "PER"), (None, None), ("LOC", None),
    ]  # fmt: skip
    assert all(s.was is None for s in original(parent))


@pytest.fixture(scope="session")
def root(tmp_path_factory, tables) -> Path:
    """A workspace, as far as methods need one."""
    root = tmp_path_factory.mktemp("diff")
    (root / "cache").symlink_to(tables)
    return root


@pytest.mark.parametrize("name", ["newsroom", "newsroom_zh"])
def test_what_methods_make_is_told_as_its_pool_shows_it(root, name):
    """Real children by every method: the running text of the pool, and kinds that suit the method."""
    rows = _train(name)
    parents = browse.page(rows, np.arange(len(rows)), 0, len(rows))
    seen: dict[str, Counter[str]] = {}
    for method in (name for name in available(task(rows.schema.task)) if not lacking(name, {})):
        try:
            made = preview(rows, range(len(rows)), AugmentParams(method), root)
        except CoreError as error:
            assert name == "newsroom_zh", error
            continue
        kinds = seen.setdefault(method, Counter())
        for one in made:
            for found in one.children:
                if isinstance(found, Child):
                    ops = diff(found)
                    shown = stretches(parents[one.row], found, ops)
                    text = "".join(piece.gap + piece.text for s in shown for piece in s.pieces)
                    assert text == browse.running_of(parents[one.row], found).text.rstrip()
                    kinds.update({kind: count for kind, count in counts(ops).items() if count and kind != "kept"})
    assert {*seen["swap"]} == {*seen["shuffle_segments"]} == {"moved"}
    assert {*seen["deletion"]} == {"removed"}
    assert not seen["label_shuffle"] and not seen["duplicate"]
    if name == "newsroom":
        assert {*seen["insertion"]} == {"inserted"} and seen["synonym"]["replaced"] > 5
        assert set(seen) == {method for method in AUGMENTERS if not lacking(method, {})}


def _train(name: str) -> Corpus:
    folder: Path = sample(name).folder
    path = next(path for path in sorted(folder.glob("train.*")))
    return read(path, name=path.name, options=ReadOptions()).corpus.take(np.arange(12))


def test_a_diff_of_nothing():
    assert diff(Child((), (), ())) == []
    assert diff(Child((), (), (Change(0, 0, ("a",)),))) == [Op("removed", range(0, 1), range(0, 0))]
