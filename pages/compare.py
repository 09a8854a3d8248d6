"""Compare: is a mix really better than the baseline, where, and by how much?"""

import streamlit as st

from components.answer import answer, by_label, standings
from components.answers import unreadable
from components.comparison import choose, evaluated, focus
from components.drawers import drawer
from components.frame import PAGES, enter, need_project
from components.ledger import sentences
from components.rates import table
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
chosen = evaluated(space, project, choose(space, project, found))
if chosen is None:
    st.info(t("The baseline has no predictions for this split yet, so there is nothing to compare."))
    st.stop()
other = focus(space, chosen)
judged = chosen.findings(space)
if other is not None:
    one = judged[chosen.title(other)]
    answer(space, project, chosen, other, judged)
    unreadable(space, {chosen.title(one): one for one in (chosen.baseline, other)})
    if len(chosen.others) > 1:
        standings(chosen, judged)
    by_label(chosen, other, one)
    st.subheader(t("The sentences behind it"), anchor=False)
    sentences(space, project, chosen, other)
    st.subheader(t("Look closer"), anchor=False)
    drawer(space, project, chosen, other)
st.subheader(t("All figures"), anchor=False)
table(space, project, chosen, other, judged)
