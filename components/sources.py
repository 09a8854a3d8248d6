"""What other projects bring to one, on the page Learn on: step by step, from their trainings to a table of ways."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from components.address import several
from components.continual import likely
from components.frame import PAGES, telling
from components.many import followed
from components.progress import watch
from components.verdicts import verdict_words
from components.words import duration, raw, said, t, visible
from core import project as projects
from core.groups import groups
from core.jobs.folder import Run
from core.launch import launch, standing, start_import
from core.pace import seconds_all
from core.project import Project, with_ingredient
from core.recipe import FileIngredient
from core.sequences import REPEATS
from core.transfer import (
    WAYS,
    Case,
    Source,
    agreement,
    cases,
    estimate,
    group_for,
    outcome,
    plans,
    source_of,
    start_reading,
    train_source,
    with_sources,
)
from core.workspace import Workspace

_READ = "sources_read"  # session key: what encoders make of gold, by name; the ids of those runs
_MOST_REPEATS, _STEPS = 16, 150


def sources(space: Workspace, project: Project, known: Sequence[Project]) -> None:
    """Choose, train what a source lacks, estimate, launch, and read what came of it."""
    by_name = {other.slug: other for other in known}
    chosen = several(
        st.multiselect,
        t("Sources"),
        [*by_name],
        key="sources",
        default=likely(project, known),
        show=lambda name: visible(by_name[name].title),
        help=t("Projects whose data may help this one."),
    )
    if not chosen:
        st.info(t("Choose a project whose data may help this one."))
        return
    stage = standing(space, project).stage
    assert stage is not None  # the page has seen to it
    labels = sorted(stage.imported["labels"]["train"])
    found = [_mapped(space, project, by_name[name], labels) for name in chosen]
    lacking = [source for source in found if not source.run]
    if lacking:
        _train(space, lacking)
        return
    estimates = _estimates(space, project, found)
    wanted = _ways(space, project, found)
    _outcome(space, project, wanted, estimates)


def _mapped(space: Workspace, project: Project, source: Project, labels: Sequence[str]) -> Source:
    """A source with its labels as somebody set them; where it is an ingredient already, that says what they are."""
    found = source_of(space, source, labels)
    there = project.ingredients.get(found.name)
    if isinstance(there, FileIngredient):
        st.caption(t("{source} is an ingredient of this project, with the labels that it has there.",
                     source=source.title))  # fmt: skip
        return found
    values = {"source": source.title, "labels": ", ".join(found.shared) or "-"}
    with st.expander(t("Labels of {source}: the same in both are {labels}", **values)):
        st.caption(t("Which label of this project is each of the source's? What is left empty is masked."))
        given = found.ingredient.labels or {}
        column = st.column_config
        rows = st.data_editor(
            [{"label": visible(label), "target": target} for label, target in given.items()],
            key=f"source_labels_{project.slug}_{source.slug}",
            hide_index=True,
            disabled=["label"],
            column_config={
                "label": column.TextColumn(raw("Label of the source")),
                "target": column.SelectboxColumn(raw("Label here"), options=[*labels]),
            },
        )
        asked = {label: row["target"] or None for label, row in zip(given, rows, strict=True)}
    return source_of(space, source, labels, asked)


def _train(space: Workspace, lacking: Sequence[Source]) -> None:
    """The trainings without which there is nothing to begin with."""
    pending = {
        source.project.slug: run
        for source in lacking
        for group in groups(space, source.project.slug)
        for run in group.runs.values()
        if run.pending
    }
    names = ", ".join(source.project.title for source in lacking)
    if pending:
        for slug, run in pending.items():
            watch(space, run, t("Training {source}", source=slug), f"source_{slug}")
        return
    st.info(t("{sources}: not trained on their own gold yet. One training each is what the target begins with.",
              sources=names))  # fmt: skip
    if st.button(t("Train them"), key="sources_train", type="primary", icon=":material/play_arrow:"):
        with telling():
            for source in lacking:
                train_source(space, source)
            st.rerun()


def _estimates(space: Workspace, project: Project, found: Sequence[Source]) -> dict[str, float]:
    """What is known before: how well each encoder's states suit the target's labels."""
    own = project.recipe.train.model
    names = {own: own} | {source.name: f"run:{source.run}" for source in found}
    stage = standing(space, project).stage
    assert stage is not None
    read: dict[str, str] = st.session_state.setdefault(_READ, {})
    if st.button(t("Estimate which helps"), key="sources_estimate", icon=":material/query_stats:",
                 help=t("LogME: no training, a minute of reading.")):  # fmt: skip
        with telling():
            runs = start_reading(space, project, stage, [*names.values()])
            read |= {f"{project.slug} {name}": run.id for name, run in runs.items()}
    mine = {name: read.get(f"{project.slug} {model}") for name, model in names.items()}
    there = {run.id: run for run in space.store.find([id for id in mine.values() if id])}
    for name, id in mine.items():
        if id in there:
            watch(space, there[id], t("Reading with {name}", name=name), f"reading_{id}")
    done = {n: estimate(space, stage, id) for n, id in mine.items() if id in there and there[id].state == "succeeded"}
    if done:
        column = st.column_config
        st.dataframe(
            [{"start": visible(n), "logme": v} for n, v in sorted(done.items(), key=lambda item: -item[1])],
            hide_index=True,
            key="sources_logme",
            alt=raw("How well encoders suit the labels of this project"),
            column_config={
                "start": column.TextColumn(raw("Encoder after")),
                "logme": column.NumberColumn("LogME", format="%.4f", help=raw(
                    "How well a linear map could tell the labels from its states; higher is better.")),
            },
        )  # fmt: skip
    return done


def way_words() -> dict[str, str]:
    """The ways, as they are."""
    return {
        "target": raw("The target alone"),
        "longer": raw("The target alone, as long as with a source"),
        "sequential": raw("First the source, then the target"),
        "joint": raw("Both at once"),
        "both": raw("First the source, then both at once"),
    }


def _ways(space: Workspace, project: Project, found: Sequence[Source]) -> list[Case]:
    """What is to be trained, with what that takes, and the button."""
    words = way_words()
    chosen = several(
        st.pills, t("Ways"), [*WAYS], key="source_ways", default=WAYS, show=words.__getitem__, selection_mode="multi"
    )
    left, right = st.columns(2)
    amount = left.slider(t("Rows of a source, times gold"), 0.25, 5.0, 1.0, 0.25, key="source_amount")
    repeats = int(right.number_input(t("Repeats"), 1, _MOST_REPEATS, REPEATS, key="source_repeats",
                                     help=t("Fewer than five allow no verdict.")))  # fmt: skip
    if project.recipe.train.steps is None:
        project = replace(project, recipe=replace(project.recipe, train=replace(project.recipe.train, steps=_STEPS)))
        st.caption(t("Each training takes {steps} steps.", steps=_STEPS))
    wanted = cases(project, found, [*dict.fromkeys(["target", *chosen])], amount)
    joined = with_sources(project, found)
    missing = {*joined.ingredients} - {*project.ingredients}
    if missing and {"joint", "both"} & {*chosen}:
        st.caption(t("For that this project gets as ingredients: {names}.", names=", ".join(sorted(missing))))
        if st.button(t("Add them"), key="sources_add", icon=":material/add:"):
            with telling():
                for name in missing:
                    change = with_ingredient(name, joined.ingredients[name])
                    joined = projects.edit(space, project.slug, change, {"event": "ingredient", "name": name})
                start_import(space, joined)
                st.rerun()
        return wanted
    stage = standing(space, project).stage
    assert stage is not None
    count, train = len(wanted) * repeats, project.recipe.train
    each = (replace(train, steps=case.steps or train.steps) for case in wanted)
    time = duration(sum(seconds_all(space, repeats, one) for one in each))
    st.caption(t("{n} trainings, about {time}; those that are there already are not made again.", n=count, time=time))
    if st.button(t("Train these ways"), key="sources_start", type="primary", icon=":material/play_arrow:"):
        with telling():
            for mine, plan in plans(space, project, stage, wanted, range(repeats)):
                launch(space, mine, stage, plan)
            st.rerun()
    return wanted


def _outcome(space: Workspace, project: Project, wanted: Sequence[Case], estimates: dict[str, float]) -> None:
    """Each way against the target alone."""
    mine = {group.id for case in wanted if (group := group_for(groups(space, project.slug), case)) is not None}
    if not mine:
        return

    def runs() -> list[Run]:
        return [run for group in groups(space, project.slug) if group.id in mine for run in group.runs.values()]

    followed(space, runs, "sources")
    found = outcome(space, project, wanted)
    if not found:
        return
    words = way_words()
    column = st.column_config
    st.dataframe(
        [
            {
                "way": visible(words[one.case.way]),
                "source": visible(one.case.source or "-"),
                "f1": 100 * float(one.scores.mean()),
                "sd": 100 * float(one.scores.std(ddof=1)) if len(one.scores) > 1 else None,
                "repeats": len(one.scores),
                "gain": 100 * one.verdict.difference.value if one.verdict else None,
                "verdict": verdict_words(one.verdict) if one.verdict else "",
                "over": 100 * one.over_longer.difference.value if one.over_longer else None,
                "over_verdict": verdict_words(one.over_longer) if one.over_longer else "",
            }
            for one in found
        ],
        hide_index=True,
        placeholder="-",
        key="sources_table",
        alt=raw("What each way with each source came to"),
        column_config={
            "way": column.TextColumn(raw("Way"), pinned=True),
            "source": column.TextColumn(raw("Source")),
            "f1": column.NumberColumn(raw("F1 on dev"), format="%.1f"),
            "sd": column.NumberColumn(raw("± over repeats"), format="%.1f"),
            "repeats": column.NumberColumn(raw("Repeats")),
            "gain": column.NumberColumn(raw("Against the target alone"), format="%+.1f"),
            "verdict": column.TextColumn(raw("Verdict")),
            "over": column.NumberColumn(
                raw("Against it trained as long"), format="%+.1f",
                help=raw("The target alone for as long as a source's training and the target's take together: what is "
                         "left is what the source brings, and not more training."),
            ),
            "over_verdict": column.TextColumn(raw("Verdict on that")),
        },
    )  # fmt: skip
    if not any(one.over_longer for one in found) and any(one.case.way in ("sequential", "both") for one in found):
        st.caption(said("line_sources_before"))
    for way, value in agreement(found, estimates).items():
        if value is not None:
            st.caption(t("{way}: the estimate ranks the sources as they turned out at {value} (1: the same order).",
                         way=words[way], value=f"{value:.2f}"))  # fmt: skip
    st.page_link(PAGES["compare"], label=t("Compare"), icon=":material/compare_arrows:",
                 query_params={"project": project.slug})  # fmt: skip
