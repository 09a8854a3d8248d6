"""Trainings on a GPU: left out where there is none. What holds on a processor holds there: bits that repeat, a resumed
run that ends with the same weights, and a batch that is halved where the memory is full."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HARBOUR, ended, environment, start
from test_training import place, tensors, trained  # noqa: F401 -- place is a fixture

from core.jobs import faults
from core.jobs.faults import FaultError
from core.jobs.folder import last_metrics
from core.jobs.machine import Machine

pytestmark = pytest.mark.skipif(Machine.here().device != "cuda", reason="no GPU here, or a torch without CUDA")
ON_GPU = {"device": "cuda"}
FILLER = """
import sys, torch
free = torch.cuda.mem_get_info()[0]
held = torch.empty(free - int(sys.argv[1]), dtype=torch.uint8, device="cuda")
print("full", flush=True)
sys.stdin.read()
"""


def same(one: Path, other: Path) -> bool:
    found = tensors(other)
    return all(tensor.equal(found[name]) for name, tensor in tensors(one).items())


@pytest.mark.parametrize(
    "settings",
    [{}, {"adversarial": 1.0}, {"method": "lora"}, {"frozen_layers": 1}, {"head": "solved"}],
    ids=["full", "adversarial", "lora", "frozen", "solved"],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_bits_repeat(place, precision, settings):  # noqa: F811
    name = f"gpu-{precision}-{'-'.join(settings)}"
    on = ON_GPU | {"precision": precision}
    first, again = (trained(place, name + end, resolved=on, **settings)[0] for end in "ab")
    assert same(first, again)


def test_it_learns_what_a_processor_learns(place):  # noqa: F811
    """Dropout's random numbers are others there; the first loss differs by them alone."""
    here, there = (trained(place, f"device-{d}", resolved={"device": d})[0] for d in ("cpu", "cuda"))
    losses = [[line["loss"] for line in last_metrics(folder) if line.get("loss")] for folder in (here, there)]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.2)
    assert losses[1][-1] < losses[1][0]


def test_a_resumed_training_has_the_same_bits(place, monkeypatch, capsys):  # noqa: F811
    on = ON_GPU | {"precision": "bf16"}
    monkeypatch.setenv("PEIBI_FAULT", "step:5:raise")
    faults.reset()
    with pytest.raises(FaultError):
        trained(place, "gpu-cut", resolved=on)
    monkeypatch.delenv("PEIBI_FAULT")
    folder, _ = trained(place, "gpu-cut", resolved=on)
    assert "resumed from step 4" in capsys.readouterr().err
    assert same(folder, trained(place, "gpu-whole", resolved=on)[0])


def test_a_full_memory_halves_the_batch(tmp_path):
    """Another process leaves 3 GiB of the GPU: the whole batch doesn't fit, a part of it does."""
    recipe = tmp_path / "large.yaml"
    recipe.write_text(
        f"version: 1\ndata: {{file: {HARBOUR}, split: {{dev: 0.2}}}}\n"
        "mix: {parts: {gold: 60}, max_repeats: 60}\n"
        "train: {steps: 3, batch_tokens: 60000, seeds: [0]}\n"
    )
    filler = subprocess.Popen(
        [sys.executable, "-c", FILLER, str(3 << 30)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert filler.stdout is not None and filler.stdout.readline() == "full\n"
        done = ended(start(["run", recipe, "--workspace", tmp_path / "w", "--json"], tmp_path, environment()))
    finally:
        filler.kill()
        filler.wait()
    assert done.status == 0, done.stderr
    [run] = done.json["runs"]
    assert run["state"] == "succeeded"
    notes = (tmp_path / "w" / "runs" / run["id"] / "events.jsonl").read_text()
    assert '"batch_halved"' in notes
