"""How a score goes with the amounts of a mix: a line along one ingredient, a plane over two; what is good is shaded.

All places are amounts, times gold; all scores 0..1, drawn in per cent.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.report.canvas import GREY, blank
from core.report.figures import AMBER
from core.report.lettering import escape, shown
from core.search.response import Curve, Plane

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_GOOD = "rgba(0,158,115,0.16)"  # of the palette's green
_REST = ((0.0, "rgba(128,128,128,0.10)"), (1.0, "rgba(128,128,128,0.45)"))
_SHADES = ((0.0, "rgba(0,158,115,0.25)"), (1.0, "rgba(0,158,115,0.95)"))


def profile(found: Curve, best: float, gold: float, colour: str, words: Mapping[str, str]) -> "Figure":
    """A score along one ingredient, with its 90 % band. `best`: the amount in the best mix; `gold`: what is expected of
    gold only; `words`: axis, score, mean, band, good, best, gold."""
    names = [words[name] for name in ("good", "band", "mean", "best", "gold")]
    figure = blank(240, names)
    for low, high in _spans(found):
        figure.add_vrect(x0=low, x1=high, fillcolor=_GOOD, line_width=0, layer="below")
    figure.add_scatter(  # the shade has no entry of its own in a legend
        x=[None], y=[None], mode="markers", marker={"symbol": "square", "size": 12, "color": _GOOD},
        name=shown(words["good"]), hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[*found.at.tolist(), *found.at[::-1].tolist()],
        y=[100 * value for value in (*found.high.tolist(), *found.low[::-1].tolist())],
        fill="toself", mode="lines", line={"width": 0, "color": colour}, opacity=0.25, fillcolor=_faint(colour),
        name=shown(words["band"]), hoverinfo="skip",
    )  # fmt: skip
    ends = zip(found.at.tolist(), found.mean.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    figure.add_scatter(
        x=found.at.tolist(),
        y=(100 * found.mean).tolist(),
        mode="lines",
        line={"width": 2, "color": colour},
        name=shown(words["mean"]),
        hovertext=[
            f"{at:.2f} x<br>{100 * mean:.1f} % [{100 * low:.1f}, {100 * high:.1f}]" for at, mean, low, high in ends
        ],
        hoverinfo="text",
    )
    figure.add_scatter(
        x=[best], y=[100 * float(np.interp(best, found.at, found.mean))], mode="markers",
        marker={"symbol": "star", "size": 15, "color": colour}, name=shown(words["best"]), hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[float(found.at[0]), float(found.at[-1])], y=[100 * gold] * 2, mode="lines",
        line={"dash": "dot", "width": 2, "color": AMBER}, name=shown(words["gold"]), hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(title_text=escape(words["axis"]))
    figure.update_yaxes(title_text=escape(words["score"]), ticksuffix="%")
    return figure


def _spans(found: Curve) -> list[tuple[float, float]]:
    """From where to where it is good."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], found.good.astype(int), [0]])))
    return [(float(found.at[low]), float(found.at[high - 1])) for low, high in edges.reshape(-1, 2).tolist()]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.25)"


def surface(
    found: Plane, tried: Sequence[tuple[float, float]], best: tuple[float, float], words: Mapping[str, str]
) -> "Figure":
    """A score over two ingredients: green where it is good, the darker the better; grey elsewhere. `tried`: amounts of
    mixes that were trained; `words`: axis, other, score, tried, best."""
    figure = blank(340, [words["tried"], words["best"]])
    scores = 100 * found.mean
    ends = {"zmin": float(scores.min()), "zmax": float(scores.max())}
    hover = "%{x:.2f} x · %{y:.2f} x<br>%{z:.1f} %<extra></extra>"
    for inside, scale, bar in ((found.good, _SHADES, True), (~found.good, _REST, False)):
        figure.add_heatmap(
            x=found.at.tolist(),
            y=found.other.tolist(),
            z=np.where(inside, scores, np.nan).tolist(),
            colorscale=[[place, colour] for place, colour in scale],
            colorbar={"ticksuffix": "%", "thickness": 12, "title": {"text": escape(words["score"]), "side": "right"}},
            showscale=bar,
            hovertemplate=hover,
            **ends,
        )
    figure.add_scatter(
        x=[one for one, _ in tried], y=[other for _, other in tried], mode="markers",
        marker={"size": 8, "color": GREY, "line": {"width": 1, "color": "white"}}, name=shown(words["tried"]),
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[best[0]], y=[best[1]], mode="markers",
        marker={"symbol": "star", "size": 16, "color": AMBER, "line": {"width": 1, "color": GREY}},
        name=shown(words["best"]), hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(title_text=escape(words["axis"]), range=[float(found.at[0]), float(found.at[-1])])
    figure.update_yaxes(title_text=escape(words["other"]), range=[float(found.other[0]), float(found.other[-1])])
    return figure
