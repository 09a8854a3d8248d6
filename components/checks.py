"""What a model is asked about the children of an ingredient: a part of the Augment page's form."""

import streamlit as st

from components.given import asked_for, called
from components.params_form import FieldWords
from components.words import percent, raw, t
from core.augment.protocol import Names
from core.augment.sieve import Checks
from core.workspace import Workspace

_SIMILAR, _BAND = "augment_similar", "augment_band"  # session keys: whether similarity is asked about, and its bounds
_AGREE, _BELOW = "augment_agree", "augment_below"  # and agreement
_READS, _TIMES, _MODEL = "augment_reads", "augment_times", "augment_masked_lm"  # and how it reads, and to whom
_USUAL_BAND, _USUAL_BELOW, _USUAL_TIMES = (0.75, 0.98), 0.3, 2.0


def checks_form(space: Workspace) -> Checks | None:
    """Draw it. -> what is to be checked; None: nothing"""
    state = st.session_state
    state.setdefault(_BAND, _USUAL_BAND)
    state.setdefault(_BELOW, _USUAL_BELOW)
    state.setdefault(_TIMES, _USUAL_TIMES)
    asked = any(state.get(key) for key in (_SIMILAR, _AGREE, _READS))
    with st.expander(t("Checks by a model"), expanded=asked):
        st.caption(
            t("Asked when all children are made, not in the preview. It takes some seconds per 1,000 sentences.")
        )
        similar = st.toggle(
            t("Means about the same"),
            key=_SIMILAR,
            persist_state="session",
            help=t(
                "How similar a child is to its sentence, by an encoder: too little says something else, too much says "
                "nothing new."
            ),
        )
        if similar:
            st.slider(t("Similarity"), 0.0, 1.0, key=_BAND, step=0.01, persist_state="session")
        agree = st.toggle(
            t("Is still what it is labelled as"),
            key=_AGREE,
            persist_state="session",
            help=t(
                "A quick tagger that has seen neither looks at both. A child on which it finds the labels much worse "
                "than on its sentence is left out."
            ),
        )
        if agree:
            label = t("F1 below that of the sentence, at most")
            st.slider(label, 0.0, 1.0, key=_BELOW, step=0.05, persist_state="session")
        times, model = _fluency(space)
    if not similar and not agree and model is None:
        return None
    least, most = state[_BAND]
    return Checks(
        (least, most) if similar else None,
        float(state[_BELOW]) if agree else None,
        perplexity=None if model is None else times,
        masked_lm=model,
    )


def _fluency(space: Workspace) -> tuple[float, str | None]:
    """-> how many times as surprising a child may be, and the model that is asked; None: nothing is asked"""
    if not st.toggle(
        t("Reads about as well"),
        key=_READS,
        persist_state="session",
        help=t(
            "How surprising a masked language model finds a child's words, each in turn, beside those of its sentence. "
            "A pass for each word: minutes for 1,000 sentences with a large model."
        ),
    ):
        return _USUAL_TIMES, None
    label = t("Pseudo-perplexity, at most so many times that of the sentence")
    times = float(st.slider(label, 1.0, 10.0, key=_TIMES, step=0.5, persist_state="session"))
    help = t("A masked language model: its hub id, or a folder inside the workspace. None comes with Peibi.")
    model = asked_for(space, Names("model"), FieldWords(t("Masked language model"), help), _MODEL)
    if model is None:
        st.caption(t("Without a model it isn't checked."))
    return times, model


def fill_checks(checks: Checks | None) -> None:
    """Put what an ingredient asks for into the form, before it is drawn."""
    found = checks or Checks()
    st.session_state[_SIMILAR], st.session_state[_AGREE] = found.similarity is not None, found.agreement is not None
    st.session_state[_READS], st.session_state[_TIMES] = found.perplexity is not None, found.perplexity or _USUAL_TIMES
    st.session_state[_MODEL] = found.masked_lm
    st.session_state[_BAND] = tuple(found.similarity or _USUAL_BAND)
    st.session_state[_BELOW] = _USUAL_BELOW if found.agreement is None else found.agreement


def checks_words(checks: Checks | None) -> dict[str, str]:
    """What is checked, as it is, by what it is called."""
    found: dict[str, str] = {}
    if checks is not None and checks.similarity is not None:
        least, most = checks.similarity
        found[raw("Similarity")] = raw("{least} to {most}", least=f"{least:g}", most=f"{most:g}")
    if checks is not None and checks.agreement is not None:
        found[raw("F1 below its sentence")] = raw("at most {share}", share=percent(checks.agreement))
    if checks is not None and checks.perplexity is not None:
        times = raw(
            "at most {times} times, by {model}", times=f"{checks.perplexity:g}", model=called(checks.masked_lm or "")
        )
        found[raw("Pseudo-perplexity")] = times
    return found
