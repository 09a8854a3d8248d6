"""Forecasts: a head solved from statistics is the head of the rows, and what it reads is counted as a training's."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR, ended, environment, start
from hypothesis import given, settings
from hypothesis import strategies as st

from core import label_next, without
from core import project as projects
from core.blaming import leave_out, suspects
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.forecast.blame import blame
from core.forecast.choosing import ChoosingParams
from core.forecast.forecast import Forecast, Pool, member
from core.forecast.labelling import rank
from core.forecast.statistics import Parts, Scale, class_weights, effective, solve, statistics, system, towards
from core.forecasting import Prospect, asked, spec_of
from core.forecasting import read as prospect_of
from core.formats import ReadOptions, read
from core.jobs.folder import read_json
from core.launch import standing, start_import, start_pool
from core.mix import GOLD, Mix, Part
from core.models.catalogue import install
from core.recipe import AugmentedIngredient, FileIngredient
from core.runs import RunSpec
from core.sample import open_sample
from core.stage import Stage
from core.submit import result_of, wait
from core.tasks import task
from core.tasks.iob2 import begun, flat
from core.without import Blamed
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


def test_a_short_forecast_and_what_it_says_of_rows(tmp_path: Path):
    """A real run of two encoders that learn for three steps: what it keeps can be solved, and asked about its rows."""
    space, project = harbour(tmp_path)
    name, text = "tokens", tmp_path / "more.txt"
    spare = "=HYPERLINK(1) says the captain of Varde"
    text.write_text("\n".join(["The ferry to Aldmouth was late .", *["A gull sat on the pier ."] * 3, spare]) + "\n")
    more = FileIngredient(str(text), options=ReadOptions(unlabelled=True))
    for change in (
        projects.with_ingredient(name, AugmentedIngredient("token_replacement")),
        projects.with_ingredient("more", more),
        lambda p: replace(p, recipe=replace(p.recipe, train=replace(p.recipe.train, steps=2))),
    ):
        project = projects.edit(space, project.slug, change, {"event": "ingredient"})
    result_of(space, start_import(space, project), lambda runs: None)
    result_of(space, start_pool(space, project, name), lambda runs: None)
    stage = standing(space, project).stage
    assert stage is not None
    model = install(project.recipe.train.model, space.models, project.recipe.folder)
    spec = spec_of(project.recipe, stage, model.identity)
    assert spec.params["unlabelled"] == ["more"] and "pool:more" in spec.inputs
    labelled = replace(stage, pools={one: pool for one, pool in stage.pools.items() if one != "more"})
    assert "unlabelled" not in spec_of(project.recipe, labelled, model.identity).params
    short = {**spec.params, "warm": {"steps": 3, "batch_tokens": 128}, "members": 2}
    run, _ = space.submit(RunSpec(spec.kind, spec.inputs, short))
    result_of(space, run, lambda runs: None)
    found = prospect_of(space, run.id, stage)
    assert len(found.forecast.members) == 2 and found.sizes[GOLD] == len(stage.pools[GOLD])
    assert "more" not in found.sizes
    one, other = (member.states for member in found.forecast.members)
    assert one.shape == other.shape and not np.allclose(one, other)  # they differ in their seeds
    mix = Mix(parts={name: Part(1.0)})
    _told_next(space, run.id, stage, found, mix)
    told = suspects(space, run.id, stage, mix, name, top=3)
    assert len(told.ids) == len(told.harm) <= 3 and told.read == len(stage.pools[name])
    assert told.ids == [stage.pools[name].table.column("id")[at].as_py().hex() for at in told.positions]
    with pytest.raises(CoreError) as wrong:
        suspects(space, run.id, stage, Mix(), name)
    assert wrong.value.code == "blame_none"
    tried = _tried(space, project, stage, mix, Blamed(name, tuple(told.ids)))
    before = len(stage.pools[name])
    built = leave_out(space, project, name, told.ids, stage.pools[name].schema.labels)
    result_of(space, built, lambda runs: None)
    after = standing(space, projects.load(space, project.slug)).stage
    assert after is not None and len(after.pools[name]) == before - len(told.ids)
    assert tried == after.pools[name].id  # what was tried is what is left


def _told_next(space: Workspace, forecast: str, stage: Stage, found: Prospect, mix: Mix) -> None:
    """What to label next, of five rows of which three are the same."""
    label = label_next.weak(found, mix)[0]
    spec = label_next.spec_of(forecast, stage, found, mix, ChoosingParams("more", label, rows=5))
    run, _ = space.submit(spec)
    result_of(space, run, lambda runs: None)
    pool = stage.pools["more"]
    chosen = label_next.chosen(space, run, pool)
    assert chosen.known == 2 and chosen.read == 5 and len({*chosen.positions}) == len(chosen.positions) <= 3
    texts = label_next.texts_of(pool, chosen.positions)
    assert all(word in text for word, text in zip(chosen.words, texts, strict=True))
    assert label_next.formats(pool) == ["csv", "jsonl", "conll"]
    csv, jsonl, conll = (label_next.export(chosen, pool, one).decode("utf-8-sig") for one in label_next.FORMATS)
    assert csv.count("\n") == len(texts) + 1 and "\n=" not in csv and ",=HYPER" not in csv
    assert [json.loads(line)["text"] for line in jsonl.splitlines()] == texts
    assert {line.split("\t")[1] for line in conll.splitlines() if line} == {"_"}
    with pytest.raises(CoreError) as wrong:
        label_next.export(chosen, pool, "docx")
    assert wrong.value.code == "unknown_format"
    assert label_next.beside(space, "none", label, 5) == label_next.Beside()


def _tried(space: Workspace, project: projects.Project, stage: Stage, mix: Mix, blamed: Blamed) -> str:
    """Two real trainings with and two without the rows. -> id of the pool without them"""
    assert without.wanted(space, project, stage, mix).new == 10
    assert without.trial(space, project.slug, blamed.ingredient) is None
    ids = without.ask(space, project, stage, mix, blamed, repeats=2)
    waiting = without.trial(space, project.slug, blamed.ingredient)
    assert len(ids) == 4 and waiting is not None and waiting.blamed == blamed
    wait(space, ids, lambda runs: None)
    found = without.outcome(space, project.slug, waiting)
    assert found is not None and (found.finished, found.wanted, found.pending) == (4, 4, 0)
    assert found.asked is not None and found.asked.verdict == "few_repeats" and found.asked.label == ""
    assert {one.label for one in found.others} > {""}
    assert without.trial(space, project.slug, blamed.ingredient, "person") is None
    again = without.wanted(space, project, stage, mix)
    assert again.new == 10 and waiting.seeds == (0, 1) and again.mixes[0].specs[0].params["seed"] == 2
    pools = {read_json(space.run_folder(run) / "spec.json")["inputs"]["pool:tokens"] for run in ids}
    assert len(pools) == 2
    return next(iter(pools - {f"corpus:{stage.pools['tokens'].id}"})).removeprefix("corpus:")


@pytest.mark.parametrize("several", [False, True])
def test_what_is_labelled_next_is_what_moves_the_label_most(several):
    """Against the gain worked out anew after each choice, in the formula's own terms."""
    rng = np.random.default_rng(2)
    labels, kind = ("a", "b"), task("multilabel" if several else "classification")
    made = rng.integers(0, 2, 70)
    whole = corpus_of([[labels[one]] for one in made], tuple(f"t{at}" for at in range(70)), kind.name)
    states = (rng.normal(size=(70, 6)) + made[:, None]).astype(np.float32)
    states[41] = states[40]  # the same again
    gold, bare, dev = (Pool(whole.take(np.arange(*at)), states[slice(*at)]) for at in ((0, 20), (20, 50), (50, 70)))
    one = member({GOLD: gold}, dev, labels)
    found = Forecast(labels, [one], dev.corpus)
    told = rank(found, gold.corpus, [bare], {GOLD: 20}, "a", 6, np.array([3]))
    matrix, moment = system(one.parts, {GOLD: 20}, found.penalty)
    phi, targets = one.scale(bare.states).astype(float), kind.targets(dev.corpus.table, labels)
    values = np.clip(phi @ np.linalg.solve(matrix, moment), 0, 1)
    weight = class_weights(kind.targets(gold.corpus.table, labels), 2)
    values = values if several else values / values.sum(axis=1, keepdims=True)
    counted = np.ones(30) if several else values @ weight
    seen = one.scaled[targets[:, 0] > 0 if several else targets == 0].astype(float)
    inverse, left, usual = np.linalg.inv(20 * matrix), [at for at in range(30) if at != 3], 0.0
    for row, gain in zip(told.rows.tolist(), told.gain.tolist(), strict=True):
        moved = ((seen @ inverse @ phi.T) ** 2).sum(axis=0) * counted**2 * values[:, 0] * (1 - values[:, 0])
        usual = usual or moved[left].mean()
        assert row == max(left, key=lambda at: moved[at]) and gain == pytest.approx(moved[row] / usual, rel=1e-2)
        left.remove(row)
        inverse = np.linalg.inv(np.linalg.inv(inverse) + counted[row] * np.outer(phi[row], phi[row]))
    again = rank(found, gold.corpus, [bare], {GOLD: 20}, "a", 30, np.array([3]))
    place = {row: at for at, row in enumerate(again.rows.tolist())}
    assert 3 not in place and abs(place[20] - place[21]) > 1  # what the one teaches, the other needn't


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
