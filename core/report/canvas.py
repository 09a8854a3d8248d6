"""The empty figure that all figures are drawn on: its colours, axes and legend."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.report.lettering import columns

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

GREY = "#8C8C8C"
_RULE = "rgba(128,128,128,0.25)"
_CLEAR = "rgba(0,0,0,0)"
_NARROW = 400  # pixels: the narrowest plot that must be legible


def blank(plot_height: int, titles: Sequence[str] = ()) -> "Figure":
    """An empty figure for a plot of that many pixels; the legend's `titles` stand above it, in equal columns."""
    from plotly.graph_objects import Figure

    widest = max((columns(title) for title in titles), default=0)
    legend_lines = math.ceil(len(titles) / max(1, _NARROW // (45 + 7 * widest)))
    figure = Figure()
    figure.update_layout(
        height=plot_height + 64 + 20 * legend_lines,
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        dragmode=False,
        showlegend=bool(titles),
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "bgcolor": _CLEAR, "traceorder": "normal"},
        hoverlabel={"align": "left"},
    )
    axis: dict[str, Any] = {
        "automargin": True,
        "fixedrange": True,
        "gridcolor": _RULE,
        "zerolinecolor": GREY,
        "linecolor": _RULE,
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure
