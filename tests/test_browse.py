"""Searching finds what a plain loop finds, and segments are the text again, each mention and change once."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment.pool import AugmentParams, build_pool
from core.augment.protocol import Change
from core.corpus import Corpus, Schema, numbered
from core.report.browse import Place, Segment, find, index, of_length, page, place, segments
from core.tasks.tagging import TABLE, content, spans

FAST = settings(max_examples=100, deadline=None)
LABELS = ("LOC", "ORG", "PER")
Row = tuple[Sequence[str], Sequence[str | None], str | None]


def corpus_of(rows: Sequence[Row], language: str = "en", chunk: int = 3) -> Corpus:
    """Rows of (tokens, tags, running text); where the text is known, its tokens stand in it in order."""
    table = pa.table(
        [
            *[numbered([content(tokens, tags) for tokens, tags, _ in rows])] * 2,
            [None] * len(rows),
            [list(tokens) for tokens, _, _ in rows],
            [list(tags) for _, tags, _ in rows],
            [text for _, _, text in rows],
            *zip(*(places(tokens, text) for tokens, _, text in rows), strict=True),
        ]
        if rows
        else [[]] * len(TABLE),
        schema=TABLE,
    )
    return Corpus(Schema("tagging", LABELS, language), pa.Table.from_batches(table.to_batches(chunk), TABLE))


def places(tokens: Sequence[str], text: str | None) -> tuple[list[int] | None, list[int] | None]:
    if text is None:
        return None, None
    starts: list[int] = []
    at = 0
    for token in tokens:
        starts.append(text.index(token, at))
        at = starts[-1] + len(token)
    return starts, [start + len(token) for start, token in zip(starts, tokens, strict=True)]


def row(sentence: str, text: str | None = None) -> Row:
    pairs = [item.rpartition("/") for item in sentence.split()]
    return [token for token, _, _ in pairs], [None if tag == "?" else tag for _, _, tag in pairs], text


ROWS = (
    row("Ann/B-PER lives/O in/O New/B-LOC York/I-LOC ./O", "Ann lives in New  York."),
    row("nothing/O here/O"),
    row("Acme/B-ORG hired/O ann/B-PER"),
    row("100/O %/O (or/O a.*b)/O", "100% (or a.*b)"),
    row("Köln/B-LOC"),
)


# --- finding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "labels", "without", "rows"),
    [
        ("", (), False, [0, 1, 2, 3, 4]),
        ("ANN", (), False, [0, 2]),
        ("new york", (), False, [0]),  # the tokens joined by blanks, though the text has two
        ("york.", (), False, [0]),  # the text as it is shown
        ("100%", (), False, [3]),
        ("100 %", (), False, [3]),
        ("a.*b", (), False, [3]),
        ("a.*n", (), False, []),
        ("(", (), False, [3]),
        ("\\", (), False, []),
        ("KÖLN", (), False, [4]),
        ("here", ("PER",), False, []),
        ("", ("PER",), False, [0, 2]),
        ("", ("ORG", "PER"), False, [2]),
        ("", ("PER", "MISC"), False, []),
        ("", (), True, [1, 3]),
        ("100", (), True, [3]),
        ("", ("PER",), True, []),
    ],
)
def test_rows_are_found_by_literal_text_labels_and_their_absence(text, labels, without, rows):
    assert find(index(corpus_of(ROWS)), text, labels, without).tolist() == rows


words = st.text("abAB .*\\", min_size=1, max_size=3)
some_tags = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", None])
some_rows = st.lists(st.tuples(words, some_tags), max_size=5).map(
    lambda pairs: ([token for token, _ in pairs], [tag for _, tag in pairs], None)
)


@given(st.lists(some_rows, max_size=10), words | st.just(""), st.sets(st.sampled_from(LABELS)), st.booleans())
@FAST
def test_finding_is_what_a_plain_loop_finds(rows, text, labels, without):
    expected = [
        at
        for at, (tokens, tags, _) in enumerate(rows)
        if text.lower() in " ".join(tokens).lower()
        and labels <= {span.label for span in spans(tags)}
        and not (without and spans(tags))
    ]
    assert find(index(corpus_of(rows)), text, sorted(labels), without).tolist() == expected


def test_blanks_say_nothing_in_chinese():
    rows = [row("北/B-LOC 京/I-LOC 的/O iPhone/O 手机/O"), row("我/O 爱/O 北/B-LOC 京/I-LOC", "我爱 北京")]
    found = index(corpus_of(rows, "zh"))
    for text, expected in (
        ("北京", [0, 1]),
        ("爱北京", [1]),
        ("IPHONE手机", [0]),
        ("iphone 手机", [0]),
        ("北 京", [0, 1]),
    ):
        assert find(found, text).tolist() == expected
    assert find(index(corpus_of(rows)), "北京").tolist() == [1]


def test_a_corpus_without_rows_has_nothing_to_find():
    assert find(index(corpus_of([])), "a").tolist() == find(index(corpus_of([]))).tolist() == []


# --- a page --------------------------------------------------------------------------------------------------------


def test_a_page_is_the_wanted_rows_in_the_wanted_order():
    corpus = corpus_of(ROWS)
    found = page(corpus, np.array([4, 0, 3, 1]), 1, 2)
    assert [row.position for row in found] == [0, 3]
    first = found[0]
    assert (first.tokens, first.tags) == (tuple(ROWS[0][0]), tuple(ROWS[0][1]))
    assert first.text is not None and first.starts is not None and first.ends is not None
    assert [first.text[s:e] for s, e in zip(first.starts, first.ends, strict=True)] == [*first.tokens]
    assert page(corpus, np.array([1]), 0, 25)[0].starts is None
    assert page(corpus, np.array([1]), 1, 25) == page(corpus, np.empty(0, dtype=np.int64), 0, 25) == []


def test_rows_of_a_pool_show_what_was_changed(tmp_path):
    parent = corpus_of(
        [row("the/O big/O ship/O left/O Oslo/B-LOC early/O today/O", "the big ship left Oslo early today")]
    )
    made = build_pool(parent, AugmentParams("deletion", {"rate": 0.4}, 3, 0), tmp_path, set(), lambda: None).corpus
    assert len(made)
    for child in page(made, np.arange(len(made)), 0, 25):
        assert any(part.text == "" and part.was and part.changed for part in child.segments)
        assert shown(child.segments) == child.text
        assert before(child.segments).split() == [*ROW_BEFORE]


ROW_BEFORE = ("the", "big", "ship", "left", "Oslo", "early", "today")


def shown(found: Sequence[Segment]) -> str:
    return "".join(part.text for part in found)


def before(found: Sequence[Segment]) -> str:
    """The row as it was: what was replaced in place of what replaced it; blanks as they come."""
    return "".join((f" {part.was or ''} " if part.changed else part.text) for part in found)


# --- segments ------------------------------------------------------------------------------------------------------


def test_mentions_are_a_segment_each_and_what_is_between_them_is_plain():
    tokens, tags, text = ROWS[0]
    assert segments(tokens, tags, text, *places(tokens, text)) == [
        Segment("Ann", "PER"),
        Segment(" lives in "),
        Segment("New  York", "LOC"),
        Segment("."),
    ]
    assert segments(tokens, tags) == [
        Segment("Ann", "PER"),
        Segment(" lives in "),
        Segment("New York", "LOC"),
        Segment(" ."),
    ]


def test_margins_of_the_text_are_kept():
    tokens, tags, text = row("Ann/B-PER went/O", "\t Ann went \n")
    assert segments(tokens, tags, text, *places(tokens, text)) == [
        Segment("\t "),
        Segment("Ann", "PER"),
        Segment(" went \n"),
    ]


def test_chinese_characters_are_joined_without_blanks():
    tokens, tags, _ = row("我/O 爱/O 北/B-LOC 京/I-LOC OK/O")
    assert segments(tokens, tags) == [Segment("我爱"), Segment("北京", "LOC"), Segment(" OK")]


def test_a_row_without_tokens_is_its_text():
    assert segments([], []) == []
    assert segments([], [], " ", [], []) == [Segment(" ")]
    assert segments([], [], changes=[Change(0, 0, ("all",))]) == [Segment("", None, "all", True)]


@pytest.mark.parametrize(
    ("sentence", "changes", "expected"),
    [
        (  # replaced, inserted, deleted outside mentions
            "a/O fast/O car/O is/O very/O here/O",
            [Change(1, 2, ("quick",)), Change(4, 5, ()), Change(6, 6, ("now", "."))],
            [
                Segment("a "),
                Segment("fast", None, "quick", True),
                Segment(" car is "),
                Segment("very", None, None, True),
                Segment(" here"),
                Segment("", None, "now .", True),
            ],
        ),
        (  # one mention for another
            "in/O Rome/B-LOC now/O",
            [Change(1, 2, ("New", "York"))],
            [Segment("in "), Segment("Rome", "LOC", "New York", True), Segment(" now")],
        ),
        (  # a word inside a mention: the mention is told as it was
            "in/O New/B-LOC Yrok/I-LOC",
            [Change(2, 3, ("York",))],
            [Segment("in "), Segment("New Yrok", "LOC", "New York", True)],
        ),
        (  # inserted into a mention, deleted from one, deleted at its border
            "Ann/B-PER Lee/I-PER left/O",
            [Change(0, 0, ("Dr",)), Change(1, 1, ("Mary",)), Change(2, 2, ("just",))],
            [
                Segment("", None, "Dr", True),
                Segment("Ann Lee", "PER", "Ann Mary Lee", True),
                Segment(" "),
                Segment("", None, "just", True),
                Segment("left"),
            ],
        ),
        (  # side by side: one segment each, the blank between them plain
            "x/O y/O z/O",
            [Change(0, 1, ("a",)), Change(1, 3, ("b",))],
            [Segment("x", None, "a", True), Segment(" "), Segment("y z", None, "b", True)],
        ),
        (  # over the border of a mention: told once, where the change starts
            "to/O Ann/B-PER Lee/I-PER",
            [Change(0, 2, ("p", "q"))],
            [Segment("to", None, "p q", True), Segment(" "), Segment("Ann Lee", "PER", None, True)],
        ),
        (  # the same, and another one inside the mention: each told once
            "to/O Ann/B-PER Lee/I-PER",
            [Change(0, 2, ("p", "q")), Change(2, 3, ("r",))],
            [Segment("to", None, "p q", True), Segment(" "), Segment("Ann Lee", "PER", "r", True)],
        ),
    ],
)
def test_changes_are_marked_and_say_what_they_replaced(sentence, changes, expected):
    tokens, tags, _ = row(sentence)
    assert segments(tokens, tags, changes=changes) == expected


@st.composite
def changed_rows(draw_from: st.DrawFn) -> tuple[Row, list[Change]]:
    """Tokens with any blanks between and around them, any tags, and changes in order that don't overlap."""
    tokens = draw_from(st.lists(st.text("ab京🎉", min_size=1, max_size=3), max_size=7))
    tags = draw_from(st.lists(some_tags, min_size=len(tokens), max_size=len(tokens)))
    text: str | None = None
    if draw_from(st.booleans()):
        gaps = draw_from(
            st.lists(st.sampled_from(["", " ", "\n "]), min_size=len(tokens) + 1, max_size=len(tokens) + 1)
        )
        text = gaps[0] + "".join(token + gap for token, gap in zip(tokens, gaps[1:], strict=True))
    rng, changes, at = Random(draw_from(st.integers(0, 10**6))), list[Change](), 0
    while at <= len(tokens):
        end = min(at + rng.choice((0, 0, 1, 1, 2)), len(tokens))
        was = tuple(rng.choices("xyz", k=rng.randint(1 if end == at else 0, 2)))
        if rng.random() < 0.4:
            changes.append(Change(at, end, was))
        at = max(end, at + 1)
    return (tokens, tags, text), changes


