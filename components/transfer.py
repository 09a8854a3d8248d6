"""A project as one file: out of this workspace, and into it."""

import streamlit as st

from components.frame import PAGES, telling
from components.progress import watch
from components.words import escape, t
from core.archive import unpack
from core.archive.export import archive_of, start
from core.output import size_text
from core.project import Project
from core.workspace import Workspace

_OUT, _IN = "export", "unpack"  # in the address: the runs


def export(space: Workspace, project: Project | None) -> None:
    """Write the project of the sidebar into an archive, and offer it."""
    st.subheader(t("Export"), anchor=False)
    if project is None:
        st.info(
            t("There is no project yet. Open the sample on the Home page, or bring your own data on the Data page.")
        )
        return
    st.markdown(
        t(
            "**{project}** with its data, pools, mixes and finished runs as one file. "
            "Elsewhere its runs count as done: nothing is trained again.",
            project=project.title,
        )
    )
    with st.container(horizontal=True):
        weights = st.checkbox(
            t("With trained weights"),
            key="storage_weights",
            help=t("Larger; then its runs can be tried on text there."),
        )
        models = st.checkbox(
            t("With its encoders"), key="storage_models", help=t("Larger; needed where the encoder can't be had.")
        )
    if st.button(t("Export this project"), key="storage_export", icon=":material/archive:"):
        with telling():
            st.query_params[_OUT] = start(space, project, weights, models).id
            st.rerun()
    known = space.store.find([st.query_params.get(_OUT, "")])
    for run in known:
        watch(space, run, t("Writing the archive"), "storage_out")
        path = archive_of(space, run)
        if path is not None:
            with path.open("rb") as stream:
                st.download_button(
                    t("Download {file} ({size})", file=path.name, size=size_text(path.stat().st_size)),
                    stream,
                    file_name=path.name,
                    mime="application/zip",
                    key="storage_download",
                    type="primary",
                    icon=":material/download:",
                    on_click="ignore",
                )


def bring(space: Workspace) -> None:
    """Bring a project in from an archive."""
    st.subheader(t("Bring a project in"), anchor=False)
    file = st.file_uploader(
        t("An archive that Peibi exported"),
        key="storage_file",
        help=t("Everything in it is checked before anything is stored; what is here already stays as it is."),
    )
    if file is not None and st.button(
        t("Bring it in"), key="storage_bring", type="primary", icon=":material/unarchive:"
    ):
        with telling():
            kept = space.add_stream(file, file.name)
            st.query_params[_IN] = space.submit(unpack.spec_of(space, kept))[0].id
            st.rerun()
    for run in space.store.find([st.query_params.get(_IN, "")]):
        watch(space, run, t("Checking and bringing in"), "storage_in")
        name = unpack.unpacked(space, run.id) if run.state == "succeeded" else None
        if name is not None:
            st.success(t("The project is here: {name}.", name=space.result(run.id)["title"]))
            st.page_link(
                PAGES["data"], label=escape(name), icon=":material/table_rows:", query_params={"project": name}
            )
