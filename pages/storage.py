"""Storage: what takes how much room, cleaning up and taking that back, projects as archives, and what is damaged."""

import streamlit as st

from components import checkup, storage, transfer
from components.address import choice
from components.frame import chosen, enter
from components.words import t

space = enter("storage")
st.title(t("Storage"))
st.caption(
    t("What lies in this workspace on the disk. Cleaning up can be taken back; only emptying the trash frees room.")
)
words = {
    "room": t("What takes room"),
    "clean": t("Clean up"),
    "trash": t("Trash"),
    "archive": t("Take a project along"),
    "check": t("Check"),
}
view = choice(
    st.segmented_control, t("View"), list(words), key="store", show=words.__getitem__, label_visibility="collapsed"
)
if view == "room":
    storage.room(space)
elif view == "clean":
    storage.clean_up(space)
elif view == "trash":
    storage.trashed(space)
elif view == "check":
    checkup.check_up(space)
else:
    transfer.export(space, chosen(space))
    transfer.bring(space)
