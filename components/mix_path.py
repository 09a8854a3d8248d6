"""A search among mixes: how far it is, what came of it, and every mix that it tried."""

import streamlit as st

from components import mix_outcome, searches
from components.bench import Bench
from components.frame import telling
from components.mix_words import question
from components.words import duration, raw, t, visible
from core import mix_found
from core.groups import launched
from core.jobs.folder import Run, last_metrics
from core.mix_found import Found
from core.mix_trials import seconds_left, spent
from core.recipe_text import mix_name
from core.workspace import Workspace


def live(space: Workspace, project: str, run: str, bench: Bench | None = None) -> None:
    """`path`, drawn again by itself while the search goes on, or fresh repeats of what it found."""
    searches.live(lambda: _active(space, project), lambda: path(space, project, run, bench))


def _active(space: Workspace, project: str) -> bool:
    """Whether a search waits or runs, or a training of the project."""
    pending = space.store.pending()
    known = launched(space, project) if pending else {}
    return any(run.kind == "search" or run.id in known for run in pending)


def path(space: Workspace, project: str, run_id: str, bench: Bench | None = None) -> None:
    """How far a search is, what came of it, and all its mixes. `bench`: where it can be taken in hand."""
    run = next(iter(space.store.find([run_id])), None)
    found = mix_found.found(space, project, run_id)
    if run is None:
        st.caption(t("The run of this search was deleted."))
    elif run.pending:
        _going(space, run, found)
    elif run.state != "succeeded":
        searches.ended_badly(space, run, "search")
    if found is None:
        return
    if found.best is not None:
        with telling():
            mix_outcome.outcome(found, bench, ended=run is None or not run.pending)
    if found.steps:
        _table(found)


def _going(space: Workspace, run: Run, found: Found | None) -> None:
    if found is None:
        built = next((line for line in reversed(last_metrics(space.run_folder(run.id))) if "built" in line), None)
        share = built and built["built"] / built["of"]
        text = t("Pools are built first: {done} of {all}.", done=built["built"], all=built["of"]) if built else ""
        searches.going(space, run, "search", share, text)
        return
    done, most = spent(found.begun, found.steps), found.begun.search.runs
    about = duration(seconds_left(space, found.begun, found.steps))
    text = t("Runs: {done} of at most {all}, about {time} left.", done=done, all=most, time=about)
    searches.going(space, run, "search", done / most, text)


def _table(found: Found) -> None:
    """The mixes in the order in which they were tried, with what they reached and what is expected of them now."""
    column = st.column_config
    where = {mixed.group: position for position, mixed in enumerate(found.now.mixes)}
    expected = found.now.judge.process.at(found.now.rows)[0] if sum(found.now.done) else None
    rows: list[dict[str, object]] = []
    for one in found.steps:
        position = where.get(one.group)
        mine = found.now.seen.values[found.now.found.mixes == position] if position is not None else []
        rows.append(
            {
                "number": one.number,
                "mix": visible(mix_name(found.frame.mix(one.amounts))),
                "repeats": one.finished,
                "reached": 100 * float(mine.mean()) if len(mine) else None,
                "expected": None if expected is None or position is None else 100 * float(expected[position]),
                "time": duration(one.seconds) if one.seconds else "",
            }
        )
    st.dataframe(
        rows,
        key="search_table",
        hide_index=True,
        placeholder="-",
        column_config={
            "number": column.NumberColumn(raw("No.")),
            "mix": column.TextColumn(raw("Mix")),
            "repeats": column.NumberColumn(raw("Repeats")),
            "reached": column.NumberColumn(
                raw("Reached"), format="%.1f %%", help=raw("{question}, on dev, the mean over its repeats.",
                                                           question=question(found.begun.search)),
            ),
            "expected": column.NumberColumn(
                raw("Expected"), format="%.1f %%",
                help=raw("What all runs together let expect of it: luck of single runs is evened out."),
            ),
            "time": column.TextColumn(raw("Time"), help=raw("Of the trainings that were carried out for it.")),
        },
        alt=raw("The mixes that were tried"),
    )  # fmt: skip
