"""The table of a comparison: every rate and difference with its interval, to sort, to click and to download."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from components import facts
from components.comparison import Chosen
from components.verdicts import all_verdicts, metric_help, metric_words, verdict_words
from components.words import points, raw, t, visible
from core.groups import Group
from core.project import Project
from core.report import contrast as lined
from core.report.contrast import METRICS, Line
from core.report.finding import Finding
from core.scores import FEW, Interval
from core.workspace import Workspace


def table(
    space: Workspace, project: Project, chosen: Chosen, other: Group | None, found: Mapping[str, Finding]
) -> None:
    """Every figure, to sort and to download; a click on a row chooses its label and mix for what stands above.

    `found`: of the mixes, by title. Of many mixes only `other` is shown beside the baseline; the download has all.
    """
    few = other is None or len(chosen.others) <= _SHOWN
    told = _lines(space, chosen if few else replace(chosen, others=(other,)), found)
    ids = {chosen.title(group): group.id for group in chosen.others}

    def pick() -> None:
        for at in st.session_state["compare_table"].selection.rows:
            if told[at].label:
                st.session_state["label"] = told[at].label
            if told[at].mix in ids:
                st.session_state["against"] = ids[told[at].mix]

    st.dataframe(
        [_row(line) for line in told],
        key="compare_table",
        on_select=pick,
        selection_mode="single-row",
        hide_index=True,
        placeholder="-",
        column_config=_columns(),
        alt=raw("Precision, recall and F1 by label and mix, with intervals"),
    )
    words = {
        **{metric: metric_words(metric) for metric in METRICS},
        "label": raw("Label"),
        "mix": raw("Mix"),
        "support": raw("Mentions"),
        "all_labels": raw("all labels"),
        "low": raw("95 % from"),
        "high": raw("95 % to"),
        "difference": raw("difference"),
        "difference_low": raw("difference, 95 % from"),
        "difference_high": raw("difference, 95 % to"),
        "verdict": raw("verdict"),
    }
    verdicts = all_verdicts()
    st.download_button(
        t("Download the table"),
        lambda: lined.spreadsheet(told if few else _lines(space, chosen, found), words, verdicts),
        file_name=f"{project.slug}-{chosen.split}.csv",
        mime="text/csv",
        key="compare_csv",
        icon=":material/download:",
        on_click="ignore",
        help=t("All figures as a CSV file for a spreadsheet; shares from 0 to 1."),
    )


_SHOWN = 6  # mixes whose figures are shown at once


def _lines(space: Workspace, chosen: Chosen, found: Mapping[str, Finding]) -> list[Line]:
    """All that is known of the choice, label by label."""
    scored = {g.id: facts.measured(space, g, chosen.split, chosen.rule) for g in (chosen.baseline, *chosen.others)}
    comparisons = chosen.comparisons(space)
    others = {chosen.title(g): g.id for g in chosen.others}
    told = {title: (scored[id], comparisons[title], found[title]) for title, id in others.items()}
    return lined.lines((chosen.title(chosen.baseline), scored[chosen.baseline.id]), told)


def _row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {
        "label": visible(line.label) if line.label else raw("all labels"),
        "mix": visible(line.mix),
        "support": line.support,
    }
    for metric in METRICS:
        value, interval = line.rate[metric]
        gap = line.difference.get(metric)
        row[metric] = None if value is None else 100 * value
        row[f"{metric}_ends"] = _ends(interval)
        row[f"{metric}_gap"] = None if gap is None else 100 * gap.value
        judged = line.judged.get(metric)
        row[f"{metric}_gap_ends"] = _ends(judged.interval, signed=True) if judged else None
        row[f"{metric}_verdict"] = verdict_words(judged) if judged else None
    return row


def _ends(interval: Interval | None, signed: bool = False) -> str | None:
    if interval is None:
        return None
    low, high = (points(end) if signed else f"{100 * end:.1f}" for end in interval)
    return raw("{low} to {high}", low=low, high=high)


def _columns() -> Mapping[str, object]:
    column = st.column_config
    config: dict[str, object] = {
        "label": column.TextColumn(raw("Label"), pinned=True),
        "mix": column.TextColumn(raw("Mix"), pinned=True),
        "support": column.NumberColumn(
            raw("Mentions"), help=raw("Mentions in the split. Under {few} they are too few to judge.", few=FEW)
        ),
    }
    for metric in METRICS:
        name = metric_words(metric)
        config[metric] = column.NumberColumn(name, format="%.1f %%", help=metric_help(metric))
        config[f"{metric}_ends"] = column.TextColumn(
            raw("{metric}, 95 %", metric=name), help=raw("The 95 % interval, in per cent.")
        )
        config[f"{metric}_gap"] = column.NumberColumn(
            raw("{metric}, difference", metric=name),
            format="%+.1f",
            help=raw("Percentage points more (+) or less (-) than the baseline."),
        )
        config[f"{metric}_gap_ends"] = column.TextColumn(
            raw("{metric}, difference, 95 %", metric=name), help=raw("The 95 % interval of the difference, in points.")
        )
        config[f"{metric}_verdict"] = column.TextColumn(raw("{metric}, verdict", metric=name))
    return config
