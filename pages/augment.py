"""The page Augment: ingredients made of gold by a method, or read from another labelled file."""

import streamlit as st

from components import beside, children, facts, other_file
from components.address import choice
from components.frame import PAGES, enter, need_project
from components.pools import shelf
from components.words import t
from core.jobs import warm

space = enter("augment")
st.title(t("Augment"))
project = need_project(space)
warm.start(space.root)
found = facts.project_standing(space, project)
st.caption(
    t(
        "Make children of your sentences: copies in which words change and the labels go with them. "
        "What you add here becomes an ingredient that a mix can draw from. Dev and test are never augmented."
    )
)


@st.fragment
def desk() -> None:
    """All that changes with a setting."""
    words = {
        "children": t("Make children of sentences"),
        "compare": t("Compare methods"),
        "file": t("Add another file"),
    }
    forms = {"children": children.bench, "compare": beside.bench, "file": other_file.form}
    way = choice(
        st.segmented_control,
        t("Where the ingredient comes from"),
        list(words),
        key=children.WAY,
        show=words.__getitem__,
        label_visibility="collapsed",
    )
    assert found.stage is not None
    forms[way](space, project, found.stage)


if found.stage is not None:
    desk()
elif "import" not in found.runs:
    st.info(t("The data of this project is not imported yet. Do that on the Data page, then come back."))
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
else:
    st.info(t("The files of this project are not read yet; see below how far that is. Then you can go on here."))
shelf(space, project, found)
