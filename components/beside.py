"""The Augment page's view of methods beside each other: one sentence, and what each method makes of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from components import asking, children, facts
from components.address import keep, several
from components.asking import Asked
from components.columns import Column, beside, kinds
from components.cost_of_writing import asks_outside
from components.methods import ingredient, title
from components.words import raw, said_raw, t, visible
from core.augment import available, lacking
from core.augment import beside as made
from core.augment.preview import child_of
from core.augment.protocol import Rejected
from core.corpus import Corpus
from core.errors import CoreError
from core.params import canonical, digest
from core.project import Project
from core.recipe import AugmentedIngredient
from core.report import browse, diff
from core.report.browse import Place, Row
from core.stage import Stage
from core.tasks import task as task_of
from core.workspace import Workspace

_COLUMNS, _AT = "beside", "sentence"  # in the address: methods and ingredients; number of the sentence, from 1
_HAVING, _FEWEST, _MOST, _REJECTED = "having", "fewest", "most", "rejected"  # in the address: the filters
_OWN = "ingredient:"  # before the name of an ingredient, among the codes of methods
_KNOWN = "beside_known"  # session key: (what is looked at, the answers so far by column)
_SEARCHED = "beside_searched"  # session key: (where a search began, which way, the row that it found, for what)
_PRESSED = "beside_pressed"  # session key: the sentence, and the seed, about which endpoints may be asked
_UNASKED: Mapping[str, Any] = {"unasked": True}  # of a column
_QUESTION = "beside_question"  # session key: the question to the warm process
_SECONDS = 20.0  # that an answer may take
_FIRST, _MOST_COLUMNS = 3, 6  # columns at first, and at most
_FIELDS = {"of": 130, "labels": 185, "words": 100}  # pixels of what is filled in
_DIGITS = 9  # of a sentence's number, at most


def bench(space: Workspace, project: Project, stage: Stage) -> None:
    """What is compared, which sentence, and the columns."""
    top = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        with st.container(width=_FIELDS["of"]):
            of = children.made_of([name for name, pool in stage.pools.items() if len(pool)])
        rejected, positions = _filters(space, stage.pools[of])
    with top:
        codes = _codes(project, of, stage.pools[of])
    if not codes:
        st.info(t("Choose one method at least."))
    elif not len(positions):
        st.info(t("No sentence is like that. Take a filter away."))
    else:
        _compare(space, project, stage, of, codes, positions, rejected)


def _codes(project: Project, of: str, parent: Corpus) -> list[str]:
    """The columns chosen, by their codes in the address."""
    task = task_of(project.recipe.task)
    own = [name for name, part in project.ingredients.items() if isinstance(part, AugmentedIngredient)]
    return several(
        st.multiselect,
        t("Methods and ingredients beside each other"),
        [
            *(name for name in available(task) if not lacking(name, {})),
            *(_OWN + name for name in own if _part(project, name).of == of),
        ],
        key=_COLUMNS,
        default=made.usual(task, parent.schema.language, _FIRST),
        show=_title,
        max_selections=_MOST_COLUMNS,
        help=t("A method has its default settings here. For others add an ingredient: that has its own."),
    )


def _part(project: Project, name: str) -> AugmentedIngredient:
    part = project.ingredients[name]
    assert isinstance(part, AugmentedIngredient)
    return part


def _title(code: str) -> str:
    return ingredient(code.removeprefix(_OWN)) if code.startswith(_OWN) else title(code)


def _filters(space: Workspace, parent: Corpus) -> tuple[bool, np.ndarray]:
    """-> whether only rows with a rejected child are wanted, and the positions that the other filters leave."""
    index = facts.browse_index(space.root, parent.id)
    having = several(
        st.multiselect,
        t("Labels"),
        index.labels,
        key=_HAVING,
        show=visible,
        placeholder=raw("Any"),
        help=t("Sentences with mentions of all of these."),
        width=_FIELDS["labels"],
    )
    look: Mapping[str, Any] = {"min_value": 0, "value": None, "step": 1, "width": _FIELDS["words"]}
    look = {**look, "placeholder": raw("Any"), "persist_state": "session"}
    fewest = st.number_input(t("Words, at least"), key=_FEWEST, bind="query-params", **look)
    most = st.number_input(t("Words, at most"), key=_MOST, bind="query-params", **look)
    rejected = st.toggle(
        t("Only with a rejected child"),
        key=_REJECTED,
        bind="query-params",
        persist_state="session",
        help=t("Finds the next sentence of which one of these methods makes a child that is rejected."),
    )
    positions = browse.find(index, labels=having)
    if fewest is not None or most is not None:
        positions = browse.of_length(positions, facts.lengths(space.root, parent.id), fewest, most)
    return rejected, positions


def _compare(
    space: Workspace,
    project: Project,
    stage: Stage,
    of: str,
    codes: Sequence[str],
    positions: np.ndarray,
    rejected: bool,
) -> None:
    parent, ids = stage.pools[of], stage.imported["corpora"]
    place = browse.place(positions, _at())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.container(horizontal=True, vertical_alignment="center", width="content")
        seed = children.seed_field("S")
    columns = [_column(project, code, seed) for code in codes]
    base = {"corpus": parent.id, "held_out": [ids[split] for split in ("dev", "test") if split in ids]}
    here = (place.row, seed)
    free = [not asks_outside(space, column.method, column.params) or _said_so(here, rejected) for column in columns]
    quiet = [column for column, there in zip(columns, free, strict=True) if there]
    if not quiet:
        answers, asked = [], None
    elif rejected:
        answers, asked, place = _searched(space, base, quiet, positions, place)
    else:
        answers, asked = _answers(space, {**base, "rows": [place.row]}, quiet)
    with steps:
        _steps(place, len(positions), len(parent))
    if answers is not None:
        [row] = browse.page(parent, np.array([place.row]), 0, 1)
        each = iter(answers)
        data = [next(each) if there else _UNASKED for there in free]
        shown = [_shown(project, row, *one) for one in zip(codes, columns, data, strict=True)]
        if not all(free) and not rejected:
            _offer(here)
        beside(_original(row), shown, parent.schema.labels, key="beside_columns")
    if asked is not None and asked.problem is not None:
        asking.problem(_QUESTION, asked.problem)
    elif asked is not None and asked.open:
        asking.waiting(space, _QUESTION)


def _said_so(here: tuple[int, int], searching: bool) -> bool:
    """Whether endpoints are asked about this sentence: it may cost money, so no step does it, and no search ever."""
    return not searching and st.session_state.get(_PRESSED) == here


def _offer(here: tuple[int, int]) -> None:
    """The button that asks endpoints about a sentence under a seed."""
    st.button(
        t("Ask the endpoints about this sentence"),
        key="beside_ask",
        icon=":material/chat:",
        on_click=_press,
        args=(here,),
        help=t("It may cost money, so it is only done when you say so."),
    )


def _press(here: tuple[int, int]) -> None:
    st.session_state[_PRESSED] = here


def _column(project: Project, code: str, seed: int) -> made.Column:
    """What is asked of a method. An ingredient begins with its own seed, so that at 0 its children are its pool's."""
    if not code.startswith(_OWN):
        return made.Column(code, {}, seed)
    part = _part(project, code.removeprefix(_OWN))
    return made.Column(part.augmenter, part.params, part.seed + seed)


