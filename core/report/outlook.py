"""What a mix is likely to do to each label, beside what its real runs did: differences to a baseline, never a bar.

A forecast is a hollow diamond with a band, a real run a dot. The order of the labels never changes, nor does the range
with every figure: it grows in few steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.report.canvas import GREY, blank
from core.report.figures import PALETTE, category_axis, rows_height
from core.report.forest import STEPS, add_notes
from core.report.lettering import shown, title
from core.scores import Interval

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ROW = 36  # pixels
_COLOUR = PALETTE[0]
_APART = 0.17  # of a row: dots stand so far below the diamond
LEAST = 0.2  # how far a range reaches at least, both sides of zero


@dataclass(frozen=True)
class OutlookRow:
    """Differences of one label to the baseline (-1..1). `value`: the forecast's, None where there is none; `real`: of
    the mix's runs, one for each seed; `note`: what is said of it, in words; `faint`: too few mentions to judge."""

    label: str
    value: float | None
    band: Interval | None
    real: Sequence[float]
    support: int
    note: str
    faint: bool = False


def reach(rows: Sequence[OutlookRow], before: float = LEAST) -> float:
    """How far to both sides of zero a range must go (0..1) that it holds diamonds and dots; never less than before."""
    most = max((abs(number) for row in rows for number in (*row.real, row.value or 0.0)), default=0.0)
    return max(before, next((step for step in STEPS if 1.05 * most <= step), STEPS[-1]))


def outlook(rows: Sequence[OutlookRow], axis_title: str, words: tuple[str, str, str], to: float = LEAST) -> "Figure":
    """`words`: what the legend calls forecast, band and real runs; `to`: of `reach`."""
    figure = blank(max(2 * _ROW, rows_height([row.label for row in rows], _ROW)), words)
    ends = 100 * to
    there = [(at, row, row.value) for at, row in enumerate(rows) if row.value is not None]
    diamond, band, real = words
    figure.add_scatter(
        x=[place for _, row, _ in there for place in _ends(row.band, ends)],
        y=[place for at, _, _ in there for place in (at, at, None)],
        mode="lines",
        line={"color": GREY, "width": 9},
        opacity=0.35,
        hoverinfo="skip",
        name=band,
    )
    figure.add_scatter(
        x=[100 * value for _, _, value in there],
        y=[at for at, _, _ in there],
        mode="markers",
        marker={
            "symbol": "diamond-open",
            "size": 12,
            "color": [GREY if row.faint else _COLOUR for _, row, _ in there],
            "line": {"width": 2},
        },
        hovertext=[_hover(row, value) for _, row, value in there],
        hoverinfo="text",
        name=diamond,
    )
    dots = [(at, row, value) for at, row in enumerate(rows) for value in row.real]
    figure.add_scatter(
        x=[100 * value for _, _, value in dots],
        y=[at + _APART for at, _, _ in dots],
        mode="markers",
        marker={"size": 7, "color": [GREY if row.faint else _COLOUR for _, row, _ in dots]},
        hovertext=[f"{shown(row.label)}<br>{100 * value:+z.1f}" for _, row, value in dots],
        hoverinfo="text",
        name=real,
    )
    category_axis(figure, [row.label for row in rows])
    figure.update_xaxes(title_text=title(axis_title), range=[-ends, ends], zeroline=True, zerolinewidth=2)
    add_notes(figure, [(row.note, row.support) for row in rows])
    return figure


def _ends(band: Interval | None, ends: float) -> tuple[float | None, ...]:
    """A band as a line, cut where the figure ends; nothing where there is none."""
    if band is None:
        return (None, None, None)
    low, high = (max(-ends, min(ends, 100 * end)) for end in band)
    return (low, high, None)


def _hover(row: OutlookRow, value: float) -> str:
    band = "" if row.band is None else f" [{100 * row.band[0]:+z.1f}, {100 * row.band[1]:+z.1f}]"
    return f"{shown(row.label)}<br>{100 * value:+z.1f}{band}<br>{shown(row.note)} · n = {row.support:,}"
