"""What trainings are expected to take, before they begin: held against recorded ones, and kept beside what they took.

Recorded: steps of every kind in turn (steps.json); 32 trainings one after the other on a machine that others used too,
each given between .6 and 1.6 of its two cores (trainings.jsonl).
"""

import json
import statistics
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from core.estimate import FILE, Estimate, Wanted, disk_of, estimate, memory_of, note, note_like, took
from core.expected import expected, likest
from core.jobs.folder import PROCESSES, read_object, worked, write_json
from core.known import Asked, Known, Pace, Sizes, frozen_in, references, so_far
from core.pace import seconds_all, time_left
from core.runs import RunSpec
from core.training import effort
from core.training.portions import kept, split
from core.training.settings import TrainParams
from core.workspace import Workspace
from tests.workshop import ended

RECORDED = Path(__file__).parent / "recorded"
STEPS = json.loads((RECORDED / "steps.json").read_text())
MINILM = effort.USUAL
WITHIN = 0.3


def frozen(train: TrainParams) -> int:
    return MINILM.layers if train.method == "frozen" else train.frozen_layers or 0


def test_every_kind_of_step_costs_what_its_operations_say():
    rows = [(TrainParams(**one["train"]), one["places"], one["ms"]) for one in STEPS["steps"]]
    work = [effort.of_step(MINILM, train, frozen(train), places) for train, places, _ in rows]
    speed = statistics.median(ops / ms for ops, (_, _, ms) in zip(work, rows, strict=True))
    for ops, (train, _, ms) in zip(work, rows, strict=True):
        assert ops / speed == pytest.approx(ms, rel=0.08), train
    for one in STEPS["looks"]:
        assert effort.of_look(MINILM, one["frozen_layers"], one["tokens"]) / speed == pytest.approx(one["ms"], rel=0.15)


@pytest.mark.parametrize("by", range(len(STEPS["steps"])))
def test_any_kind_of_training_foretells_any_other(tmp_path, by):
    """Within 30 %, whichever of the recorded kinds has been trained here; but not by the head alone, which is over in
    milliseconds."""
    space = Workspace.open(tmp_path)
    rows = [(TrainParams(**one["train"]), one["places"], one["ms"]) for one in STEPS["steps"]]
    train, places, ms = rows[by]
    work = effort.of_step(MINILM, train, frozen(train), places)
    known = [Known(Asked(train, "", ""), Pace(7.0, ms / 1000, None), 100, places, work, below=frozen(train))]
    for other, places, ms in rows:
        if other.method == train.method == "frozen" or "frozen" not in (other.method, train.method):
            found = expected(space, Asked(other, "", ""), known, Sizes(tokens=places))
            assert found.step == pytest.approx(ms / 1000, rel=WITHIN), (train, other)


def recorded(space: Workspace) -> list[tuple[Known, dict[str, Any]]]:
    """The recorded trainings as finished runs of a workspace, in the order in which they ended."""
    out: list[tuple[Known, dict[str, Any]]] = []
    for line in (RECORDED / "trainings.jsonl").read_text().split("\n"):
        if line:
            told = json.loads(line)
            id = ended(space.store, spec_of(told), files_of(told), result={"steps": told["first"]["total"]})
            known = so_far(space.run_folder(id), 1)
            assert known is not None
            out.append((known, told))
    return out


def spec_of(told: Mapping[str, Any]) -> RunSpec:
    inputs = {"gold": "corpus:" + "ab" * 32, "dev": "corpus:" + told["data"], "model": "model:" + "ef" * 32}
    return RunSpec("train", inputs, {"seed": told["seed"], "labels": ["A"], "train": told["train"]})


def files_of(told: Mapping[str, Any]) -> dict[str, str]:
    lines: list[dict[str, Any]] = [{"step": 0, **told["first"]}]
    for step, seconds in enumerate(told["s"], 1):
        lines.append({"step": step, "loss": 1.0, "s": seconds})
        lines += [{"step": step, "dev": 0.5}] if step in told["dev"] else []
    used = {"t": 1.0, "cpu": told["cores"], "memory": told["memory"]}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return {"metrics-1.jsonl": text, "resources-1.jsonl": json.dumps(used) + "\n", "model/trained": "x" * 10}


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> tuple[Workspace, Sequence[tuple[Known, dict[str, Any]]]]:
    space = Workspace.open(tmp_path_factory.mktemp("recorded") / "ws")
    return space, recorded(space)


