"""How far a mix's confidence can be trusted, what a threshold on it keeps, and how it bears noise and other names."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from components.address import choice
from components.attack import attacked
from components.comparison import Chosen
from components.pictures import picture
from components.robustness import tried
from components.verdicts import metric_words
from components.words import percent, raw, t, visible
from core.evaluation.calibration import Effect, Reliability, effect
from core.groups import Group, evaluated
from core.project import Project
from core.report import trust as figures
from core.scores import FEW
from core.trust import Marks, carried, curve, marks, reliable
from core.workspace import Workspace

_USUAL = 80  # per cent: the threshold that is shown first
_Groups = Mapping[str, Group]  # by title, the baseline first


def trust(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """The baseline and one mix, side by side."""
    groups = {chosen.title(group): group for group in (chosen.baseline, other)}
    st.subheader(t("How far can its confidence be trusted?"), anchor=False)
    _confidence(space, chosen, groups)
    _thresholds(space, chosen, groups)
    st.subheader(t("How does it bear noise and new names?"), anchor=False)
    tried(space, chosen, groups)
    st.subheader(t("How easily is it fooled?"), anchor=False)
    attacked(space, groups)


@st.cache_resource(max_entries=64, show_spinner=False)
def _marks(root: Path, runs: tuple[str, ...], corpus: str, split: str, _group: Group) -> Marks:
    return marks(Workspace(root), _group, split)


def marks_of(space: Workspace, group: Group, split: str) -> Marks:
    """What a group's runs marked in a split. Raises CoreError `nothing_evaluated`."""
    runs = tuple(evaluated(space, group, split))
    return _marks(space.root, runs, group.corpora.get(split, ""), split, group)


@st.cache_resource(max_entries=64, show_spinner=False)
def _reliable(root: Path, runs: tuple[str, ...], corpus: str, split: str, _group: Group) -> Reliability | None:
    return reliable(marks_of(Workspace(root), _group, split))


def reliable_of(space: Workspace, group: Group, split: str) -> Reliability | None:
    """How far the confidence of a group's runs can be trusted; None where they marked nothing."""
    runs = tuple(evaluated(space, group, split))
    return _reliable(space.root, runs, group.corpora.get(split, ""), split, group)


def _confidence(space: Workspace, chosen: Chosen, groups: _Groups) -> None:
    """What the confidence claims against what is right."""
    found = {mix: reliable_of(space, group, chosen.split) for mix, group in groups.items()}
    for mix, one in found.items():
        st.markdown(reliability_words(mix, one))
    judged = {mix: one for mix, one in found.items() if one is not None}
    words = {
        "claimed": raw("Confidence"),
        "right": raw("Of these, right"),
        "exact": raw("exactly right about itself"),
        "mentions": raw("mentions a repeat"),
    }
    alt = raw("How many marked mentions are right, by confidence")
    picture(figures.reliability(judged, chosen.colours, words), "trust_reliability", alt=alt)
    st.caption(
        t(
            "The confidence of a mention is the probability of its least probable word; right is one with the borders "
            "and label of gold. Each dot holds about as many mentions as the others, the mean over repeats; its line "
            "is the 95 % interval. Below the dashed line the model is too sure, above it not sure enough."
        )
    )


def reliability_words(mix: str, found: Reliability | None) -> str:
    """What is to be thought of a mix's confidence, for Markdown sinks."""
    if found is None:
        return t("**{mix}** marked nothing, so there is no confidence to judge.", mix=mix)
    values = {
        "mix": mix,
        "claimed": percent(found.claimed),
        "right": percent(found.right),
        "error": f"{100 * found.error:.1f}",
        "chance": f"{100 * found.chance:.1f}",
        "few": FEW,
    }
    match found.lean:
        case "few":
            return t("**{mix}** marks under {few} mentions: too few to judge its confidence.", **values)
        case "over":
            return t(
                "**{mix}** is too sure: its confidence promises that {claimed} of what it marks is right, and {right} "
                "is. Level by level of confidence the two are {error} points apart on average (calibration error; "
                "chance alone makes up to {chance}).",
                **values,
            )
        case "under":
            return t(
                "**{mix}** is not sure enough: its confidence promises that {claimed} of what it marks is right, and "
                "{right} is. Level by level of confidence the two are {error} points apart on average (calibration "
                "error; chance alone makes up to {chance}).",
                **values,
            )
        case "mixed":
            return t(
                "**{mix}** is too sure of some mentions and not sure enough of others. On average confidence and truth "
                "are {error} points apart (calibration error; chance alone makes up to {chance}).",
                **values,
            )
        case "fair":
            return t(
                "**{mix}** is about as often right as its confidence says. They are {error} points apart, which chance "
                "alone can make (up to {chance}).",
                **values,
            )


