"""The Storage page's last part: the project as one archive to download, and an archive that becomes a project."""

from pathlib import Path

import streamlit as st

from components.frame import PAGES, telling
from components.progress import watch
from components.words import raw, size, t
from core.archive import export as exporting
from core.archive import unpack as unpacking
from core.jobs.folder import Run, read_object
from core.project import Project
from core.runs import ACTIVE
from core.workspace import Workspace

_UNPACKED = "unpacked"  # in the address: the run that unpacks what was uploaded last
_LARGEST = 500_000_000  # bytes that a download may hold in the server's memory
_REMEMBERED = 20  # newest runs that are looked through


def export(space: Workspace, project: Project | None) -> None:
    """Write the project of the sidebar into one file, and hand it out."""
    if project is None:
        st.caption(t("There is no project to export yet."))
        return
    st.markdown(
        t(
            "**{title}** with its data, mixes, finished runs and predictions as one file, "
            "to keep or to open in another workspace.",
            title=project.title,
        )
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        weights = st.checkbox(
            t("With trained weights"), key="storage_weights", help=t("Then its runs can read new text there at once.")
        )
        models = st.checkbox(
            t("With encoders"), key="storage_encoders", help=t("Needed where the encoder can't be had otherwise.")
        )
        pressed = st.button(t("Export"), key="storage_export", type="primary", icon=":material/archive:")
    if pressed:
        with telling(), st.spinner(t("Looking at what belongs to it"), show_time=False):
            exporting.start(space, project, weights, models)
            st.rerun()
    last = _last_export(space, project)
    if last is not None:
        _written(space, last)


def _last_export(space: Workspace, project: Project) -> Run | None:
    """The newest export of a project: the one that goes on, or whose archive is there, or that ended badly."""
    for run in space.store.list(kind="export", limit=_REMEMBERED):
        spec = read_object(space.run_folder(run.id) / "spec.json") or {}
        if spec.get("params", {}).get("project") == project.slug:
            return run if run.state != "succeeded" or exporting.archive_of(space, run) else None
    return None


def _written(space: Workspace, run: Run) -> None:
    watch(space, run, t("Writing the archive"), "storage_exporting")
    archive = exporting.archive_of(space, run)
    if archive is None:
        return
    written = archive.stat().st_size
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("The last archive: {size}.", size=size(written)))
        if written <= _LARGEST:
            st.download_button(
                t("Download"),
                archive.read_bytes,  # read when it is asked for, not on every look at the page
                file_name=archive.name,
                mime="application/zip",
                key="storage_download",
                icon=":material/download:",
                on_click="ignore",
            )
    _place(space, archive, written > _LARGEST)


def _place(space: Workspace, archive: Path, large: bool) -> None:
    if large:
        st.caption(t("It is too large to be handed through the browser. Take it from the workspace's folder:"))
        st.code(str(archive.relative_to(space.root)), language=None)


def unpack(space: Workspace) -> None:
    """An archive from elsewhere becomes a project."""
    st.markdown(t("**Bring an archive in.** Everything in it is checked first; what is here already stays as it is."))
    file = st.file_uploader(
        t("An archive that Peibi wrote"),
        type="zip",
        key="storage_upload",
        help=t("A larger one than the browser takes: python -m core unpack FILE."),
    )
    if file is not None and st.button(t("Unpack it"), key="storage_unpack", icon=":material/unarchive:"):
        with telling(), st.spinner(t("Keeping the file ..."), show_time=False):
            spec = unpacking.spec_of(space, space.add_stream(file, file.name))
            space.submit(spec)
            st.query_params[_UNPACKED] = spec.id
            st.rerun()
    run = _unpacking(space)
    if run is not None:
        watch(space, run, t("Unpacking the archive"), "storage_unpacking")
        if run.state == "succeeded":
            _brought(space, run)


def _unpacking(space: Workspace) -> Run | None:
    """The unpacking that was begun here last, or one that goes on."""
    runs = space.store.list(kind="unpack", limit=_REMEMBERED)
    asked = next((run for run in runs if run.id == st.query_params.get(_UNPACKED)), None)
    return asked or next((run for run in runs if run.state in ACTIVE), None)


def _brought(space: Workspace, run: Run) -> None:
    project = unpacking.unpacked(space, run.id)
    if project is None:
        return
    done = space.result(run.id)
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            t("{title} is here, with {n} finished runs ({new} of them new).",
              title=done["title"], n=done["runs"], new=done["new"]["runs"])
        )  # fmt: skip
        label = raw("Open it")
        st.page_link(PAGES["data"], label=label, icon=":material/table_rows:", query_params={"project": project})
