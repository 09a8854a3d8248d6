"""The Report page: what it is asked for, the report itself in a frame of its own, and the ways to pass it on."""

from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from components.address import choice
from components.taking import offer_tables, offer_tracker, sent
from components.verdicts import split_words
from components.words import escape, language, raw, t, visible
from core import contrast
from core.brief import document as written
from core.brief.facts import Brief
from core.brief.gathering import EXAMPLES, brief
from core.brief.words import MINUTES, page
from core.params import slug
from core.project import Project
from core.workspace import Workspace

_HEIGHT, _ALONE = 820, 700  # pixels of the frame; alone it is to end above the edge of a small screen


@dataclass(frozen=True)
class Asked:
    """What a report is asked for."""

    found: Brief
    question: str = ""
    minutes: float = MINUTES

    @property
    def text(self) -> str:
        """The file, in the language of the session."""
        return written.document(page(self.found, language(), self.question, self.minutes))


def asked(space: Workspace, project: Project) -> Asked:
    """Mix, baseline and split, as the address says, and how it is told. Raises CoreError as `brief` does."""
    there = contrast.finished(space, project.slug)
    titles = contrast.titles(there)
    by_id = {group.id: group for group in there}
    base = contrast.gold_only(there) or there[0]
    left, middle, right = st.columns([3, 3, 2])
    with middle:
        baseline = choice(
            st.selectbox,
            t("Baseline"),
            list(by_id),
            key="baseline",
            default=base.id,
            show=lambda id: visible(titles[id]),
            help=t("What the mix is held against."),
        )
    like = [id for id, group in by_id.items() if id != baseline and not contrast.other_splits(group, by_id[baseline])]
    with left:
        mix = choice(
            st.selectbox,
            t("Mix"),
            ["", *like],
            key="against",
            show=lambda id: visible(titles[id]) if id else raw("the one confirmed last, or the best on dev"),
            help=t("The report answers for one mix."),
        )
    with right:
        split = choice(
            st.segmented_control,
            t("Split"),
            ["", "dev", "test"],
            key="measured_on",
            show=lambda split: escape(split_words(split)) if split else t("Auto"),
            help=t("Auto: test where both were looked at there, else dev. A report never looks anew."),
        )
    question, minutes, quoted = _how()
    found = brief(space, project, mix, baseline, split, EXAMPLES if quoted else 0)
    return Asked(found, question, minutes)


def _how() -> tuple[str, float, bool]:
    """How it is told. -> the question, minutes to label a row, whether sentences are quoted"""
    with st.expander(t("How it is told")):
        question = st.text_input(
            t("Question"), key="report_question", placeholder=t("as the report puts it"), max_chars=200
        )
        minutes = st.number_input(
            t("Minutes to label a row"),
            0.1,
            600.0,
            MINUTES,
            0.5,
            key="report_minutes",
            help=t("What a gain is worth in a person's time goes by this."),
        )
        quoted = st.toggle(
            t("Quote three sentences of the data"),
            True,
            key="report_quoted",
            help=t("They may name real people: leave them out where the file goes further."),
        )
    return question.strip(), float(minutes), quoted


def take_along(space: Workspace, project: Project, told: Asked) -> None:
    """The file, the address that shows nothing else, and the results for other programs."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            t("Download as one file"),
            lambda: told.text,
            file_name=f"report-{slug(project.slug)}.html",
            mime="text/html",
            key="report_file",
            icon=":material/download:",
            on_click="ignore",
            help=t("One HTML file: it needs no network, prints, and presents by itself."),
        )
        with st.popover(t("Link"), icon=":material/link:"):
            st.markdown(
                t(
                    "This address shows the presentation of this project and nothing else. It hides the rest and "
                    "doesn't lock it: start Peibi with `PEIBI_SHOW={project}` for a server that has no other page.",
                    project=project.slug,
                )
            )
            st.code(link(project), language=None)
        offer_tables(space, project)
        offer_tracker(space, project)
    sent(space)


def link(project: Project) -> str:
    """The address of the report alone, with what was chosen."""
    values = {name: st.query_params[name] for name in ("against", "baseline", "measured_on") if name in st.query_params}
    base = (st.context.url or "").partition("?")[0].removesuffix("/report")
    return f"{base}/?{urlencode({'show': '1', 'project': project.slug, 'lang': language(), **values})}"


def framed(told: Asked, alone: bool = False) -> None:
    """The report in a frame. The file forbids all scripts but its own, so text from users stays text."""
    st.iframe(told.text, height=_ALONE if alone else _HEIGHT, alt=raw("The report"))


def alone(space: Workspace, project: Project) -> None:
    """The report and nothing else, with what the address asks for. Raises CoreError as `brief` does."""
    wanted = [st.query_params.get(name, "") for name in ("against", "baseline", "measured_on")]
    split = wanted[2] if wanted[2] in ("dev", "test") else ""
    framed(Asked(brief(space, project, wanted[0], wanted[1], split)), alone=True)
