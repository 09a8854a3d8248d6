"""Searching for a mix: the run, killed and cancelled, what it reuses, and what comes of it."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invariants import check as check_runs
from invariants import processes, slots, until
from streamlit.testing.v1 import AppTest

from core import contrast, forecasting
from core import project as projects
from core.corpus import Corpus
from core.corpus import read as read_corpus
from core.errors import CoreError
from core.forecast.preparing import ForecastParams
from core.groups import SEARCH
from core.jobs.folder import Run, last_metrics, locked, read_json, write_json
from core.jobs.run import Exit
from core.launch import launch, plan_launch, standing, start_pool
from core.mix import Mix, Part
from core.mix_found import adopt, baselines, use
from core.mix_found import found as found_by
from core.mix_fresh import confirm, fresh, go_on, held
from core.mix_search import Frame, Options, ask, newest
from core.mix_trials import Condition, MixSearch, Step, begun, searches, steps, survey
from core.models.catalogue import DEFAULT, install
from core.params import canonical
from core.recipe import AugmentedIngredient
from core.recipe_text import mix_name
from core.runs import RunSpec
from core.submit import result_of
from core.training import predictions
from core.training.settings import TrainParams
from core.workspace import Workspace
from tests.test_project import harbour

PATIENCE = 240.0  # seconds: processes on a busy machine
TOWN = "harbour-town"
MOST = {"others": 2.0, "swapped": 2.0}
Reach = Callable[[Mapping[str, float], int], float]  # of amounts, times gold, and seed: 0..1


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A workspace with the harbour sentences and two ingredients, in which no training starts by itself."""
    space, project = harbour(tmp_path_factory.mktemp("search"))
    train = TrainParams(steps=4, evaluations=1, learning_rate=1e-3, model=str(tiny_model))
    parts = {"others": AugmentedIngredient("mention_replacement"), "swapped": AugmentedIngredient("swap")}

    def change(found: projects.Project) -> projects.Project:
        return replace(found, recipe=replace(found.recipe, train=train, ingredients=parts))

    project = projects.edit(space, project.slug, change, {"event": "train"})
    started = [start_pool(space, project, name) for name in parts]
    for one in started:
        result_of(space, one, lambda runs: None)
    slots(space.store, train=0)
    return space.root


@pytest.fixture
def space(opened: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(opened, tmp_path / "ws"))


def begin(space: Workspace, options: Options | None = None, **more) -> Run:
    project = projects.load(space, TOWN)
    stage = standing(space, project).stage
    assert stage is not None
    return ask(space, project.recipe, stage, MixSearch(MOST, **more), options)[0]


def frame_of(space: Workspace, run: Run) -> Frame:
    return Frame.of(space, RunSpec.from_json(read_json(space.run_folder(run.id) / "spec.json")))


def steps_of(space: Workspace, run: Run) -> list[Step]:
    found = begun(space, TOWN, run.id)
    return steps(space, TOWN, found) if found else []


def dev_of(space: Workspace) -> Corpus:
    stage = standing(space, projects.load(space, TOWN)).stage
    assert stage is not None
    return read_corpus(space.corpus_path(stage.imported["corpora"]["dev"]))


def amounts_of(space: Workspace, run_id: str) -> tuple[dict[str, float], int]:
    """What a training mixed, times gold, and its seed."""
    params = read_json(space.run_folder(run_id) / "spec.json")["params"]
    rows = {name: part["amount"] if isinstance(part, dict) else part for name, part in params["mix"]["parts"].items()}
    return {name: n / rows["gold"] for name, n in rows.items() if name != "gold"}, params["seed"]


