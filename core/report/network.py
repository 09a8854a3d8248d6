"""What words became: a graph of two columns, the words that stood there and those that stand there now."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.augment.links import Link
from core.report.canvas import GREY, blank
from core.report.figures import label_colours
from core.report.lettering import escape, shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST = 30  # links that a figure shows
_ROUNDS = 6  # of ordering both sides by what they hang on
_ROW = 24  # pixels
_POINTS = 9  # of a curve


def network(found: Sequence[Link], labels: Sequence[str], words: Mapping[str, str]) -> "Figure":
    """The first MOST links, thicker the more often they were used; in the colour of the mention that came of it.

    `labels`: of the corpus, all of them; `words`: "none" (of what is no mention), "was", "now", "times".
    """
    links = found[:MOST]
    left, right = _ordered(links)
    titles = {link.label: shown(link.label) if link.label else escape(words["none"]) for link in links}
    figure = blank(max(120, _ROW * max(len(left), len(right))), list(titles.values()))
    colours = {**label_colours(labels), None: GREY}
    for link in links:
        xs, ys = _curve(left[link.was], right[link.now])
        width = 1.5 + 1.5 * math.log2(link.count)
        figure.add_scatter(x=xs, y=ys, mode="lines", line={"color": colours[link.label], "width": width},
                           hoverinfo="skip", showlegend=False, opacity=0.7)  # fmt: skip
    for label, title in titles.items():
        figure.add_scatter(x=[None], y=[None], mode="lines", line={"color": colours[label], "width": 3}, name=title)
    _nodes(figure, left, 0.0, "middle left", _times(links, "was"), words)
    _nodes(figure, right, 1.0, "middle right", _times(links, "now"), words)
    figure.update_xaxes(
        range=[-1, 2], side="top", tickvals=[0, 1], ticktext=[escape(words["was"]), escape(words["now"])],
        showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_layout(legend={"y": 0, "yanchor": "top"})
    figure.update_yaxes(visible=False, autorange="reversed")
    return figure


def _nodes(
    figure: "Figure", at: Mapping[str, float], x: float, side: str, times: Mapping[str, int], words: Mapping[str, str]
) -> None:
    told = [f"{shown(name)}: {times[name]} {escape(words['times'])}" for name in at]
    figure.add_scatter(
        x=[x] * len(at), y=[*at.values()], mode="markers+text", marker={"color": GREY, "size": 7},
        text=[shown(name) for name in at], textposition=side, hovertext=told, hoverinfo="text", showlegend=False,
        cliponaxis=False,
    )  # fmt: skip


def _times(links: Sequence[Link], side: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for link in links:
        found[getattr(link, side)] += link.count
    return found


def _ordered(links: Sequence[Link]) -> tuple[dict[str, float], dict[str, float]]:
    """Places of the words of both sides (0..1), so that few lines cross: each near the mean of those it hangs on."""
    right_of, left_of = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for link in links:
        right_of[link.was].append(link.now)
        left_of[link.now].append(link.was)
    left, right = _spread([*right_of]), _spread([*left_of])
    for _ in range(_ROUNDS):
        right = _near(left_of, left)
        left = _near(right_of, right)
    return left, right


def _near(hang_on: Mapping[str, Sequence[str]], places: Mapping[str, float]) -> dict[str, float]:
    mean = {name: sum(places[other] for other in others) / len(others) for name, others in hang_on.items()}
    return _spread(sorted(mean, key=mean.__getitem__))


def _spread(names: Sequence[str]) -> dict[str, float]:
    return {name: (at + 0.5) / len(names) for at, name in enumerate(names)}


def _curve(start: float, end: float) -> tuple[list[float], list[float]]:
    """From one column to the other, level at both."""
    xs = [at / (_POINTS - 1) for at in range(_POINTS)]
    return xs, [start + (end - start) * (3 * x * x - 2 * x**3) for x in xs]
