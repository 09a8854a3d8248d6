"""Recall and precision as a plane on which every label moves from one group of runs to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.comparison import Measured
from core.report.canvas import GREY, blank
from core.report.lettering import columns, escape, shown
from core.scores import FEW

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Point = tuple[float, float]  # recall, precision; 0..1
_WIDE, _HIGH = 310, 360  # pixels of the plot on a narrow screen: names must find room there
_LETTER, _LINE = 7, 15  # pixels of a letter and of a line of text
_SYMBOLS = ("square", "circle")  # of the two groups: not by colour alone
_DOT, _LARGE = 9, 15  # pixels of a dot, and of that of all labels together
_SIDES = ("middle right", "middle left", "top center", "bottom center")  # of a dot, where its name may stand
_STEPS = (20, 10, 5, 2, 1)  # per cent between lines of equal F1: the first of which enough cross the window
_ENOUGH = 3  # lines
_POINTS = 40  # of a line
_LEAST_WINDOW, _MARGIN = 10.0, 0.15  # per cent that a close-up shows at least; air around its dots


@dataclass(frozen=True)
class Place:
    """A label in both groups, means over repeats. `repeats`: of single ones, where they are wanted."""

    label: str
    support: int
    before: Point
    after: Point
    whole: bool = False  # all labels together
    repeats: tuple[tuple[Point, ...], tuple[Point, ...]] = ((), ())

    @property
    def faint(self) -> bool:
        return self.support < FEW


@dataclass(frozen=True)
class Key:
    """How the figure is read: the words of its axes, and what the groups are called and how they are coloured."""

    recall: str
    precision: str
    titles: tuple[str, str]
    colours: tuple[str, str]


@dataclass(frozen=True)
class _Box:
    """Pixels from the lower left corner of the plot."""

    left: float
    right: float
    bottom: float
    top: float

    def meets(self, other: "_Box") -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def holds(self, point: Point) -> bool:
        return self.left < point[0] < self.right and self.bottom < point[1] < self.top


Window = tuple[Point, Point]  # recall from, to; precision from, to; per cent


def places(baseline: Measured, other: Measured, all_labels: str, spread: str = "") -> list[Place]:
    """All labels together, then each that has mentions. `all_labels`: what to call them together.

    `spread`: the label whose single repeats are wanted, "" for all together.
    """
    support = baseline.gold.sum(0)
    out: list[Place] = []
    for at, (label, count) in enumerate(zip(("", *baseline.names), (support.sum(), *support), strict=True)):
        if not count:
            continue
        before, after = (
            tuple((float(recall), float(precision)) for recall, precision in zip(*_rates(group, at), strict=True))
            for group in (baseline, other)
        )
        repeats = (before, after) if label == spread else ((), ())
        out.append(Place(label or all_labels, int(count), _mean(before), _mean(after), not label, repeats))
    return out


def _rates(group: Measured, column: int) -> tuple[np.ndarray, np.ndarray]:
    return group.scores["recall"][:, column], group.scores["precision"][:, column]


def _mean(points: Sequence[Point]) -> Point:
    recall, precision = np.mean(np.array(points), axis=0)
    return float(recall), float(precision)


def plane(found: Sequence[Place], key: Key, close: bool = False) -> "Figure":
    """Squares for the first group, discs for the second; lines of equal F1 behind them.

    `close`: only as much of the plane as the dots need.
    """
    window = _close(found) if close else ((0.0, 100.0), (0.0, 100.0))
    figure = blank(_HIGH, key.titles)
    marks = _lines_of_f1(figure, window)
    for faint in (False, True):
        _add_moves(figure, [place for place in found if place.faint == faint], GREY if faint else key.colours[1])
    for side, colour in enumerate(key.colours):
        _add_repeats(figure, [point for place in found for point in place.repeats[side]], colour, side)
    names = _named(found, window, marks)
    for side in (0, 1):
        _add_dots(figure, found, side, key, names if side else {})
    across, up = window
    look: dict[str, Any] = {"ticksuffix": "%", "zeroline": False, "dtick": None if close else 20}
    figure.update_xaxes(title_text=escape(key.recall), range=_air(across), **look)
    figure.update_yaxes(title_text=escape(key.precision), range=_air(up), **look)
    return figure


def _air(span: Point) -> list[float]:
    """A range with room for half a dot at its ends."""
    room = 0.025 * (span[1] - span[0])
    return [span[0] - room, span[1] + room]


def _close(found: Sequence[Place]) -> Window:
    points = [point for place in found for point in (place.before, place.after, *place.repeats[0], *place.repeats[1])]
    return _span([100 * recall for recall, _ in points]), _span([100 * precision for _, precision in points])


def _span(values: Sequence[float]) -> Point:
    low, high = min(values, default=0.0), max(values, default=100.0)
    room = max(_MARGIN * (high - low), (_LEAST_WINDOW - (high - low)) / 2)
    return max(0.0, low - room), min(100.0, high + room)


def _lines_of_f1(figure: "Figure", window: Window) -> list[_Box]:
    """Lines along which F1 is the same, each with its figure at its right end. -> where those stand"""
    lines: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for step in _STEPS:
        lines = {level: line for level in range(step, 100, step) if (line := _line(level, window)) is not None}
        if len(lines) >= _ENOUGH:
            break
    x, y = list[float | None](), list[float | None]()
    for across, up in lines.values():
        x += [*across.tolist(), None]
        y += [*up.tolist(), None]
    look = {"color": GREY, "width": 1, "dash": "dot"}
    figure.add_scatter(x=x, y=y, mode="lines", line=look, opacity=0.6, hoverinfo="skip", showlegend=False)
    ends = [(float(across[-1]), float(up[-1])) for across, up in lines.values()]
    names = [f"F1 {level}" for level in lines]
    sides = ["bottom left" if across > window[0][1] - 1e-6 else "top right" for across, _ in ends]  # beside the line
    figure.add_scatter(
        x=[across for across, _ in ends],
        y=[up for _, up in ends],
        text=names,
        mode="text",
        textposition=sides,
        textfont={"size": 10, "color": GREY},
        hoverinfo="skip",
        showlegend=False,
    )
    found = zip(ends, names, sides, strict=True)
    return [_text_box(_pixels(end, window), name, side) for end, name, side in found]


def _line(level: int, window: Window) -> tuple[np.ndarray, np.ndarray] | None:
    """The points (recall, precision) of an F1 within the window, per cent; None where it doesn't cross it."""
    (left, right), (bottom, top) = window
    if 2 * top <= level:
        return None
    first = max(left, level * top / (2 * top - level))
    last = min(right, level * bottom / (2 * bottom - level)) if 2 * bottom > level else right
    if last - first < 0.02 * (right - left):
        return None
    across = np.linspace(first, last, _POINTS)
    return across, level * across / (2 * across - level)