def as_then(known: Known) -> Asked:
    """What was asked for, said as it is today: no layer frozen, dev read once more at the end."""
    return replace(known.asked, train=replace(known.asked.train, frozen_layers=0, evaluations=5))


def test_recorded_trainings_are_foretold_within_thirty_per_cent(history):
    space, rows = history
    off: list[float] = []
    even: list[float] = []  # of those that got as much of the processor as the ones before them
    for at in range(4, len(rows)):
        before, (now, told) = rows[max(0, at - 24) : at], rows[at]
        sizes = Sizes(told["first"]["tokens"], told["first"]["dev_tokens"])
        found = expected(space, as_then(now), [known for known, _ in reversed(before)], sizes)
        error = abs(found.together(1) / told["seconds"] - 1)
        off.append(error)
        cores = statistics.median(one["cores"] for _, one in before)
        even += [error] if abs(told["cores"] / cores - 1) < 0.25 else []
    assert statistics.median(off) < 0.15 and sum(error < WITHIN for error in off) >= 0.75 * len(off)
    assert len(even) >= 15 and sum(error < WITHIN for error in even) >= 0.9 * len(even)


def test_their_memory_and_disk_are_foretold_within_thirty_per_cent(history):
    space, rows = history
    for at in (1, 8, 20, 31):
        known = [one for one, _ in rows[:at]]
        now, told = rows[at]
        wanted = Wanted(as_then(now), 1, Sizes(told["first"]["tokens"], told["first"]["dev_tokens"]), 13)
        assert memory_of(space, wanted, known)[0] == pytest.approx(told["memory"], rel=WITHIN)
        assert disk_of(space, wanted, 120) == pytest.approx(told["weights"], rel=WITHIN)


def test_before_anything_ran_a_table_says_it(tmp_path):
    space = Workspace.open(tmp_path)
    wanted = Wanted(Asked(TrainParams(steps=100), "", ""), 8, Sizes(10_000, 5_000), 13)
    found = estimate(space, [wanted])
    assert found.known == 0 and 7 < found.seconds < 3600 and 400e6 < found.memory < 1.5e9
    assert found.disk == 8 * disk_of(space, wanted, 100)


def test_what_is_frozen_costs_less_of_everything(history):
    space, _ = history

    def of(**train: Any) -> Estimate:
        asked = Asked(TrainParams(steps=100, **train), "ef" * 32, "corpus:politics")
        return estimate(space, [Wanted(asked, 4, Sizes(10_000, 28_000), 13)])

    whole, half, head = of(frozen_layers=0), of(frozen_layers=3), of(method="frozen")
    assert whole.seconds > 1.5 * half.seconds > 3 * head.seconds
    assert whole.memory > half.memory and whole.disk > half.disk > head.disk
    assert of(frozen_layers=3, adversarial=0.5).seconds > 1.5 * half.seconds
    assert of(frozen_layers=3, batch_tokens=2048).seconds > 1.4 * half.seconds
    assert of(method="lora", frozen_layers=3).disk == pytest.approx(half.disk, rel=0.01)  # added to the matrices


def test_repeats_start_up_once_and_share_what_frozen_layers_make(history):
    space, _ = history
    known = references(space)
    asked, sizes = Asked(TrainParams(steps=100, frozen_layers=3), "ef" * 32, ""), Sizes(10_000, 28_000)
    one = expected(space, asked, known, sizes)
    assert one.states > 0.5 and one.start - one.follow > 3
    eight = estimate(space, [Wanted(asked, 8, sizes)]).seconds
    assert eight == pytest.approx(one.start + one.states + 7 * one.follow + 8 * one.body)
    two = estimate(space, [Wanted(asked, 8, sizes), Wanted(asked, 8, sizes)]).seconds  # of two mixes
    assert two == pytest.approx(2 * eight - one.start + one.follow)
    write_json(space.root / "slots.json", {"train": 2})
    assert estimate(space, [Wanted(asked, 8, sizes)]).seconds < 0.65 * eight
    assert seconds_all(space, 8, asked.train, asked.model, sizes) == pytest.approx(one.together(4))
    (space.root / "slots.json").unlink()


