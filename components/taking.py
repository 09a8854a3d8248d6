"""A project's results for other programs: its tables as files, and a tracker that is told of it."""

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
    """A button that sends to the MLflow server that Peibi was started for, and the commands that go anywhere."""
    with st.popover(t("Trackers"), icon=":material/monitoring:"):
        st.caption(
            t(
                "Settings, curves, scores, model cards and this report go to a tracker of experiments; what is there "
                "already is brought up to date."
            )
        )
        address = ""
        with telling():
            address = sending.server()
            _offer_server(space, project, address)
        st.caption(t("On the command line, to any MLflow server or for TensorBoard:"))
        lines = (f"mlflow --address {address or 'http://HOST:PORT'}", "tensorboard --address FOLDER")
        commands = [f"python -m core track {project.slug} --to {line}" for line in lines]
        st.code("\n".join(commands), language="shell", wrap_lines=True)


def _offer_server(space: Workspace, project: Project, address: str) -> None:
    if not address:
        words = t("For a button here, start Peibi with `MLFLOW_TRACKING_URI=http://HOST:PORT`: it sends to that MLflow "
                  "server alone.")  # fmt: skip
        st.caption(words)
    elif st.button(t("Send to {address}", address=visible(address)), key="report_track", icon=":material/send:"):
        params = TrackParams(project.slug, address, language=language())
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
