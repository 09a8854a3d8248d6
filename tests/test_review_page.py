"""Children gone through one by one in a real browser: with keys, edited, taken back, and the pool that follows."""

from core import decided as deciding
from core import project as projects
from core.sample import open_sample
from core.workspace import Workspace
from tests.browser import browsing, needs_chromium, served

NAME = "mention swaps"
pytestmark = needs_chromium()


def test_children_are_decided_about_with_keys_and_the_pool_follows(tmp_path):
    space = Workspace.open(tmp_path / "ws")
    open_sample(space, "newsroom")
    with served(space.root) as address, browsing(address) as visitor:
        visitor.goto("/augment?project=newsroom&lang=en&children=each")
        visitor.see("to decide: 219")
        for key in ("x", "x", "a", "u"):
            visitor.page.keyboard.press(key)
            visitor.settle()
        visitor.see("rejected: 2")
        visitor.see("accepted: 0")
        visitor.page.keyboard.press("e")
        visitor.settle()
        field = visitor.page.get_by_label("The child", exact=True)
        line = field.input_value()
        field.fill(line + " [broken")
        visitor.press("Save", exact=True)
        assert "can't be read" in visitor.errors()[0] and "[broken" in visitor.errors()[0]
        field.fill("Edited by [Ann Lee](person) <b>alone</b>")
        visitor.press("Save", exact=True)
        visitor.see("edited: 1")
        visitor.see("Decisions that are not part of the pool yet: 3.")
        visitor.press("Use them and build again")
        visitor.see("The pool follows all that was decided")
        visitor.page.get_by_text("Rejected by hand").first.wait_for(state="attached")
        visitor.page.get_by_text("edited: 1").click()
        visitor.settle()
        visitor.see("<b>alone</b>")
        visitor.page.get_by_text("Without a child").click()
        visitor.settle()
        assert visitor.page.get_by_role("combobox", name="Why").input_value() == "The row has no mention. (33)"
        visitor.see("Sentences 1 to 5 of 11.")
        visitor.page.get_by_text("What became what").click()
        visitor.settle()
        visitor.see("pairs of words; the picture shows the 30 most frequent.")
        visitor.page.locator(".js-plotly-plot").first.wait_for()
        visitor.page.screenshot(path=str(tmp_path / "became.png"), full_page=True)
        assert visitor.errors() == []
    found = deciding.decided(space, "newsroom", NAME)
    assert (found.count("rejected"), found.count("edited"), found.taken) == (2, 1, 3)
    assert projects.load(space, "newsroom").ingredients[NAME].decisions