def test_those_that_follow_in_a_process_are_known_from_those_that_start_one(tmp_path):
    space = Workspace.open(tmp_path)
    [first, *_] = [json.loads(line) for line in (RECORDED / "trainings.jsonl").read_text().split("\n") if line]
    ids = [ended(space.store, spec_of({**first, "seed": 0}), files_of(first), result={"steps": 120})]
    quick = {**first, "seed": 1, "first": {**first["first"], "s": 0.5}}
    ids.append(ended(space.store, spec_of(quick), files_of(quick), result={"steps": 120}))
    for id in ids:
        write_json(space.run_folder(id) / PROCESSES, {"attempt": 1, "mark": f"{ids[0]}.1.2.3"})
    known = references(space)
    assert sorted(one.follows for one in known) == [False, True]
    found = expected(space, as_then(known[0]), known)
    assert found.start == pytest.approx(1 + first["first"]["s"]) and found.follow == pytest.approx(1.5)


def test_the_likest_trainings_are_asked_first():
    def known(model: str, dev: str = "", **train: Any) -> Known:
        asked = Asked(TrainParams(**train), model, dev)
        return Known(asked, Pace(1.0, 1.0, None), 10, 900.0, 1e9, below=asked.train.frozen_layers or 0)

    others = [known("other", frozen_layers=0)] * 5
    same = [known("mine", frozen_layers=2)] * 2
    like = [known("mine", "dev", frozen_layers=0)] * 3
    asked = Asked(TrainParams(frozen_layers=0), "mine", "dev")
    assert likest(asked, 0, [*others, *same, *like]) == like
    assert likest(asked, 0, [*others, *same]) == same
    assert likest(asked, 0, others) == others
    at_once = known("encoder", "dev", method="frozen", head="described")  # a pass over all rows, and no step
    assert likest(asked, 0, [at_once]) == []


def test_what_was_expected_is_kept_beside_what_it_took(tmp_path, core):
    space = Workspace.open(tmp_path / "ws")
    [told, *_] = [json.loads(line) for line in (RECORDED / "trainings.jsonl").read_text().split("\n") if line]
    id = ended(space.store, spec_of(told), files_of(told), result={"steps": 120})
    assert took(space, space.store.get(id)) is None
    wanted = Wanted(Asked(TrainParams(steps=120, frozen_layers=0), "", "corpus:x"), 1, Sizes(9851, 19456), 13)
    note(space, wanted, [id])
    kept_then = read_object(space.run_folder(id) / FILE)
    found = took(space, space.store.get(id))
    assert found is not None and kept_then is not None
    assert found.expected.seconds == kept_then["seconds"] > 0 and found.memory == told["memory"]
    assert found.disk is not None and found.disk > 10
    shown = core("show", id, "--json", "--workspace", space.root, folder=tmp_path).json
    assert shown["estimate"]["expected"]["seconds"] == found.expected.seconds
    assert shown["estimate"]["memory"] == told["memory"]
    more = ended(space.store, replace(spec_of(told), repeat=1), files_of(told), result={"steps": 120})
    note_like(space, id, [more])  # as one more repeat is launched: the same training, on what its first one read
    again = read_object(space.run_folder(more) / FILE)
    assert again is not None and again["memory"] == pytest.approx(kept_then["memory"], rel=0.01)
    assert again["seconds"] == pytest.approx(kept_then["seconds"], rel=0.3)


def test_an_attempt_that_begins_meanwhile_takes_nothing_from_it(tmp_path):
    """An attempt that begins sweeps its folder, over and over here, while what was expected is noted."""
    space = Workspace.open(tmp_path / "ws")
    [told, *_] = [json.loads(line) for line in (RECORDED / "trainings.jsonl").read_text().split("\n") if line]
    id = ended(space.store, spec_of(told), files_of(told), result={"steps": 120})
    folder, done = space.run_folder(id), threading.Event()

    def sweep() -> None:
        while not done.is_set():
            for path in folder.glob(".tmp-*"):
                path.unlink(missing_ok=True)

    sweeping = threading.Thread(target=sweep)
    sweeping.start()
    try:
        for _ in range(60):
            note_like(space, id, [id])
    finally:
        done.set()
        sweeping.join()
    assert read_object(folder / FILE) and not [*folder.parent.glob(".*")]
    note_like(space, id, ["0" * 16])  # a run that was deleted
    assert not [*folder.parent.glob(".*")]


