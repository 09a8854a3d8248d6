"""A project on the Data page: its import while it goes on or after it failed, its name, and its end with a way back."""

from dataclasses import replace

import streamlit as st

from components.frame import telling
from components.progress import watch
from components.upload import read_again
from components.words import escape, t
from core import launch
from core import project as projects
from core.launch import Standing
from core.project import Project
from core.workspace import Workspace

_DELETED = "gone"  # in the address: where the project deleted last lies in the trash


def not_read(space: Workspace, project: Project, found: Standing) -> None:
    """A project without data: how far its import is, or how it can be had."""
    st.subheader(escape(project.title), anchor=False)
    run = found.runs.get("import")
    if run is None:
        st.info(t("The files of this project have not been read in this workspace yet."))
        if st.button(t("Read them now"), key="data_read", type="primary", icon=":material/download_done:"):
            with telling():
                launch.start_import(space, project)
                st.rerun()
    else:
        watch(space, run, t("Reading and checking the files of {project}", project=project.title), "data_watch")
    if run is not None and run.pending:
        st.caption(t("You can go on elsewhere: it continues when this page is closed."))
        return
    if isinstance(project.recipe.data, str) and run is not None:
        st.subheader(t("Change how it is read"), anchor=False)
        with telling():
            read_again(space, project)


def manage(space: Workspace, project: Project) -> None:
    """Rename and delete."""
    with st.popover(t("Rename or delete"), icon=":material/edit:", key=f"data_manage_{project.slug}"):
        title = st.text_input(
            t("Name of the project"), value=project.title, max_chars=120, key=f"data_rename_{project.slug}"
        )
        named = " ".join(title.split())
        unchanged = not named or named == project.title
        if st.button(t("Rename"), key="data_rename", disabled=unchanged, width="stretch"):
            event = {"event": "renamed", "title": named}
            with telling():
                projects.edit(space, project.slug, lambda found: replace(found, title=named), event)
                st.rerun()
        if st.button(t("Delete project"), key="data_delete", icon=":material/delete:", width="stretch"):
            with telling():
                _delete(space, project)
        st.caption(t("Its runs and files stay in the workspace; the project can be brought back with Undo."))


def _delete(space: Workspace, project: Project) -> None:
    place = projects.delete(space, project.slug)
    for name in ("project", "view"):
        st.query_params.pop(name, None)
    st.query_params[_DELETED] = place.name
    st.rerun()


def undo(space: Workspace) -> None:
    """The project that was deleted last, and the way back; it stays over a reload."""
    name = st.query_params.get(_DELETED, "")
    place = space.trash / name
    if not name.startswith("project-") or place.parent != space.trash or not (place / projects.FILE).is_file():
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("The project {name} was deleted.", name=name.removeprefix("project-").rpartition("-")[0]))
        if st.button(t("Undo"), key="data_undo", icon=":material/undo:"):
            with telling():
                restored = projects.restore(space, place)
                del st.query_params[_DELETED]
                st.query_params["project"] = restored
                st.rerun()
