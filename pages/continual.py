"""Learn on: what does a model forget when it learns something new, and what keeps it?"""

import streamlit as st

from components.continual import ask, others
from components.frame import PAGES, enter, need_project, telling
from components.kept import results
from components.words import t
from core.launch import standing

space = enter("continual")
st.title(t("Learn on"))
project = need_project(space)
st.caption(
    t(
        "A model that has learned one project learns another: what it forgets of the first, label by label, and what "
        "keeps it. The project of the sidebar is what is new."
    )
)
known = others(space, project)
if standing(space, project).stage is None:
    st.info(t("The data of this project are not read yet."))
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    st.stop()
if not known:
    st.info(
        t(
            "There is no other project of the same task yet. Bring what the model learned before as a project of its "
            "own, then choose here what comes after what."
        )
    )
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    st.stop()
with telling():
    ask(space, project, known)
    results(space, project)
