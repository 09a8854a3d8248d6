"""The Augment page's bench: choose a method, look at children it makes of some sentences, keep it as an ingredient."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from components import asking
from components.address import choice
from components.checks import checks_form, fill_checks
from components.cost_of_writing import agreed, told_cost
from components.entities import Line, entities, shown
from components.frame import telling
from components.given import asked_for
from components.labeller import told_trust
from components.method_fields import field_words
from components.methods import SOURCES, ingredient, title, what
from components.params_form import fill, params_form
from components.words import raw, said_raw, t, told
from core import project as projects
from core.augment import AUGMENTERS, available, lacking, named_by, params_class, params_for, params_of
from core.augment.preview import child_of
from core.augment.protocol import Rejected
from core.corpus import Corpus
from core.errors import CoreError
from core.launch import start_pool
from core.project import Project, with_ingredient
from core.recipe import AugmentedIngredient
from core.report import browse
from core.sources import keep_named
from core.stage import Stage, unlabelled
from core.tasks import task as task_of
from core.tasks.protocol import Task
from core.workspace import Workspace

WAY = "way"  # in the address: which form the page shows
CHOSEN = "ingredient"  # in the address: the ingredient that is looked at
_CHANGED = "augment_changed"  # session key: (project, ingredient) whose settings are in the form
_PREVIEW = "augment_preview"  # session key: the question whose answer is shown
_SECONDS = 20.0  # that a preview may take
_NAME, _USUAL, _COPIES = "augment_name", "augment_usual_name", "augment_copies"
_METHOD, _OF, _SEED, _FIRST = "method", "of", "seed", "first"  # in the address
_MOST_COPIES, _MOST_SEED = 100, 2**31 - 1
_ROWS, _SHOWN_COPIES = 5, 3  # sentences of a preview, and children of each at most
_HEIGHT, _FIELD = 560, 130  # pixels: of the preview, and of a number
NAME_LENGTH = 60


def bench(space: Workspace, project: Project, stage: Stage) -> None:
    """Settings left, their effect right: both change together."""
    method = _method(task_of(project.recipe.task))
    left, right = st.columns([2, 3], gap="large")
    with left:
        part = _settings(space, project, stage, method)
        if part is not None:
            _keep(space, project, part)
    with right:
        if part is not None:
            _effect(space, stage, part)


def change(project: Project, name: str) -> None:
    """Put the settings of an ingredient into the form, as a callback."""
    part = project.ingredients[name]
    assert isinstance(part, AugmentedIngredient)
    found = {WAY: "children", _METHOD: part.augmenter, _OF: part.of, _SEED: part.seed, _COPIES: part.copies}
    st.session_state.update(found)
    fill(params_class(part.augmenter), _form(part.augmenter), part.params)
    fill_checks(part.checks)
    st.session_state[_CHANGED] = (project.slug, name)


def _form(method: str) -> str:
    return f"augment_{method}"


def _changed(project: Project) -> str | None:
    """The ingredient that is being changed."""
    slug, name = st.session_state.get(_CHANGED, ("", ""))
    return name if slug == project.slug and name in project.ingredients else None


def _method(task: Task) -> str:
    there = available(task)
    method = choice(st.pills, t("Method"), there, key=_METHOD, show=title, wrap=True)
    others = [title(name) for name in AUGMENTERS if name not in there]
    if others:
        st.caption(t("Not for these data, as no words within a text are labelled: {names}.", names=", ".join(others)))
    with st.container(gap="xxsmall"):
        st.markdown(what(method))
        if method in SOURCES:
            st.caption(t("Source:") + " " + SOURCES[method])
    return method


def _settings(space: Workspace, project: Project, stage: Stage, method: str) -> AugmentedIngredient | None:
    """The form. -> what it asks for; None where that can't be"""
    labels = AUGMENTERS[method].labels
    there = [name for name in stage.pools if name != _changed(project)]
    if labels and not (there := [name for name in there if unlabelled(project.recipe, name, stage)]):
        st.info(
            t("This method needs text without labels. Add it above, under *Add another file*."), icon=":material/info:"
        )
        return None
    of = made_of(there)
    try:
        only = params_for(method, task_of(project.recipe.task))
        ask = partial(asked_for, space)
        params = params_form(params_class(method), _form(method), field_words(method), only, ask)
        if lacking(method, params):
            st.info(_needs(method), icon=":material/info:")
            return None
        params_of(method, params)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return None
    if labels:
        part = AugmentedIngredient(method, of, params)
        return part if told_trust(space, project, stage, part) else None
    copies, seed = _copies_and_seed()
    checks = None if AUGMENTERS[method].control else checks_form(space)
    part = AugmentedIngredient(method, of, params, copies, seed, checks=checks)
    return part if told_cost(space, stage.pools[of], part) else None


