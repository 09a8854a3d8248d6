"""A file or a model that a setting names: how it is asked for, and what it is called."""

from typing import BinaryIO

import streamlit as st

from components.params_form import FieldWords
from components.words import t, told
from core.augment import check_named
from core.augment.protocol import Names
from core.errors import CoreError
from core.runs import kept, located
from core.workspace import Workspace

_LONGEST = 100  # code points of a file's name


def called(value: str) -> str:
    """What a person calls it: the name after `file:SHA/` or `model:IDENTITY/`, or the whole where there is none."""
    reference = kept(value)
    return value if reference is None else value.removeprefix(reference).removeprefix("/") or reference


def asked_for(space: Workspace, mark: Names, words: FieldWords, key: str) -> str | None:
    """Draw what asks for it. -> what the setting is to be, kept in the session under `key`; None: nothing"""
    held: str | None = st.session_state.get(key) or None
    if mark.kind == "model":
        return st.text_input(words.label, help=words.help, key=key, persist_state="session") or None
    if held is not None:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(t("{what}: {file}", what=words.label, file=called(held)), width="content")
            st.button(t("Take it out"), key=f"{key}_out", icon=":material/close:", on_click=_forget, args=(key,))
        return held
    round_ = int(st.session_state.get(f"{key}_round", 0))  # a new widget after one was taken out
    file = st.file_uploader(words.label, help=words.help, key=f"{key}_file_{round_}")
    if file is None:
        return None
    held = _keep(space, mark, file, file.name)
    if held is not None:
        st.session_state[key] = held
        st.rerun()
    return None


def _keep(space: Workspace, mark: Names, file: BinaryIO, name: str) -> str | None:
    """Put an upload into the workspace, if it can be read. -> `file:SHA/NAME`"""
    try:
        held = f"file:{space.add_stream(file, name)}"
        check_named(mark, space.root / located(held), name)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return None
    return f"{held}/{name[-_LONGEST:]}"


def _forget(key: str) -> None:
    st.session_state.pop(key, None)
    st.session_state[f"{key}_round"] = int(st.session_state.get(f"{key}_round", 0)) + 1
