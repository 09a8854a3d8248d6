"""The training loop on a tiny model, in this process: what is trained, what is not, and on which precision."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import HARBOUR

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.jobs import faults
from core.jobs.faults import FaultError
from core.jobs.folder import last_metrics
from core.jobs.trainer import Context
from core.mix import Mix, Part
from core.models.catalogue import install
from core.params import canonical
from core.runs import RunSpec
from core.tasks import task
from core.training import predictions
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, evaluate, run

SETTINGS = TrainParams(steps=6, batch_tokens=256, learning_rate=5e-3, evaluations=2, checkpoint_every=2)
RESOLVED = {"device": "cpu", "precision": "fp32", "threads": 1, "versions": {}}


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> dict:
    """A workspace with the sample as gold (48 rows) and dev (12 rows), and the tiny model."""
    root = tmp_path_factory.mktemp("training")
    whole = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    gold, dev = (Corpus(whole.schema, whole.table.slice(*cut)) for cut in ((0, 48), (48, 12)))
    paths = {"gold": corpora.write(gold, root / "corpora"), "dev": corpora.write(dev, root / "corpora")}
    model = install(str(tiny_model), root / "models", root)
    return {"root": root, "paths": {**paths, "model": model.folder}, "labels": whole.schema.labels, "dev": dev}


def trained(
    place: dict,
    name: str,
    *,
    seed: int = 0,
    resolved: dict | None = None,
    mix: Mix | None = None,
    halvings=0,
    **settings,
):
    """Carry out one training -> (its folder, its result)."""
    params = TrainRunParams(seed, place["labels"], mix or Mix(), replace(SETTINGS, **settings))
    inputs = {role: str(path) for role, path in place["paths"].items()}
    spec = RunSpec("train", dict.fromkeys(inputs, ""), canonical(params))
    folder = place["root"] / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(place["root"], folder, spec, RESOLVED | (resolved or {}) | {"inputs": inputs}, 1, halvings)
    run(context)
    return folder, json.loads((folder / "result.json").read_text())


def tensors(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(str(folder / "model" / "trained.safetensors"))


def test_a_training_keeps_model_and_predictions_and_drops_checkpoints(place):
    folder, result = trained(place, "plain")
    assert (result["steps"], result["rows"]) == (6, {"gold": 48})
    assert result["best_step"] in (3, 6)
    kept = predictions.read(predictions.file_of(folder, place["dev"].id))
    assert [len(row) for row in kept.values] == [len(row) for row in place["dev"].table.column("tokens").to_pylist()]
    assert all(0 <= sure <= 1 for row in kept.confidence for sure in row)
    assert not (folder / "checkpoints").exists()
    losses = [line["loss"] for line in last_metrics(folder) if line.get("loss") is not None]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    first, *steps = last_metrics(folder)
    assert (first["step"], first["total"]) == (0, 6) and first["per_epoch"] > 1 and first["dev_tokens"] > 0
    seconds = [first["s"], *(line["s"] for line in steps)]
    assert seconds == sorted(seconds) and all(line["rows"] for line in steps)
    batch = json.loads((folder / "first_batch.json").read_text(encoding="utf-8"))
    assert batch["rows"] == steps[0]["rows"] and batch["sentences"][0]["ingredient"] == "gold"


def test_a_batch_in_parts_is_the_same_step(place, tiny_model, tmp_path):
    """Halved for want of memory: the gradients of the parts add up to the batch's, up to rounding (and dropout)."""
    import torch

    steady = tmp_path / "steady"
    shutil.copytree(tiny_model, steady)
    config = json.loads((steady / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (steady / "config.json").write_text(json.dumps(config))
    here = place | {
        "paths": place["paths"] | {"model": install(str(steady), place["root"] / "models", tmp_path).folder}
    }
    whole, parts = (trained(here, f"parts-{n}", halvings=n, steps=4)[0] for n in (0, 2))
    losses = [[line["loss"] for line in last_metrics(folder) if line.get("loss")] for folder in (whole, parts)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    other = tensors(parts)
    assert all(torch.allclose(tensor, other[name], atol=2e-3) for name, tensor in tensors(whole).items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in tensors(whole).items())  # it was in parts


def test_the_best_step_is_the_one_whose_predictions_are_kept(place):
    folder, result = trained(place, "best", steps=12, evaluations=4, learning_rate=2e-2)
    looks = {line["step"]: line["dev"] for line in last_metrics(folder) if line.get("dev") is not None}
    assert sorted(looks) == [3, 6, 9, 12]
    assert result["best_dev"] == max(looks.values())
    assert result["best_step"] == min(step for step, score in looks.items() if score == max(looks.values()))
    kept = predictions.read(predictions.file_of(folder, place["dev"].id))
    counts = task("tagging").counts(place["dev"].table, kept.values, place["labels"])
    precision, recall = counts.tp.sum() / max(counts.pred.sum(), 1), counts.tp.sum() / counts.gold.sum()
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert f1 == pytest.approx(result["best_dev"], abs=1e-12)


def test_word_embeddings_are_frozen_unless_asked(place):
    frozen, _ = trained(place, "frozen")
    assert not any("word_embeddings" in name for name in tensors(frozen))
    whole, _ = trained(place, "whole", freeze_word_embeddings=False)
    assert any("word_embeddings" in name for name in tensors(whole))


def test_seeds_differ_and_a_seed_repeats(place):
    first, again, other = (trained(place, name, seed=seed)[0] for name, seed in (("s0", 0), ("s0b", 0), ("s1", 1)))
    assert all((a == b).all() for a, b in zip(tensors(first).values(), tensors(again).values(), strict=True))
    assert any((a != b).any() for a, b in zip(tensors(first).values(), tensors(other).values(), strict=True))


def test_bf16_trains_too_and_its_bits_repeat(place):
    from accelerate.state import AcceleratorState

    plain, _ = trained(place, "fp32")
    AcceleratorState._reset_state(True)  # a process has one precision: here it is changed
    first, _ = trained(place, "bf16", resolved={"precision": "bf16"})
    again, _ = trained(place, "bf16b", resolved={"precision": "bf16"})
    AcceleratorState._reset_state(True)
    assert all((a == b).all() for a, b in zip(tensors(first).values(), tensors(again).values(), strict=True))
    assert any((a != b).any() for a, b in zip(tensors(first).values(), tensors(plain).values(), strict=True))


def test_a_mix_decides_what_is_drawn(place):
    _, result = trained(place, "half", mix=Mix(parts={"gold": Part(0.5, "times_gold")}))
    assert result["rows"] == {"gold": 24}


def test_a_loss_that_is_not_finite_ends_the_run_with_its_step(place):
    with pytest.raises(CoreError) as caught:
        trained(place, "wild", learning_rate=1e38, clip=1e38, steps=12)
    assert caught.value.code == "loss_not_finite"
    assert caught.value.values["step"] > 1


@pytest.mark.parametrize("part", ["optimizer.safetensors", "random.safetensors", "state.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "flipped"])
def test_a_checkpoint_of_a_training_that_lacks_something(place, monkeypatch, capsys, part, damage):
    """The one before is gone on from, and the weights are those of an undisturbed training."""
    name = f"lacks-{part}-{damage}"
    monkeypatch.setenv("PEIBI_FAULT", "step:5:raise")
    faults.reset()
    with pytest.raises(FaultError):
        trained(place, name)
    monkeypatch.delenv("PEIBI_FAULT")
    folder = place["root"] / "runs" / name
    newest = folder / "checkpoints" / "step-00000004" / part
    if damage == "gone":
        newest.unlink()
    else:
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 1
        newest.write_bytes(data)
    trained(place, name)
    told = capsys.readouterr().err
    assert "checkpoint step-00000004 not used" in told and "resumed from step 3\n" in told
    whole = tensors(trained(place, f"whole-{name}")[0])
    assert all(tensor.equal(whole[key]) for key, tensor in tensors(folder).items())


def test_a_resumed_run_of_another_environment_is_refused(place):
    params = TrainRunParams(0, place["labels"], Mix(), SETTINGS)
    inputs = {role: str(path) for role, path in place["paths"].items()}
    folder = place["root"] / "runs" / "moved"
    folder.mkdir()
    spec = RunSpec("train", dict.fromkeys(inputs, ""), canonical(params))

    class Killed(BaseException):
        pass

    class Dying(Context):
        def point(self, name: str) -> None:
            if name == "checkpoint.renamed" and (self.folder / "checkpoints").exists():
                raise Killed

    with pytest.raises(Killed):
        run(Dying(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 1))
    with pytest.raises(CoreError) as caught:
        run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs, "threads": 2}, 2))
    assert caught.value.code == "resume_other_environment"
    run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 3))


