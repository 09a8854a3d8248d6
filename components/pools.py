"""The ingredients of a project: what each is made of, how its pool turned out, and what can be done with it."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import streamlit as st

from components import children, other_file
from components.address import choice, keep
from components.became import became
from components.children import CHOSEN
from components.entities import entities, shown
from components.frame import telling
from components.method_fields import settings
from components.methods import ingredient, title
from components.outcome import outcome
from components.progress import watch
from components.review import review, without_children
from components.words import raw, said_raw, t, visible
from core import project as projects
from core.augment.rejected import rejected_children, rejected_rows
from core.corpus import Corpus
from core.launch import Standing, start_import, start_pool
from core.params import digest
from core.project import Project, with_again, without_ingredient
from core.recipe import AugmentedIngredient, FileIngredient
from core.report import browse
from core.stage import unlabelled
from core.tasks import task as task_of
from core.workspace import Workspace

_GONE = "augment_gone"  # session key: the ingredient that was deleted last, and the project as it was then
_PICKED = "augment_picked"  # session key: the ingredient that was last looked at
_WHY = "why"  # in the address: the reason of rejection looked at
_WAY, _ALL = "children", "some"  # in the address: how the children of an ingredient are shown
_NAMES = 110  # pixels of a column of names
_ROWS = 5  # sentences shown of an ingredient


def shelf(space: Workspace, project: Project, found: Standing) -> None:
    """The list, what goes on, and the ingredient chosen."""
    st.subheader(t("Ingredients of this project"), anchor=False)
    _bring_back(space, project)
    for name, run in found.runs.items():
        what = t("Reading the files") if name == "import" else t("Building {name}", name=name)
        watch(space, run, what, key=f"augment_watch_{run.id}")
    with telling():
        other_file.pending(space, project)
    if not project.ingredients:
        st.caption(t("None yet. Choose a method above and add it, or add another labelled file."))
        return
    _build_all(space, project, found)
    name = _picked(project, found)
    with st.container(border=True):
        _detail(space, project, found, name)


def _bring_back(space: Workspace, project: Project) -> None:
    """What was just deleted can be brought back."""
    name, before = st.session_state.get(_GONE, ("", None))
    if before is None or before.slug != project.slug or name in project.ingredients:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("Deleted: {name}", name=name))
        if st.button(t("Bring it back"), key="augment_undo", icon=":material/undo:"):
            with telling():
                event = {"event": "ingredient_restored", "name": name}
                _after(space, projects.edit(space, project.slug, with_again(before, name), event), name)


def _after(space: Workspace, project: Project, name: str) -> None:
    """Other file ingredients are another import, which may have been carried out before."""
    st.session_state.pop(_GONE, None)
    if project.ingredients and isinstance(project.ingredients.get(name), FileIngredient):
        start_import(space, project)
    st.rerun()


def _build_all(space: Workspace, project: Project, found: Standing) -> None:
    """One button for all pools that can be built now."""
    ready = [name for name in found.waiting if _buildable(project, found, name)]
    if not ready:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("Not built yet: {names}.", names=", ".join(ready)))
        if st.button(t("Build all"), key="augment_build_all", icon=":material/build:"):
            with telling():
                for name in ready:
                    start_pool(space, project, name)
                st.rerun()


def _buildable(project: Project, found: Standing, name: str) -> bool:
    """Whether a pool is not there, can be made, and is not being made."""
    part, run = project.ingredients[name], found.runs.get(name)
    if found.stage is None or not isinstance(part, AugmentedIngredient) or part.of not in found.stage.pools:
        return False
    return name not in found.stage.pools and (run is None or not run.pending)


def _picked(project: Project, found: Standing) -> str:
    """The table, and the ingredient selected in it."""
    names = list(project.ingredients)
    asked, key = st.query_params.get(CHOSEN), f"augment_list_{digest([project.slug, *names])[:8]}"
    at = names.index(asked) if asked in names else 0
    chosen: Mapping[str, object] = {"selection": {"rows": [at], "columns": [], "cells": []}}
    if asked in names and key in st.session_state and asked != st.session_state.get(_PICKED):
        st.session_state[key] = chosen
    column = st.column_config
    table = st.dataframe(
        [_row(project, found, name) for name in names],
        key=key,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default=chosen,
        hide_index=True,
        placeholder="-",
        column_config={
            "name": column.TextColumn(t("Ingredient"), width=160, pinned=True),
            "what": column.TextColumn(t("How it is made"), width=150),
            "of": column.TextColumn(t("Made of"), width=140),
            "state": column.TextColumn(t("State")),
            "rows": column.NumberColumn(t("Sentences"), help=t("Sentences that a mix can draw from.")),
            "kept": column.NumberColumn(
                t("Yield"), format="%.0f %%", help=t("Children that passed the checks, of all that were tried.")
            ),
        },
        alt=raw("Ingredients of this project"),
    )
    name = names[next(iter(table.selection.rows), at)]
    st.session_state[_PICKED] = name
    keep(CHOSEN, name, names[0])
    return name


def _row(project: Project, found: Standing, name: str) -> dict[str, object]:
    part, pool = project.ingredients[name], _pool(found, name)
    made = isinstance(part, AugmentedIngredient)
    tried = _tried(part, found)
    return {
        "name": visible(name),
        "what": title(part.augmenter) if made else _file_kind(_bare(project, found, name)),
        "of": ingredient(part.of) if made else visible(part.file.removeprefix("corpus:")),
        "state": _state(found, name, made),
        "rows": None if pool is None else len(pool),
        "kept": 100 * len(pool) / tried if pool is not None and tried else None,
    }


def _bare(project: Project, found: Standing, name: str) -> bool:
    """Whether nothing is labelled in a file."""
    return found.stage is not None and unlabelled(project.recipe, name, found.stage)


def _file_kind(bare: bool) -> str:
    return raw("text without labels") if bare else raw("labelled file")


def _pool(found: Standing, name: str) -> Corpus | None:
    return None if found.stage is None else found.stage.pools.get(name)


def _tried(part: AugmentedIngredient | FileIngredient, found: Standing) -> int:
    """Children that were tried: sentences of the parent times copies."""
    if found.stage is None or not isinstance(part, AugmentedIngredient) or part.of not in found.stage.pools:
        return 0
    return len(found.stage.pools[part.of]) * part.copies


def _state(found: Standing, name: str, made: bool) -> str:
    if _pool(found, name) is not None:
        return raw("ready")
    if found.stage is None and made:
        return raw("waits for the files")
    run = found.runs.get(name if made else "import")
    return raw("not built yet") if run is None else said_raw(f"state_{run.state}")


def _detail(space: Workspace, project: Project, found: Standing, name: str) -> None:
    """One ingredient: its settings, what became of the children, some sentences, and what can be done."""
    part, pool = project.ingredients[name], _pool(found, name)
    st.markdown(t("**{name}**", name=name))
    left, right = st.columns([2, 3], gap="large")
    with left:
        if isinstance(part, AugmentedIngredient):
            _pairs(settings(part, task_of(project.recipe.task)), raw("Setting"), raw("Value"), "augment_settings")
            if pool is not None:
                outcome(pool, _tried(part, found), part.copies, found.rejected.get(name, {}), found.audits.get(name))
        else:
            _file(part, _bare(project, found, name))
        _actions(space, project, found, name)
    with right:
        if pool is None:
            st.caption(t("Its sentences are shown here as soon as it is built."))
            if isinstance(part, AugmentedIngredient):
                without_children(space, project, name)
        elif not len(pool):
            st.caption(t("No child passed the checks. The table of reasons says why; other settings may help."))
            without_children(space, project, name)
            if isinstance(part, AugmentedIngredient) and (parent := _pool(found, part.of)) is not None:
                _rejected(space, found, parent, name)
        else:
            _children_of(space, project, found, pool, name)


def _children_of(space: Workspace, project: Project, found: Standing, pool: Corpus, name: str) -> None:
    """Some sentences of a pool, or its children one by one, to be decided about."""
    part = project.ingredients[name]
    parent = _pool(found, part.of) if isinstance(part, AugmentedIngredient) else None
    way = _ALL
    if parent is not None:
        words = {_ALL: t("Some children"), "each": t("One by one, to decide"), "rejected": t("Without a child")}
        words |= {"became": t("What became what")}
        way = choice(
            st.pills,
            t("How the children are shown"),
            list(words),
            key=_WAY,
            show=words.__getitem__,
            label_visibility="collapsed",
            wrap=True,
        )
    if parent is not None and way == "each":
        review(space, project, pool, parent, name)
    elif parent is not None and way == "rejected":
        _rejected(space, found, parent, name)
    elif parent is not None and way == "became":
        became(pool)
    else:
        _sentences(pool, np.arange(len(pool)), f"augment_from_{pool.id[:16]}")


def _rejected(space: Workspace, found: Standing, parent: Corpus, name: str) -> None:
    """The sentences of which a child was rejected, for one reason at a time."""
    counts = found.rejected.get(name, {})
    if not counts:
        st.caption(t("Every child that was tried passed the checks."))
        return
    shown_as = {code: f"{said_raw(code)} ({count})" for code, count in counts.items()}
    code = choice(st.selectbox, t("Why"), list(counts), key=_WHY, show=shown_as.__getitem__)
    folder = space.run_folder(found.runs[name].id)
    rows, children = rejected_rows(folder, parent, code), rejected_children(folder, parent, code)
    if children is not None:
        st.caption(t("The children that were rejected, with what they changed:"))
        _sentences(children, np.arange(len(children)), f"augment_sifted_from_{parent.id[:16]}_{code}")
    elif len(rows):
        _sentences(parent, rows, f"augment_rejected_from_{parent.id[:16]}_{code}")


def _pairs(data: Mapping[str, object], left: str, right: str, key: str) -> None:
    config = {"name": st.column_config.TextColumn(left, width=_NAMES), "value": st.column_config.Column(right)}
    rows = [{"name": visible(name), "value": value} for name, value in data.items()]
    st.dataframe(rows, key=key, hide_index=True, column_config=config, height="content", alt=left)


def _file(part: FileIngredient, bare: bool) -> None:
    if bare:
        st.markdown(t("Text without labels: {file}", file=part.file.removeprefix("corpus:")))
        st.caption(t("Nothing can be learned from it as it is. The method *Labels by a trained run* makes more of it."))
        return
    st.markdown(t("Another labelled file: {file}", file=part.file.removeprefix("corpus:")))
    if part.labels is None:
        st.caption(t("Its labels are those of gold."))
        return
    masked = raw("kept out of training")
    shown = {label: masked if ours is None else visible(ours) for label, ours in part.labels.items()}
    _pairs(shown, raw("Label in the file"), raw("Label of the project"), "augment_labels")


def _actions(space: Workspace, project: Project, found: Standing, name: str) -> None:
    part = project.ingredients[name]
    augmented = isinstance(part, AugmentedIngredient)
    with st.container(horizontal=True):
        if _buildable(project, found, name) and st.button(t("Build"), key="augment_build", icon=":material/build:"):
            with telling():
                start_pool(space, project, name)
                st.rerun()
        if augmented or part.file.startswith("corpus:"):
            st.button(
                t("Change"),
                key="augment_change",
                icon=":material/edit:",
                help=t("Puts these settings into the form above. Trained runs keep what they were trained on."),
                on_click=partial(children.change if augmented else other_file.change, project, name),
            )
        if st.button(
            t("Delete"), key="augment_delete", icon=":material/delete:", help=t("You can bring it back afterwards.")
        ):
            _delete(space, project, name)


def _delete(space: Workspace, project: Project, name: str) -> None:
    """Take an ingredient out of the project; its pool stays on disk for the runs that used it."""
    with telling():
        event = {"event": "ingredient_deleted", "name": name}
        changed = projects.edit(space, project.slug, without_ingredient(name), event)
        st.session_state[_GONE] = (name, project)
        if isinstance(project.ingredients[name], FileIngredient):
            start_import(space, changed)
        st.rerun()


def _sentences(corpus: Corpus, rows: np.ndarray, key: str) -> None:
    """A few of some sentences, and a button for others. `rows`: their positions, at least one."""
    first = int(st.session_state.get(key, 0)) % len(rows)
    some = browse.page(corpus, rows, first, _ROWS)

    def others() -> None:
        st.session_state[key] = (first + _ROWS) % len(rows)

    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        last = first + len(some)
        st.caption(t("Sentences {first} to {last} of {n}.", first=first + 1, last=last, n=len(rows)), width="content")
        if len(rows) > _ROWS:
            st.button(t("Other sentences"), key="augment_more", icon=":material/shuffle:", on_click=others)
    lines = [shown(row, str(row.position + 1)) for row in some]
    entities(lines, corpus.schema.labels, key="augment_sentences")
