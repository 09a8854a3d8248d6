"""All other work of a workspace: imports, pools, looks at test, and trainings that no project launched."""

from collections.abc import Mapping

import streamlit as st

from components.frame import telling
from components.notices import kind_words
from components.pretrain import curve
from components.words import duration, raw, said_raw, t, told, visible
from core import project as projects
from core.board import places
from core.errors import CoreError
from core.groups import launched
from core.jobs.folder import Run, last_metrics, read_object, share_done, tail
from core.params import digest
from core.workspace import Workspace

EVERY = 2.0  # seconds between two looks, while something is active
_SHOWN = 50


def other_work(space: Workspace) -> None:
    """A closed box below the groups; drawn again by itself while something in it is active."""
    with st.expander(t("Other work: imports, pools, looks at test")):
        active = _active(space)
        st.fragment(_table, run_every=EVERY if active else None)(space, active)


def _ours(space: Workspace) -> list[str]:
    """The trainings that projects launched: they are in the groups above."""
    return [run for project in projects.names(space) for run in launched(space, project)]


def _active(space: Workspace) -> bool:
    pending = {run.id for run in space.store.pending()}
    return bool(pending) and bool(pending - {*_ours(space)})


def _table(space: Workspace, active: bool) -> None:
    if active and not _active(space):
        st.rerun()
    runs = space.store.besides(_ours(space), _SHOWN)
    if not runs:
        st.caption(t("Nothing yet."))
        return
    st.caption(
        t(
            "One training or look at test runs at a time; imports and pools have a lane of their own. "
            "Shown: the newest {n}. Select a row to act on it.",
            n=_SHOWN,
        )
    )
    line = places(space)
    found = st.dataframe(
        [_row(space, run, line.get(run.id)) for run in runs],
        key=f"runs_work_{digest([run.id for run in runs])[:8]}",
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        placeholder="-",
        column_config=_columns(),
        alt=raw("Other work"),
    )
    for at in found.selection.rows:
        with telling():
            _one(space, runs[at])


def _row(space: Workspace, run: Run, place: int | None) -> dict[str, object]:
    state = said_raw(f"state_{run.state}")
    done = share_done(last_metrics(space.run_folder(run.id))) if run.state == "running" else None
    return {
        "what": _what(space, run),
        "state": state if done is None else f"{state} · {done:.0%}",
        "place": place,
        "time": "" if run.seconds is None else duration(run.seconds),
        "submitted": 1000 * run.submitted,
        "run": run.id,
    }


def _what(space: Workspace, run: Run) -> str:
    spec = read_object(space.run_folder(run.id) / "spec.json") or {}
    method = spec.get("params", {}).get("method")
    return kind_words(run.kind) + (f" · {visible(method)}" if method else "")


def _columns() -> Mapping[str, object]:
    column = st.column_config
    return {
        "what": column.TextColumn(raw("Work"), width="medium"),
        "state": column.TextColumn(raw("State")),
        "place": column.NumberColumn(raw("In line"), help=raw("Its place among the runs that wait; 1 is next.")),
        "time": column.TextColumn(raw("Time"), help=raw("From its first start to its end.")),
        "submitted": column.DatetimeColumn(raw("Submitted"), format="YYYY-MM-DD HH:mm", timezone=st.context.timezone),
        "run": column.TextColumn(raw("Run"), help=raw("Its number, as the command line knows it.")),
    }


def _one(space: Workspace, run: Run) -> None:
    """What can be done with a run, why it failed, and its log."""
    if run.error and not run.pending:
        st.error(told(CoreError.from_json(run.error)), icon=":material/error:")
    if run.pending:
        if st.button(t("Cancel"), key="runs_work_cancel", icon=":material/stop_circle:"):
            space.store.cancel(run.id)
            st.rerun()
    elif run.state != "succeeded" and st.button(t("Try again"), key="runs_work_again", icon=":material/refresh:"):
        space.resubmit(run.id)
        st.rerun()
    if run.kind == "pretrain":
        curve(space, run)
    log = tail(space.run_folder(run.id) / "log.txt", 8192)
    st.code(log or raw("The log is empty."), language=None, wrap_lines=True, height=200)
