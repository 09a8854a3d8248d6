"""One child of a pool at a time: accept, reject or edit it, with keys, and take the last decision back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from components.address import choice
from components.entities import Line, entities, shown
from components.frame import telling
from components.words import raw, t
from core import decided as deciding
from core.augment import markup
from core.augment.decisions import Decision, Verdict, mark
from core.corpus import Corpus, pc
from core.decided import Decided
from core.project import Project
from core.recipe import AugmentedIngredient
from core.report import browse
from core.tasks import task as task_of
from core.workspace import Workspace

_ORDER = "order"  # in the address: in which order children are gone through
_AT, _SHOWN = "review_at", "review_shown"  # session keys: id of the child in hand; which children are gone through
_EDITING, _TEXT = "review_editing", "review_text"  # session keys: id of the child that is being edited, and its line
_HEIGHT = 120  # pixels of the field for an edited child
_VERDICTS: tuple[Verdict, ...] = ("accepted", "rejected", "edited")


@dataclass(frozen=True)
class _Place:
    """What is reviewed. `ids`: of the pool's children, in hex; `left`: those that are gone through."""

    space: Workspace
    project: Project
    name: str
    pool: Corpus
    parent: Corpus
    ids: Sequence[str]
    left: Sequence[str]
    found: Decided


def review(space: Workspace, project: Project, pool: Corpus, parent: Corpus, name: str) -> None:
    """The children of an ingredient, one by one, and what was decided about them. `parent`: what they were made of."""
    found = deciding.decided(space, project.slug, name)
    ids: list[str] = [id.hex() for id in pool.table.column("id").to_pylist()]
    orders = {"pool": t("In order"), "changed": t("Most changed first")}
    worst = choice(
        st.segmented_control,
        t("Order"),
        list(orders),
        key=_ORDER,
        show=orders.__getitem__,
        label_visibility="collapsed",
        help=t("By the share of words that are others: where a method goes wrong, it mostly changes much."),
    )
    order = [ids[at] for at in browse.most_changed(pool)] if worst == "changed" else ids
    place = _Place(space, project, name, pool, parent, ids, _chosen(found, order), found)
    if place.left:
        _one(place)
    else:
        st.caption(t("No child is left here."))
        _take_back(space, project, name, found)
    _follow(space, project, name, found, {*ids})


def without_children(space: Workspace, project: Project, name: str) -> None:
    """What was decided about the children of a pool that has none, or isn't there: it can be taken back."""
    found = deciding.decided(space, project.slug, name)
    if found.taken:
        st.caption(t("Decisions about its children: {n}.", n=found.taken))
        _take_back(space, project, name, found)
    _follow(space, project, name, found, set())


def _chosen(found: Decided, ids: Sequence[str]) -> list[str]:
    """The children that are gone through: ids, in their order."""
    groups = {"open": [id for id in ids if id not in found.now]}
    groups |= {v: [id for id in ids if id in found.now and found.now[id].verdict == v] for v in _VERDICTS}
    names = {
        "open": raw("to decide"),
        "accepted": raw("accepted"),
        "rejected": raw("rejected"),
        "edited": raw("edited"),
    }
    which = st.segmented_control(
        t("Children"),
        [*groups],
        key=_SHOWN,
        default="open",
        required=True,
        format_func=lambda one: f"{names[one]}: {len(groups[one])}",
        label_visibility="collapsed",
        on_change=_leave,
    )
    return groups[which or "open"]


def _leave() -> None:
    st.session_state.pop(_AT, None)
    st.session_state.pop(_EDITING, None)


def _one(place: _Place) -> None:
    """The child in hand, above what one can do with it."""
    held, left = st.session_state.get(_AT), place.left
    at = left.index(held) if held in left else 0
    child = st.session_state[_AT] = left[at]
    row = place.ids.index(child)
    born_of = pc.index(place.parent.table.column("id"), place.pool.table.column("parent")[row]).as_py()
    lines: list[Line] = []
    if born_of >= 0:
        lines += [shown(one, raw("original")) for one in browse.page(place.parent, np.array([born_of]), 0, 1)]
    lines += [shown(one, raw("child")) for one in browse.page(place.pool, np.array([row]), 0, 1)]
    decision = place.found.now.get(child)
    if decision is not None and decision.verdict == "edited":
        lines.append(Line(browse.segments(decision.tokens, decision.tags), raw("edited")))
    st.caption(t("Child {n} of {all}.", n=at + 1, all=len(left)))
    entities(lines, place.pool.schema.labels, key="review_child")
    if st.session_state.get(_EDITING) == child:
        _edit(place, row, child)
    else:
        _buttons(place, child, at)


