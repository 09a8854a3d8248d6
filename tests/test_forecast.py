"""Forecasts: a head solved from statistics is the head of the rows, and what it reads is counted as a training's."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR, ended, environment, start
from hypothesis import given, settings
from hypothesis import strategies as st

from core import project as projects
from core.blaming import leave_out, suspects
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.forecast.blame import blame
from core.forecast.forecast import Forecast, Pool, member
from core.forecast.statistics import Parts, Scale, class_weights, effective, solve, statistics, system, towards
from core.forecasting import asked, spec_of
from core.forecasting import read as prospect_of
from core.formats import ReadOptions, read
from core.launch import standing, start_pool
from core.mix import GOLD, Mix, Part
from core.models.catalogue import install
from core.recipe import AugmentedIngredient
from core.runs import RunSpec
from core.sample import open_sample
from core.submit import result_of
from core.tasks import task
from core.tasks.iob2 import begun, flat
from core.workspace import Workspace
from tests.test_classification import corpus_of
from tests.test_project import harbour

TAGGING = task("tagging")
CLASSES = 3


def rows_of(rng: np.random.Generator, rows: int, words: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """States, 6 wide, and classes of the words of some rows; of a tenth nothing is known."""
    targets = rng.integers(0, CLASSES, rows * words)
    states = rng.normal(size=(rows * words, 6)) + targets[:, None]
    return states.astype(np.float32), np.where(rng.random(rows * words) < 0.1, -100, targets)


@pytest.fixture(scope="module")
def parts() -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    rng = np.random.default_rng(0)
    return {name: (*rows_of(rng, n), n) for name, n in (("gold", 30), ("a", 50), ("b", 20))}


def from_words(parts: dict, drawn: dict[str, int], scale: Scale, weight: np.ndarray, penalty: float) -> np.ndarray:
    """Weighted ridge regression over every word, each as often as its row is drawn in the mean."""
    gram, moment = np.zeros((7, 7)), np.zeros((7, CLASSES))
    for name, n in drawn.items():
        states, targets, rows = parts[name]
        for x, y in zip(states, targets, strict=True):
            if y >= 0:
                phi = np.append((x - scale.mean) / scale.spread, 1.0)
                counted = weight[y] * n / rows / sum(drawn.values())
                gram += counted * np.outer(phi, phi)
                moment[:, y] += counted * phi
    shares = {name: n / sum(drawn.values()) for name, n in drawn.items()}
    size = 1 / sum(w * w / min(parts[name][2], drawn[name]) for name, w in shares.items() if w)
    return np.linalg.solve(gram + np.diag([penalty / size] * 6 + [1e-6]), moment)


@pytest.mark.parametrize("drawn", [{"gold": 30}, {"gold": 30, "a": 45, "b": 10}, {"gold": 30, "b": 80}])
def test_a_head_from_statistics_is_that_of_all_words(parts, drawn):
    scale, weight = Scale(np.full(6, 0.5), np.full(6, 2.0)), np.array([0.5, 1.0, 2.0])
    found = {name: statistics(states, y, rows, weight, scale) for name, (states, y, rows) in parts.items()}
    assert solve(Parts.of(found), drawn, 3.0) == pytest.approx(from_words(parts, drawn, scale, weight, 3.0), abs=1e-4)


def test_a_head_moves_as_it_is_said_to(parts):
    scale, weight = Scale(np.zeros(6), np.ones(6)), np.ones(CLASSES)
    found = Parts.of({name: statistics(s, y, rows, weight, scale) for name, (s, y, rows) in parts.items()})
    drawn = {"gold": 1_000_000, "a": 500_000, "b": 250_000}  # so that one row is next to nothing
    slopes, before = towards(found, drawn, 0.0), solve(found, drawn, 0.0)
    more = drawn | {"a": 500_100}
    change = (solve(found, more, 0.0) - before) / (100 / sum(drawn.values()))
    assert change == pytest.approx(slopes[1], abs=2e-3 * np.abs(slopes[1]).max() + 2e-3)


def test_rows_that_are_drawn_again_and_again_are_worth_no_more():
    rows = np.array([100.0, 10.0])
    assert effective(np.array([100.0, 0.0]), rows) == pytest.approx(100)
    assert effective(np.array([400.0, 0.0]), rows) == pytest.approx(100)
    assert effective(np.array([100.0, 10.0]), rows) == pytest.approx(110)
    assert effective(np.array([100.0, 100.0]), rows) < 40


def test_rare_classes_count_more_and_the_mean_is_one():
    targets = np.array([0] * 90 + [1] * 9 + [2] + [-100] * 5)
    weight = class_weights(targets, 3)
    assert weight[2] > weight[1] > weight[0]
    assert weight[targets[targets >= 0]].mean() == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_totals_are_what_counting_says_of_the_same_tags(sentences, random):
    """Of tags in which no I- stands alone, values say what the tags say."""
    labels = ("x", "y")
    classes = TAGGING.classes(labels)
    tags = [[classes[code] for code in row] for row in sentences]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in sentences])])
    codes = begun(np.array([code for row in sentences for code in row], dtype=np.int32), offsets)
    made = [[classes[code] for code in codes[a:b]] for a, b in pairwise(offsets)]
    gold = [[random.choice(["O", "O", tag, None]) if tag != "O" else "O" for tag in row] for row in made]
    import pyarrow as pa

    table = pa.table({"tags": pa.array(gold, pa.list_(pa.string()))})
    found = TAGGING.totals(table, labels)(np.eye(len(classes))[codes] if len(codes) else np.zeros((0, 5)))
    counted = TAGGING.counts(table, made, labels)
    assert found.tolist() == [side.sum(axis=0).tolist() for side in (counted.tp, counted.pred, counted.gold)]
    assert (flat(pa.chunked_array([pa.array(made, pa.list_(pa.string()))]), labels).codes == codes).all()
    assert [tag for row in made for tag in row if tag == "O"] == [tag for row in tags for tag in row if tag == "O"]


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_totals_of_texts(name):
    several = name == "multilabel"
    gold = corpus_of([["a"], ["b"], None, ["a", "b"] if several else ["b"]], ("t1", "t2", "t3", "t4"), name)
    values = np.array([[0.9, 0.1], [0.8, 0.3], [0.9, 0.9], [0.6, 0.7]])
    found = task(name).totals(gold.table, ("a", "b"))(values)
    guess = [["a"], ["a"], ["a", "b"], ["a", "b"]] if several else [["a"], ["a"], ["a"], ["b"]]
    counted = task(name).counts(gold.table, guess, ("a", "b"))
    assert found.tolist() == [side.sum(axis=0).tolist() for side in (counted.tp, counted.pred, counted.gold)]


def test_more_gold_with_the_same_signal_is_forecast_better():
    rng = np.random.default_rng(3)
    whole = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    labels = whole.schema.labels
    truth = rng.normal(size=(len(TAGGING.classes(labels)), 12))

    def pool(start: int, rows: int, noise: float) -> Pool:
        some = Corpus(Schema("tagging", labels, "en"), whole.table.slice(start, rows))
        codes = TAGGING.targets(some.table, labels)
        return Pool(some, (truth[codes] + noise * rng.normal(size=(len(codes), 12))).astype(np.float16))

    dev = pool(48, 12, 0.5)
    pools = {GOLD: pool(0, 8, 0.5), "more": pool(8, 40, 0.5), "noise": pool(8, 40, 50.0)}
    found = Forecast(labels, [member(pools, dev, labels)], dev.corpus)
    few, more, noise = (found.of({GOLD: 8, **extra}).f1 for extra in ({}, {"more": 40}, {"noise": 40}))
    assert more > few and more > noise
    assert (found.of({GOLD: 8}).totals == found.of({GOLD: 8, "more": 0}).totals).all()
    assert found.of({GOLD: 8, "more": 40}).recall.shape == (len(labels),)


def test_a_short_forecast_and_the_rows_that_it_blames(tmp_path: Path):
    """A real run of two encoders that learn for three steps: what it keeps can be solved, and asked about its rows."""
    space, project = harbour(tmp_path)
    name = "tokens"
    change = projects.with_ingredient(name, AugmentedIngredient("token_replacement"))
    project = projects.edit(space, project.slug, change, {"event": "ingredient"})
    result_of(space, start_pool(space, project, name), lambda runs: None)
    stage = standing(space, project).stage
    assert stage is not None
    model = install(project.recipe.train.model, space.models, project.recipe.folder)
    spec = spec_of(project.recipe, stage, model.identity)
    short = {**spec.params, "warm": {"steps": 3, "batch_tokens": 128}, "members": 2}
    run, _ = space.submit(RunSpec(spec.kind, spec.inputs, short))
    result_of(space, run, lambda runs: None)
    found = prospect_of(space, run.id, stage)
    assert len(found.forecast.members) == 2 and found.sizes[GOLD] == len(stage.pools[GOLD])
    one, other = (member.states for member in found.forecast.members)
    assert one.shape == other.shape and not np.allclose(one, other)  # they differ in their seeds
    mix = Mix(parts={name: Part(1.0)})
    told = suspects(space, run.id, stage, mix, name, top=3)
    assert len(told.ids) == len(told.harm) <= 3 and told.read == len(stage.pools[name])
    assert told.ids == [stage.pools[name].table.column("id")[at].as_py().hex() for at in told.positions]
    with pytest.raises(CoreError) as wrong:
        suspects(space, run.id, stage, Mix(), name)
    assert wrong.value.code == "blame_none"
    before = len(stage.pools[name])
    built = leave_out(space, project, name, told.ids, stage.pools[name].schema.labels)
    result_of(space, built, lambda runs: None)
    after = standing(space, projects.load(space, project.slug)).stage
    assert after is not None and len(after.pools[name]) == before - len(told.ids)


@pytest.mark.whole
def test_a_project_is_forecast_and_its_rows_are_blamed(tmp_path: Path):
    """One forecast of the newsroom sample, whose trained mixes correct it, and what its rows are blamed for."""
    space = Workspace.open(tmp_path / "w")
    open_sample(space, "newsroom")
    rest = ("--workspace", space.root, "--json")
    command = ["forecast", "--project", "newsroom", "--mix", "auto-labelled archive", *rest]
    done = ended(start(command, tmp_path, environment()), 600)
    assert done.status == 0, done.stderr
    told = done.json
    assert told["corrected"] and told["trust"]["of"] == 10 and told["trust"]["right"] >= 5
    assert told["f1"]["difference"] < 0 and told["f1"]["band"][0] < told["f1"]["difference"] < told["f1"]["band"][1]
    assert len(told["f1"]["real"]) == 8
    assert {*told["per_label"]} == {"event", "organisation", "person", "place"}
    project = projects.load(space, "newsroom")
    stage = standing(space, project).stage
    assert stage is not None
    run = asked(space, project, stage)
    assert run is None  # the command line notes nothing in a project but what it was asked to
    command = ["blame", "newsroom", "synonyms", "--mix", "a bit of everything", "--top", "3", "--reject", *rest]
    done = ended(start(command, tmp_path, environment()), 600)
    assert done.status == 0, done.stderr
    worst = done.json["rows"]
    assert 0 < len(worst) <= 3 and [one["harm"] for one in worst] == sorted((o["harm"] for o in worst), reverse=True)
    assert len(standing(space, projects.load(space, "newsroom")).stage.pools["synonyms"]) == len(
        stage.pools["synonyms"]
    ) - len(worst)
    assert asked(space, project, stage) is not None
    assert not [line for line in done.complaints if "Traceback" in line]


@pytest.mark.parametrize("one_label", [False, True])
def test_blame_is_what_taking_a_row_out_does(one_label):
    """Against the head solved anew without the row."""
    rng = np.random.default_rng(5)
    whole = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    labels = whole.schema.labels
    label = labels[0] if one_label else None
    classes = TAGGING.classes(labels)
    truth = rng.normal(size=(len(classes), 8))

    def pool(start: int, rows: int) -> Pool:
        some = Corpus(Schema("tagging", labels, "en"), whole.table.slice(start, rows))
        codes = TAGGING.targets(some.table, labels)
        return Pool(some, (truth[codes] + 1.5 * rng.normal(size=(len(codes), 8))).astype(np.float32))

    gold, more, dev = pool(0, 20), pool(20, 20), pool(40, 20)
    drawn = {GOLD: 20, "more": 20}
    one = member({GOLD: gold, "more": more}, dev, labels)
    found = Forecast(labels, [one], dev.corpus)
    told = blame(found, [(gold, more)], "more", drawn, label)
    weight = class_weights(TAGGING.targets(gold.corpus.table, labels), len(classes))

    def error(head: np.ndarray) -> float:
        targets = TAGGING.targets(dev.corpus.table, labels)
        off = np.eye(len(classes))[targets] - one.scale(dev.states) @ head
        mine = [label is None or one.endswith(f"-{label}") for one in classes]
        return float((weight[targets][:, None] * off[:, mine] ** 2).sum())

    matrix, moment = system(one.parts, drawn, found.penalty)
    before = error(np.linalg.solve(matrix, moment))
    ends = np.concatenate([[0], np.cumsum(TAGGING.lengths(more.corpus.table))])
    targets = TAGGING.targets(more.corpus.table, labels)
    real = []
    for row in range(20):
        at = slice(ends[row], ends[row + 1])
        phi, y = one.scale(more.states[at]).astype(float), np.eye(len(classes))[targets[at]]
        counted = weight[targets[at]][:, None] * phi / 40
        without = np.linalg.solve(matrix - counted.T @ phi, moment - counted.T @ y)
        real.append(1e6 * (before - error(without)) / before)
    assert np.corrcoef(told.by_row, real)[0, 1] > 0.95
    assert told.by_row[told.worst(3)].tolist() == sorted(told.by_row, reverse=True)[: len(told.worst(3))]
