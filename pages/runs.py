"""Runs: what is being trained, how it goes, and what can be done with it."""

import streamlit as st

from components.acts import undo
from components.address import choice
from components.frame import chosen, enter
from components.runs import live
from components.words import t
from components.work import other_work
from core import project as projects

space = enter("runs")
st.title(t("Runs"))
st.caption(
    t("Every training is a run: one mix, one repeat. Runs go on when this page is closed, and are found again here.")
)
undo(space)
project = chosen(space)
words = {"project": t("This project"), "all": t("All projects")}
scope = choice(
    st.segmented_control,
    t("Projects shown"),
    list(words) if project else ["all"],
    key="scope",
    show=words.__getitem__,
    label_visibility="collapsed",
)
live(space, [project.slug] if project and scope == "project" else projects.names(space), scope == "all")
other_work(space)
