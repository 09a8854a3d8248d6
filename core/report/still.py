"""Figures as PNG files: drawn by a browser on this machine, where there is one."""

import json
import shutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
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
