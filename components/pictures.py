"""Figures that can be taken along: as SVG from the browser that shows them, as PNG where the server has a browser."""

import streamlit as st

from components.words import t
from core.report.still import can_draw, numbers, png

_BAR = {  # Plotly's own bar, with one button: the picture as the browser shows it
    "displaylogo": False,
    "displayModeBar": "hover",
    "modeBarButtons": [["toImage"]],
}


def picture(figure: object, key: str, alt: str) -> None:
    """A Plotly figure with its ways out. `key`: of the widget, and the name of the file."""
    config = _BAR | {"toImageButtonOptions": {"format": "svg", "filename": f"peibi-{key}"}}
    st.plotly_chart(figure, key=key, width="stretch", config=config, alt=alt)
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
