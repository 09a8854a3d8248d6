"""Learn on: what does a model forget when it learns something new, and what keeps it?"""

import streamlit as st

from components.address import choice
from components.continual import ask, learning, others
from components.frame import PAGES, enter, need_project, telling
from components.kept import results
from components.sources import sources
from components.words import t
from core.launch import standing

space = enter("continual")
st.title(t("Learn on"))
project = need_project(space)
VIEWS = {
    "after": t("One after the other"),
    "elsewhere": t("Help from elsewhere"),
}
SAYS = {
    "after": t(
        "A model that has learned one project learns another: what it forgets of the first, label by label, and what "
        "keeps it. The project of the sidebar is what is new."
    ),
    "elsewhere": t(
        "Which other project helps this one: as what the model learns first, as an ingredient, or as both? Each way "
        "against the target alone, and an estimate before time is spent."
    ),
}
view = choice(
    st.segmented_control, t("View"), [*VIEWS], key="learn", show=VIEWS.__getitem__, label_visibility="collapsed"
)
st.caption(SAYS[view])
known = others(space, project)
if not known:
    st.info(
        t(
            "There is no other project of the same task yet. Bring what the model learned before as a project of its "
            "own, then choose here what comes after what."
        )
    )
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    st.stop()
if standing(space, project).stage is None:
    st.info(t("The data of this project are not read yet."))
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    st.stop()
learns = learning(project)
if learns != project:
    st.caption(
        t("The settings of this project ask a language model, which learns nothing. Here all weights are trained.")
    )
with telling():
    known = [learning(other) for other in known]
    if view == "elsewhere":
        sources(space, learns, known)
    else:
        ask(space, learns, known)
        results(space, project)
