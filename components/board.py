"""The list of groups on the Runs page: what one asks to see of it, a page of it, and what is selected."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components.acts import buttons
from components.address import choice, keep, several
from components.words import duration, raw, said_raw, t, visible
from core import bulk
from core.board import SORTS, STATES, Entry, Sort, View, selected
from core.params import digest
from core.workspace import Workspace

PAGE = 25  # groups
_GROUP, _AT = "group", "at"  # in the address: the group that is open; the page of the list
_CHOSEN = "runs_chosen"  # session key: keys of the groups selected last
_FEW = 8  # groups that need no filter


def view(entries: Sequence[Entry]) -> View:
    """What one asks to see: in the address, so that a reload or a link shows the same."""
    asked = View(st.query_params.get("text", ""), st.query_params.get_all("state"))
    if len(entries) <= _FEW and not asked.text and not asked.states:
        return View()
    left, middle, right = st.columns([3, 4, 2], vertical_alignment="bottom")
    with left:
        text = st.text_input(
            t("Search"),
            key="text",
            type="search",
            placeholder=raw("Name of a mix, or a run's number"),
            max_chars=200,
            on_change=_to_start,
            bind="query-params",
            persist_state="session",
        )
    with middle:
        states = several(
            st.multiselect,
            t("State"),
            STATES,
            key="state",
            show=lambda state: said_raw(f"state_{state}"),
            placeholder=raw("Any"),
            help=t("Groups with a run in one of these states."),
            on_change=_to_start,
        )
    with right:
        words = _sorts()
        sort = choice(st.selectbox, t("Order"), SORTS, key="sort", show=words.__getitem__, on_change=_to_start)
    known: Mapping[str, Sort] = {name: name for name in SORTS}
    return View(text or "", frozenset(state for state in STATES if state in states), known[sort])


def _to_start() -> None:
    """Another list begins at its first page, with nothing selected that nobody saw."""
    for name in (_AT, _GROUP):
        keep(name, None, None)
    for name in ("runs_at", "runs_all", _CHOSEN):
        st.session_state.pop(name, None)


def _sorts() -> Mapping[str, str]:
    return {
        "newest": raw("Newest first"),
        "dev": raw("Best on dev first"),
        "name": raw("By name"),
        "state": raw("Running first"),
        "left": raw("Soonest end first"),
    }


def groups(space: Workspace, entries: Sequence[Entry], many: bool) -> Entry | None:
    """The list, as it is asked for, and the actions on what is selected in it. -> the one group that is open, if any.

    `many`: groups of several projects.
    """
    found = selected(entries, view(entries))
    if not found:
        st.info(t("No group is like that. Take a filter away, or shorten the text."))
        return None
    shown = _page(found, many)
    chosen = _picked(shown, many, len(found), len(entries))
    if len(found) > len(shown) and st.checkbox(
        t("Act on all {n} groups that match, on every page", n=f"{len(found):,}"), key="runs_all"
    ):
        chosen = found
    if len(chosen) == 1:
        st.session_state["runs_group"] = _ref(chosen[0], many)
        keep(_GROUP, _ref(chosen[0], many), _ref(found[0], many))
        return chosen[0]
    if not chosen:
        st.caption(t("Select a line to see its runs, or several to act on them at once."))
        return None
    st.markdown(t("Groups selected: {n}", n=f"{len(chosen):,}"))
    with st.container(horizontal=True):
        buttons(space, bulk.touched(space, chosen), "runs_many")
    return None


def _ref(entry: Entry, many: bool) -> str:
    return entry.key if many else entry.group


def _page(found: Sequence[Entry], many: bool) -> Sequence[Entry]:
    """The page of the list that the address asks for: by its number, else the one with the open group."""
    pages = -(-len(found) // PAGE)
    refs = [_ref(entry, many) for entry in found]
    number, group = st.query_params.get(_AT, ""), st.query_params.get(_GROUP)
    first = refs.index(group) // PAGE + 1 if group in refs else 1
    if number.isdecimal() and len(number) < 6:
        first = min(pages, max(1, int(number)))
    if pages == 1:
        keep(_AT, "1", "1")
        return found
    left, right = st.columns([2, 3], vertical_alignment="center")
    with right.container(horizontal=True, horizontal_alignment="right"):
        if st.session_state.get("runs_at") != first:  # the address asks for another page than was shown last
            st.session_state["runs_turns"] = st.session_state.get("runs_turns", 0) + 1
        key = f"runs_page_{st.session_state['runs_turns']}"
        at = st.pagination(pages, default=first, key=key, max_visible_pages=5)
    st.session_state["runs_at"] = at
    keep(_AT, str(at), "1")
    left.caption(
        t(
            "Groups {first} to {last} of {n}",
            first=f"{(at - 1) * PAGE + 1:,}",
            last=f"{min(at * PAGE, len(found)):,}",
            n=f"{len(found):,}",
        )
    )
    return found[(at - 1) * PAGE : at * PAGE]


def _picked(shown: Sequence[Entry], many: bool, matching: int, of: int) -> Sequence[Entry]:
    """The table of a page, and the groups selected in it. Where their order changes, the same ones stay selected."""
    refs = [_ref(entry, many) for entry in shown]
    asked, key = st.query_params.get(_GROUP), f"runs_groups_{digest(refs)[:8]}"
    before = [refs.index(ref) for ref in st.session_state.get(_CHOSEN, ()) if ref in refs]
    if asked in refs and asked != st.session_state.get("runs_group"):  # a link, or the way back
        before = [refs.index(asked)]
        st.session_state.pop(key, None)
    elif not before:
        before = [refs.index(asked) if asked in refs else 0]
    found = st.dataframe(
        [_row(entry, many) for entry in shown],
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": before, "columns": [], "cells": []}},
        hide_index=True,
        placeholder="-",
        column_config=_columns(),
        height="content" if len(shown) <= _FEW else 388,
        alt=raw("Groups of runs"),
    )
    rows = [at for at in found.selection.rows if at < len(shown)]
    st.session_state[_CHOSEN] = [refs[at] for at in rows]
    return [shown[at] for at in rows]


def _row(entry: Entry, many: bool) -> dict[str, object]:
    return {
        "mix": _name(entry),
        **({"project": visible(entry.project)} if many else {}),
        "state": states_words(entry),
        "dev": None if entry.dev is None else 100 * entry.dev,
        "steps": entry.steps,
        "left": "" if entry.left is None else duration(entry.left),
        "launched": 1000 * entry.launched,
    }


def _name(entry: Entry) -> str:
    if entry.mixes:
        return raw("Search for a mix: {project}", project=entry.project)
    return raw("Search for settings: {mix}", mix=entry.name) if entry.search else visible(entry.name)


def _columns() -> Mapping[str, object]:
    column = st.column_config
    return {
        "mix": column.TextColumn(
            raw("Mix"), width="medium", help=raw("A group is one mix, trained once for each repeat. A repeat is a run.")
        ),
        "project": column.TextColumn(raw("Project")),
        "state": column.TextColumn(
            raw("State"), width="medium", help=raw("How many of its repeats are done, and what the others do.")
        ),
        "dev": column.NumberColumn(
            raw("Dev F1"),
            format="%.1f %%",
            help=raw("The best F1 on the dev split, averaged over finished repeats. Compare has the intervals."),
        ),
        "steps": column.NumberColumn(raw("Steps"), help=raw("Updates of the model in each run.")),
        "left": column.TextColumn(
            raw("Time left"), help=raw("About how long until the last of its runs ends, with all that waits before it.")
        ),
        "launched": column.DatetimeColumn(
            raw("Launched"),
            format="YYYY-MM-DD HH:mm",
            timezone=st.context.timezone,
            help=raw("When its newest runs were launched."),
        ),
    }


def states_words(entry: Entry) -> str:
    """ "6 of 8 done, 1 running, 1 queued"; as it is."""
    found = entry.states
    parts = [raw("{done} of {all} done", done=found.get("succeeded", 0), all=len(entry.repeats))]
    words = {
        "running": raw("{n} running", n=found.get("running", 0)),
        "queued": raw("{n} queued", n=found.get("queued", 0)),
        "failed": raw("{n} failed", n=found.get("failed", 0)),
        "cancelled": raw("{n} cancelled", n=found.get("cancelled", 0)),
        "interrupted": raw("{n} interrupted", n=found.get("interrupted", 0)),
    }
    return raw(", ").join([*parts, *(text for state, text in words.items() if found.get(state))])
