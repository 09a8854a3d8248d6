"""Models: try a trained run on text, see whether the encoder suits the data, pre-train it on, and what is there."""

import streamlit as st

from components.deliver import deliver
from components.features import features
from components.frame import enter, need_project
from components.models import bundled, hub, installed, suits, trained
from components.pretrain import pretrain
from components.trying import try_run
from components.words import t
from core import shelf

space = enter("models")
st.title(t("Models"))
project = need_project(space)
found = shelf.trained(space, project.slug)
st.subheader(t("Try a run"), anchor=False)
run = try_run(space, project, found)
if run is not None:
    st.subheader(t("Take it along"), anchor=False)
    deliver(space, project, run)
st.subheader(t("Does the encoder suit the text?"), anchor=False)
st.caption(t("The encoder is the pre-trained model that every run of this project begins with."))
suits(space, project)
features(space, project)
st.subheader(t("Continue pre-training"), anchor=False)
pretrain(space, project)
st.subheader(t("What is there"), anchor=False)
st.caption(t("Encoders that come with Peibi"))
bundled()
st.caption(t("Trained models of this project"))
trained(space, found)
st.caption(t("Encoders in the workspace, checked and copied"))
installed(space)
hub()
