"""A search for settings in the app: asked for on Mix, seen on Mix and Runs, confirmed, used and undone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import project as projects
from core.corpus import read
from core.groups import groups
from core.report.search import Point, trials
from core.training.settings import TrainParams
from core.trials import TUNE, best, noted
from core.trials import trials as tried
from core.tune import asked
from core.workspace import Workspace
from tests.invariants import slots
from tests.test_project import harbour
from tests.test_tune import TOWN, begin, carry_out, found_in, good, marked, serve


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A workspace with the harbour sentences as a project, and a search of four trials that has ended."""
    space, project = harbour(tmp_path_factory.mktemp("tune"))
    train = replace(TrainParams(steps=8, learning_rate=1e-2), model=str(tiny_model))
    projects.edit(space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=train)), {"event": "train"})
    slots(space.store, train=0)
    run = begin(space, trials=4, repeats=1)
    assert serve(space, run, good).state == "succeeded"
    return space.root


@pytest.fixture
def space(opened: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(opened, tmp_path / "ws"))


def words(at: AppTest) -> str:
    found = [element.value for kind in (at.markdown, at.caption, at.info, at.warning, at.error) for element in kind]
    return "\n".join(found).replace("\\", "").replace("\u2060", "")


def button(at: AppTest, start: str):
    return next(found for found in at.button if found.label.replace("\\", "").startswith(start))


def test_mix_shows_the_search_and_its_settings_can_be_used_and_undone(space, open_page):
    at = open_page(space.root, "mix", project=TOWN)
    [run] = space.store.list(TUNE)
    found = found_in(space, run)
    top = best(found)
    assert top.number > 0
    assert f"Trial {top.number}** did best on dev: F1 of all labels {100 * top.value:.1f} %" in words(at)
    assert "flatters itself" in words(at) and "All 4 trials are through" in words(at)
    table = next(one.value for one in at.dataframe if "reached" in one.value)
    assert list(table["trial"]) == [0, 1, 2, 3] and list(table["reached"]) == [100 * one.value for one in found]
    had = projects.load(space, TOWN).recipe.train
    at = button(at, "Use these settings").click().run()
    assert not at.exception and projects.load(space, TOWN).recipe.train == top.train
    assert "The project uses these settings now" in words(at)
    at = next(one for one in at.button if one.key == f"tune_undo_{run.id}").click().run()
    assert not at.exception and projects.load(space, TOWN).recipe.train == had


def test_mix_asks_for_a_search_with_the_ranges_that_were_set(space, open_page):
    at = open_page(space.root, "mix", project=TOWN)
    at.multiselect(f"mix_tune_names_{TOWN}").set_value(["learning_rate", "head"]).run()
    assert not at.exception
    at.number_input(f"mix_tune_learning_rate_{TOWN}_high").set_value(2e-3)
    at.number_input(f"mix_tune_trials_{TOWN}").set_value(3)
    at.number_input(f"mix_tune_repeats_{TOWN}").set_value(1).run()
    assert "At most 3 runs" in words(at)
    at = at.button(f"mix_tune_ask_{TOWN}").click().run()
    assert not at.exception and not at.error, at.error
    newest = space.store.list(TUNE)[0]
    params = asked(space, newest.id)
    assert list(params.search.ranges) == ["learning_rate", "head"]
    assert params.search.ranges["learning_rate"].high == 2e-3
    assert params.search.ranges["head"].choices == ("suited", "fresh", "solved")
    assert (params.search.trials, params.search.repeats, params.project) == (3, 1, TOWN)
    assert params.training.train.learning_rate == 1e-2 and params.training.train.steps == 8
    assert button(at, "Cancel")
    button(at, "Cancel").click().run()
    assert serve(space, newest, good).state == "cancelled"
    at = open_page(space.root, "mix", project=TOWN)
    assert "This search was cancelled." in words(at) and button(at, "Go on with it")


def test_a_range_that_is_none_is_told(space, open_page):
    at = open_page(space.root, "mix", project=TOWN)
    at.multiselect(f"mix_tune_names_{TOWN}").set_value([]).run()
    assert not at.exception and at.error and not [b for b in at.button if b.key == f"mix_tune_ask_{TOWN}"]
    at.multiselect(f"mix_tune_names_{TOWN}").set_value(["dropout"]).run()
    at.number_input(f"mix_tune_dropout_{TOWN}_low").set_value(0.9).run()
    assert not at.exception and at.error


def test_runs_lists_a_search_in_one_line_and_opens_it(space, open_page):
    at = open_page(space.root, "runs", project=TOWN)
    [run] = space.store.list(TUNE)
    [lines] = [one.value for one in at.dataframe if "mix" in one.value]
    assert list(lines["mix"]) == ["Search for settings: gold only"]
    assert list(lines["state"]) == ["4 of 4 done"]
    assert f"Trial {best(found_in(space, run)).number}** did best" in words(at)
    for axis in ("learning_rate", "dropout"):
        at = open_page(space.root, "runs", project=TOWN, along=axis)
        assert at.session_state["along"] == axis and at.get("plotly_chart")


def test_the_best_is_confirmed_from_the_page(space, open_page):
    at = open_page(space.root, "runs", project=TOWN)
    [run] = space.store.list(TUNE)
    dev = next(iter(groups(space, TOWN))).corpora["dev"]
    found = found_in(space, run)
    for one in found:
        for trained in one.runs.values():
            marked(space, trained.id, read(space.corpus_path(dev)), 3)
    at = open_page(space.root, "runs", project=TOWN)
    at = button(at, "Confirm it").click().run()
    assert not at.exception and not at.error, at.error
    waiting = space.store.list("train", "queued")
    assert len(waiting) == 8 + 7
    for one in waiting:
        marked(space, one.id, read(space.corpus_path(dev)), 3)
        carry_out(space, one, 0.5)
    at = open_page(space.root, "runs", project=TOWN)
    assert "On 8 fresh repeats" in words(at) and "flatters itself" not in words(at)
    assert len(tried(space, TOWN, noted(space, TOWN, run.id))) == 4


def test_a_search_that_lost_its_run_is_still_shown(space, open_page):
    [run] = space.store.list(TUNE)
    shutil.rmtree(space.run_folder(run.id))
    space.store.forget(run.id)
    at = open_page(space.root, "runs", project=TOWN)
    assert "The run of this search was deleted." in words(at) and "did best" in words(at)


def test_the_figure_marks_the_best_and_keeps_hostile_words_as_they_are():
    words_ = {name: name for name in ("score", "finished", "best", "unfinished", "line")} | {"axis": "<b>"}
    marks = [Point(0, 0.5, "finished", "a"), Point(1, 0.4, "unfinished", "b"), Point(2, 0.6, "best", "<i>c\n$x$")]
    found = json.loads(trials(marks, words_, line=True).to_json())
    line, *series = found["data"]
    assert line["x"] == [0, 2] and line["y"] == [50, 60]
    assert {one["marker"]["symbol"] for one in series} == {"circle", "star", "x"}
    assert "<i>" not in json.dumps(found) and "<b>" not in json.dumps(found)
    named = [Point("lora", 0.5, "best", ""), Point("full", 0.4, "finished", "")]
    found = json.loads(trials(named, words_, choices=["full", "lora"]).to_json())
    assert sorted(one["x"][0] for one in found["data"]) == [0, 1]
