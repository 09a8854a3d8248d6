"""Figures that can be taken along: as SVG from the browser that shows them, as PNG where the server has a browser."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from components.words import t
from core.report.still import can_draw, in_words, numbers, png

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_BARE = {"displayModeBar": False}
_BAR = {  # Plotly's own bar, with one button: the picture as the browser shows it
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtons": [["toImage"]],
}


def still(figure: "Figure", key: str, alt: str, config: Mapping[str, object] = _BARE) -> None:
    """A Plotly figure. `alt`: what it shows, in words without markup; who doesn't see it hears its numbers as well."""
    st.plotly_chart(figure, key=key, width="stretch", config=dict(config), alt=in_words(figure, alt))


def picture(figure: "Figure", key: str, alt: str) -> None:
    """The same with its ways out. `key`: of the widget, and the name of the file."""
    config = _BAR | {"toImageButtonOptions": {"format": "svg", "filename": f"peibi-{key}"}}
    still(figure, key, alt, config)
    with st.container(horizontal=True):
        st.download_button(
            t("CSV"),
            lambda: numbers(figure),
            file_name=f"peibi-{key}.csv",
            mime="text/csv",
            key=f"{key}_csv",
            type="tertiary",
            icon=":material/table:",
            on_click="ignore",
            help=t("The numbers that the figure draws."),
        )
        if can_draw():
            st.download_button(
                t("PNG"),
                lambda: png(figure),
                file_name=f"peibi-{key}.png",
                mime="image/png",
                key=f"{key}_png",
                type="tertiary",
                icon=":material/image:",
                on_click="ignore",
                help=t("For slides. As SVG: the camera in the figure's corner."),
            )
