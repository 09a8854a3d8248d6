"""Figures to take along: as PNG, drawn by a browser on this machine where there is one, as CSV, and in words."""

import html
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from core.report.tables import Cell, spreadsheet_csv

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MOST_TOLD = 30  # marks of a figure in words
_WIDTH, _SCALE = 900, 2  # pixels, and how many of the picture's each of them gets


@cache
def can_draw() -> bool:
    """Whether a browser that draws is at hand."""
    return any(shutil.which(name) for name in _BROWSERS)


def png(figure: "Figure") -> bytes:
    """A figure on white, at twice the size of a page's. Takes seconds: a browser is started."""
    from plotly.graph_objects import Figure

    drawn = Figure(figure)
    drawn.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    height = json.loads(str(drawn.to_json()))["layout"]["height"]
    return drawn.to_image("png", width=_WIDTH, height=height, scale=_SCALE)


def numbers(figure: "Figure") -> bytes:
    """What a figure draws, as a CSV file for a spreadsheet: series, x, y, value (of a map's cells), note (what is told
    when one points at it). Axes of names have names. Marks that draw nothing are left out."""
    drawn = json.loads(str(figure.to_json()))
    ticks = {axis: _ticks(drawn["layout"].get(f"{axis}axis", {})) for axis in "xy"}
    rows = [row for trace in drawn["data"] for row in _rows(trace, ticks)]
    return spreadsheet_csv(["series", "x", "y", "value", "note"], rows)


def in_words(figure: "Figure", title: str) -> str:
    """A figure for who doesn't see it: its title, and what is told when one points at its marks.

    Of a series with more marks than MOST_TOLD, or one beyond as many, the first and the last alone: nobody hears
    out a curve.
    """
    told: list[str] = []
    for trace in json.loads(str(figure.to_json()))["data"]:
        notes = [note for note in _flat(trace.get("hovertext")) if note]
        if len(told) + len(notes) > MOST_TOLD and len(notes) > 2:
            notes = [notes[0], notes[-1]]
        told += [_plain(note.replace("<br>", ", ")) for note in notes]
    return f"{title}. {'; '.join(told)}." if told else title


def _flat(notes: Any) -> list[str]:
    """Texts of the marks, one for all of them, or rows of texts: those of a map's cells."""
    return [notes] if isinstance(notes, str) else [text for note in notes or () for text in _flat(note or "")]


def _ticks(axis: Mapping[str, Any]) -> Mapping[Any, str]:
    return dict(zip(axis.get("tickvals", []), map(_plain, axis.get("ticktext", [])), strict=False))


def _rows(trace: Mapping[str, Any], ticks: Mapping[str, Mapping[Any, str]]) -> Iterator[list[Cell]]:
    series = _plain(trace.get("name") or "")
    if trace.get("type") == "heatmap":
        for y, line in enumerate(trace["z"]):
            for x, value in enumerate(line):
                if value is not None:
                    yield [series, _place(x, ticks["x"]), _place(y, ticks["y"]), value, None]
        return
    notes = trace.get("hovertext") or trace.get("text")
    for at, (x, y) in enumerate(zip(trace.get("x", []), trace.get("y", []), strict=False)):
        if x is not None and y is not None and trace.get("marker", {}).get("opacity") != 0:
            note = _plain(notes[at]) if isinstance(notes, list) and at < len(notes) and notes[at] else None
            yield [series, _place(x, ticks["x"]), _place(y, ticks["y"]), None, note]


def _place(value: Cell, ticks: Mapping[Any, str]) -> Cell:
    found = ticks.get(value, value)
    return _plain(found) if isinstance(found, str) else found


def _plain(text: str) -> str:
    """Lettering without its line breaks and entities; breaks inside a name were put there to fit."""
    return html.unescape(re.sub(r"<br>", " ", text)).strip()
