"""Blamed rows before a real run: the mix with and without them on fresh seeds, and what that shows."""

from dataclasses import dataclass

import streamlit as st

from components.expectation import of_launch
from components.frame import PAGES, telling, watch_link
from components.progress import EVERY
from components.verdicts import metric_words, verdict_words
from components.words import points, raw, t, visible
from core import without
from core.evaluation.verdicts import MARGIN, Judged
from core.jobs.dispatch import look_after
from core.mix import Mix
from core.project import Project
from core.stage import Stage
from core.without import REPEATS, Blamed, Outcome, Trial
from core.workspace import Workspace


@dataclass(frozen=True)
class Ground:
    """What a trial is made on: a project's pools."""

    space: Workspace
    project: Project
    stage: Stage


def trial(ground: Ground, mix: Mix, blamed: Blamed) -> None:
    """What the newest trial of these rows showed, and the button for another one."""
    made = without.trial(ground.space, ground.project.slug, blamed.ingredient, blamed.label)
    found = None if made is None else without.outcome(ground.space, ground.project.slug, made)
    if made is not None and found is not None:
        _told(ground, made, found)
    if blamed.rows and not (found is not None and found.pending):
        _offer(ground, mix, blamed)


def _offer(ground: Ground, mix: Mix, blamed: Blamed) -> None:
    with telling():
        plan = without.wanted(ground.space, ground.project, ground.stage, mix)
        says, how = of_launch(plan.estimate)
        st.markdown(says, help=how)
        if st.button(
            t("Train it without these {n}", n=len(blamed.rows)), key="mix_without", icon=":material/verified:",
            help=t(
                "The mix is trained with and without them on {n} fresh seeds. Nothing of the project changes.",
                n=REPEATS,
            ),
        ):  # fmt: skip
            with st.spinner(t("Starting the runs ...")):
                without.ask(ground.space, ground.project, ground.stage, mix, blamed)
            st.rerun()


def _told(ground: Ground, made: Trial, found: Outcome) -> None:
    """How far it is, or the verdict: of the label in question first."""
    rows, name = len(made.blamed.rows), made.blamed.ingredient
    with st.container(border=True):
        if found.pending:
            _training(ground, made)
            watch_link(ground.project.slug)
        elif found.asked is None:
            st.markdown(t("Without {n} sentences of {name}: nothing can be compared.", n=rows, name=name))
        else:
            _verdict(found, found.asked)
        if not found.pending and found.finished < found.wanted:
            st.caption(t("{n} of {all} fresh repeats ended well.", n=found.finished, all=found.wanted))
            if st.button(t("Try the others again"), key="mix_without_more", icon=":material/refresh:"):
                with telling():
                    without.go_on(ground.space, ground.project.slug, made)
                    st.rerun()


def _verdict(found: Outcome, asked: Judged) -> None:
    blamed = found.trial.blamed
    low, high = ("-", "-") if asked.interval is None else (points(end) for end in asked.interval)
    values = {"n": len(blamed.rows), "name": blamed.ingredient, "margin": f"{100 * MARGIN:g}"}
    values |= {"label": asked.label or raw("all labels"), "value": points(asked.difference.value)}
    values |= {"low": low, "high": high}
    st.markdown(
        {
            "better": t("**Without {n} sentences of {name} {label} is better**: F1 {value} points ({low} to {high}).",
                        **values),
            "worse": t("**Without {n} sentences of {name} {label} is worse**: F1 {value} points ({low} to {high}).",
                       **values),
            "same": t("Without {n} sentences of {name} {label} is the same within {margin} points: F1 {value} points "
                      "({low} to {high}).", **values),
            "open": t("Without {n} sentences of {name} it can't be told whether {label} differs: F1 {value} points "
                      "({low} to {high}).", **values),
            "few_mentions": t("Without {n} sentences of {name}: {label} has too few mentions in dev to be judged.",
                              **values),
            "few_repeats": t("Without {n} sentences of {name}: too few repeats to judge {label}.", **values),
        }[asked.verdict]
    )  # fmt: skip
    _others(found)
    st.caption(
        t(
            "On fresh seeds, on dev. The sentences were picked by what is found on dev, so dev flatters leaving them "
            "out: hold both mixes against test on Compare before you rely on it."
        )
    )
    st.page_link(PAGES["compare"], label=t("Compare"), icon=":material/compare_arrows:")


def _others(found: Outcome) -> None:
    column = st.column_config
    st.dataframe(
        [
            {
                "label": visible(one.label) if one.label else raw("all labels"),
                "metric": metric_words(one.metric),
                "points": 100 * one.difference.value,
                "verdict": verdict_words(one),
            }
            for one in found.others
        ],
        key="mix_without_table",
        hide_index=True,
        column_config={
            "label": column.TextColumn(raw("Label")),
            "metric": column.TextColumn(raw("Score")),
            "points": column.NumberColumn(raw("Points"), format="%+.1f"),
            "verdict": column.TextColumn(raw("Verdict")),
        },
        alt=raw("The mix without the sentences against the mix with them"),
    )


@st.fragment(run_every=EVERY)
def _training(ground: Ground, made: Trial) -> None:
    found = without.outcome(ground.space, ground.project.slug, made)
    if found is None or not found.pending:
        st.rerun()
    look_after(ground.space.root)
    ended = found.wanted - found.pending
    st.progress(ended / found.wanted, text=t("{n} of {all} fresh repeats have ended.", n=ended, all=found.wanted))