def whereabouts(tokens: Sequence[str], text: str | None) -> tuple[list[int] | None, list[int] | None]:
    """`places` by counting, as tokens may repeat: gaps hold blanks alone."""
    if text is None:
        return None, None
    starts: list[int] = []
    at = 0
    for token in tokens:
        while not text.startswith(token, at):
            at += 1
        starts.append(at)
        at += len(token)
    return starts, [start + len(token) for start, token in zip(starts, tokens, strict=True)]


@given(changed_rows())
@FAST
def test_segments_are_the_text_and_every_mention_and_change_is_in_them(given_):
    (tokens, tags, text), changes = given_
    found = segments(tokens, tags, text, *whereabouts(tokens, text), changes)
    if text is None:
        assert "".join(shown(found).split()) == "".join(tokens)
    else:
        assert shown(found) == text
    mentions = spans(tags)
    assert [part.label for part in found if part.label] == [span.label for span in mentions]
    assert any(part.changed for part in found) == bool(changes)
    plain = [part.label is None and not part.changed for part in found]
    assert not any(a and b for a, b in pairwise(plain))
    replaced = sum(part.was.count(letter) for part in found if part.was for letter in "xyz")
    assert replaced == sum(len(change.was) for change in changes)


@FAST
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=12).map(sorted),
    st.one_of(st.none(), st.integers(0, 31)),
    st.one_of(st.none(), st.integers(0, 31)),
    st.integers(0, 15),
)
def test_a_place_among_rows_of_some_length_is_what_a_plain_loop_says(lengths, fewest, most, at):
    found = of_length(np.arange(len(lengths))[::2], np.array(lengths), fewest, most)
    wanted = [
        row
        for row in range(0, len(lengths), 2)
        if (fewest is None or lengths[row] >= fewest) and (most is None or lengths[row] <= most)
    ]
    assert found.tolist() == wanted
    if wanted:
        here = next((row for row in wanted if row >= at), wanted[-1])
        number = wanted.index(here)
        around = [None, *wanted, None]
        assert place(found, at) == Place(here, number, around[number], around[number + 2])


def test_the_most_changed_children_come_first(tmp_path):
    from core.augment.pool import AugmentParams, build_pool
    from core.report import browse
    from tests.test_augment import GOLD as PARENTS

    pool = build_pool(PARENTS, AugmentParams("deletion", {"rate": 0.5}), tmp_path, set(), lambda: None).corpus
    order = browse.most_changed(pool)
    shares = []
    for row in pool.table.to_pylist():
        touched = sum(max(c["end"] - c["start"], len(c["was"])) for c in row["changes"])
        shares.append(touched / len(row["tokens"]))
    assert sorted(order.tolist()) == [*range(len(pool))]
    assert [shares[at] for at in order] == sorted(shares, reverse=True) and len({*shares}) > 2
    assert len(browse.most_changed(pool.take(np.empty(0, dtype=np.int64)))) == 0
