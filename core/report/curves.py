"""Lines over the course of a run: how it learned, and what it used. At most about 10,000 points a figure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.report.canvas import GREY, blank
from core.report.figures import PALETTE, colour_of
from core.report.lettering import escape, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_POINTS = 10_000
_LEFT, _RIGHT = PALETTE[0], PALETTE[2]

Points = Sequence[tuple[float, float]]  # (place on the axis, value), places ascending


def curve(points: Points, dev: Points, words: Mapping[str, str], starts: Sequence[float] = ()) -> "Figure":
    """Loss (left) and dev F1 (0..1, right, in per cent) of one run. `words`: axis, loss, dev_f1.

    `starts`: where later attempts began, as dotted lines.
    """
    figure = _learning_axes(words, [words["loss"], words["dev_f1"]])
    most = _MOST_POINTS // 2
    _add_loss(figure, _thin(points, most), words, name=escape(words["loss"]), line={"color": _LEFT, "width": 2})
    _add_dev(figure, _thin(dev, most), words, name=escape(words["dev_f1"]), line={"color": _RIGHT, "width": 2})
    _add_starts(figure, starts)
    return figure


def perplexity(points: Points, rates: Points, words: Mapping[str, str]) -> "Figure":
    """Loss (left) and perplexity (right) of a pre-training. `words`: axis, loss, perplexity."""
    titles = [words["loss"], words["perplexity"]]
    figure = _axes(words["axis"], titles[0], titles[1], titles)
    figure.update_layout(yaxis2={"rangemode": "tozero", "tickmode": "auto", "nticks": 6})
    _add_loss(
        figure, _thin(points, _MOST_POINTS // 2), words, name=escape(titles[0]), line={"color": _LEFT, "width": 2}
    )
    hover = [f"{escape(words['axis'])} {_place(at)}<br>{escape(titles[1])} {rate:,.1f}" for at, rate in rates]
    look = {"mode": "lines+markers", "marker": {"size": 6}, "yaxis": "y2", "line": {"color": _RIGHT, "width": 2}}
    _add_line(figure, [at for at, _ in rates], [rate for _, rate in rates], hover, name=escape(titles[1]), **look)
    return figure


def curves(runs: Mapping[str, tuple[Points, Points]], words: Mapping[str, str]) -> "Figure":
    """Several runs, (loss, dev F1) each: a colour each, loss a thin line, dev F1 dotted. `words`: as `curve`."""
    figure = _learning_axes(words, list(runs))
    most = max(2, _MOST_POINTS // (2 * max(1, len(runs))))
    for at, (name, (points, dev)) in enumerate(runs.items()):
        colour, both = colour_of(name, list(runs)), {"name": shown(name), "legendgroup": str(at)}
        _add_loss(figure, _thin(points, most), words, line={"color": colour, "width": 1}, **both)
        dotted = {"color": colour, "width": 1, "dash": "dot"}
        _add_dev(figure, _thin(dev, most), words, line=dotted, showlegend=not points, **both)
    return figure


def usage(share: Points, memory: Points, words: Mapping[str, str], starts: Sequence[float] = ()) -> "Figure":
    """How busy something was (left) and the memory it took, in GB (right). `words`: axis, share, memory."""
    figure = _axes(words["axis"], words["share"], words["memory"], [words["share"], words["memory"]])
    figure.update_layout(yaxis2={"rangemode": "tozero", "tickmode": "auto", "nticks": 6})
    most = _MOST_POINTS // 2
    sides = (("share", share, _LEFT, "y"), ("memory", memory, _RIGHT, "y2"))
    for word, points, colour, axis in sides:
        found = _thin(points, most)
        hover = [f"{escape(words['axis'])} {_place(at)}<br>{escape(words[word])} {value:.3g}" for at, value in found]
        look = {"name": escape(words[word]), "line": {"color": colour, "width": 2}, "yaxis": axis, "mode": "lines"}
        _add_line(figure, [at for at, _ in found], [value for _, value in found], hover, **look)
    _add_starts(figure, starts)
    return figure


def _learning_axes(words: Mapping[str, str], titles: Sequence[str]) -> "Figure":
    figure = _axes(words["axis"], words["loss"], words["dev_f1"], titles)
    figure.update_layout(yaxis2={"range": [0, 100], "dtick": 25, "tickmode": "linear", "ticksuffix": "%"})
    return figure


def _axes(below: str, left: str, right: str, titles: Sequence[str]) -> "Figure":
    """An empty figure with a second axis on the right; `titles`: of the legend."""
    figure = blank(260, titles)
    figure.update_xaxes(title_text=escape(below), rangemode="tozero")
    figure.update_layout(
        yaxis={"title": {"text": escape(left)}, "rangemode": "tozero"},
        yaxis2={
            "title": {"text": escape(right)},
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "fixedrange": True,
            "automargin": True,
        },
    )
    return figure


def _add_loss(figure: "Figure", points: Points, words: Mapping[str, str], **look: Any) -> None:
    hover = [f"{escape(words['axis'])} {_place(at)}<br>{escape(words['loss'])} {loss:.4g}" for at, loss in points]
    _add_line(figure, [at for at, _ in points], [loss for _, loss in points], hover, mode="lines", **look)


def _add_dev(figure: "Figure", points: Points, words: Mapping[str, str], **look: Any) -> None:
    hover = [f"{escape(words['axis'])} {_place(at)}<br>{escape(words['dev_f1'])} {100 * f1:.1f} %" for at, f1 in points]
    places, rates = [at for at, _ in points], [100 * f1 for _, f1 in points]
    _add_line(figure, places, rates, hover, mode="lines+markers", marker={"size": 6}, yaxis="y2", **look)


def _add_line(figure: "Figure", x: Sequence[float], y: Sequence[float], hover: Sequence[str], **look: Any) -> None:
    """A line whose hover texts begin with its name."""
    texts = [f"{look['name']}<br>{text}" for text in hover]
    figure.add_scatter(x=x, y=y, hovertext=texts, hoverinfo="text", **look)


def _add_starts(figure: "Figure", starts: Sequence[float]) -> None:
    for at in starts:
        figure.add_vline(x=at, line={"color": GREY, "width": 1, "dash": "dot"})


def _place(at: float) -> str:
    return f"{at:,.0f}" if float(at).is_integer() else f"{at:,.2f}"


def _thin(points: Points, most: int) -> Points:
    """At most that many points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return points
    return [points[at * (len(points) - 1) // (most - 1)] for at in range(most)]
