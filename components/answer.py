"""The Compare page's answer: a sentence for the mix that is looked at, how all mixes stand, and label by label."""

from collections.abc import Mapping

import streamlit as st

from components import facts
from components.comparison import Chosen
from components.frame import PAGES, telling
from components.pictures import picture
from components.verdicts import all_verdicts, caution, interval_help, measured, metric_help, metric_words, verdict
from components.words import duration, escape, percent, raw, t
from core import contrast, pace
from core.cost import seconds_of
from core.evaluation.power import repeats_for
from core.evaluation.verdicts import ADVISED_SEEDS, ENOUGH_SEEDS, MARGIN, METRICS_OF_A_LABEL
from core.groups import Group
from core.project import Project, controls
from core.repeats import add_repeats
from core.report.finding import Finding
from core.report.forest import forest, label_rows, mix_rows, reach
from core.workspace import Workspace

_ROWS, _TALLEST = 10, 420  # mixes that are shown at once; pixels for more of them, to scroll through
_NOTHING = 0.01  # F1 below which a model has learned nothing


def answer(space: Workspace, project: Project, chosen: Chosen, other: Group, found: Mapping[str, Finding]) -> None:
    """The sentence for one mix, what it stands on, and what would settle what is open. `found`: by title."""
    if facts.measured(space, chosen.baseline, chosen.split, chosen.rule).scores["f1"][:, 0].mean() < _NOTHING:
        st.warning(
            t("The baseline found next to nothing: it was trained too briefly. Raise the training steps on Mix."),
            icon=":material/warning:",
        )
    one = found[chosen.title(other)]
    with st.container(border=True):
        st.markdown(verdict(one))
        _doubt(project, other, one)
        st.caption(_stands_on(space, chosen, other))
        _open_question(space, chosen, other, one)
    for group in (chosen.baseline, other):
        have = len(contrast.repeats(space, group, chosen.split))
        if have < ENOUGH_SEEDS:
            more_repeats(space, project, chosen.title(group), group, have)


def _doubt(project: Project, other: Group, found: Finding) -> None:
    """Where something helps that can't: the comparison itself is in question."""
    known = controls(project, other.mix)
    if known and found.overall is not None and found.overall.verdict == "better":
        st.warning(
            t(
                "Doubt this: the mix holds a control ({names}), from which nothing new can be learned. What helps is "
                "something else, such as seeing gold more often, or chance; other gains of this size may be no more "
                "than that.",
                names=", ".join(escape(name) for name in known),
            ),
            icon=":material/warning:",
        )


def _stands_on(space: Workspace, chosen: Chosen, other: Group) -> str:
    """What the answer stands on, and what the mix costs, for Markdown sinks."""
    before, after = (
        facts.measured(space, group, chosen.split, chosen.rule).scores["f1"][:, 0].mean()
        for group in (chosen.baseline, other)
    )
    told = [
        t(
            "Against {baseline}: F1 {before} before, {after} now.",
            baseline=chosen.title(chosen.baseline),
            before=percent(before, 1),
            after=percent(after, 1),
        ),
        measured(chosen.split),
    ]
    seconds = [seconds_of(group) for group in (other, chosen.baseline)]
    if seconds[0] is not None and seconds[1] is not None:
        told.append(t("A repeat took {time} ({before} before).", time=duration(seconds[0]),
                      before=duration(seconds[1])))  # fmt: skip
    return " ".join(told)


def _open_question(space: Workspace, chosen: Chosen, other: Group, found: Finding) -> None:
    """What it would take where nothing can be told yet."""
    one = found.overall
    if not found.enough or one is None or one.verdict != "open":
        return
    comparison = facts.comparison(space, chosen.baseline, other, chosen.split, chosen.rule)
    needed = repeats_for(comparison, one.difference, MARGIN)
    margin = f"{100 * MARGIN:g}"
    if needed is None:
        st.caption(
            t(
                "More repeats alone won't settle a difference of {margin} points here: {split} is too small a sample.",
                margin=margin,
                split=chosen.split,
            )
        )
        return
    more = [max(0, needed - seeds) for seeds in (comparison.baseline_seeds, comparison.other_seeds)]
    if not any(more):
        st.caption(t("These repeats would show a difference of {margin} points in four of five cases.", margin=margin))
        return
    seconds = pace.seconds_all(space, sum(more), other.train)
    st.caption(
        t(
            "A difference of {margin} points would be shown in four of five cases with {needed} repeats each: "
            "{more} more runs take about {time}.",
            margin=margin,
            needed=needed,
            more=sum(more),
            time=duration(seconds),
        )
    )


