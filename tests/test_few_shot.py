"""Few and zero shot: heads by nearness, contrastive tuning, descriptions of labels, and what such runs are good for."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import HARBOUR
from hypothesis import given
from hypothesis import strategies as st
from test_training import RESOLVED

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.jobs.folder import last_metrics
from core.jobs.trainer import Context
from core.mix import GOLD, Mix
from core.models import loading, nearness, shapes, whole
from core.models.catalogue import install
from core.models.trained import TrainedModel
from core.params import canonical
from core.project import Project
from core.prompting.settings import PromptParams
from core.recipe import load
from core.runs import RunSpec
from core.shots import Crossing, Point, best, crossings, mix_problem
from core.tasks import task
from core.tasks.drawing import few_of
from core.tasks.shots import few, sampled
from core.training import contrastive, heads, predictions, sense
from core.training.heads import described, groups_of
from core.training.naming import candidates, taught
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, run, with_model
from core.training.ways import METHODS, fitting

TAGGING, TEXTS = task("tagging"), task("classification")
SETTINGS = TrainParams(steps=12, batch_tokens=256, evaluations=1, max_length=64, frozen_layers=0)


def _texts(rows: int, seed: int, folder: Path) -> Corpus:
    """Texts of words that all have in common, among which one of the label's stands."""
    rng = np.random.default_rng(seed)
    known = sorted({line.split("\t")[0].lower() for line in HARBOUR.read_text().split("\n") if "\tO" in line})
    known = [word for word in known if word.isalpha()][:48]
    lines = ["text,label"]
    for number in range(rows):
        label = number % 2
        words = [*rng.choice(known[8:], 6), *rng.choice(known[4 * label : 4 * label + 4], 1)]
        lines.append(f"{' '.join(rng.permutation(words))},{('boats', 'people')[label]}")
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
    found["classification"] = {"gold": _texts(40, 0, root), "dev": _texts(60, 1, root)}
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


def test_a_head_in_closed_form_is_what_numpy_says():
    """Softmax over minus the squared distances: logits differ from them by what is the same for all classes."""
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(60, 8)) + 3, rng.integers(0, 4, 60)
    weights, bias = nearness.prototypes(features, targets, 5)
    means = np.stack([features[targets == one].mean(axis=0) for one in range(4)])
    far = nearness.distances(features, means)
    logits = features @ weights.T + bias
    ratio = (logits[:, 1:4] - logits[:, :1]) / (far[:, :1] - far[:, 1:])
    assert np.allclose(ratio, ratio[0, 0], rtol=1e-3) and ratio[0, 0] > 0
    assert (logits[:, 4] < -1000).all()  # of which nothing was shown


@given(st.data())
def test_no_row_of_a_few_can_be_spared(data):
    labels, rows, shots = (data.draw(st.integers(1, most)) for most in (4, 30, 5))
    found = data.draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, labels - 1)), max_size=60))
    row, label = (np.array([one[side] for one in found], dtype=np.int64) for side in (0, 1))
    order = np.array(data.draw(st.permutations(range(rows))))
    picked = sampled(row, label, order, labels, shots)
    counts = np.zeros((rows, labels), dtype=int)
    np.add.at(counts, (row, label), 1)
    wanted, have = np.minimum(counts.sum(axis=0), shots), counts[picked].sum(axis=0)
    assert len(set(picked.tolist())) == len(picked) and (have >= wanted).all()
    assert all((have - counts[one] < wanted).any() for one in picked)
    assert picked.tolist() == sampled(row, label, order, labels, shots).tolist()


def test_as_many_rows_of_each_label_and_others_for_another_seed(place):
    gold = place["classification"]["gold"]
    one, other = few(TEXTS, gold, 3, 0), few(TEXTS, gold, 3, 1)
    labels = [row[0] for row in gold.take(one).table.column("labels").to_pylist()]
    assert sorted(labels) == ["boats"] * 3 + ["people"] * 3 and one.tolist() != other.tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(8, 200), st.integers(0, 9))
