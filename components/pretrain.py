"""Continued pre-training of a project's encoder: what it reads and takes, how it went, and its model as a start."""

from dataclasses import replace

import streamlit as st

from components import facts, progress
from components.frame import PAGES, telling
from components.pictures import still
from components.words import duration, raw, t, visible
from core import pretraining, traces
from core import project as projects
from core.jobs.folder import Run
from core.models.catalogue import install
from core.pretraining import Outcome, Reads
from core.project import Project
from core.report import curves as drawn
from core.runs import TEXT
from core.shelf import folder_of
from core.stage import Stage, unlabelled
from core.training.pretrain_loop import PretrainParams
from core.workspace import Workspace


def pretrain(space: Workspace, project: Project) -> None:
    """What to read and for how long; then the runs of the project, the newest first."""
    stage = facts.project_standing(space, project).stage
    st.caption(
        t(
            "The encoder reads text of your field before it is fine-tuned: it guesses words that are hidden from it. "
            "No labels are needed. What it learns helps where such text differs from what it was made with, and it "
            "may bring nothing: compare."
        )
    )
    if stage is None:
        st.info(t("Once the project's data is read, its text can be chosen here."))
        return
    names = pretraining.sources(project.recipe, stage)
    if not names:
        st.info(
            t(
                "This project has no text besides gold. Text without labels is a file of sentences, one a line, or of "
                "any format that Peibi reads: add it on the Augment page, under *Add another file*."
            ),
            icon=":material/article:",
        )
        st.page_link(
            PAGES["augment"], label=t("Augment"), icon=":material/add:", query_params={"project": project.slug}
        )
    _ask(space, project, stage, names)
    for run in pretraining.runs(space, project.slug):
        with st.container(border=True):
            _shown(space, project, stage, run)


def _ask(space: Workspace, project: Project, stage: Stage, names: list[str]) -> None:
    """The texts, the steps, what they take, and the button."""
    bare = [name for name in names if unlabelled(project.recipe, name, stage)]
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.multiselect(
        t("Texts"), names, default=bare, key=f"models_pretrain_{project.slug}", format_func=visible, disabled=not names,
        help=t("Ingredients that are files; of those with labels the words alone are read."),
    )  # fmt: skip
    steps = int(right.number_input(t("Steps"), 10, 100_000, PretrainParams.steps, 50, key="models_pretrain_steps"))
    gold = st.checkbox(t("Gold's own text, too"), value=True, key="models_pretrain_gold")
    params, name = PretrainParams(steps=steps), project.recipe.train.model
    folder = folder_of(space, name, space.root / "projects" / project.slug)
    identity = "" if folder is None or folder.parent != space.models else folder.name
    if not chosen and not gold:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        asked = st.button(
            t("Go on pre-training {model}", model=name), key="models_pretrain_go", icon=":material/menu_book:"
        )
        st.caption(
            t(
                "About {time}, in the background. Text that stands in dev or test is left out.",
                time=duration(pretraining.seconds(space, identity, params)),
            )
        )
    if asked:
        with telling():
            pretraining.start(space, project, stage, Reads(tuple(chosen), gold), params)
            st.rerun()


def _shown(space: Workspace, project: Project, stage: Stage, run: Run) -> None:
    """One run: how far it is, its curve, and what came of it."""
    progress.watch(space, run, t("Continued pre-training"), f"models_pretrain_{run.id}")
    found = pretraining.outcome(space, run) if run.state == "succeeded" else None
    if found is not None:
        st.markdown(_told(found))
    curve(space, run)
    if found is not None:
        _use(space, project, stage, run, found)


def curve(space: Workspace, run: Run) -> None:
    """Loss and perplexity over the steps, as far as a run has come."""
    points = traces.curves(traces.trace(space.run_folder(run.id)), "steps").loss
    rates = pretraining.perplexities(space, run)
    if not points or not rates:
        return
    words = {"axis": raw("Step"), "loss": raw("Loss"), "perplexity": raw("Perplexity")}
    still(drawn.perplexity(points, rates, words), f"pretrain_curve_{run.id}", raw("Loss and perplexity"))
    st.caption(t("Perplexity: among how many words the model is as good as undecided, in rows it never learns from."))


def _told(found: Outcome) -> str:
    left = found.left_out
    values = {"rows": sum(found.rows.values()), "before": f"{found.before:.0f}", "after": f"{found.after:.0f}"}
    values |= {"texts": raw(", ").join(role.removeprefix(TEXT) for role in found.rows), "apart": found.held_out}
    lines = [t("Read {rows} rows of {texts}: perplexity of {apart} rows kept apart went from {before} to {after}.",
               **values)]  # fmt: skip
    lines.append(
        t(
            "Left out: {stands} rows that stand in dev or test or hold one of their rows, {near} that nearly are one, "
            "{twice} that stood before.",
            **{key: left[key] for key in ("stands", "near", "twice")},
        )
    )
    if found.head_made:
        lines.append(t("The encoder had no head that guesses words: one was made, and learned alone for a tenth."))
    return "  \n".join(lines)


def _use(space: Workspace, project: Project, stage: Stage, run: Run, found: Outcome) -> None:
    """Whether the project begins with it, and the way to make it so."""
    if project.recipe.train.model == found.name:
        st.caption(t("The trainings of this project begin with it."))
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params={"project": project.slug})
        return
    st.caption(t("Recipes and the Mix page call it {name}.", name=found.name))
    with st.container(horizontal=True):
        if st.button(t("Use it in this project"), key=f"models_pretrain_use_{run.id}", icon=":material/check:"):
            with telling():
                install(found.name, space.models, space.root)
                projects.edit(space, project.slug, lambda p: _begun(p, found.name), {"event": "settings"})
                st.rerun()
        if st.button(t("Delete"), key=f"models_pretrain_delete_{run.id}", icon=":material/delete:"):
            with telling():
                pretraining.remove(space, run.id)
                st.rerun()


def _begun(project: Project, model: str) -> Project:
    return replace(project, recipe=replace(project.recipe, train=replace(project.recipe.train, model=model)))
