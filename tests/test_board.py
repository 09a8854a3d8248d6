"""How trainings stand, training a group again whose weights are gone, and how an encoder suits a text."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from core import bulk
from core import project as projects
from core.board import SORTS, STATES, Entry, Opened, View, best_dev, board, opened, selected
from core.bulk import touched
from core.commands.arguments import parser
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.formats.importing import Source
from core.groups import groups, history, launched
from core.jobs.folder import append_line, metrics_file, read_json, write_json
from core.jobs.trash import delete, restore
from core.launch import launch, plan_launch, retrain, standing, start_import
from core.mix import Mix
from core.models.fit import fit
from core.pace import time_left
from core.params import canonical
from core.project import Project
from core.shelf import encoders, folder_of, weights_bytes
from core.submit import result_of, wait
from core.tasks.tagging import COLUMNS
from core.workspace import Workspace
from tests.conftest import HARBOUR
from tests.crowd import fill


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


def one_of(space: Workspace, project: Project) -> Opened:
    """The only group of a project, with its repeats."""
    [entry] = board(space, [project.slug])
    found = opened(space, entry.project, entry.group)
    assert found is not None
    return found


def test_the_board_shows_groups_repeats_and_what_they_reached(trained):
    space, project = trained
    [entry] = board(space, [project.slug])
    assert (entry.project, entry.name, dict(entry.states)) == (project.slug, "gold only", {"succeeded": 2})
    assert not entry.active and entry.left is None and entry.steps == 2
    found = one_of(space, project)
    assert [(repeat.seed, repeat.weights) for repeat in found.repeats] == [(0, True), (1, True)]
    assert entry.repeats == entry.runs == tuple(repeat.run.id for repeat in found.repeats)
    reached = [space.result(repeat.run.id)["best_dev"] for repeat in found.repeats]
    assert entry.dev == pytest.approx(sum(reached) / 2)
    assert [repeat.dev for repeat in found.repeats] == reached
    assert weights_bytes(space, entry.runs[0]) > 1000
    assert opened(space, project.slug, "nothing") is None


def test_a_score_that_only_the_result_has_counts_too(trained):
    space, project = trained
    [entry] = board(space, [project.slug])
    with sqlite3.connect(space.store.path) as db:
        db.execute("UPDATE runs SET score = NULL")
    [again] = board(space, [project.slug])
    space.store.rebuild()
    assert again.dev == pytest.approx(entry.dev)


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
    entry = one_of(space, project)
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
    assert [repeat.seed for repeat in one_of(space, project).repeats] == [0]
    restore(space.root, [old, new])
    assert [repeat.run.id for repeat in one_of(space, project).repeats][1] == new
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


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two projects of eight groups with two runs each, besides the sample; group 3 failed, group 5 was cancelled."""
    space = Workspace.open(tmp_path_factory.mktemp("crowd"))
    fill(space, ["one", "two"], 8, 2, {3: "failed", 5: "cancelled"})
    return space


def listed(space: Workspace, view: View, *names: str) -> list[Entry]:
    return selected(board(space, names or ("one", "two")), view)


def test_groups_are_filtered(crowd):
    everything = listed(crowd, View())
    assert len(everything) == 16 and {entry.project for entry in everything} == {"one", "two"}
    assert len(listed(crowd, View(), "two")) == 8
    assert [entry.name for entry in listed(crowd, View(" ARCHIVE "))] == ["archive 0003"] * 2
    assert {entry.name for entry in listed(crowd, View(states={"failed", "cancelled"}))} == {
        "archive 0003",
        "swaps 0005",
    }
    assert listed(crowd, View("archive", {"succeeded"})) == []
    run = everything[4].runs[1]
    assert listed(crowd, View(run[:9])) == listed(crowd, View(everything[4].group)) == [everything[4]]


def test_groups_are_sorted(crowd):
    orders = {sort: listed(crowd, View(sort=sort)) for sort in SORTS}
    assert len({tuple(entry.key for entry in order) for order in orders.values()}) >= 4
    assert all(sorted(e.key for e in order) == sorted(e.key for e in orders["newest"]) for order in orders.values())
    launched = [entry.launched for entry in orders["newest"]]
    assert launched == sorted(launched, reverse=True)
    scores = [entry.dev for entry in orders["dev"]]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True) and scores[len(known) :] == [None] * 4
    assert [entry.name[-4:] for entry in orders["name"]][:4] == ["0004", "0004", "0003", "0003"]  # a bit ..., archive
    ranks = [min(STATES.index(state) for state in entry.states) for entry in orders["state"]]
    assert ranks == sorted(ranks)


def test_names_with_numbers_stand_in_the_order_people_expect():
    made = [Entry("p", name, name, 1, 0.0, {"succeeded": 1}, None, None, ("r",), ("r",)) for name in ("10x", "2x", "a")]
    assert [entry.name for entry in selected(made, View(sort="name"))] == ["2x", "10x", "a"]


def test_launches_are_read_again_when_there_are_more(crowd):
    before = history(crowd, "one")
    assert history(crowd, "one") is before
    event = next(event for event in projects.events(crowd, "two") if event["event"] == "launch")
    projects.record(crowd, "one", event)
    after = history(crowd, "one")
    assert len(after.groups) == len(before.groups) + 1 and event["group"] in after.groups
    shown = {entry.key for entry in listed(crowd, View())}
    assert f"one/{event['group']}" in shown and f"two/{event['group']}" in shown


def test_the_command_line_lists_the_board_too(crowd, core):
    at = ("--workspace", crowd.root, "--json")
    found = core("board", "--project", "two", "--sort", "dev", "--limit", 3, *at, folder=crowd.root).json
    assert found["matching"] == 8
    assert [group["group"] for group in found["groups"]] == [
        entry.key for entry in listed(crowd, View(sort="dev"), "two")[:3]
    ]
    second = core("board", "--project", "two", "--sort", "dev", "--limit", 3, "--page", 2, *at, folder=crowd.root).json
    assert second["groups"][0]["group"] not in [group["group"] for group in found["groups"]]
    group = found["groups"][0]
    one = core("board", "--group", group["group"][:9], *at, folder=crowd.root).json
    assert [repeat["run"] for repeat in one["repeats"]] == group["runs"] and one["group"] == group
    text = core("board", "--state", "failed", "--lang", "zh_CN", "--workspace", crowd.root, folder=crowd.root)
    assert "archive 0003" in text.stdout and "失败 2" in text.stdout and text.status == 0
    wrong = core("board", "--group", "zzz", *at, folder=crowd.root)
    assert (wrong.status, wrong.json["error"]["code"]) == (2, "group_not_there")
    for sort in SORTS:
        assert parser().parse_args(["board", "--sort", sort]).sort == sort


def test_many_runs_go_and_come_back_at_once(crowd):
    chosen = listed(crowd, View(states={"succeeded"}), "two")
    ids = touched(crowd, chosen).delete
    assert len(ids) == 12 and set(ids) == {run for entry in chosen for run in entry.runs}
    before = listed(crowd, View())
    name = bulk.delete(crowd, ids)
    assert [entry.name for entry in listed(crowd, View(), "two")] == ["swaps 0005", "archive 0003"]
    assert sorted(bulk.deleted(crowd, name)) == sorted(ids)
    assert bulk.deleted(crowd, "0" * 12) == bulk.deleted(crowd, "../../trash") == []
    assert sorted(bulk.restore(crowd, name)) == sorted(ids) and bulk.deleted(crowd, name) == []
    assert listed(crowd, View()) == before