def test_every_text_stands_beside_another_of_its_class(classes, budget, seed):
    targets = np.array(classes)
    lengths = np.random.default_rng(seed).integers(3, 20, len(targets))
    batches = contrastive.epoch(targets, lengths, budget, seed, 0)
    pairs = np.concatenate(batches).reshape(-1, 2)
    assert set(pairs.ravel().tolist()) == set(range(len(targets)))
    assert (targets[pairs[:, 0]] == targets[pairs[:, 1]]).all()
    assert len(pairs) == sum(-(-int((targets == one).sum()) // 2) for one in set(classes))
    assert len(pairs) == 1 or min(map(len, batches)) >= 4


def test_passes_over_pairs_may_have_more_batches_or_fewer(place):
    """Lengths differ, so how pairs fall into batches does too; every step has one."""
    ragged = dict(place) | {"classification": dict(place["classification"])}
    gold = place["classification"]["gold"]
    texts = [text + " harbour" * (at % 9) for at, text in enumerate(gold.table.column("text").to_pylist())]
    at = gold.table.schema.get_field_index("text")
    ragged["classification"]["gold"] = Corpus(
        gold.schema, gold.table.set_column(at, "text", pa.array([texts]).flatten())
    )
    few_ = ragged["classification"]["gold"]
    lengths = TEXTS.pieces(few_.table, loading.tokenizer(place["model"]), 64).lengths
    targets = TEXTS.targets(few_.table, few_.schema.labels)
    passes = {b: [len(contrastive.epoch(targets, lengths, b, 0, at)) for at in range(4)] for b in range(80, 400, 10)}
    budget = next(b for b, found in passes.items() if min(found) < found[0])
    folder = trained(ragged, "ragged", "classification", method="contrastive", steps=60, batch_tokens=budget)
    assert json.loads((folder / "result.json").read_text())["steps"] == 60


def test_the_contrastive_loss_is_that_of_its_paper():
    import torch

    rng = np.random.default_rng(0)
    states, targets = rng.normal(size=(6, 5)), np.array([0, 0, 1, 1, 1, 2])
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    chance = np.exp(unit @ unit.T / contrastive.TEMPERATURE)
    np.fill_diagonal(chance, 0)
    wanted = 0.0
    for one in range(5):  # the sixth has none beside it
        alike = [other for other in range(6) if other != one and targets[other] == targets[one]]
        wanted -= np.mean([np.log(chance[one, other] / chance[one].sum()) for other in alike])
    assert float(contrastive.loss(torch.from_numpy(states), targets)) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("label", "told", "text"),
    [
        ("card_arrival", {}, "card arrival"),
        ("CardArrival", {}, "card arrival"),
        ("ATM-support", {}, "ATM support"),
        ("??", {}, "??"),
        ("PER", {"PER": " a person's name "}, "a person's name"),
    ],
)
def test_a_label_is_described_by_its_name_unless_somebody_says_better(label, told, text):
    assert described(label, told) == text


def test_descriptions_alone_decide_without_a_labelled_row(place):
    gold = place["classification"]["gold"]
    told = {"boats": gold.table.column("text")[0].as_py(), "people": gold.table.column("text")[1].as_py()}
    folder = trained(place, "described", "classification", method="frozen", head="described", descriptions=told)
    dev = place["classification"]["dev"]
    means = states(place, gold.take(np.array([0, 1])))
    nearest = nearness.distances(states(place, dev), means).argmin(axis=1)
    kept = predictions.read(predictions.file_of(folder, dev.id)).values
    assert [("boats", "people")[one] for one in nearest] == [row[0] for row in kept]


def test_names_are_runs_in_capitals_that_are_not_written_small_elsewhere():
    rows = ["The Bank of the North lies in Oslo", "A bank is a bank", "the Hague and Rome", "Anna . I met Anna Berg"]
    found = candidates([row.split() for row in rows])
    assert found == [(0, 4, 5), (0, 7, 8), (2, 1, 4), (3, 0, 1), (3, 4, 6)]
    assert candidates([rows[0].split()]) == [(0, 1, 5), (0, 7, 8)]
    assert candidates([["在", "北京"], ["all", "small"]]) == []


def test_what_runs_are_called_becomes_tags():
    codes = taught([["a", "B", "C"], ["D"]], [(0, 1, 3), (1, 0, 1)], np.array([1, 2]), most=2)
    assert codes.tolist() == [0, 3, 4, 0]


def test_names_are_found_by_descriptions_and_no_label_is_looked_at(place):
    told = {"PER": "Anna Berg", "ORG": "the harbour board", "LOC": "Oslo"}
    settings: dict[str, Any] = {"method": "frozen", "head": "described", "descriptions": told}
    folder = trained(place, "described-names", "tagging", **settings)
    gold, dev = place["tagging"]["gold"], place["tagging"]["dev"]
    unknown = pa.array([["O"] * len(row) for row in gold.table.column("tags").to_pylist()], pa.list_(pa.string()))
    at = gold.table.schema.get_field_index("tags")
    bare = Corpus(gold.schema, gold.table.set_column(at, "tags", unknown))
    blind = {**place, "tagging": {"gold": bare, "dev": dev}}
    again = trained(blind, "described-blind", "tagging", **settings)
    mine, blindly = (network(place, one, "tagging").classifier.weight.detach().numpy() for one in (folder, again))
    assert np.abs(mine).max() > 0.1 and blindly == pytest.approx(mine, abs=1e-3)  # rows are drawn in another order
    values = predictions.read(predictions.file_of(folder, dev.id)).values
    assert {tag for row in values for tag in row} > {"O"}
    assert with_model(folder / "model", place["root"], dev, _gear()).values == values


def test_text_without_capitals_has_no_names_to_call(place):
    gold = place["tagging"]["gold"]
    small = pa.array([[word.lower() for word in row] for row in gold.table.column("tokens").to_pylist()])
    at = gold.table.schema.get_field_index("tokens")
    written = {"gold": Corpus(gold.schema, gold.table.set_column(at, "tokens", small)), "dev": place["tagging"]["dev"]}
    with pytest.raises(CoreError) as error:
        trained({**place, "tagging": written}, "small", "tagging", method="frozen", head="described")
    assert error.value.code == "described_no_names"


def test_words_of_one_label_are_one_mention_where_a_model_tells_no_b_from_i():
    labels, x = ("LOC", "PER"), 3.0
    rows = [[0, x, x, 0, 0], [0, x, x, 0, 0], [x, 0, 0, 0, 0], [0, 0, 0, x, x]]
    found = TAGGING.decode(labels, np.ones(4, dtype=bool), np.array(rows))
    assert found.values == ["B-LOC", "I-LOC", "O", "B-PER"]
    sure = np.exp(x) / (np.exp(x) + 2)
    assert found.confidence == pytest.approx([sure] * 4, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "of", "code"),
    [
        ({"method": "contrastive"}, "tagging", "setting_other_task"),
        ({"method": "contrastive"}, "multilabel", "setting_other_task"),
        ({"method": "frozen", "head": "described"}, "multilabel", "setting_other_task"),
        ({"method": "frozen", "head": "prototypes"}, "multilabel", "setting_other_task"),
        ({"pooling": "mean"}, "tagging", "setting_other_task"),
        ({"method": "contrastive", "head": "fresh"}, "classification", "setting_without_effect"),
        ({"head": "neighbours"}, "classification", "setting_without_effect"),
        ({"method": "contrastive", "adversarial": 1.0}, "classification", "setting_without_effect"),
    ],
)
def test_what_a_task_or_method_has_no_use_for_is_refused(settings, of, code):
    with pytest.raises(CoreError) as error:
        asked = TrainParams(**settings)
        sense.check(asked)  # as a recipe is
        sense.settled(asked, task(of))
    assert error.value.code == code


