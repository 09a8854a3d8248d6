"""What a search for settings and one for mixes look like while they go on, and where they ended badly."""

from collections.abc import Callable

import streamlit as st

from components.frame import telling
from components.words import t, told
from core.errors import CoreError
from core.jobs.dispatch import look_after
from core.jobs.folder import Run, cancel_file, tail
from core.workspace import Workspace

EVERY = 2.0  # seconds between two looks, while one goes on


def live(active: Callable[[], bool], draw: Callable[[], None]) -> None:
    """Draw, again by itself while something is active, and the whole page once when it has ended."""
    before = active()

    def again() -> None:
        if before and not active():
            st.rerun()
        draw()

    st.fragment(again, run_every=EVERY if before else None)()


def going(space: Workspace, run: Run, key: str, share: float | None, text: str) -> None:
    """How far a search is, and a way to stop it. `share`: of it that is done; None: it has not begun."""
    if run.state != "running":
        look_after(space.root)
    asked = run.state == "running" and cancel_file(space.run_folder(run.id), run.attempt).exists()
    left, right = st.columns([5, 1], vertical_alignment="center")
    if share is None:
        left.progress(0.0, text=t("The search is about to begin."))
    else:
        left.progress(min(1.0, share), text=t("Stopping ...") if asked else text)
    if right.button(t("Cancel"), key=f"{key}_cancel_{run.id}", icon=":material/stop_circle:", disabled=asked):
        space.store.cancel(run.id)
        st.rerun()


def ended_badly(space: Workspace, run: Run, key: str) -> None:
    """Why a search did not succeed, and a way to go on with it."""
    if run.error:
        st.error(told(CoreError.from_json(run.error)), icon=":material/error:")
    else:
        st.warning(t("This search was cancelled."), icon=":material/stop_circle:")
    with st.container(horizontal=True):
        if st.button(t("Go on with it"), key=f"{key}_again_{run.id}", icon=":material/resume:"):
            with telling():
                space.resubmit(run.id)
                st.rerun()
        with st.popover(t("Log"), icon=":material/article:"):
            st.code(tail(space.run_folder(run.id) / "log.txt", 8192) or "-", language=None, wrap_lines=True)
