"""Peibi in the browser: page config, navigation, and what stands beside every page."""

import streamlit as st

from components.address import whole
from components.frame import PAGES, alone, language_switch, mark, shown_alone, sidebar, telling
from components.words import t

ICONS = {
    "home": ":material/home:",
    "data": ":material/table_rows:",
    "augment": ":material/content_copy:",
    "mix": ":material/tune:",
    "runs": ":material/play_circle:",
    "compare": ":material/compare_arrows:",
    "report": ":material/description:",
    "continual": ":material/update:",
    "models": ":material/neurology:",
    "storage": ":material/hard_drive:",
}

st.set_page_config(page_title="Peibi 配比", page_icon="⚖️", layout="wide", initial_sidebar_state="auto")
mark()
only = shown_alone()
if only:
    alone()
else:
    language_switch()
TITLES = {
    "home": t("Home"),
    "data": t("Data"),
    "augment": t("Augment"),
    "mix": t("Mix"),
    "runs": t("Runs"),
    "compare": t("Compare"),
    "report": t("Report"),
    "continual": t("Learn on"),
    "models": t("Models"),
    "storage": t("Storage"),
}
names = ["report"] if only else [*PAGES]
pages = [st.Page(PAGES[n], title=TITLES[n], icon=ICONS[n], default=n == names[0], url_path=n) for n in names]
page = st.navigation(pages, position="hidden" if only else "sidebar")
wanted = st.query_params.get("page")
if wanted in names:
    rest = {name: values for name, values in whole().items() if name != "page"}
    st.switch_page(PAGES[wanted], query_params=rest)
if not only:
    sidebar()
with telling():
    page.run()
