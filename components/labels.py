"""The choice of one label, or of all of them together."""

from collections.abc import Sequence

import streamlit as st

from components.address import choice
from components.words import escape, t, visible

_FEW = 10  # labels as pills; more are a list


def label_choice(title: str, labels: Sequence[str], key: str) -> str:
    """One of `labels`, "" for all of them. `title`: of the widget, in words; `key`: its name in the address."""
    few = len(labels) <= _FEW
    shown = escape if few else visible
    return choice(
        st.pills if few else st.selectbox,
        title,
        ["", *labels],
        key=key,
        show=lambda label: shown(label) if label else t("all labels"),
    )
