"""Searching for settings: ranges, what Optuna is asked, trials as they are read, and the run, killed and cancelled."""

import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest
from invariants import check as check_runs
from invariants import kill, processes, slots, until

from core import contrast, tuned
from core import project as projects
from core.archive.contents import event_of
from core.archive.documents import check_event
from core.board import board
from core.corpus import read as read_corpus
from core.errors import CoreError
from core.groups import groups, history
from core.jobs.folder import append_line, json_lines, last_metrics, locked, metrics_file, read_json, write_json
from core.jobs.run import Exit, Run
from core.launch import launch, plan_launch, standing
from core.mix import Mix
from core.params import build
from core.repeats import add_repeats
from core.sampler import FEWEST, hopeless, importance, next_values
from core.shelf import trained
from core.submit import wait
from core.training import predictions
from core.training.methods import frozen_layers
from core.training.settings import TrainParams
from core.trials import PARTS, TUNE, Noted, Search, Trial, best, ended, looks_of, noted, searches, trials, without_gain
from core.tunable import SPACE, USUAL, Range, around, check, ends, holds, parsed, placed, rounded, usual, with_values
from core.tune import ask, newest
from core.workspace import Workspace
from tests.test_project import harbour

PATIENCE = 240.0  # seconds: processes on a busy machine
TOWN = "harbour-town"
RATE = Range(1e-5, 1e-2, log=True)
START = TrainParams(steps=8, evaluations=2, learning_rate=1e-3)


# Ranges


@pytest.mark.parametrize("name", list(SPACE))
def test_every_setting_of_the_table_is_one_and_its_range_can_be_tried(name):
    assert name in {field.name for field in fields(TrainParams)}
    found = SPACE[name]
    check({name: found})
    for value in found.choices or [round(end) if found.whole else end for end in ends(found)]:
        assert holds(found, value) and placed(name, with_values(TrainParams(), {name: value}), found) == value


def test_what_is_searched_unless_somebody_says_otherwise():
    assert tuple(usual(TrainParams())) == USUAL
    assert tuple(usual(TrainParams(steps=300))) == ("learning_rate", "steps", "dropout", "layer_decay")
    for start in (TrainParams(), TrainParams(steps=7, learning_rate=0.5, dropout=0.87, layer_decay=0.333)):
        for name, found in usual(start).items():
            value = placed(name, start, found)
            assert value is not None and holds(found, value), name
    assert around("batch_tokens", TrainParams(batch_tokens=96)).choices[0] == 96


def test_what_an_encoder_leaves_open_is_read_from_it(tmp_path):
    config = {"model_type": "bert", "hidden_dropout_prob": 0.25, "num_hidden_layers": 12}
    write_json(tmp_path / "config.json", config)
    assert around("dropout", TrainParams(), tmp_path).unset == 0.25
    assert around("frozen_layers", TrainParams(), tmp_path).unset == frozen_layers(TrainParams(), tmp_path) > 0
    assert around("frozen_layers", TrainParams()).unset is None
    rate = around("learning_rate", TrainParams(method="frozen"))
    assert placed("learning_rate", TrainParams(method="frozen"), rate) == TrainParams(method="frozen").peak == rate.high
    assert around("dropout", TrainParams(dropout=0.3), tmp_path).unset is None


def test_one_length_replaces_the_other_and_a_method_leaves_out_what_it_has_no_use_for():
    assert (with_values(TrainParams(steps=9), {"epochs": 3.0}).steps, TrainParams().epochs) == (None, 4.0)
    found = with_values(TrainParams(epochs=7.0), {"steps": 11})
    assert (found.steps, found.epochs) == (11, TrainParams().epochs)
    assert with_values(TrainParams(layer_decay=0.7), {"method": "frozen"}).layer_decay == 1.0
    assert placed("epochs", TrainParams(steps=9), SPACE["epochs"]) is None


