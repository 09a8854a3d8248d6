"""The whole way through the workshop in a real browser: a method with a file of one's own, checked by a model, beside
others, its children decided about, what became of the words, and the mix that it joins."""

import re

import pytest

from core import project as projects
from core.recipe import AugmentedIngredient
from core.sample import open_sample
from core.workspace import Workspace
from tests.browser import WAIT, browsing, needs_chromium, served
from tests.test_journeys import wait_for

pytestmark = needs_chromium()
TRIPLES = "head,relation,tail\nmayor,works in,office\ncouncil,works in,hall\nteam,kind of,group\nyear,kind of,time\n"


@pytest.mark.whole
def test_from_a_method_to_the_mix(tmp_path):
    space = Workspace.open(tmp_path / "ws")
    open_sample(space, "newsroom")
    own = tmp_path / "own words.csv"
    own.write_text(TRIPLES)
    with served(space.root) as address, browsing(address) as visitor:
        page = visitor.page
        visitor.goto("/augment?project=newsroom&lang=en")
        page.get_by_role("radio", name="Graph expansion").or_(page.get_by_text("Graph expansion")).first.click()
        visitor.settle()
        page.locator("input[type=file]").first.set_input_files(str(own))
        visitor.see("own words.csv")
        visitor.settle()
        along = page.get_by_role("textbox", name="Relation in that file")
        along.fill("kind of")
        along.press("Enter")
        visitor.settle()
        page.get_by_text("Checks by a model").first.click()
        visitor.settle()
        page.get_by_text("Means about the same").first.click()
        visitor.settle()
        visitor.press("Add as ingredient")
        name = wait_for_name(visitor, space)
        wait_for(visitor, lambda: "children of 84 sentences" in visitor.text())
        visitor.see("Similarity to the sentence: half of them between")
        page.get_by_text("What became what").click()
        visitor.settle()
        page.locator(".js-plotly-plot").first.wait_for(timeout=WAIT)
        assert re.search(r"All \d+ pairs of words|\d+ pairs of words", visitor.text())
        page.get_by_text("One by one, to decide").click()
        visitor.settle()
        page.keyboard.press("x")
        visitor.settle()
        visitor.see("rejected: 1")
        visitor.press("Use them and build again")
        visitor.see("The pool follows all that was decided")
        visitor.goto(f"/augment?project=newsroom&lang=en&way=compare&beside=ingredient:{name}&beside=synonym")
        visitor.see("Synonym replacement")
        visitor.goto("/mix?project=newsroom&lang=en")
        visitor.see(name)
        assert visitor.errors() == []
    part = projects.load(space, "newsroom").ingredients[name]
    assert isinstance(part, AugmentedIngredient) and part.params["along"] == "kind of"
    assert part.params["triples"].endswith("/own words.csv") and part.checks is not None and part.decisions


def wait_for_name(visitor, space: Workspace) -> str:
    """The name of the ingredient that was added."""
    known = {"mention swaps", "synonyms", "token swaps", "harbour news", "auto-labelled archive"}
    wait_for(visitor, lambda: len(projects.load(space, "newsroom").ingredients) > len(known))
    [name] = {*projects.load(space, "newsroom").ingredients} - known
    return name
