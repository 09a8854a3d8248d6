"""Storage: what takes room, cleaning up with a way back, and a project as one archive."""

import streamlit as st

from components.archives import export, unpack
from components.cleaning import clean, trash
from components.frame import chosen, enter, telling
from components.storage import look, room
from components.words import t

space = enter("storage")
st.title(t("Storage"))
st.caption(t("What lies in this workspace and how large it is. Nothing here goes without a way back but by your word."))
found = look(space)
if found is not None:
    with telling():
        room(space, found)
    st.subheader(t("Clean up"), anchor=False)
    with telling():
        clean(space, found)
    st.subheader(t("Trash"), anchor=False)
    with telling():
        trash(space, found)
st.subheader(t("A project as one archive"), anchor=False)
with telling():
    export(space, chosen(space))
with telling():
    unpack(space)
