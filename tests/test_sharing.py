"""Runs that wait in line share a process: the same bits as alone, and what hurts one leaves the others be."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HARBOUR, ended, environment, start
from invariants import check, processes

from core.jobs.folder import PROCESSES, read_object
from core.jobs.process import identity
from core.jobs.store import Store

STEPS = 8


@pytest.fixture(scope="module")
def write(tmp_path_factory, tiny_model) -> Callable[..., Path]:
    """A recipe of some seeds, with other settings of the training."""

    def written(seeds: list[int], **train: Any) -> Path:
        path = tmp_path_factory.mktemp("recipe") / "shared.yaml"
        settings = {"steps": STEPS, "batch_tokens": 128, "learning_rate": 1e-2, "checkpoint_every": 3} | train
        told = ", ".join(f"{key}: {value}" for key, value in settings.items())
        path.write_text(
            f"version: 1\ndata: {{file: {HARBOUR}, split: {{dev: 0.2}}}}\n"
            f"train: {{model: {tiny_model}, {told}, seeds: {seeds}}}\n"
        )
        return path

    return written


def run(recipe: Path, workspace: Path, **env: str):
    return start(["run", recipe, "--workspace", workspace, "--json"], recipe.parent, environment(**env))


def weights(workspace: Path, runs: list[dict[str, Any]]) -> dict[int, str]:
    """The sha256 of the trained weights by seed."""
    files = {run["seed"]: workspace / "runs" / run["id"] / "model" / "trained.safetensors" for run in runs}
    return {seed: hashlib.sha256(path.read_bytes()).hexdigest() for seed, path in files.items()}


def trainers(workspace: Path, runs: list[dict[str, Any]]) -> list[int]:
    """The pid of the process that carried out each run."""
    found = [read_object(workspace / "runs" / run["id"] / PROCESSES) or {} for run in runs]
    return [one["trainer"]["pid"] for one in found]


@pytest.fixture(scope="module")
def shared(write, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """Three seeds that nobody disturbed. -> (workspace, runs)"""
    workspace = tmp_path_factory.mktemp("shared")
    done = ended(run(write([0, 1, 2]), workspace))
    assert done.status == 0, done.stderr
    return workspace, done.json["runs"]


@pytest.fixture(scope="module")
def bits(shared) -> dict[int, str]:
    return weights(*shared)


def test_repeats_share_a_process(shared, bits):
    workspace, runs = shared
    assert len(set(trainers(workspace, runs))) == 1
    logs = [(workspace / "runs" / one["id"] / "log.txt").read_text() for one in runs]
    assert all(log.count("attempt 1\n") == 1 for log in logs)  # each has its own log
    assert len(set(bits.values())) == 3
    settled(workspace, runs)


@pytest.mark.whole  # below, the first and the last of those that come later are alone
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_they_have_the_bits_that_they_have_alone(write, bits, tmp_path, seed):
    done = ended(run(write([seed]), tmp_path))
    assert weights(tmp_path, done.json["runs"]) == {seed: bits[seed]}


def settled(workspace: Path, runs: list[dict[str, Any]]) -> None:
    """The invariants, once the process that they shared has gone home."""
    deadline = time.monotonic() + 20
    while any(processes(workspace, one["id"]) for one in runs) and time.monotonic() < deadline:
        time.sleep(0.05)
    check(Store(workspace), [one["id"] for one in runs])


def until(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"{path} never said {text}")


@pytest.mark.parametrize("victim", ["trainer", pytest.param("supervisor", marks=pytest.mark.whole)])
def test_killed_in_the_second_run(write, bits, tmp_path, victim):
    """The first is done, the second goes on by itself where it was, the third has its turn."""
    first = run(write([0, 1, 2]), tmp_path)
    second = in_turn(tmp_path, 1)
    until(tmp_path / "runs" / second / "metrics-1.jsonl", '"step": 4, "loss"')
    who = json.loads((tmp_path / "runs" / second / PROCESSES).read_text())
    os.kill(who[victim]["pid"], signal.SIGKILL)
    done = ended(first)
    assert done.status == 0, done.stderr
    assert weights(tmp_path, done.json["runs"]) == bits
    store = Store(tmp_path)
    assert [store.get(one["id"]).attempt for one in done.json["runs"]] == [1, 2, 1]
    settled(tmp_path, done.json["runs"])


def in_turn(workspace: Path, place: int) -> str:
    """The id of the run whose turn is so late, once it is its turn."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        begun = sorted(_began(workspace))
        if len(begun) > place:
            return begun[place][1]
        time.sleep(0.01)
    raise AssertionError("its turn never came")


