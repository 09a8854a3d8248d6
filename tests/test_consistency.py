"""Consistency training: what text without labels teaches, that it repeats to the bit, and where it is refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR
from delivered import network_of
from streamlit.testing.v1 import AppTest
from test_explain import computed, harbour_run, note
from test_explain import whole as subject_of
from test_training import RESOLVED, SETTINGS, tensors

from core import card_text
from core import corpus as corpora
from core import project as projects
from core.card import card
from core.corpus import Corpus
from core.errors import CoreError
from core.explain import explained
from core.formats import ReadOptions, read
from core.jobs import faults
from core.jobs.faults import FaultError
from core.jobs.folder import last_metrics
from core.jobs.trainer import Context
from core.mix import Mix
from core.mix_search import Frame, MixSearch, SearchParams
from core.models.catalogue import install
from core.params import canonical
from core.recipe import check, load
from core.recipe_text import recipe_data, recipe_text
from core.report import formulas
from core.runs import TEXT, RunSpec
from core.stage import Stage, settle, train_specs
from core.tasks import task
from core.training import consistency, effort, sense
from core.training.consistency import (
    SURE,
    TEMPERATURE,
    Goal,
    choices_of,
    divergence,
    exchanged,
    goal_of,
    teach,
    text_of,
)
from core.training.gear import gear_of
from core.training.methods import ready
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, run
from core.workspace import Workspace

TAGGING, LABELS = task("tagging"), task("classification")
PARAMS = replace(SETTINGS, consistency="more", frozen_layers=0)


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> dict[str, Any]:
    """A workspace with the sample as gold (24 rows), dev (12 rows) and text (24 rows), and the tiny model."""
    root = tmp_path_factory.mktemp("consistency")
    whole = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
    rows = {"gold": (0, 24), "dev": (48, 12), "text:more": (24, 24)}
    parts = {role: Corpus(whole.schema, whole.table.slice(*cut)) for role, cut in rows.items()}
    parts["text:more"] = TAGGING.masked(
        TAGGING.mapped(parts["text:more"], dict.fromkeys(whole.schema.labels), ()), True
    )
    paths = {role: corpora.write(corpus, root / "corpora") for role, corpus in parts.items()}
    model = install(str(tiny_model), root / "models", root)
    return {"root": root, "paths": paths | {"model": model.folder}, "labels": whole.schema.labels, **parts}


def trained(place: Mapping[str, Any], name: str, seed: int = 0, **settings: Any) -> Path:
    """Carry out one training -> its folder"""
    params = TrainRunParams(seed, place["labels"], Mix(), replace(PARAMS, **settings))
    inputs = {role: str(path) for role, path in place["paths"].items()}
    folder = place["root"] / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    spec = RunSpec("train", dict.fromkeys(inputs, ""), canonical(params))
    run(Context(place["root"], folder, spec, RESOLVED | {"inputs": inputs}, 1))
    return folder


def noted(folder: Path, name: str) -> list[float]:
    return [line[name] for line in last_metrics(folder) if line.get(name) is not None]


def same(one: Path, other: Path) -> bool:
    found = tensors(other)
    return all(tensor.equal(found[name]) for name, tensor in tensors(one).items())


# the loss


def test_only_what_is_sure_is_learned_and_the_rare_counts_more():
    import torch

    sure, other = 4.0, 0.0
    logits = torch.tensor([[sure, other, other]] * 4 + [[other, sure, other], [1.0, 0.9, 0.0], [1.3, -0.3, -0.3]])
    assert [bool(p >= SURE) for p in logits.softmax(-1).max(-1).values] == [True] * 5 + [False] * 2
    goal = goal_of(logits)
    assert goal.weights[5:].tolist() == [0, 0] and float(goal.weights.sum()) == pytest.approx(5)
    assert float(goal.weights[4] / goal.weights[0]) == pytest.approx(2)  # one prediction beside four of the other class
    assert torch.allclose(goal.said, (logits / TEMPERATURE).softmax(-1))
    changed = torch.zeros(7, 3, requires_grad=True)
    divergence(changed, goal).backward()
    gradient = changed.grad.abs().sum(-1)
    assert (gradient[:5] > 0.1).all() and gradient[5:].tolist() == [0, 0]
    assert float(divergence(logits / TEMPERATURE, goal)) == pytest.approx(0, abs=1e-5)
    assert not goal_of(torch.zeros(3, 3)).weights.any()  # and no division by nothing


def test_of_any_number_of_labels_each_is_a_choice_between_two():
    import torch

    logits = torch.tensor([[3.0, -3.0], [0.5, -3.0]])
    choices = choices_of(logits, task("multilabel"))
    assert choices.softmax(-1)[:, 1].tolist() == pytest.approx(logits.sigmoid().flatten().tolist())
    goal = goal_of(choices, 2)
    assert goal.weights[2] == 0  # sigmoid(.5)
    assert float(goal.weights[0] / goal.weights[1]) == pytest.approx(np.sqrt(2), rel=1e-6)  # "no" of the second, twice
    assert choices_of(logits, LABELS) is logits


def test_words_keep_their_places_and_those_exchanged_are_not_asked_for(place):
    text = text_of(TAGGING, place["text:more"], PARAMS, 40, 0, place["paths"]["model"], None)
    pieces = text.feed.pieces
    changed, asked = exchanged(pieces, text, np.random.default_rng(0))
    hit = changed.ids != pieces.ids
    assert 0.05 < hit.mean() < 0.2 and not np.isin(pieces.ids[hit], text.marks).any()
    assert set(changed.ids[hit].tolist()) <= set(text.fillers.tolist())
    firsts = np.repeat(pieces.rows[:-1], np.diff(pieces.items)) + pieces.places
    assert not hit[firsts[asked]].any() and hit[firsts[~asked]].mean() > 0.5  # the rest drew what stood there
    assert changed.places is pieces.places and changed.rows is pieces.rows
    assert len(text.batches) >= 40 and len(text) == 24
    assert sorted(np.concatenate(text.batches[:3]).tolist()) == list(range(24))  # a pass, then the next


def test_of_a_long_text_no_more_is_read_than_the_steps_need(place):
    params = replace(PARAMS, batch_tokens=32)
    few, again, other = (
        text_of(TAGGING, place["text:more"], params, 2, seed, place["paths"]["model"], None) for seed in (0, 0, 1)
    )
    assert 2 <= len(few) < 24
    assert few.feed.pieces.ids.tolist() == again.feed.pieces.ids.tolist() != other.feed.pieces.ids.tolist()
    assert [rows.tolist() for rows in few.batches] == [rows.tolist() for rows in again.batches]


@pytest.mark.parametrize("name", ["tagging", "classification", "multilabel"])
def test_the_gradient_is_there_and_the_same_in_parts(place, monkeypatch, name):
    import torch

    monkeypatch.setattr(consistency, "SURE", 0.0)
    kind = task(name)
    corpus = place["text:more"]
    if name != "tagging":
        lines = [" ".join(words) for words in corpus.table.column("tokens").to_pylist()]
        corpus = Corpus(corpus.schema, kind.unlabelled(lines))
    base, gear = place["paths"]["model"], gear_of(RESOLVED)
    params = replace(PARAMS, dropout=0.0)
    made = ready(network_of(base, ("A", "B"), 0, name), params, 0)
    text = text_of(kind, corpus, params, 4, 0, base, None)
    put, found = made.reader(kind, text.feed), []
    for parts in (1, 3):
        made.whole.zero_grad()
        value, sure = teach(text, made, put, params, 1, gear, parts)
        found.append((value, sure, {n: p.grad.clone() for n, p in made.trained().items() if p.grad is not None}))
    (whole, sure, gradient), (parts, _, other) = found
    assert whole > 0 and sure == 1 and parts == pytest.approx(whole, rel=1e-4)
    assert max(float(g.abs().max()) for g in gradient.values()) > 1e-4
    assert all(torch.allclose(g, other[n], atol=1e-4) for n, g in gradient.items())
    assert made.whole.training


# trainings


@pytest.mark.parametrize(
    "settings", [{}, {"frozen_layers": 1}, {"method": "lora"}, {"method": "frozen", "head": "solved"}], ids=str
)
def test_it_changes_what_is_learned_and_a_cut_training_ends_with_the_same_bits(place, monkeypatch, settings):
    monkeypatch.setattr(consistency, "SURE", 0.0)  # after so few steps the tiny model is sure of nothing
    name = "-".join(map(str, settings.values())) or "full"
    with_text = trained(place, f"{name}-with", **settings)
    without = trained(place, f"{name}-without", consistency=None, **settings)
    assert noted(with_text, "loss")[0] == noted(without, "loss")[0]  # before the first update
    assert not same(with_text, without) and not noted(without, "consistency")
    assert len(noted(with_text, "consistency")) == SETTINGS.steps and max(noted(with_text, "consistency")) > 0
    assert all(0 <= sure <= 1 for sure in noted(with_text, "sure"))
    assert json.loads((with_text / "result.json").read_text())["rows"] == {"gold": 24}  # the text is no part of the mix
    monkeypatch.setenv("PEIBI_FAULT", "step:5:raise")
    faults.reset()
    with pytest.raises(FaultError):
        trained(place, f"{name}-cut", **settings)
    monkeypatch.delenv("PEIBI_FAULT")
    assert same(trained(place, f"{name}-cut", **settings), with_text)


def test_what_it_says_of_changed_rows_comes_to_what_it_says_of_the_rows(place, monkeypatch):
    """The loss falls by its own gradient: without it, the same rows stay farther apart."""
    monkeypatch.setattr(consistency, "SURE", 0.5)
    ends = [
        np.mean(noted(trained(place, f"falls-{weight}", steps=40, consistency_weight=weight), "consistency")[-10:])
        for weight in (1e-9, 3.0)
    ]
    assert ends[1] < 0.8 * ends[0]


# what is asked for


DATA = {"version": 1, "data": {"train": "train.conll", "dev": "dev.conll"}}
MORE = {"more": {"file": "more.txt", "options": {"unlabelled": True}}}


def staged(place: Mapping[str, Any], ingredients: Mapping[str, Any], train: Mapping[str, Any]) -> tuple[Any, Stage]:
    recipe = check(DATA | {"ingredients": dict(ingredients), "train": dict(train)}, Path(), "r.yaml")
    labels = list(place["labels"])
    imported = {
        "labels": {"train": labels, "dev": labels, "pool:more": [], "pool:other": labels},
        "covered": {"pool:more": [], "pool:other": labels},
        "corpora": {"train": place["gold"].id, "dev": place["dev"].id},
    }
    pools = {"gold": place["gold"], "more": place["text:more"], "other": place["gold"]}
    return recipe, Stage(imported, {n: c for n, c in pools.items() if n == "gold" or n in ingredients})


def test_the_text_is_an_input_of_its_own_and_a_training_without_it_is_what_it_was(place):
    [with_text], [without] = (
        train_specs(stage, *settle(recipe, stage), "3" * 64, [0])
        for recipe, stage in (staged(place, MORE, {"steps": 5} | more) for more in ({"consistency": "more"}, {}))
    )
    assert with_text.inputs == {**without.inputs, TEXT + "more": f"corpus:{place['text:more'].id}"}
    assert with_text.params["train"] == {**without.params["train"], "consistency": "more"}
    assert without.params["train"] == {"steps": 5} and with_text.params["mix"] == without.params["mix"]
    recipe, stage = staged(place, MORE, {"steps": 5, "consistency_weight": 2.0})  # of no use, and left aside
    assert train_specs(stage, *settle(recipe, stage), "3" * 64, [0]) == [without]


def test_a_search_for_mixes_trains_with_it_and_counts_it_as_no_ingredient(place):
    recipe, stage = staged(place, MORE, {"steps": 5, "consistency": "more"})
    [like] = train_specs(stage, *settle(recipe, stage), "3" * 64, [0])
    asked = SearchParams("p", recipe_data(recipe), stage.imported, like.params["train"], MixSearch({"other": 1.0}))
    frame = Frame.of(Workspace(place["root"]), RunSpec("search", like.inputs, canonical(asked)))
    assert frame.specs({}, [0]) == [like] and frame.ground.names == [] and frame.rows({}) == ()


def test_what_consistency_cannot_be_learned_from_is_refused(place):
    with pytest.raises(CoreError) as error:
        staged(place, MORE, {"consistency": "mroe"})
    assert (error.value.code, error.value.values["nearest"]) == ("unknown_key", "more")
    other = {"other": {"file": "other.conll"}}
    for ingredients, code in (
        (MORE | other, "consistency_labelled"),
        (other | {"noisy": {"augmenter": "swap", "of": "other"}}, "pool_not_ready"),
    ):
        recipe, stage = staged(place, ingredients, {"consistency": [*ingredients][-1]})
        with pytest.raises(CoreError) as error:
            settle(recipe, stage)
        assert (error.value.code, error.value.values["where"]) == (code, "train.consistency")
    recipe, stage = staged(place, MORE, {"consistency": "more"})
    stage.pools["more"] = place["text:more"].take(np.arange(0))
    with pytest.raises(CoreError) as error:
        settle(recipe, stage)
    assert error.value.code == "consistency_empty"


def test_a_recipe_keeps_it(tmp_path):
    recipe = check(
        DATA | {"ingredients": MORE, "train": {"consistency": "more", "consistency_weight": 0.5}}, tmp_path, "r.yaml"
    )
    (tmp_path / "r.yaml").write_text(recipe_text(recipe))
    assert load(tmp_path / "r.yaml").train == recipe.train == TrainParams(consistency="more", consistency_weight=0.5)
    assert sense.applies(recipe.train, "consistency_weight")
    assert not sense.applies(TrainParams(), "consistency_weight")


def test_an_ingredient_that_goes_is_learned_from_no_more_and_comes_back_with_it(tmp_path):
    space = Workspace.open(tmp_path)
    before = projects.create(space, "texts", "corpus:x")
    parts = before.recipe.ingredients | check(DATA | {"ingredients": MORE}, tmp_path, "r").ingredients
    train = TrainParams(consistency="more", consistency_weight=2.0)
    before = replace(before, recipe=replace(before.recipe, ingredients=parts, train=train))
    without = projects.without_ingredient("more")(before)
    assert without.recipe.train == TrainParams()
    assert projects.with_again(before, "more")(without).recipe.train == train


# what is told


def test_the_formula_is_what_is_computed(tmp_path, tiny_model):
    import torch

    torch.manual_seed(1)
    z, z2 = 3 * torch.randn(20, 4), torch.randn(20, 4)
    goal: Goal = goal_of(z)
    assert 0 < (goal.weights > 0).sum() < 20
    formula = formulas.consistency(0.5, TEMPERATURE, SURE, 0.25)
    found = computed(formula, z=z, z2=z2, w=goal.weights, n=20)["L2"]
    assert float(found) == pytest.approx(0.5 * float(divergence(z2, goal)) / 20, rel=1e-5)
    assert "# 0.125" in formula.plain and "0.125" in formula.latex
    space, run_id = harbour_run(tmp_path, tiny_model, consistency="more", consistency_weight=0.5)
    note(space, run_id, {"step": 1, "loss": 1.0, "consistency": 0.25, "sure": 0.4})
    told = {line.code: line for line in explained(subject_of(space, run_id), 1)}
    assert told["explain_consistency"].formulas == (formula,)
    assert told["explain_consistency_sure"].values == {"percent": 40.0}


def test_a_step_costs_what_it_computes():
    plain, found = TrainParams(frozen_layers=3), effort.USUAL
    text = replace(plain, consistency="more")
    one = effort.of_step(found, plain, 3, 1000)
    assert 2 < effort.of_step(found, text, 3, 1000) / one < 4
    assert effort.of_step(found, replace(text, frozen_layers=0), 0, 1000) < 2.5 * effort.of_step(
        found, TrainParams(frozen_layers=0), 0, 1000
    )


# the form


def form(root: str, texts: list[str], known: str | None) -> None:
    import os

    import streamlit as st

    from components import training_form
    from core.tasks import task
    from core.training.settings import TrainParams

    os.environ["PEIBI_HOME"] = root
    training_form.take_in("texts", TrainParams(consistency=known, consistency_weight=2.0 if known else 1.0))
    st.session_state["asked"] = training_form.more("texts", "full", texts, task("tagging"))


def test_the_form_offers_it_where_there_is_such_text(tmp_path, monkeypatch):
    monkeypatch.setenv("PEIBI_HOME", str(tmp_path))
    key = "mix_train_texts_consistency"

    def opened(texts: list[str], known: str | None) -> AppTest:
        page = AppTest.from_function(form, args=(str(tmp_path), texts, known), default_timeout=60).run()
        assert not page.exception
        return page

    assert key not in [box.key for box in opened([], None).selectbox]
    gone = opened([], "more")  # its ingredient was taken out
    assert gone.session_state["asked"] == {} and f"{key}_weight" not in {box.key for box in gone.number_input}
    page = opened(["more", "wiki"], "more")
    assert page.session_state["asked"] == {"consistency": "more", "consistency_weight": 2.0}
    page.selectbox(key).set_value("wiki").run()
    page.number_input(f"{key}_weight").set_value(0.5).run()
    assert page.session_state["asked"] == {"consistency": "wiki", "consistency_weight": 0.5}
    page.selectbox(key).set_value(None).run()
    assert page.session_state["asked"] == {}


# from recipe to card


def test_a_recipe_is_carried_out_and_the_card_tells_it(tmp_path, tiny_model, core):
    sentences = read(HARBOUR, name="h", options=ReadOptions()).corpus.table.column("tokens").to_pylist()
    (tmp_path / "more.txt").write_text("\n".join(" ".join(words) for words in sentences[:30]), encoding="utf-8")
    recipe = {
        "version": 1,
        "data": {"file": str(HARBOUR), "split": {"dev": 0.2}},
        "ingredients": {"more": {"file": "more.txt", "options": {"unlabelled": True, "separator": "space"}}},
        "train": {"model": str(tiny_model), "steps": 4, "batch_tokens": 128, "seeds": [0, 1], "consistency": "more"},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    space = Workspace.open(tmp_path / "ws")
    done = core("run", "r.yaml", "--json", "--workspace", space.root, folder=tmp_path)
    assert done.status == 0, done.stderr
    assert set(done.json["mix"]["realised"]) == {"gold"} and done.json["corpus"]["ingredients"]["more"] < 30  # dev's
    for made in done.json["runs"]:
        assert len(noted(space.run_folder(made["id"]), "consistency")) == 4
    found = card(space, done.json["runs"][0]["id"])
    told = card_text.text(found, "safetensors")
    assert "trained to be consistent" in told and "the text of more" in told and "labelled rows of more" not in told
    again = recipe_data(found.recipe())
    assert again["train"]["consistency"] == "more" and set(again["ingredients"]) == {"more"}
    assert check(again, tmp_path, "again.yaml").train.consistency == "more"
