"""The desk in a real browser: a slider moves diamonds, a pinned mix is held against, what is not known is said."""

import json
from collections.abc import Callable
from pathlib import Path

from core.sample import open_sample
from core.workspace import Workspace
from tests.browser import Visitor, browsing, needs_chromium, served
from tests.invariants import until

DRAWN = "[...document.querySelectorAll('.js-plotly-plot')].map(g => JSON.stringify((g.data || []).map(d => d.x)))"


def traces(visitor: Visitor, wanted: Callable[[list[float], list[float]], bool]) -> tuple[list[float], list[float]]:
    """Diamonds and dots of the figure, once they are as wanted: a browser draws them a moment after they came."""

    def drawn() -> tuple[list[float], list[float]] | None:
        figures = visitor.page.evaluate(DRAWN)
        _, diamonds, dots, *_ = json.loads(figures[1]) if len(figures) > 1 else [[]] * 3
        return (diamonds, dots) if diamonds and wanted(diamonds, dots) else None

    return until(drawn)


def amount(visitor: Visitor, at: int, value: str) -> None:
    field = visitor.page.get_by_role("spinbutton").nth(at)
    field.fill(value)
    field.press("Enter")
    visitor.settle()


@needs_chromium()
def test_from_a_slider_to_a_pinned_mix(tmp_path: Path):
    space = Workspace.open(tmp_path / "w")
    open_sample(space, "newsroom")
    with served(space.root) as address, browsing(address) as visitor:
        visitor.goto("/mix?project=newsroom")
        visitor.see("Make the forecast")
        visitor.see("pairs of mixes right on these data")
        traces(visitor, lambda diamonds, _: diamonds == [0, 0, 0, 0])
        amount(visitor, 4, "1")  # a mix that was trained: its runs are dots
        before, _ = traces(visitor, lambda diamonds, dots: len(dots) == 4 * 8 and max(diamonds) < -10)
        visitor.see("likely less")
        assert visitor.page.get_by_text("more: ").count() == 5
        visitor.page.get_by_role("slider").first.focus()
        visitor.page.keyboard.press("ArrowRight")
        visitor.settle()
        traces(visitor, lambda diamonds, dots: diamonds != before and dots == [])  # nobody trained this one
        visitor.press("Pin this mix")
        traces(visitor, lambda diamonds, _: diamonds == [0, 0, 0, 0])
        visitor.see("0.05x mention swaps + 1x auto-labelled archive")
        amount(visitor, 4, "0")
        traces(visitor, lambda diamonds, _: min(diamonds) > 10)
        visitor.see("likely more")
        visitor.see("Repeats of this mix")
        visitor.press("Swap", exact=True)
        traces(visitor, lambda diamonds, _: max(diamonds) < -10)
        visitor.page.get_by_text("Precision", exact=True).first.click()
        visitor.settle()
        visitor.see("Precision: difference in points to")
        visitor.press("Gold only", exact=True)
        assert visitor.errors() == []