def test_a_task_is_offered_what_it_has_a_use_for():
    plain, asking = TrainParams(), TrainParams(prompt=PromptParams("endpoint:local"))
    words = ["described", "prototypes", "neighbours", "frozen", "lora", "full"]
    assert fitting(task("classification"), asking) == [*METHODS]
    assert fitting(task("tagging"), plain) == words
    assert fitting(task("tagging"), asking) == [*words, "prompt"]


def test_settings_that_say_the_same_are_one_training():
    plain = TrainParams(method="frozen", head="prototypes")
    assert sense.settled(replace(plain, pooling="mean", steps=9, learning_rate=0.1, dropout=0.3), TEXTS) == plain
    assert sense.settled(TrainParams(descriptions={"a": "b"}), TAGGING) == TrainParams()
    assert sense.settled(TrainParams(method="contrastive", pooling="first"), TEXTS).pooling == "first"
    assert len({TrainParams(head="described", descriptions={"a": text}) for text in "bc"}) == 2  # what estimates are by


QUICK = {"method": "contrastive", "steps": 40, "learning_rate": 5e-3, "freeze_word_embeddings": False}


@pytest.fixture(scope="module")
def tuned(place) -> Path:
    return trained(place, "tuned", "classification", **QUICK)


def test_contrastive_tuning_tells_apart_what_the_encoder_did_not(place, tuned):
    before = trained(place, "untuned", "classification", method="frozen", head="prototypes")
    losses = [line["loss"] for line in last_metrics(tuned) if line.get("loss") is not None]
    assert len(losses) == 40 and np.mean(losses[-5:]) < np.mean(losses[:5])
    assert score(tuned) > score(before) + 0.1
    again = trained(place, "tuned-again", "classification", **QUICK)
    first, second = ((folder / "model" / loading.OVERLAY).read_bytes() for folder in (tuned, again))
    assert first == second


