"""Parts of a split, each by itself: what a mix does where names are new, long, rare, or where a text stands."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from components import facts
from components.address import choice
from components.comparison import Chosen
from components.pictures import picture
from components.verdicts import metric_help, metric_words
from components.words import escape, points, raw, t, visible
from core import sliced
from core.evaluation.comparison import Comparison, Difference, LabelComparison
from core.evaluation.sequential import always_valid
from core.evaluation.slices import SLICES
from core.evaluation.verdicts import ENOUGH_SEEDS, METRICS_OF_A_LABEL
from core.groups import Group, evaluated
from core.mix import GOLD
from core.project import Project
from core.report.forest import ForestRow, forest, reach
from core.scores import FEW, Interval
from core.sliced import Ground, Matched
from core.tasks import task as task_of
from core.workspace import Workspace

_LONGEST_TEXT = 200  # characters


@st.cache_resource(max_entries=32, show_spinner=False)
def _matched(root: Path, runs: tuple[str, ...], split: str, _group: Group) -> Matched:
    return sliced.matched(Workspace(root), _group, split)


def matched(space: Workspace, group: Group, split: str) -> Matched:
    """The mentions of a group's runs held against gold. Raises CoreError `nothing_evaluated`."""
    return _matched(space.root, tuple(evaluated(space, group, split)), split, group)


@st.cache_resource(max_entries=16, show_spinner=False)
def _ground(root: Path, corpus_id: str, ingredients: tuple[tuple[str, str], ...]) -> Ground:
    return sliced.ground(Workspace(root), facts.corpus(root, corpus_id), dict(ingredients))


@st.cache_resource(max_entries=64, show_spinner=False)
def _compared(
    root: Path, runs: tuple[tuple[str, ...], ...], split: str, slice: str, text: str, _pair: tuple[Group, Group],
    _ground: Ground,
) -> Mapping[str, Comparison]:  # fmt: skip
    space = Workspace(root)
    baseline, other = (matched(space, group, split) for group in _pair)
    return sliced.compared_on(baseline, other, _ground.background, slice, text)


def slices(space: Workspace, project: Project, chosen: Chosen, other: Group, label: str) -> None:
    """A mix against the baseline in each part of a slice. `label`: "" for all of them together."""
    pair = (chosen.baseline, other)
    ground = ground_of(space, project, chosen, other)
    words = _slice_words()
    slice = choice(st.pills, t("Told apart by"), ground.slices, key="slice", show=lambda name: words[name])
    text = _text() if slice == "text" else ""
    st.caption(_meaning(slice, ground))
    left = [words[name] for name in SLICES if name not in task_of(project.recipe.task).slices]
    if left:
        st.caption(t("What tells words within a text apart says nothing here: {names}.", names=", ".join(left)))
    if slice == "text" and not text:
        return
    runs = tuple(tuple(evaluated(space, group, chosen.split)) for group in pair)
    found = _compared(space.root, runs, chosen.split, slice, text, pair, ground)
    rows = {part: next(row for row in one.all if row.label == label) for part, one in found.items()}
    looked = other.id in chosen.by_looking
    ends = {part: _intervals(found[part], row, looked) for part, row in rows.items()}
    if not any(row.support for row in rows.values()):
        st.info(t("No part has a mention of this label."))
        return
    names = {part: _part_words(slice, part, ground) for part in rows}
    _forests(chosen, other, names, rows, ends)
    _table(chosen, other, names, rows, ends)
    _caution(min(one.seeds for one in found.values()))


_OF_ROWS = ("seen", "frequency", "length", "casing", "sentence")  # slices by which sentences can be told apart


def where(space: Workspace, project: Project, chosen: Chosen, other: Group) -> tuple[Mapping[str, str], Ground]:
    """The parts by which sentences can be chosen, `slice:part` -> its name as it is; and what they are told by."""
    ground = ground_of(space, project, chosen, other)
    sides = matched(space, chosen.baseline, chosen.split).sides
    parts = {slice: SLICES[slice](sides[0][0], ground.background) for slice in _OF_ROWS if slice in ground.slices}
    names = {f"{slice}:{part}": _part_words(slice, part, ground) for slice, found in parts.items() for part in found}
    return names, ground


