"""What the Augment page stands on: ingredients that come back as they were, children shown as their pool will."""

from dataclasses import replace

import numpy as np
import polib
import pytest

from components import children
from components.methods import METHODS
from core import project as projects
from core.augment import AUGMENTERS
from core.augment.pool import AugmentParams, build_pool
from core.augment.preview import preview
from core.augment.protocol import Child
from core.formats import read
from core.formats.protocol import ReadOptions
from core.mix import Mix, Part
from core.recipe import AugmentedIngredient
from core.report import browse
from core.sample import sample
from core.workspace import Workspace
from tests.test_words import CATALOGUE


def test_a_deleted_ingredient_comes_back_to_its_place_and_its_mixes(tmp_path):
    space = Workspace.open(tmp_path / "ws")
    space.name_corpus("x", {"sources": {}, "inputs": {}})
    before = projects.create(space, "p", "corpus:x")
    for name in ("a", "b", "c"):
        before = projects.with_ingredient(name, AugmentedIngredient("swap"))(before)
    mixed = Mix({"b": Part(1.0), "c": Part(2.0)})
    before = replace(before, mixes={"all": mixed, "changed": mixed}, recipe=replace(before.recipe, mix=mixed))
    gone = projects.without_ingredient("b")(before)
    assert list(gone.ingredients) == ["a", "c"] and gone.mixes["all"].parts == {"c": Part(2.0)}
    assert projects.with_again(before, "b")(gone) == before

    changed = replace(gone, mixes=gone.mixes | {"changed": Mix({"a": Part(3.0)})})
    changed = projects.with_ingredient("d", AugmentedIngredient("swap"))(changed)
    back = projects.with_again(before, "b")(changed)
    assert list(back.ingredients) == ["a", "b", "c", "d"]
    assert back.mixes == {"all": mixed, "changed": Mix({"a": Part(3.0)})}


def test_a_child_is_shown_as_its_pool_will_show_it(tmp_path):
    found = read(sample("newsroom").folder / "train.jsonl", name="train.jsonl", options=ReadOptions())
    parent = found.corpus.take(np.arange(12))
    params = AugmentParams("swap", seed=1)
    pool = build_pool(parent, params, tmp_path, set(), lambda: None).corpus
    rows = browse.page(parent, np.arange(12), 0, 12)
    made = [(rows[one.row], child) for one in preview(parent, range(12), params, tmp_path) for child in one.children]
    shown = [browse.child_segments(row, child) for row, child in made if isinstance(child, Child)]
    assert shown == [row.segments for row in browse.page(pool, np.arange(len(pool)), 0, len(pool))]
    assert len(shown) > 5 and any(part.changed for line in shown for part in line)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("method", AUGMENTERS)
def test_the_name_that_a_method_suggests_is_taken(tmp_path, method, language):
    title = METHODS[method].title
    if language == "zh_CN":
        title = {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOGUE))}[title]
    space = Workspace.open(tmp_path / "ws")
    space.name_corpus("x", {"sources": {}, "inputs": {}})
    project = projects.create(space, "p", "corpus:x")
    name = children.free_name(project, title.lower())
    assert name in projects.with_ingredient(name, AugmentedIngredient(method))(project).ingredients
    assert (
        children.free_name(projects.with_ingredient(name, AugmentedIngredient(method))(project), title.lower()) != name
    )


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Control: a/b", "Control a b"),
        ("...", "ingredient"),
        ("", "ingredient"),
        ("x" * 80, "x" * 60),
        ("对照：错", "对照 错"),
    ],
)
def test_a_title_becomes_a_name(title, name):
    assert projects.ingredient_name(title) == name
