"""What can be done with many runs at once: the buttons, each with how many runs it touches, and the way back."""

from collections.abc import Mapping

import streamlit as st

from components.frame import telling
from components.words import t
from core import bulk
from core.bulk import Act, Touched
from core.workspace import Workspace

_DELETED = "deleted"  # in the address: the name of the last deletion
_WORK = "runs_work"  # session key: what is being done with many runs, {"act", "left", "all"}
_SLICE = 0.3  # seconds that one look at the page may spend on it
_EVERY = 0.2


def undo(space: Workspace) -> None:
    """What was deleted last, and the way back; it stays until the next action, also over a reload."""
    name = st.query_params.get(_DELETED, "")
    ids = bulk.deleted(space, name)
    if not ids:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("Runs deleted: {n}", n=len(ids)))
        if st.button(t("Undo"), key="runs_undo", icon=":material/undo:"):
            with telling():
                bulk.restore(space, name)
                done()


def done() -> None:
    """After an action: what was deleted before it can't be undone any more."""
    st.query_params.pop(_DELETED, None)
    st.rerun()


def working(space: Workspace) -> None:
    """How far an action on many runs is; it goes on by itself, a little at each look."""
    if _WORK in st.session_state:
        st.fragment(_work, run_every=_EVERY)(space)


def _work(space: Workspace) -> None:
    todo = st.session_state.get(_WORK)
    if todo is None:
        return
    with telling():
        todo["left"] = bulk.do(space, todo["act"], todo["left"], _SLICE)
        if not todo["left"]:
            del st.session_state[_WORK]
            done()
        through = todo["all"] - len(todo["left"])
        words = {
            "cancel": t("Cancelling: {done} of {all} runs", done=through, all=todo["all"]),
            "resume": t("Resuming: {done} of {all} runs", done=through, all=todo["all"]),
        }
        moving = t("Moving: {done} of {all} runs", done=through, all=todo["all"])
        st.progress(through / todo["all"], text=words.get(todo["act"], moving))


def buttons(space: Workspace, found: Touched, key: str) -> None:
    """Cancel, resume, delete, and to either end of the line; those that touch no run are not there."""
    acts: Mapping[Act, tuple[str, str, str, tuple[str, ...]]] = {
        "cancel": (
            t("Cancel"),
            ":material/stop_circle:",
            t("What runs stops at its next step, what waits at once. What was done so far is kept."),
            found.cancel,
        ),
        "resume": (
            t("Resume"),
            ":material/resume:",
            t("Goes on from the last checkpoint of each run, or begins anew where there is none."),
            found.resume,
        ),
        "first": (t("To the front"), ":material/vertical_align_top:", t("They are started next."), found.move),
        "last": (t("To the end"), ":material/vertical_align_bottom:", t("All others come first."), found.move),
    }
    for act, (label, icon, tip, ids) in acts.items():
        if ids and st.button(f"{label} ({_runs(len(ids))})", key=f"{key}_{act}", icon=icon, help=tip):
            with telling():
                left = bulk.do(space, act, ids, _SLICE)
                if left:
                    st.session_state[_WORK] = {"act": act, "left": left, "all": len(ids)}
                done()
    if found.delete and st.button(
        f"{t('Delete')} ({_runs(len(found.delete))})",
        key=f"{key}_delete",
        icon=":material/delete:",
        help=t("Older runs of a repeat that was trained again go with it. You can undo it until your next action."),
    ):
        with telling():
            st.query_params[_DELETED] = bulk.delete(space, found.delete)
            st.rerun()


def _runs(n: int) -> str:
    return t("1 run") if n == 1 else t("{n} runs", n=f"{n:,}")