def _answers(
    space: Workspace, base: Mapping[str, Any], columns: Sequence[made.Column]
) -> tuple[list[Mapping[str, Any]], Asked | None]:
    """What is known of each column, {} where that is not yet so; and the question about the rest."""
    held = st.session_state.get(_KNOWN)
    if held is None or held[0] != base:
        held = st.session_state[_KNOWN] = (base, {})
    known: dict[str, Mapping[str, Any]] = held[1]
    keys = [digest(canonical(column)) for column in columns]
    left = {key: column for key, column in zip(keys, columns, strict=True) if key not in known}
    asked = _ask(space, base, list(left.values())) if left else None
    if asked is not None and asked.answer is not None:
        known |= {key: data for key, data in zip(left, asked.answer["columns"], strict=True) if data}
        return _answers(space, base, columns)  # of each answer one column at least is new
    return [known.get(key, {}) for key in keys], asked


def _ask(space: Workspace, base: Mapping[str, Any], columns: Sequence[made.Column]) -> Asked:
    request = {**base, "columns": [canonical(column) for column in columns]}
    return asking.asked(space, _QUESTION, "beside", request, _SECONDS)


def _searched(
    space: Workspace, base: Mapping[str, Any], columns: Sequence[made.Column], positions: np.ndarray, place: Place
) -> tuple[list[Mapping[str, Any]] | None, Asked, Place]:
    """The first row with a rejected child from a place on, or back; None in its stead where there is none nearby."""
    about = digest([base, *map(canonical, columns)])
    start, way, hit, of = st.session_state.get(_SEARCHED, (place.row, 1, None, about))
    if place.row not in (start, hit) or of not in ("", about):
        start, way = place.row, 1
    number = browse.place(positions, start).number
    ahead = positions[number : number + made.MOST_ROWS] if way > 0 else positions[number::-1][: made.MOST_ROWS]
    asked = _ask(space, {**base, "rows": ahead.tolist(), "rejected": True}, columns)
    if asked.answer is None:
        return None, asked, place
    hit, looked = asked.answer["row"], asked.answer["looked"]
    st.session_state[_SEARCHED] = (start, way, hit, about)
    if hit is None:
        st.info(_none(way, looked, int(ahead[looked - 1]) in (positions[0], positions[-1])))
        return None, asked, browse.place(positions, int(ahead[looked - 1]))
    keep(_AT, str(hit + 1), "1")
    return asked.answer["columns"], asked, browse.place(positions, hit)