def _logits(model: Any, place: Mapping[str, Any]) -> np.ndarray:
    """Of a few texts, one by one and filled up in one batch. *Shape:* (2, texts, classes)."""
    import torch

    tokenizer = loading.tokenizer(place["model"])
    texts = place["classification"]["dev"].table.column("text").to_pylist()[:6]
    ids = [tokenizer.encode(text + " harbour" * at).ids for at, text in enumerate(texts)]
    mask = np.array([[1] * len(one) + [0] * (40 - len(one)) for one in ids])
    filled = np.array([one + [0] * (40 - len(one)) for one in ids])
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([one])).logits[0].numpy() for one in ids]
        together = model(input_ids=torch.tensor(filled), attention_mask=torch.tensor(mask)).logits.numpy()
        return np.stack([np.stack(alone), together])


def test_the_mean_is_the_same_in_layers_that_transformers_has(place, tuned, tmp_path):
    from transformers import AutoModelForSequenceClassification

    mine = network(place, tuned, "classification")
    shapes.spelled_out(mine).save_pretrained(str(tmp_path))
    theirs = AutoModelForSequenceClassification.from_pretrained(str(tmp_path), local_files_only=True).eval()
    alone, filled = _logits(mine, place)
    assert np.allclose(alone, filled, atol=1e-4) and np.ptp(alone) > 1
    assert np.allclose(_logits(theirs, place), alone, atol=1e-4)


@pytest.mark.parametrize("head", ["solved", "neighbours"])
def test_a_start_and_a_labeller_are_the_model_that_was_trained(place, tuned, tmp_path, head):
    """What pseudo-labels, attacks and starts read: the run's whole folder."""
    neighbours = {"method": "frozen", "head": "neighbours"}
    folder = tuned if head == "solved" else trained(place, "labeller", "classification", **neighbours)
    meta = loading.ModelMeta.read(folder / "model")
    whole.write(network(place, folder, "classification"), meta, place["model"], tmp_path)
    dev = place["classification"]["dev"]
    kept = predictions.read(predictions.file_of(folder, dev.id))
    found = [one.predicted for one in TrainedModel(tmp_path, TEXTS, "labeller").guess(dev.table)]
    assert [one.values for one in found] == kept.values
    assert np.allclose([one.confidence for one in found], kept.confidence, atol=1e-4)
    tagger = loading.network(tmp_path, TAGGING.head, TAGGING.classes(("X",)))  # a start for another task: no mean
    assert shapes.shape_in(tagger) == shapes.PLAIN


def test_a_head_of_neighbours_is_no_class_of_transformers(place):
    folder = trained(place, "kept", "classification", method="frozen", head="neighbours")
    with pytest.raises(CoreError) as error:
        shapes.check_spellable(network(place, folder, "classification"))
    assert error.value.code == "export_neighbours"


def test_neighbours_are_kept_up_to_a_bound(place, monkeypatch):
    monkeypatch.setattr(heads, "MOST_KEPT", 39)
    with pytest.raises(CoreError) as error:
        trained(place, "too-many", "classification", method="frozen", head="neighbours")
    assert error.value.code == "support_large" and error.value.values["items"] == 40


def _point(method: str, shots: int, f1: float, half: float = 0.02) -> Point:
    return Point(method, shots, 2.0 * shots, 10, f1, half, (f1 - half, f1 + half))


