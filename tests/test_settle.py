"""Adding repeats until a question is settled: what decides, and the run that does it, killed and cancelled."""

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invariants import check, kill, processes, slots, until

from core import project as projects
from core.errors import CoreError
from core.evaluation.verdicts import MARGIN
from core.groups import LAUNCH, Group, groups
from core.jobs.folder import last_metrics, locked
from core.jobs.run import Exit, Run
from core.launch import launch, plan_launch, standing
from core.mix import Mix
from core.repeats import group_now, next_seeds
from core.scores import Counts
from core.settle import SettleParams, ask, cost, decide, look, newest, sequential_pairs, wanted
from core.submit import wait
from core.workspace import Workspace
from tests.crowd import early
from tests.test_project import harbour

PATIENCE = 600.0  # seconds: trainings on a busy machine
SMALL = "small"  # the sample's project as it was after its first repeats: the others are found finished when asked for


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the sample, and its project as it was after two repeats."""
    space = Workspace.open(tmp_path_factory.mktemp("study") / "ws")
    early(space, SMALL, {}, 2)
    return space.root


@pytest.fixture
def study(opened: Path, tmp_path: Path) -> tuple[Workspace, dict[str, Group]]:
    """A workspace in which no training starts by itself, and the groups of a project, by name."""
    space = Workspace.open(shutil.copytree(opened, tmp_path / "ws"))
    return space, {group.name: group for group in groups(space, SMALL)}


def question(found: dict[str, Group], other: str, **more) -> SettleParams:
    return SettleParams(time.time_ns(), SMALL, found["gold only"].id, found[other].id, **more)


def end(space: Workspace, run: Run) -> Run:
    """A run once it has ended; nobody but the process that waits starts anything meanwhile."""
    return until(lambda: not (now := space.store.get(run.id)).pending and now, PATIENCE)


def seeds(space: Workspace, group: Group) -> list[int]:
    return sorted(group_now(space, SMALL, group.id).runs)


def launched(space: Workspace) -> Counter[tuple[str, int]]:
    """How often each seed of each group was launched."""
    events = [event for event in projects.events(space, SMALL) if event["event"] == LAUNCH]
    return Counter((event["group"], seed) for event in events for seed in event["seeds"].values())


def aside(space: Workspace, found: Sequence[Group], first: int) -> dict[str, Path]:
    """Take the finished runs of the sample from a seed on away: they are to be carried out. -> their folders, by id"""
    (space.root / "aside").mkdir()
    whole = {group.id: group for group in groups(space, "newsroom")}
    runs = [run for group in found for seed, run in whole[group.id].runs.items() if seed >= first]
    places = {run.id: space.root / "aside" / run.id for run in runs}
    space.store.remove_all(places)
    return places


def carry_out(space: Workspace, places: dict[str, Path], number: int, failed: bool = False) -> None:
    """Do what a training would do with so many that wait, once they are there: their results were kept."""
    error = CoreError("internal", {"what": "asked to fail"}).to_json() if failed else None
    for run in until(lambda: len(found := [*space.store.list("train", "queued")]) >= number and found, PATIENCE):
        with locked(space.root / "dispatch.lock"):  # nobody looks for its process meanwhile
            claimed = space.store.claim(run.id)
            for path in () if failed else places[run.id].glob("predictions-*"):
                shutil.copy(path, space.run_folder(run.id))
            state = "failed" if failed else "succeeded"
            space.store.end(run.id, Exit(claimed.attempt, state, time.time(), error=error))


def quiet(runs: Sequence[Run]) -> None:
    return None


# What decides


def test_seeds_are_those_of_the_partner_first_and_never_used_ones():
    assert next_seeds({0, 1, 2}, {0, 1, 2}, 2) == [3, 4]
    assert next_seeds({0, 1}, {0, 1, 4, 7}, 3) == [4, 7, 2]
    assert next_seeds({0, 1, 2, 5}, {0, 1}, 2) == [3, 4]
    assert next_seeds(set(), {9}, 0) == []


@pytest.mark.parametrize(
    ("have", "used", "at_once", "next"),
    [
        ((8, 1), (8, 1), 1, (0, 4)),  # before the first look
        ((5, 5), (5, 5), 1, (1, 1)),
        ((5, 5), (5, 5), 6, (3, 3)),  # as many as there are slots
        ((8, 5), (8, 5), 2, (0, 2)),  # the smaller group catches up
        ((8, 5), (8, 5), 9, (0, 3)),
        ((9, 9), (9, 10), 1, (1, 0)),  # one was tried in vain: that group has spent the budget
        ((10, 10), (10, 10), 4, (0, 0)),
        ((20, 10), (20, 10), 4, (0, 0)),
    ],
)
def test_what_is_added_next(have, used, at_once, next):
    assert wanted(have, used, SettleParams(0, "p", "a", "b", start=5, budget=10), at_once) == next


def test_a_claim_needs_its_own_p_value_and_a_difference():
    assert decide(0.03, 0.04, 0.9) == ("better", 0.04)
    assert decide(-0.03, 0.04, 0.01) == ("worse", 0.04)  # by little, but worse
    assert decide(0.001, 0.5, 0.05) == ("same", 0.05)
    assert decide(0.03, 0.06, 0.9) == ("open", 0.06)
    assert decide(1e-17, 0.0, 0.9) == ("open", 0.0)  # equal but for rounding


def counts(rng: np.random.Generator, recall: float) -> Counts:
    gold = np.ones((300, 2), np.int32)
    tp = (rng.random((300, 2)) < recall).astype(np.int32)
    return Counts(("A", "B"), tp, tp + (rng.random((300, 2)) < 0.1), gold)


def test_a_look_finds_what_is_there_and_nothing_between_equals():
    rng = np.random.default_rng(0)
    base = [counts(rng, 0.6) for _ in range(5)]
    better, equal = [counts(rng, 0.9) for _ in range(5)], [counts(rng, 0.6) for _ in range(5)]
    params = SettleParams(0, "p", "a", "b", label="A", metric="recall")
    found = look(base, better, params)
    assert found.verdict == "better" and found.p <= 0.05 and found.interval and found.interval[0] > 0
    assert 0.2 < found.value < 0.4
    assert look(base, equal, params).verdict == "open"
    with pytest.raises(CoreError) as error:
        look(base, equal, SettleParams(0, "p", "a", "b", label="C"))
    assert error.value.code == "settle_label" and error.value.values["known"] == "A, B"


def test_a_question_is_refused_before_it_costs_anything(study):
    space, found = study
    for params, code in (
        (question(found, "gold only"), "settle_not_comparable"),
        (question(found, "mention swaps", start=5, budget=4), "settle_budget"),
        (question(found, "mention swaps", margin=2.0), "bad_value"),
        (SettleParams(0, SMALL, found["gold only"].id, "nobody"), "group_unknown"),
        (SettleParams(0, "nowhere", found["gold only"].id, "nobody"), "group_unknown"),
    ):
        with pytest.raises(CoreError) as error:
            ask(space, params)
        assert error.value.code == code
    assert space.store.list("settle") == () and not sequential_pairs(space, SMALL)
    assert not (space.root / "projects" / "nowhere").exists()


# The run


def test_it_stops_at_an_answer_or_at_the_budget(study, tmp_path, core):
    space, found = study
    pair = found["gold only"], found["harbour news"]
    assert (cost(space, *pair, start=3, budget=8).least, cost(space, *pair, start=3, budget=8).most) == (2, 12)
    asked = ["settle", SMALL, "gold only", "auto-labelled archive", "--start", "3", "--budget", "8"]
    done = core(*asked, "--json", "--workspace", space.root, folder=tmp_path, timeout=PATIENCE)
    assert done.status == 0, done.stderr
    answer = done.json
    assert answer["verdict"] == "worse" and answer["p"] <= 0.05 and answer["interval"][1] < 0
    assert 3 < answer["repeats"] < 8 and answer["saved"] == 2 * (8 - answer["repeats"])
    assert answer["added"] == 2 * (answer["repeats"] - 2)
    archive = found["auto-labelled archive"]
    assert seeds(space, archive) == seeds(space, pair[0]) == [*range(answer["repeats"])]
    run = ask(space, question(found, "harbour news", margin=0.0001, start=3, budget=4))
    [ended] = wait(space, [run.id], quiet)
    assert ended.state == "succeeded"
    result = space.result(run.id)
    assert (result["verdict"], result["repeats"], result["saved"]) == ("open", 4, 0)
    assert seeds(space, found["harbour news"]) == [0, 1, 2, 3]
    assert (
        last_metrics(space.run_folder(run.id))[-1]["step"] == last_metrics(space.run_folder(run.id))[-1]["total"] == 4
    )
    base, news = (group.id for group in pair)
    assert sequential_pairs(space, SMALL) == {
        *((base, archive.id), (archive.id, base)),
        *((base, news), (news, base)),
    }
    assert newest(space, SMALL, base, news).id == run.id and newest(space, SMALL, news, base) is None
    assert max(launched(space).values()) == 1


@pytest.mark.parametrize("where", [pytest.param("while it waits", marks=pytest.mark.whole), "settle.noted"])
def test_killed_it_goes_on_with_the_same_seeds(study, monkeypatch, where):
    space, found = study
    pair = [found["gold only"], found["harbour news"]]
    places = aside(space, pair, 2)
    if where != "while it waits":
        monkeypatch.setenv("PEIBI_FAULT", f"{where}:1")
    run = ask(space, question(found, "harbour news", margin=0.0001, start=2, budget=4))
    monkeypatch.delenv("PEIBI_FAULT", raising=False)
    if where == "while it waits":
        until(lambda: len(space.store.list("train", "queued")) == 2, PATIENCE)
        kill(until(lambda: processes(space.root, run.id, "core.jobs.trainer"), PATIENCE)[0])
    until(lambda: space.store.get(run.id).attempt == 2, PATIENCE)
    for _ in (2, 3):
        carry_out(space, places, 2)
    end(space, run)
    assert space.result(run.id)["repeats"] == 4 and space.result(run.id)["added"] == 4
    assert [seeds(space, group) for group in pair] == [[0, 1, 2, 3]] * 2
    assert max(launched(space).values()) == 1
    assert sum(event["event"] == "settle" for event in projects.events(space, SMALL)) == 1
    assert space.store.get(run.id).attempt == 2
    until(lambda: not processes(space.root), PATIENCE)


def test_cancelled_it_calls_off_what_waits_and_tried_again_it_goes_on(study):
    space, found = study
    pair = [found["gold only"], found["harbour news"]]
    places = aside(space, pair, 2)
    run = ask(space, question(found, "harbour news", margin=0.0001, start=2, budget=3))
    waiting = until(lambda: len(queued := space.store.list("train", "queued")) == 2 and queued, PATIENCE)
    space.store.cancel(run.id)
    end(space, run)
    assert space.store.get(run.id).state == "cancelled"
    assert {space.store.get(one.id).state for one in waiting} == {"cancelled"}
    space.resubmit(run.id)
    carry_out(space, places, 2)
    end(space, run)
    assert (space.result(run.id)["verdict"], space.result(run.id)["repeats"]) == ("open", 3)
    assert max(launched(space).values()) == 1


def test_a_repeat_that_failed_is_skipped_and_two_in_a_row_end_it(study):
    space, found = study
    pair = [found["gold only"], found["harbour news"]]
    places = aside(space, pair, 2)
    run = ask(space, question(found, "harbour news", margin=0.0001, start=2, budget=8))
    carry_out(space, places, 2, failed=True)
    carry_out(space, places, 2)
    for _ in range(2):
        carry_out(space, places, 2, failed=True)
    end(space, run)
    error = space.store.get(run.id).error
    assert space.store.get(run.id).state == "failed" and error["code"] == "settle_failures"
    assert seeds(space, pair[0]) == [0, 1, 2, 3, 4, 5] and max(launched(space).values()) == 1


def test_its_trainings_start_though_nobody_looks(study):
    """The encoder is an empty folder: the trainings fail as soon as they look for it."""
    space, found = study
    aside(space, [found["harbour news"]], 2)
    slots(space.store, train=1)
    run = ask(space, question(found, "harbour news", start=4, budget=4))
    end(space, run)
    assert space.store.get(run.id).error["code"] == "settle_failures"
    assert [one.attempt for one in space.store.list("train", "failed")] == [1, 1]
    until(lambda: not processes(space.root), PATIENCE)


@pytest.mark.whole
@pytest.mark.timeout(900)
def test_it_trains_until_the_budget_with_nobody_there(tmp_path, tiny_model):
    space, project = harbour(tmp_path)
    train = replace(project.recipe.train, steps=2, model=str(tiny_model), evaluations=1)
    project = projects.edit(
        space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=train)), {"event": "train"}
    )
    stage = standing(space, project).stage
    mixes = {"one": Mix(), "other": Mix(seed=1)}  # the same but for the order of its draw
    wait(space, launch(space, project, stage, plan_launch(space, project, stage, mixes, [0])), quiet)
    one, other = groups(space, project.slug)
    run = ask(space, SettleParams(time.time_ns(), project.slug, one.id, other.id, margin=MARGIN, start=2, budget=2))
    kill(until(lambda: processes(space.root, run.id, "core.jobs.trainer"), PATIENCE)[0])
    end(space, run)
    assert space.store.get(run.id).state == "succeeded", space.store.get(run.id).error
    assert space.result(run.id)["repeats"] == 2 and space.result(run.id)["verdict"] == "open"
    assert [sorted(group.runs) for group in groups(space, project.slug)] == [[0, 1], [0, 1]]
    until(lambda: not processes(space.root), PATIENCE)
    check(space.store, [run.id])
