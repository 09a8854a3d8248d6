"""Settling an open question by adding repeats, and trying the best of many mixes again on fresh ones."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from components import facts
from components.comparison import Chosen
from components.frame import telling
from components.progress import EVERY, watch
from components.words import duration, language, points, raw, t
from core import confirm as confirming
from core import contrast, pace
from core import settle as settling
from core.confirm import REPEATS, Confirmation
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Metric
from core.formats.importing import used_labels
from core.groups import Group, evaluated
from core.jobs.dispatch import look_after
from core.jobs.folder import Run, last_metrics
from core.project import Project
from core.settle import BUDGET, SPLIT, SettleParams
from core.workspace import Workspace

_MOST = 100  # repeats that a budget can have here


def settle(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """What is asked, what it costs, and the button; while it goes on how far it is, and then the answer."""
    run = settling.newest(space, project.slug, chosen.baseline.id, other.id)
    params = None if run is None else settling.asked(space, run.id)
    st.markdown(
        t(
            "Peibi adds a repeat to both mixes, looks, and stops as soon as chance can't explain the answer any more, "
            "or at the budget. Looking again and again is allowed here: the rule is made for it. Only dev is looked at."
        )
    )
    if run is not None and params is not None:
        if run.pending:
            _so_far(space, run.id, params)
        watch(space, run, t("Adding repeats"), f"compare_settling_{other.id}")
        if run.pending:
            return
        if run.state == "succeeded":
            _answer(chosen, other, params, space.result(run.id))
    _ask(space, project, chosen, other)


def _ask(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """The question and the budget, with what that takes."""
    left, right = st.columns([2, 1])
    label, metric = left.selectbox(
        t("Question"),
        _questions(space, chosen.baseline),
        key=f"compare_settle_question_{other.id}",
        format_func=lambda one: _words(*one),
        help=t("One question, chosen before looking: the answer to it needs no correction for many labels."),
    )
    budget = right.number_input(
        t("Repeats of each mix, at most"),
        min_value=ENOUGH_SEEDS,
        max_value=_MOST,
        value=BUDGET,
        key=f"compare_settle_budget_{other.id}",
    )
    takes = settling.cost(space, chosen.baseline, other, ENOUGH_SEEDS, budget)
    most = t("At most {n} more runs, about {time}.", n=takes.most, time=duration(takes.most_seconds))
    least = t("At least {n}, about {time}.", n=takes.least, time=duration(takes.least_seconds))
    st.caption(_joined(most, least if takes.least else t("The first look needs no new run.")))
    if st.button(t("Add repeats until it is settled"), key=f"compare_settle_{other.id}", icon=":material/balance:"):
        with telling():
            ids = (project.slug, chosen.baseline.id, other.id)
            settling.ask(space, SettleParams(time.time_ns(), *ids, label, metric, budget=budget))
            st.rerun()


def _joined(*sentences: str) -> str:
    return ("" if language() == "zh_CN" else " ").join(sentences)


Question = tuple[str, Metric]


def _questions(space: Workspace, baseline: Group) -> list[Question]:
    labels = _labels(space.root, baseline.corpora[SPLIT])
    return [("", "f1"), *((label, metric) for label in labels for metric in ("recall", "precision"))]


@st.cache_resource(max_entries=64, show_spinner=False)
def _labels(root: Path, corpus_id: str) -> tuple[str, ...]:
    """The labels that occur in a corpus."""
    return tuple(sorted(used_labels(facts.corpus(root, corpus_id))))


def _words(label: str, metric: Metric) -> str:
    """A question as it is."""
    name = {"f1": raw("F1"), "recall": raw("Recall"), "precision": raw("Precision")}[metric]
    return raw("{metric} of {label}", metric=name, label=label) if label else raw("{metric} of all labels", metric=name)


@st.fragment(run_every=EVERY)
def _so_far(space: Workspace, run_id: str, params: SettleParams) -> None:
    lines = last_metrics(space.run_folder(run_id))
    have = lines[-1]["step"] if lines else 0
    looked = next((line for line in reversed(lines) if line.get("p") is not None), None)
    st.markdown(t("**{question}**: {n} of at most {budget} repeats each.", question=_words(params.label, params.metric),
                  n=have, budget=params.budget))  # fmt: skip
    if looked is None:
        st.caption(t("The first look comes with {n} repeats each.", n=params.start))
    else:
        st.caption(
            t(
                "So far {points} points. Chance alone brings about as much in {p} of 100 cases (p = {exact}); it is "
                "settled below 5.",
                points=points(looked["value"]),
                p=_of_100(looked["p"]),
                exact=f"{looked['p']:.2g}",
            )
        )


def _of_100(p: float) -> str:
    return raw("less than one") if p < 0.01 else f"{100 * p:.0f}"


def _answer(chosen: Chosen, other: Group, params: SettleParams, result: Mapping[str, Any]) -> None:
    """The verdict of a run of the kind, and what it took."""
    names = {"mix": chosen.title(other), "baseline": chosen.title(chosen.baseline)}
    says = {
        "better": t("**{mix}** is better than {baseline}.", **names),
        "worse": t("**{mix}** is worse than {baseline}.", **names),
        "same": t(
            "**{mix}** and {baseline} are the same within {margin} points.", **names, margin=f"{100 * params.margin:g}"
        ),
        "open": t("**{mix}** or {baseline}: not settled. A larger budget goes on from here.", **names),
    }
    low, high = result["interval"] or (-1.0, 1.0)  # without one, nothing is excluded
    figures = t(
        "{question}: {points} points (95 %: {low} to {high}).",
        question=_words(params.label, params.metric),
        points=points(result["value"]),
        low=points(low),
        high=points(high),
    )
    with st.container(border=True):
        st.markdown(_joined(says[result["verdict"]], figures))
        st.caption(
            t(
                "Repeats: {before} and {after}. Runs trained for it: {added}; saved, of a budget of {budget} each: "
                "{saved}.",
                before=result["baseline_repeats"],
                after=result["other_repeats"],
                added=result["added"],
                budget=params.budget,
                saved=result["saved"],
            )
        )


def confirm(space: Workspace, project: Project, chosen: Chosen, candidates: int) -> None:
    """What fresh repeats said of mixes that were the best, and the button for the one that is now.

    `candidates`: mixes it is the best of.
    """
    known: set[str] = set()
    for group in chosen.others:
        found = _confirmation(space, project, group, chosen)
        if found is not None:
            known.add(group.id)
            _confirmed(space, project, chosen, group, found)
    best = next(iter(contrast.by_dev(space, chosen.others)), None)
    if best is not None and best.id not in known and candidates > 1:
        _offer(space, project, chosen, best, candidates)


def _offer(space: Workspace, project: Project, chosen: Chosen, best: Group, candidates: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            t(
                "**{mix}** is the best of {n} by dev: expect less of it on fresh repeats. {repeats} of them take about "
                "{time}.",
                mix=chosen.title(best),
                n=candidates,
                repeats=REPEATS,
                time=duration(pace.seconds_all(space, REPEATS, best.train)),
            ),
            width="stretch",
        )
        asked = st.button(
            t("Confirm it"),
            key=f"compare_confirm_{best.id}",
            icon=":material/verified:",
            help=t(
                "Who picks the best of many picks luck as well. Repeats on seeds that nobody picked by show what is "
                "left of its lead. They take away the luck of seeds; that dev's sentences suit it, only test can tell."
            ),
        )
    if asked:
        with telling():
            confirming.confirm(space, project.slug, best, chosen.baseline, candidates)
            st.rerun()


def _confirmation(space: Workspace, project: Project, group: Group, chosen: Chosen) -> Confirmation | None:
    asked = confirming.asked(space, project.slug, group.id, chosen.baseline.id)
    if asked is None:
        return None
    states = tuple((run.id, run.state) for run in group.runs.values())
    there = tuple(tuple(evaluated(space, one, chosen.split)) for one in (group, chosen.baseline))
    return _read(space.root, project.slug, asked, (*there, states), chosen.split, (group, chosen.baseline))


@st.cache_resource(max_entries=64, show_spinner=False)
def _read(
    root: Path,
    project: str,
    asked: confirming.Asked,
    state: tuple[object, ...],
    split: str,
    _pair: tuple[Group, Group],
) -> Confirmation | None:
    """`state`: all that can change of the two groups."""
    return confirming.confirmation(Workspace(root), project, *_pair, split)


def _confirmed(space: Workspace, project: Project, chosen: Chosen, group: Group, found: Confirmation) -> None:
    """What a mix was chosen by, and what is left of it."""
    parts = [t("**{mix}** was chosen among {of}.", mix=chosen.title(group), of=found.of)]
    if found.first is not None:
        parts = [t("**{mix}** was chosen among {of}: {first} points.", mix=chosen.title(group), of=found.of,
                   first=points(found.first))]  # fmt: skip
    if found.fresh is not None and found.fresh.interval is not None:
        low, high = (points(end) for end in found.fresh.interval)
        parts.append(
            t(
                "On {n} fresh repeats: {points} (95 %: {low} to {high}).",
                n=found.finished,
                points=points(found.fresh.value),
                low=low,
                high=high,
            )
        )
    if found.shrinkage is not None and not found.pending:
        flattered = t("It had flattered itself by {n} points.", n=f"{100 * found.shrinkage:.1f}")
        parts.append(flattered if found.shrinkage > 0 else t("It had not flattered itself."))
        parts.append(_left(chosen, found))
    with st.container(border=True):
        st.markdown(_joined(*parts))
        runs = confirming.asked(space, project.slug, group.id, chosen.baseline.id)
        ids = [group.runs[seed].id for seed in (runs.seeds if runs else ()) if seed in group.runs]
        if found.pending:
            _training(space, ids)
        elif found.finished < found.asked:
            _missing(space, project, chosen, group, found)


def _left(chosen: Chosen, found: Confirmation) -> str:
    """The verdict on the fresh repeats alone."""
    values = {"baseline": chosen.title(chosen.baseline), "margin": f"{100 * MARGIN:g}"}
    return {
        "better": t("On these alone it is better than {baseline}.", **values),
        "worse": t("On these alone it is worse than {baseline}.", **values),
        "same": t("On these alone it is the same as {baseline} within {margin} points.", **values),
        "open": t("On these alone it can't be told whether it differs from {baseline}.", **values),
    }.get(found.verdict or "", t("They are too few to judge it on these alone."))


@st.fragment(run_every=EVERY)
def _training(space: Workspace, ids: list[str]) -> None:
    runs: tuple[Run, ...] = space.store.find(ids)
    left = sum(run.pending for run in runs)
    if not left:
        st.rerun()
    if not any(run.state == "running" for run in runs):
        look_after(space.root)
    ended = len(runs) - left
    st.progress(ended / len(runs), text=t("{n} of {all} fresh repeats have ended.", n=ended, all=len(runs)))


def _missing(space: Workspace, project: Project, chosen: Chosen, group: Group, found: Confirmation) -> None:
    st.caption(t("{n} of {all} fresh repeats ended well.", n=found.finished, all=found.asked))
    if st.button(t("Try the others again"), key=f"compare_confirm_more_{group.id}", icon=":material/refresh:"):
        with telling():
            confirming.go_on(space, project.slug, group, chosen.baseline)
            st.rerun()
