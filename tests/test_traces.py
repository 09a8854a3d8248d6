"""How a run went: its curves over four axes, what it used, its history in words, its end foretold, its first batch."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import corpus as corpora
from core.bulk import do
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.groups import groups
from core.history import told
from core.jobs.folder import append_line, hold, metrics_file, read_object, resources_file, write_json
from core.jobs.run import Exit, Run
from core.jobs.selftest import SelftestParams
from core.jobs.store import Store
from core.known import FOLLOWING, STARTING, Pace, pace_of
from core.pace import seconds_each, seconds_left, time_left
from core.params import canonical
from core.report.mistakes import judged, ordered
from core.runs import RunSpec
from core.sample import open_sample
from core.tasks import task
from core.tasks.protocol import Encoded
from core.traces import Sample, curves, silent, trace, usage
from core.training.first_batch import FILE, MOST_PIECES, first_batch, keep, of_json
from core.training.predictions import Predictions
from core.training.settings import TrainParams
from core.workspace import Workspace
from tests.conftest import HARBOUR, Done

RECORDED = Path(__file__).parent / "recorded" / "newsroom-gold.jsonl"  # of a real training, on a busy machine


def noted(folder: Path, attempt: int, *lines: dict) -> None:
    for line in lines:
        append_line(metrics_file(folder, attempt), line)


def test_curves_go_over_attempts_by_steps_epochs_rows_and_seconds(tmp_path):
    steps = [{"step": step, "loss": 1 / step, "rows": 10, "s": 5 + 2.0 * step} for step in range(1, 8)]
    noted(tmp_path, 1, {"step": 0, "total": 8, "per_epoch": 4, "s": 5.0}, *steps, {"step": 4, "dev": 0.25})
    again = [{"step": step, "loss": 0.5 / step, "rows": 10, "s": 3 + 1.0 * step} for step in (5, 6)]
    noted(tmp_path, 2, {"step": 0, "total": 8, "per_epoch": 4, "s": 3.0}, *again, {"step": 6, "dev": 0.5})
    found = trace(tmp_path)
    assert found.axes == ("steps", "epochs", "rows", "seconds")
    by_step = curves(found, "steps")
    assert [at for at, _ in by_step.loss] == [1, 2, 3, 4, 5, 6]  # 7 was lost with the first attempt
    assert by_step.loss[-1][1] == 0.5 / 6 and by_step.dev == [(4, 0.25), (6, 0.5)] and by_step.starts == (5,)
    assert curves(found, "epochs").dev == [(1.0, 0.25), (1.5, 0.5)]
    assert [at for at, _ in curves(found, "rows").loss] == [10, 20, 30, 40, 50, 60]
    seconds = curves(found, "seconds")
    assert [at for at, _ in seconds.loss] == [7, 9, 11, 13, 19 + 8, 19 + 9] and seconds.starts == (27,)


@pytest.mark.parametrize("jump", [-3600.0, 86400.0 * 365])
def test_a_clock_that_is_set_does_not_break_the_axis(tmp_path, jump):
    for step in range(1, 101):
        noted(tmp_path, 1, {"step": step, "loss": 1.0, "t": 1000.0 + step + (jump if step > 50 else 0.0)})
    places = [at for at, _ in curves(trace(tmp_path), "seconds").loss]
    assert places == sorted(places) and 97 <= places[-1] <= 101


def test_runs_that_noted_only_steps_have_no_other_axis(tmp_path):
    noted(tmp_path, 1, *({"t": 0.0, "step": step, "loss": 1.0} for step in (1, 2, 3)))
    assert trace(tmp_path).axes == ("steps",) and not trace(tmp_path / "nothing").moved
    write_json(tmp_path / "result.json", {"rows": {"gold": 8}})
    noted(tmp_path, 2, *({"t": float(step), "step": step, "loss": 1.0, "rows": 4} for step in (1, 2, 3)))
    found = trace(tmp_path)  # an epoch is known by the rows of a finished run
    assert found.axes == ("steps", "epochs", "rows", "seconds") and curves(found, "epochs").loss[-1][0] == 1.5


def test_usage_counts_the_seconds_of_work_over_attempts(tmp_path):
    for attempt, began, cores in ((1, 100.0, 1.0), (2, 5000.0, 2.0)):
        for at in range(3):
            line = {"t": began + 2 * at, "cpu": cores, "memory": 1 << 30}
            append_line(
                resources_file(tmp_path, attempt), line | ({"gpu": 0.5, "gpu_memory": 7} if attempt == 2 else {})
            )
    found = usage(tmp_path)
    assert [one.seconds for one in found.samples] == [0, 2, 4, 4, 6, 8] and found.starts == (4,)
    assert found.samples[0] == Sample(0.0, 1.0, 1 << 30, None, None) and found.samples[-1].gpu == 0.5


def test_why_nothing_was_noted_of_what_a_run_used(tmp_path):
    run = Run("x", "train", "succeeded", 1, 0, 0.0)
    assert silent(tmp_path, replace(run, attempt=0, state="queued")) == "soon"
    assert silent(tmp_path, replace(run, state="running")) == "soon"
    assert silent(tmp_path, run) == "elsewhere"
    (tmp_path / "lock").touch()
    assert silent(tmp_path, run) == ("short" if os.path.exists("/proc/self/stat") else "system")


def queued(store: Store, seed: int) -> str:
    return store.submit(RunSpec("selftest", {}, canonical(SelftestParams(seed=seed))), {"inputs": {}})[0].id


def killed(attempt: int) -> Exit:
    error = CoreError("run_killed", {"signal": "SIGKILL"}, "hint_resumes").to_json()
    return Exit(attempt, "interrupted", 1.0, -9, "SIGKILL", error)


def test_events_tell_the_history(tmp_path):
    store = Store(tmp_path)
    run, other = queued(store, 0), queued(store, 1)
    store.move([run], "last")
    store.move([run], "first")
    assert store.claim(run, "cpu:0")
    assert store.end(run, killed(1))
    assert store.submit(RunSpec("selftest", {}, canonical(SelftestParams(seed=0))), {})[0].state == "queued"
    assert store.claim(run, "cpu:1")
    assert store.end(run, Exit(2, "succeeded", 2.0, score=0.5))
    assert store.cancel(other)
    found = told(store.folder(run))
    assert [one.code for one in found] == [
        *("event_queued", "event_moved_last", "event_moved_first", "event_started", "event_interrupted"),
        *("event_asked_again", "event_started", "event_succeeded_score"),
    ]
    assert [one.values.get("attempt") for one in found if one.code == "event_started"] == [1, 2]
    interrupted = found[4].words("en")
    assert "SIGKILL" in interrupted and "after 3 s (time 1 of at most 3)" in interrupted
    assert "50.0" in found[-1].words("zh_CN")
    assert [one.code for one in told(store.folder(other))] == ["event_queued", "event_cancelled"]


def test_the_history_tells_what_went_on_by_itself_and_what_gave_up(tmp_path, monkeypatch):
    monkeypatch.setattr("core.jobs.run.BACK_OFF", (0.0, 0.0, 0.0))
    store = Store(tmp_path)
    run = queued(store, 0)
    for attempt in (1, 2, 3, 4):
        assert store.claim(run)
        assert store.end(run, killed(attempt))
        assert store.resume(run) == (attempt < 4)
    codes = [one.code for one in told(store.folder(run))]
    assert codes.count("event_goes_on") == 3 and codes[-1] == "event_failed"
    full = queued(store, 1)
    assert store.claim(full, "gpu:0")
    assert store.end(full, Exit(1, "failed", 1.0, error=CoreError("gpu_out_of_memory").to_json()))
    last = told(store.folder(full))[-1]
    assert last.code == "event_interrupted" and last.then == ("event_at_once", {})


@given(
    total=st.integers(4, 300),
    looks=st.integers(1, 6),
    share=st.floats(0.2, 0.99),
    step=st.floats(0.01, 3.0),
    look=st.floats(0.0, 30.0),
)
def test_an_even_training_is_foretold_to_the_second(total, looks, share, step, look):
    train = TrainParams(steps=total, evaluations=looks)
    lines, clock = [{"step": 0, "total": total, "looks": looks, "s": 4.0}], 4.0
    at = train.evaluation_steps(total, looks)
    done = max(3, int(share * total))
    for number in range(1, done + 1):
        clock += step
        lines.append({"step": number, "loss": 1.0, "s": clock})
        if number in at:
            lines[-1]["dev"] = 0.5
            clock += look
    pace = pace_of(lines)
    if pace is None:  # a look after every step: no step was seen by itself
        assert looks >= total - 1 or done <= 3
        return
    assert pace.step == pytest.approx(step) and (pace.look is None or pace.look == pytest.approx(look, abs=1e-6))
    known = replace(pace, look=look)
    left = (total - done) * step + sum(number > done for number in at) * look
    assert seconds_left(lines, train, known) == pytest.approx(left + 1.0, abs=1e-3 + 0.001 * left)


def test_a_real_training_is_foretold_within_thirty_per_cent():
    lines = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").split("\n") if line]
    ended = lines.pop()["ended"]
    train = TrainParams(steps=100)
    for share in (0.3, 0.6):
        seen = [line for line in lines if line["t"] <= share * ended]
        pace = pace_of(seen)
        assert pace is not None and pace.look is not None
        left = seconds_left(seen, train, pace)
        assert seen[-1]["t"] + left == pytest.approx(ended, rel=0.3)
        assert left == pytest.approx(ended - seen[-1]["t"], rel=0.3)


def test_before_the_first_look_its_cost_follows_from_the_size_of_dev():
    lines = [{"step": 0, "total": 10, "per_epoch": 4, "tokens": 4000, "dev_tokens": 9000, "s": 1.0}]
    lines += [{"step": step, "loss": 1.0, "s": 1.0 + step} for step in (1, 2, 3)]
    assert pace_of(lines) == Pace(2.0, 1.0, pytest.approx(3.0, rel=0.1))  # nine batches, forward only
    assert pace_of(lines[:2]) is None


def test_what_waits_is_foretold_side_by_side_as_there_are_slots(tmp_path):
    space = Workspace.open(tmp_path)
    inputs = {"gold": "corpus:x", "dev": "corpus:y", "model": "model:z"}
    for seed in range(3):
        space.store.submit(RunSpec("train", inputs, {"seed": seed, "train": {"steps": 10, "batch_tokens": 1000}}), {})
    alone = sorted(time_left(space).values())
    each, next_one = alone[0], alone[1] - alone[0]  # which goes on in the process of the one before it
    assert alone == pytest.approx([each, each + next_one, each + 2 * next_one])
    assert each > STARTING and each - next_one >= STARTING - FOLLOWING
    write_json(space.root / "slots.json", {"train": 2})
    assert sorted(time_left(space).values()) == pytest.approx([each, each, each + next_one])
    first = space.store.pending()[-1]
    ended = Exit(1, "interrupted", 1.0)
    assert space.store.claim(first.id) and space.store.end(first.id, ended)
    assert time_left(space)[first.id] == pytest.approx(each + 3.0, abs=0.5)  # after its back-off
    space.store.cancel(first.id)
    assert first.id not in time_left(space)


@pytest.mark.parametrize("where", ["first", "last"])
def test_many_are_moved_in_slices_and_keep_their_order(tmp_path, where):
    space = Workspace.open(tmp_path)
    ids = [queued(space.store, seed) for seed in range(6)]
    chosen = ids[1:5:3] + ids[2:3]  # not in the order of the line
    left: Sequence[str] = chosen
    rounds = 0
    while left:
        left = do(space, where, left, 0.0)  # one at a time
        rounds += 1
    line = [run.id for run in reversed(space.store.pending())]
    rest = [id for id in ids if id not in chosen]
    assert line == (chosen + rest if where == "first" else rest + chosen) and rounds == len(chosen)
    left = do(space, "cancel", ids, 60.0)
    assert left == [] and space.store.pending() == ()


def harbour() -> tuple[corpora.Corpus, tuple[str, ...]]:
    found = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    return found, found.schema.labels


def read_by(tokenizer: Any, table: Any, labels: tuple[str, ...], length: int) -> Encoded:
    return Encoded(task("tagging").pieces(table, tokenizer, length), task("tagging").targets(table, labels))


def test_the_first_batch_is_what_the_loss_is_taken_from(tmp_path, tiny_model):
    from core.models import loading

    whole, labels = harbour()
    data = task("tagging").masked(whole, True)  # tokens without a label are masked
    tokenizer, names = loading.tokenizer(tiny_model), task("tagging").classes(labels)
    encoded = read_by(tokenizer, data.table, labels, 64)
    found = first_batch(encoded, ["gold"] * len(data), names, tokenizer, 256, 0)
    assert found.rows > 1 and len(found.sentences) == min(found.rows, 16)
    for one in found.sentences:
        roles = [piece.role for piece in one.pieces]
        assert (roles[0], roles[-1]) == ("special", "special") and one.ingredient == "gold"
        assert len(one.pieces) + one.padding == found.longest and one.cut == 0
        assert {piece.role == "scored" for piece in one.pieces if piece.label} <= {True}
        assert "masked" in roles and not any(piece.label == "O" for piece in one.pieces)
    assert any(piece.label and piece.label.startswith("B-") for one in found.sentences for piece in one.pieces)
    keep(tmp_path, lambda: found)
    keep(tmp_path, lambda: replace(found, rows=0))  # a later attempt leaves it as it is
    kept = read_object(tmp_path / FILE)
    assert kept is not None and of_json(kept) == found
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_long_first_batch_is_cut(tiny_model):
    from core.models import loading

    whole, labels = harbour()
    tokens = [[word for row in whole.table.column("tokens").to_pylist()[:8] for word in row]]
    table = corpora.pa.table({"tokens": tokens, "tags": [["O"] * len(tokens[0])]})
    tokenizer = loading.tokenizer(tiny_model)
    encoded = read_by(tokenizer, table, labels, 128)
    one = first_batch(encoded, ["x"], task("tagging").classes(labels), tokenizer, 64, 0).sentences[0]
    assert len(one.pieces) == MOST_PIECES == 128 and one.cut == 0
    wide = read_by(tokenizer, table, labels, 100_000)
    cut = first_batch(wide, ["x"], task("tagging").classes(labels), tokenizer, 64, 0).sentences[0]
    assert len(cut.pieces) == MOST_PIECES and cut.cut == int(wide.lengths[0]) - MOST_PIECES > 0


def test_sentences_are_ordered_by_what_is_wrong_and_how_sure():
    whole, labels = harbour()
    gold = whole.table.column("tags").to_pylist()
    sure = [[0.9] * len(row) for row in gold]
    guess = [list(row) for row in gold]
    guess[7] = ["O"] * len(guess[7])  # all its mentions are missed
    sure[3] = [0.5] * len(sure[3])
    sure[9] = [1.0] * len(sure[9])
    rows = judged(whole, Predictions(guess, sure, 0.0), labels)
    missed = sum(tag.startswith("B-") for tag in gold[7])
    assert rows.wrong.tolist() == [missed if at == 7 else 0 for at in range(len(gold))] and missed
    assert rows.right[9] == sum(tag.startswith("B-") for tag in gold[9]) and rows.sure[3] == 0.5
    worst, best = ordered(rows, "worst").tolist(), ordered(rows, "best").tolist()
    assert worst[:2] == [7, 3] and best[-1] == 7
    most = max(rows.right[at] for at in range(len(gold)))
    assert rows.right[best[0]] == most
    assert sorted(ordered(rows, "random", 1).tolist()) == sorted(worst)
    assert (
        ordered(rows, "random", 1).tolist()
        == ordered(rows, "random", 1).tolist()
        != ordered(rows, "random", 2).tolist()
    )


def test_show_and_move_on_the_command_line(tmp_path, core):
    store = Store(Workspace.open(tmp_path / "w").root)
    at = ("--workspace", tmp_path / "w")
    (store.root / "slots.json").write_text('{"light": 0, "train": 0}')  # every command starts what waits
    ids = [queued(store, seed) for seed in range(3)]
    moved: Done = core("move", ids[2], ids[1][:9], "--first", "--json", *at, folder=tmp_path)
    assert moved.json == {"places": {ids[2]: 1, ids[1]: 2}}
    assert core("move", ids[2], "--last", "--json", *at, folder=tmp_path).json == {"places": {ids[2]: 3}}
    both = core("move", ids[2], "--first", "--last", *at, folder=tmp_path)
    assert both.status == 2
    assert store.claim(ids[1]) and hold(store.folder(ids[1]))  # as if it ran
    append_line(resources_file(store.folder(ids[1]), 1), {"t": 1.0, "cpu": 1.5, "memory": 2 << 20})
    shown = core("show", ids[1], "--json", *at, folder=tmp_path).json
    assert [event["code"] for event in shown["events"]][-1] == "event_started" and shown["first_batch"] is None
    assert shown["resources"]["cores"] == 1.5 and shown["resources"]["memory"] == 2 << 20
    text = core("show", ids[1], "--lang", "zh_CN", *at, folder=tmp_path).stdout
    assert "平均使用 1.5 个核心" in text and "开始第 1 次尝试" in text
    refused = core("move", ids[1], "--first", "--json", *at, folder=tmp_path)
    assert (refused.status, refused.json["error"]["code"]) == (2, "run_not_waiting")


def test_where_nothing_was_trained_here_a_samples_own_times_are_the_best_guess(tmp_path: Path):
    space = Workspace.open(tmp_path)
    open_sample(space, "newsroom")
    [group, *_] = groups(space, "newsroom")
    took = statistics.median(run.seconds or 0 for run in space.store.list(kind="train", state="succeeded"))
    as_then = replace(group.train, frozen_layers=0, evaluations=5)  # four looks, and dev read once more at the end
    assert seconds_each(space, as_then) == pytest.approx(took, rel=0.15)
