"""Scores over numbers of labelled rows, a line with its band for each method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.report.canvas import blank
from core.report.figures import PALETTE
from core.report.lettering import escape, shown
from core.report.worth import add_band, scores_over_rows
from core.scores import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_EDGE = 1.15  # times the first and the last size: room at the sides


@dataclass(frozen=True)
class Line:
    """A method's points: (labelled rows, score, interval), ascending, scores 0..1. One that takes no rows: a single
    point at 0."""

    title: str
    points: Sequence[tuple[float, float, Interval]]


def by_rows(lines: Sequence[Line], words: Mapping[str, str]) -> "Figure":
    """On a logarithmic axis, 0 to 100 %; a method that takes no rows goes straight across. `words`: axis, score,
    rows."""
    figure = blank(320, [line.title for line in lines])
    places = [at for line in lines for at, _, _ in line.points if at] or [1.0, 10.0]
    low, high = min(places) / _EDGE, max(places) * _EDGE
    for number, line in enumerate(lines):
        colour = PALETTE[number % len(PALETTE)]
        across = [(at, *line.points[0][1:]) for at in (low, high)]
        points = across if line.points[0][0] == 0 else line.points
        add_band(figure, points, colour)
        figure.add_scatter(
            x=[at for at, _, _ in points],
            y=[100 * score for _, score, _ in points],
            mode="lines" if points is across else "lines+markers",
            line={"color": colour, "width": 2, "dash": "dash" if points is across else "solid"},
            name=shown(line.title),
            hovertext=[_hover(line.title, *point, words) for point in points],
            hoverinfo="text",
        )
    scores_over_rows(figure, (low, high), sorted({round(at) for at in places}), words)
    return figure


def _hover(title: str, at: float, score: float, ends: Interval, words: Mapping[str, str]) -> str:
    low, high = (100 * end for end in ends)
    return f"{shown(title)}<br>{round(at):,} {escape(words['rows'])}<br>{100 * score:.1f} % [{low:.1f}, {high:.1f}]"
