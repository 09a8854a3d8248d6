"""One child of a pool at a time: accept, reject or edit it, with keys, and take the last decision back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from components.entities import Line, entities, shown
from components.frame import telling
from components.words import raw, t
from core import decided as deciding
from core.augment import markup
from core.augment.decisions import Decision, Verdict
from core.corpus import Corpus, pc
from core.decided import Decided
from core.project import Project
from core.recipe import AugmentedIngredient
from core.report import browse
from core.workspace import Workspace

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
    place = _Place(space, project, name, pool, parent, ids, _chosen(found, ids), found)
    if place.left:
        _one(place)
    else:
        st.caption(t("No child is left here."))
    _use(place)


def _chosen(found: Decided, ids: Sequence[str]) -> list[str]:
    """The children that are gone through: ids, in the order of the pool."""
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
    left = place.left
    after = left[at + 1] if at + 1 < len(left) else left[at - 1]
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
                on_click=partial(_decide, place, Decision(child, verdict), after),
            )
        st.button(t("Edit"), key="review_edit", icon=":material/edit:", shortcut="e", on_click=_begin, args=(child,))
        st.button(
            t("Take back"),
            key="review_back",
            icon=":material/undo:",
            shortcut="u",
            disabled=not place.found.taken,
            on_click=partial(deciding.take_back, place.space, place.project.slug, place.name),
            help=t("Takes back the last decision about a child of this ingredient, and again the one before it."),
        )
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


def _go(child: str) -> None:
    st.session_state[_AT] = child


def _begin(child: str) -> None:
    st.session_state[_EDITING] = child
    st.session_state.pop(_TEXT, None)


def _decide(place: _Place, decision: Decision, after: str) -> None:
    deciding.decide(place.space, place.project.slug, place.name, decision, place.pool.schema.labels)
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
                decision = Decision(child, "edited", *markup.read(text))
                _decide(place, decision, child)
                _stop()
                st.rerun()
        st.button(t("Leave it as it is"), key="review_leave", on_click=_stop)


def _stop() -> None:
    st.session_state.pop(_EDITING, None)


def _use(place: _Place) -> None:
    """Whether the pool follows what was decided, and the button that lets it."""
    part = place.project.ingredients[place.name]
    assert isinstance(part, AugmentedIngredient)
    new = deciding.unused(place.space, part, place.found)
    if new:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(t("{n} decisions are not part of the pool yet.", n=new), width="content")
            if st.button(t("Use them and build again"), key="review_use", type="primary", icon=":material/build:"):
                with telling():
                    deciding.use(place.space, place.project, place.name)
                    _leave()
                    st.rerun()
    elif part.decisions is not None:
        st.caption(t("The pool follows all that was decided. Rejected children are not in it."))
