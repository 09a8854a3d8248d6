"""How trainings stand, training a group again whose weights are gone, and how an encoder suits a text."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from core import project as projects
from core.board import best_dev, board, learning
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats.importing import Source
from core.groups import groups, launched
from core.jobs.folder import append_line, metrics_file, read_json, write_json
from core.jobs.trash import delete, restore
from core.launch import launch, plan_launch, retrain, standing, start_import, time_left
from core.mix import Mix
from core.models.fit import fit
from core.params import canonical
from core.project import Project
from core.shelf import encoders, folder_of, weights_bytes
from core.submit import result_of, wait
from core.tasks.tagging import COLUMNS
from core.workspace import Workspace
from tests.conftest import HARBOUR


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Workspace, Project]:
    """A project whose one mix was trained for two steps over seeds 0 and 1."""
    space = Workspace.open(tmp_path_factory.mktemp("board"))
    sentences = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    split = {"train": space.root / "train.conll", "dev": space.root / "dev.conll"}
    split["train"].write_text("\n\n".join(sentences[:40]) + "\n", encoding="utf-8")
    split["dev"].write_text("\n\n".join(sentences[40:]) + "\n", encoding="utf-8")
    inputs = {role: f"file:{space.add_file(path, path.name)}" for role, path in split.items()}
    sources = {role: canonical(Source(path.name)) for role, path in split.items()}
    space.name_corpus("harbour", {"sources": sources, "inputs": inputs})
    project = projects.create(space, "harbour", "corpus:harbour")
    settings = replace(project.recipe.train, model=str(tiny_model), steps=2, batch_tokens=64, evaluations=1)
    project = projects.edit(
        space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=settings)), {"event": "settings"}
    )
    result_of(space, start_import(space, project), lambda runs: None)
    stage = standing(space, project).stage
    assert stage is not None
    ids = launch(space, project, stage, plan_launch(space, project, stage, {"gold only": Mix()}, [0, 1]))
    assert {run.state for run in wait(space, ids, lambda runs: None)} == {"succeeded"}
    return space, project


def test_the_board_shows_groups_repeats_and_what_they_reached(trained):
    space, project = trained
    [entry] = board(space, [project.slug])
    assert (entry.project, entry.group.name, dict(entry.states)) == (project.slug, "gold only", {"succeeded": 2})
    assert not entry.active and entry.left is None
    assert [(repeat.seed, repeat.weights) for repeat in entry.repeats] == [(0, True), (1, True)]
    reached = [space.result(repeat.run.id)["best_dev"] for repeat in entry.repeats]
    assert entry.dev == pytest.approx(sum(reached) / 2)
    assert [repeat.dev for repeat in entry.repeats] == reached
    loss, dev = learning(space.run_folder(entry.repeats[0].run.id))
    assert [step for step, _ in loss] == [1, 2] and [step for step, _ in dev] == [2]
    assert weights_bytes(space, entry.repeats[0].run.id) > 1000


def test_encoders_of_the_workspace_are_known_by_name(trained, tiny_model):
    space, _ = trained
    [one] = encoders(space)
    assert one.names == (str(tiny_model),) and one.runs == 2 and one.bytes > 1000
    assert folder_of(space, "nobody/knows-it", space.root) is None
    assert folder_of(space, str(tiny_model), space.root) == tiny_model


def test_a_run_without_weights_is_trained_again_in_its_group(trained):
    space, project = trained
    [group] = groups(space, project.slug)
    old = group.runs[1].id
    shutil.rmtree(space.run_folder(old) / "model")
    [new] = retrain(space, project, group, [1])
    assert new != old and retrain(space, project, group, [1]) == [new]  # asked twice, it is the same run
    [entry] = board(space, [project.slug])
    assert entry.repeats[1].run.id == new and set(entry.repeats[1].ids) == {old, new}
    assert entry.active == (new in time_left(space)) or entry.repeats[1].run.state == "succeeded"
    [run] = wait(space, [new], lambda runs: None)
    assert run.state == "succeeded"
    [group] = groups(space, project.slug)
    assert group.runs[1].id == new and group.runs[0].id != new
    spec, before = (read_json(space.run_folder(id) / "spec.json") for id in (new, old))
    assert spec.pop("repeat") == 1 and spec == before
    assert (space.run_folder(new) / "model").is_dir()
    delete(space.root, [old, new])
    assert [repeat.seed for repeat in board(space, [project.slug])[0].repeats] == [0]
    restore(space.root, [old, new])
    assert [repeat.run.id for repeat in board(space, [project.slug])[0].repeats][1] == new
    assert launched(space, project.slug)[old] == launched(space, project.slug)[new]


def test_another_encoder_under_the_same_name_is_refused(trained, tmp_path, tiny_model):
    space, project = trained
    [group] = groups(space, project.slug)
    other = tmp_path / "other"
    shutil.copytree(tiny_model, other)
    (other / "vocab.txt").write_text("x")
    with pytest.raises(CoreError) as error:
        retrain(space, project, replace(group, train=replace(group.train, model=str(other))), [0])
    assert error.value.code == "model_other"


def test_the_best_of_a_run_that_goes_on(tmp_path):
    assert best_dev(tmp_path) is None
    for step, dev in ((1, None), (2, 0.5), (3, 0.25)):
        append_line(metrics_file(tmp_path, 1), {"step": step, "loss": 1.0, "dev": dev})
    assert best_dev(tmp_path) == 0.5
    write_json(tmp_path / "result.json", {"best_dev": 0.75})
    assert best_dev(tmp_path) == 0.75


def test_fit_counts_unknown_words_and_pieces(tiny_model):
    rows = [["harbour", "☃"], ["☃", "☃"], ["harbour", "harbour"], ["harbour", "harbour"]]
    columns = [pa.array(rows, COLUMNS["tokens"]), pa.array([["O"] * 2] * 4, COLUMNS["tags"])]
    corpus = Corpus(Schema("tagging", (), "en"), pa.table(columns, names=["tokens", "tags"]))
    found = fit(corpus, tiny_model)
    assert (found.rows, found.words, found.truncated) == (4, 8, 0)
    assert found.unknown == pytest.approx(3 / 8) and not found.suits
    assert found.subwords_per_word == pytest.approx(1.0)
    assert fit(corpus, tiny_model, rows=2).rows == 2
    assert fit(corpus, tiny_model, rows=2).unknown == pytest.approx(1 / 4)  # rows 0 and 2