def test_values_are_rounded_inside_their_range():
    assert rounded(Range(0.0001234, 0.1, log=True), 0.00012339) == 0.0001234
    assert rounded(Range(0.0, 0.4, step=0.05), 0.15000000000000002) == 0.15
    assert rounded(Range(1, 9, whole=True), 3.7) == 4
    assert ends(Range(0.1, 0.47, step=0.05)) == (0.1, 0.45)
    assert not holds(Range(0.0, 0.4, step=0.05), 0.17) and not holds(Range(0.0, 0.4), 0.5)


def test_ranges_of_the_command_line():
    found = parsed(["learning_rate=1e-5:1e-4", "method=full,lora", "batch_tokens=64:512", "dropout"], TrainParams())
    rate = found["learning_rate"]
    assert (rate.low, rate.high, rate.log) == (1e-5, 1e-4, True)
    assert found["method"].choices == ("full", "lora")
    assert found["batch_tokens"].whole and found["batch_tokens"].choices == ()
    assert found["dropout"] == usual(TrainParams())["dropout"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "tune_empty"),
        (["learning_rat"], "unknown_key"),
        (["model=a,b"], "unknown_key"),
        (["dropout=0.5:0.1"], "tune_range"),
        (["dropout=0.1:x"], "tune_range"),
        (["dropout=0:1:2"], "tune_range"),
        (["learning_rate=0:1e-3"], "tune_range"),
        (["method=full"], "tune_range"),
        (["method=full,full"], "tune_range"),
        (["steps=1.5:9"], "tune_range"),
        (["dropout=0:1.5"], "bad_value"),
        (["method=full,none"], "bad_value"),
        (["epochs", "steps"], "epochs_and_steps"),
    ],
)
def test_a_range_that_is_none_is_refused(given, code):
    with pytest.raises(CoreError) as error:
        parsed(given, TrainParams())
    assert error.value.code == code


# What Optuna is asked


def score(values: Mapping[str, object]) -> float:
    """Best at 3e-4 without dropout."""
    return 0.6 - 0.2 * abs(math.log10(float(values["learning_rate"]) / 3e-4)) - 0.3 * float(values.get("dropout", 0.0))


def trial(number: int, values: Mapping[str, object], state: str = "finished", **more) -> Trial:
    value = score(values) if state == "finished" else None
    return Trial(number, f"g{number}", TrainParams(), dict(values), {}, state, value, **more)


def searched(search: Search, number: int) -> list[Trial]:
    """So many trials, one after the other; every fourth is given up."""
    found: list[Trial] = []
    for at in range(number):
        values = next_values(search, found)
        state = "pruned" if at % 4 == 3 else "finished"
        found.append(trial(at, values, state, looks={1: score(values) / 2, 2: 0.8 * score(values)}))
    return found


SEARCH = Search({"learning_rate": RATE, "dropout": Range(0.0, 0.4, step=0.05), "method": SPACE["method"]}, trials=24)


def test_the_same_is_asked_after_the_same_trials():
    found = searched(SEARCH, 12)
    turned = replace(SEARCH, ranges=dict(reversed(SEARCH.ranges.items())))
    for upto in range(12):
        values = next_values(SEARCH, found[:upto])
        assert values == next_values(turned, found[:upto]) == found[upto].values
        assert all(holds(one, values[name]) for name, one in SEARCH.ranges.items())
    assert len({str(one.values) for one in found}) == 12
    assert next_values(replace(SEARCH, seed=1), found[:6]) != found[6].values


def test_what_is_asked_hangs_on_what_was_found():
    found = searched(SEARCH, 10)
    asked = next_values(SEARCH, found)
    upside_down = [replace(one, value=1 - one.value if one.value is not None else None) for one in found]
    assert next_values(SEARCH, upside_down) != asked
    assert next_values(SEARCH, [*found[:-1], replace(found[-1], state="failed", value=None)]) != asked
    gone = replace(found[0], number=10, state="failed", value=None, looks={})
    next_ = next_values(SEARCH, [*found, gone])  # what failed for another reason is not told
    assert next_ == next_values(SEARCH, [*found, replace(gone, values=next_)])
    assert next_ != next_values(SEARCH, [*found, replace(gone, values=next_, state="active")])  # which runs


