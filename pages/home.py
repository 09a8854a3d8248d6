"""Home: what Peibi is for, what the sample's runs say, and what was worked on last."""

import streamlit as st

from components.frame import enter, telling
from components.welcome import other_samples, projects, runs, steps, story
from components.words import t

space = enter("home")
st.title(t("Which mix makes the model better?"))
st.caption(
    t(
        "Peibi mixes labelled data with what you make of it, trains a model on each mix several times, and shows what "
        "each mix gains and costs, label by label."
    )
)
st.subheader(t("The sample"), anchor=False)
with telling():
    story(space)
steps()
with telling():
    projects(space)
    runs(space)
other_samples(space)
