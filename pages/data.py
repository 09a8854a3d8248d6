"""Data: bring labelled files in, and look at what a project holds."""

import streamlit as st

from components import corpus, facts, upload
from components.address import choice
from components.frame import chosen, enter
from components.issues import issues
from components.standing import manage, not_read, undo
from components.words import t

space = enter("data")
st.title(t("Data"))
undo(space)
project = chosen(space)
words = {
    "overview": t("Overview"),
    "issues": t("Issues"),
    "browse": t("Browse"),
    "new": t("New data"),
}
if project is None:
    upload.new_data(space)
    st.stop()
with st.container(horizontal=True, horizontal_alignment="distribute"):
    view = choice(
        st.segmented_control, t("View"), list(words), key="view", show=words.__getitem__, label_visibility="collapsed"
    )
    manage(space, project)
if view == "new":
    upload.new_data(space)
    st.stop()
standing = facts.project_standing(space, project)
if standing.stage is None:
    not_read(space, project, standing)
elif view == "overview":
    corpus.overview(space, project, standing)
elif view == "issues":
    issues(space, standing)
else:
    corpus.sentences(space, standing)