def test_it_finds_better_settings_than_chance():
    tried = searched(replace(SEARCH, trials=40), 40)
    assert best(tried).value > 0.57
    late, early = ([one.value for one in part if one.value] for part in (tried[20:], tried[:10]))
    assert sum(late) / len(late) > sum(early) / len(early) + 0.05


def test_what_lies_outside_the_ranges_is_not_told_and_no_reason_to_fail():
    outside = trial(0, {"learning_rate": 0.5, "dropout": 0.1, "method": "full"})
    missing = trial(0, {"learning_rate": 1e-3, "method": "full"})
    assert next_values(SEARCH, [outside]) == next_values(SEARCH, [missing])
    gone = trial(1, {"learning_rate": 1e-3, "dropout": 0.1, "method": "full"}, "stopped")
    assert next_values(SEARCH, [outside, gone])


def test_a_trial_is_given_up_where_the_finished_ones_were_better():
    values = {"learning_rate": 3e-4, "dropout": 0.0, "method": "full"}
    done = [trial(at, values, looks={1: 0.1 * at, 2: 0.2 + 0.1 * at, 4: 0.3 + 0.1 * at}) for at in range(5)]

    def judged(looks: Mapping[int, float], before: list[Trial] = done) -> bool:
        return hopeless(SEARCH, before, trial(5, values, "active", looks=looks))

    assert judged({1: 0.0, 2: 0.39}) and not judged({1: 0.0, 2: 0.41})  # the median there is .4
    assert judged({1: 0.0, 4: 0.49})
    assert not judged({1: 0.45, 2: 0.3})  # the best so far counts
    assert not judged({1: 0.0})  # before half of the first training
    assert not judged({2: 0.0}, done[:3]) and not judged({})
    assert not judged({3: 0.0})  # where nobody else was looked at


def test_what_mattered_is_told_from_enough_trials_on():
    found = [one for one in searched(SEARCH, 40) if one.state == "finished"]
    shares = importance(SEARCH, found)
    assert next(iter(shares)) == "learning_rate" and sum(shares.values()) == pytest.approx(1)
    assert shares["method"] < 0.2
    assert importance(SEARCH, found[: FEWEST - 1]) == {}


def test_a_search_ends_by_trials_gain_or_minutes(tmp_path):
    space = Workspace.open(tmp_path)
    values = {"learning_rate": 3e-4, "dropout": 0.0, "method": "full"}

    def why(found: list[Trial], **more) -> str | None:
        return ended(space, Noted("r", "m", START, replace(SEARCH, **more), 0.0), found)

    good = replace(trial(0, values), seconds=50.0)
    worse = [replace(trial(at, values | {"dropout": 0.1 * at}), seconds=50.0) for at in range(1, 4)]
    assert why([]) is None and why([good, *worse]) is None
    assert why([good, *worse], trials=4) == "trials"
    assert why([good, *worse], patience=3) == "patience" and without_gain([good, *worse]) == 3
    assert why([good, *worse[:2], trial(3, values, "active")], patience=3) is None
    assert why([good, *worse], minutes=4.0) == "minutes" and why([good, *worse], minutes=4.5) is None
    assert why([], minutes=0.001) is None  # one trial at least