def test_a_draw_of_few_takes_along_only_what_was_made_of_its_rows(place):
    gold = place["tagging"]["gold"]
    children = Corpus(gold.schema, pa.concat_tables([gold.table, gold.table]))
    other = place["tagging"]["dev"]
    pools = few_of(TAGGING, {GOLD: gold, "children": children, "other": other}, Mix(shots=1), 0)
    kept = pools[GOLD].table.column("id").to_pylist()
    assert 0 < len(kept) < len(gold) and len(pools["other"]) == len(other)
    assert {*pools["children"].table.column("origin").to_pylist()} == {*kept}
    assert len(pools["children"]) == 2 * len(kept)
    whole = {GOLD: gold, "children": children}
    assert few_of(TAGGING, whole, Mix(), 0) is whole


@pytest.mark.parametrize(
    ("entry", "knows"),
    [
        ({"augmenter": "spelling"}, False),
        ({"augmenter": "mention_replacement"}, True),
        ({"augmenter": "chain", "params": {"methods": ["swap", "token_replacement"]}}, True),
        ({"augmenter": "attack", "params": {"model": "run:0123456789abcdef"}}, True),
        ({"augmenter": "mention_replacement", "of": "file"}, False),
        ({"augmenter": "pseudo_labels", "of": "file", "params": {"model": "run:0123456789abcdef"}}, True),
    ],
)
def test_a_mix_is_held_against_few_rows_only_if_it_knows_no_others(tmp_path, entry, knows):
    (tmp_path / "other.conll").write_text(HARBOUR.read_text())
    recipe = {"data": {"file": str(HARBOUR)}, "ingredients": {"file": {"file": "other.conll"}, "made": entry}}
    (tmp_path / "r.yaml").write_text(
        json.dumps({"version": 1, "project": "p", **recipe, "mix": {"parts": {"made": 1}}})
    )
    project = Project("p", "p", load(tmp_path / "r.yaml"))
    assert (mix_problem(project) is not None) is knows


def test_where_two_methods_change_places():
    points = [
        *(_point("prototypes", shots, f1) for shots, f1 in ((1, 0.5), (5, 0.6), (10, 0.62))),
        *(_point("full", shots, f1) for shots, f1 in ((1, 0.1), (5, 0.59), (10, 0.8))),
        _point("described", 0, 0.55),
    ]
    found = crossings(points)
    assert Crossing("full", "prototypes", 5, 10, False) in found  # at 5 their bands overlap
    assert Crossing("prototypes", "described", 1, 5, True) in found
    assert Crossing("full", "described", 1, 5, False) in found and len(found) == 3
    first, near = best(points, 5)
    assert first.method == "prototypes" and [one.method for one in near] == ["full"]
    assert best(points, 1)[0].method == "described" and best(points, 10)[1] == []


def test_one_command_trains_draws_of_few_rows_by_several_methods(tiny_model, tmp_path, core):
    _texts(40, 0, tmp_path)
    recipe = "version: 1\ntask: classification\nproject: few\ndata: {file: texts-0.csv, split: {dev: 0.5}}\n"
    recipe += f"train: {{model: {json.dumps(str(tiny_model))}, steps: 2, batch_tokens: 128}}\n"
    (tmp_path / "few.yaml").write_text(recipe, encoding="utf-8")
    asked = ("--shots", "1,3", "--draws", "2", "--methods", "described,prototypes")
    refused = core("shots", "few.yaml", "--methods", "mix", "--json", folder=tmp_path)
    assert refused.status == 2 and refused.json["error"]["code"] == "shots_mix_empty"
    done = core("shots", "few.yaml", *asked, "--json", folder=tmp_path)
    assert done.status == 0, done.stderr
    points = {(one["method"], one["shots"]): one for one in done.json["points"]}
    assert list(points) == [("described", 0), ("prototypes", 1), ("prototypes", 3)]
    assert [points["prototypes", shots]["rows"] for shots in (1, 3)] == [2, 6]
    assert points["described", 0]["draws"] == 1 and points["described", 0]["sd"] is None
    assert all(one["interval"][0] <= one["f1"] <= one["interval"][1] for one in points.values())
    again = core("shots", "few.yaml", *asked, folder=tmp_path)
    assert again.status == 0 and "With 3 shots" in again.stdout, again.stdout + again.stderr
