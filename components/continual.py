"""Asking for a sequence on the page Learn on: what was learned before, what keeps it, and what that takes."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from components.address import choice, several
from components.frame import telling
from components.keeping import explained, kind
from components.words import duration, escape, t, told, visible
from core import project as projects
from core.continual.keep import METHODS
from core.errors import CoreError
from core.groups import groups
from core.launch import standing
from core.models.loading import OVERLAY
from core.project import Project
from core.sequences import REPEATS, News, Planned, launch, news, plan, sequences
from core.training.ways import settings_of
from core.workspace import Workspace

_USUAL = ("plain", "distil", "replay", "replay_distil")
_SHARES = (0.02, 0.05, 0.1, 0.2)  # of replayed rows, where several are tried
_STEPS, _MOST_REPEATS, _MOST_STEPS = 150, 16, 100_000


def others(space: Workspace, project: Project) -> list[Project]:
    """The other projects of the same task whose data have been read, those in the same language first."""
    found: list[Project] = []
    for name in projects.names(space):
        try:
            other = projects.load(space, name)
        except CoreError:
            continue
        if name != project.slug and other.recipe.task == project.recipe.task and standing(space, other).stage:
            found.append(other)
    return sorted(found, key=lambda other: other.recipe.language != project.recipe.language)


def learning(project: Project) -> Project:
    """A project as it learns: where its settings ask a language model, all weights are trained instead."""
    train = project.recipe.train
    if train.method != "prompt":
        return project
    return replace(project, recipe=replace(project.recipe, train=settings_of(train, "full")))


def likely(project: Project, known: Sequence[Project]) -> list[str]:
    """What is chosen where nobody has chosen: the first one in the same language, if there is one."""
    return [other.slug for other in known if other.recipe.language == project.recipe.language][:1]


def ask(space: Workspace, project: Project, known: Sequence[Project]) -> None:
    """The form, with what is new and what it takes, and the button."""
    by_name = {other.slug: other for other in known}
    left, right = st.columns(2)
    with left:
        before = several(
            st.multiselect,
            t("Learned before, in this order"),
            [*by_name],
            key="before",
            default=likely(project, known),
            show=lambda name: visible(by_name[name].title),
            help=t("The projects whose data the model has learned from. The project of the sidebar comes last."),
        )
    if not before:
        st.info(t("Choose what was learned before."))
        return
    with right:
        start = _start(space, by_name[before[0]])
    methods = _ways()
    steps, repeats = _length(project)
    recipe = replace(project.recipe, train=replace(project.recipe.train, steps=steps))
    steps_of = [*(by_name[name] for name in before), replace(project, recipe=recipe)]
    try:
        planned = plan(space, steps_of, methods, range(repeats), start)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return
    _new(news(space, planned.parts), project)
    _launch(space, planned, repeats)


def _start(space: Workspace, first: Project) -> str:
    """The trained run that the sequence begins with; "" where the first step is learned anew."""
    names: dict[str, str] = {"": t("is learned anew, once for each repeat")}
    for group in groups(space, first.slug):
        for seed, run in group.runs.items():
            if run.state == "succeeded" and (space.run_folder(run.id) / "model" / OVERLAY).is_file():
                names[run.id] = t("is there: {mix}, repeat {seed}", mix=group.name, seed=seed)
    return choice(
        st.selectbox,
        t("Its first step"),
        [*names],
        key="begins",
        show=names.__getitem__,
        help=t("To update a model that is there, begin with its run."),
    )


def _ways() -> list[str]:
    chosen = several(
        st.pills,
        t("Ways of keeping it"),
        [*METHODS],
        key="ways",
        default=_USUAL,
        show=lambda name: escape(kind(name)),
        selection_mode="multi",
    )
    left, right = st.columns(2, vertical_alignment="bottom")
    share = left.slider(
        t("Rows of earlier steps that are replayed"), 1, 100, 10, format="%d%%", key="replayed",
        disabled=not any(METHODS[name].replay for name in chosen),
    )  # fmt: skip
    tried = right.toggle(
        t("Try 2, 5, 10 and 20 %"),
        key="shares",
        help=t("Replay alone, with each of these shares: to see how much is enough."),
    )
    with st.expander(t("What these ways do")):
        for name in chosen:
            st.markdown(f"**{escape(kind(name))}**: {escape(explained(name))}")
    found = [f"{name}@{share / 100:g}" if METHODS[name].replay else name for name in chosen]
    found += [f"replay@{one:g}" for one in _SHARES] if tried else []
    return [*dict.fromkeys(["plain", *found])]


def _length(project: Project) -> tuple[int, int]:
    """Steps of each part, and repeats."""
    left, right = st.columns(2)
    first = project.recipe.train.steps or _STEPS
    steps = left.number_input(
        t("Training steps of each part"), 1, _MOST_STEPS, first, 10, key=f"sequence_steps_{project.slug}"
    )
    repeats = right.number_input(
        t("Repeats"), 1, _MOST_REPEATS, REPEATS, key="sequence_repeats",
        help=t("Fewer than five allow no verdict."),
    )  # fmt: skip
    return int(steps), int(repeats)


def _new(found: News, project: Project) -> None:
    """What the last step brings."""
    values = {"project": project.title, "rows": found.rows}
    parts = [t("New in {project}: {rows} sentences.", **values)]
    if found.known:
        parts.append(t("{n} of them stand in earlier data already.", n=found.known))
    if found.labels:
        parts.append(t("New labels: {labels}.", labels=", ".join(found.labels)))
    if found.gone:
        parts.append(
            t(
                "It leaves {labels} unlabelled: a model that learns from it alone learns that these are nothing.",
                labels=", ".join(found.gone),
            )
        )
    twins = [f"{old} / {new}" for new in found.labels for old in found.gone if new.casefold() == old.casefold()]
    if twins:
        parts.append(t("By their capitals alone these count as two labels each: {labels}.", labels=", ".join(twins)))
    st.info(" ".join(parts), icon=":material/fiber_new:")


def _launch(space: Workspace, planned: Planned, repeats: int) -> None:
    for issue in planned.issues:
        st.warning(told(CoreError(issue.code, issue.values)), icon=":material/warning:")
    every = sum(map(len, planned.specs.values()))
    values = {"runs": every, "new": planned.new, "time": duration(planned.seconds)}
    if planned.new:
        st.caption(t("{runs} runs, {new} of them new: about {time}.", **values))
    else:
        st.caption(t("All {runs} runs are there, or under way.", runs=every))
    if planned.new and st.button(t("Start"), key="sequence_start", type="primary", icon=":material/play_arrow:"):
        with telling():
            launch(space, planned, range(repeats))
            st.query_params["sequence"] = sequences(space, planned.parts[-1].project)[0].id  # that one is looked at
            st.rerun()
