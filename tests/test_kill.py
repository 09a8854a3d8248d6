"""A recipe on a real trainer, with its processes killed: the same command ends with the same scores and weights."""

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from conftest import HARBOUR, Done, ended, environment, start
from invariants import check

from core.jobs.store import Store

STEPS = 14
WHOLE = pytest.mark.whole


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tiny_model) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "kill.yaml"
    path.write_text(
        f"""version: 1
data: {{file: {HARBOUR}, split: {{dev: 0.2}}}}
ingredients:
  mentions: {{augmenter: mention_replacement}}
mix: {{parts: {{mentions: 0.5}}}}
train:
  {{model: {tiny_model}, steps: {STEPS}, checkpoint_every: 3, batch_tokens: 128, learning_rate: 1.0e-2, seeds: [3]}}
"""
    )
    return path


def command(recipe: Path, workspace: Path, **env: str):
    arguments = ["run", recipe, "--workspace", workspace, "--json"]
    return start(arguments, recipe.parent, environment(**env))


def run(recipe: Path, workspace: Path, **env: str) -> Done:
    return ended(command(recipe, workspace, **env))


def weights(workspace: Path, done: Done) -> str:
    [trained] = done.json["runs"]
    return hashlib.sha256(
        (workspace / "runs" / trained["id"] / "model" / "trained.safetensors").read_bytes()
    ).hexdigest()


@pytest.fixture(scope="module")
def undisturbed(recipe, tmp_path_factory) -> tuple[dict, str]:
    workspace = tmp_path_factory.mktemp("undisturbed")
    done = run(recipe, workspace)
    assert done.status == 0, done.stderr
    return done.json["scores"], weights(workspace, done)


def processes(workspace: Path, module: str) -> list[int]:
    """The pids of our processes that run `module` for this workspace."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if module in words and str(workspace) in words:
            found.append(int(folder.name))
    return found


def until_step(workspace: Path, step: int) -> None:
    """Wait until a training has done so many steps."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for path in workspace.glob("runs/*/metrics-*.jsonl"):
            if f'"step": {step}, "loss"' in path.read_text():
                return
        time.sleep(0.02)
    raise AssertionError("the training never came that far")


@pytest.mark.whole  # the core has test_contract's command that is killed
@pytest.mark.parametrize("fault", ["step:8", "checkpoint.written:2", "finished:1"])
def test_trainer_killed_at_a_named_point(recipe, undisturbed, tmp_path, fault):
    """The run goes on by itself, and the command that waits for it does not notice."""
    done = run(recipe, tmp_path, PEIBI_FAULT=fault)
    assert done.status == 0, done.stderr
    [trained] = done.json["runs"]
    assert trained["state"] == "succeeded" and "interrupted" in done.stderr
    assert (done.json["scores"], weights(tmp_path, done)) == undisturbed
    store = Store(tmp_path)
    assert (store.get(trained["id"]).attempt, store.get(trained["id"]).resumes) == (2, 1)
    check(store, [trained["id"]])
    if fault == "step:8":  # it does not begin again
        metrics = (tmp_path / "runs" / trained["id"] / "metrics-2.jsonl").read_text()
        steps = [line for line in metrics.split("\n") if '"loss"' in line]
        assert '"step": 7, "loss"' in steps[0]  # the checkpoint of step 6 was the last
        assert len(steps) == STEPS - 6


@WHOLE
@pytest.mark.parametrize("victim", ["core.jobs.trainer", "core.jobs.supervisor"])
def test_process_killed_in_mid_run(recipe, undisturbed, tmp_path, victim):
    first = command(recipe, tmp_path)
    until_step(tmp_path, 2)
    [pid] = processes(tmp_path, victim)
    os.kill(pid, signal.SIGKILL)
    done = ended(first)
    assert (done.status, done.json["scores"], weights(tmp_path, done)) == (0, *undisturbed), done.stderr
    assert not processes(tmp_path, "core.jobs.trainer")
    check(Store(tmp_path), [done.json["runs"][0]["id"]])


@WHOLE
@pytest.mark.parametrize("seed", range(3))
def test_a_trainer_killed_at_some_moment(recipe, undisturbed, tmp_path, seed):
    """kill -9 at moments that nobody chose, up to three times in one run."""
    first, rng = command(recipe, tmp_path), random.Random(seed)
    until_step(tmp_path, 1)
    for _ in range(1 + seed):
        time.sleep(rng.uniform(0, 1.5))
        for pid in processes(tmp_path, "core.jobs.trainer"):
            os.kill(pid, signal.SIGKILL)
    done = ended(first)
    assert (done.status, done.json["scores"], weights(tmp_path, done)) == (0, *undisturbed), done.stderr
    check(Store(tmp_path), [done.json["runs"][0]["id"]])


@WHOLE
def test_command_killed_in_mid_run(recipe, undisturbed, tmp_path):
    first = command(recipe, tmp_path)
    until_step(tmp_path, 1)
    first.kill()
    first.communicate()
    again = run(recipe, tmp_path)
    assert (again.status, again.json["scores"], weights(tmp_path, again)) == (0, *undisturbed)
    assert [r["reused"] for r in again.json["runs"]] == [True]  # it went on by itself


@WHOLE
def test_the_same_spec_in_another_workspace_gives_the_same_bits(recipe, undisturbed, tmp_path):
    done = run(recipe, tmp_path)
    assert (done.json["scores"], weights(tmp_path, done)) == undisturbed
