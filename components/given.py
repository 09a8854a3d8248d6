"""A file or a model that a setting names: how it is asked for, and what it is called."""

from pathlib import Path
from typing import BinaryIO

import streamlit as st

from components.params_form import FieldWords
from components.words import percent, raw, t, told
from core.augment import check_named
from core.augment.protocol import Names
from core.errors import CoreError
from core.jobs.folder import Run
from core.models.catalogue import BUNDLED, install
from core.models.endpoints import FILE as ENDPOINTS
from core.models.endpoints import name_of, named, read
from core.runs import kept, located
from core.workspace import Workspace

_RUNS = 200  # of the newest that are looked through for weights
_LONGEST = 100  # code points of a name
_EXAMPLE = """local:                             # its name here
  url: http://127.0.0.1:11434/v1   # Ollama, vLLM, llama.cpp, or a service
  model: llama3.2
  private: true                    # it lies on this machine or in this network
  # key_file: ~/.config/peibi/key  # what a service is asked with
"""


def called(value: str) -> str:
    """What a person calls it: the name after `file:SHA/` or `model:IDENTITY/`, or the whole where there is none."""
    reference = kept(value)
    return value if reference is None else value.removeprefix(reference).removeprefix("/") or reference


def asked_for(space: Workspace, mark: Names, words: FieldWords, key: str) -> str | None:
    """Draw what asks for it. -> what the setting is to be, kept in the session under `key`; None: nothing yet"""
    held: str | None = st.session_state.get(key) or None
    if held is None:
        held = (_upload if mark.kind == "file" else _model)(space, mark, words, key)
        if held is None:
            return None
        st.session_state[key] = held
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(t("{what}: {file}", what=words.label, file=called(held)), width="content")
        st.button(t("Take it out"), key=f"{key}_out", icon=":material/close:", on_click=_forget, args=(key,))
    return held


def _upload(space: Workspace, mark: Names, words: FieldWords, key: str) -> str | None:
    """A file, put into the workspace if it can be read. -> `file:SHA/NAME`"""
    turn = int(st.session_state.get(f"{key}_turn", 0))  # another widget after a file was taken out
    file = st.file_uploader(words.label, help=words.help, key=f"{key}_file_{turn}")
    if file is None:
        return None
    try:
        return _kept(space, mark, file, file.name)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return None


def _kept(space: Workspace, mark: Names, file: BinaryIO, name: str) -> str:
    held = f"file:{space.add_stream(file, name)}"
    check_named(mark, space.root / located(held), name)
    return f"{held}/{name[-_LONGEST:]}"


def _model(space: Workspace, mark: Names, words: FieldWords, key: str) -> str | None:
    """A model, installed on a click: it may have to be fetched first. -> `model:IDENTITY/NAME`"""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = _run(space, words, key, mark.run) if mark.trained else ""
        if not name:
            if mark.run:
                return None
            name = st.text_input(words.label, help=words.help, key=f"{key}_name", persist_state="session").strip()
        asked = st.button(t("Use this model"), key=f"{key}_use", disabled=not name)
    chosen = _endpoint(space, key) if mark.endpoints else None
    if chosen is not None:
        return chosen
    if not asked:
        return None
    try:
        if mark.outside(name):
            named(space.root / ENDPOINTS, name_of(name) or "")
            return name
        check_inside(space, name)
        with st.spinner(t("Making {name} ready", name=name)):
            found = install(name, space.models, space.root, asked=mark.run)
            return f"model:{found.identity}/{Path(name).name[-_LONGEST:]}"
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return None


def _run(space: Workspace, words: FieldWords, key: str, only: bool) -> str:
    """One of the newest runs whose weights are kept, chosen from a list; `only`: and nothing else. -> `run:ID`; nothing
    where there is none, or another model is to be named"""
    newest = sorted(space.store.list(kind="train"), key=lambda run: run.submitted, reverse=True)[:_RUNS]
    able = [run for run in newest if run.state == "succeeded" and (space.run_folder(run.id) / "model").is_dir()]
    if not able:
        st.caption(
            t("No run here has its weights: train a mix on Mix, or train a sample's again with weights on Runs.")
        )
        return ""
    shown = {run.id: _called(run) for run in able} | ({} if only else {"": raw("another model")})
    chosen = st.selectbox(words.label, list(shown), key=f"{key}_run", format_func=shown.__getitem__, help=words.help)
    return f"run:{chosen}" if chosen else ""


def _called(run: Run) -> str:
    if run.score is None:
        return raw("run {run}", run=run.id[:8])
    return raw("run {run}, {f1} on dev", run=run.id[:8], f1=percent(run.score, 1))


def _endpoint(space: Workspace, key: str) -> str | None:
    """A button for each endpoint of the workspace, or what makes one. -> that which was pressed"""
    try:
        known = read(space.root / ENDPOINTS)
    except CoreError as error:
        st.warning(told(error), icon=":material/warning:")
        return None
    if not known:
        text = t(
            "No endpoint is set up. Write {file} like this, for its owner alone to read (chmod 600); "
            "docs/models.md has more.",
            file=str(space.root / ENDPOINTS),
        )
        st.caption(text)
        st.code(_EXAMPLE, language="yaml")
    found: str | None = None
    with st.container(horizontal=True):
        for name in known:
            if st.button(t("Use endpoint {name}", name=name), key=f"{key}_endpoint_{name}"):
                found = f"endpoint:{name}"
    return found


def check_inside(space: Workspace, name: str) -> None:
    """In the app a folder lies inside the workspace. Raises CoreError `model_outside`."""
    root = space.root.resolve()
    try:
        place = (space.root / Path(name).expanduser()).resolve()
        place.is_dir()
    except (RuntimeError, OSError, ValueError):  # nobody's home, a name that is too long, a zero byte
        raise CoreError("model_missing", {"model": name[:80], "known": ", ".join(BUNDLED)}, "hint_model") from None
    if not place.is_relative_to(root) and (place.is_dir() or name.startswith((".", "/", "~"))):
        raise CoreError("model_outside", {"model": name, "path": str(root)})


def _forget(key: str) -> None:
    st.session_state.pop(key, None)
    st.session_state[f"{key}_turn"] = int(st.session_state.get(f"{key}_turn", 0)) + 1