def rows_in(space: Workspace, chosen: Chosen, other: Group, ground: Ground, part: str, label: str) -> set[int]:
    """The rows in which gold, or a run of either group, has a mention that is in a part. `label`: "" for any."""
    slice, _, name = part.partition(":")
    found: set[int] = set()
    for group in (chosen.baseline, other):
        mentions = matched(space, group, chosen.split)
        for one in (side for run in mentions.sides for side in run):
            inside = SLICES[slice](one, ground.background)[name]
            if label:
                inside = inside & (one.label == mentions.names.index(label))
            found |= {*one.row[inside].tolist()}
    return found


def ground_of(space: Workspace, project: Project, chosen: Chosen, other: Group) -> Ground:
    """What the mentions of the chosen split are told apart by."""
    ingredients = sliced.ingredients_of(space, (chosen.baseline, other))
    order = {name: ingredients[name] for name in (GOLD, *project.ingredients) if name in ingredients} | ingredients
    return _ground(space.root, chosen.baseline.corpora[chosen.split], tuple(order.items()))


def _slice_words() -> Mapping[str, str]:
    """Names of slices, for Markdown sinks."""
    return {
        "seen": t("Seen or new"),
        "length": t("Words of a mention"),
        "frequency": t("Times in gold"),
        "casing": t("Capitals"),
        "ingredient": t("Ingredient"),
        "sentence": t("Length of the sentence"),
        "text": t("A text of your own"),
    }


def _meaning(slice: str, ground: Ground) -> str:
    """What a slice means, for Markdown sinks."""
    low, high = ground.background.terciles
    return {
        "seen": t(
            "Seen in gold: the very words of the mention stand as a mention in the gold training sentences, under "
            "whatever label. What a mix adds to gold makes no difference here, so the parts are the same for all mixes."
        ),
        "length": t("Of how many words the mention is. One with wrong borders counts by its own length on each side."),
        "frequency": t("How often the words of the mention stand as a mention in the gold training sentences."),
        "casing": t("How the mention is written. *No case*: no letter of it has capitals, as in Chinese."),
        "ingredient": t(
            "Where the words of the mention stand as a mention, among all sentences of an ingredient, drawn or not. A "
            "mention may be in several parts, or in none."
        ),
        "sentence": t(
            "A third of the sentences each: up to {low} words, up to {high}, and longer ones.", low=low, high=high
        ),
        "text": t("Sentences that hold exactly this text, words apart by a blank; capitals make no difference."),
    }[slice]


def _part_words(slice: str, part: str, ground: Ground) -> str:
    """The name of a part, as it is."""
    if slice == "ingredient":
        return raw("gold") if part == GOLD else visible(part)
    if slice == "frequency":
        return raw("{n} times", n=part)
    low, high = ground.background.terciles
    return {
        "seen": raw("seen in gold"),
        "unseen": raw("not in gold"),
        "1": raw("1 word"),
        "2": raw("2 words"),
        "3+": raw("3 words or more"),
        "title": raw("Capitalised"),
        "lower": raw("lower case"),
        "upper": raw("UPPER CASE"),
        "mixed": raw("miXed"),
        "none": raw("no case"),
        "short": raw("short, up to {n} words", n=low),
        "medium": raw("medium, up to {n} words", n=high),
        "long": raw("long"),
        "with": raw("with the text"),
        "without": raw("without it"),
    }[part]


def _text() -> str:
    found = st.text_input(
        t("Text in the sentence"),
        key="holding",
        type="search",
        placeholder=raw("Search"),
        max_chars=_LONGEST_TEXT,
        bind="query-params",
        persist_state="session",
    )
    return (found or "").strip()


_Ends = Mapping[str, Interval | None]


def _intervals(comparison: Comparison, row: LabelComparison, looked: bool) -> _Ends:
    """The interval of each metric; none with too few repeats. `looked`: by the always-valid rule."""
    if comparison.seeds < ENOUGH_SEEDS:
        return dict.fromkeys(METRICS_OF_A_LABEL)
    gaps = {metric: row.difference[metric] for metric in METRICS_OF_A_LABEL}
    return {metric: None if gap is None else _interval(comparison, gap, looked) for metric, gap in gaps.items()}


