"""The best of many mixes on fresh seeds: which they are, what they say, and that they stay apart."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import project as projects
from core.confirm import asked, confirm, confirmation, fresh_only, fresh_seeds, go_on, only
from core.contrast import by_dev
from core.errors import CoreError
from core.evaluation.comparison import compare, measure
from core.groups import Group, counts_of, group_of, groups, history
from core.settle import SettleParams, ask
from core.submit import wait
from core.workspace import Workspace
from tests.crowd import early

SMALL = "small"  # the sample's project before its last repeats: those are found finished when they are asked for


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample, and its project as it was after five repeats; one mix had six."""
    space = Workspace.open(tmp_path_factory.mktemp("study") / "ws")
    early(space, SMALL, {"mention swaps": 6}, 5)
    return space.root


@pytest.fixture
def study(opened: Path, tmp_path: Path) -> tuple[Workspace, dict[str, Group]]:
    space = Workspace.open(shutil.copytree(opened, tmp_path / "ws"))
    return space, now(space)


def now(space: Workspace) -> dict[str, Group]:
    return {group.name: group for group in groups(space, SMALL)}


def f1(space: Workspace, group: Group, baseline: Group, split: str = "dev"):
    before, after = (measure(counts_of(space, one, split)) for one in (baseline, group))
    return compare(before, after).overall.difference["f1"]


def test_what_fresh_repeats_leave_of_a_lead(study):
    space, found = study
    baseline, best = found["gold only"], found["harbour news"]
    first = f1(space, best, baseline)
    ids = confirm(space, SMALL, best, baseline, 4, repeats=2)
    assert all(space.store.get(id).state == "succeeded" for id in ids)
    assert fresh_seeds(space, SMALL, best.id) == {6, 7}  # above the sixth of another mix
    assert asked(space, SMALL, best.id, baseline.id).seeds == (6, 7)
    again = now(space)
    assert again["gold only"] == baseline and sorted(again["harbour news"].runs) == [0, 1, 2, 3, 4, 6, 7]
    assert len(counts_of(space, again["harbour news"], "dev")) == 7
    fresh = fresh_only(space, SMALL, again["harbour news"])
    assert sorted(fresh.runs) == [6, 7] and len(counts_of(space, fresh, "dev")) == 2
    got = confirmation(space, SMALL, again["harbour news"], baseline)
    assert (got.of, got.first, got.finished, got.asked, got.pending) == (4, first.value, 2, 2, 0)
    assert got.fresh == f1(space, fresh, baseline) and got.fresh.interval is not None
    assert got.shrinkage == first.value - got.fresh.value
    assert got.verdict == "few_repeats"
    test = confirmation(space, SMALL, again["harbour news"], baseline, "test")
    assert test.first == f1(space, best, baseline, "test").value and test.fresh == f1(space, fresh, baseline, "test")
    assert go_on(space, SMALL, best, baseline) == ids
    assert confirmation(space, SMALL, found["mention swaps"], baseline) is None
    assert go_on(space, SMALL, found["mention swaps"], baseline) == []


def test_what_was_chosen_by_stays_what_it_was(study):
    space, found = study
    baseline, worst = found["gold only"], found["auto-labelled archive"]
    first = f1(space, worst, baseline).value
    confirm(space, SMALL, worst, baseline, 3, repeats=2)
    launched = history(space, "newsroom").groups[worst.id]  # more repeats that are not fresh: those of the sample
    every = group_of(launched, {run.id: run for run in space.store.find(launched.runs)})
    assert confirmation(space, SMALL, every, baseline).first == first
    assert confirmation(space, SMALL, every, baseline, "test").first != pytest.approx(first)
    assert sorted(only(every, [1, 2, 99]).runs) == [1, 2]


def test_it_is_refused_before_anything_is_noted(study):
    space, found = study
    before = projects.history_file(space, SMALL).read_bytes()
    with pytest.raises(CoreError) as error:
        confirm(space, SMALL, found["harbour news"], found["gold only"], 4, repeats=1)
    assert error.value.code == "confirm_repeats"
    assert projects.history_file(space, SMALL).read_bytes() == before
    for odd in ({"group": 3}, {"group": "g", "baseline": "b", "of": "many", "first": 0.1, "seeds": [1]}, {}):
        projects.record(space, SMALL, {"event": "confirm", **odd})  # as an archive could have it
    assert asked(space, SMALL, "g", "b") is None