# Trials as they are read


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A workspace with the harbour sentences as a project, in which no training starts by itself."""
    space, project = harbour(tmp_path_factory.mktemp("tune"))
    train = replace(START, model=str(tiny_model))
    projects.edit(space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=train)), {"event": "train"})
    slots(space.store, train=0)
    return space.root


@pytest.fixture
def space(opened: Path, tmp_path: Path) -> Workspace:
    return Workspace.open(shutil.copytree(opened, tmp_path / "ws"))


def begin(space: Workspace, **more) -> Run:
    """Ask for a search of gold alone."""
    project = projects.load(space, TOWN)
    ranges = {"learning_rate": RATE, "dropout": Range(0.0, 0.4, step=0.05, unset=0.1)}
    stage = standing(space, project).stage
    return ask(space, project.recipe, stage, "gold only", Search(ranges, **more))[0]


def found_in(space: Workspace, run: Run) -> list[Trial]:
    begun = noted(space, TOWN, run.id)
    return trials(space, TOWN, begun) if begun else []


def train_of(space: Workspace, run: Run) -> TrainParams:
    return build(TrainParams, read_json(space.run_folder(run.id) / "spec.json")["params"]["train"], "train")


def carry_out(space: Workspace, run: Run, reached: float, looks: int = 2, end: str = "succeeded") -> None:
    """Do what a training would do: `looks` of two at dev, the second of which reaches so much; then its end.

    `end`: "" for none yet.
    """
    folder = space.run_folder(run.id)
    with locked(space.root / "dispatch.lock"):  # nobody looks for its process meanwhile
        claimed = space.store.claim(run.id)
        if claimed is None:  # called off meanwhile
            return
        file = metrics_file(folder, claimed.attempt)
        append_line(file, {"step": 0, "total": 8, "s": 1.0})
        for step in range(1, 4 * looks + 1):
            append_line(file, {"step": step, "loss": 1.0, "s": 1.0 + 0.1 * step})
            if step % 4 == 0:
                append_line(file, {"step": step, "dev": reached * step / 8})
        if end:
            finish(space, claimed, reached, end)


def finish(space: Workspace, run: Run, reached: float, end: str = "succeeded") -> None:
    folder = space.run_folder(run.id)
    if end == "succeeded":
        write_json(folder / "result.json", {"best_dev": reached})
        (folder / "model").mkdir()
    code = {"diverged": "loss_not_finite", "failed": "internal"}.get(end)
    error = CoreError(code, {"step": 1, "what": "asked to"}).to_json() if code else None
    state = "failed" if code else end
    space.store.end(run.id, Exit(run.attempt, state, time.time(), error=error, score=reached))


Reach = Callable[[TrainParams, int], float | None]  # of settings and seed; None: it diverges


def serve(space: Workspace, run: Run, reach: Reach) -> Run:
    """Carry out what a search queues, until it has ended. -> the run of the search"""

    def turn() -> bool:
        for one in space.store.list("train", "queued"):
            reached = reach(train_of(space, one), read_json(space.run_folder(one.id) / "spec.json")["params"]["seed"])
            carry_out(space, one, reached or 0.0, end="succeeded" if reached is not None else "diverged")
        return not space.store.get(run.id).pending

    until(turn, PATIENCE)
    return space.store.get(run.id)


def good(train: TrainParams, seed: int) -> float:
    return score({"learning_rate": train.peak, "dropout": train.dropout or 0.0}) + 0.01 * seed


def test_looks_go_by_the_part_of_the_training_one_repeat_after_the_other(space):
    run = begin(space, trials=2)
    first, second = sorted(until(lambda: len(q := space.store.list("train", "queued")) == 2 and q, PATIENCE), key=seed)
    space.store.cancel(run.id)
    carry_out(space, first, 0.5, looks=1, end="")
    carry_out(space, second, 0.9, looks=1, end="")
    runs = [space.store.get(one.id) for one in (first, second)]
    assert looks_of(space, runs, START) == {2: 0.25}  # the second counts once the first is through
    finish(space, runs[0], 0.5)
    runs = [space.store.get(one.id) for one in (first, second)]
    assert looks_of(space, runs, START) == {2: 0.25, PARTS: 0.5, PARTS + 2: pytest.approx((0.5 + 0.45) / 2)}
    assert looks_of(space, [None, runs[1]], START) == {}
    finish(space, space.store.get(second.id), 0.9)
    until(lambda: not space.store.get(run.id).pending, PATIENCE)  # it may have queued one before it was cancelled
    [found] = found_in(space, run)
    assert found.state == "finished" and found.value == pytest.approx(0.7)


def seed(run: Run) -> int:
    """The place of a run in the order in which it was queued."""
    return run.position


def test_a_search_is_refused_before_it_costs_anything(space):
    for more, code in (({"trials": 1}, "bad_value"), ({"repeats": 0}, "bad_value"), ({"label": "X"}, "settle_label")):
        with pytest.raises(CoreError) as error:
            begin(space, **more)
        assert error.value.code == code
    project = projects.load(space, TOWN)
    deep = Search({"frozen_layers": Range(0, 3, whole=True)})  # the encoder has two layers
    with pytest.raises(CoreError) as error:
        ask(space, project.recipe, standing(space, project).stage, "gold only", deep)
    assert error.value.code == "layers_few"
    assert space.store.list(TUNE) == () and searches(space, TOWN) == []


# The run


def test_it_searches_prunes_ends_and_says_what_it_found(space):
    run = begin(space, trials=8, repeats=2, patience=None)
    done = serve(space, run, good)
    assert done.state == "succeeded", done.error
    found, result = found_in(space, run), space.result(run.id)
    assert [one.number for one in found] == [*range(8)] and {one.state for one in found} == {"finished"}
    assert found[0].train == projects.load(space, TOWN).recipe.train
    assert found[0].values == {"learning_rate": 1e-3, "dropout": 0.1}
    top = best(found)
    assert (result["best"], result["value"], result["tried"], result["stopped"]) == (top.number, top.value, 8, "trials")
    assert top.value == pytest.approx(good(top.train, 0) + 0.005) and result["start"] == found[0].value
    assert build(TrainParams, result["train"], "train") == top.train
    lines = last_metrics(space.run_folder(run.id))
    assert lines[-1]["step"] == lines[-1]["total"] == 8 and lines[-1]["best"] == top.number
    kept = [one.number for one in found for r in one.runs.values() if (space.run_folder(r.id) / "model").exists()]
    assert kept == [top.number] * 2  # the weights of the best alone
    again, reused = ask(*asked_again(space, run))
    assert reused and again.id == run.id
    assert newest(space, TOWN).id == newest(space, TOWN, Mix()).id == run.id
    assert newest(space, TOWN, Mix(seed=4)) is None and newest(space, "other") is None


def asked_again(space: Workspace, run: Run):
    project = projects.load(space, TOWN)
    return space, project.recipe, standing(space, project).stage, "gold only", noted(space, TOWN, run.id).search


@pytest.mark.parametrize("where", ["tune.noted", pytest.param("while it waits", marks=pytest.mark.whole)])
def test_killed_it_goes_on_with_the_same_trials(opened, tmp_path, monkeypatch, where):
    """Beside a search that nobody disturbs."""
    values: list[list[Mapping[str, object]]] = []
    for name in ("calm", where):
        space = Workspace.open(shutil.copytree(opened, tmp_path / name.replace(" ", "-")))
        if name == "tune.noted":
            monkeypatch.setenv("PEIBI_FAULT", "tune.noted:2")
        run = begin(space, trials=7, repeats=1, patience=None)
        monkeypatch.delenv("PEIBI_FAULT", raising=False)
        if name == "while it waits":
            until(lambda space=space: space.store.list("train", "queued"), PATIENCE)
            kill(until(lambda space=space, run=run: processes(space.root, run.id, "core.jobs.trainer"), PATIENCE)[0])
        assert serve(space, run, good).state == "succeeded"
        found = found_in(space, run)
        assert space.store.get(run.id).attempt == (1 if name == "calm" else 2)
        assert [one.number for one in found] == [*range(7)] and all(len(one.runs) == 1 for one in found)
        assert sum(event["event"] == TUNE for event in projects.events(space, TOWN)) == 1
        values.append([one.values for one in found])
        until(lambda space=space: not processes(space.root), PATIENCE)
        check_runs(space.store, [run.id])
    assert values[0] == values[1]


def test_what_falls_behind_is_cancelled_and_counts_as_pruned(space, monkeypatch):
    """Killed between the note and the cancellation."""
    monkeypatch.setenv("PEIBI_FAULT", "tune.pruned:1")
    run = begin(space, trials=6, repeats=2, patience=None)
    monkeypatch.delenv("PEIBI_FAULT")

    def waiting() -> list[Run]:
        return until(lambda: len(q := space.store.list("train", "queued")) == 2 and sorted(q, key=seed), PATIENCE)

    for at in range(4):
        for one in waiting():
            carry_out(space, one, 0.5 + 0.01 * at)
    first, second = waiting()
    carry_out(space, first, 0.1, looks=1, end="")
    until(lambda: {space.store.get(one.id).state for one in (first, second)} == {"cancelled"}, PATIENCE)
    assert space.store.get(run.id).attempt == 2
    [event] = [event for event in projects.events(space, TOWN) if event["event"] == "pruned"]
    assert (event["tune"], event["trial"]) == (run.id, 4)
    done = serve(space, run, lambda train, seed: 0.9)
    found = found_in(space, run)
    assert done.state == "succeeded" and found[4].state == "pruned"
    assert found[4].looks == {2: 0.05} and found[4].value is None and found[4].so_far == 0.05
    assert space.result(run.id)["pruned"] == 1 and space.result(run.id)["failed"] == 0
    history = [*found[:4], replace(found[4], state="failed")]
    assert found[5].values == next_values(noted(space, TOWN, run.id).search, found[:5])
    assert found[5].values != next_values(noted(space, TOWN, run.id).search, history)  # it was told


def test_cancelled_it_calls_off_what_waits_and_tried_again_it_goes_on(space):
    run = begin(space, trials=2, repeats=2)
    first, second = until(lambda: len(q := space.store.list("train", "queued")) == 2 and sorted(q, key=seed), PATIENCE)
    carry_out(space, first, 0.4)
    space.store.cancel(run.id)
    until(lambda: not space.store.get(run.id).pending, PATIENCE)
    assert space.store.get(run.id).state == "cancelled" == space.store.get(second.id).state
    assert [one.state for one in found_in(space, run)] == ["stopped"]
    space.resubmit(run.id)
    assert serve(space, run, good).state == "succeeded"
    assert [one.state for one in found_in(space, run)] == ["finished"] * 2
    assert space.store.get(first.id).attempt == 1  # what it had done counted


def test_settings_that_diverge_count_and_trials_that_fail_end_it(space):
    run = begin(space, trials=4, repeats=1, patience=None)
    done = serve(space, run, lambda train, _: None if train.peak != 1e-3 else 0.3)
    found = found_in(space, run)
    assert done.state == "succeeded" and [one.state for one in found] == ["finished", *["diverged"] * 3]
    assert space.result(run.id)["failed"] == 3 and space.result(run.id)["best"] == 0
    with pytest.raises(CoreError) as refused:  # the first did best: there is nothing to confirm
        tuned.confirm(space, TOWN, noted(space, TOWN, run.id))
    assert refused.value.code == "tune_start_best" and tuned.confirmation(space, TOWN, found) is None
    other = begin(space, trials=9, repeats=1, seed=1)

    def fail() -> bool:
        for one in space.store.list("train", "queued"):
            carry_out(space, one, 0.0, end="failed")
        return not space.store.get(other.id).pending

    until(fail, PATIENCE)
    error = space.store.get(other.id).error
    assert (
        space.store.get(other.id).state == "failed" and error["code"] == "tune_failures" and error["values"]["n"] == 3
    )


def test_one_label_is_judged_by_the_predictions_for_dev(space):
    run = begin(space, trials=2, repeats=1, label="LOC", metric="recall", prune=True)
    dev = read_corpus(space.corpus_path(noted_corpus(space, run)))
    tags = dev.table.column("tags").to_pylist()
    places = sum(tag == "B-LOC" for row in tags for tag in row)
    assert places >= 2
    for found in (0, 1):
        [one] = until(lambda: space.store.list("train", "queued"), PATIENCE)
        marked = [["O"] * len(row) for row in tags]
        at = next((i, j) for i, row in enumerate(tags) for j, tag in enumerate(row) if tag == "B-LOC")
        if found:
            length = next((k for k, tag in enumerate(tags[at[0]][at[1] + 1 :]) if tag != "I-LOC"), None)
            stop = len(tags[at[0]]) if length is None else at[1] + 1 + length
            marked[at[0]][at[1] : stop] = tags[at[0]][at[1] : stop]
        kept = predictions.Predictions(marked, [[1.0] * len(row) for row in tags], 0.0)
        predictions.write(predictions.file_of(space.run_folder(one.id), dev.id), dev, kept)
        carry_out(space, one, 0.9 - found)
    until(lambda: not space.store.get(run.id).pending, PATIENCE)
    assert [one.value for one in found_in(space, run)] == [0.0, pytest.approx(1 / places)]
    assert space.result(run.id)["best"] == 1 and all(not one.looks for one in found_in(space, run))


def noted_corpus(space: Workspace, run: Run) -> str:
    return read_json(space.run_folder(run.id) / "spec.json")["params"]["corpora"]["dev"]


# Its trainings among all others


@pytest.fixture(scope="module")
def through(opened: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has ended: trial 0 had been launched before by somebody, for two of its seeds."""
    space = Workspace.open(shutil.copytree(opened, tmp_path_factory.mktemp("through") / "ws"))
    project = projects.load(space, TOWN)
    stage = standing(space, project).stage
    for one in launch(space, project, stage, plan_launch(space, project, stage, {"gold only": Mix()}, [0, 1])):
        carry_out(space, space.store.get(one), 0.3)
    assert serve(space, begin(space, trials=4, repeats=2), good).state == "succeeded"
    return space.root


