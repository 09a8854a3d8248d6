"""Sequences from the command line and on the page Learn on, with real runs of a tiny model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HARBOUR

from core import corpus as corpora
from core import model_export, predict
from core import project as projects
from core.continual.chain import folder_of
from core.errors import CoreError
from core.labeller import trusted
from core.launch import launch as start_mixes
from core.launch import plan_launch, standing, start_import
from core.mix import Mix
from core.models.loading import ModelMeta
from core.models.started import install, start_from
from core.predict import open_run
from core.prompting.settings import PromptParams
from core.sequence_outcome import enough, outcome
from core.sequences import keep_of, launch, looked, news, part_of, plan, sequences
from core.submit import wait
from core.tasks import task as task_of
from core.tasks.letters import marks
from core.training import predictions
from core.training.feed import Feed
from core.training.settings import TrainParams
from core.workspace import Workspace
from tests.browser import browsing, needs_chromium, served

WAYS = "plain,replay@0.5,adapters,joint"


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model, core) -> dict[str, Any]:
    """A workspace with two projects that are parts of the sample, the second with another label, and a sequence."""
    folder = tmp_path_factory.mktemp("learn-on")
    rows = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    cuts = {"old": (0, 24), "new": (30, 48)}
    space = Workspace(folder / "workspace")
    for name, (start, end) in cuts.items():
        parts = {"train": rows[start:end], "dev": rows[end : end + 6], "test": rows[end + 6 : end + 6]}
        for split in ("train", "dev"):
            text = "\n\n".join(parts[split]) + "\n"
            text = text.replace("-LOC", "-HARBOUR") if name == "new" else text
            (folder / f"{name}-{split}.conll").write_text(text, encoding="utf-8")
        files = ("--train", f"{name}-train.conll", "--dev", f"{name}-dev.conll")
        done = core("import", "--name", name, *files, "--workspace", space.root, folder=folder)
        assert done.status == 0, done.stderr
        made = projects.create(space, name.title(), f"corpus:{name}")
        train = replace(made.recipe.train, model=str(tiny_model), steps=4, batch_tokens=128, evaluations=1)
        projects.edit(space, made.slug, lambda p, train=train: replace(p, recipe=replace(p.recipe, train=train)),
                      {"event": "settings"})  # fmt: skip
        wait(space, [start_import(space, projects.load(space, made.slug)).id], lambda runs: None)
    arguments = ("sequence", "old", "new", "--methods", WAYS, "--repeats", 2, "--workspace", space.root)
    told = core(*arguments, "--json", folder=folder)
    assert told.status == 0, told.stderr
    return {"space": space, "told": told.json, "arguments": arguments, "folder": folder}


def test_the_command_tells_every_way(place, core):
    told = place["told"]
    assert told["steps"] == ["old", "new"] and [one["method"] for one in told["methods"]] == WAYS.split(",")
    plain, replay, _, joint = told["methods"]
    assert np.array(plain["scores"]).shape == (2, 2) and joint["scores"][0] == [None, None]
    assert (plain["verdict"], replay["verdict"]) == (None, "few_repeats")
    assert [*plain["runs"]] == ["0", "1"]
    assert replay["replayed"] == 12 and joint["forgetting"]["mean"] is None
    assert {label["label"] for label in plain["labels"]} >= {"LOC"}
    again = core(*place["arguments"], folder=place["folder"])
    assert again.status == 0 and "HARBOUR" not in again.stdout.split("1: LOC")[0].split("learned > kept")[1]
    assert "replay@0.5: after, on" in again.stdout


def test_it_is_what_the_runs_say_and_grows(place):
    space = place["space"]
    [series] = sequences(space, "new")
    found = {one.method: one for one in outcome(space, series)}
    assert [*found] == WAYS.split(",") and found["plain"].seeds == (0, 1)
    for one, told in zip(found.values(), place["told"]["methods"], strict=True):
        assert one.course.average.mean() == pytest.approx(told["average"]["mean"])
    lost = found["plain"].course
    assert lost.forgetting == pytest.approx(lost.scores[:, 0, 0] - lost.scores[:, 1, 0])
    assert not looked(space, series)
    best = replace(found["replay@0.5"], course=replace(lost, scores=np.zeros((2, 2, 2))))
    assert enough([found["plain"], best]).method == "replay@0.5"
    assert enough([found["plain"]]) is None


def test_its_model_reads_text_and_begins_other_trainings(place, core):
    space = place["space"]
    run = place["told"]["methods"][1]["runs"]["0"]
    (place["folder"] / "text.txt").write_text("The ship left Oslo\n", encoding="utf-8")
    done = core("predict", run, "text.txt", "--json", "--workspace", space.root, folder=place["folder"])
    assert done.status == 0 and done.json["rows"][0]["text"] == "The ship left Oslo"
    meta = ModelMeta.read(space.run_folder(run) / "model")
    seen = start_from(run, space.models, meta)
    parts = [part_of(space, projects.load(space, name)) for name in ("old", "new")]
    texts = [marks(corpora.read(space.corpus_path(part.corpora["train"])).table) for part in parts]
    assert set(seen.texts.tolist()) == set(np.concatenate(texts).tolist())  # gold of both, and nothing held out


def _run(place, way: int) -> str:
    return place["told"]["methods"][way]["runs"]["0"]


def test_a_model_of_several_parts_reads_text_and_is_not_taken_for_one(place, core):
    space, run = place["space"], _run(place, 2)
    trained = open_run(space, run)
    assert trained.meta.labels == ("EVENT", "HARBOUR", "LOC", "ORG", "PER") and trained.routed is not None
    assert [part.meta.labels for part in trained.routed.parts] == [
        part_of(space, projects.load(space, name)).labels for name in ("old", "new")
    ]
    for name in ("old", "new"):  # as it was told when the last step was learned
        dev = corpora.read(space.corpus_path(part_of(space, projects.load(space, name)).corpora["dev"]))
        kept = predictions.read(predictions.file_of(folder_of(space.run_folder(run), 1), dev.id))
        pieces = task_of("tagging").pieces(dev.table, trained.tokenizer, trained.meta.max_length)
        assert predict._by_parts(trained.routed, Feed(pieces, trained.pad), 512, lambda: None).values == kept.values
    for refused in (lambda: model_export.start(space, run, "safetensors"), lambda: install(run, space.models)):
        with pytest.raises(CoreError) as error:
            refused()
        assert error.value.code == "run_of_parts"


def test_how_far_its_confidence_can_be_trusted_is_told_of_the_last_step(place):
    found = trusted(place["space"], f"run:{_run(place, 0)}")
    assert found is not None and found.run == _run(place, 0)


def test_what_is_new_is_told(place):
    space = place["space"]
    parts = [part_of(space, projects.load(space, name)) for name in ("old", "new")]
    found = news(space, parts)
    assert "HARBOUR" in found.labels and "LOC" in found.gone and (found.rows, found.known) == (18, 0)
    assert news(space, [parts[0], parts[0]]).known == 24


@pytest.mark.parametrize(
    ("names", "methods", "code"),
    [
        (["new"], ["plain"], "sequence_short"),
        (["old", "new"], ["nothing"], "keep_unknown"),
        (["old", "new"], ["plain@0.1"], "keep_unknown"),
        (["old", "new"], ["replay@2"], "keep_unknown"),
    ],
)
def test_what_can_not_be_is_refused(place, names, methods, code):
    space = place["space"]
    with pytest.raises(CoreError) as error:
        plan(space, [projects.load(space, name) for name in names], methods, [0])
    assert error.value.code == code


def test_rows_that_judge_may_not_be_learned(place):
    space = place["space"]
    old = projects.load(space, "old")
    stage = standing(space, old).stage
    swapped = part_of(space, old)
    assert stage is not None
    from core import sequences as module

    bad = replace(swapped, project="bad", corpora={**swapped.corpora, "train": swapped.corpora["dev"]})
    with pytest.raises(CoreError) as error:
        module._seen(space, [swapped, bad])
    assert error.value.code == "sequence_saw" and error.value.values["rows"] == 6


def test_shares_are_part_of_the_name():
    assert keep_of("replay@0.05").replay == 0.05 and keep_of("replay_ewc@0.5").ewc == keep_of("replay_ewc").ewc


def test_the_page_shows_what_is_new_and_what_came_of_it(place, open_page):
    page = open_page(place["space"].root, "continual", project="new", before="old")
    assert "18" in page.info[0].value and "HARBOUR" in page.info[0].value and "LOC" in page.info[0].value
    ways, labels = (frame.value for frame in page.dataframe)
    assert len(ways) == 4 and "LOC" in set(labels["label"])
    assert any("earlier data are read" in one.value for one in page.markdown)
    chinese = open_page(place["space"].root, "continual", project="new", before="old", lang="zh_CN")
    assert chinese.title[0].value == "持续学习"


def test_the_page_takes_a_model_along(place, open_page):
    page = open_page(place["space"].root, "continual", project="new", before="old")
    page.toggle(key="models_card").set_value(True).run()
    assert any(one.value.startswith("---") and "# Old, then New" in one.value for one in page.code)
    page.button(key="models_safetensors").click().run()
    assert not page.exception and "model_export" in page.query_params
    page.selectbox(key="kept_way").set_value("adapters").run()
    assert any("This model is several" in one.value for one in page.info)
    assert not [one for one in page.button if one.key == "models_safetensors"]


def test_its_model_is_taken_along_and_its_card_tells_the_steps(place, core):
    folder, run = place["folder"], _run(place, 1)
    root = ("--workspace", place["space"].root)
    done = core("export-model", run, "--out", "taken", "--licence", "old=CC-BY-4.0", *root, folder=folder)
    assert done.status == 0, done.stderr
    card = (folder / "taken" / "README.md").read_text(encoding="utf-8")
    assert (
        "# Old, then New" in card
        and "`replay@0.5`" in card
        and "| 2 | New | EVENT, HARBOUR, ORG, PER | 18 | 12 |" in card
    )
    assert "| Old | LOC | 4 |" in card.split("became of the old labels")[1] and "CC-BY-4.0" in card
    assert {"model.safetensors", "start.json", "step-1.yaml", "step-2.yaml"} <= {p.name for p in folder.glob("taken/*")}
    # the last of them: the page then shows what this began
    asked = ("taken/step-1.yaml", "taken/step-2.yaml", "--methods", "replay@0.5", "--repeats", 1)
    again = core("sequence", *asked, *root, "--json", folder=folder)
    assert again.json["runs"] == [run]  # what the card says repeats it: the same run


def test_a_project_that_asks_a_language_model_learns_here_all_the_same(place, open_page):
    space = place["space"]
    before = projects.load(space, "new")
    train = TrainParams(method="prompt", prompt=PromptParams("endpoint:local"), model=before.recipe.train.model)
    asking = replace(before, recipe=replace(before.recipe, train=train))
    projects.edit(space, "new", lambda _: asking, {"event": "settings"})
    page = open_page(space.root, "continual", project="new", before="old", ways="plain")
    projects.edit(space, "new", lambda _: before, {"event": "settings"})
    assert not page.error and "Here all weights are trained" in "".join(one.value for one in page.caption)
    assert [one for one in page.button if one.key == "sequence_start" and not one.disabled]


def test_the_page_of_sources_goes_step_by_step(place, open_page):
    page = open_page(place["space"].root, "continual", project="new", learn="elsewhere", sources="old")
    assert [button.label for button in page.button if button.key == "sources_train"] == ["Train them"]
    assert any("Labels of Old" in one.label for one in page.expander)


def test_what_was_cancelled_is_told_and_gone_on_with(place, open_page):
    """The last test that has the sequence whole: a run of it is put back to cancelled."""
    space = place["space"]
    old, new = (projects.load(space, name) for name in ("old", "new"))
    planned = plan(space, [old, new], ["ewc"], [0])
    [spec] = planned.specs["ewc"]
    space.queue(spec, {})
    launch(space, planned, [0])
    space.store.cancel(spec.id)
    wait(space, [spec.id], lambda runs: None)
    page = open_page(space.root, "continual", project="new", before="old")
    assert any("1 of 9 runs were cancelled" in one.value for one in page.warning)
    assert [button.label for button in page.button if button.key == "sequence_again"] == ["Go on with it"]


def test_alone_a_project_is_told_what_to_do(tmp_path: Path, open_page, core):
    core("sample", "bikes", "--workspace", tmp_path / "w", folder=tmp_path)
    page = open_page(tmp_path / "w", "continual", project="bikes")
    assert "no other project" in page.info[0].value


@needs_chromium()
@pytest.mark.whole
def test_from_another_project_to_what_it_forgets(place):
    """A journey: ways are chosen and trained, their figures read, and the other project tried as a source."""
    with served(place["space"].root) as address, browsing(address) as visitor:
        visitor.goto("/continual?project=new&before=old&ways=plain&ways=balanced")
        visitor.see("New labels: HARBOUR")
        field = visitor.page.get_by_role("spinbutton").nth(1)
        field.fill("2")
        field.press("Enter")
        visitor.settle()
        visitor.press("Start", exact=True)
        visitor.see("Replay, every label alike")
        visitor.see("Where nothing is kept")
        assert visitor.page.locator(".js-plotly-plot").count() == 1
        visitor.page.get_by_text("Help from elsewhere").first.click()
        visitor.settle()
        visitor.press("Train them")
        visitor.see("Estimate which helps")
        visitor.press("Add them")
        visitor.see("Train these ways")
        visitor.page.get_by_role("spinbutton").nth(0).fill("1")
        visitor.page.get_by_role("spinbutton").nth(0).press("Enter")
        visitor.settle()
        visitor.press("Train these ways")
        visitor.see("Compare")
        assert visitor.errors() == []


@needs_chromium()
@pytest.mark.whole
@pytest.mark.timeout(600)
def test_a_model_is_updated_cancelled_gone_on_with_and_taken_along(place):
    """A journey: what was learned before is picked, its run is begun with, and what came of it is taken along."""
    space = place["space"]
    old = projects.load(space, "old")
    stage = standing(space, old).stage
    assert stage is not None
    wait(space, start_mixes(space, old, stage, plan_launch(space, old, stage, {"gold": Mix()}, [0])), lambda runs: None)
    with served(space.root) as address, browsing(address) as visitor:
        visitor.goto("/continual?project=new&ways=plain")
        before = visitor.page.get_by_role("combobox", name="Learned before, in this order")
        before.press("Backspace")
        visitor.see("Choose what was learned before.")
        before.fill("Old")
        before.press("Enter")
        before.press("Escape")  # what lies behind an open list is nobody's to find
        visitor.see("New labels: HARBOUR")
        visitor.page.get_by_role("combobox", name="Its first step").click()
        visitor.page.get_by_role("option", name="is there").first.click()
        visitor.settle()
        for number, value in enumerate(("600", "1")):  # steps of each part, repeats
            field = visitor.page.get_by_role("spinbutton").nth(number)
            field.fill(value)
            field.press("Enter")
            visitor.settle()
        visitor.press("Start", exact=True)
        visitor.see("0 of 1 runs are done.")
        visitor.press("Cancel")
        [stopped] = [run.id for run in space.store.list(kind="sequence") if run.pending]
        wait(space, [stopped], lambda runs: None)  # it stops at its next step, once it has begun
        visitor.goto("/continual?project=new&ways=plain&before=old")
        visitor.see("1 of 1 runs were cancelled.")
        visitor.press("Go on with it")
        visitor.see("Where nothing is kept")
        visitor.page.locator(".js-plotly-plot").first.wait_for()
        [run] = [run for run in space.store.list(kind="sequence") if run.state == "succeeded"][:1]
        assert start_from(run.id, space.models, ModelMeta.read(space.run_folder(run.id) / "model")).corpora
        visitor.page.get_by_text("Take it along").first.click()
        visitor.settle()
        visitor.press("As a folder for transformers")
        visitor.see("its outputs differ from the run's by at most")
        assert visitor.page.get_by_role("button", name="Download new-").count() == 1
        assert visitor.errors() == []
