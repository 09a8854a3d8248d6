"""Figures of trust: confidence against what is right, what a threshold keeps, and what noise and other names cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.calibration import Band, Reliability, Thresholds
from core.report.canvas import GREY, blank
from core.report.lettering import escape, shown, tick

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_HEIGHT = 280  # pixels
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross")  # not by colour alone
_DASHES = (("solid", "dot"), ("longdash", "dashdot"))  # of a mix: precision, recall
_PER_CENT: Mapping[str, Any] = {"range": [-2, 102], "tick0": 0, "dtick": 25, "ticksuffix": "%", "tickmode": "linear"}
_ROW = 30  # pixels


@dataclass(frozen=True)
class Borne:
    """One label of one mix: its recall (0..1) on the clean rows and on each changed copy, by the copy's name.

    `heading`: a label above the mixes that follow, without figures of its own.
    """

    label: str
    clean: float | None
    changed: Mapping[str, float]
    colour: str
    heading: bool = False
    faint: bool = False


def reliability(found: Mapping[str, Reliability], colours: Mapping[str, str], words: Mapping[str, str]) -> "Figure":
    """The share that is right over the confidence, with its interval, by mix. `words`: claimed, right, exact, mentions.

    On the diagonal ("exact") confidence says what is right; below it the model is too sure.
    """
    figure = blank(_HEIGHT, [*found, words["exact"]])
    for at, (mix, one) in enumerate(found.items()):
        name, right = shown(mix), [100 * part.right for part in one.bins]
        ends = [part.interval or (part.right, part.right) for part in one.bins]
        above = [max(0.0, 100 * (high - part.right)) for part, (_, high) in zip(one.bins, ends, strict=True)]
        below = [max(0.0, 100 * (part.right - low)) for part, (low, _) in zip(one.bins, ends, strict=True)]
        figure.add_scatter(
            x=[100 * part.claimed for part in one.bins],
            y=right,
            mode="lines+markers",
            name=name,
            line={"color": colours[mix], "width": 1},
            marker={"size": 9, "symbol": _SYMBOLS[at % len(_SYMBOLS)], "color": colours[mix]},
            error_y={"symmetric": False, "array": above, "arrayminus": below, "thickness": 1.5, "width": 3},
            hovertext=[
                f"{name}<br>{escape(words['claimed'])} {100 * part.claimed:.0f} %<br>"
                f"{escape(words['right'])} {100 * part.right:.0f} % [{100 * low:.0f}, {100 * high:.0f}]<br>"
                f"{part.count:,.1f} {escape(words['mentions'])}"
                for part, (low, high) in zip(one.bins, ends, strict=True)
            ],
            hoverinfo="text",
        )
    line = {"color": GREY, "width": 1, "dash": "dash"}
    figure.add_scatter(
        x=[0, 100] if found else [], y=[0, 100] if found else [], mode="lines", line=line,
        name=escape(words["exact"]), hoverinfo="skip",
    )  # fmt: skip
    figure.update_xaxes(title_text=escape(words["claimed"]), **_PER_CENT)
    figure.update_yaxes(title_text=escape(words["right"]), **_PER_CENT)
    return figure


def thresholds(
    found: Mapping[str, Thresholds], at: float, colours: Mapping[str, str], words: Mapping[str, str]
) -> "Figure":
    """Precision (solid) and recall (dotted; of a second mix: dashes and both) over the threshold (0..1), means with the
    lowest and highest run as a band.

    `at`: the one that is looked at, a line; `words`: threshold, precision, recall.
    """
    titles = {(mix, rate): f"{shown(mix)}: {escape(words[rate])}" for mix in found for rate in ("precision", "recall")}
    figure = blank(_HEIGHT, [f"{mix}: {words[rate]}" for mix, rate in titles])
    for number, (mix, one) in enumerate(found.items()):
        x = [100 * value for value in one.at.tolist()]
        solid, dotted = _DASHES[number % len(_DASHES)]
        for rate, band, dash in (("precision", one.precision, solid), ("recall", one.recall, dotted)):
            _add_band(figure, x, band, colours[mix])
            figure.add_scatter(
                x=x,
                y=_percents(band.mean),
                mode="lines",
                name=titles[mix, rate],
                line={"color": colours[mix], "width": 2, "dash": dash},
                hovertext=[
                    f"{titles[mix, rate]}<br>{escape(words['threshold'])} {place:.0f} %<br>{100 * mean:.1f} % "
                    f"[{100 * low:.1f}, {100 * high:.1f}]"
                    if not math.isnan(mean)
                    else ""
                    for place, mean, low, high in zip(x, band.mean, band.low, band.high, strict=True)
                ],
                hoverinfo="text",
            )
    if found:
        figure.add_vline(x=100 * at, line={"color": GREY, "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text=escape(words["threshold"]), **_PER_CENT)
    figure.update_yaxes(**_PER_CENT)
    return figure


def _add_band(figure: "Figure", x: Sequence[float], band: Band, colour: str) -> None:
    """From the lowest to the highest run, as far as both are defined."""
    there = ~np.isnan(band.low)
    ends = [place for place, known in zip(x, there, strict=True) if known]
    figure.add_scatter(
        x=[*ends, *ends[::-1]],
        y=[*_percents(band.high[there]), *_percents(band.low[there])[::-1]],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=_faint(colour),
        showlegend=False,
        hoverinfo="skip",
    )


def _faint(colour: str) -> str:
    """A colour ("#RRGGBB") that lets others through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _percents(rates: np.ndarray) -> list[float | None]:
    return [None if np.isnan(rate) else round(100 * rate, 3) for rate in rates.tolist()]