def _add_moves(figure: "Figure", found: Sequence[Place], colour: str) -> None:
    """A line from each label's first dot to its second."""
    x, y = list[float | None](), list[float | None]()
    for place in found:
        x += [100 * place.before[0], 100 * place.after[0], None]
        y += [100 * place.before[1], 100 * place.after[1], None]
    line = {"color": colour, "width": 1.5}
    figure.add_scatter(x=x, y=y, mode="lines", line=line, opacity=0.7, hoverinfo="skip", showlegend=False)


def _add_repeats(figure: "Figure", points: Sequence[Point], colour: str, side: int) -> None:
    figure.add_scatter(
        x=[100 * recall for recall, _ in points],
        y=[100 * precision for _, precision in points],
        mode="markers",
        marker={"color": colour, "size": 5, "opacity": 0.7, "symbol": _SYMBOLS[side]},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_dots(figure: "Figure", found: Sequence[Place], side: int, key: Key, names: Mapping[int, str]) -> None:
    """The dots of one group. `names`: on which side of a dot its name stands, for those that show it."""
    points = [(place.before, place.after)[side] for place in found]
    figure.add_scatter(
        x=[100 * recall for recall, _ in points],
        y=[100 * precision for _, precision in points],
        mode="markers+text",
        name=shown(key.titles[side]),
        marker={
            "color": [GREY if place.faint else key.colours[side] for place in found],
            "symbol": _SYMBOLS[side],
            "size": [_LARGE if place.whole else _DOT for place in found],
            "line": {"width": 0},
        },
        text=[shown(place.label) if at in names else "" for at, place in enumerate(found)],
        textposition=[names.get(at, _SIDES[0]) for at in range(len(found))],
        hovertext=[_hover(place, key) for place in found],
        hoverinfo="text",
    )


def _hover(place: Place, key: Key) -> str:
    lines = [f"{shown(place.label)} · n = {place.support:,}"]
    for title, (recall, precision) in zip(key.titles, (place.before, place.after), strict=True):
        rates = f"{escape(key.recall)} {100 * recall:.1f} %, {escape(key.precision)} {100 * precision:.1f} %"
        lines.append(f"{shown(title)}: {rates}")
    return "<br>".join(lines)


def _named(found: Sequence[Place], window: Window, marks: Sequence[_Box]) -> dict[int, str]:
    """On which side of its second dot each name stands, for those that meet no dot and no other name there.

    All labels together choose first, then those with most mentions. Sides that no line crosses are preferred.
    """
    sizes = [_LARGE if place.whole else _DOT for place in found]
    ends = [[_pixels(_percent(point), window) for point in (place.before, place.after)] for place in found]
    taken = [*marks]
    for dots, size in zip(ends, sizes, strict=True):
        taken += [_dot_box(dot, size) for dot in dots]
    along = [point for first, last in ends for point in _along(first, last)]
    names: dict[int, str] = {}
    for at in sorted(range(len(found)), key=lambda at: (not found[at].whole, -found[at].support)):
        boxes = {side: _text_box(ends[at][1], found[at].label, side, sizes[at]) for side in _SIDES}
        free = {side: box for side, box in boxes.items() if _inside(box) and not any(map(box.meets, taken))}
        if free:
            names[at] = min(free, key=lambda side: any(free[side].holds(point) for point in along))
            taken.append(free[names[at]])
    return names


def _along(first: Point, last: Point) -> list[Point]:
    """Points a few pixels apart on the line between two."""
    steps = max(1, round(max(abs(last[0] - first[0]), abs(last[1] - first[1])) / _LETTER))
    across, up = (np.linspace(start, end, steps + 1).tolist() for start, end in zip(first, last, strict=True))
    return list(zip(across, up, strict=True))


def _inside(box: _Box) -> bool:
    return box.left >= 0 and box.right <= _WIDE and box.bottom >= 0 and box.top <= _HIGH


def _percent(point: Point) -> Point:
    return 100 * point[0], 100 * point[1]


def _pixels(point: Point, window: Window) -> Point:
    """Where a point (per cent) lies on a narrow screen."""
    (left, right), (bottom, top) = window
    return _WIDE * (point[0] - left) / (right - left), _HIGH * (point[1] - bottom) / (top - bottom)


def _dot_box(centre: Point, size: float) -> _Box:
    reach = size / 2
    return _Box(centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach)


def _text_box(centre: Point, name: str, side: str, dot: float = 0.0) -> _Box:
    """The room of a name beside a dot of so many pixels."""
    wide, gap = _LETTER * columns(name), dot / 2 + 1
    up, _, across = side.partition(" ")
    left = {"right": gap, "left": -gap - wide, "center": -wide / 2}[across]
    bottom = {"middle": -_LINE / 2, "top": gap, "bottom": -gap - _LINE}[up]
    return _Box(centre[0] + left, centre[0] + left + wide, centre[1] + bottom, centre[1] + bottom + _LINE)
