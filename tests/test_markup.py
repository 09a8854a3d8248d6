"""Rows as lines that people edit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.augment import markup
from core.errors import CoreError
from core.tasks.example import valid_iob2

WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=6).filter(str.strip)
LABELS = st.sampled_from(["PER", "a b", "x)", "?", "\\", "地点", "](", "[a](b)"])


@st.composite
def rows(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    tokens: list[str] = []
    tags: list[str | None] = []
    masked = False
    for _ in range(draw(st.integers(0, 6))):
        words = draw(st.lists(WORDS, min_size=1, max_size=3))
        kind = draw(st.sampled_from(["O", "masked", "mention"] if not masked else ["O", "mention"]))
        masked = kind == "masked"
        label = draw(LABELS)
        tokens += words
        if kind == "mention":
            tags += [f"B-{label}", *[f"I-{label}"] * (len(words) - 1)]
        else:
            tags += [None if masked else "O"] * len(words)
    return tuple(tokens), tuple(tags)


@given(rows())
def test_what_is_written_is_read_again(row: tuple[tuple[str, ...], tuple[str | None, ...]]):
    assert markup.read(markup.written(*row)) == row


@given(st.text("[]()\\? ab\n", max_size=20))
def test_whatever_is_typed_is_a_row_or_refused(text: str):
    try:
        tokens, tags = markup.read(text)
    except CoreError as error:
        assert error.code == "markup"
    else:
        assert len(tokens) == len(tags) and valid_iob2(tags) and all(tokens)


def test_a_line_as_people_type_it():
    assert markup.read("  the [New York](place)\n ferry of [x](?) ") == (
        ("the", "New", "York", "ferry", "of", "x"),
        ("O", "B-place", "I-place", "O", "O", None),
    )
    assert markup.written(("a", "[b]", "c"), ("O", "B-x", "I-x")) == r"a [\[b\] c](x)"
    assert markup.read(markup.written(("New York", "10\u00a0000 "), ("B-place", "O")))[0] == (
        "New York",
        "10\u00a0000 ",
    )


@pytest.mark.parametrize("text", ["[Oslo", "Oslo](place)", "[Oslo]", "[Oslo](", "[](place)", "[Oslo](place)s", "a\\"])
def test_what_is_not_closed_is_told_with_its_place(text: str):
    with pytest.raises(CoreError) as error:
        markup.read(f"we saw {text}")
    assert error.value.code == "markup" and str(error.value.values["place"]) in text
