"""The Runs page over a workspace with many groups: filters, order, acts on many runs, undo, and every way to look."""

import gettext
import os
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.board import View, board, selected
from core.errors import CoreError
from core.jobs.folder import hold, stalled_file, write_json
from core.jobs.run import Exit
from core.params import digest
from core.workspace import Workspace
from tests.browser import WAIT, Visitor, browsing, needs_chromium, served
from tests.conftest import ROOT
from tests.crowd import fill

ROW, BORDER = 35, 17  # pixels: of a table's row; from a table's left edge to its ticks


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Sixty groups of two runs in two projects, besides the sample; of each thirty, three failed or were cancelled."""
    space = Workspace.open(tmp_path_factory.mktemp("crowd") / "ws")
    fill(space, ["one", "two"], 30, 2, {3: "failed", 8: "failed", 13: "cancelled"})
    write_json(space.root / "slots.json", {"train": 0})  # what is resumed waits
    return space


@pytest.fixture
def page(crowd: Workspace, open_page) -> AppTest:
    """The Runs page over all projects."""
    return open_page(crowd.root, "runs", scope="all")


def mixes(at: AppTest) -> list[str]:
    """The names in the list of groups."""
    assert not at.exception
    return list(at.dataframe[0].value["mix"])


def wanted(space: Workspace, view: View) -> list[str]:
    return [entry.name for entry in selected(board(space, ["newsroom", "one", "two"]), view)]


def button(at: AppTest, start: str) -> object:
    return next(found for found in at.button if found.label.startswith(start))


def test_the_list_has_pages(page, crowd):
    newest = wanted(crowd, View())
    assert len(newest) == 65 and mixes(page) == newest[:25]
    page.query_params["at"] = "3"
    assert mixes(page.run()) == newest[50:]
    page.query_params["at"] = "99"
    assert mixes(page.run()) == newest[50:]  # the last there is


def test_the_list_is_filtered_and_sorted(page, crowd):
    page.text_input("text").set_value("archive").run()
    assert mixes(page) == wanted(crowd, View("archive")) and len(mixes(page)) == 13
    page.multiselect("state").set_value(["failed"]).run()
    assert mixes(page) == wanted(crowd, View("archive", ["failed"])) and len(mixes(page)) == 4
    page.text_input("text").set_value("").run()
    page.multiselect("state").set_value([]).run()
    for sort in ("dev", "name", "state"):
        page.selectbox("sort").set_value(sort).run()
        assert mixes(page) == wanted(crowd, View(sort=sort))[:25]
    page.text_input("text").set_value("nothing is called that").run()
    assert not page.exception and "No group is like that" in page.info[0].value


def test_every_act_says_how_many_runs_it_touches(page, crowd):
    page.checkbox("runs_all").check().run()
    assert not page.exception
    labels = [found.label for found in page.button]
    assert "Delete (160 runs)" in labels and "Resume (12 runs)" in labels
    page.text_input("text").set_value("00").run()  # another list, of the crowd alone
    assert len(wanted(crowd, View("00"))) == 60 and not page.checkbox("runs_all").value
    page.text_input("text").set_value("").run()
    page.checkbox("runs_all").check().run()
    button(page, "Delete (160").click().run()
    assert not page.exception and board(crowd, ["newsroom", "one", "two"]) == []
    assert "160" in page.markdown[0].value and len(page.query_params["deleted"]) == 12
    button(page, "Undo").click().run()
    assert not page.exception and len(wanted(crowd, View())) == 65 and "deleted" not in page.query_params


def test_many_runs_are_resumed_moved_and_cancelled(page, crowd):
    bad = [id for entry in selected(board(crowd, ["one", "two"]), View(states=["failed"])) for id in entry.repeats]
    for act in ("Resume", "To the front", "To the end", "Cancel"):
        state = "failed" if act == "Resume" else "queued"
        page.multiselect("state").set_value([state]).run()
        tick_all(page, crowd, View(states=[state]))
        button(page, f"{act} ({len(bad)} runs)").click().run()
        assert not page.exception
        states = {run.state for run in crowd.store.find(bad)}
        assert states == {"cancelled" if act == "Cancel" else "queued"}, act
    assert crowd.store.pending() == ()


def tick_all(at: AppTest, space: Workspace, view: View) -> None:
    """Tick every row of a list of one page."""
    refs = [entry.key for entry in selected(board(space, ["newsroom", "one", "two"]), view)]
    rows = list(range(len(refs)))
    at.session_state[f"runs_groups_{digest(refs)[:8]}"] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    at.run()


def test_what_stands_out_is_said(page, crowd, monkeypatch):
    monkeypatch.setattr("core.jobs.run.BACK_OFF", (600.0, 600.0, 600.0))
    store = crowd.store
    entry = next(entry for entry in board(crowd, ["one"]) if entry.name == "archive 0013")
    ids = entry.repeats
    for id in ids:
        crowd.queue_again(id)
        assert store.claim(id, "cpu:0")
    killed = CoreError("run_killed", {"signal": "SIGKILL"}, "hint_resumes").to_json()
    attempt = store.get(ids[1]).attempt
    assert store.end(ids[1], Exit(attempt, "interrupted", 1.0, -9, "SIGKILL", killed))
    lock = hold(store.folder(ids[0]))  # a process of it lives
    assert lock is not None
    write_json(stalled_file(store.folder(ids[0]), store.get(ids[0]).attempt), {"seconds": 300.0})
    page.query_params["group"] = entry.key
    page.run()
    assert not page.exception and page.subheader[0].value == "archive 0013"
    assert "Repeat 0 stands still" in page.warning[0].value and "5 min" in page.warning[0].value
    assert "SIGKILL" in page.info[0].value and "(time 1 of at most 3)" in page.info[0].value
    assert any("left, until" in caption.value for caption in page.caption)
    os.close(lock)
    assert store.cancel(ids[1])
    assert store.end(ids[0], Exit(store.get(ids[0]).attempt, "cancelled", 2.0))
    page.run()
    assert not page.exception and not page.warning and not page.info


PARTS = {  # each way to look at a group of the sample, and how what it says begins
    "Resources": "Repeat {seed} was not carried out in this workspace, so nobody noted what it used.",
    "Predictions": "Sentences shown",
    "First batch": (
        "The first batch of repeat {seed} was not kept: it came with a sample, or ran under an older version."
    ),
    "Explained": (
        "One step of repeat {seed}: the loss, its gradient and the update, with the numbers of this run in them."
    ),
    "Settings": "Its settings, and the software and machine it ran with.",
    "Events": "What happened to repeat {seed}, in the order in which it did.",
    "Log": "The end of the log of repeat {seed}, at most 64 KB.",
    "Curves": "Not every run shown kept its rows and times, so the axis counts steps.",
}


def said(text: str, language: str) -> str:
    """A sentence of the app in a language."""
    folder = ROOT / "components" / "locale"
    return gettext.translation("app", folder, [language], fallback=True).gettext(text).format(seed=0)


@needs_chromium()
@pytest.mark.timeout(420)
@pytest.mark.whole
def test_a_journey_over_many_groups(crowd, whole):
    with served(crowd.root) as address, browsing(address) as visitor:
        for language, width in (("en", 1280), ("zh_CN", 420)):
            visitor.page.set_viewport_size({"width": width, "height": 1400})
            if whole or language == "en":
                _delete_and_undo(visitor, crowd, language)
            if whole or language == "zh_CN":
                _every_part(visitor, language, width)


def _delete_and_undo(visitor: Visitor, space: Workspace, language: str) -> None:
    title, undo, delete = (said(word, language) for word in ("Runs", "Undo", "Delete"))
    page = visitor.page
    visitor.goto(f"/runs?scope=all&sort=name&lang={language}")
    assert page.locator("h1").first.inner_text() == title and "65" in visitor.text()
    box = page.locator("input[type=search]").first
    box.fill("synonyms")
    box.press("Enter")
    page.wait_for_url(re.compile("text=synonyms"), timeout=WAIT)
    assert "sort=name" in page.url
    visitor.settle()
    several(visitor, 3)
    visitor.press(f"{delete} (6 ")
    visitor.see(undo)
    assert len(wanted(space, View("synonyms"))) == 12 - 3
    page.reload()  # the way back is still there
    visitor.settle()
    visitor.press(undo)
    assert len(wanted(space, View("synonyms"))) == 12 and "deleted=" not in page.url


def _every_part(visitor: Visitor, language: str, width: int) -> None:
    """Each way to look at a group has something to say, and is no wider than the screen."""
    visitor.goto(f"/runs?project=newsroom&lang={language}")
    for part, words in PARTS.items():
        visitor.page.get_by_role("radio", name=said(part, language), exact=True).click(timeout=WAIT)
        visitor.see(said(words, language))
        visitor.settle()
        assert not visitor.errors(), part
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width, part
    assert "part=" not in visitor.page.url  # curves come first


def several(visitor: Visitor, rows: int) -> None:
    """Tick that many rows of the first table from the top; the first of them is ticked already."""
    place = visitor.page.locator("[data-testid=stDataFrame]").first.bounding_box()
    for row in range(1, rows):
        visitor.page.mouse.click(place["x"] + BORDER, place["y"] + ROW * (row + 1) + ROW // 2)
        visitor.settle()
