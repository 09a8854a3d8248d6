"""The training loop on a tiny model, in this process: what is trained, what is not, and on which precision."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
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
from core.models.loading import load_trained, network, tokenizer
from core.models.ridge import ridge
from core.params import canonical
from core.runs import RunSpec
from core.tasks import task
from core.tasks.protocol import Pieces
from core.training import feed, predictions
from core.training.adversarial import away
from core.training.dropout import cheaper
from core.training.gear import gear_of, versions
from core.training.heads import _some
from core.training.methods import class_weights, groups_of, ready
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, evaluate, run, with_model

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
    plain, _ = trained(place, "fp32")
    first, _ = trained(place, "bf16", resolved={"precision": "bf16"})
    again, _ = trained(place, "bf16b", resolved={"precision": "bf16"})
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
    assert "checkpoint step-00000004 not used" in told and "resumed from step 2\n" in told
    whole = tensors(trained(place, f"whole-{name}")[0])
    assert all(tensor.equal(whole[key]) for key, tensor in tensors(folder).items())


def test_a_resumed_run_of_another_environment_is_refused(place, monkeypatch):
    params = TrainRunParams(0, place["labels"], Mix(), SETTINGS)
    inputs = {role: str(path) for role, path in place["paths"].items()}
    folder = place["root"] / "runs" / "moved"
    folder.mkdir(parents=True)
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
    with monkeypatch.context() as upgraded:
        upgraded.setattr("core.training.state.versions", lambda: {**versions(), "torch": "9.9"})
        with pytest.raises(CoreError) as caught:
            run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 2))
    assert caught.value.code == "resume_other_environment"
    run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 3))


def test_weights_of_another_architecture_are_refused(place, tmp_path, tiny_model):
    """An encoder never starts from random weights without a word."""
    import torch
    from safetensors.torch import load_file, save_file

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


# --- frozen layers, shared ------------------------------------------------------------------------------------------


def losses(folder: Path) -> list[float]:
    return [line["loss"] for line in last_metrics(folder) if line.get("loss") is not None]


def test_states_of_frozen_layers_are_what_the_layers_give(place, monkeypatch):
    """Where they are too many to be kept, the layers work anew at every step: the same up to rounding."""
    shared, result = trained(place, "shared", frozen_layers=1, dropout=0.0)
    assert result["frozen_layers"] == 1
    monkeypatch.setattr(feed.effort, "STATES", 0)
    monkeypatch.setattr(feed, "_kept", {})
    anew, _ = trained(place, "anew", frozen_layers=1, dropout=0.0)
    assert losses(anew) == pytest.approx(losses(shared), rel=1e-3)
    assert not feed._kept  # it was another way there
    assert not any("layer.0." in name or "embeddings" in name for name in tensors(shared))


def test_frozen_states_are_computed_once_for_all_repeats(place, monkeypatch):
    monkeypatch.setattr(feed, "_kept", {})
    trained(place, "once-0", seed=0)
    kept = {key: id(states) for key, states in feed._kept.items()}
    assert len(kept) == 2  # of the mix and of dev
    trained(place, "once-1", seed=1)
    assert {key: id(states) for key, states in feed._kept.items()} == kept
    trained(place, "once-half", mix=Mix(parts={"gold": Part(0.5, "times_gold")}))
    assert len(feed._kept) == 3


def test_a_run_has_the_same_bits_whatever_its_process_did_before(place, monkeypatch):
    monkeypatch.setattr(feed, "_kept", {})
    alone, _ = trained(place, "alone", seed=5)
    trained(place, "before", seed=6, mix=Mix(parts={"gold": Part(0.5, "times_gold")}))
    after, _ = trained(place, "after", seed=5)
    assert all(tensor.equal(tensors(after)[name]) for name, tensor in tensors(alone).items())


def test_rows_are_tokenised_once(place):
    trained(place, "tokenised")
    kept = {path.name: path.stat().st_mtime_ns for path in (place["root"] / "cache" / "pieces").iterdir()}
    assert len(kept) >= 2
    trained(place, "tokenised-again", seed=1)
    assert {path.name: path.stat().st_mtime_ns for path in (place["root"] / "cache" / "pieces").iterdir()} == kept


def test_what_nobody_asks_for_is_not_worked_out_and_the_rest_is_the_same(place):
    import torch

    gold = corpora.read(place["paths"]["gold"])
    pieces = task("tagging").pieces(gold.table, tokenizer(place["paths"]["model"]), 64).take(np.arange(6))
    torch.manual_seed(0)
    model = network(place["paths"]["model"], task("tagging").head, ("O", "B-X", "I-X")).eval()
    read, gear = feed.Feed(pieces, 0), gear_of(RESOLVED)
    _, within, places = read.items(np.arange(6))
    inputs = read.inputs(np.arange(6), gear)
    with torch.inference_mode():
        whole = model(**inputs).logits
        found = feed.reader(task("tagging"), model)(inputs, within, places)
    assert torch.allclose(found, whole[within, places], atol=1e-5)
    assert len(found) < whole.shape[0] * whole.shape[1]
    assert torch.equal(model(**inputs).logits, whole)  # the network itself is as it was


def test_an_encoder_of_an_unknown_family_is_not_cut(place, tmp_path, tiny_model):
    other = tmp_path / "mpnet"
    import torch
    from transformers import MPNetConfig, MPNetModel

    torch.manual_seed(0)
    config = json.loads((tiny_model / "config.json").read_text())
    small = MPNetConfig(
        vocab_size=config["vocab_size"],
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    MPNetModel(small).save_pretrained(other)
    (other / "tokenizer.json").write_bytes((tiny_model / "tokenizer.json").read_bytes())
    model = install(str(other), place["root"] / "models", tmp_path).folder
    here = place | {"paths": place["paths"] | {"model": model}}
    assert trained(here, "mpnet")[1]["frozen_layers"] == 0
    with pytest.raises(CoreError) as caught:
        trained(here, "mpnet-cut", frozen_layers=1)
    assert caught.value.code == "layers_unknown"
    with pytest.raises(CoreError) as caught:
        trained(place, "too-many", frozen_layers=9)
    assert caught.value.code == "layers_few"


# --- methods --------------------------------------------------------------------------------------------------------


def test_the_head_alone(place):
    import torch
    from safetensors.torch import load_file

    folder, result = trained(place, "head", method="frozen")
    assert set(tensors(folder)) == {"classifier.weight", "classifier.bias"}
    assert result["weights"]["trained"] < 1000 < result["weights"]["all"]
    base = load_file(str(place["paths"]["model"] / "model.safetensors"))
    loaded = load_trained(folder / "model", place["paths"]["model"], task("tagging").head, TAGS(place))
    same = dict(loaded.named_parameters())
    assert all(torch.equal(value, same[f"bert.{name}"]) for name, value in base.items() if f"bert.{name}" in same)


def TAGS(place: dict) -> tuple[str, ...]:
    return task("tagging").classes(place["labels"])


def test_low_rank_updates_are_merged_into_the_weights(place):
    """The kept model is an ordinary one: it predicts as the adapted network did."""
    folder, result = trained(place, "lora", method="lora", lora_rank=2)
    names = set(tensors(folder))
    assert not any("lora" in name or "base_layer" in name for name in names)
    assert "bert.encoder.layer.1.attention.self.query.weight" in names
    assert not any("layer.0." in name for name in names)  # frozen, as by default
    kept = predictions.read(predictions.file_of(folder, place["dev"].id))
    found = with_model(folder / "model", place["root"], place["dev"], gear_of(RESOLVED))
    assert [list(row) for row in found.values] == [list(row) for row in kept.values]
    assert np.concatenate(found.confidence) == pytest.approx(np.concatenate(kept.confidence), abs=1e-4)
    full = trained(place, "full-again")[1]
    assert result["weights"]["trained"] < full["weights"]["trained"] / 2


def test_a_solved_head_begins_better_than_a_fresh_one(place):
    fresh, solved = (trained(place, f"begins-{head}", head=head)[0] for head in ("fresh", "solved"))
    assert losses(solved)[0] < 0.8 * losses(fresh)[0]


def test_a_head_in_closed_form_leaves_out_what_hardly_varies():
    """Tuned encoders have states that hardly vary; a large weight on one is the head's undoing when it moves."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    telling = np.eye(3)[targets] + 0.3 * rng.normal(size=(200, 3))
    still = 1.5 + 1e-5 * (targets == 1)[:, None] + 1e-7 * rng.normal(size=(200, 1))
    weights, bias = ridge(np.concatenate([telling, still], axis=1), targets, 3)
    known = ridge(telling, targets, 3)
    assert not weights[:, 3].any()
    assert np.allclose(weights[:, :3], known[0], atol=1e-5) and np.allclose(bias, known[1], atol=1e-5)


