"""Report: is the mix worth it? One answer for people who never see a slider."""

import streamlit as st

from components.frame import PAGES, enter, need_project, shown_alone, telling
from components.report import alone, asked, framed, take_along
from components.words import t
from core.contrast import finished

space = enter("report")
if shown_alone():
    with telling():
        alone(space, need_project(space))
    st.stop()
st.title(t("Report"))
project = need_project(space)
st.caption(t("One answer for people who decide: what to do, how sure that is, at what cost, and what gets worse."))
if len(finished(space, project.slug)) < 2:
    st.info(t("A report holds a mix against gold only, and this project has no two mixes with finished runs yet."))
    with st.container(horizontal=True):
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
        st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")
    st.stop()
with telling():
    told = asked(space, project)
    take_along(space, project, told)
    framed(told)
