"""The settings of a training: the form on the page Mix, what contradicts itself, and how a recipe is refused."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from streamlit.testing.v1 import AppTest

from core import project as projects
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.models.catalogue import BUNDLED, MULTILINGUAL
from core.models.language import WEIGHTS
from core.models.loading import ModelMeta, save_meta
from core.models.started import Pretraining, write_pretrained
from core.params import field_names
from core.recipe import check
from core.sample import open_sample
from core.stage import imported, settle
from core.tasks import task
from core.training import sense
from core.training.settings import Head, Method, TrainParams
from core.workspace import Workspace
from tests.conftest import HARBOUR

SLUG = "newsroom"


@pytest.fixture
def space(tmp_path) -> Workspace:
    found = Workspace.open(tmp_path / "ws")
    open_sample(found, SLUG)
    return found


def drawn(page: AppTest) -> set[str]:
    """The settings that have a widget."""
    assert not page.exception
    start = f"mix_train_{SLUG}_"
    shown = [*page.number_input, *page.slider, *page.toggle, *page.segmented_control, *page.selectbox]
    return {widget.key.removeprefix(start) for widget in shown if (widget.key or "").startswith(start)}


def test_those_settings_alone_are_shown_that_the_method_has_a_use_for(space, open_page):
    page = open_page(space.root, "mix", project=SLUG)
    rest = {"epochs", "steps", "consistency"}  # there is no text without labels
    for method in ("lora", "frozen", "full"):
        page.selectbox(f"mix_train_{SLUG}_method").set_value(method).run()
        wanted = {n for n in field_names(TrainParams) if sense.applies(TrainParams(method=method), n)}
        assert drawn(page) == wanted - rest, method
    page.selectbox(f"mix_train_{SLUG}_method").set_value("full").run()
    page.number_input(f"mix_train_{SLUG}_frozen_layers").set_value(2).run()
    assert "freeze_word_embeddings" not in drawn(page)


def test_what_the_task_has_no_use_for_is_not_offered(space, open_page):
    other = TrainParams(method="contrastive", head="solved", pooling="mean", steps=9)
    projects.edit(space, SLUG, lambda p: replace(p, recipe=replace(p.recipe, train=other)), {"event": "settings"})
    page = open_page(space.root, "mix", project=SLUG)
    chosen = page.selectbox(f"mix_train_{SLUG}_method")
    assert not page.exception and chosen.options == ["All weights", "Low-rank", "Head only", "Prompt a language model"]
    assert chosen.value == "full" and page.selectbox(f"mix_train_{SLUG}_head").value == "solved"
    chosen.set_value("frozen").run()
    page.selectbox(f"mix_train_{SLUG}_head").set_value("neighbours").run()
    heads = page.selectbox(f"mix_train_{SLUG}_head").options
    assert "Nearest example" in heads and "Descriptions" in heads and "pooling" not in drawn(page)
    page.selectbox(f"mix_train_{SLUG}_method").set_value("full").run()
    assert not page.exception and page.selectbox(f"mix_train_{SLUG}_head").value == "suited"
    assert "Nearest example" not in page.selectbox(f"mix_train_{SLUG}_head").options


@pytest.mark.parametrize(
    ("of", "method", "methods", "heads"),
    [
        ("tagging", "frozen", ["full", "lora", "frozen", "prompt"], [*get_args(Head)]),
        (
            "tagging",
            "full",
            ["full", "lora", "frozen", "prompt"],
            ["suited", "fresh", "solved", "prototypes", "described"],
        ),
        ("multilabel", "full", ["full", "lora", "frozen", "prompt"], ["suited", "fresh", "solved"]),
        ("classification", "contrastive", [*get_args(Method)], ["suited", "solved", "prototypes", "neighbours"]),
    ],
)
def test_every_choice_that_is_offered_is_taken(of, method, methods, heads):
    assert sense.choices("method", method, task(of)) == methods and sense.choices("head", method, task(of)) == heads
    assert sense.choices("pooling", method, task(of)) == ([] if of == "tagging" else ["first", "mean"])
    for head in heads:
        sense.settled(TrainParams(method=method, head=head), task(of))


def test_what_is_set_is_launched_and_what_the_method_has_no_use_for_is_not(space, open_page):
    (space.root / "slots.json").write_text('{"light": 0, "train": 0}')
    before = projects.load(space, SLUG).recipe.train
    page = open_page(space.root, "mix", project=SLUG)
    page.number_input(f"mix_train_{SLUG}_layer_decay").set_value(0.8).run()
    page.number_input(f"mix_train_{SLUG}_adversarial").set_value(0.5).run()
    page.selectbox(f"mix_train_{SLUG}_method").set_value("lora").run()
    page.number_input(f"mix_train_{SLUG}_learning_rate").set_value(5e-4).run()
    page.number_input(f"mix_steps_{SLUG}").set_value(30).run()
    next(button for button in page.button if button.key == "mix_launch").click().run()
    assert not page.exception and not page.error
    kept = projects.load(space, SLUG).recipe.train
    assert kept == replace(before, method="lora", learning_rate=5e-4, adversarial=0.5, steps=30)


def test_settings_changed_elsewhere_come_into_the_form(space, open_page):
    page = open_page(space.root, "mix", project=SLUG)
    page.number_input(f"mix_train_{SLUG}_weight_decay").set_value(0.2).run()
    other = TrainParams(steps=70, dropout=0.3, class_weights="balanced")
    projects.edit(space, SLUG, lambda p: replace(p, recipe=replace(p.recipe, train=other)), {"event": "settings"})
    page.run()
    assert not page.exception and page.number_input(f"mix_train_{SLUG}_dropout").value == 0.3
    assert page.number_input(f"mix_train_{SLUG}_weight_decay").value == TrainParams.weight_decay
    assert page.number_input(f"mix_steps_{SLUG}").value == 70


@pytest.mark.parametrize(
    ("train", "key"),
    [
        ({"method": "frozen", "adversarial": 0.5}, "adversarial"),
        ({"method": "frozen", "layer_decay": 0.9}, "layer_decay"),
        ({"method": "lora", "layer_decay": 0.9}, "layer_decay"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused_by_its_key(train, key):
    with pytest.raises(CoreError) as refused:
        check({"version": 1, "data": "corpus:x", "train": train}, Path(), "x.yaml")
    assert refused.value.code == "setting_without_effect" and refused.value.values["where"] == f"train.{key}"
    assert refused.value.values["method"] == train["method"]


@pytest.mark.parametrize(
    "train", [{"method": "lora", "frozen_layers": 2}, {"method": "frozen", "head": "solved"}, {"lora_rank": 4}]
)
def test_what_is_merely_of_no_use_is_let_through(train):
    check({"version": 1, "data": "corpus:x", "train": train}, Path(), "x.yaml")


def test_one_training_has_one_spec_whatever_other_methods_would_do():
    asked = TrainParams(method="frozen", layer_decay=0.5, adversarial=1.0, lora_rank=8, dropout=0.2)
    assert sense.settled(asked, task("tagging")) == TrainParams(method="frozen", head="solved", dropout=0.2)
    sense.check(sense.tidied(asked))


@pytest.mark.parametrize(
    ("name", "train", "head"),
    [
        ("tagging", {}, "suited"),  # fresh, and as ever: not in the spec
        ("tagging", {"head": "fresh"}, "suited"),
        ("tagging", {"head": "solved"}, "solved"),
        ("tagging", {"method": "lora"}, "solved"),
        ("tagging", {"method": "lora", "head": "fresh"}, "fresh"),
        ("tagging", {"model": "multilingual-e5-small"}, "solved"),
        ("tagging", {"model": "multilingual-e5-small", "head": "fresh"}, "fresh"),
        ("classification", {}, "solved"),
        ("classification", {"head": "fresh"}, "fresh"),
        ("classification", {"method": "frozen"}, "solved"),
    ],
)
def test_how_a_head_begins_is_written_down_except_for_the_usual_way(name, train, head):
    assert sense.settled(TrainParams(**train), task(name)).head == head


def test_what_was_trained_further_begins_as_the_model_that_it_was(tmp_path):
    """By `run:ID`, once and again, kept as a run or as an installed model alone, whatever it learned."""
    space = Workspace.open(tmp_path / "ws")
    gold = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus

    def written(run: str, base: str, where: str, told: Pretraining | None) -> None:
        folder = space.root / where
        folder.mkdir(parents=True)
        (folder / WEIGHTS).write_bytes(run.encode())
        write_pretrained(run, space.models / base, {"gold": gold}, told, folder)

    def head(model: str) -> str:
        data = {"version": 1, "data": {"train": "a.conll", "dev": "b.conll"}, "train": {"model": model}}
        known = {"labels": {"train": list(gold.schema.labels), "dev": []}, "corpora": {}, "issues": [], "covered": {}}
        stage = imported(space, known)
        stage.pools["gold"] = gold
        return settle(check(data, Path(), "r.yaml"), stage)[0].train.head

    told = Pretraining("masked", 1, 1, 0, 2.0, 1.0)
    written("a" * 16, BUNDLED[MULTILINGUAL].identity, f"runs/{'a' * 16}/model", told)
    written("a" * 16, BUNDLED[MULTILINGUAL].identity, f"models/{'1' * 64}", told)
    written("b" * 16, "1" * 64, f"models/{'2' * 64}", told)
    written("c" * 16, BUNDLED[MULTILINGUAL].identity, f"models/{'3' * 64}", None)
    written("d" * 16, "4" * 64, f"runs/{'d' * 16}/model", told)
    models = (MULTILINGUAL, f"run:{'a' * 16}", "run:aaaa", f"run:{'b' * 16}", f"run:{'c' * 16}", f"run:{'d' * 16}")
    assert [head(model) for model in models] == ["solved"] * 5 + ["suited"]
    learned = space.root / "runs" / ("e" * 16) / "model"  # a training that nobody began with yet
    learned.mkdir(parents=True)
    save_meta(ModelMeta("3" * 64, "tagging", "en", ("PER",), 64), learned)
    assert head(f"run:{'e' * 16}") == "solved"


def test_what_is_refused_is_of_no_use():
    for method in get_args(Method):
        assert sense.REFUSED[method] <= sense.UNUSED[method] <= set(field_names(TrainParams))


def test_more_frozen_layers_than_there_are_are_refused_before_anything_starts(tmp_path, tiny_model, core):
    with pytest.raises(CoreError) as refused:
        sense.check_encoder(TrainParams(frozen_layers=3), tiny_model)
    assert (refused.value.code, refused.value.values["layers"]) == ("layers_few", 2)
    sense.check_encoder(TrainParams(frozen_layers=2), tiny_model)
    sense.check_encoder(TrainParams(method="frozen", frozen_layers=3), tiny_model)
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "config.json").write_text('{"model_type": "odd", "num_hidden_layers": 12}')
    sense.check_encoder(TrainParams(), odd)
    with pytest.raises(CoreError) as refused:
        sense.check_encoder(TrainParams(frozen_layers=1), odd)
    assert refused.value.code == "layers_unknown"
    (tmp_path / "r.yaml").write_text(
        f"version: 1\ndata: {{file: {HARBOUR}}}\ntrain: {{model: {tiny_model}, frozen_layers: 5}}\n"
    )
    told = core("run", "r.yaml", "--json", "--workspace", tmp_path / "ws", folder=tmp_path)
    assert (told.status, told.json["error"]["code"]) == (2, "layers_few")
    assert "r.yaml:3" in told.json["error"]["message"]
