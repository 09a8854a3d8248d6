"""A project's results for other programs: its tables as files, and an MLflow server that is told of it."""

import streamlit as st

from components.address import choice
from components.frame import telling
from components.progress import watch
from components.words import language, t, visible
from core.project import Project
from core.table_files import FORMATS, packed
from core.tables import tables
from core.trackers import sending
from core.trackers.sending import TrackParams
from core.workspace import Workspace

_SENT = "tracked"  # in the address: the run
_NAMES = {"parquet": "Parquet", "arrow": "Arrow", "csv": "CSV"}


def offer_tables(space: Workspace, project: Project) -> None:
    """Runs, scores, mixes and marks as one zip file."""
    with st.popover(t("Tables"), icon=":material/table:"):
        st.caption(t("Runs, scores, mixes, and what each run marked where, without text: for pandas or a spreadsheet."))
        format = choice(st.segmented_control, t("Format"), list(FORMATS), key="table_format", show=_NAMES.__getitem__)
        st.download_button(
            t("Download the tables"),
            lambda: packed(tables(space, project), format),
            file_name=f"{project.slug}-{format}.zip",
            mime="application/zip",
            key="report_tables",
            icon=":material/download:",
            on_click="ignore",
        )


def offer_tracker(space: Workspace, project: Project) -> None:
    """The address of an MLflow server, and a button that sends."""
    with st.popover("MLflow", icon=":material/monitoring:"):
        st.caption(
            t(
                "Settings, curves, scores, model cards and this report go to an MLflow server; what is there already "
                "is brought up to date. A user name or a token is read from the variables of the machine that Peibi "
                "runs on."
            )
        )
        address = st.text_input(t("Address"), key="report_tracker", placeholder="http://127.0.0.1:5000")
        if st.button(t("Send"), key="report_track", icon=":material/send:"):
            with telling():
                params = TrackParams(project.slug, address.strip(), language=language())
                st.query_params[_SENT] = sending.start(space, params).id
                st.rerun()


def sent(space: Workspace) -> None:
    """How the sending goes, and what came of it."""
    for run in space.store.find([st.query_params.get(_SENT, "")]):
        watch(space, run, t("Sending to MLflow"), "report_sending")
        if run.state == "succeeded":
            told = space.result(run.id)
            words = t("Sent {count} entries to {address}.", count=told["sent"], address=visible(told["address"]))
            st.success(words, icon=":material/check_circle:")
