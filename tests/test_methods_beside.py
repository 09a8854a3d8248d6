"""The view of methods beside each other: what stands in the address, keys, filters, and texts that are set as text."""

import re
from collections.abc import Generator, Mapping

import numpy as np
import pytest

from components.columns import _JS, Column, _column
from core import project as projects
from core.launch import standing
from core.report import browse
from core.report.diff import Piece, Stretch, original
from core.sample import open_sample
from core.tasks import task
from core.workspace import Workspace
from tests.browser import WAIT, Visitor, browsing, needs_chromium, served

PAGE = "/augment?project=newsroom&way=compare&lang=en"
HOSTILE = "<img src=http://evil.example/b.png onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Generator[Workspace]:
    """A workspace with the samples; its warm process ends with it."""
    found = Workspace.open(tmp_path_factory.mktemp("beside") / "ws")
    for name in ("newsroom", "newsroom_zh"):
        open_sample(found, name)
    yield found
    found.root.rename(found.root.with_name("gone"))


@pytest.fixture(scope="module")
def address(space: Workspace) -> Generator[str]:
    with served(space.root) as found:
        yield found


def lengths_and_labels(space: Workspace) -> tuple[np.ndarray, browse.Index]:
    stage = standing(space, projects.load(space, "newsroom")).stage
    assert stage is not None
    gold = stage.pools["gold"]
    return task(gold.schema.task).lengths(gold.table), browse.index(gold)


def told(at) -> str:
    """Which sentence the page says it shows."""
    [found] = [one.value for one in at.markdown if one.value.startswith("Sentence ")]
    return found


# What is asked for


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, lambda n, has: True),
        ({"having": "place"}, lambda n, has: "place" in has),
        ({"fewest": "25", "most": "30"}, lambda n, has: 25 <= n <= 30),
        ({"having": "person", "fewest": "30"}, lambda n, has: n >= 30 and "person" in has),
        ({"most": "20"}, lambda n, has: n <= 20),
    ],
)
def test_filters_leave_what_a_plain_loop_finds(open_page, space, query, wanted):
    lengths, index = lengths_and_labels(space)
    left = [
        row + 1
        for row in range(len(lengths))
        if wanted(lengths[row], {label for label, has in zip(index.labels, index.has[row], strict=True) if has})
    ]
    assert left and (len(left) < len(lengths)) == bool(query)
    at = open_page(space.root, "augment", project="newsroom", way="compare", **query)
    for number, sentence in enumerate(left[:3], 1):
        text = f"Sentence {sentence} of {len(lengths)}"
        more = f" ({number} of {len(left)} with these filters)" if query else ""
        assert told(at) == text + more
        at.button(key="beside_next").click().run()
        assert not at.exception
    at.button(key="beside_previous").click().run()
    assert told(at).startswith(f"Sentence {left[2]} of") and at.query_params["sentence"] == str(left[2])


def test_a_filter_that_leaves_nothing_says_so(open_page, space):
    at = open_page(space.root, "augment", project="newsroom", way="compare", fewest="5000")
    assert "No sentence is like that" in at.info[0].value and not at.exception


@pytest.mark.parametrize("sentence", ["0", "-3", "9" * 30, "x", "１", "84", "85"])
def test_any_number_in_the_address_is_a_sentence(open_page, space, sentence):
    at = open_page(space.root, "augment", project="newsroom", way="compare", sentence=sentence)
    assert re.match(r"Sentence (1|84) of 84", told(at)) and not at.exception


def test_the_columns_are_those_that_suit_the_sentences(open_page, space):
    box = next(
        box
        for box in open_page(space.root, "augment", project="newsroom", way="compare").multiselect
        if box.key == "beside"
    )
    assert box.value == ["mention_replacement", "synonym", "shuffle_segments"]
    assert "mention swaps" in box.options and "harbour news" not in box.options  # which no method made
    at = open_page(space.root, "augment", project="newsroom", way="compare", of="synonyms", beside="swap")
    box = next(box for box in at.multiselect if box.key == "beside")
    assert box.value == ["swap"] and "mention swaps" not in box.options  # which is made of gold


def test_changing_an_ingredient_leads_to_its_settings(open_page, space):
    at = open_page(space.root, "augment", project="newsroom", way="compare")
    assert not [group for group in at.get("button_group") if group.key == "method"]
    at.button(key="augment_change").click().run()
    [method] = [group for group in at.get("button_group") if group.key == "method"]
    assert method.value == "mention_replacement" and not at.exception


