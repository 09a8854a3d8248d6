"""Parts of the mentions: by hand, and that parts add up to the whole."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.scoring import score
from core.evaluation.slices import CASINGS, SLICES, Background, casing_of, sliced
from core.scores import Counts
from core.tasks import task
from core.tasks.iob2 import classes, flat
from core.tasks.matching import count, match, surfaces
from core.tasks.pairs import Surfaces
from core.tasks.tagging import COLUMNS

TAGGING = task("tagging")

LABELS = ("LOC", "PER")
TAGS = classes(LABELS)
WORDS = ("Ada", "ada", "New", "York", "NASA", "iPhone", "北京", "of", "7")
APART = ("seen", "length", "frequency", "casing", "sentence", "text")  # parts that don't overlap
rows_of_three = st.lists(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from((*TAGS, None)), st.sampled_from(TAGS)), max_size=10),
    min_size=1,
    max_size=8,
)


def table(rows: list[list[tuple[str, str | None]]]) -> pa.Table:
    columns = {"tokens": [[w for w, _ in row] for row in rows], "tags": [[t for _, t in row] for row in rows]}
    whole = pa.table({name: pa.array(values, COLUMNS[name]) for name, values in columns.items()})
    return pa.concat_tables([whole.slice(0, 1), whole.slice(1)])


def both(rows: list[list[tuple[str, str | None, str]]]) -> tuple[pa.Table, Surfaces, Surfaces, Counts]:
    """-> the rows, gold's mentions, those predicted, and the strict counts of all."""
    gold = table([[(w, g) for w, g, _ in row] for row in rows])
    guess = table([[(w, p) for w, _, p in row] for row in rows])
    sides = [flat(t.column("tags"), LABELS) for t in (gold, guess)]
    found = surfaces(match(*sides, LABELS), gold.column("tokens"))
    return gold, *found, count(*sides, LABELS)


def forms(rows: pa.Table, labels: tuple[str, ...]) -> Counter[str]:
    return Counter(TAGGING.mentions(rows, labels)[2])


def texts(rows: pa.Table) -> list[str]:
    return [" ".join(tokens) for tokens in TAGGING.words(rows)]


def words(mentions: Surfaces) -> list[str]:
    return [mentions.forms[at] for at in mentions.form]


TRAIN = table(
    [
        [("Ada", "B-PER"), ("of", "O"), ("New", "B-LOC"), ("York", "I-LOC")],
        [("Ada", "B-LOC"), ("ada", "O"), ("Ada", "B-PER"), ("York", "O")],
    ]
)
ROWS = [
    [("Ada", "B-PER", "B-PER"), ("in", "O", "O"), ("New", "B-LOC", "B-LOC"), ("York", "I-LOC", "O")],
    [("ada", "B-PER", "O"), ("left", "O", "B-LOC")],
    [("NASA", "B-LOC", "B-PER"), ("and", "O", "O"), ("the", "O", "O"), ("city", "O", "O"), ("北京", "B-LOC", "B-LOC")],
]


def parts(name: str, **background) -> dict[str, tuple[list[list[int]], list[list[int]], list[list[int]]]]:
    gold, mine, theirs, _ = both(ROWS)
    lengths = np.array([len(row) for row in ROWS])
    found = sliced(name, mine, theirs, Background(lengths, texts=texts(gold), **background), LABELS)
    return {part: (c.tp.tolist(), c.pred.tolist(), c.gold.tolist()) for part, c in found.items()}


def totals(name: str, **background) -> dict[str, tuple[int, int, int]]:
    """Part -> hits, predictions, gold mentions."""
    found = parts(name, **background)
    return {part: tuple(int(np.sum(counts)) for counts in three) for part, three in found.items()}


def test_mentions_have_their_words():
    _, gold, predicted, _ = both(ROWS)
    assert words(gold) == ["Ada", "New York", "ada", "NASA", "北京"]
    assert sorted(words(predicted)) == ["Ada", "NASA", "New", "left", "北京"]
    assert gold.length.tolist() == [1, 2, 1, 1, 1]
    assert gold.hit.tolist() == [True, False, False, False, True]
    assert {w for w, hit in zip(words(predicted), predicted.hit, strict=True) if hit} == {"Ada", "北京"}
    assert len(set(predicted.forms)) == len(predicted.forms)


def test_forms_of_a_corpus():
    assert forms(TRAIN, LABELS) == {"Ada": 3, "New York": 1}
    assert forms(TRAIN, ("PER",)) == {"Ada": 2}
    assert forms(TRAIN.slice(1), LABELS) == {"Ada": 2}
    assert forms(TRAIN.slice(0, 0), LABELS) == {}


