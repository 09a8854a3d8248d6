"""What came of a sequence: each way of keeping, the map of steps, and what became of the old labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from components.address import choice
from components.deliver import commands, shown_card, taken
from components.frame import telling
from components.keeping import way
from components.many import followed
from components.pictures import picture
from components.verdicts import split_words, verdict_words
from components.words import escape, raw, t, visible
from core.evaluation.verdicts import ENOUGH_SEEDS
from core.project import Project
from core.report.steps import steps_map
from core.sequence_outcome import PLAIN, Told, enough, outcome
from core.sequences import Series, keep_of, look, looked, runs_of, sequences
from core.workspace import Workspace


def results(space: Workspace, project: Project) -> None:
    """The newest sequence that ends in the project, or the one chosen."""
    found = {one.id: one for one in sequences(space, project.slug)}
    if not found:
        return
    st.divider()
    first = next(iter(found))
    id = first
    if len(found) > 1:
        id = choice(
            st.selectbox, t("Sequence"), [*found], key="sequence", default=first,
            show=lambda id: visible(" → ".join(part.title for part in found[id].parts)),
        )  # fmt: skip
    followed(space, lambda: [*runs_of(space, found[id]).values()], "sequence")
    _told(space, project, found[id])


def _told(space: Workspace, project: Project, series: Series) -> None:
    splits = ["dev", *(["test"] if all("test" in part.corpora for part in series.parts) else [])]
    split = "dev"
    seen = looked(space, series)
    if seen:
        split = choice(
            st.segmented_control, t("Split"), splits, key="sequence_split", show=lambda s: escape(split_words(s))
        )
    told = outcome(space, series, split)
    if not told:
        return
    st.subheader(" → ".join(escape(part.title) for part in series.parts), anchor=False)
    _sentences(told)
    _table(told, split)
    left, right = st.columns(2)
    with left:
        _map(series, told)
    with right:
        _labels(series, told)
    _along(space, project, told)
    if len(splits) > 1 and not seen:
        _offer_test(space, series)


def _along(space: Workspace, project: Project, told: Sequence[Told]) -> None:
    """The model after the last step: as files, for text and for other trainings."""
    there = {one.method: one for one in told}
    with st.expander(t("Take it along"), icon=":material/deployed_code:"):
        left, right = st.columns(2)
        name = left.selectbox(t("Way"), [*there], key="kept_way", format_func=lambda name: visible(way(name)))
        runs = there[name].runs
        seed = right.selectbox(t("Repeat"), [*runs], key="kept_seed")
        whole = not keep_of(name).adapters
        if whole:
            taken(space, project, runs[seed])
            shown_card(space, project, runs[seed])
        else:
            st.info(
                t(
                    "This model is several: an adapter for each step, and what tells which of them reads a text. It "
                    "reads text here; as files, or as a start, another way of keeping can be taken along."
                )
            )
        commands(project, runs[seed], whole)


def _offer_test(space: Workspace, series: Series) -> None:
    if st.button(t("Look at test"), key="sequence_test", help=t("It is on record in every project of the steps.")):
        with telling():
            look(space, series)
            st.rerun()


def _sentences(told: Sequence[Told]) -> None:
    """What was forgotten, what keeps most, and which share of replayed rows is enough."""
    plain = next((one for one in told if one.method == PLAIN), None)
    ways = [one for one in told if one.method not in (PLAIN, "joint") and not np.isnan(one.course.forgetting).all()]
    if plain is not None:
        lost = f"{100 * float(plain.course.forgetting.mean()):.1f}"
        parts = [t("Where nothing is kept, earlier data are read {lost} points of F1 worse in the end.", lost=lost)]
        if ways:
            best = min(ways, key=lambda one: one.course.forgetting.mean())
            value = f"{100 * float(best.course.forgetting.mean()):.1f}"
            if float(value) < float(lost):
                parts.append(t("Least is forgotten with **{way}**: {value} points.", way=way(best.method), value=value))
            else:
                parts.append(t("No way that was tried forgets less."))
        st.markdown(" ".join(parts))
    if any("@" in one.method for one in told):
        found = enough(told)
        if found is None:
            st.markdown(t("No share of replayed rows that was tried is shown to lose less than 2 points."))
        else:
            st.markdown(
                t("**{way}** is enough: no more than 2 points are lost, as far as {n} repeats tell.",
                  way=way(found.method), n=len(found.seeds))
            )  # fmt: skip
    fewest = min(len(one.seeds) for one in told)
    if fewest < ENOUGH_SEEDS:
        st.caption(t("With fewer than {least} repeats there is no verdict.", least=ENOUGH_SEEDS))


def _table(told: Sequence[Told], split: str) -> None:
    column = st.column_config
    st.dataframe(
        [
            {
                "way": way(one.method),
                "average": _points(one.course.average),
                "verdict": "" if one.verdict is None else verdict_words(one.verdict),
                "old": _points(one.course.old),
                "newest": _points(one.course.newest),
                "forgotten": _points(one.course.forgetting),
                "spread": _points(one.course.forgetting, spread=True),
                "before": _points(one.course.forward),
                "replayed": one.replayed,
                "seconds": round(one.seconds),
            }
            for one in told
        ],
        hide_index=True,
        placeholder="-",
        key="sequence_table",
        alt=raw("What each way of keeping came to"),
        column_config={
            "way": column.TextColumn(raw("Way"), pinned=True),
            "average": column.NumberColumn(raw("Average F1"), format="%.1f", help=raw(
                "The mean over the {split} rows of all steps, after the last one. F1 in points.", split=split)),
            "verdict": column.TextColumn(raw("Against nothing kept"), help=raw(
                "Of the average, over repeats and rows, corrected for the number of ways.")),
            "old": column.NumberColumn(raw("Earlier"), format="%.1f", help=raw("F1 on the rows of earlier steps.")),
            "newest": column.NumberColumn(raw("Newest"), format="%.1f", help=raw("F1 on the rows of the last step.")),
            "forgotten": column.NumberColumn(raw("Forgotten"), format="%.1f", help=raw(
                "How much worse earlier rows are read in the end than at their best before.")),
            "spread": column.NumberColumn(raw("± over repeats"), format="%.1f"),
            "before": column.NumberColumn(raw("Before learning"), format="%.1f", help=raw(
                "How well a step's rows are read before it is learned.")),
            "replayed": column.NumberColumn(raw("Replayed"), help=raw("Rows of earlier steps, in all steps.")),
            "seconds": column.NumberColumn(raw("Seconds"), help=raw("Of one run, the median.")),
        },
    )  # fmt: skip


def _points(values: np.ndarray, spread: bool = False) -> float | None:
    """The mean over repeats, or the standard deviation, in points."""
    if np.isnan(values).any() or (spread and len(values) < 2):
        return None
    return 100 * float(values.std(ddof=1) if spread else values.mean())


def _map(series: Series, told: Sequence[Told]) -> None:
    by_name = {one.method: one for one in told}
    name = choice(
        st.selectbox, t("Map of"), [*by_name], key="map_of", default=told[0].method,
        show=lambda name: visible(way(name)),
    )  # fmt: skip
    names = [part.title for part in series.parts]
    scores = by_name[name].course.scores.mean(axis=0)
    alt = raw("F1 on each step's rows after each step. In the end: {values}", values=", ".join(
        f"{title} {100 * value:.0f}" for title, value in zip(names, scores[-1], strict=True)))  # fmt: skip
    picture(steps_map(scores, names, {"after": raw("After step"), "on": raw("F1 on")}), "steps-map", alt)


def _labels(series: Series, told: Sequence[Told]) -> None:
    """F1 of each old label right after its step, and in the end by way."""
    ways = [one for one in told if one.labels]
    st.markdown(t("**Old labels**: F1 after their step, and in the end"))
    learned = next((one for one in ways if not np.isnan(one.labels[0].learned)), None)
    if learned is None:
        return
    rows: list[dict[str, Any]] = []
    for at, label in enumerate(learned.labels):
        row: dict[str, Any] = {
            "label": visible(label.label),
            "step": visible(series.parts[label.step].title),
            "n": label.support,
        }
        row["learned"] = 100 * label.learned
        rows.append(row | {way(one.method): 100 * one.labels[at].kept for one in ways})
    column = st.column_config
    st.dataframe(
        rows,
        hide_index=True,
        key="sequence_labels",
        placeholder="-",
        alt=raw("F1 of old labels, as they were learned and in the end"),
        column_config={
            "label": column.TextColumn(raw("Label"), pinned=True),
            "step": column.TextColumn(raw("Step")),
            "n": column.NumberColumn(raw("Mentions")),
            "learned": column.NumberColumn(raw("learned"), format="%.0f"),
            **{way(one.method): column.NumberColumn(visible(way(one.method)), format="%.0f") for one in ways},
        },
    )