def test_ridge_separates_what_is_separable():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 300)
    features = np.eye(3)[targets] * 5 + rng.normal(size=(300, 3))
    weights, bias = ridge(features, targets, 3)
    assert ((features @ weights.T + bias).argmax(axis=1) == targets).mean() > 0.95
    several = np.stack([targets == 0, targets != 1], axis=1).astype(np.float32)
    weights, bias = ridge(features, several, 2)
    assert (((features @ weights.T + bias) > 0) == (several > 0)).mean() > 0.95


def test_a_label_that_is_seldom_known_is_learned_from_the_rows_that_know_it():
    rng = np.random.default_rng(0)
    true = rng.random((2000, 1)) < 0.5
    features = true * 4 + rng.normal(size=(2000, 3))
    masked = np.where(rng.random((2000, 1)) < 0.75, np.nan, true).astype(np.float32)
    both = np.concatenate([true.astype(np.float32), masked], axis=1)  # known of all rows, and of one in four
    weights, bias = ridge(features, both, 2)
    found = (features @ weights.T + bias) > 0
    assert (found == true).mean(axis=0).min() > 0.97


def test_a_head_of_a_large_mix_is_solved_from_rows_of_all_lengths():
    lengths = np.repeat([12, 40], 3000)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    none = np.zeros(6000, dtype=np.int64)
    pieces = Pieces(np.zeros(ends[-1], np.int32), ends, np.zeros(ends[-1], np.int32), ends, none, none, none)
    picked = _some(feed.Feed(pieces, 0), 3)
    assert lengths[picked].sum() <= 50_000 < lengths[picked].sum() + 40
    assert 0.4 < (lengths[picked] == 12).mean() < 0.6 and len(set(picked.tolist())) == len(picked)
    assert picked.tolist() == _some(feed.Feed(pieces, 0), 3).tolist() != _some(feed.Feed(pieces, 0), 4).tolist()
    few = Pieces(pieces.ids[:60], ends[:6], pieces.places[:60], ends[:6], none[:5], none[:5], none[:5])
    assert _some(feed.Feed(few, 0), 3).tolist() == [0, 1, 2, 3, 4]