def _none(way: int, looked: int, end: bool) -> str:
    text = t("None of the {n} sentences that were looked at has a rejected child.", n=looked)
    if end:
        return text + " " + (t("There is none after them.") if way > 0 else t("There is none before them."))
    return text + " " + (t("*Next sentence* looks further.") if way > 0 else t("*Previous sentence* looks further."))


def _at() -> int:
    """Position of the sentence, as the address has it."""
    asked = st.query_params.get(_AT, "")
    return max(0, int(asked) - 1) if asked.isascii() and asked.isdigit() and len(asked) <= _DIGITS else 0


def _go(row: int, way: int) -> None:
    st.session_state[_SEARCHED] = (row, way, None, "")
    keep(_AT, str(row + 1), "1")


def _steps(place: Place, found: int, total: int) -> None:
    """Buttons, with keys, for the sentences before and after; and which one this is."""
    buttons = (
        (t("Previous sentence"), "beside_previous", ":material/chevron_left:", "Left", place.before, -1),
        (t("Next sentence"), "beside_next", ":material/chevron_right:", "Right", place.after, 1),
    )
    for label, key, icon, shortcut, row, way in buttons:
        on_click = partial(_go, place.row if row is None else row, way)
        st.button(label, key=key, icon=icon, shortcut=shortcut, disabled=row is None, on_click=on_click)
    text = t("Sentence {n} of {of}", n=f"{place.row + 1:,}", of=f"{total:,}")
    if found < total:
        text += " " + t("({n} of {found} with these filters)", n=f"{place.number + 1:,}", found=f"{found:,}")
    st.markdown(text, width="content")


def _original(row: Row) -> Column:
    return Column(raw("Original"), diff.original(row), raw("{n} words", n=len(row.tokens)), labels=row.labels)


def _shown(project: Project, row: Row, code: str, column: made.Column, data: Mapping[str, Any]) -> Column:
    """A column as it is shown."""
    note = ""
    if code.startswith(_OWN):
        note = raw("{method}, seed {seed}", method=title(column.method), seed=column.seed)
    if data is _UNASKED:
        return Column(_title(code), note=note, mark=raw("not asked"), said=raw("An endpoint writes it."))
    if not data:
        return Column(_title(code), note=note, mark=raw("not there yet"))
    if "problem" in data:
        error = CoreError.from_json(data["problem"])
        hint = said_raw(error.hint_code, error.values) if error.hint_code else ""
        said = f"{said_raw(error.code, error.values)} {hint}"
        return Column(_title(code), note=note, mark=raw("not here:"), said=said)
    child = child_of(data["child"])
    if isinstance(child, Rejected):
        return Column(_title(code), note=note, mark=raw("rejected:"), said=said_raw(child.code))
    ops, words = diff.diff(child), kinds()
    counts = {kind: count for kind, count in diff.counts(ops).items() if count and kind != "kept"}
    end = ", ".join(f"{count} {words[kind]}" for kind, count in counts.items())
    labels = row.labels if child.labels is None else child.labels
    return Column(_title(code), diff.stretches(row, child, ops), note, end or raw("no word changed"), labels)
