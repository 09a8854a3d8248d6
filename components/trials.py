"""A search for settings: how far it is, its trials as a figure and as a table."""

from collections.abc import Sequence

import streamlit as st

from components import searches
from components.address import choice
from components.frame import telling
from components.pictures import picture
from components.tunable import question, setting_names, settings_words, share_words, value_words
from components.tuned import outcome
from components.words import duration, raw, t, visible
from core.groups import launched
from core.jobs.folder import Run
from core.report import search as drawn
from core.report.search import Kind, Point
from core.trials import ENDED, Noted, Search, Trial, best, noted, seconds_left, trials
from core.tunable import Tried
from core.workspace import Workspace

_TRIAL = "trial"  # the axis that counts trials


def live(space: Workspace, project: str, search_id: str) -> None:
    """`search`, drawn again by itself while it goes on."""
    searches.live(lambda: _active(space, project, search_id), lambda: search(space, project, search_id))


def _active(space: Workspace, project: str, search_id: str) -> bool:
    """Whether the search goes on, or a training of one of its trials."""
    pending = [run.id for run in space.store.pending()]
    if not pending or search_id in pending:
        return bool(pending)
    begun, known = noted(space, project, search_id), launched(space, project)
    groups = {one.group for one in trials(space, project, begun)} if begun else set[str]()
    return any(id in known and known[id][0] in groups for id in pending)


def search(space: Workspace, project: str, search_id: str) -> None:
    """How far a search is, its best trial, and all trials as a figure and as a table."""
    begun, run = noted(space, project, search_id), next(iter(space.store.find([search_id])), None)
    found = trials(space, project, begun) if begun else []
    if run is None:
        st.caption(t("The run of this search was deleted. What is left of its trials:"))
    elif run.pending:
        _going(space, run, begun, found)
    elif run.state != "succeeded":
        searches.ended_badly(space, run, "tune")
    if begun is None:
        return
    top = best(found)
    if top is not None:
        with st.container(border=True), telling():
            outcome(space, project, begun, found, top, run)
    if found:
        _figure(begun.search, found)
        _table(begun.search, found)


def _going(space: Workspace, run: Run, begun: Noted | None, found: Sequence[Trial]) -> None:
    if begun is None:
        searches.going(space, run, "tune", None, "")
        return
    done, most = sum(one.state in ENDED for one in found), begun.search.trials
    about = duration(seconds_left(space, begun, found))
    text = t("Trials: {done} of {all}, about {time} left.", done=done, all=most, time=about)
    searches.going(space, run, "tune", done / most, text)


def _state_words(state: str) -> str:
    return {
        "active": raw("goes on"),
        "finished": raw("finished"),
        "pruned": raw("given up early"),
        "diverged": raw("diverged"),
        "stopped": raw("cancelled"),
        "failed": raw("failed"),
    }[state]


def _figure(searched: Search, found: Sequence[Trial]) -> None:
    """What each trial reached, in their order or along one setting."""
    names = setting_names()
    words = {_TRIAL: raw("Trial"), **{name: names[name] for name in searched.ranges}}
    along = choice(st.selectbox, t("Along"), list(words), key="along", show=words.__getitem__)
    reached = [one for one in found if one.so_far is not None and (along == _TRIAL or along in one.values)]
    if not reached:
        return
    choices = [value_words(one) for one in searched.ranges[along].choices] if along != _TRIAL else []
    marks = [_point(one, along, best(found), bool(choices)) for one in reached]
    labels = {
        "axis": words[along],
        "score": question(searched),
        "finished": raw("Trials"),
        "best": raw("Best"),
        "unfinished": raw("Not finished"),
        "line": raw("Best so far"),
    }
    log = along != _TRIAL and searched.ranges[along].log
    figure = drawn.trials(marks, labels, line=along == _TRIAL, log=log, choices=choices)
    picture(figure, "tune_trials", alt=raw("What each trial reached, along {axis}", axis=words[along]))


def _point(one: Trial, along: str, top: Trial | None, named: bool) -> Point:
    value: Tried = one.number if along == _TRIAL else one.values[along]
    kind: Kind = "unfinished" if one.value is None else "best" if one is top else "finished"
    reached = one.so_far or 0.0
    lines = [raw("Trial {n}: {value}", n=one.number, value=share_words(reached)), settings_words(one)]
    at = value_words(value) if named or isinstance(value, str) else value
    return Point(at, reached, kind, "\n".join(lines))


def _table(searched: Search, found: Sequence[Trial]) -> None:
    column, names = st.column_config, setting_names()
    rows = [
        {
            "trial": one.number,
            "state": _state_words(one.state),
            "reached": None if one.so_far is None else 100 * one.so_far,
            **{name: value_words(one.values.get(name)) for name in searched.ranges},
            "time": duration(one.seconds) if one.seconds else "",
        }
        for one in found
    ]
    st.dataframe(
        rows,
        key="tune_table",
        hide_index=True,
        placeholder="-",
        column_config={
            "trial": column.NumberColumn(raw("Trial"), help=raw("0 has the settings that the search began from.")),
            "state": column.TextColumn(raw("State")),
            "reached": column.NumberColumn(
                visible(question(searched)), format="%.1f %%", help=raw("On dev, the mean over its repeats.")
            ),
            **{name: column.TextColumn(names[name]) for name in searched.ranges},
            "time": column.TextColumn(raw("Time"), help=raw("Of the trainings that were carried out for it.")),
        },
        alt=raw("The trials of the search"),
    )
