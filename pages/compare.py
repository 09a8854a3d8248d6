"""Compare: what each mix gains and loses against a baseline, label by label, and the sentences behind it."""

import streamlit as st

from components.comparison import choose, evaluated, figure, verdicts
from components.frame import PAGES, enter, need_project
from components.ledger import sentences
from components.rates import table
from components.verdicts import caution, interval_help
from components.words import t
from core.contrast import finished

space = enter("compare")
st.title(t("Compare"))
project = need_project(space)
found = finished(space, project.slug)
if not found:
    st.info(t("Nothing to compare yet: no run of this project has finished. Launch mixes on Mix, watch them on Runs."))
    with st.container(horizontal=True):
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
        st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")
    st.stop()
if len(found) == 1:
    st.info(t("Only one mix has finished runs. Launch a second one on Mix to compare the two."))
chosen = evaluated(space, project, choose(project, found))
if chosen is None:
    st.info(t("The baseline has no predictions for this split yet, so there is nothing to compare."))
    st.stop()
with st.spinner(t("Drawing sentences and repeats anew, 2000 times for each mix")):
    verdicts(space, project, chosen)
    st.subheader(t("By label"), anchor=False, help=interval_help())
    figure(space, chosen)
    st.caption(
        t(
            "A dot or bar is the mean over repeats, the line its 95 % interval: the question mark above says what "
            "that is. Grey and hollow: under 30 mentions, too few to judge."
        )
    )
    st.caption(caution())
    table(space, project, chosen)
st.subheader(t("The sentences behind it"), anchor=False)
sentences(space, chosen)
