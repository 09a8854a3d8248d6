"""The figures: rows in, Plotly figures out. Dots, bars and curves are measured; lines across them are intervals.

Labels and names come from users' files and are hostile: they enter a figure through `shown` and `tick` alone.
Categories stand at whole numbers with tick texts, so that no label is taken for a number, a date or another label.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.mix import GOLD
from core.report.canvas import blank
from core.report.lettering import escape, shown, tick

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AMBER = "#E69F00"  # gold's own
# Okabe & Ito (2008), without black and yellow: one vanishes on a dark background, the other on a light one; for those
# who have more ingredients, olive and purple of Tol's muted scheme (2021, https://personal.sron.nl/~pault), and grey
PALETTE = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999933", "#AA4499", "#7F7F7F")
_BINS = 30
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # not by colour alone


def colour_of(name: str, order: Sequence[str]) -> str:
    """The colour of an ingredient among all of them, `order`; gold's never changes. ValueError if it isn't there."""
    return AMBER if name == GOLD else _cycle([other for other in order if other != GOLD].index(name))


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    return {label: _cycle(position) for position, label in enumerate(labels)}


def label_histogram(
    series: Mapping[str, Mapping[str, float]], labels: Sequence[str], axis_title: str, words: Mapping[str, str]
) -> "Figure":
    """The share of each label in all mentions of a series (mentions or shares go in). `words`: names of series."""
    titles = {name: words.get(name, name) for name in series}
    figure = blank(rows_height(labels, 16 * (len(series) + 1)), list(titles.values()))
    for name, amounts in series.items():
        whole = math.fsum(amounts.values()) or 1.0
        found = [(at, label, amounts.get(label, 0) / whole) for at, label in enumerate(labels)]
        _add_bars(figure, shown(titles[name]), colour_of(name, list(series)), found)
    category_axis(figure, labels)
    figure.update_xaxes(title_text=escape(axis_title), rangemode="tozero", ticksuffix="%")
    return figure


def share_bar(parts: Mapping[str, int], colours: Mapping[str, str], words: Mapping[str, str]) -> "Figure":
    """The rows of a mix as one bar. `words`: rows, and names of ingredients where they aren't their own."""
    titles = {name: words.get(name, name) for name in parts}
    figure = blank(48, list(titles.values()))  # as high as with all of them, so that nothing jumps
    whole = sum(parts.values()) or 1
    for name, rows in ((name, rows) for name, rows in parts.items() if rows):
        title = shown(titles[name])
        figure.add_bar(
            x=[rows],
            y=[0],
            orientation="h",
            name=title,
            marker={"color": colours[name], "line": {"width": 1, "color": "white"}},  # parts end in print too
            text=f"{rows / whole:.0%}" if rows / whole >= 0.08 else "",
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertext=f"{title}<br>{rows:,} {escape(words['rows'])} · {rows / whole:.1%}",
            hoverinfo="text",
        )
    figure.update_layout(barmode="stack", bargap=0.1)
    figure.update_xaxes(range=[0, whole], title_text=escape(words["rows"]))
    figure.update_yaxes(visible=False, fixedrange=True)
    return figure


def lengths(series: Mapping[str, Sequence[int]], axis_title: str, words: Mapping[str, str]) -> "Figure":
    """The share of sentences per length, in words, of each split. `words`: names of splits. The last bin is open."""
    titles = {name: words.get(name, name) for name in series}
    figure = blank(220, list(titles.values()))
    found = {name: np.asarray(values, dtype=np.int64) for name, values in series.items() if len(values)}
    longest = max((float(np.percentile(values, 99)) for values in found.values()), default=1.0)
    width = max(1, math.ceil(longest / _BINS))
    for number, (name, values) in enumerate(found.items()):
        bins = np.bincount(np.minimum(values // width, _BINS), minlength=_BINS + 1)
        shares = (100 * bins / len(values)).tolist()
        title = shown(titles[name])
        figure.add_scatter(
            x=[width * (at + 0.5) - 0.5 for at in range(_BINS + 1)],
            y=shares,
            mode="lines",
            line={
                "shape": "hvh",
                "width": 2,
                "color": colour_of(name, list(series)),
                "dash": _DASHES[number % len(_DASHES)],
            },
            name=title,
            hovertext=[f"{title}<br>{_bin(at, width)} · {share:.1f} %" for at, share in enumerate(shares)],
            hoverinfo="text",
        )
    figure.update_xaxes(title_text=escape(axis_title), rangemode="tozero")
    figure.update_yaxes(ticksuffix="%", rangemode="tozero")
    return figure


def rows_height(labels: Sequence[str], least: int) -> int:
    """The pixels of rows that leave room for every line of their labels."""
    return len(labels) * max([least, *(17 * (1 + tick(label).count("<br>")) for label in labels)])


def category_axis(figure: "Figure", labels: Sequence[str]) -> None:
    """One label a row, the first on top."""
    figure.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=[tick(label) for label in labels],
        range=[len(labels) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )


def _add_bars(figure: "Figure", title: str, colour: str, found: Sequence[tuple[int, str, float]]) -> None:
    """A series of horizontal bars: (row, label, rate) each."""
    figure.add_bar(
        x=[100 * rate for _, _, rate in found],
        y=[at for at, *_ in found],
        orientation="h",
        name=title,
        marker={"color": colour, "line": {"width": 0}},
        hovertext=[f"{shown(label)}<br>{title}<br>{100 * rate:.1f} %" for _, label, rate in found],
        hoverinfo="text",
    )
    figure.update_layout(barmode="group", bargap=0.25)


def _bin(at: int, width: int) -> str:
    low, high = at * width, (at + 1) * width - 1
    return f"{low}+" if at == _BINS else str(low) if low == high else f"{low}–{high}"


def _cycle(position: int) -> str:
    return PALETTE[position % len(PALETTE)]