@pytest.fixture
def ran(through: Path, tmp_path: Path) -> tuple[Workspace, Noted]:
    space = Workspace.open(shutil.copytree(through, tmp_path / "ran"))
    return space, searches(space, TOWN)[-1]


def test_trials_are_no_candidates_until_somebody_launches_one(ran):
    space, begun = ran
    found = trials(space, TOWN, begun)
    assert found[0].value == pytest.approx(0.3) and found[0].seconds == 0  # it was there
    assert [group.id for group in contrast.finished(space, TOWN)] == [found[0].group]
    assert [one.group.id for one in trained(space, TOWN)] == [found[0].group]
    everything = groups(space, TOWN)
    assert [group.tune for group in everything] == ["", begun.run, begun.run, begun.run]
    lines = board(space, [TOWN])
    assert [(line.group, line.search, len(line.repeats)) for line in lines] == [
        (found[0].group, False, 2),
        (begun.run, True, 6),
    ]
    assert lines[1].dev == max(one.value for one in found[1:])
    add_repeats(space, TOWN, everything[1], 1)
    assert groups(space, TOWN)[1].tune == begun.run  # a repeat more is no launch
    project = projects.load(space, TOWN)
    other = replace(project, recipe=replace(project.recipe, train=everything[1].train))
    stage = standing(space, project).stage
    launch(space, other, stage, plan_launch(space, other, stage, {"tuned": Mix()}, [0, 1]))
    assert [group.tune for group in groups(space, TOWN)] == ["", "", begun.run, begun.run]
    assert len(contrast.finished(space, TOWN)) == 2 and len(trials(space, TOWN, begun)) == 4