def test_seen_and_frequency():
    train = forms(TRAIN, LABELS)
    assert totals("seen", train=train) == {"seen": (1, 1, 2), "unseen": (1, 4, 3)}
    assert totals("frequency", train=train) == {"0": (1, 4, 3), "1": (0, 0, 1), "2-4": (1, 1, 1), "5+": (0, 0, 0)}
    assert totals("frequency", train={"Ada": 5, "ada": 4, "北京": 2, "NASA": 1})["5+"] == (1, 1, 1)
    # per row and label: LOC, PER
    assert parts("seen", train=train)["seen"] == (
        [[0, 1], [0, 0], [0, 0]],
        [[0, 1], [0, 0], [0, 0]],
        [[1, 1], [0, 0], [0, 0]],
    )


def test_length_is_that_of_the_mention_on_its_own_side():
    assert totals("length") == {"1": (2, 5, 4), "2": (0, 0, 1), "3+": (0, 0, 0)}


def test_casing():
    assert totals("casing") == {
        "title": (1, 2, 2),
        "lower": (0, 1, 1),
        "upper": (0, 1, 1),
        "mixed": (0, 0, 0),
        "none": (1, 1, 1),
    }


@pytest.mark.parametrize(
    ("casing", "examples"),
    [
        ("title", ("Ada", "New York", "Bank of England", "Jean-Luc Picard", "John 's", "Élodie", "Москва", "7 Days")),
        ("lower", ("ada", "u2-like", "ii", "éa", "москва")),
        ("upper", ("NASA", "A", "U.S.", "G7", "МИД", "微信APP")),
        ("mixed", ("iPhone", "McDonald", "van Gogh", "New YORK", "微信Pay")),
        ("none", ("北京", "2012", "東京 タワー", "", "القاهرة", "!")),
    ],
)
def test_casing_of_forms(casing, examples):
    assert {form: casing_of(form) for form in examples} == dict.fromkeys(examples, casing)
    assert casing in CASINGS


def test_ingredients_may_share_forms():
    given = {"wiki": {"Ada", "NASA"}, "aug": ["Ada"], "none": ()}
    found = totals("ingredient", ingredients=given)
    assert found == {"wiki": (1, 2, 2), "aug": (1, 1, 1), "none": (0, 0, 0)}
    assert totals("ingredient") == {}


def test_sentences_by_thirds():
    assert totals("sentence") == {"short": (0, 1, 1), "medium": (1, 2, 2), "long": (1, 2, 2)}  # 2, 4, 5 tokens
    lengths = np.array([1, 1, 1, 1, 9, 9])
    assert Background(lengths).terciles == (1, 1)  # nothing between
    assert Background(np.arange(1, 10)).terciles == (3, 6)
    assert Background(np.arange(0)).terciles == (0, 0)


HOLDING = [("in new", [0]), ("NASA", [2]), ("nasa AND", [2]), ("e", [0, 1, 2]), ("", [0, 1, 2]), ("x", [])]


@pytest.mark.parametrize(("wanted", "rows"), HOLDING)
def test_rows_that_hold_a_text(wanted, rows):
    found = parts("text", wanted=wanted)
    for part, expected in (("with", rows), ("without", sorted({0, 1, 2} - {*rows}))):
        _, _, gold = found[part]
        assert [row for row in range(3) if sum(gold[row])] == expected


def test_a_text_is_found_whatever_its_case():
    assert Background(np.ones(2), texts=["Die Straße", "die Strasse"], wanted="STRASSE").holds.tolist() == [True, True]


@given(rows_of_three)
@settings(max_examples=150, deadline=None)
def test_parts_add_up_to_the_whole(rows):
    gold, mine, theirs, whole = both(rows)
    lengths = np.array([len(row) for row in rows])
    background = Background(lengths, forms(TRAIN, LABELS), {"a": ("Ada",)}, texts(gold), "york")
    for name in SLICES:
        found = sliced(name, mine, theirs, background, LABELS)
        for counts in found.values():
            assert counts.names == LABELS
            assert counts.tp.shape == counts.pred.shape == counts.gold.shape == whole.gold.shape
            assert (counts.tp <= counts.pred).all() and (counts.tp <= counts.gold).all()
        if name in APART:
            for which in ("tp", "pred", "gold"):
                parts = sum(getattr(counts, which) for counts in found.values())
                assert np.array_equal(parts, getattr(whole, which)), (name, which)


def test_all_slices_that_add_up_are_tried():
    assert {*APART, "ingredient"} == set(SLICES)


def test_a_part_is_scored_like_the_whole():
    _, mine, theirs, whole = both(ROWS)
    every = sliced("length", mine, theirs, Background(np.array([4, 2, 5])), LABELS)
    alone = score([every["1"]], draws=20)
    assert alone.support == 4
    assert alone.metrics["recall"].mean == 0.5
    assert alone.metrics["precision"].mean == score([whole], draws=20).metrics["precision"].mean


def test_each_form_is_looked_at_once_and_not_each_mention():
    looked: list[str] = []

    class Watched(dict):
        def __contains__(self, form):
            looked.append(form)
            return super().__contains__(form)

    _, mine, theirs, _ = both(ROWS * 500)
    sliced("seen", mine, theirs, Background(np.tile([4, 2, 5], 500), Watched()), LABELS)
    assert len(looked) == 5 + 5
