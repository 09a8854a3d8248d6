"""The page Mix: how much of what joins gold, what that comes to, and training it."""

import streamlit as st

from components import (
    agreement,
    blame,
    composed,
    facts,
    label_next,
    launching,
    mixer,
    named,
    nudges,
    outlook,
    search,
    tune,
)
from components.bench import Bench, open_bench
from components.frame import PAGES, enter, need_project
from components.words import t

space = enter("mix")
st.title(t("Mix"))
project = need_project(space)
standing = facts.project_standing(space, project)
if standing.stage is None:
    st.info(t("The data of this project is not imported yet. Do that on the Data page, then come back."))
    st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    st.stop()
st.caption(t("Gold is the data you trust. Decide what joins it and how much, look at what that gives, and train it."))


@st.fragment
def desk(bench: Bench, view: outlook.View) -> None:
    """All that changes with an amount."""
    named.bring_back(bench)
    left, right = st.columns([4, 5], gap="medium")
    with left:
        mix, places = mixer.controls(bench)
    with right:
        found = composed.show(bench, mix)
        outlook.show(bench, view, mix)
        blame.blame(bench, view, mix)
        label_next.choose(bench, view, mix)
        composed.closer(bench, mix, found)
    for name, sentence in nudges.nudges(bench, view, mix).items():
        places[name].caption(sentence)
    st.subheader(t("Check it for real"))
    left, right = st.columns([4, 5], gap="medium")
    with left:
        train = launching.budget(bench, found)
    if found is not None:
        with right:
            launching.launch_box(bench, mix, train, outlook.pinned(bench))
            launching.recipe_box(bench, mix, train)
        tune.tune(bench, mix, train)
    search.search(bench, train)
    agreement.transfer(bench, view)


with st.spinner(t("Reading the pools ..."), show_time=False):
    bench = open_bench(space, project, standing)
    expected = outlook.look(bench)
if not project.ingredients:
    st.info(t("There is nothing to mix with gold yet. Make an ingredient on the Augment page."))
    st.page_link(PAGES["augment"], label=t("Augment"), icon=":material/content_copy:")
desk(bench, expected)