def test_weights_of_another_architecture_are_refused(place, tmp_path, tiny_model):
    """An encoder never starts from random weights without a word."""
    import torch
    from safetensors.torch import load_file, save_file

    from core.models.loading import network

    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(str(tmp_path / "model.safetensors"))
    save_file({f"other.{name}": tensor for name, tensor in weights.items()}, str(tmp_path / "model.safetensors"))
    torch.manual_seed(0)
    with pytest.raises(CoreError) as caught:
        network(tmp_path, task("tagging").head, ("O", "B-X", "I-X"))
    assert caught.value.code == "model_weights_absent"
    network(tiny_model, task("tagging").head, ("O", "B-X", "I-X"))


def test_evaluation_predicts_with_the_trained_weights(place):
    folder, _ = trained(place, "evaluated")
    kept = predictions.file_of(folder, place["dev"].id)
    before = predictions.read(kept)
    values, confidence = [list(row) for row in before.values], [list(row) for row in before.confidence]
    kept.unlink()
    inputs = {"data": str(place["paths"]["dev"]), "model:0": str(folder)}
    target = place["root"] / "runs" / "evaluation"
    target.mkdir()
    spec = RunSpec("evaluate", dict.fromkeys(inputs, ""), {})
    evaluate(Context(place["root"], target, spec, RESOLVED | {"inputs": inputs}, 1))
    after = predictions.read(kept)
    assert [list(row) for row in after.values] == values
    assert [list(row) for row in after.confidence] == confidence