def test_word_embeddings_are_trained_by_adversarial_training_too(place):
    from safetensors.torch import load_file

    before = load_file(str(place["paths"]["model"] / "model.safetensors"))
    folder, _ = trained(place, "fgm-words", adversarial=1.0, freeze_word_embeddings=False, frozen_layers=0)
    after = tensors(folder)
    [name] = [name for name in after if name.endswith("word_embeddings.weight")]
    [old] = [name for name in before if name.endswith("word_embeddings.weight")]
    assert (after[name] - before[old]).abs().max() > 1e-4


def test_a_share_next_to_one_is_dropped():
    import torch

    net = torch.nn.Sequential(torch.nn.Dropout(0.999))
    cheaper(net)
    found = net(torch.ones(100_000))
    assert 0.002 < (found > 0).float().mean() < 0.006 and found.max() == 256


def test_the_push_is_along_the_gradient_and_as_long_as_asked():
    import torch

    embeds = torch.randn(3, 4, 5, requires_grad=True)
    (embeds.pow(2).sum(dim=(1, 2)) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    gradient = embeds.grad.clone()
    moved = away(embeds, 0.5)
    assert moved.flatten(1).norm(dim=1).tolist() == pytest.approx([0.5] * 3, rel=1e-5)
    cosine = torch.nn.functional.cosine_similarity(moved.flatten(1), gradient.flatten(1))
    assert cosine.tolist() == pytest.approx([1.0] * 3, rel=1e-5)


@pytest.mark.parametrize("layers", [0, 1])
def test_adversarial_training_changes_what_is_learned(place, layers):
    plain, pushed = (
        trained(place, f"fgm-{layers}-{size}", adversarial=size, frozen_layers=layers, dropout=0.0)[0]
        for size in (0.0, 1.0)
    )
    assert losses(plain)[0] == pytest.approx(losses(pushed)[0], rel=1e-5)  # before the first update
    assert losses(plain)[1] != losses(pushed)[1]


def test_lower_layers_learn_at_lower_rates(place):
    params = replace(SETTINGS, layer_decay=0.5, frozen_layers=0)
    model = network(place["paths"]["model"], task("tagging").head, TAGS(place))
    made = ready(model, params, 0)
    names = {id(p): name for name, p in model.named_parameters()}
    scales = {names[id(p)]: group["scale"] for group in groups_of(made, params) for p in group["params"]}
    assert scales["classifier.weight"] == 1.0
    assert scales["bert.encoder.layer.1.output.dense.weight"] == 0.5
    assert scales["bert.encoder.layer.0.output.dense.weight"] == 0.25
    assert scales["bert.embeddings.position_embeddings.weight"] == 0.125
    assert set(scales) == {name for name, p in model.named_parameters() if p.requires_grad}
    decays = {names[id(p)]: group["weight_decay"] for group in groups_of(made, params) for p in group["params"]}
    assert decays["classifier.bias"] == 0 < decays["classifier.weight"]


def test_a_pooler_learns_like_the_head_that_it_feeds(place):
    params = replace(SETTINGS, layer_decay=0.5, frozen_layers=0)
    model = network(place["paths"]["model"], task("classification").head, ("a", "b"))
    scales = {id(p): group["scale"] for group in groups_of(ready(model, params, 0), params) for p in group["params"]}
    assert {scales[id(p)] for p in model.base_model.pooler.parameters()} == {1.0}


def test_rare_classes_count_more():
    params = replace(SETTINGS, class_weights="balanced")
    targets = np.array([0] * 90 + [1] * 10 + [-100] * 5)
    weights = class_weights(params, task("tagging"), targets, 3)
    assert weights is not None
    assert weights[1] == pytest.approx(3 * weights[0], rel=1e-5)
    assert (weights[targets[:100]]).mean() == pytest.approx(1.0, rel=1e-5)
    assert class_weights(SETTINGS, task("tagging"), targets, 3) is None


def test_it_ends_when_dev_gains_nothing_more(place):
    folder, result = trained(place, "patient", steps=40, evaluations=20, patience=2, learning_rate=1e-9)
    looks = [line["step"] for line in last_metrics(folder) if line.get("dev") is not None]
    assert looks == [2, 4, 6] and result["best_step"] == 2


def test_looking_at_dev_takes_no_longer_than_learning():
    params = TrainParams()
    assert [params.looks(tokens, 3000) for tokens in (100, 2500, 3500, 100_000)] == [2, 2, 3, 4]
    assert TrainParams(evaluations=7).looks(1, 10**9) == 7
    assert params.looks(10, 0) == 4


def test_dropout_by_bytes_drops_its_share():
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Dropout(0.1))
    cheaper(model)
    ones = torch.ones(1000, 999, requires_grad=True)
    found = model(ones)
    assert (found == 0).float().mean().item() == pytest.approx(26 / 256, abs=0.002)
    assert found.mean().item() == pytest.approx(1.0, abs=0.003)
    found.sum().backward()
    assert torch.equal(ones.grad, found.detach())
    assert not torch.equal(model(ones), found)
    torch.manual_seed(0)
    assert torch.equal(model(ones), found)
    assert torch.equal(model.eval()(ones), ones)