def carry_out(space: Workspace, run: Run, share: float, dev: Corpus) -> None:
    """Do what a training would do whose predictions are right in that share of dev's rows, and empty in the others."""
    tags = dev.table.column("tags").to_pylist()
    right = round(share * len(tags))
    values = [row if at < right else ["O"] * len(row) for at, row in enumerate(tags)]
    kept = predictions.Predictions(values, [[1.0] * len(row) for row in tags], 0.0)
    with locked(space.root / "dispatch.lock"):  # nobody looks for its process meanwhile
        claimed = space.store.claim(run.id)
        if claimed is None:  # called off meanwhile
            return
        folder = space.run_folder(run.id)
        predictions.write(predictions.file_of(folder, dev.id), dev, kept)
        write_json(folder / "result.json", {"best_dev": share})
        (folder / "model").mkdir()
        space.store.end(run.id, Exit(claimed.attempt, "succeeded", time.time(), error=None, score=share))


def fail(space: Workspace, run: Run) -> None:
    with locked(space.root / "dispatch.lock"):
        claimed = space.store.claim(run.id)
        if claimed is not None:
            error = CoreError("internal", {"what": "asked to"}).to_json()
            space.store.end(run.id, Exit(claimed.attempt, "failed", time.time(), error=error))


def serve(space: Workspace, run: Run, reach: Reach) -> Run:
    """Carry out what a search queues, until it has ended. -> the run of the search"""
    dev = dev_of(space)

    def turn() -> bool:
        for one in space.store.list("train", "queued"):
            carry_out(space, one, reach(*amounts_of(space, one.id)), dev)
        return not space.store.get(run.id).pending

    until(turn, PATIENCE)
    return space.store.get(run.id)


def swapped_helps(amounts: Mapping[str, float], seed: int) -> float:
    """Up to 1 x gold of `swapped`; `others` hurts. A little chance of seeds."""
    swapped, others = amounts.get("swapped", 0.0), amounts.get("others", 0.0)
    return 0.4 + 0.4 * min(swapped, 1.0) - 0.2 * others**0.5 * (others > 0) + 0.04 * (seed % 2)


RUNS = 12


