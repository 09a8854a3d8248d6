"""What the trials of a search reached, one after the other or along one setting."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.report.canvas import GREY, blank
from core.report.figures import PALETTE
from core.report.lettering import escape, shown, tick

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Kind = Literal["finished", "best", "unfinished"]
_SYMBOLS: Mapping[Kind, str] = {"finished": "circle", "best": "star", "unfinished": "x"}  # without colour too
_SIZES: Mapping[Kind, int] = {"finished": 9, "best": 15, "unfinished": 9}
_COLOUR = PALETTE[0]


@dataclass(frozen=True)
class Point:
    """A trial. `at`: its number, or what it has of a setting; `reached`: 0..1; `note`: what is said of it, in words."""

    at: float | str
    reached: float
    kind: Kind
    note: str


def trials(
    points: Sequence[Point],
    words: Mapping[str, str],
    *,
    line: bool = False,
    log: bool = False,
    choices: Sequence[str] = (),
) -> "Figure":
    """One mark for each trial. `words`: axis, score, and the names of the kinds of marks, with `line` that of the line.

    `line`: how the best of finished trials grew, where the axis counts trials; `log`: a logarithmic axis; `choices`:
    what there is on an axis of names, in order.
    """
    kinds: tuple[Kind, ...] = ("finished", "best", "unfinished")
    titles = [words[kind] for kind in kinds if any(point.kind == kind for point in points)]
    figure = blank(260, [*titles, *([words["line"]] if line else [])])
    if line:
        _add_line(figure, points, words["line"])
    for kind in kinds:
        mine = [point for point in points if point.kind == kind]
        if mine:
            _add_marks(figure, mine, kind, shown(words[kind]), choices)
    figure.update_xaxes(title_text=escape(words["axis"]), type="log" if log else "linear", exponentformat="e")
    if choices:
        ticks = [tick(name) for name in choices]
        figure.update_xaxes(tickvals=[*range(len(choices))], ticktext=ticks, range=[-0.5, len(choices) - 0.5])
    figure.update_yaxes(title_text=escape(words["score"]), ticksuffix="%")
    return figure


def _add_line(figure: "Figure", points: Sequence[Point], title: str) -> None:
    best, steps = -math.inf, list[tuple[float | str, float]]()
    for point in points:
        if point.kind != "unfinished":
            best = max(best, point.reached)
            steps.append((point.at, 100 * best))
    figure.add_scatter(
        x=[at for at, _ in steps],
        y=[value for _, value in steps],
        mode="lines",
        line={"shape": "hv", "width": 2, "color": GREY},
        name=shown(title),
        hoverinfo="skip",
    )


def _add_marks(figure: "Figure", points: Sequence[Point], kind: Kind, title: str, choices: Sequence[str]) -> None:
    figure.add_scatter(
        x=[choices.index(str(point.at)) if choices else point.at for point in points],
        y=[100 * point.reached for point in points],
        mode="markers",
        marker={"color": _COLOUR, "symbol": _SYMBOLS[kind], "size": _SIZES[kind]},
        name=title,
        hovertext=["<br>".join(escape(line) for line in point.note.split("\n")) for point in points],
        hoverinfo="text",
    )
