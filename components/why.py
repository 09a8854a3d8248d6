"""Why a run says what it says: chosen among the sentences on a page, the words it hangs on and the rows behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from components import asking, behind
from components.behind import sides
from components.frame import PAGES
from components.shading import shaded
from components.words import raw, t, told, visible
from core.groups import Group
from core.jobs import warm
from core.jobs.folder import read_json
from core.models.loading import is_prompted
from core.project import Project
from core.reasons.reading import refusal
from core.runs import RunSpec
from core.why import read_mix
from core.workspace import Workspace

_SECONDS = 60.0  # that an answer may take; the first one of a run also waits for its weights


@dataclass(frozen=True)
class Sentence:
    """One that can be asked about. `words`: how it is offered; `run`: whose prediction it is; `place`: as of
    core.why.WhyRequest, a row of a corpus or a text; `group`: of the run, whose rows may be left out of a trial."""

    words: str
    run: str
    place: Mapping[str, Any]
    group: Group | None = None

    @property
    def request(self) -> dict[str, Any]:
        return {"run": self.run, **self.place}


def why(space: Workspace, project: Project, sentences: Sequence[Sentence], key: str) -> None:
    """Choose one of the sentences shown, and ask. A run that asks a language model has no network to look into."""
    sentences = [one for one in sentences if not is_prompted(space.run_folder(one.run) / "model")]
    if not sentences:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at = st.selectbox(
            t("Why does the run say so?"),
            range(len(sentences)),
            key=f"{key}_of",
            format_func=lambda at: visible(sentences[at].words),
            help=t("The words that a prediction hangs on, and the training sentences that stand behind it."),
        )
        if st.button(t("Why?"), key=f"{key}_ask", icon=":material/troubleshoot:"):
            for part in ("words", "rows"):
                asking.forget(f"{key}_{part}")
            st.session_state[f"{key}_wanted"] = sentences[at].request
            _read(space, sentences[at].run)
    wanted: dict[str, Any] | None = st.session_state.get(f"{key}_wanted")
    for one in sentences:
        if one.request == wanted:
            with st.container(border=True):
                _answer(space, project, one.group, one.request, key)
            return


def _read(space: Workspace, run: str) -> None:
    """Have the rows behind a run read, where it learned from labels in a mix and has its weights."""
    spec = RunSpec.from_json(read_json(space.run_folder(run) / "spec.json"))
    if refusal(run, spec) is None and (space.run_folder(run) / "model").exists():
        read_mix(space, run)


def _answer(space: Workspace, project: Project, group: Group | None, wanted: dict[str, Any], key: str) -> None:
    """What was asked last: the words at once, the rows when they have been read."""
    warm.start(space.root)
    about: int = st.session_state.get(f"{key}_about", 0) if st.session_state.get(f"{key}_told") == wanted else 0
    asked = asking.asked(space, f"{key}_words", "why", {**wanted, "about": about}, _SECONDS)
    if asked.problem is not None:
        if asked.problem.code == "why_nothing":
            bare = t("The run marks nothing in this sentence.")
            st.info(bare if "text" in wanted else t("Neither the run nor gold marks anything in this sentence."))
            return
        if asked.problem.code in ("run_without_weights", "run_prompted"):  # asking again changes nothing
            st.info(told(asked.problem), icon=":material/info:")
            if asked.problem.code == "run_without_weights":
                _train_again(project, group)
            return
        asking.problem(f"{key}_words", asked.problem)
    elif asked.answer is None:
        asking.waiting(space, f"{key}_words")
    else:
        st.session_state[f"{key}_told"] = wanted
        _words(asked.answer, key)
        behind.rows(space, project, group, {**wanted, "about": about, "rows": True}, asked.answer, key)


def _train_again(project: Project, group: Group | None) -> None:
    """Where a run without weights, as those of samples are, can be trained again."""
    if group is not None:
        st.page_link(
            PAGES["runs"],
            label=t("Train it again with weights, on Runs"),
            icon=":material/play_circle:",
            query_params={"project": project.slug, "group": group.id},
        )


def _words(told: Mapping[str, Any], key: str) -> None:
    """What can be asked of the sentence, and what each of its words adds."""
    questions: Sequence[Mapping[str, Any]] = told["asked"]
    st.selectbox(
        t("Asked"),
        range(len(questions)),
        key=f"{key}_about",
        format_func=lambda at: question_words(told, questions[at]),
    )
    one, weighed = questions[told["about"]], told["weighed"]
    said, rather = sides(one)
    st.caption(
        t(
            "**The words.** Blue, with a plus: it speaks for {said}. Orange, with a minus: for {rather}. Framed: what "
            "is asked about.",
            said=said,
            rather=rather,
        )
    )
    shaded(told["words"], weighed["by_word"], range(one["start"], one["end"]), f"{key}_shaded")
    st.caption(
        t(
            "The logit of {said} less that of {rather} is {whole}; with all words masked it is {bare}, and the words "
            "add the rest, {sum}.",
            said=said,
            rather=rather,
            whole=f"{weighed['whole']:+.2f}",
            bare=f"{weighed['bare']:+.2f}",
            sum=f"{sum(weighed['by_word']):+.2f}",
        ),
        help=t(
            "Integrated gradients (Sundararajan et al. 2017) over {steps} steps; the sum is off by {gap}.",
            steps=weighed["steps"],
            gap=f"{abs(weighed['gap']):.3f}",
        ),
    )
    if not weighed["close"]:
        st.warning(t("The integral is not exact enough: the words add up to something else. Read them as a sketch."))


def question_words(told: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """A question, as it is."""
    said, rather = sides(one)
    values = {"said": said, "rather": rather, "words": " ".join(told["words"][one["start"] : one["end"]])}
    if one["start"] == one["end"]:
        return raw("{said}, and not {rather} as in gold", **values) if one["wrong"] else raw(
            "{said}, and not {rather}, which is next", **values
        )  # fmt: skip
    if one["wrong"]:
        return raw("{words}: {said}, and not {rather} as in gold", **values)
    return raw("{words}: {said}, and not {rather}, which is next", **values)