def test_a_dry_run_trains_nothing_and_says_what_training_takes(tmp_path, core, tiny_model):
    from tests.conftest import HARBOUR

    recipe = tmp_path / "r.yaml"
    text = f"version: 1\ndata: {{file: {HARBOUR}, split: {{dev: 0.2, test: 0.2}}}}\n"
    recipe.write_text(text + f"train: {{model: {tiny_model}, steps: 7, seeds: [0, 1, 2]}}\n")
    at = ("--workspace", tmp_path / "ws")
    found = core("run", recipe, "--dry-run", "--json", *at, folder=tmp_path)
    assert found.status == 0, found.stderr
    told = found.json
    assert (told["runs"], told["new"], told["mix"]["steps"]) == (3, 3, 7)
    assert told["estimate"]["seconds"] > 0 and told["estimate"]["disk"] > 0
    space = Workspace(tmp_path / "ws")
    assert space.store.list(kind="train") == ()
    shown = core("run", recipe, "--dry-run", *at, folder=tmp_path).stdout
    assert "7 optimiser steps" in shown and "So few steps teach the model next to nothing" in shown
    recipe.write_text(text + f"train: {{model: {tiny_model}, steps: 100, seeds: [0, 1, 2]}}\n")
    assert "So few steps" not in core("run", recipe, "--dry-run", *at, folder=tmp_path).stdout


def test_counted_weights_agree_with_what_a_run_leaves():
    below = {"full": 3, "lora": 3, "frozen": 6}
    for method, layers in below.items():
        train = TrainParams(method=method)
        parts = split(MINILM, train, layers, 13)
        assert kept(MINILM, train, layers, 13) >= parts.trained - sum(
            part.trained for part in parts.portions if part.name == "adapters"
        )


def test_what_waits_follows_in_the_process_before_it(history):
    space, _ = history
    write_json(space.root / "slots.json", {"train": 1})
    inputs = {"gold": "corpus:x", "dev": "corpus:politics", "model": "model:" + "ef" * 32}
    ids = [
        space.store.submit(RunSpec("train", inputs, {"seed": seed, "labels": ["A"], "train": {"steps": 90}}), {})[0].id
        for seed in range(3)
    ]
    left = time_left(space)
    gaps = [left[later] - left[earlier] for earlier, later in pairwise(ids)]
    assert gaps[0] == pytest.approx(gaps[1]) and left[ids[0]] - gaps[0] > 3
    for id in ids:
        space.store.cancel(id)
    (space.root / "slots.json").unlink()


def test_an_older_run_left_no_layer_as_it_was(tmp_path):
    assert frozen_in(TrainParams(), tmp_path / "runs" / "x", True) == 0
    assert frozen_in(TrainParams(), tmp_path / "runs" / "x", False) > 0
    (tmp_path / "runs" / "x").mkdir(parents=True)
    write_json(tmp_path / "runs" / "x" / "result.json", {"frozen_layers": 1})
    assert frozen_in(TrainParams(), tmp_path / "runs" / "x", True) == 1


def test_a_training_is_refused_where_its_checkpoints_have_no_room(tmp_path, tiny_model):
    from core.models.catalogue import install
    from core.room import needed

    space = Workspace.open(tmp_path)
    model = install(str(tiny_model), space.models, tmp_path).identity
    inputs = {"gold": "corpus:x", "dev": "corpus:y", "model": f"model:{model}"}

    def need(**train: Any) -> int:
        return needed(space.root, RunSpec("train", inputs, {"seed": 0, "labels": ["A"], "train": train}))

    most = (space.models / model / "model.safetensors").stat().st_size
    every = need(freeze_word_embeddings=False, frozen_layers=0)
    assert 11 * most < every < 13 * most + (2 << 20)  # three checkpoints with moments, the best twice, the model
    assert need(frozen_layers=0) < every and need(method="frozen") < need(frozen_layers=1) < need(frozen_layers=0)
    assert needed(space.root, RunSpec("train", {**inputs, "model": "model:gone"}, {"seed": 0, "labels": []})) == 1 << 20


def test_what_lies_between_attempts_is_no_work(tmp_path):
    space = Workspace.open(tmp_path / "ws")
    [told, *_] = [json.loads(line) for line in (RECORDED / "trainings.jsonl").read_text().split("\n") if line]
    run = space.store.get(ended(space.store, spec_of(told), files_of(told), result={"steps": 120}))
    folder = space.run_folder(run.id)
    states = [(100.0, "queued"), (110.0, "running"), (150.0, "interrupted"), (9000.0, "running"), (9025.0, "succeeded")]
    (folder / "events.jsonl").write_text("".join(json.dumps({"t": t, "to": to}) + "\n" for t, to in states))
    whole = replace(run, attempt=2, started=110.0, ended=9025.0)
    assert whole.seconds == 8915 and worked(folder, whole) == 65
    assert worked(folder, replace(whole, attempt=1)) == 8915  # one attempt: nothing lies between
    assert worked(folder, replace(whole, started=None)) is None