def test_an_archive_may_hold_its_events_and_odd_ones_are_passed_over(ran):
    space, begun = ran
    for event in projects.events(space, TOWN):
        check_event(event_of(event), "events.jsonl")
    for odd in ({"run": 3}, {"run": "x", "mix": "m", "train": {"steps": "many"}, "search": {}}, {"search": []}):
        projects.record(space, TOWN, {"event": TUNE, **odd})
    assert searches(space, TOWN) == [begun]
    launched = next(e for e in projects.events(space, TOWN) if e["event"] == "launch" and e.get("trial") == 1)
    projects.record(space, TOWN, launched | {"trial": "first"})
    assert len(trials(space, TOWN, begun)) == 4


def test_the_best_is_confirmed_against_the_first_on_fresh_seeds_and_used(ran):
    space, begun = ran
    found = trials(space, TOWN, begun)
    top = best(found)
    assert top.number > 0 and tuned.confirmation(space, TOWN, found) is None
    dev = read_corpus(space.corpus_path(history(space, TOWN).groups[top.group].corpora["dev"]))
    for one in (found[0], top):
        for run in one.runs.values():
            marked(space, run.id, dev, 2)
    ids = tuned.confirm(space, TOWN, begun, repeats=8)
    assert len(ids) == 8 + 6  # the first has two
    seeds = [read_json(space.run_folder(id) / "spec.json")["params"]["seed"] for id in ids]
    assert sorted(seeds[:8]) == [*range(2, 10)] and sorted(seeds[8:]) == [*range(2, 8)]
    assert tuned.confirmation(space, TOWN, found).pending == 14
    for at, id in enumerate(ids):
        marked(space, id, dev, (at % 3) + (20 if at < 8 else 1))
        carry_out(space, space.store.get(id), 0.5)
    told = tuned.confirmation(space, TOWN, found)
    assert (told.finished, told.asked, told.pending, told.of, told.verdict) == (8, 8, 0, 4, "better")
    assert trials(space, TOWN, begun) == found and tuned.go_on(space, TOWN, begun) == ids
    assert groups(space, TOWN)[top.number].tune == begun.run  # confirmed, it stays where it was
    had = tuned.use(space, TOWN, top.train, begun.run)
    assert projects.load(space, TOWN).recipe.train == top.train != had
    assert projects.events(space, TOWN)[-1]["search"] == begun.run
    tuned.use(space, TOWN, had)
    assert projects.load(space, TOWN).recipe.train == had


