"""A run while it goes on: how far it is, and a way to stop it; and what to do when it ended badly."""

import streamlit as st

from components.words import t, told
from core.errors import CoreError
from core.jobs.dispatch import look_after
from core.jobs.folder import Run, cancel_file, last_metrics, share_done, tail
from core.workspace import Workspace

EVERY = 1.0  # seconds between two looks


def watch(space: Workspace, run: Run, what: str, key: str) -> None:
    """Show a run until it ends, then draw the whole page anew; a run that ended badly says why and can be tried again.

    `what`: what it does, in words, already safe for Markdown. A run that succeeded shows nothing.
    """
    if run.pending:
        _going(space, run.id, what, key)
    elif run.state != "succeeded":
        _ended_badly(space, run, what, key)


@st.fragment(run_every=EVERY)
def _going(space: Workspace, run_id: str, what: str, key: str) -> None:
    run = space.store.get(run_id)
    if not run.pending:
        st.rerun()
    if run.state != "running":
        look_after(space.root)
    done = share_done(last_metrics(space.run_folder(run_id)))
    left, right = st.columns([5, 2], vertical_alignment="center")  # room for the word in half a page
    asked = run.state == "running" and cancel_file(space.run_folder(run_id), run.attempt).exists()
    text = what
    if run.state == "queued":
        text = t("Waiting: {what}", what="") + what
    elif asked:
        text = t("Stopping: {what}", what="") + what
    left.progress(done or 0.0, text=text if done is None else f"{text} · {done:.0%}")
    stop = right.button(
        t("Cancel"), key=f"{key}_cancel", icon=":material/stop_circle:", width="stretch", disabled=asked
    )
    if stop:
        space.store.cancel(run_id)
        st.rerun(scope="fragment")


def _ended_badly(space: Workspace, run: Run, what: str, key: str) -> None:
    if run.state == "cancelled":
        st.warning(t("Cancelled:") + f" {what}", icon=":material/stop_circle:")
    elif run.error:
        st.error(f"{what}: " + told(CoreError.from_json(run.error)), icon=":material/error:")
    else:
        st.error(t("It ended without success:") + f" {what}", icon=":material/error:")
    with st.container(horizontal=True):
        if st.button(t("Try again"), key=f"{key}_again", icon=":material/refresh:"):
            space.resubmit(run.id)
            st.rerun()
        with st.popover(t("Log"), icon=":material/article:"):
            st.code(tail(space.run_folder(run.id) / "log.txt", 8192) or "-", language=None, wrap_lines=True)
