"""Projects, groups, launching, and the samples that open with finished runs."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import project as projects
from core.errors import CoreError
from core.estimate import FILE
from core.groups import comparable, counts_of, evaluated, group_id, groups
from core.jobs.folder import read_object
from core.launch import launch, look_at_test, plan_launch, retrain, standing, start_import, start_pool
from core.mix import Mix, Part
from core.recipe import AugmentedIngredient, FileIngredient, load
from core.recipe_text import mix_data, mix_name, recipe_text, yaml_text
from core.repeats import add_repeats
from core.runs import KINDS, RunSpec
from core.sample import open_sample, sample, samples
from core.submit import result_of, wait
from core.training import predictions
from core.workspace import Workspace
from core.yaml_text import parse
from tests.conftest import HARBOUR


def space(folder: Path) -> Workspace:
    return Workspace.open(folder / "ws")


def quiet(runs):
    return None


def harbour(folder: Path) -> tuple[Workspace, projects.Project]:
    """A workspace with the 60 harbour sentences as a project, imported."""
    found = space(folder)
    name = {"file": {"name": "harbour.conll"}}
    inputs = {"file": f"file:{found.add_file(HARBOUR, 'harbour.conll')}"}
    found.name_corpus("harbour", {"sources": name, "inputs": inputs, "split": {"dev": 0.2, "test": 0.2}})
    project = projects.create(found, "Harbour town", "corpus:harbour")
    result_of(found, start_import(found, project), quiet)
    return found, project


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=12), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(min_size=1, max_size=12), json_values, max_size=4))
def test_yaml_is_read_back_as_it_was(data):
    assert parse(yaml_text(data), "x.yaml").data == (data or {})


def test_mix_names_say_what_joins_gold():
    assert mix_name(Mix()) == "gold only"
    assert (
        mix_name(Mix({"gold": Part(1.0), "a": Part(0.5), "b": Part(20, "rows"), "c": Part(0)})) == "0.5x a + 20 rows b"
    )


def test_a_project_is_what_its_file_says(tmp_path):
    found = space(tmp_path)
    project = projects.create(found, "  News:  <b>room</b> ", "corpus:news", "zh")
    assert project.title == "News: <b>room</b>" and project.slug == "news---b-room--b"
    assert projects.create(found, project.title, "corpus:news").slug == project.slug + "-2"
    wiki = FileIngredient("corpus:wiki", {"PER": "person", "MISC": None})
    projects.edit(found, project.slug, projects.with_ingredient("wiki", wiki), {"event": "ingredient"})
    half = Mix({"wiki": Part(0.5)}, max_repeats=2)
    projects.edit(found, project.slug, lambda p: replace(p, mixes={"half wiki": half}), {"event": "mix"})
    again = projects.load(found, project.slug)
    assert again.ingredients == {"wiki": wiki} and again.mixes == {"half wiki": half}
    assert again.recipe.language == "zh" and again.recipe.data == "corpus:news"
    assert [event["event"] for event in projects.events(found, project.slug)] == ["created", "ingredient", "mix"]


def test_an_unknown_project_is_named_with_those_there_are(tmp_path):
    found = space(tmp_path)
    projects.create(found, "one", "corpus:x")
    with pytest.raises(CoreError) as error:
        projects.load(found, "two")
    assert error.value.code == "project_unknown" and error.value.values["known"] == "one"
    for hostile in ("../one", "a/b", "", "\x00", "one\n"):
        with pytest.raises(CoreError):
            projects.load(found, hostile)


def test_edits_from_many_tabs_are_all_kept(tmp_path):
    found = space(tmp_path)
    projects.create(found, "p", "corpus:x")

    def add(number: int) -> None:
        part = AugmentedIngredient("swap", seed=number)
        projects.edit(found, "p", projects.with_ingredient(f"i{number}", part), {"event": "ingredient"})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert sorted(projects.load(found, "p").ingredients) == sorted(f"i{n}" for n in range(16))


def test_an_ingredient_goes_from_its_mixes_too_but_not_from_under_its_children(tmp_path):
    found = space(tmp_path)
    projects.create(found, "p", "corpus:x")
    for name, of in (("a", "gold"), ("b", "a")):
        projects.edit(found, "p", projects.with_ingredient(name, AugmentedIngredient("swap", of=of)), {"event": "i"})
    projects.edit(found, "p", lambda p: replace(p, mixes={"m": Mix({"b": Part(1.0)})}), {"event": "m"})
    with pytest.raises(CoreError) as error:
        projects.edit(found, "p", projects.without_ingredient("a"), {"event": "i"})
    assert error.value.code == "ingredient_in_use"
    projects.edit(found, "p", projects.without_ingredient("b"), {"event": "i"})
    assert projects.load(found, "p").mixes == {"m": Mix()}
    for name in ("gold", "", "a/../b", "x" * 61, "<b>"):
        with pytest.raises(CoreError):
            projects.with_ingredient(name, AugmentedIngredient("swap"))


def test_a_deleted_project_comes_back_whole(tmp_path):
    found = space(tmp_path)
    projects.create(found, "p", "corpus:x")
    place = projects.delete(found, "p")
    assert projects.names(found) == []
    assert projects.restore(found, place) == "p" and projects.events(found, "p")[0]["event"] == "created"
    with pytest.raises(CoreError):
        projects.restore(found, tmp_path / "project-q-1")


@pytest.mark.whole  # the core has the journey from three files to a result
def test_a_project_goes_all_the_way_and_its_recipe_is_the_same_runs(tmp_path, tiny_model, core):
    found, project = harbour(tmp_path)
    part = AugmentedIngredient("mention_replacement", copies=2)
    project = projects.edit(found, project.slug, projects.with_ingredient("names", part), {"event": "ingredient"})
    assert standing(found, project).waiting == ("names",)
    result_of(found, start_pool(found, project, "names"), quiet)
    stage = standing(found, project).stage
    assert stage is not None and list(stage.pools) == ["gold", "names"] and not standing(found, project).waiting
    with pytest.raises(CoreError) as error:
        plan_launch(found, project, stage, {"gold only": Mix()}, [0])
    assert error.value.code == "steps_missing"
    train = replace(project.recipe.train, steps=2, model=str(tiny_model), evaluations=1)
    project = projects.edit(
        found, project.slug, lambda p: replace(p, recipe=replace(p.recipe, train=train)), {"event": "train"}
    )
    mixes = {"gold only": Mix(), "names": Mix({"names": Part(1.0)})}
    plan = plan_launch(found, project, stage, mixes, [3])
    assert plan.new == 2 and plan.seconds > 0
    runs = wait(found, launch(found, project, stage, plan), quiet)
    assert [run.state for run in runs] == ["succeeded", "succeeded"]
    assert plan_launch(found, project, stage, mixes, [3, 4]).new == 2
    first, second = groups(found, project.slug)
    assert (first.name, second.name) == ("gold only", "names") and list(first.runs) == [3]
    assert comparable([first, second], first) == [second] and second.mix == mixes["names"]
    assert evaluated(found, first, "test") == [] and len(counts_of(found, first, "dev")) == 1
    with pytest.raises(CoreError) as error:
        counts_of(found, first, "test")
    assert error.value.code == "nothing_evaluated"
    look = look_at_test(found, project.slug, [first, second])
    assert look is not None
    result_of(found, look, quiet)
    assert len(counts_of(found, second, "test")) == 1 and look_at_test(found, project.slug, [first, second]) is None
    assert sum(event["event"] == "look" for event in projects.events(found, project.slug)) == 2
    saved = replace(project.with_mix(mixes["names"]), seeds=(3,))
    (tmp_path / "saved.yaml").write_text(recipe_text(saved), encoding="utf-8")
    assert load(tmp_path / "saved.yaml").mix == saved.mix
    done = core("run", "saved.yaml", "--json", "--workspace", found.root, folder=tmp_path)
    assert done.status == 0, done.stderr
    assert [(run["id"], run["reused"]) for run in done.json["runs"]] == [(second.finished[0], True)]


def test_groups_are_mixes_and_not_seeds():
    specs = [RunSpec("train", {"gold": "corpus:x"}, {"seed": seed, "labels": ["A"]}) for seed in (0, 1)]
    other = RunSpec("train", {"gold": "corpus:y"}, {"seed": 0, "labels": ["A"]})
    assert group_id(specs[0]) == group_id(specs[1]) != group_id(other)
    assert group_id(replace(specs[0], repeat=1)) == group_id(specs[0])


def test_samples_open_once_and_stay_what_people_made_of_them(tmp_path):
    found = space(tmp_path)
    for name in (each.name for each in samples()):
        project = open_sample(found, name)
        assert project.title == sample(name).title and project.sample == name
        projects.edit(found, name, lambda p: replace(p, title="mine"), {"event": "renamed"})
        assert open_sample(found, name).title == "mine"
    with pytest.raises(CoreError) as error:
        open_sample(found, "nothing")
    assert error.value.code == "sample_unknown"


def test_the_study_is_whole_and_of_this_version(tmp_path):
    found = space(tmp_path)
    project = open_sample(found, "newsroom")
    packed = json.loads((sample("newsroom").study / "runs.json").read_text(encoding="utf-8"))
    assert all(RunSpec.from_json(one["spec"]).id == one["run"]["id"] for one in packed), "run: make sample"
    assert {one["spec"]["kind"] for one in packed} <= set(KINDS)
    whole = standing(found, project)
    assert whole.stage is not None and not whole.waiting and set(whole.stage.pools) == {"gold", *project.ingredients}
    assert sum(sum(reasons.values()) for reasons in whole.rejected.values()) > 0
    finished = groups(found, "newsroom")
    assert len(finished) >= 5 and {mix_name(group.mix) for group in finished} >= {"gold only"}
    for group in finished:
        assert len(evaluated(found, group, "dev")) == len(evaluated(found, group, "test")) == 8
        assert mix_data(group.mix) == mix_data(project.mixes[group.name])
    rows = {split: len(whole.stage.pools["gold"]) if split == "train" else 0 for split in ("train",)}
    assert 60 <= rows["train"] <= 100
    test = counts_of(found, finished[0], "test")[0]
    assert len(test.gold) >= 350 and test.gold.sum(0).min() >= 120 and len(test.names) >= 4
    assert not list((found.root / "runs").glob("*/model"))


TOLERANCE = 0.06  # of F1: about what another kind of processor, or another number of threads, can change
AGREEMENT = 0.95  # of words that must be tagged as in the study


@pytest.mark.whole
def test_one_seed_of_the_study_comes_out_again(tmp_path):
    found = space(tmp_path)
    project = open_sample(found, "newsroom")
    group = next(group for group in groups(found, "newsroom") if group.mix == Mix())
    old = predictions.read(predictions.file_of(found.run_folder(group.runs[0].id), group.corpora["dev"]))
    [again] = wait(found, retrain(found, project, group, [0]), quiet)
    assert again.state == "succeeded" and again.id != group.runs[0].id
    new = predictions.read(predictions.file_of(found.run_folder(again.id), group.corpora["dev"]))
    scores = [found.result(run)["best_dev"] for run in (group.runs[0].id, again.id)]
    assert abs(scores[0] - scores[1]) <= TOLERANCE, scores
    words = [(a, b) for x, y in zip(old.values, new.values, strict=True) for a, b in zip(x, y, strict=True)]
    assert sum(a == b for a, b in words) / len(words) >= AGREEMENT
    assert len(next(g for g in groups(found, "newsroom") if g.id == group.id).runs) == 8
    told = read_object(found.run_folder(again.id) / FILE)
    assert told is not None and told["seconds"] > 1 and told["disk"] > 1e6


def test_repeats_of_another_version_of_training_do_not_join_a_group(tmp_path):
    space = Workspace.open(tmp_path / "ws")
    project = open_sample(space, "newsroom")
    [group, *_] = groups(space, "newsroom")
    path = projects.history_file(space, "newsroom")
    path.write_text(path.read_text().replace(group.id, "8b486fadbe52"))  # as it was under version 1
    [older, *_] = groups(space, "newsroom")
    assert older.id == "8b486fadbe52" and older.runs == group.runs
    for again in (lambda: add_repeats(space, "newsroom", older, 1), lambda: retrain(space, project, older, [0])):
        with pytest.raises(CoreError) as caught:
            again()
        assert (caught.value.code, caught.value.values) == ("group_older", {"name": "gold only"})
    assert not [run for run in space.store.list(kind="train") if run.pending]