def _interval(comparison: Comparison, gap: Difference, looked: bool) -> Interval | None:
    return always_valid(comparison, gap).interval if looked else gap.interval


def _forests(
    chosen: Chosen,
    other: Group,
    names: Mapping[str, str],
    rows: Mapping[str, LabelComparison],
    ends: Mapping[str, _Ends],
) -> None:
    """Recall and precision side by side, on one range."""
    title = chosen.title(other)
    drawn: dict[str, list[ForestRow]] = {}
    for metric in METRICS_OF_A_LABEL:
        drawn[metric] = [
            ForestRow(
                names[part],
                gap.value,
                ends[part][metric],
                row.support,
                "few_repeats" if ends[part][metric] is None else "few_mentions" if row.support < FEW else "open",
                chosen.colours[title],
            )
            for part, row in rows.items()
            if (gap := row.difference[metric]) is not None
        ]
    to = reach(*drawn.values())
    baseline = chosen.title(chosen.baseline)
    for column, (metric, lines) in zip(st.columns(2), drawn.items(), strict=True):
        with column:
            name = metric_words(metric)
            st.markdown(f"**{escape(name)}**", help=metric_help(metric))
            axis = raw("points more or less than {baseline}", baseline=baseline)
            alt = raw("{metric} by part of the split: {mix} against {baseline}", metric=name, mix=title,
                      baseline=baseline)  # fmt: skip
            picture(forest(lines, axis, to), f"compare_slice_{metric}", alt=alt)


def _table(
    chosen: Chosen,
    other: Group,
    names: Mapping[str, str],
    rows: Mapping[str, LabelComparison],
    ends: Mapping[str, _Ends],
) -> None:
    lines: list[dict[str, object]] = []
    for part, row in rows.items():
        line: dict[str, object] = {"part": names[part], "support": row.support}
        for metric in METRICS_OF_A_LABEL:
            gap = row.difference[metric]
            line[f"{metric}_baseline"] = _hundred(row.baseline[metric])
            line[f"{metric}_other"] = _hundred(row.other[metric])
            line[f"{metric}_gap"] = None if gap is None else 100 * gap.value
            line[f"{metric}_ends"] = _told(ends[part][metric])
        lines.append(line)
    st.dataframe(
        lines,
        key="compare_slices",
        hide_index=True,
        placeholder="-",
        column_config=_columns(chosen.title(chosen.baseline), chosen.title(other)),
        alt=raw("Recall and precision by part of the split"),
    )


def _columns(baseline: str, other: str) -> Mapping[str, object]:
    column = st.column_config
    config: dict[str, object] = {
        "part": column.TextColumn(raw("Part"), pinned=True),
        "support": column.NumberColumn(raw("Mentions"), help=raw("Mentions of gold in this part.")),
    }
    for metric in METRICS_OF_A_LABEL:
        name = metric_words(metric)
        for side, title in (("baseline", baseline), ("other", other)):
            config[f"{metric}_{side}"] = column.NumberColumn(f"{name}, {visible(title)}", format="%.1f %%")
        config[f"{metric}_gap"] = column.NumberColumn(raw("{metric}, difference", metric=name), format="%+.1f")
        config[f"{metric}_ends"] = column.TextColumn(raw("{metric}, difference, 95 %", metric=name))
    return config


def _hundred(rate: float | None) -> float | None:
    return None if rate is None else 100 * rate


def _told(interval: Interval | None) -> str | None:
    if interval is None:
        return None
    low, high = (points(end) for end in interval)
    return raw("{low} to {high}", low=low, high=high)


def _caution(seeds: int) -> None:
    """How far the figures are to be trusted."""
    text = t(
        "Recall is that of the mentions of gold in a part, precision that of the marks in it. A line is the 95 % "
        "interval of this one difference: among many parts one leaves out zero now and then by chance, so no part gets "
        "a verdict. Grey cross: under {few} mentions.",
        few=FEW,
    )
    if seeds < ENOUGH_SEEDS:
        text += " " + t("Intervals are shown from {n} repeats in each group.", n=ENOUGH_SEEDS)
    st.caption(text)
