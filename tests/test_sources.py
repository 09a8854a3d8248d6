"""Transfer from other projects: how well a source's encoder suits a target, and the ways there are of using one."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import HARBOUR

from core.contrast import gold_only
from core.errors import CoreError
from core.evaluation.logme import logme
from core.groups import groups
from core.project import Project
from core.recipe import load
from core.transfer import ranks_agree, source_of
from core.workspace import Workspace


def evidence(states: np.ndarray, values: np.ndarray, alpha: float, beta: float) -> float:
    """The log-likelihood of values under w ~ N(0, 1 / alpha), y = states w + N(0, 1 / beta), in full."""
    from scipy.stats import multivariate_normal

    covariance = np.eye(len(values)) / beta + states @ states.T / alpha
    return float(multivariate_normal(cov=covariance).logpdf(values))


def test_it_is_the_evidence_at_its_maximum():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(20, 4))
    hot = np.stack([states[:, 0] > 0.3, states[:, 0] <= 0.3], axis=1).astype(float)
    grid = np.exp(np.linspace(-5, 5, 41))
    best = [max(evidence(states, column, a, b) for a in grid for b in grid) for column in hot.T]
    assert logme(states, hot) == pytest.approx(np.mean(best) / 20, abs=5e-3)


@pytest.mark.parametrize("width", [5, 60])  # narrower and wider than there are items
def test_states_that_tell_the_classes_are_better_than_others(width):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 50)
    hot = np.eye(3)[labels]
    noise = rng.normal(size=(50, width))
    telling = noise.copy()
    telling[:, :3] += 3 * hot
    assert logme(telling, hot) > logme(noise, hot) + 0.1


def test_a_class_that_nothing_or_everything_has_says_nothing():
    states = np.random.default_rng(2).normal(size=(20, 4))
    assert logme(states, np.ones((20, 1))) == 0.0 == logme(states, np.zeros((20, 2)))


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> Path:
    """A folder with recipes of two parts of the sample: the source knows LOC under another case, and ORG."""
    folder = tmp_path_factory.mktemp("sources")
    rows = HARBOUR.read_text(encoding="utf-8").strip().split("\n\n")
    parts = {"near": rows[:24], "near-dev": rows[24:30], "far": rows[30:48], "far-dev": rows[48:54]}
    for name, found in parts.items():
        text = "\n\n".join(found) + "\n"
        (folder / f"{name}.conll").write_text(text.replace("-LOC", "-loc") if "far" in name else text, encoding="utf-8")
    train = {"model": str(tiny_model), "steps": 3, "batch_tokens": 128, "evaluations": 1}
    for name in ("near", "far"):
        data = {"train": f"{name}.conll", "dev": f"{name}-dev.conll"}
        recipe = {"version": 1, "data": data, "project": name, "train": train}
        (folder / f"{name}.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    return folder


def test_every_way_is_trained_and_told(core, place):
    done = core("sources", "near.yaml", "far.yaml", "--repeats", 1, "--json", folder=place)
    assert done.status == 0, done.stderr
    told = done.json
    assert {(one["way"], one["source"]) for one in told["ways"]} == {
        ("target", ""), ("longer", ""), ("sequential", "far"), ("joint", "far"), ("both", "far"),
    }  # fmt: skip
    assert [one["verdict"] for one in told["ways"]] == [None, *["few_repeats"] * 4]
    assert [one["over_longer"] and one["over_longer"]["verdict"] for one in told["ways"]] == [
        None, None, *["few_repeats"] * 3,
    ]  # fmt: skip
    assert set(told["estimates"]) == {"far", next(name for name in told["estimates"] if name != "far")}
    again = core("sources", "near.yaml,near.yaml", "far.yaml", "--repeats", 1, folder=place)
    assert again.status == 0 and ": running" not in again.stderr  # all of it was there
    assert "LOC" in again.stdout and again.stdout.count("far, then gold and far") == 2  # once for each target
    assert "only more training" not in again.stdout  # there is what tells
    space = Workspace(place / "workspace")
    by_model = {group.name: group for group in groups(space, "near")}
    assert by_model["gold only, as long"].train.steps == 6  # its own three, and the source's
    assert by_model["far, then gold"].train.model.startswith("run:")
    assert gold_only([*by_model.values()]).name == "gold only"
    asked = source_of(space, Project("far", "far", load(place / "far.yaml")), ["LOC", "PER"])
    assert asked.ingredient.labels["loc"] == "LOC" and asked.ingredient.labels["ORG"] is None
    far = asked.project
    given = source_of(space, far, ["LOC", "PER"], {"ORG": "PER", "loc": None})
    assert given.ingredient.labels["ORG"] == "PER" and given.ingredient.labels["loc"] is None
    assert "LOC" not in given.shared
    for wrong in ({"nothing": "PER"}, {"ORG": "nothing"}):
        with pytest.raises(CoreError) as error:
            source_of(space, far, ["LOC", "PER"], wrong)
        assert error.value.code == "unknown_key"


def test_a_source_of_another_task_or_the_target_itself_is_refused(core, place):
    done = core("sources", "near.yaml", "near.yaml", "--json", folder=place)
    assert done.status == 2 and done.json["error"]["code"] == "source_same"


@pytest.mark.parametrize(
    ("given", "code"), [("far.ORG", "usage"), ("ORG=PER", "usage"), ("nobody.ORG=PER", "unknown_key")]
)
def test_a_map_that_says_nothing_is_refused(core, place, given, code):
    done = core("sources", "near.yaml", "far.yaml", "--estimate", "--map", given, "--json", folder=place)
    assert done.status == 2 and done.json["error"]["code"] == code


def test_ranks_agree_from_three_sources_up():
    assert ranks_agree({"a": 1, "b": 2}, {"a": 1, "b": 2}) is None
    assert ranks_agree({"a": 1, "b": 2, "c": 3, "d": 9}, {"a": 0.1, "b": 0.2, "c": 0.5}) == pytest.approx(1)
    assert ranks_agree({"a": 1, "b": 2, "c": 3}, {"a": 0.5, "b": 0.2, "c": 0.1}) == pytest.approx(-1)