@pytest.fixture(scope="module")
def through(opened: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has ended."""
    space = Workspace.open(shutil.copytree(opened, tmp_path_factory.mktemp("through") / "ws"))
    done = serve(space, begin(space, runs=RUNS), swapped_helps)
    assert done.state == "succeeded", done.error
    return space.root


@pytest.fixture
def ran(through: Path, tmp_path: Path) -> tuple[Workspace, Run]:
    space = Workspace.open(shutil.copytree(through, tmp_path / "ran"))
    run = newest(space, TOWN)
    assert run is not None
    return space, run


def test_it_finds_the_mix_halves_on_seeds_and_says_what_it_found(ran):
    space, run = ran
    found, result = steps_of(space, run), space.result(run.id)
    first = found[0]
    assert first.amounts == {} and found[1].amounts == {"others": 0.5, "swapped": 0.5}
    assert result["amounts"].get("swapped", 0) >= 0.7 and result["amounts"].get("others", 0) <= 0.25
    assert sum(one.finished for one in found) == result["runs"] == result["known"] == RUNS
    assert len(first.runs) == 4  # gold only gets all repeats
    repeats = sorted((len(one.runs) for one in found), reverse=True)
    assert repeats[0] == 4 and repeats[-1] == 1 and result["mixes"] == len(found) < result["runs"]
    assert result["stopped"] == "runs"
    assert not any((space.run_folder(r.id) / "model").exists() for one in found for r in one.runs.values())
    lines = last_metrics(space.run_folder(run.id))
    assert lines[-1]["best"] == result["group"] and lines[-1]["total"] == RUNS
    assert contrast.finished(space, TOWN) == []  # no candidates
    assert newest(space, "other") is None
    assert begin(space, runs=RUNS).id == run.id  # the same question


def test_the_mix_is_held_against_its_baselines_on_fresh_seeds(ran):
    space, run = ran
    before, dev = found_by(space, TOWN, run.id), dev_of(space)
    others = baselines(before)
    assert others["gold"] == {} and set(others) <= {"gold", "everything", "single", "even"}
    assert others["everything"] == {"others": 1.0, "swapped": 1.0} and len(others["single"]) == 1
    assert fresh(space, TOWN, run.id) is None
    ids = confirm(before, repeats=5)
    top = set(ids[:: 1 + len(others)])
    asked = fresh(space, TOWN, run.id)
    assert len(ids) == len(set(ids)) == 5 * (1 + len(others)) and asked.seeds == (4, 5, 6, 7, 8)
    assert held(space, TOWN, asked, before.begun.search)["gold"].verdict is None
    for at, one in enumerate(ids):
        carry_out(space, space.store.get(one), 1.0 if one in top else 0.1 * (at % 2), dev)
    told = held(space, TOWN, asked, before.begun.search)
    assert told["gold"].verdict == "better" and told["gold"].finished == 5 and told["gold"].pending == 0
    assert told["gold"].fresh.value > 0.8 and told["gold"].first == pytest.approx(before.lead[0])
    assert {group.id for group in contrast.finished(space, TOWN)} == set(asked.groups)  # mixes like any other now
    assert go_on(space, TOWN, asked) == [id for at in range(1 + len(others)) for id in ids[at :: 1 + len(others)]]
    after = found_by(space, TOWN, run.id)
    assert after.amounts == before.amounts and sum(after.now.done) == sum(before.now.done) + len(ids)
    had = use(after)
    assert projects.load(space, TOWN).recipe.mix == after.mix != had


def test_what_ingredients_are_worth_and_how_far_they_can_go(ran):
    space, run = ran
    told = found_by(space, TOWN, run.id)
    even = next(one.group for one in told.steps if one.amounts == {"others": 0.5, "swapped": 0.5})
    mixed = replace(told, result={"group": even})
    shares = {mixed.names[share.ingredient]: share for share in mixed.attribution("", "f1").shares}
    assert shares["swapped"].value.sign == 1 and shares["others"].value.sign == -1
    low, high = told.spans["swapped"]
    assert low <= told.amounts["swapped"] + 0.1 and high >= told.amounts["swapped"] - 0.1 and low > 0.2
    assert told.spans["others"][1] < 2.0
    bound = replace(told.now.search, condition=Condition(0.99, "", "recall"))
    assert told.meets and not replace(told, now=replace(told.now, search=bound)).meets


def test_the_command_shows_what_was_found(ran, tmp_path, core):
    space, run = ran
    over = [word for name, most in MOST.items() for word in ("--over", f"{name}={most}")]
    place = ["--workspace", space.root]
    shown = core(
        "search", TOWN, *over, "--runs", str(RUNS), "--use", "--json", *place, folder=tmp_path, timeout=PATIENCE
    )
    assert shown.status == 0, shown.stderr
    told = shown.json
    assert told["run"] == run.id and told["confirmation"] is None and len(told["path"]) == told["mixes"]
    assert set(told["good"]) == set(MOST) and "swapped" in told["values"][""]
    assert projects.load(space, TOWN).recipe.mix == found_by(space, TOWN, run.id).mix
    listed = core("board", "--group", f"{TOWN}/{run.id}", *place, folder=tmp_path)
    assert listed.status == 0 and "0.5x others + 0.5x swapped" in listed.stdout, listed.stderr
    refused = core("search", TOWN, "--least", "f9=0.5", "--json", *place, folder=tmp_path)
    assert refused.status == 2 and refused.json["error"]["code"] == "bad_value"


def test_what_was_trained_before_counts_whoever_launched_it(space):
    project, dev = projects.load(space, TOWN), dev_of(space)
    stage = standing(space, project).stage
    mixes = {"gold only": Mix(), "swaps": Mix({"swapped": Part(1.0)}), "part of gold": Mix({"gold": Part(0.5)})}
    for one in launch(space, project, stage, plan_launch(space, project, stage, mixes, [0, 1])):
        carry_out(space, space.store.get(one), swapped_helps(*amounts_of(space, one)), dev)
    run = begin(space, runs=4)
    frame = frame_of(space, run)
    before = survey(space, TOWN, frame.params.search, frame.ground)
    assert [mixed.name for mixed in before.mixes] == ["gold only", "swaps"]  # half of gold is other ground
    assert before.rows.tolist() == [[0, 0], [0, 1]] and before.done == [2, 2]  # without `others` is none of it
    tight = replace(before.search, most=dict.fromkeys(MOST, 0.5))
    assert before.best == 1 and survey(space, TOWN, tight, frame.ground).best == 0  # 1 x gold is more than was allowed
    assert serve(space, run, swapped_helps).state == "succeeded"
    found, result = steps_of(space, run), space.result(run.id)
    assert result["known"] == result["runs"] + 4
    assert not any(one.amounts == {} and 0 in one.seeds for one in found)  # gold only needs no first seed
    assert {group.name for group in contrast.finished(space, TOWN)} == set(mixes)


@pytest.mark.whole
def test_killed_it_goes_on_with_the_same_mixes(ran, space, monkeypatch):
    """Beside a search that nobody disturbed."""
    calm, other = ran
    monkeypatch.setenv("PEIBI_FAULT", "search.noted:7")
    run = begin(space, runs=RUNS)
    monkeypatch.delenv("PEIBI_FAULT")
    assert serve(space, run, swapped_helps).state == "succeeded"
    assert space.store.get(run.id).attempt == 2
    assert sum(event["event"] == SEARCH for event in projects.events(space, TOWN)) == 1
    tried, undisturbed = (
        [(one.amounts, sorted(one.runs)) for one in steps_of(*there)] for there in ((space, run), (calm, other))
    )
    assert tried == undisturbed
    until(lambda: not processes(space.root), PATIENCE)
    check_runs(space.store, [run.id])


@pytest.mark.whole
def test_cancelled_it_calls_off_what_waits_and_tried_again_it_goes_on(space):
    run = begin(space, runs=4)
    until(lambda: space.store.list("train", "queued"), PATIENCE)
    space.store.cancel(run.id)
    until(lambda: not space.store.get(run.id).pending, PATIENCE)
    assert {one.state for one in space.store.list("train")} == {"cancelled"}
    space.resubmit(run.id)
    assert serve(space, run, swapped_helps).state == "succeeded"
    assert sum(one.finished for one in steps_of(space, run)) == 4


@pytest.mark.whole
def test_trainings_that_fail_end_it(space):
    run = begin(space)

    def turn() -> bool:
        for one in space.store.list("train", "queued"):
            fail(space, one)
        return not space.store.get(run.id).pending

    until(turn, PATIENCE)
    assert space.store.get(run.id).state == "failed" and space.store.get(run.id).error["code"] == "search_failures"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"runs": 1}, "bad_value"),
        ({"label": "X"}, "settle_label"),
        ({"condition": Condition(0.5, "X")}, "settle_label"),
        ({"most": {}}, "search_empty"),
        ({"most": {"nothing": 1.0}}, "unknown_ingredient"),
        ({"most": {"gold": 1.0}}, "unknown_ingredient"),
    ],
)
def test_a_search_is_refused_before_it_costs_anything(opened, more, code):
    space = Workspace.open(opened)
    project = projects.load(space, TOWN)
    stage = standing(space, project).stage
    with pytest.raises(CoreError) as error:
        ask(space, project.recipe, stage, replace(MixSearch(MOST), **more))
    assert error.value.code == code
    assert space.store.list(SEARCH) == () and searches(space, TOWN) == []


def words(at: AppTest) -> str:
    found = [element.value for kind in (at.markdown, at.caption, at.info, at.warning, at.error) for element in kind]
    return "\n".join(found).replace("\\", "").replace("\u2060", "")


def test_the_page_mix_shows_what_was_found_and_takes_it_in_hand(ran, open_page):
    space, run = ran
    at = open_page(space.root, "mix", project=TOWN)
    told = found_by(space, TOWN, run.id)
    assert f"Most is expected of {mix_name(told.mix)}" in words(at).replace("**", "") and "flatters itself" in words(at)
    table = next(one.value for one in at.dataframe if "expected" in one.value)
    assert list(table["repeats"]) == [one.finished for one in told.steps]
    assert len(at.get("plotly_chart")) >= 2
    at = at.button(f"search_use_{run.id}").click().run()
    assert not at.exception and at.session_state[f"mix_history_{TOWN}"].mix.parts.keys() == told.mix.parts.keys()
    at = open_page(space.root, "mix", project=TOWN, along_mix="swapped", and_mix="others")
    assert not at.exception and at.session_state["and_mix"] == "others"
    at = at.button(f"search_confirm_{run.id}").click().run()
    asked = fresh(space, TOWN, run.id)
    assert not at.exception and len(asked.seeds) == 8
    assert "16 repeats are still to end" in " ".join(
        next(o.value for o in at.dataframe if "verdict" in o.value)["verdict"]
    )


def test_the_page_mix_asks_for_a_search_and_runs_shows_it_in_one_line(ran, open_page):
    space, before = ran
    at = open_page(space.root, "mix", project=TOWN)
    at.multiselect(f"mix_search_over_{TOWN}").set_value(["swapped"])
    at = at.run()
    at.multiselect(f"mix_search_vary_{TOWN}_swapped_copies").set_value([1, 2])
    at.number_input(f"mix_search_most_{TOWN}").set_value(1.5)
    at.number_input(f"mix_search_runs_{TOWN}").set_value(5)
    at.number_input(f"mix_search_least_{TOWN}").set_value(60.0).run()
    assert not at.exception and "At most 5 runs" in words(at)
    at = at.button(f"mix_search_ask_{TOWN}").click().run()
    assert not at.exception and not at.error, at.error
    run = newest(space, TOWN)
    search = frame_of(space, run).params.search
    both = ("swapped", "swapped copies 2")
    assert (search.most, search.runs, search.condition) == (dict.fromkeys(both, 1.5), 5, Condition(0.6))
    assert search.families == {"swapped": both}
    space.store.cancel(run.id)
    until(lambda: not space.store.get(run.id).pending, PATIENCE)
    at = open_page(space.root, "runs", project=TOWN, group=before.id)
    [lines] = [one.value for one in at.dataframe if "mix" in one.value and "state" in one.value]
    assert f"Search for a mix: {TOWN}" in list(lines["mix"])
    assert not at.exception


def by_variant(amounts: Mapping[str, float], seed: int) -> float:
    """Other mentions in every second place help, in every place they hurt; more swaps hurt."""
    hurts = amounts.get("others rate 1", 0.0) + amounts.get("swapped", 0.0)
    return 0.5 + 0.3 * min(amounts.get("others rate 0.5", 0.0), 1.0) - 0.1 * hurts + 0.02 * (seed % 2)


@pytest.fixture(scope="module")
def varied(opened: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search over how an ingredient is made that has ended."""
    space = Workspace.open(shutil.copytree(opened, tmp_path_factory.mktemp("varied") / "ws"))
    run = begin(space, Options(vary={"others": {"rate": [0.5, 1]}}), runs=10)
    done = serve(space, run, by_variant)
    assert done.state == "succeeded", done.error
    return space.root


def test_of_an_ingredient_made_in_several_ways_it_finds_the_one_that_helps(varied, tmp_path):
    space = Workspace.open(shutil.copytree(varied, tmp_path / "ws"))
    run = newest(space, TOWN)
    told, project = found_by(space, TOWN, run.id), projects.load(space, TOWN)
    assert told.names == ["others rate 0.5", "others rate 1", "swapped"]
    assert told.begun.search.families == {"others": ("others rate 0.5", "others rate 1")}
    both = [one for one in told.steps if {"others rate 0.5", "others rate 1"} <= one.amounts.keys()]
    assert not both and {name for one in told.steps for name in one.amounts} == set(told.names)
    pools = told.frame.stage.pools
    assert len({pools[name].id for name in told.names}) == 3 and len(pools["others rate 1"]) > 0
    assert told.amounts["others rate 0.5"] >= 0.7 and "others rate 1" not in told.amounts
    assert all(len([n for n in row if n.startswith("others")]) <= 1 for row in baselines(told).values())
    low, high = told.spans["others rate 0.5"]
    assert low > 0 and low - 1e-9 <= told.amounts["others rate 0.5"] <= high + 1e-9
    assert told.around("others rate 1")[0] == 0 and (told.around("swapped") == told.row).all()
    assert told.attribution("", "f1").shares[0].ingredient == 0
    assert begin(space, Options(vary={"others": {"rate": [0.5, 1]}}), runs=10).id == run.id
    assert "others rate 0.5" not in project.ingredients
    use(told)
    after = projects.load(space, TOWN)
    assert after.ingredients["others rate 0.5"].params == {"rate": 0.5} and after.recipe.mix == told.mix
    assert adopt(told) == [] and "others rate 1" not in after.ingredients
    assert standing(space, after).stage.pools["others rate 0.5"].id == pools["others rate 0.5"].id  # nothing anew
    found = begin(space, Options(vary={"others": {"rate": [0.5, 1]}}), runs=10)
    assert found.id == run.id  # what a project has besides makes no other search


def test_the_page_mix_takes_a_variant_in_hand_that_the_project_did_not_have(varied, tmp_path, open_page):
    space = Workspace.open(shutil.copytree(varied, tmp_path / "ws"))
    run = newest(space, TOWN)
    at = open_page(space.root, "mix", project=TOWN, along_mix="others rate 1")
    assert "A mix has one variant of an ingredient at most." in words(at)
    at = at.button(f"search_use_{run.id}").click().run()
    assert not at.exception and not at.error, at.error
    assert "others rate 0.5" in projects.load(space, TOWN).ingredients
    assert "others rate 0.5" in at.session_state[f"mix_history_{TOWN}"].mix.parts


def test_what_is_varied_is_refused_before_it_costs_anything(opened, tmp_path):
    space = Workspace.open(opened)
    for vary, code in (
        ({"nothing": {"rate": [0.5]}}, "unknown_ingredient"),
        ({"others": {"rat": [0.5]}}, "unknown_key"),
        ({"others": {"rate": [7]}}, "bad_value"),
        ({"others": {"copies": [0]}}, "bad_value"),
        ({"others": {"rate": [n / 10 for n in range(1, 10)]}}, "vary_many"),
    ):
        with pytest.raises(CoreError) as error:
            begin(space, Options(vary=vary))
        assert error.value.code == code, vary
    assert space.store.list(SEARCH) == ()


@pytest.mark.whole
def test_a_forecast_has_a_say_from_the_first_mixes_on(space):
    project = projects.load(space, TOWN)
    stage = standing(space, project).stage
    settings = replace(project.recipe.train, steps=40, learning_rate=5e-3)
    full = forecasting.spec_of(project.recipe, stage, install(settings.model, space.models, space.root).identity)
    small = canonical(ForecastParams(tuple(full.params["labels"]), warm=replace(settings, model=DEFAULT), members=1))
    slots(space.store, train=1)
    made = space.submit(RunSpec(forecasting.KIND, full.inputs, small))[0]
    result_of(space, made, lambda runs: None)
    slots(space.store, train=0)
    plain, run = begin(space, runs=4), begin(space, Options(forecast=True), runs=4)
    assert plain.id != run.id and frame_of(space, plain).forecast is None and frame_of(space, run).forecast == made.id
    space.store.cancel(plain.id)
    done = serve(space, run, swapped_helps)
    assert done.state == "succeeded", done.error
    told = found_by(space, TOWN, run.id)
    prior, whole = told.now.prior, forecasting.read(space, made.id, stage).forecast
    rows = {"gold": len(stage.pools["gold"]), "others": len(stage.pools["gold"])}
    [between], exact = prior.found(np.array([[1.0, 0.0]])), whole.of(rows)
    assert list(between.labels) == list(exact.labels) and between.gold.tolist() == exact.totals[2].tolist()
    assert exact.totals[1].any() and between.predicted == pytest.approx(exact.totals[1], abs=0.5)
    assert told.now.process.cast is not None
    assert told.response("", "recall").process.cast is not None and told.objective.process is told.now.process
    assert found_by(space, TOWN, run.id).lead == told.lead
