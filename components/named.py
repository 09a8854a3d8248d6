"""The mixes of a project that have a name: take one in hand, keep the one in hand, drop one and bring it back."""

from dataclasses import replace

import streamlit as st

from components.bench import NAME_LENGTH, Bench, load
from components.frame import telling
from components.words import t, visible
from core import project as projects
from core.mix import Mix
from core.project import Project

_GONE = "mix_gone"  # session key of the mix that was deleted last


def named_mixes(bench: Bench, mix: Mix) -> None:
    """A popover with the named mixes. `mix`: the one in hand."""
    with st.popover(t("Named mixes"), icon=":material/bookmark:"):
        name = st.text_input(t("Keep this mix as"), key="mix_keep_name", max_chars=NAME_LENGTH).strip()
        if st.button(t("Keep"), key="mix_keep", icon=":material/save:", disabled=not name):
            _keep(bench, name, mix)
        if not bench.project.mixes:
            st.caption(t("There are none yet."))
            return
        chosen = st.selectbox(t("Mix"), list(bench.project.mixes), key="mix_named", format_func=visible)
        found = bench.project.mixes[chosen]
        with st.container(horizontal=True):
            st.button(t("Load"), key="mix_load_named", icon=":material/file_open:", on_click=load, args=(bench, found))
            if st.button(t("Delete"), key="mix_delete", icon=":material/delete:"):
                _drop(bench, chosen, found)


def bring_back(bench: Bench) -> None:
    """What was just deleted can be brought back."""
    slug, name, mix = st.session_state.get(_GONE, ("", "", Mix()))
    if slug != bench.project.slug:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("Deleted: {name}", name=name))
        if st.button(t("Bring it back"), key="mix_undelete", icon=":material/undo:"):
            del st.session_state[_GONE]
            _keep(bench, name, mix)


def _keep(bench: Bench, name: str, mix: Mix) -> None:
    def change(project: Project) -> Project:
        return replace(project, mixes={**project.mixes, name: mix})

    with telling():
        projects.edit(bench.space, bench.project.slug, change, {"event": "mix_kept", "name": name})
        st.rerun()


def _drop(bench: Bench, name: str, mix: Mix) -> None:
    def change(project: Project) -> Project:
        return replace(project, mixes={other: found for other, found in project.mixes.items() if other != name})

    with telling():
        projects.edit(bench.space, bench.project.slug, change, {"event": "mix_deleted", "name": name})
        st.session_state[_GONE] = (bench.project.slug, name, mix)
        st.rerun()
