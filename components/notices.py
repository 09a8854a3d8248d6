"""What goes on in the background, beside every page: how much runs and waits, and a word when something ends."""

import time
from collections.abc import Sequence

import streamlit as st

from components.words import raw, t
from core import project as projects
from core.groups import launched, of_searches
from core.jobs.dispatch import look_after
from core.jobs.folder import Run
from core.workspace import Workspace

EVERY = 2.0  # seconds between two looks, while something is active
_SAID = frozenset({"succeeded", "failed", "interrupted"})  # a cancellation was asked for by the user
_BEGAN, _TOLD = "notices_began", "notices_told"  # session keys: unix seconds; ends that were told: (run, attempt)


def notices(space: Workspace) -> None:
    """Called once on every page, in the sidebar; looks again by itself only while runs are active."""
    st.session_state.setdefault(_BEGAN, time.time())
    st.session_state.setdefault(_TOLD, set())
    active = bool(space.store.pending())
    _tell(space, _ended(space))
    st.fragment(_look, run_every=EVERY if active else None)(space, active)


def _look(space: Workspace, active: bool) -> None:
    pending = space.store.pending()
    if active and not pending:
        st.rerun()  # the page shows what ended; this look's news are told there
    _tell(space, _ended(space))
    running = sum(run.state == "running" for run in pending)
    waiting = len(pending) - running
    if waiting and not running:
        look_after(space.root)
    if running or waiting:
        label = t("{running} running, {waiting} waiting", running=running, waiting=waiting)
        st.page_link("pages/runs.py", label=label, icon="spinner", query_params=_kept())


def _kept() -> dict[str, str]:
    return {name: st.query_params[name] for name in ("project", "lang") if name in st.query_params}


def _ended(space: Workspace) -> list[Run]:
    """What ended for good since this session began and was not told yet; of a search, the search alone."""
    told = st.session_state[_TOLD]
    runs = space.store.since(st.session_state[_BEGAN])
    ended = [run for run in runs if run.state in _SAID and not run.pending and (run.id, run.attempt) not in told]
    quiet = {id for name in projects.names(space) for id in of_searches(space, name)} if ended else set[str]()
    return [run for run in ended if run.id not in quiet]


def _tell(space: Workspace, ended: Sequence[Run]) -> None:
    """One toast for all that ended, so that a browser is never covered with them."""
    if not ended:
        return
    st.session_state[_TOLD] |= {(run.id, run.attempt) for run in ended}
    good = [run for run in ended if run.state == "succeeded"]
    bad = len(ended) - len(good)
    if len(ended) == 1:
        what = _what(space, ended[0])
        text = t("Failed: {what}. See Runs.", what=what) if bad else t("Done: {what}", what=what)
    else:
        text = t("Runs done: {done}, failed: {failed}. See Runs.", done=len(good), failed=bad)
    st.toast(text, icon=":material/error:" if bad else ":material/check_circle:", duration="long")


def _what(space: Workspace, run: Run) -> str:
    """A run in words, as they are."""
    for project in projects.names(space):
        found = launched(space, project).get(run.id)
        if found:
            return raw("{mix}, repeat {seed}", mix=found[1], seed=found[2])
    return kind_words(run.kind)


def kind_words(kind: str) -> str:
    """What a kind of run does, as it is."""
    words = {
        "import": raw("reading files"),
        "augment": raw("building a pool"),
        "train": raw("training"),
        "pretrain": raw("continued pre-training"),
        "evaluate": raw("looking at test"),
        "robustness": raw("trying noise and other names"),
        "features": raw("hidden states of words"),
        "reasons": raw("reading the rows behind a run"),
        "model_export": raw("exporting a model"),
        "track": raw("telling a tracker"),
        "export": raw("writing an archive"),
        "unpack": raw("bringing a project in"),
        "clean": raw("cleaning up"),
        "doctor": raw("looking through the workspace"),
        "settle": raw("adding repeats until it is settled"),
        "tune": raw("searching for settings"),
        "search": raw("searching for a mix"),
        "selftest": raw("self-test"),
    }
    return words.get(kind, kind)
