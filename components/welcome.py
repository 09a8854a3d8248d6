"""The Home page's parts: what the sample's runs say, how to get data, and what was worked on last."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from components import facts
from components.frame import PAGES, rows_of, telling
from components.pictures import still
from components.verdicts import all_verdicts, interval_help, metric_help, split_words, verdict_sentence
from components.words import raw, said_raw, speaking, t, visible
from core import contrast
from core.groups import Group, evaluated
from core.mixing import added
from core.project import load, names
from core.recent import recent_projects, recent_runs, sample_rows
from core.report.contrast import colours
from core.report.finding import Finding, findings
from core.report.forest import forest, mix_rows
from core.sample import Sample, open_sample, samples
from core.tasks import task
from core.workspace import Workspace

SAMPLE = "newsroom"
_PROJECTS, _RUNS = 8, 8


def story(space: Workspace) -> None:
    """What the sample's runs say, with its figure and the ways on; without the sample, the way to open it."""
    with speaking(rows_of(space, SAMPLE)):
        _story(space)


def _story(space: Workspace) -> None:
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
    _finding(told)


@dataclass(frozen=True)
class Told:
    """What the sample's runs say on a split. `found`: by title, all mixes judged together; `best`: on dev; `worst`: the
    title of a mix that does harm."""

    baseline: Group
    split: str
    found: Mapping[str, Finding]
    colours: Mapping[str, str]
    best: Group
    best_title: str
    worst: str | None


def _told(space: Workspace) -> Told | None:
    """The sample's mixes beside gold alone, on test where they were tried there. None: too few runs."""
    groups = contrast.finished(space, SAMPLE)
    baseline = contrast.gold_only(groups)
    if baseline is None:
        return None
    others = [g for g in groups if g.id != baseline.id and not contrast.other_splits(g, baseline)]
    tested = [group for group in others if evaluated(space, group, "test")]
    split = "test" if tested and evaluated(space, baseline, "test") else "dev"
    candidates = tested if split == "test" else others
    titles = contrast.titles(groups)
    with st.spinner(t("Comparing the sample's mixes")):
        found = findings({titles[g.id]: facts.comparison(space, baseline, g, split) for g in candidates})
    order = contrast.by_dev(space, candidates)
    best, worst = contrast.best_and_worst(order, {g.id: found[titles[g.id]] for g in candidates})
    if best is None:
        return None
    parts = {titles[g.id]: list(added(g.mix)) for g in groups}
    shown = colours(parts, list(load(space, SAMPLE).ingredients))
    harm = None if worst is None else worst[1].name
    return Told(baseline, split, found, shown, best[0], best[1].name, harm)


def _finding(told: Told) -> None:
    st.caption(t("What its runs say, compared with {baseline}:", baseline=told.baseline.name))
    st.markdown(verdict_sentence(told.found[told.best_title], told.split), help=interval_help())
    if told.worst:
        st.markdown(verdict_sentence(told.found[told.worst], told.split))
    axis = raw(
        "F1 of all labels on {split}: points more or less than {baseline}",
        split=split_words(told.split),
        baseline=told.baseline.name,
    )
    drawn = forest(mix_rows(told.found, told.colours, all_verdicts()), axis)
    still(drawn, "home_forest", axis)
    st.caption(
        metric_help("f1")
        + " "
        + t("The mark is the mean difference of a mix, the line its 95 % interval. Right of zero it is better.")
    )
    with st.container(horizontal=True):
        if st.button(t("See why"), key="home_why", type="primary", icon=":material/compare_arrows:"):
            to = {"project": SAMPLE, "against": told.best.id, "split": told.split}
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
            st.page_link(PAGES["report"], label=t("Report"), icon=":material/description:")


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
    with speaking(task(sample.task).rows):
        return t("{title}: {n} sentences, {language}.", title=sample.title, n=sample_rows(sample), language=spoken)


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
        st.page_link(PAGES["report"], label=t("Report"), icon=":material/description:", query_params=to)


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
