"""What a model that learns step by step finds in each step's rows, as a map of colours."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.report.canvas import blank
from core.report.figures import category_axis, rows_height
from core.report.lettering import escape, shown, tick
from core.report.shades import colour, ink, rgb

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW = 34  # pixels
_SIZE = 13  # of the numbers


def steps_map(scores: np.ndarray, names: Sequence[str], words: Mapping[str, str]) -> "Figure":
    """Scores after each step (a row) on the rows of each step (a column), in points.

    `scores`: 0..1, NaN where there is no model. *Shape:* (steps, steps); `words`: after, on (of the axes).
    """
    values = 100 * scores
    figure = blank(rows_height(names, _ROW) + 70)
    cells = [
        (row, column, float(values[row, column]))
        for row in range(len(names))
        for column in range(len(names))
        if not math.isnan(values[row, column])
    ]
    figure.add_heatmap(
        z=[[None if math.isnan(value) else value for value in line] for line in values.tolist()],
        hovertext=[
            [f"{escape(words['after'])} {shown(after)}<br>{escape(words['on'])} {shown(on)}" for on in names]
            for after in names
        ],
        hoverinfo="text",
        xgap=2,
        ygap=2,
        showscale=False,
        zmin=0,
        zmax=100,
        colorscale=[[0, rgb(colour(0, 100))], [1, rgb(colour(100, 100))]],
    )
    figure.add_scatter(
        x=[column for _, column, _ in cells],
        y=[row for row, _, _ in cells],
        text=[f"{value:.0f}" for *_, value in cells],
        mode="text",
        textfont={"size": _SIZE, "color": [rgb(ink(colour(value, 100))) for *_, value in cells]},
        hoverinfo="skip",
        showlegend=False,
    )
    category_axis(figure, names)
    figure.update_yaxes(title_text=escape(words["after"]))
    figure.update_xaxes(
        title_text=escape(words["on"]),
        tickvals=list(range(len(names))),
        ticktext=[tick(name) for name in names],
        range=[-0.5, len(names) - 0.5],
        showgrid=False,
        zeroline=False,
    )
    return figure