def _needs(method: str) -> str:
    """What a method can't work without, and doesn't have yet."""
    if any(mark.endpoints for mark in named_by(method).values()):
        return t("This method needs a model or an endpoint. Name one above.")
    if any(mark.trained for mark in named_by(method).values()):
        return t("This method needs a trained run whose weights are kept. Name one above.")
    if "model" in {mark.kind for mark in named_by(method).values()}:
        return t("This method needs a model. Name one above; none of this kind comes with Peibi.")
    return t("This method needs a file. Add it above.")


def made_of(parents: Sequence[str]) -> str:
    """The ingredient whose sentences get children, of `parents`."""
    help = t("Gold, or another ingredient: every sentence of it gets children.")
    return choice(st.selectbox, t("Made of"), parents, key=_OF, show=ingredient, help=help)


def _copies_and_seed() -> tuple[int, int]:
    st.session_state.setdefault(_COPIES, 1)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        copies = st.number_input(
            t("Copies"),
            min_value=1,
            max_value=_MOST_COPIES,
            step=1,
            key=_COPIES,
            persist_state="session",
            width=_FIELD,
            help=t("Children of each sentence. A mix decides how many of them are used."),
        )
        seed = seed_field()
    return int(copies), seed


def seed_field(shortcut: str | None = None) -> int:
    """The seed, and a button for the next one, which has a key of the keyboard too."""
    seed = st.number_input(
        t("Seed"),
        min_value=0,
        max_value=_MOST_SEED,
        step=1,
        key=_SEED,
        bind="query-params",
        width=_FIELD,
        help=t("The same seed makes the same children again; another one makes others."),
    )
    icon = ":material/casino:"
    st.button(t("Another seed"), key="augment_seed_next", icon=icon, on_click=_next_seed, shortcut=shortcut)
    return int(seed)


def _next_seed() -> None:
    st.session_state[_SEED] = (int(st.session_state.get(_SEED, 0)) + 1) % _MOST_SEED


def _keep(space: Workspace, project: Project, part: AugmentedIngredient) -> None:
    """The button that makes an ingredient of the settings, or changes the one they came from."""
    name = _changed(project)
    if name is not None:
        st.markdown(t("You are changing the ingredient **{name}**.", name=name))
        with st.container(horizontal=True):
            if st.button(t("Save and build again"), key="augment_save", type="primary", icon=":material/build:"):
                before = project.ingredients[name]
                assert isinstance(before, AugmentedIngredient)
                checks = part.checks
                if checks is not None and before.checks is not None:
                    checks = replace(checks, encoder=before.checks.encoder)
                _build(space, project, name, replace(part, decisions=before.decisions, checks=checks))
            if st.button(t("Leave it as it is"), key="augment_leave"):
                del st.session_state[_CHANGED]
                st.rerun()
        return
    name = _name_field(project, part)
    taken = name in project.ingredients
    if taken:
        st.caption(t("There is an ingredient of that name. Choose another one, or change that one in the list below."))
    if st.button(
        t("Add as ingredient"),
        key="augment_add",
        type="primary",
        icon=":material/add:",
        disabled=taken or not name,
        help=t("Makes children of all sentences, in the background."),
    ):
        _build(space, project, name, part)


def _name_field(project: Project, part: AugmentedIngredient) -> str:
    """The name of the new ingredient; it follows the method until one writes another."""
    usual = free_name(project, title(part.augmenter).lower())
    if st.session_state.get(_NAME) in (None, "", st.session_state.get(_USUAL)):
        st.session_state[_NAME] = usual
    st.session_state[_USUAL] = usual
    help = t("What it is called in mixes: letters, digits, blanks, points and hyphens.")
    found = st.text_input(t("Name"), key=_NAME, max_chars=NAME_LENGTH, persist_state="session", help=help)
    return found.strip() or usual


