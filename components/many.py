"""Several runs that belong together while they go on: how far they are, a way to stop them, and to go on."""

from collections.abc import Callable, Sequence

import streamlit as st

from components.frame import telling
from components.searches import live
from components.words import t
from core.jobs.dispatch import look_after
from core.jobs.folder import Run, cancel_file, last_metrics, share_done
from core.workspace import Workspace


def followed(space: Workspace, runs: Callable[[], Sequence[Run]], key: str) -> None:
    """Draw them, again by themselves while one goes on, and the whole page once when all have ended. `runs`: as they
    stand when it is called."""

    def draw() -> None:
        found = runs()
        if any(run.pending for run in found):
            _going(space, found, key)
        else:
            _ended(space, found, key)

    live(lambda: any(run.pending for run in runs()), draw)


def _going(space: Workspace, found: Sequence[Run], key: str) -> None:
    look_after(space.root)
    waiting = [run for run in found if run.pending]
    begun = [share_done(last_metrics(space.run_folder(run.id))) for run in waiting if run.state == "running"]
    done = len(found) - len(waiting)
    share = (done + sum(filter(None, begun))) / len(found)
    asked = all(run.state == "running" and _told(space, run) for run in waiting)
    words = t("Stopping ...") if asked else t("{done} of {runs} runs are done.", done=done, runs=len(found))
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(min(1.0, share), text=words)
    if right.button(t("Cancel"), key=f"{key}_cancel", icon=":material/stop_circle:", disabled=asked):
        for run in waiting:
            space.store.cancel(run.id)
        st.rerun()


def _told(space: Workspace, run: Run) -> bool:
    """Whether a run has been told to stop."""
    return cancel_file(space.run_folder(run.id), run.attempt).exists()


def _ended(space: Workspace, found: Sequence[Run], key: str) -> None:
    failed = [run for run in found if run.state in ("failed", "interrupted")]
    stopped = [run for run in found if run.state == "cancelled"]
    if failed:
        st.error(t("{n} runs ended without success.", n=len(failed)), icon=":material/error:")
    if stopped:
        st.warning(t("{n} of {runs} runs were cancelled.", n=len(stopped), runs=len(found)),
                   icon=":material/stop_circle:")  # fmt: skip
    if (failed or stopped) and st.button(t("Go on with it"), key=f"{key}_again", icon=":material/resume:"):
        with telling():
            for run in (*failed, *stopped):
                space.resubmit(run.id)
            st.rerun()
