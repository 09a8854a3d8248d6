"""The demo as a newcomer runs it: the sample corpus, the bundled encoder, the recipe in docs/recipes."""

from pathlib import Path

import pytest
from conftest import HARBOUR

from core.recipe import load

RECIPES = sorted((Path(__file__).parents[1] / "docs" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_docs_are_recipes(path):
    assert load(path).seeds


def test_the_demo_learns_something(core, tmp_path, whole):
    recipe = next(path for path in RECIPES if path.stem == "harbour")
    if not whole:  # one repeat of it
        text = recipe.read_text().replace("seeds: [0, 1]", "seeds: [0]")
        recipe = tmp_path / "harbour.yaml"
        recipe.write_text(text.replace("../../core/samples/harbour/harbour.conll", str(HARBOUR)))
    done = core("run", recipe, "--workspace", tmp_path / "ws", "--json", folder=tmp_path, timeout=280)
    assert done.status == 0, done.stderr
    found = done.json
    assert found["seeds_used"] == (2 if whole else 1)
    assert found["corpus"]["ingredients"]["mentions"] > 40
    assert found["mix"]["realised"]["mentions"]["rows"] == found["corpus"]["train"]
    assert found["scores"]["dev"]["overall"]["f1"] > 0.3  # an untrained head finds next to nothing
    assert found["scores"]["test"]["support"] > 0