def robustness(rows: Sequence[Borne], words: Mapping[str, str]) -> "Figure":
    """Recall on the clean rows (a disc) and on each changed copy (other shapes), joined by a line, 0 to 100 %.

    `words`: recall, clean, and the title of each copy under its name, in the order of the legend.
    """
    names = [name for name in words if name not in ("recall", "clean")]
    figure = blank(sum(_height(row.label) for row in rows), [words["clean"], *(words[name] for name in names)])
    for at, row in enumerate(rows):
        if row.clean is not None:
            ends = [100 * value for value in (row.clean, *row.changed.values())]
            line = {"color": GREY if row.faint else row.colour, "width": 2}
            figure.add_scatter(
                x=[min(ends), max(ends)], y=[at, at], mode="lines", line=line, hoverinfo="skip", showlegend=False
            )
    for number, name in enumerate(("clean", *names)):
        _add_dots(figure, rows, words, name, _SYMBOLS[number % len(_SYMBOLS)])
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[f"<b>{tick(row.label)}</b>" if row.heading else tick(row.label) for row in rows],
        range=[len(rows) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title_text=escape(words["recall"]), **_PER_CENT)
    return figure


def _add_dots(figure: "Figure", rows: Sequence[Borne], words: Mapping[str, str], name: str, symbol: str) -> None:
    """The recall of every row on the clean rows or on one copy; the legend's own dot is grey."""
    values = [row.clean if name == "clean" else row.changed.get(name) for row in rows]
    found = [(at, row, value) for at, (row, value) in enumerate(zip(rows, values, strict=True)) if value is not None]
    title, edge = escape(words[name]), {"line": {"width": 0}}
    figure.add_scatter(
        x=[100 * value for _, _, value in found],
        y=[at for at, _, _ in found],
        mode="markers",
        marker={
            "symbol": symbol,
            "size": 10,
            "color": [GREY if row.faint else row.colour for _, row, _ in found],
            **edge,
        },
        hovertext=[f"{shown(row.label)}<br>{title}<br>{100 * value:.1f} %" for _, row, value in found],
        hoverinfo="text",
        showlegend=False,
    )
    look = {"symbol": symbol, "size": 10, "color": GREY, **edge}
    if rows:
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=look, name=title, hoverinfo="skip")


def _height(label: str) -> int:
    """The pixels of a row that leave room for every line of its label."""
    return max(_ROW, 17 * (1 + tick(label).count("<br>")))
