"""Few and zero shot: heads by nearness, contrastive tuning, descriptions of labels, and what such runs are good for."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR
from test_training import RESOLVED

from core import corpus as corpora
from core.corpus import Corpus
from core.formats import ReadOptions, read
from core.jobs.folder import last_metrics
from core.jobs.trainer import Context
from core.mix import Mix
from core.models import loading, nearness, shapes
from core.models.catalogue import install
from core.params import canonical
from core.runs import RunSpec
from core.tasks import task
from core.training import predictions, sense
from core.training.heads import groups_of
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, run, with_model

TAGGING, TEXTS = task("tagging"), task("classification")
SETTINGS = TrainParams(steps=12, batch_tokens=256, evaluations=1, max_length=64, frozen_layers=0)
WORDS = {"boats": ("boat", "harbour", "ship", "sailed"), "people": ("she", "he", "said", "visited")}


def _texts(rows: int, seed: int, folder: Path) -> Corpus:
    """Texts of common words, among which one word of the label's stands."""
    rng = np.random.default_rng(seed)
    common = sorted({line.split("\t")[0] for line in HARBOUR.read_text().split("\n") if line and "\tO" in line})[20:60]
    lines = ["text,label"]
    for number in range(rows):
        label = ("boats", "people")[number % 2]
        words = [*rng.choice(common, 8), *rng.choice(WORDS[label], 1)]
        lines.append(f'"{" ".join(rng.permutation(words)).replace(chr(34), "")}",{label}')
    file = folder / f"texts-{seed}.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read(file, name=file.name, options=ReadOptions(), task="classification").corpus


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> dict[str, Any]:
    """A workspace with gold and dev of both tasks, and the tiny model."""
    root = tmp_path_factory.mktemp("few")
    harbour = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    found: dict[str, Any] = {"root": root, "model": install(str(tiny_model), root / "models", root).folder}
    found["tagging"] = {"gold": _part(harbour, 0, 12), "dev": _part(harbour, 40, 12)}
    found["classification"] = {"gold": _texts(24, 0, root), "dev": _texts(60, 1, root)}
    return found


def _part(corpus: Corpus, start: int, rows: int) -> Corpus:
    return Corpus(corpus.schema, corpus.table.slice(start, rows))


def trained(place: Mapping[str, Any], name: str, of: str, **settings: Any) -> Path:
    """Carry out one training -> its folder"""
    parts = place[of]
    labels = tuple(parts["gold"].schema.labels)
    params = TrainRunParams(0, labels, Mix(), sense.settled(replace(SETTINGS, **settings), task(of)))
    inputs = {role: str(corpora.write(corpus, place["root"] / "corpora")) for role, corpus in parts.items()}
    inputs["model"] = str(place["model"])
    spec = RunSpec("train", dict.fromkeys(inputs, ""), canonical(params))
    folder = place["root"] / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 1, 0))
    return folder


def score(folder: Path) -> float:
    return json.loads((folder / "result.json").read_text())["best_dev"]


def network(place: Mapping[str, Any], folder: Path, of: str) -> Any:
    labels = place[of]["gold"].schema.labels
    head = task(of).head
    return loading.load_trained(folder / "model", place["model"], head, task(of).classes(labels)).eval()


def states(place: Mapping[str, Any], corpus: Corpus) -> np.ndarray:
    """What the encoder makes of each item: the state of a word, the standardised mean of a text."""
    import torch

    found, kind = [], task(corpus.schema.task)
    plain = loading.network(place["model"], kind.head, ("a", "b"), shapes.PLAIN).eval().base_model
    pieces = kind.pieces(corpus.table, loading.tokenizer(place["model"]), 64)
    with torch.no_grad():
        for row in range(len(pieces)):
            ids = torch.tensor(pieces.ids[pieces.rows[row] : pieces.rows[row + 1]][None].astype(np.int64))
            read_ = plain(input_ids=ids).last_hidden_state[0].numpy()
            places = pieces.places[pieces.items[row] : pieces.items[row + 1]]
            mean = read_.mean(axis=0)
            found.append(((mean - mean.mean()) / mean.std())[None] if kind.reads == "row" else read_[places])
    return np.concatenate(found)


@pytest.mark.parametrize("of", ["classification", "tagging"])
def test_prototypes_are_the_nearest_means(place, of):
    folder = trained(place, f"prototypes-{of}", of, method="frozen", head="prototypes")
    gold, dev = place[of]["gold"], place[of]["dev"]
    kind, classes = task(of), task(of).classes(gold.schema.labels)
    groups = np.array(groups_of(classes))
    shown, asked = states(place, gold), states(place, dev)
    targets = groups[kind.targets(gold.table, gold.schema.labels)]
    means = np.stack([shown[targets == one].mean(axis=0) for one in range(groups.max() + 1)])
    nearest = nearness.distances(asked, means).argmin(axis=1)
    kept = predictions.read(predictions.file_of(folder, dev.id)).values
    answered = groups[[classes.index(one) for row in kept for one in row]]
    assert (answered == nearest).mean() > 0.99  # equal distances aside
    assert json.loads((folder / "result.json").read_text())["steps"] == 1


@pytest.mark.parametrize("of", ["classification", "tagging"])
def test_neighbours_are_those_of_brute_force(place, of):
    folder = trained(place, f"neighbours-{of}", of, method="frozen", head="neighbours")
    gold, dev = place[of]["gold"], place[of]["dev"]
    classes = task(of).classes(gold.schema.labels)
    groups = np.array(groups_of(classes))
    targets = groups[task(of).targets(gold.table, gold.schema.labels)]
    nearest = targets[nearness.distances(states(place, dev), states(place, gold)).argmin(axis=1)]
    kept = predictions.read(predictions.file_of(folder, dev.id))
    answered = groups[[classes.index(one) for row in kept.values for one in row]]
    assert (answered == nearest).mean() > 0.99
    again = with_model(folder / "model", place["root"], dev, _gear())
    assert again.values == kept.values


def _gear() -> Any:
    from core.training.gear import gear_of

    return gear_of(RESOLVED)


def test_contrastive_tuning_tells_apart_what_the_encoder_did_not(place):
    before = trained(place, "untuned", "classification", method="frozen", head="prototypes")
    after = trained(place, "tuned", "classification", method="contrastive", steps=40, learning_rate=2e-3)
    losses = [line["loss"] for line in last_metrics(after) if line.get("loss") is not None]
    assert len(losses) == 40 and np.mean(losses[-5:]) < np.mean(losses[:5])
    assert score(after) > score(before) + 0.1
    again = trained(place, "tuned-again", "classification", method="contrastive", steps=40, learning_rate=2e-3)
    assert (again / "model" / "trained.safetensors").read_bytes() == (
        after / "model" / "trained.safetensors"
    ).read_bytes()
