"""The Home page's parts: what the sample's runs say, how to get data, and what was worked on last."""

from dataclasses import replace

import streamlit as st

from components import facts
from components.frame import PAGES, telling
from components.verdicts import all_verdicts, interval_help, metric_help, metric_words, split_words, verdict_sentence
from components.words import raw, said_raw, t, visible
from core import contrast
from core.groups import Group, evaluated
from core.project import names
from core.recent import recent_projects, recent_runs, sample_rows
from core.report.contrast import colours
from core.report.finding import Finding, findings
from core.report.forest import forest, label_rows
from core.sample import Sample, open_sample, samples
from core.workspace import Workspace

SAMPLE = "newsroom"
_PROJECTS, _RUNS = 8, 8


def story(space: Workspace) -> None:
    """What the sample's runs say, with its figure and the ways on; without the sample, the way to open it."""
    if SAMPLE not in names(space):
        st.markdown(
            t(
                "The sample has news sentences with places, persons and organisations marked, and trained runs: "
                "see within a minute what a mix can change."
            )
        )
        with st.container(horizontal=True):
            if st.button(t("Open the sample"), key="home_open", type="primary", icon=":material/folder_open:"):
                _open(space, SAMPLE, "home")
            _own_data()
        return
    told = _told(space)
    if told is None:
        st.info(t("The sample has no finished runs to compare yet. Launch its mixes on Mix, and look here again."))
        with st.container(horizontal=True):
            st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params={"project": SAMPLE})
            _own_data()
        return
    _finding(*told)


Told = tuple[Workspace, Group, Group, str, Finding, Finding | None]


def _told(space: Workspace) -> Told | None:
    """The sample's best mix beside gold alone, on test where both were tried there. None: too few runs."""
    found = contrast.finished(space, SAMPLE)
    baseline = contrast.gold_only(found)
    if baseline is None:
        return None
    others = [g for g in found if g.id != baseline.id and not contrast.other_splits(g, baseline)]
    tested = [group for group in others if evaluated(space, group, "test")]
    split = "test" if tested and evaluated(space, baseline, "test") else "dev"
    candidates = tested if split == "test" else others
    titles = contrast.titles(found)
    with st.spinner(t("Comparing the sample's mixes")):
        comparisons = {group.id: facts.comparison(space, baseline, group, split) for group in candidates}
        found_by_id = {id: replace(one, name=titles[id]) for id, one in findings(comparisons).items()}
        best, worst = contrast.best_and_worst(contrast.by_dev(space, candidates), found_by_id)
    return None if best is None else (space, baseline, best[0], split, best[1], worst[1] if worst else None)


def _finding(space: Workspace, baseline: Group, best: Group, split: str, found: Finding, worst: Finding | None) -> None:
    st.caption(t("What its runs say, compared with {baseline}:", baseline=baseline.name))
    st.markdown(verdict_sentence(found, split), help=interval_help())
    if worst:
        st.markdown(verdict_sentence(worst, split))
    title, claimed = found.name, next((one.metric for one in (*found.gains, *found.losses)), "recall")
    colour = colours({title: list(best.mix.parts)}, list(best.mix.parts))[title]
    rows = label_rows(found, claimed, colour, raw("all labels"), all_verdicts())
    axis = raw(
        "{metric} on {split}: points more or less than {baseline}",
        metric=metric_words(claimed),
        split=split_words(split),
        baseline=baseline.name,
    )
    st.plotly_chart(
        forest(rows, axis),
        key="home_forest",
        width="stretch",
        config={"displayModeBar": False},
        alt=raw(
            "{metric} by label: {mix} against {baseline}",
            metric=metric_words(claimed),
            mix=best.name,
            baseline=baseline.name,
        ),
    )
    st.caption(
        metric_help(claimed)
        + " "
        + t("Dots: mean difference with {mix}; lines: 95 % intervals. Right of zero, {mix} is better.", mix=best.name)
    )
    with st.container(horizontal=True):
        if st.button(t("See why"), key="home_why", type="primary", icon=":material/compare_arrows:"):
            to = {"project": SAMPLE, "against": best.id, "split": split}
            st.switch_page(PAGES["compare"], query_params=to)
        _own_data()


def _own_data() -> None:
    if st.button(t("Use my data"), key="home_own", icon=":material/upload_file:"):
        st.switch_page(PAGES["data"], query_params={"view": "new"})


def _open(space: Workspace, name: str, page: str) -> None:
    """Make the sample's project and go to a page with it."""
    with telling(), st.spinner(t("Opening the sample")):
        open_sample(space, name)
        st.switch_page(PAGES[page], query_params={"project": name})


