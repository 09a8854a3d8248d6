"""Asking the warm process from a page: a script waits for a moment only, then the page looks again by itself."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components.words import t, told
from core.errors import CoreError
from core.jobs import warm
from core.jobs.warm import Question
from core.workspace import Workspace

EVERY = 0.5  # seconds between two looks
_MOMENT = 0.3  # seconds that a script waits: nearly all answers come within it
_STARTS = 2  # how often the warm process is started for one question


@dataclass
class Asked:
    """A question of a page, as its session keeps it: open until there is an answer or a problem."""

    kind: str
    request: Mapping[str, Any]
    seconds: float  # that it may take
    since: float = field(default_factory=time.monotonic)
    question: Question | None = None  # None: the warm process did not take it yet
    answer: Mapping[str, Any] | None = None
    problem: CoreError | None = None
    starts: int = 0

    @property
    def open(self) -> bool:
        return self.answer is None and self.problem is None


def asked(space: Workspace, key: str, kind: str, request: Mapping[str, Any], seconds: float) -> Asked:
    """The question that stands under a key of the session. Another one is put in its place where it asks for something
    else, and the old one is hung up on: the newest wins."""
    held: Asked | None = st.session_state.get(key)
    if held is None or (held.kind, held.request) != (kind, request):
        forget(key)
        held = st.session_state[key] = Asked(kind, request, seconds)
    _look(space, held)
    return held


def forget(key: str) -> None:
    """Give a question up, so that it is put anew; also as a callback."""
    held: Asked | None = st.session_state.pop(key, None)
    if held is not None and held.question is not None:
        warm.hang_up(held.question)


@st.fragment(run_every=EVERY)
def waiting(space: Workspace, key: str) -> None:
    """What is shown while a question is open; then the page is drawn anew."""
    held: Asked | None = st.session_state.get(key)
    if held is not None:
        _look(space, held)
    if held is None or not held.open:
        st.rerun()
    if held.question is None:
        st.info(t("The process that answers is starting: a second or two."), icon="spinner")
    else:
        st.info(t("Working. The first time after a start it takes some seconds longer."), icon="spinner")


def problem(key: str, error: CoreError) -> None:
    """Why there is no answer, and a button that asks again."""
    st.error(told(error), icon=":material/error:")
    st.button(t("Try again"), key=f"{key}_again", icon=":material/refresh:", on_click=forget, args=(key,))


def _look(space: Workspace, held: Asked) -> None:
    if not held.open:
        return
    try:
        if held.question is None:
            held.question = warm.begin(space.root, held.kind, held.request, held.seconds)
        held.answer = warm.answer_to(held.question, _MOMENT)
    except CoreError as error:
        _heed(space, held, error)


def _heed(space: Workspace, held: Asked, error: CoreError) -> None:
    """Put the question again to a warm process that is on its way; start one where there is none."""
    again = error.code in ("warm_starting", "warm_busy")
    if error.code in ("warm_off", "warm_ended"):
        again = held.starts < _STARTS  # a question may be what ends it
        held.starts += 1
        warm.start(space.root)
    held.question = None
    if not again or time.monotonic() - held.since > held.seconds:
        held.problem = error