# What is shown


def test_hostile_texts_are_set_as_text():
    column = Column(HOSTILE, [Stretch((Piece("replaced", HOSTILE, HOSTILE, HOSTILE),), HOSTILE, HOSTILE)], labels=None)
    text = HOSTILE.replace("\u202e", "\\u202e")
    found = _column(column, {})
    [stretch] = found["stretches"]
    assert found["title"] == stretch["label"] == stretch["was"] == text
    assert stretch["pieces"] == [{"text": text, "was": text, "gap": text, "kind": "replaced", "way": ""}]
    assert found["labels"] == [("not known", "#888888")]
    assert not re.search("innerHTML|outerHTML|insertAdjacent|document.write|eval|setHTML", _JS)


def columns(visitor: Visitor) -> Mapping[str, str]:
    """The text under each title, once no column is still to come."""
    place = visitor.page.locator(".beside")
    place.first.wait_for(timeout=WAIT)
    visitor.page.wait_for_function("() => !document.body.innerText.includes('Working')", timeout=WAIT)
    visitor.settle()
    sections = place.first.locator("section").all()
    return {one.get_attribute("aria-label") or "": one.inner_text() for one in sections}


@pytest.mark.timeout(300)
@needs_chromium()
@pytest.mark.whole
def test_a_link_shows_the_same_again_and_keys_step(space, address):
    link = f"{PAGE}&beside=swap&beside=deletion&beside=ingredient:mention+swaps&sentence=7&seed=3&having=place"
    with browsing(address) as visitor:  # the first look at this server: the link goes through the front door
        visitor.goto(link)
        first = columns(visitor)
        assert list(first) == ["Original", "Word swaps", "Word deletion", "mention swaps"]
        assert "Mention replacement, seed 3" in first["mention swaps"] and "moved" in first["Word swaps"]
        stage = standing(space, projects.load(space, "newsroom")).stage
        assert stage is not None
        gold = stage.pools["gold"]
        at = next(row for row in browse.page(gold, np.arange(len(gold)), 6, 20) if "B-place" in row.tags)
        assert original(at)[0].pieces[0].text in first["Original"]
        visitor.page.keyboard.press("ArrowRight")
        visitor.settle()
        second = columns(visitor)
        assert second["Original"] != first["Original"] and "sentence=7&" not in visitor.page.url + "&"
        visitor.page.keyboard.press("ArrowLeft")
        visitor.settle()
        assert columns(visitor) == first
        visitor.page.keyboard.press("s")
        visitor.settle()
        third = columns(visitor)
        assert third["Original"] == first["Original"] and third["Word swaps"] != first["Word swaps"]
        assert "seed=4" in visitor.page.url and visitor.page.url.count("beside=") == 3
        visitor.page.reload()
        visitor.settle()
        assert columns(visitor) == third and not visitor.errors()


@pytest.mark.timeout(300)
@needs_chromium()
def test_the_next_rejected_child_is_found_and_says_why(address):
    with browsing(address) as visitor:
        visitor.goto(f"{PAGE}&beside=synonym&beside=mention_replacement&rejected=true")
        found = columns(visitor)
        assert "rejected:" in found["Synonym replacement"] + found["Mention replacement"]
        here = visitor.page.url
        visitor.page.keyboard.press("ArrowRight")
        visitor.settle()
        after = columns(visitor)
        assert after["Original"] != found["Original"] and "rejected:" in " ".join(after.values())
        visitor.page.keyboard.press("ArrowLeft")
        visitor.settle()
        assert columns(visitor) == found and visitor.page.url == here
        visitor.goto(f"{PAGE}&beside=duplicate&rejected=true")
        visitor.see("None of the 84 sentences")
        visitor.see("There is none after them.")


@pytest.mark.timeout(300)
@needs_chromium()
def test_what_cannot_work_says_why_on_a_narrow_screen(address):
    with browsing(address, viewport={"width": 420, "height": 900}) as visitor:
        visitor.goto("/augment?project=newsroom_zh&way=compare&lang=zh_CN&beside=synonym&beside=swap")
        found = columns(visitor)
        assert "此处不可用" in found["同义词替换"] and "移动" in found["词语互换"]
        boxes = [one.bounding_box() for one in visitor.page.locator(".beside section").all()]
        assert len({round(box["x"]) for box in boxes}) == 1  # one below the other
        assert all(box["x"] + box["width"] <= 420 for box in boxes)
        assert visitor.page.evaluate("document.scrollingElement.scrollWidth") <= 420