@st.fragment
def _thresholds(space: Workspace, chosen: Chosen, groups: _Groups) -> None:
    """What is left when mentions below a threshold are thrown away, of one label or of all."""
    found = {mix: marks_of(space, group, chosen.split) for mix, group in groups.items()}
    labels = next(iter(found.values())).labels
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at = st.slider(
            t("Keep only mentions with a confidence of at least"),
            min_value=0,
            max_value=100,
            value=_USUAL,
            step=1,
            format="%d %%",
            key="sure",
            bind="query-params",
        )
        label = choice(
            st.selectbox,
            t("Label"),
            ["", *labels],
            key="sure_of",
            show=lambda label: visible(label) if label else raw("all labels"),
            width=220,
        )
    curves = {mix: curve(one.of(label)) for mix, one in found.items()}
    for mix, one in curves.items():
        st.markdown(effect_words(mix, effect(one, at / 100)))
    words = {
        "threshold": raw("Least confidence"),
        "precision": metric_words("precision"),
        "recall": metric_words("recall"),
    }
    alt = raw("Precision and recall by the least confidence that is kept")
    picture(figures.thresholds(curves, at / 100, chosen.colours, words), "trust_thresholds", alt=alt)
    _best(space, chosen, groups, label)


def effect_words(mix: str, found: Effect) -> str:
    """What a threshold does, for Markdown sinks."""
    before, after = (None if rate is None else percent(rate) for rate in found.precision)
    recall = [percent(rate) for rate in found.recall]
    values = {"mix": mix, "threshold": percent(found.threshold), "recall": recall[0], "recall_then": recall[1]}
    if before is None or after is None:
        return t("**{mix}**: a repeat marks no mention with a confidence of {threshold} or more.", **values)
    return t(
        "**{mix}**, only mentions of at least {threshold}: precision {precision} → {precision_then}, recall {recall} → "
        "{recall_then}.",
        precision=before,
        precision_then=after,
        **values,
    )


def _best(space: Workspace, chosen: Chosen, groups: _Groups, label: str) -> None:
    """The threshold that dev would choose, and what it does here; labels that dev lacks have none."""
    told = [
        t("Solid: precision; dotted: recall; the mean over repeats, with the lowest and the highest as a band."),
    ]
    for mix, group in groups.items():
        dev = marks_of(space, group, "dev")
        if label and label not in dev.labels:
            continue
        there, here = carried(dev.of(label), marks_of(space, group, chosen.split).of(label))
        told.append(best_words(mix, there, here, chosen.split))
    st.caption("  \n".join(told))


def best_words(mix: str, dev: Effect, here: Effect, split: str) -> str:
    """What the threshold that dev would choose does on a split, for Markdown sinks."""
    values = {"mix": mix, "threshold": percent(dev.threshold)}
    values |= {"before": percent(here.f1[0], 1), "after": percent(here.f1[1], 1)}
    if dev.threshold == 0:
        return t("{mix}: on dev, F1 is highest without any threshold.", **values)
    if split == "dev":
        return t(
            "{mix}: F1 is highest at {threshold}, {before} → {after}; chosen on the same sentences, so it flatters.",
            **values,
        )
    return t("{mix}: dev would choose {threshold}, which takes F1 here from {before} to {after}.", **values)
