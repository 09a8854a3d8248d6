"""Peibi in the browser: page config, navigation, and what stands beside every page."""

import streamlit as st

from components.address import whole
from components.frame import PAGES, language_switch, mark, sidebar, telling
from components.words import t

ICONS = {
    "home": ":material/home:",
    "data": ":material/table_rows:",
    "augment": ":material/content_copy:",
    "mix": ":material/tune:",
    "runs": ":material/play_circle:",
    "compare": ":material/compare_arrows:",
    "models": ":material/neurology:",
    "storage": ":material/hard_drive:",
}

st.set_page_config(page_title="Peibi 配比", page_icon="⚖️", layout="wide", initial_sidebar_state="auto")
mark()
language_switch()
TITLES = {
    "home": t("Home"),
    "data": t("Data"),
    "augment": t("Augment"),
    "mix": t("Mix"),
    "runs": t("Runs"),
    "compare": t("Compare"),
    "models": t("Models"),
    "storage": t("Storage"),
}
pages = [st.Page(PAGES[n], title=TITLES[n], icon=ICONS[n], default=n == "home", url_path=n) for n in PAGES]
page = st.navigation(pages)
wanted = st.query_params.get("page")
if wanted in PAGES:
    rest = {name: values for name, values in whole().items() if name != "page"}
    st.switch_page(PAGES[wanted], query_params=rest)
sidebar()
with telling():
    page.run()