def more_repeats(space: Workspace, project: Project, title: str, group: Group, have: int) -> None:
    """How many repeats are missing for a verdict, how long they take, and the button that starts them."""
    missing = ADVISED_SEEDS - have
    with st.container(horizontal=True, vertical_alignment="center"):
        if group.active:
            st.markdown(t("{mix} has {have} repeats; more are under way.", mix=title, have=have), width="stretch")
            st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")
            return
        st.markdown(
            t(
                "{mix} has {have} repeats: {n} more, which makes {all}, take about {time}.",
                mix=title,
                have=have,
                n=missing,
                all=ADVISED_SEEDS,
                time=duration(pace.seconds_all(space, missing, group.train)),
            ),
            width="stretch",
        )
        if st.button(t("Start them"), key=f"compare_more_{group.id}", icon=":material/play_arrow:"):
            with telling():
                add_repeats(space, project.slug, group, missing)
                st.rerun()


def standings(chosen: Chosen, found: Mapping[str, Finding]) -> None:
    """How all mixes stand against the baseline over all labels, in the order in which they were launched."""
    overall = [one.overall for one in found.values()]
    words = ("better", "worse", "same")
    counts = {word: sum(one is not None and one.verdict == word for one in overall) for word in words}
    st.subheader(t("All mixes"), anchor=False)
    st.markdown(
        t(
            "Of {n} mixes {better} are better over all labels, {worse} worse and {same} the same; of {open} it can't "
            "be told.",
            n=len(found),
            open=len(found) - sum(counts.values()),
            **counts,
        )
    )
    st.caption(
        t(
            "Each is held against {baseline}, not against the others: to hold two mixes against each other, make one "
            "of them the baseline. Choose on dev; test is for what was chosen.",
            baseline=chosen.title(chosen.baseline),
        )
    )
    rows = mix_rows(found, chosen.colours, all_verdicts())
    axis = raw("F1 of all labels: points more or less than {baseline}", baseline=chosen.title(chosen.baseline))
    with st.container(height=_TALLEST if len(rows) > _ROWS else "content", border=False):
        picture(forest(rows, axis), "compare_mixes", alt=axis)


def by_label(chosen: Chosen, other: Group, found: Finding) -> None:
    """Recall and precision of each label, side by side, on one and the same range."""
    title = chosen.title(other)
    st.subheader(t("{mix}, by label", mix=title), anchor=False, help=interval_help())
    parts = {
        metric: label_rows(found, metric, chosen.colours[title], raw("all labels"), all_verdicts())
        for metric in METRICS_OF_A_LABEL
    }
    to = reach(*parts.values())
    for column, (metric, rows) in zip(st.columns(2), parts.items(), strict=True):
        with column:
            name = metric_words(metric)
            st.markdown(f"**{escape(name)}**", help=metric_help(metric))
            axis = raw("points more or less than {baseline}", baseline=chosen.title(chosen.baseline))
            alt = raw("{metric} by label: {mix} against {baseline}", metric=name, mix=title,
                      baseline=chosen.title(chosen.baseline))  # fmt: skip
            picture(forest(rows, axis, to), f"compare_{metric}", alt=alt)
    st.caption(
        t(
            "The mark is the mean difference over repeats, the line its 95 % interval. Triangle: better or worse; "
            "square: the same; disc: can't tell; grey cross: under 30 mentions or 5 repeats."
        )
        + " "
        + caution(found.sequential)
    )
