"""Gold's learning curve as a figure, and where it reaches the score of a mix."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.report.canvas import blank
from core.report.figures import AMBER
from core.report.lettering import escape, shown
from core.scores import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_EDGE = 1.12  # times the first and the last size: room at the sides
_APART = 0.12  # of the axis between two of its numbers, at least


@dataclass(frozen=True)
class Level:
    """The score of a mix (0..1), and the gold sentences at which the curve reaches it, where that can be said."""

    title: str
    colour: str
    score: float
    interval: Interval
    reached: float | None = None
    reached_interval: Interval | None = None


def learning(
    runs: Mapping[int, Sequence[float]],
    line: Sequence[tuple[float, float, Interval]],
    level: Level,
    words: Mapping[str, str],
) -> "Figure":
    """Scores over numbers of gold sentences on a logarithmic axis, 0 to 100 %: runs as dots, the line with its band.

    `line`: (sentences, score, interval), ascending; beyond the last size it is dashed. `words`: axis, score, runs,
    line, sentences.
    """
    figure = blank(280, [words["runs"], words["line"], level.title])
    places = [*runs, *(at for at, _, _ in line), *(level.reached_interval or ()), level.reached or max(runs)]
    low, high = min(places) / _EDGE, max(places) * _EDGE
    add_band(figure, line, AMBER)
    ends = [(at, 0.0, level.interval) for at in (low, high)]
    add_band(figure, ends, level.colour)
    last = max(runs)
    for part, dash in (([p for p in line if p[0] <= last], "solid"), ([p for p in line if p[0] >= last], "dash")):
        figure.add_scatter(
            x=[at for at, _, _ in part],
            y=[100 * score for _, score, _ in part],
            mode="lines",
            line={"color": AMBER, "width": 2, "dash": dash},
            name=escape(words["line"]),
            showlegend=dash == "solid",
            hovertext=[_hover(words["line"], at, score, words) for at, score, _ in part],
            hoverinfo="text",
        )
    _add_level(figure, level, (low, high), words)
    dots = [(size, score) for size, scores in runs.items() for score in scores]
    figure.add_scatter(
        x=[size for size, _ in dots],
        y=[100 * score for _, score in dots],
        mode="markers",
        marker={"color": AMBER, "size": 7, "line": {"width": 1, "color": "rgba(0,0,0,0.45)"}},
        name=escape(words["runs"]),
        hovertext=[_hover(words["runs"], size, score, words) for size, score in dots],
        hoverinfo="text",
    )
    scores_over_rows(figure, (low, high), _ticks([*runs], low, high), words)
    return figure


def scores_over_rows(figure: "Figure", ends: Interval, ticks: Sequence[int], words: Mapping[str, str]) -> None:
    """The axes: rows on a logarithmic one, scores from 0 to 100 %. `words`: axis, score."""
    figure.update_xaxes(
        type="log",
        range=[math.log10(end) for end in ends],
        title_text=escape(words["axis"]),
        tickvals=[*ticks],
        ticktext=[f"{tick:,}" for tick in ticks],
    )
    figure.update_yaxes(title_text=escape(words["score"]), range=[0, 100], dtick=25, ticksuffix="%")


def add_band(figure: "Figure", line: Sequence[tuple[float, float, Interval]], colour: str) -> None:
    """The intervals of a line as a faint area."""
    figure.add_scatter(
        x=[*(at for at, _, _ in line), *(at for at, _, _ in reversed(line))],
        y=[*(100 * ends[0] for _, _, ends in line), *(100 * ends[1] for _, _, ends in reversed(line))],
        mode="lines",
        fill="toself",
        fillcolor=_faint(colour),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_level(figure: "Figure", level: Level, ends: Interval, words: Mapping[str, str]) -> None:
    """The mix's score across the figure, and below where the curve reaches it a mark on the axis, with its interval."""
    figure.add_scatter(
        x=[*ends],
        y=[100 * level.score] * 2,
        mode="lines",
        line={"color": level.colour, "width": 2, "dash": "dashdot"},
        name=shown(level.title),
        hovertext=[f"{shown(level.title)}<br>{escape(words['score'])} {100 * level.score:.1f} %"] * 2,
        hoverinfo="text",
    )
    if level.reached is None or level.reached_interval is None:
        return
    mine = {"color": level.colour, "width": 2}
    drop = {"x": [level.reached] * 2, "y": [100 * level.score, 0], "line": mine | {"dash": "dot"}}
    reach = {"x": [*level.reached_interval], "y": [0, 0], "line": mine | {"width": 5}}
    for trace in (drop, reach):
        figure.add_scatter(**trace, mode="lines", hoverinfo="skip", showlegend=False, cliponaxis=False)
    left = math.log(level.reached / ends[0]) > 0.85 * math.log(ends[1] / ends[0])
    low, high = (f"{round(end):,}" for end in level.reached_interval)
    figure.add_scatter(
        x=[level.reached],
        y=[0],
        mode="markers+text",
        marker={"color": level.colour, "size": 12, "symbol": "triangle-up"},
        text=[f"{round(level.reached):,}"],
        textposition="top left" if left else "top right",
        hovertext=[f"{shown(level.title)}<br>{round(level.reached):,} [{low}, {high}] {escape(words['sentences'])}"],
        hoverinfo="text",
        showlegend=False,
        cliponaxis=False,
    )


def _hover(name: str, size: float, score: float, words: Mapping[str, str]) -> str:
    return f"{escape(name)}<br>{round(size):,} {escape(words['sentences'])}<br>{100 * score:.1f} %"


def _ticks(sizes: Sequence[int], low: float, high: float) -> list[int]:
    """Numbers on the axis that don't run into each other: all of gold, its multiples, then the other sizes."""
    gold, kept = max(sizes), list[int]()
    for tick in (gold, 2 * gold, 3 * gold, *sorted(sizes)):
        far = all(abs(math.log(tick / other)) >= _APART * math.log(high / low) for other in kept)
        if far and low <= tick <= high:
            kept.append(tick)
    return sorted(kept)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