def steps() -> None:
    """What is done with Peibi, in three steps."""
    first, second, third = st.columns(3)
    with first.container(border=True, height="stretch"):
        st.markdown(t("**1. Import and look.** Bring labelled sentences; every repaired line is told."))
        st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:")
    with second.container(border=True, height="stretch"):
        st.markdown(t("**2. Augment and mix.** Make new sentences from gold, and say how much of each joins it."))
        with st.container(horizontal=True):
            st.page_link(PAGES["augment"], label=t("Augment"), icon=":material/content_copy:")
            st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
    with third.container(border=True, height="stretch"):
        st.markdown(t("**3. Run and compare.** Train each mix several times, and see what it gains and costs."))
        with st.container(horizontal=True):
            st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")
            st.page_link(PAGES["compare"], label=t("Compare"), icon=":material/compare_arrows:")


def other_samples(space: Workspace) -> None:
    """The samples that are no project yet, but for the first."""
    left = [sample for sample in samples() if sample.name != SAMPLE and sample.name not in names(space)]
    if left:
        st.subheader(t("Other samples"), anchor=False)
    for sample in left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_about(sample), width="stretch")
            if st.button(t("Open"), key=f"home_open_{sample.name}", icon=":material/folder_open:"):
                _open(space, sample.name, "data")


def _about(sample: Sample) -> str:
    spoken = {"en": raw("English"), "zh": raw("Chinese")}.get(sample.language, sample.language)
    text = t("{title}: {n} sentences, {language}.", title=sample.title, n=sample_rows(sample), language=spoken)
    if sample.language == "en":
        return text
    return text + " " + t("To look at data and mixes only: the encoder that comes with Peibi reads English.")


def projects(space: Workspace) -> None:
    """The last projects, and the pages of the one selected."""
    found = recent_projects(space, _PROJECTS)
    if not found:
        return
    st.subheader(t("Recent projects"), anchor=False)
    column = st.column_config
    picked = st.dataframe(
        [
            {
                "title": visible(line.title),
                **{split: line.rows.get(split) for split in ("train", "dev", "test")},
                "runs": line.runs,
                "changed": 1000 * line.changed,
            }
            for line in found
        ],
        key="home_projects",
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0], "columns": [], "cells": []}},
        hide_index=True,
        placeholder="-",
        column_config={
            "title": column.TextColumn(raw("Project"), width="medium"),
            "train": column.NumberColumn(raw("Train"), help=raw("Gold sentences to train on.")),
            "dev": column.NumberColumn(raw("Dev"), help=raw("Sentences that choose the best moment of a run.")),
            "test": column.NumberColumn(raw("Test"), help=raw("Sentences for the last word.")),
            "runs": column.NumberColumn(raw("Finished runs")),
            "changed": column.DatetimeColumn(raw("Last change"), format="YYYY-MM-DD HH:mm"),
        },
        alt=raw("Recent projects"),
    )
    at = next(iter(picked.selection.rows), 0)
    line = found[min(at, len(found) - 1)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("Open {title}:", title=line.title))
        to = {"project": line.slug}
        st.page_link(PAGES["data"], label=t("Data"), icon=":material/table_rows:", query_params=to)
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params=to)
        st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:", query_params=to)
        st.page_link(PAGES["compare"], label=t("Compare"), icon=":material/compare_arrows:", query_params=to)


def runs(space: Workspace) -> None:
    """The newest trainings."""
    found = recent_runs(space, _RUNS)
    if not found:
        return
    st.subheader(t("Recent runs"), anchor=False)
    column = st.column_config
    st.dataframe(
        [
            {
                "mix": visible(line.mix),
                "seed": line.seed,
                "state": said_raw(f"state_{line.run.state}"),
                "project": visible(line.project),
                "when": 1000 * line.run.submitted,
            }
            for line in found
        ],
        key="home_runs",
        hide_index=True,
        column_config={
            "mix": column.TextColumn(raw("Mix"), width="medium"),
            "seed": column.NumberColumn(raw("Repeat"), help=raw("The random seed of the run.")),
            "state": column.TextColumn(raw("State")),
            "project": column.TextColumn(raw("Project")),
            "when": column.DatetimeColumn(raw("Submitted"), format="YYYY-MM-DD HH:mm"),
        },
        alt=raw("Recent runs"),
    )
    st.page_link(PAGES["runs"], label=t("All runs"), icon=":material/play_circle:", query_params={"scope": "all"})
