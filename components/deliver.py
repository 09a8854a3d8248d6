"""A trained run taken along: as files for other programs, with its model card, or as the start of other trainings."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from components import facts
from components.frame import PAGES, telling
from components.progress import watch
from components.words import raw, said, t, visible
from core import project as projects
from core.jobs.folder import Run, read_json
from core.mix import GOLD
from core.model_export import Format, package_of, start
from core.models.loading import is_prompted
from core.models.started import installed
from core.output import size_text
from core.papers import papers, state_of
from core.project import Project
from core.seen import Seen, seen
from core.workspace import Workspace

_OUT, _START = "model_export", "model_start"  # in the address: the runs
_LONGEST = 200  # characters of a licence


def deliver(space: Workspace, project: Project, run: str) -> None:
    """What can be done with one trained run besides trying it."""
    if is_prompted(space.run_folder(run) / "model"):
        st.caption(said("run_prompted", {"run": run}) + " " + said("hint_run_prompted"))
        return
    taken(space, project, run)
    st.page_link(
        PAGES["continual"],
        label=t("Update it with new data, and see what it forgets"),
        icon=":material/update:",
        help=t("There, choose the project with the new data in the sidebar, and this run as the first step."),
    )
    with st.expander(t("Model card, licences and commands"), icon=":material/description:"):
        _licences(space, project)
        shown_card(space, project, run)
        st.caption(t("The same on the command line, to a model hub, and over HTTP for programs on this machine:"))
        commands(project, run)


def taken(space: Workspace, project: Project, run: str) -> None:
    """The files of a model, or the model as a start, and what came of asking for them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        _button(space, project, run, "safetensors", t("As a folder for transformers"), ":material/folder_zip:")
        _button(space, project, run, "onnx", t("As an ONNX graph"), ":material/deployed_code:")
        if st.button(
            t("Start other trainings from it"),
            key="models_start",
            icon=":material/fork_right:",
            help=t("Its encoder, and its head where the labels are the same, becomes what trainings begin with."),
        ):
            with telling():
                st.query_params[_START] = start(space, run, "start").id
                st.rerun()
    _delivered(space, run)
    _begun(space, project, run)


def shown_card(space: Workspace, project: Project, run: str) -> None:
    """The model card, where it is asked for."""
    if st.toggle(t("Show the model card"), key="models_card"):
        with telling():
            text = _card(space.root, run, project.slug, state_of(space, run, project=project.slug))
            st.code(text, language="markdown", wrap_lines=True, height=480)


def commands(project: Project, run: str, whole: bool = True) -> None:
    """The same on the command line. `whole`: whether the model is one network, which files can be made of."""
    files = (f"export-model {run} --out {project.slug}-model", f"push {run} --to ORG/NAME")
    lines = (*(files if whole else ()), f"serve {run}", f"predict {run} text.txt")
    st.code("\n".join(f"python -m core {line}" for line in lines), language="shell", wrap_lines=True)


def _button(space: Workspace, project: Project, run: str, format: Format, label: str, icon: str) -> None:
    if st.button(label, key=f"models_{format}", icon=icon):
        with telling():
            st.query_params[_OUT] = start(space, run, format, project=project.slug).id
            st.rerun()


def _of(space: Workspace, name: str, run: str) -> Run | None:
    """The run of the address, where it is about this trained one."""
    for found in space.store.find([st.query_params.get(name, "")]):
        if read_json(space.run_folder(found.id) / "spec.json")["inputs"].get("model") == f"run:{run}":
            return found
    return None


def _delivered(space: Workspace, run: str) -> None:
    found = _of(space, _OUT, run)
    if found is None:
        return
    watch(space, found, t("Writing the model and comparing it with the run"), "models_out")
    path = package_of(space, found)
    if path is None:
        return
    told = space.result(found.id)
    st.success(
        t(
            "On {rows} sentences its outputs differ from the run's by at most {far}.",
            rows=told["rows"],
            far=f"{told['largest']:.1g}",
        ),
        icon=":material/check_circle:",
    )
    with path.open("rb") as stream:
        st.download_button(
            t("Download {file} ({size})", file=path.name, size=size_text(path.stat().st_size)),
            stream,
            file_name=path.name,
            mime="application/zip",
            key="models_download",
            type="primary",
            icon=":material/download:",
            on_click="ignore",
        )


def _begun(space: Workspace, project: Project, run: str) -> None:
    """Once it is installed, the project can be told to begin with it."""
    found = _of(space, _START, run)
    if found is None:
        return
    watch(space, found, t("Installing it as a model"), "models_starting")
    folder = installed(run, space.models) if found.state == "succeeded" else None
    if folder is None:
        return
    name = f"run:{run}"
    st.success(
        t("It is installed. Recipes and the Mix page call it {name}.", name=name), icon=":material/check_circle:"
    )
    much = False
    for one in _seen(space, project, folder):
        much = much or one.too_much
        if one.rows:
            _warn(one)
    if project.recipe.train.model == name:
        st.caption(t("The trainings of this project begin with it."))
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params={"project": project.slug})
    elif not much and st.button(t("Use it in this project"), key="models_use", icon=":material/check:"):
        with telling():
            projects.edit(space, project.slug, lambda p: _begins_with(p, name), {"event": "settings"})
            st.rerun()


def _begins_with(project: Project, model: str) -> Project:
    return replace(project, recipe=replace(project.recipe, train=replace(project.recipe.train, model=model)))


def _seen(space: Workspace, project: Project, folder: Path) -> list[Seen]:
    stage = facts.project_standing(space, project).stage
    return [] if stage is None else seen(space, folder, stage.imported["corpora"])


def _warn(one: Seen) -> None:
    values = {"rows": one.rows, "all": one.all, "split": one.split}
    if one.too_much:
        st.warning(
            t(
                "It has learned from the text of {rows} of the {all} rows of {split} of this project, so this project "
                "can't begin with it: the scores would say nothing.",
                **values,
            ),
            icon=":material/block:",
        )
    else:
        st.warning(
            t(
                "It has learned from the text of {rows} of the {all} rows of {split} of this project: scores there are "
                "a little too good.",
                **values,
            ),
            icon=":material/warning:",
        )


def _licences(space: Workspace, project: Project) -> None:
    """What the licences of the data are: for the card, and kept in the project."""
    parts = [GOLD, *project.ingredients]
    told = project.recipe.licences
    column = st.column_config
    rows = st.data_editor(
        [{"part": visible(part), "licence": told.get(part, "")} for part in parts],
        key=f"models_licences_{project.slug}",
        hide_index=True,
        disabled=["part"],
        column_config={
            "part": column.TextColumn(raw("Ingredient")),
            "licence": column.TextColumn(
                raw("Licence"),
                help=raw("As its owner states it, such as CC-BY-4.0. The model card repeats it."),
                max_chars=_LONGEST,
            ),
        },
    )
    found = {part: str(row["licence"] or "").strip() for part, row in zip(parts, rows, strict=True)}
    stated = {part: words for part, words in found.items() if words}
    if stated != dict(told) and st.button(t("Keep the licences"), key="models_keep_licences", icon=":material/save:"):
        with telling():
            change = {"event": "licences"}
            projects.edit(space, project.slug, lambda p: replace(p, recipe=replace(p.recipe, licences=stated)), change)
            st.rerun()


@st.cache_resource(max_entries=16, show_spinner=False)
def _card(root: Path, run: str, project: str, state: str) -> str:
    """The text of the card, which is the same while the state is."""
    return papers(Workspace(root), run, "safetensors", project=project).files["README.md"]
