"""Trying a trained run on text of one's own: what it finds, and how sure it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components import asking
from components.address import choice
from components.entities import Line, entities
from components.runs import retrain_button
from components.why import Sentence, why
from components.words import duration, raw, t, visible
from core import pace
from core.jobs import warm
from core.jobs.folder import read_json
from core.models.loading import is_prompted
from core.predict import found_in
from core.project import Project
from core.report.browse import Segment
from core.shelf import Trained, encoder_of
from core.workspace import Workspace

_SECONDS = 30.0  # that reading a text may take; the first one of a run also waits for its weights
_WANTED = "models_wanted"  # session key: what was asked for last, {"run", "lines"}
_ASKED = "models_asked"  # session key: that question
_FOUND = "models_found"  # session key: what was found last, {"run", "rows"}


def try_run(space: Workspace, project: Project, found: Sequence[Trained]) -> str | None:
    """Choose a trained run and look for entities in a text of one's own. -> the run, where it has weights"""
    entries = {one.group.id: one for one in reversed(found)}
    if not entries:
        st.info(t("No trained run yet: set a mix and launch it on the Mix page."))
        st.page_link("pages/mix.py", label=t("Mix"), icon=":material/tune:")
        return None
    left, right = st.columns([2, 1])
    with left:
        group = choice(
            st.selectbox,
            t("Mix"),
            sorted(entries, key=lambda id: (not entries[id].kept, -(entries[id].dev or 0.0))),
            key="group",
            show=lambda id: _offered(entries[id]),
        )
    seeds = {str(seed): run for seed, run in entries[group].kept.items()}
    if not seeds:
        _without_weights(space, project, entries[group])
        return None
    with right:
        seed = choice(
            st.selectbox,
            t("Repeat"),
            list(seeds),
            key="repeat",
            help=t("The random seed of the run that reads the text."),
        )
    _ask(space, project, seeds[seed])
    return seeds[seed]


def _offered(one: Trained) -> str:
    """A group as it is offered, as it is."""
    if one.group.train.method == "prompt":
        return raw("{mix}, prompted (runs: {n})", mix=one.group.name, n=len(one.kept))
    return raw(
        "{mix}, {steps} steps (runs with weights: {n})",
        mix=one.group.name,
        steps=one.group.train.steps,
        n=len(one.kept),
    )


def _without_weights(space: Workspace, project: Project, one: Trained) -> None:
    seconds = pace.seconds_each(space, one.group.train, encoder_of(space, one.group))
    st.info(
        t(
            "These runs have no weights on disk, so they can't read new text. "
            "Train one again; that takes about {time}.",
            time=duration(seconds),
        )
    )
    if one.active:
        st.caption(t("It is being trained again: see Runs."))
        return
    first = next(seed for seed, run in one.group.runs.items() if run.state == "succeeded")
    retrain_button(space, project.slug, one.group, [first])


def _ask(space: Workspace, project: Project, run: str) -> None:
    """The text, the button and what was found. The warm process starts as soon as somebody may ask."""
    warm.start(space.root)
    asks = is_prompted(space.run_folder(run) / "model")
    sent = t("It is put to the language model that this run asks, and the answers are kept.")
    text = st.text_area(
        t("Text, one sentence a line"),
        key="models_text",
        height=140,
        persist_state="session",
        placeholder=t("Write or paste up to 50 lines."),
        help=sent if asks else t("It stays on this machine and is not kept."),
    )
    lines = [line for line in text.split("\n") if line.strip()]
    if st.button(t("Find entities"), key="models_ask", type="primary"):
        if lines:
            asking.forget(_ASKED)
            st.session_state[_WANTED] = {"run": run, "lines": lines}
        else:
            st.caption(t("Write some text first."))
    _read(space)
    found = st.session_state.get(_FOUND)
    if found and found["run"] == run:
        labels = read_json(space.run_folder(run) / "spec.json")["params"]["labels"]
        _show(found["rows"], labels)
        texts = [row["text"] for row in found["rows"]]
        offered = [Sentence(f"{at}: {text}", run, {"text": text}) for at, text in enumerate(texts, 1)]
        why(space, project, offered, "models_why")


def _read(space: Workspace) -> None:
    """What was asked for last: kept when it is there."""
    wanted = st.session_state.get(_WANTED)
    if wanted is None:
        return
    asked = asking.asked(space, _ASKED, "predict", wanted, _SECONDS)
    if asked.answer is not None:
        del st.session_state[_WANTED]
        st.session_state[_FOUND] = {"run": wanted["run"], "rows": asked.answer["rows"]}
    elif asked.problem is not None:
        asking.problem(_ASKED, asked.problem)
    else:
        asking.waiting(space, _ASKED)


def _show(rows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> None:
    lines = [Line(_segments(row), str(number), labels=_of_all(row)) for number, row in enumerate(rows, 1)]
    entities(lines, labels, key="models_entities")
    table = [
        {
            "line": number,
            "text": visible(one.get("text", row["text"])),
            "label": visible(one["label"]),
            "confidence": 100 * one["confidence"],
        }
        for number, row in enumerate(rows, 1)
        for one in found_in(row)
    ]
    if not table:
        st.info(t("No entities found in this text."))
        return
    column = st.column_config
    config = {
        "line": column.NumberColumn(raw("Line"), width="small"),
        "text": column.TextColumn(raw("Entity")),
        "label": column.TextColumn(raw("Label")),
        "confidence": column.ProgressColumn(raw("Confidence"), format="%.0f %%", min_value=0, max_value=100),
    }
    st.dataframe(
        table, key="models_table", hide_index=True, placeholder="-", column_config=config, alt=raw("Entities found")
    )
    st.caption(
        t(
            "Confidence is the probability that the model gives to the least probable word of an entity. "
            "It is not calibrated: of entities with 90 %, more or fewer than 90 in 100 may be right."
        )
    )


def _segments(row: Mapping[str, Any]) -> list[Segment]:
    """A text with its entities apart."""
    out: list[Segment] = []
    at = 0
    for entity in (one for one in found_in(row) if "start" in one):
        out += [Segment(row["text"][at : entity["start"]]), Segment(entity["text"], entity["label"])]
        at = entity["end"]
    return [*out, Segment(row["text"][at:])]


def _of_all(row: Mapping[str, Any]) -> list[str]:
    """The labels that are those of the whole text."""
    return [one["label"] for one in found_in(row) if "start" not in one]
