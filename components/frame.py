"""What every page stands in: the gate it passes first, the workspace, the project chosen, and how errors are shown."""

import logging
import os
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import streamlit as st

from components import address
from components.notices import notices
from components.words import NAMES, preferred, speak, t, told, visible
from core import project as projects
from core.errors import LANGUAGES, CoreError
from core.jobs import idle
from core.jobs.dispatch import look_after
from core.project import Project
from core.tasks import task
from core.workspace import Workspace, open_default, show_only

PAGES: Mapping[str, str] = {
    name: f"pages/{name}.py"
    for name in ("home", "data", "augment", "mix", "runs", "compare", "report", "continual", "models", "storage")
}
_MARK = "peibi_entered"
_log = logging.getLogger("peibi")


def mark() -> None:
    """Called by app.py: this session came in through the front door."""
    st.session_state[_MARK] = True


def enter(name: str) -> Workspace:
    """The first statement of every page. -> the workspace

    A deep link to a fresh server runs the page without app.py, so without title, language and navigation: such a
    session is sent there, with the page's name and the rest of the address, and comes back.
    """
    if _MARK not in st.session_state:
        st.switch_page("app.py", query_params={**address.whole(), "page": name})
    if shown_alone() and name != "report":
        st.stop()
    return workspace()


def shown_alone() -> str:
    """The project whose report is all there is to see: of a server that was started for it, or of a link that says so;
    else ""."""
    return show_only() or (st.query_params.get("project", "") if st.query_params.get("show") else "")


def alone() -> None:
    """In place of what stands beside every page: project and language as the address has them."""
    speak("")
    st.session_state["project"] = shown_alone()
    if st.query_params.get("lang") in LANGUAGES:
        st.session_state["lang"] = st.query_params["lang"]


@st.cache_resource
def workspace() -> Workspace:
    """The workspace of this server; what a reboot or a crash left behind is settled when it is opened."""
    found = open_default()
    os.environ.setdefault(idle.WARM, str(idle.IN_THE_APP))
    look_after(found.root)
    return found


def sidebar() -> None:
    """Project and language, on every page; what is said from here on is about the project's kind of rows."""
    space = workspace()
    speak("")
    with st.sidebar:
        known = projects.names(space)
        if known:
            address.choice(
                st.selectbox,
                t("Project"),
                known,
                key="project",
                always=True,
                show=lambda name: visible(_title(space, name)),
                help=t("A project is one set of labelled data with its ingredients, mixes and runs."),
            )
            speak(rows_of(space, st.session_state["project"]))
        notices(space)
        st.caption(t("Light or dark follows your system; the menu at the top right changes it."))


def language_switch() -> None:
    """The switch comes first of all, so that every word after it is in its language."""
    with st.sidebar:
        address.choice(
            st.segmented_control,
            "Language / 语言",
            LANGUAGES,
            key="lang",
            default=preferred(),
            show=lambda code: NAMES[code],
        )


def _title(space: Workspace, name: str) -> str:
    try:
        return projects.load(space, name).title
    except CoreError:
        return name


def rows_of(space: Workspace, name: str) -> str:
    """The kind of rows of a project; "" where it can't be read."""
    try:
        return task(projects.load(space, name).recipe.task).rows
    except CoreError:
        return ""


def chosen(space: Workspace) -> Project | None:
    """The project of the sidebar, as it stands on disk."""
    name = st.session_state.get("project")
    return projects.load(space, name) if name in projects.names(space) else None


def need_project(space: Workspace) -> Project:
    """The project of the sidebar; where there is none, the page says how to get one and ends."""
    found = chosen(space)
    if found is None:
        st.info(
            t("There is no project yet. Open the sample on the Home page, or bring your own data on the Data page.")
        )
        with st.container(horizontal=True):
            st.page_link(PAGES["home"], label=t("Home"), icon=":material/home:")
            st.page_link(PAGES["data"], label=t("Data"), icon=":material/upload_file:")
        st.stop()
    return found


def watch_link(project: str) -> None:
    """Where runs that were started are watched."""
    st.page_link(
        PAGES["runs"],
        label=t("Watch them on the Runs page"),
        icon=":material/play_circle:",
        query_params={"project": project},
    )


@contextmanager
def telling() -> Generator[None]:
    """What the user can mend is said where it happens; anything else is a bug: logged under a number, and said."""
    try:
        yield
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
    except Exception:  # noqa: BLE001 -- the edge of the app
        number = secrets.token_hex(4)
        _log.exception("error %s", number)
        st.error(
            t(
                "This is a fault of Peibi's: number {number} in the server's log. "
                "Nothing was lost; reload the page to go on.",
                number=number,
            )
        )