def _buttons(place: _Place, child: str, at: int) -> None:
    left, after = place.left, _after(place.left, child)
    with st.container(horizontal=True):
        for verdict, words, icon, key in (
            ("accepted", t("Accept"), ":material/check:", "a"),
            ("rejected", t("Reject"), ":material/close:", "x"),
        ):
            st.button(
                words,
                key=f"review_{verdict}",
                icon=icon,
                shortcut=key,
                on_click=partial(_decide, place, Decision(child, verdict, _made(place, child)), after),
            )
        st.button(t("Edit"), key="review_edit", icon=":material/edit:", shortcut="e", on_click=_begin, args=(child,))
        _take_back(place.space, place.project, place.name, place.found)
        st.button(
            t("Previous child"),
            key="review_previous",
            icon=":material/chevron_left:",
            shortcut="Left",
            disabled=at == 0,
            on_click=_go,
            args=(left[at - 1],),
        )
        st.button(
            t("Next child"),
            key="review_next",
            icon=":material/chevron_right:",
            icon_position="right",
            shortcut="Right",
            disabled=at + 1 == len(left),
            on_click=_go,
            args=(after,),
        )


def _after(left: Sequence[str], child: str) -> str:
    at = left.index(child)
    return left[at + 1] if at + 1 < len(left) else left[at - 1]


def _take_back(space: Workspace, project: Project, name: str, found: Decided) -> None:
    st.button(
        t("Take back"),
        key="review_back",
        icon=":material/undo:",
        shortcut="u",
        disabled=not found.taken,
        on_click=partial(deciding.take_back, space, project.slug, name),
        help=t("Takes back the last decision about a child of this ingredient, and again the one before it."),
    )


def _go(child: str) -> None:
    st.session_state[_AT] = child


def _begin(child: str) -> None:
    st.session_state[_EDITING] = child
    st.session_state.pop(_TEXT, None)


def _made(place: _Place, child: str) -> str:
    """What the child was before anybody edited it."""
    known = place.found.now.get(child)
    if known is not None and known.verdict == "edited":
        return known.made
    [row] = browse.page(place.pool, np.array([place.ids.index(child)]), 0, 1)
    return mark(row.tokens, row.tags)


def _decide(place: _Place, decision: Decision, after: str) -> None:
    labels = place.pool.schema.labels if "mentions" in task_of(place.project.recipe.task).offers else ()
    deciding.decide(place.space, place.project.slug, place.name, decision, labels)
    _go(after)


def _edit(place: _Place, row: int, child: str) -> None:
    """The child as a line of text."""
    decision = place.found.now.get(child)
    if decision is not None and decision.verdict == "edited":
        tokens, tags = decision.tokens, decision.tags
    else:
        [now] = browse.page(place.pool, np.array([row]), 0, 1)
        tokens, tags = now.tokens, now.tags
    st.session_state.setdefault(_TEXT, markup.written(tokens, tags))
    text = st.text_area(
        t("The child"),
        key=_TEXT,
        height=_HEIGHT,
        help=t("Words stand between blanks; a name is written as [New York](place), with its label."),
    )
    with st.container(horizontal=True):
        if st.button(t("Save"), key="review_save", type="primary", icon=":material/check:"):
            with telling():
                decision = Decision(child, "edited", _made(place, child), *markup.read(text))
                _decide(place, decision, _after(place.left, child))
                _stop()
                st.rerun()
        st.button(t("Leave it as it is"), key="review_leave", on_click=_stop)


def _stop() -> None:
    st.session_state.pop(_EDITING, None)


def _follow(space: Workspace, project: Project, name: str, found: Decided, ids: Collection[str]) -> None:
    """Whether the pool follows what was decided, and the button that lets it. `ids`: of the pool's children."""
    part = project.ingredients[name]
    assert isinstance(part, AugmentedIngredient)
    new = deciding.unused(space, part, found, ids)
    if new:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(t("Decisions that are not part of the pool yet: {n}.", n=new), width="content")
            if st.button(t("Use them and build again"), key="review_use", type="primary", icon=":material/build:"):
                with telling():
                    deciding.use(space, project, name)
                    _leave()
                    st.rerun()
    elif part.decisions is not None:
        st.caption(t("The pool follows all that was decided. Rejected children are not in it."))
