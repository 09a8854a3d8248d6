"""Forests: differences in points with their intervals, one a row, in an order that never changes with the figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.evaluation.verdicts import Judged, Metric, Verdict
from core.report.canvas import GREY, blank
from core.report.figures import category_axis, rows_height
from core.report.finding import Finding
from core.report.lettering import escape, shown, tick, title
from core.scores import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# told apart without colour too
_SYMBOLS: Mapping[Verdict, str] = {
    "better": "triangle-right",
    "worse": "triangle-left",
    "same": "square",
    "open": "circle",
    "few_mentions": "x",
    "few_repeats": "x",
}
STEPS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # how far a range may reach: few, so that figures can be held together
_ROW = 36  # pixels


@dataclass(frozen=True)
class ForestRow:
    """A difference to the baseline and its interval (-1..1). `note`: what is said of it, in words."""

    label: str
    value: float
    interval: Interval | None
    support: int
    verdict: Verdict
    colour: str
    note: str = ""

    @property
    def faint(self) -> bool:
        """Too little to say anything."""
        return self.verdict in ("few_mentions", "few_repeats")


def label_rows(
    found: Finding, metric: Metric, colour: str, all_labels: str, words: Mapping[Verdict, str]
) -> list[ForestRow]:
    """One metric of a mix, label by label in the order of the counts, all labels together first.

    `all_labels`: what to call them together; `words`: of the verdicts.
    """
    judged = [one for one in found.judged if one.metric == metric]
    return [_row(one.label or all_labels, one, colour, words) for one in judged]


def mix_rows(found: Mapping[str, Finding], colours: Mapping[str, str], words: Mapping[Verdict, str]) -> list[ForestRow]:
    """The F1 of all labels, mix by mix in the order given."""
    judged = [(mix, one.overall) for mix, one in found.items()]
    return [_row(mix, one, colours[mix], words) for mix, one in judged if one is not None]


def _row(label: str, one: Judged, colour: str, words: Mapping[Verdict, str]) -> ForestRow:
    return ForestRow(label, one.difference.value, one.interval, one.support, one.verdict, colour, words[one.verdict])


def reach(*rows: Sequence[ForestRow]) -> float:
    """How far to both sides of zero a range must go (0..1) that figures of all these rows can share."""
    most = max((abs(number) for part in rows for row in part for number in _numbers(row)), default=0.0)
    return next((step for step in STEPS if 1.05 * most <= step), STEPS[-1])


def forest(rows: Sequence[ForestRow], axis_title: str, to: float | None = None) -> "Figure":
    """Differences in points, in the order given, on a range symmetric around zero. `to`: of `reach`, shared."""
    figure = blank(max(2 * _ROW, rows_height([row.label for row in rows], _ROW)))
    for colour in dict.fromkeys(_colour(row) for row in rows):
        ends = [(at, row.interval) for at, row in enumerate(rows) if row.interval and _colour(row) == colour]
        figure.add_scatter(
            x=[place for _, (low, high) in ends for place in (100 * low, 100 * high, None)],
            y=[place for at, _ in ends for place in (at, at, None)],
            mode="lines",
            line={"color": colour, "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=[100 * row.value for row in rows],
        y=list(range(len(rows))),
        mode="markers",
        marker={"color": [_colour(row) for row in rows], "symbol": [_SYMBOLS[r.verdict] for r in rows], "size": 11},
        hovertext=[_hover(row, axis_title) for row in rows],
        hoverinfo="text",
        showlegend=False,
    )
    category_axis(figure, [row.label for row in rows])
    ends = 100 * (reach(rows) if to is None else to)
    figure.update_xaxes(title_text=title(axis_title), range=[-ends, ends], zeroline=True, zerolinewidth=2)
    add_notes(figure, [(row.note, row.support) for row in rows])
    return figure


def add_notes(figure: "Figure", notes: Sequence[tuple[str, int]]) -> None:
    """What is said of each row, and its mentions, at its right end."""
    if not any(note for note, _ in notes):
        return
    figure.add_scatter(x=[0], y=[0], yaxis="y2", mode="markers", marker={"opacity": 0}, hoverinfo="skip")
    figure.update_layout(
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "tickvals": list(range(len(notes))),
            "ticktext": [f"{tick(note)}<br>n = {support:,}" for note, support in notes],
            "tickfont": {"size": 11},
            "range": [len(notes) - 0.5, -0.5],
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        }
    )
    figure.update_traces(selector=-1, showlegend=False)


def _colour(row: ForestRow) -> str:
    return GREY if row.faint else row.colour


def _numbers(row: ForestRow) -> list[float]:
    return [row.value, *(row.interval or ())]


def _hover(row: ForestRow, axis_title: str) -> str:
    value, *ends = (f"{100 * number:+z.1f}" for number in _numbers(row))
    interval = f" [{', '.join(ends)}]" if ends else ""
    note = f"<br>{shown(row.note)}" if row.note else ""
    return f"{shown(row.label)}<br>{value}{interval}{note}<br>{escape(axis_title)} · n = {row.support:,}"