def free_name(project: Project, base: str) -> str:
    """`base` as the name of an ingredient, with a number where one has it already."""
    return next(n for n in projects.numbered(projects.ingredient_name(base)) if n not in project.ingredients)


def _build(space: Workspace, project: Project, name: str, part: AugmentedIngredient) -> None:
    """Write the ingredient into the project, and start building its pool."""
    with telling():
        whole = keep_named(space, part, project.recipe.folder, project.recipe.language)
        event = {"event": "ingredient", "name": name}
        changed = projects.edit(space, project.slug, with_ingredient(name, whole), event)
        start_pool(space, changed, name)
        st.session_state.pop(_CHANGED, None)
        st.session_state.pop(_NAME, None)
        st.query_params[CHOSEN] = name
        st.rerun()


def _effect(space: Workspace, stage: Stage, part: AugmentedIngredient) -> None:
    """Some sentences with the children that the settings make of them."""
    parent = stage.pools[part.of]
    first = _first(len(parent))
    rows = [(first + at) % len(parent) for at in range(min(_ROWS, len(parent)))]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            t("Preview: sentences {first} to {last} of {n}.", first=first + 1, last=rows[-1] + 1, n=len(parent)),
            width="content",
        )
        st.button(
            t("Other sentences"),
            key="augment_others",
            icon=":material/shuffle:",
            on_click=_show_others,
            args=((first + _ROWS) % len(parent),),
        )
    ids = stage.imported["corpora"]
    request = {
        "corpus": parent.id,
        "rows": rows,
        "method": part.augmenter,
        "params": part.params,
        "copies": min(part.copies, _SHOWN_COPIES),
        "seed": part.seed,
        "held_out": [ids[split] for split in ("dev", "test") if split in ids],
    }
    if not agreed(space, part, request):
        return
    found = asking.asked(space, _PREVIEW, "preview", request, _SECONDS)
    with st.container(height=_HEIGHT, border=True):
        if found.answer is not None:
            _children(parent, found.answer["rows"], part.copies > _SHOWN_COPIES)
        elif found.problem is not None:
            asking.problem(_PREVIEW, found.problem)
        else:
            asking.waiting(space, _PREVIEW)


def _first(rows: int) -> int:
    """Position of the first sentence shown, as the address has it, where it is counted from 1."""
    asked = st.query_params.get(_FIRST, "1")
    return (int(asked) - 1) % rows if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0


def _show_others(first: int) -> None:
    st.query_params[_FIRST] = str(first + 1)


def _children(parent: Corpus, rows: Sequence[Mapping[str, Any]], cut: bool) -> None:
    """`cut`: whether there will be more of each."""
    children = [child for row in rows for child in row["children"]]
    good = sum("rejected" not in child for child in children)
    st.caption(
        t("{good} of {n} children pass the checks.", good=good, n=len(children))
        + " "
        + t("Wavy underlined: what augmenting changed; struck through: what stood there before.")
        + (" " + t("At most {n} children of each sentence are shown.", n=_SHOWN_COPIES) if cut else "")
    )
    lines: list[Line] = []
    parents = browse.page(parent, np.array([row["row"] for row in rows]), 0, len(rows))
    for row, found in zip(rows, parents, strict=True):
        lines.append(shown(found, raw("sentence {n}", n=found.position + 1)))
        lines += [_child(found, child, number) for number, child in enumerate(row["children"], 1)]
    entities(lines, parent.schema.labels, key="augment_children")


def _child(row: browse.Row, data: Mapping[str, Any], number: int) -> Line:
    child = child_of(data)
    if isinstance(child, Rejected):
        return Line([], raw("rejected"), said_raw(child.code), indent=True)
    labels = row.labels if child.labels is None else tuple(label for label in child.labels if label is not None)
    return Line(browse.child_segments(row, child), raw("child {n}", n=number), indent=True, labels=labels)
