"""What the mentions of each label were taken for, in shares, and as a map of colours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.report.canvas import blank
from core.report.figures import category_axis, rows_height
from core.report.lettering import escape, shown, tick
from core.report.shades import colour, ink, rgb
from core.scores import FEW
from core.tasks.pairs import Matches, confusion

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BOUNDARY, MISSED, NOTHING = "boundary", "missed", "nothing"  # what is no label; a label may be called the same
_LEAST_REACH = 5.0  # points, of a difference
_ROW = 30  # pixels
_SIZES = ((10, 11), (14, 9))  # columns up to which numbers are written, and how large
_SLIGHT = 0.005  # a change that is no change in whole per cent


@dataclass(frozen=True)
class Shares:
    """What became of the mentions of each gold label: shares of them (0..1), means over repeats.

    Rows: `names`, then NOTHING. Columns: `names`, then BOUNDARY and MISSED. In the row of NOTHING: of all mentions
    predicted under a label, the share that touches no gold mention. *Shape of `values`:* (labels + 1, labels + 2), NaN
    where there is nothing to share. `gold`, `predicted`: mentions of each label, those predicted on average.
    """

    names: tuple[str, ...]
    values: np.ndarray
    gold: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True)
class Change:
    """A cell that changed. `row`: a label or NOTHING, `column`: a label, BOUNDARY or MISSED; shares (0..1)."""

    row: str
    column: str
    spurious: bool
    taken: bool  # for another label
    before: float
    after: float


def shares(runs: Sequence[Matches]) -> Shares:
    """The shares of a group; ValueError without runs."""
    if not runs:
        raise ValueError("shares need at least one run")
    names = runs[0].names
    width = len(names)
    counts = np.stack([confusion(run).counts for run in runs]).astype(float)
    predicted = np.stack([np.bincount(run.predicted.label[run.predicted.label >= 0], minlength=width) for run in runs])
    gold = counts[0, :width].sum(1)
    values = np.full(counts.shape[1:], np.nan)
    mean = counts.mean(0)
    np.divide(mean[:width], gold[:, None], out=values[:width], where=gold[:, None] > 0)
    there = predicted > 0
    each = np.divide(counts[:, width, :width], predicted, out=np.zeros(predicted.shape), where=there)
    marked = there.sum(0)
    np.divide(each.sum(0), marked, out=values[width, :width], where=marked > 0)
    return Shares(names, values, gold, predicted.mean(0))


def largest(baseline: Shares, other: Shares) -> Change | None:
    """The kind of mistake that changed most; None where none changed by half a point.

    Labels with fewer than FEW mentions (for spurious ones: predictions, in one of the groups) are left out.
    """
    width = len(baseline.names)
    gap = np.abs(other.values - baseline.values)
    np.fill_diagonal(gap[:width, :width], np.nan)  # what is right is no mistake
    gap[:width][baseline.gold < FEW] = np.nan
    gap[width, :width][np.minimum(baseline.predicted, other.predicted) < FEW] = np.nan
    if np.isnan(gap).all() or np.nanmax(gap) < _SLIGHT:
        return None
    row, column = np.unravel_index(int(np.nanargmax(gap)), gap.shape)
    rows, columns = (*baseline.names, NOTHING), (*baseline.names, BOUNDARY, MISSED)
    before, after = (float(found.values[row, column]) for found in (baseline, other))
    spurious = int(row) == width
    return Change(rows[row], columns[column], spurious, not spurious and int(column) < width, before, after)


def never(runs: Sequence[Shares]) -> frozenset[str]:
    """What of BOUNDARY, MISSED and NOTHING occurs in none of the groups."""
    width = len(runs[0].names)
    values = np.nan_to_num(np.stack([found.values for found in runs]))
    cells = {BOUNDARY: values[:, :width, width], MISSED: values[:, :width, width + 1], NOTHING: values[:, width]}
    return frozenset(name for name, there in cells.items() if not there.any())


def confusion_map(
    found: Shares, words: Mapping[str, str], against: Shares | None = None, without: Collection[str] = ()
) -> "Figure":
    """The shares as a map, in per cent; `against`: the differences to these instead, in points.

    `words`: gold, predicted (of the axes), and the names of BOUNDARY, MISSED and NOTHING; `without`: those of the three
    that are left out.
    """
    found, against = _part(found, without), None if against is None else _part(against, without)
    values = 100 * (found.values if against is None else found.values - against.values)
    rows = [*found.names, *(words[name] for name in (NOTHING,) if name not in without)]
    columns = [*found.names, *(words[name] for name in (BOUNDARY, MISSED) if name not in without)]
    figure = blank(rows_height(rows, _ROW) + 70)
    reach = _reach(values, against is not None)
    ends = ((0, 0), (1, 1)) if against is None else ((0, -1), (0.5, 0), (1, 1))
    size = next((size for most, size in _SIZES if len(columns) <= most), 0)
    figure.add_heatmap(
        z=[[None if np.isnan(value) else float(value) for value in line] for line in values],
        hovertext=_hover(found, against, rows, columns),
        hoverinfo="text",
        xgap=1,
        ygap=1,
        showscale=not size,
        colorbar={"thickness": 8, "outlinewidth": 0},
        zmin=0 if against is None else -reach,
        zmax=reach,
        colorscale=[[at, rgb(colour(end * reach, reach))] for at, end in ends],
    )
    if size:
        _write(figure, values, size, against is not None)
    category_axis(figure, rows)
    figure.update_yaxes(title_text=escape(words["gold"]))
    figure.update_xaxes(
        title_text=escape(words["predicted"]),
        tickvals=list(range(len(columns))),
        ticktext=[tick(name) for name in columns],
        tickangle=-40,
        range=[-0.5, len(columns) - 0.5],
        showgrid=False,
        zeroline=False,
    )
    return figure


def _part(found: Shares, without: Collection[str]) -> Shares:
    """The shares without the row, or columns, of these."""
    width = len(found.names)
    columns = [*range(width), *(width + at for at, name in enumerate((BOUNDARY, MISSED)) if name not in without)]
    return replace(found, values=found.values[: width + (NOTHING not in without), columns])


def _reach(values: np.ndarray, signed: bool) -> float:
    """The value of the strongest colour."""
    return float(np.nanmax(np.abs(values), initial=_LEAST_REACH)) if signed else 100.0


def _write(figure: "Figure", values: np.ndarray, size: int, signed: bool) -> None:
    """The numbers of the cells, in whole per cent; none where that is zero."""
    reach = _reach(values, signed)
    cells = [(row, column, float(values[row, column])) for row, column in _there(values)]
    cells = [cell for cell in cells if round(cell[2])]
    figure.add_scatter(
        x=[column for _, column, _ in cells],
        y=[row for row, _, _ in cells],
        text=[f"{value:+.0f}" if signed else f"{value:.0f}" for *_, value in cells],
        mode="text",
        textfont={"size": size, "color": [rgb(ink(colour(value, reach))) for *_, value in cells]},
        hoverinfo="skip",
        showlegend=False,
    )


def _there(values: np.ndarray) -> list[tuple[int, int]]:
    return [(int(row), int(column)) for row, column in np.argwhere(~np.isnan(values))]


def _hover(found: Shares, against: Shares | None, rows: Sequence[str], columns: Sequence[str]) -> list[list[str]]:
    texts = [["" for _ in columns] for _ in rows]
    for row, column in _there(found.values):
        share = f"{100 * found.values[row, column]:.1f} %"
        if against is not None and not np.isnan(against.values[row, column]):
            before = against.values[row, column]
            share = f"{100 * before:.1f} % → {share} ({100 * (found.values[row, column] - before):+z.1f})"
        whole = found.gold[row] if row < len(found.names) else found.predicted[column]
        texts[row][column] = f"{shown(rows[row])} → {shown(columns[column])}<br>{share} · n = {whole:,.0f}"
    return texts