def marked(space: Workspace, run_id: str, dev, rows: int) -> None:
    """Predictions of a run that are right in so many of dev's rows, and empty in the others."""
    tags = dev.table.column("tags").to_pylist()
    values = [row if at < rows else ["O"] * len(row) for at, row in enumerate(tags)]
    kept = predictions.Predictions(values, [[1.0] * len(row) for row in tags], 0.0)
    predictions.write(predictions.file_of(space.run_folder(run_id), dev.id), dev, kept)


def test_the_command_shows_what_was_found(space, tmp_path, core):
    over = ["--over", "learning_rate=1e-5:1e-2", "--over", "dropout"]
    given = ["tune", TOWN, *over, "--trials", "3", "--repeats", "1"]
    place = ["--workspace", space.root]
    done = core(*given, "--detach", "--json", *place, folder=tmp_path, timeout=PATIENCE)
    assert done.status == 0, done.stderr
    run = space.store.get(done.json["run"])
    assert serve(space, run, good).state == "succeeded"
    shown = core(*given, "--json", "--use", *place, folder=tmp_path, timeout=PATIENCE)
    assert shown.status == 0, shown.stderr
    told = shown.json
    assert told["run"] == run.id and told["tried"] == 3 and len(told["trials"]) == 3
    assert told["trials"][0]["settings"] == {"dropout": 0.1, "learning_rate": 0.001} and told["confirmation"] is None
    assert projects.load(space, TOWN).recipe.train == found_in(space, run)[told["best"]].train
    listed = core("board", "--group", f"{TOWN}/{run.id}", *place, folder=tmp_path)
    assert listed.status == 0 and "learning_rate" in listed.stdout, listed.stderr
    refused = core(*given[:2], "--over", "dropout=1:0", "--json", *place, folder=tmp_path)
    assert refused.status == 2 and refused.json["error"]["code"] == "tune_range"


@pytest.mark.whole
@pytest.mark.timeout(900)
def test_it_trains_two_tiny_trials_with_nobody_there(space):
    slots(space.store, train=1)
    run = begin(space, trials=2, repeats=1)
    [done] = wait(space, [run.id], lambda runs: None)
    assert done.state == "succeeded", done.error
    found = found_in(space, run)
    assert [one.state for one in found] == ["finished"] * 2
    assert all(0.0 <= one.value <= 1.0 and one.looks for one in found)
    assert json_lines(metrics_file(space.run_folder(run.id), 1))[-1]["step"] == 2
    until(lambda: not processes(space.root), PATIENCE)
    check_runs(space.store, [run.id])