def _began(workspace: Path) -> Iterator[tuple[float, str]]:
    for path in workspace.glob("runs/*/events.jsonl"):
        lines = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
        started = [line["t"] for line in lines if line["to"] == "running" and line["run"]["kind"] == "train"]
        if started:
            yield started[0], path.parent.name


def test_one_that_is_cancelled_leaves_the_others_be(write, bits, tmp_path):
    first = run(write([0, 1, 2]), tmp_path)
    second = in_turn(tmp_path, 1)
    until(tmp_path / "runs" / second / "metrics-1.jsonl", '"step": 1, "loss"')
    Store(tmp_path).cancel(second)
    done = ended(first)
    assert done.status == 1
    assert "runs" in done.json, done.stdout + done.stderr
    assert [one["state"] for one in done.json["runs"]] == ["succeeded", "cancelled", "succeeded"]
    good = [done.json["runs"][0], done.json["runs"][2]]
    assert weights(tmp_path, good) == {seed: bits[seed] for seed in (0, 2)}
    assert len(set(trainers(tmp_path, done.json["runs"]))) == 1
    settled(tmp_path, done.json["runs"])


@pytest.mark.whole
def test_those_that_fail_for_a_foreseen_reason_share_too(write, tmp_path):
    done = ended(run(write([0, 1], learning_rate=1e38, clip=1e38), tmp_path))
    assert [one["state"] for one in done.json["runs"]] == ["failed", "failed"]
    assert len(set(trainers(tmp_path, done.json["runs"]))) == 1
    for one in done.json["runs"]:
        error = Store(tmp_path).get(one["id"]).error
        assert error is not None and error["code"] == "loss_not_finite"


@pytest.mark.whole
def test_what_nobody_foresaw_ends_the_process(write, tmp_path):
    """Whatever state it left behind is nothing to train the next one in."""
    done = ended(run(write([0, 1]), tmp_path, PEIBI_FAULT="step:2:raise"))
    assert [one["state"] for one in done.json["runs"]] == ["failed", "failed"]
    assert len(set(trainers(tmp_path, done.json["runs"]))) == 2


def who(workspace: Path, run: str) -> dict[str, int]:
    """The pids of a run's trainer and supervisor; empty before it has them."""
    found = read_object(workspace / "runs" / run / PROCESSES) or {}
    return {role: found[role]["pid"] for role in ("trainer", "supervisor") if role in found}


def gone(pid: int) -> bool:
    """Whether a process ends within half a minute."""
    deadline = time.monotonic() + 30
    while identity(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    return identity(pid) is None


def test_one_that_stands_by_takes_what_comes_later(write, bits, tmp_path):
    workspace = tmp_path / "here"

    def later(seed: int) -> dict[str, int]:
        done = ended(run(write([seed]), workspace, PEIBI_WARM="300"))
        assert done.status == 0, done.stderr
        assert weights(workspace, done.json["runs"]) == {seed: bits[seed]}
        return who(workspace, done.json["runs"][0]["id"])

    first, second = later(0), later(1)
    assert second == first
    os.kill(first["supervisor"], signal.SIGKILL)  # it stands by no more, and nothing waits for it
    other = later(2)
    assert other["trainer"] != first["trainer"]
    moved = workspace.rename(tmp_path / "there")
    assert gone(other["supervisor"])
    assert gone(other["trainer"])
    assert not workspace.exists()
    check(Store(moved))


@pytest.mark.whole
def test_one_that_hangs_is_not_waited_for(write, tmp_path):
    first = ended(run(write([0]), tmp_path, PEIBI_WARM="300"))
    idle = who(tmp_path, first.json["runs"][0]["id"])
    os.kill(idle["supervisor"], signal.SIGSTOP)
    second = run(write([1], steps=300), tmp_path)
    id = in_turn(tmp_path, 1)
    os.kill(idle["supervisor"], signal.SIGCONT)
    assert gone(idle["supervisor"])  # another has its slot: it went home
    assert Store(tmp_path).get(id).state == "running"
    assert ended(second).status == 0
    assert who(tmp_path, id)["supervisor"] != idle["supervisor"]
