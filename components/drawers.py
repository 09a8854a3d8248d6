"""Drawers of the Compare page, of which one is open: where labels move, what is taken for what, and all the rest."""

from collections.abc import Collection
from pathlib import Path

import streamlit as st

from components import facts
from components.address import choice
from components.apart import cost, settings
from components.comparison import Chosen
from components.frame import telling
from components.labels import label_choice
from components.pictures import picture
from components.settle import confirm, settle
from components.shots import shots
from components.slices import matched, slices
from components.trust import trust
from components.verdicts import metric_words
from components.words import escape, percent, raw, t
from components.worth import worth
from core.groups import Group, evaluated
from core.project import Project
from core.report import confusion as maps
from core.report.confusion import BOUNDARY, MISSED, NOTHING, Change, Shares
from core.report.plane import Key, places, plane
from core.scores import FEW
from core.workspace import Workspace

_VIEWS = ("plane", "confusion", "slices", "trust", "worth", "shots", "settle", "settings", "cost")


@st.fragment
def drawer(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """The views of one mix against the baseline; only the one that is chosen is computed."""
    words = {
        "plane": t("Precision and recall"),
        "confusion": t("What is taken for what"),
        "slices": t("Kinds of mentions"),
        "trust": t("Confidence and noise"),
        "worth": t("Worth in labelled sentences"),
        "shots": t("Which method with how many rows"),
        "settle": t("More repeats"),
        "settings": t("Settings that differ"),
        "cost": t("Cost"),
    }
    view = choice(st.pills, t("View"), _VIEWS, key="drawer", show=words.__getitem__, label_visibility="collapsed")
    with telling():
        if view == "plane":
            _plane(space, chosen, other)
        elif view == "confusion":
            _confusion(space, chosen, other)
        elif view == "slices":
            slices(space, project, chosen, other, _focus(space, chosen))
        elif view == "trust":
            trust(space, project, chosen, other)
        elif view == "worth":
            worth(space, project, chosen, other)
        elif view == "shots":
            shots(space, project, chosen)
        elif view == "settle":
            settle(space, project, chosen, other)
            confirm(space, project, chosen, len(chosen.others))
        elif view == "settings":
            settings(space, chosen, other)
        else:
            cost(space, chosen, other)


def _focus(space: Workspace, chosen: Chosen) -> str:
    """The label that a view is about, "" for all of them together."""
    labels = facts.measured(space, chosen.baseline, chosen.split).names
    return label_choice(t("Label looked at"), labels, key="focus")


def _plane(space: Workspace, chosen: Chosen, other: Group) -> None:
    """Recall and precision of every label, from the baseline to the mix."""
    label = _focus(space, chosen)
    frames = {"whole": t("Whole plane"), "close": t("Close up")}
    zoom = choice(st.segmented_control, t("Frame"), list(frames), key="zoom", show=frames.__getitem__)
    baseline, mix = (facts.measured(space, group, chosen.split) for group in (chosen.baseline, other))
    titles = (chosen.title(chosen.baseline), chosen.title(other))
    colours = (chosen.colours[titles[0]], chosen.colours[titles[1]])
    key = Key(metric_words("recall"), metric_words("precision"), titles, colours)
    found = places(baseline, mix, raw("all labels"), label)
    alt = raw("Recall and precision of every label: {baseline} and {mix}", baseline=titles[0], mix=titles[1])
    picture(plane(found, key, close=zoom == "close"), "compare_plane", alt=alt)
    st.caption(
        t(
            "Each label goes from a square ({baseline}) to a disc ({mix}): to the right more mentions are "
            "found, upwards more of what is marked is right. Means over repeats; the small dots are single repeats of "
            "{label}. Along a dotted line F1 is the same. Grey: under {few} mentions. Names that find no room are told "
            "when you point at their dot.",
            baseline=titles[0],
            mix=titles[1],
            label=label or raw("all labels"),
            few=FEW,
        )
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _shares(root: Path, runs: tuple[str, ...], split: str, _group: Group) -> Shares:
    return maps.shares(matched(Workspace(root), _group, split).pairs)


def _confusion(space: Workspace, chosen: Chosen, other: Group) -> None:
    """What the mentions of each label were marked as: two maps, or that of the difference."""
    ways = {"both": t("Both"), "change": t("Difference")}
    way = choice(st.segmented_control, t("Map"), list(ways), key="confusion", show=ways.__getitem__)
    groups = (chosen.baseline, other)
    before, after = (
        _shares(space.root, tuple(evaluated(space, group, chosen.split)), chosen.split, group) for group in groups
    )
    words = {
        "gold": raw("In gold"),
        "predicted": raw("Marked as"),
        BOUNDARY: raw("wrong borders"),
        MISSED: raw("missed"),
        NOTHING: raw("nothing"),
    }
    without = maps.never((before, after))
    st.markdown(_change(maps.largest(before, after)))
    titles = [chosen.title(group) for group in groups]
    if way == "change":
        figure = maps.confusion_map(after, words, before, without)
        alt = raw("What is taken for what: {mix} less {baseline}, in points", mix=titles[1], baseline=titles[0])
        picture(figure, "compare_confusion", alt=alt)
        st.caption(t("Points more (blue) or less (red) than {baseline}.", baseline=titles[0]) + " " + _legend(without))
        return
    for column, found, title in zip(st.columns(2), (before, after), titles, strict=True):
        with column:
            st.markdown(f"**{escape(title)}**")
            figure = maps.confusion_map(found, words, without=without)
            alt = raw("What {mix} takes for what, in per cent", mix=title)
            picture(figure, f"compare_confusion_{titles.index(title)}", alt=alt)
    st.caption(_legend(without))


def _legend(without: Collection[str]) -> str:
    """`without`: rows and columns that are not shown."""
    text = t(
        "A row is a label of gold; its cells say what per cent of its mentions were marked as each label with the same "
        "borders, only with other borders, or not at all: means over repeats."
    )
    if NOTHING in without:
        return text
    return f"{text} " + t(
        "The last row, *nothing*: what per cent of all that was marked with a label touches no mention of gold."
    )


def _change(found: Change | None) -> str:
    """The kind of mistake that changed most, for Markdown sinks."""
    if found is None:
        return t("No kind of mistake changed by half a point or more in labels with {few} mentions.", few=FEW)
    values = {
        "row": found.row,
        "column": found.column,
        "before": percent(found.before),
        "after": percent(found.after),
    }
    text = _kind_of_change(found, values)
    return text + " " + t("It is the largest of many, and chance helps the largest: nothing is judged here.")


def _kind_of_change(found: Change, values: dict[str, str]) -> str:
    if found.spurious:
        return t(
            "What changed most: **{column}** marked where gold has nothing, from {before} to {after} of all that is "
            "marked so.",
            **values,
        )
    if found.taken:
        return t(
            "What changed most: **{row}** taken for **{column}**, from {before} to {after} of its mentions.", **values
        )
    if found.column == MISSED:
        return t("What changed most: **{row}** missed, from {before} to {after} of its mentions.", **values)
    return t("What changed most: **{row}** with wrong borders, from {before} to {after} of its mentions.", **values)