def test_the_command_confirms_the_best_and_then_shows_it(study, tmp_path, core):
    space, found = study
    done = core("confirm", SMALL, "--repeats", "2", "--json", "--workspace", space.root, folder=tmp_path)
    assert done.status == 0, done.stderr
    best = by_dev(space, [group for name, group in found.items() if name != "gold only"])[0]
    assert (done.json["mix"], done.json["of"], done.json["finished"]) == (best.name, 4, 2)
    got = confirmation(space, SMALL, now(space)[best.name], found["gold only"])
    assert done.json["shrinkage"] == got.shrinkage and done.json["fresh"]["value"] == got.fresh.value
    events = projects.history_file(space, SMALL).read_bytes()
    again = core("confirm", SMALL, best.name, "--json", "--workspace", space.root, folder=tmp_path)
    assert again.status == 0 and again.json == done.json
    assert projects.history_file(space, SMALL).read_bytes() == events


# The app


def page(root: str, what: str, candidates: int) -> None:
    """The parts as a page of their own."""
    from pathlib import Path

    from components.comparison import Chosen
    from components.settle import confirm, settle
    from core import project as projects
    from core.groups import groups
    from core.workspace import Workspace

    space = Workspace(Path(root))
    project = projects.load(space, "small")
    found = groups(space, "small")
    titles = {group.id: group.name for group in found}
    chosen = Chosen("dev", found[0], tuple(found[1:]), titles, {})
    if what == "settle":
        settle(space, project, chosen, next(group for group in found if group.name == "auto-labelled archive"))
    else:
        confirm(space, project, chosen, candidates)


@pytest.fixture
def part(study, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    import streamlit as st

    space, _ = study
    monkeypatch.setenv("PEIBI_HOME", str(space.root))
    st.cache_resource.clear()

    def shown(what: str, candidates: int = 4) -> AppTest:
        kwargs: dict[str, Any] = {"root": str(space.root), "what": what, "candidates": candidates}
        at = AppTest.from_function(page, kwargs=kwargs, default_timeout=60).run()
        assert not at.exception
        return at

    return shown


def words(at: AppTest) -> str:
    return "\n".join(element.value for element in (*at.markdown, *at.caption)).replace("\\", "").replace("\u2060", "")


def test_the_page_asks_and_tells_the_answer(study, part):
    space, found = study
    at = part("settle")
    assert "At most" in words(at) and "needs no new run" in words(at)
    [budget], [button] = at.number_input, at.button
    budget.set_value(7)
    [question] = at.selectbox
    assert len(question.options) == 1 + 2 * len(counts_of(space, found["gold only"], "dev")[0].names)
    at = button.click().run()
    assert not at.exception
    [run] = space.store.list("settle")
    assert [one.state for one in wait(space, [run.id], lambda runs: None)] == ["succeeded"]
    at.run()
    assert not at.exception and "auto-labelled archive** is worse than gold only" in words(at)
    assert "saved, of a budget of 7 each: 4" in words(at)
    run = ask(space, SettleParams(1, SMALL, found["gold only"].id, found["harbour news"].id, margin=0.001, budget=9))
    space.store.cancel(run.id)


def test_the_page_confirms_the_best(study, part):
    space, _ = study
    assert not part("confirm", candidates=1).button
    at = part("confirm")
    assert "is the best of 4 by dev" in words(at)
    at = at.button[0].click().run()
    assert not at.exception
    [event] = [event for event in projects.events(space, SMALL) if event["event"] == "confirm"]
    assert len(event["seeds"]) == 8 and event["of"] == 4
    queued = space.store.list("train", "queued")
    assert len(queued) == 6  # two of the eight are there already
    assert "2 fresh repeats" in words(at) and "flattered" not in words(at)
    for run in queued:
        space.store.cancel(run.id)
    at = part("confirm")
    assert "flattered itself" in words(at) and "2 of 8 fresh repeats ended well" in words(at)
    assert [button.label for button in at.button] == ["Try the others again"]
    at.button[0].click().run()
    assert len(space.store.list("train", "queued")) == 6
