"""The Models page's parts: trying a run on text, whether the encoder suits the text, and what there is."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components import asking, facts
from components.address import choice
from components.entities import Line, entities
from components.frame import telling
from components.runs import retrain_button
from components.words import duration, percent, raw, t, visible
from core import pace
from core.jobs import warm
from core.jobs.folder import read_json
from core.models.catalogue import BUNDLED, knows_more, package_is_there, reach_hub
from core.models.fit import Fit
from core.predict import found_in
from core.project import Project
from core.report.browse import Segment
from core.shelf import Trained, encoder_of, encoders, weights_bytes
from core.workspace import Workspace

_SECONDS = 30.0  # that reading a text may take; the first one of a run also waits for its weights
_WANTED = "models_wanted"  # session key: what was asked for last, {"run", "lines"}
_ASKED = "models_asked"  # session key: that question
_FOUND = "models_found"  # session key: what was found last, {"run", "rows"}
_MEGA = 1_000_000


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
            sorted(entries, key=lambda id: not entries[id].kept),
            key="group",
            show=lambda id: raw(
                "{mix}, {steps} steps (runs with weights: {n})",
                mix=entries[id].group.name,
                steps=entries[id].group.train.steps,
                n=len(entries[id].kept),
            ),
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
    _ask(space, seeds[seed])
    return seeds[seed]


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


def _ask(space: Workspace, run: str) -> None:
    """The text, the button and what was found. The warm process starts as soon as somebody may ask."""
    warm.start(space.root)
    text = st.text_area(
        t("Text, one sentence a line"),
        key="models_text",
        height=140,
        persist_state="session",
        placeholder=t("Write or paste up to 50 lines."),
        help=t("It stays on this machine and is not kept."),
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


def suits(space: Workspace, project: Project) -> None:
    """How many words of the project's text its encoder doesn't know."""
    stage = facts.project_standing(space, project).stage
    name = project.recipe.train.model
    if stage is None:
        st.info(t("Once the project's data is read, this says how well the encoder suits it."))
        return
    corpus = stage.imported["corpora"]["train"]
    found = facts.fit(space.root, corpus, name, space.root / "projects" / project.slug)
    if found is None and name in BUNDLED:
        st.info(
            t(
                "The encoder {model} comes with Peibi. It is made ready when a run first asks for it, which takes some "
                "seconds; then this says how well it suits the text.",
                model=name,
            )
        )
    elif found is None:
        st.info(
            t(
                "The encoder {model} is not on this machine yet. It is looked at when a run first asks for it.",
                model=name,
            )
        )
    elif found.suits:
        st.success(_suits_words(found, name), icon=":material/check_circle:")
    else:
        st.warning(_unsuited_words(found, name), icon=":material/warning:")


def _suits_words(found: Fit, name: str) -> str:
    return t(
        "The encoder {model} suits this text: it doesn't know {share} of the words, and cuts a word into "
        "{pieces} pieces on average (seen in {rows} training sentences).",
        model=name,
        share=percent(found.unknown, 1),
        pieces=f"{found.subwords_per_word:.2f}",
        rows=found.rows,
    )


def _unsuited_words(found: Fit, name: str) -> str:
    share, other = percent(found.unknown), knows_more(name)
    if other is not None:
        return t(
            "The encoder {model} doesn't know {share} of the words of this text. "
            "Expect poor results; choose {other} on the Mix page: it comes with Peibi and reads 100 languages.",
            model=name,
            share=share,
            other=other,
        )
    if name in BUNDLED:
        return t(
            "The bundled encoder was made for {language}: it doesn't know {share} of the words of this text. "
            "Expect poor results; name a model for the language of the text, from a hub or a folder, in the recipe.",
            language=_languages(BUNDLED[name].languages),
            share=share,
        )
    return t(
        "The encoder {model} doesn't know {share} of the words of this text. "
        "Expect poor results; name another model, from a hub or a folder, in the recipe.",
        model=name,
        share=share,
    )


def _languages(codes: Sequence[str]) -> str:
    words = {"en": raw("English"), "zh": raw("Chinese"), "mul": raw("100 languages")}
    return raw(", ").join(words.get(code, code) for code in codes)


def bundled() -> None:
    """The encoders that come with Peibi."""
    rows = [
        {
            "name": name,
            "languages": _languages(one.languages),
            "package": one.package,
            "there": package_is_there(name),
        }
        for name, one in BUNDLED.items()
    ]
    column = st.column_config
    config = {
        "name": column.TextColumn(raw("Name"), help=raw("What a recipe calls it, under train: model.")),
        "languages": column.TextColumn(raw("Made for"), help=raw("The languages it was trained on.")),
        "package": column.TextColumn(raw("Package"), help=raw("The Python package that its weights come in.")),
        "there": column.CheckboxColumn(raw("On disk"), help=raw("Whether that package is installed.")),
    }
    st.dataframe(
        rows, key="models_bundled", hide_index=True, placeholder="-", column_config=config, alt=raw("Bundled encoders")
    )


def trained(space: Workspace, found: Sequence[Trained]) -> None:
    """The groups of the project whose trained models are on disk."""
    rows = [
        {
            "mix": visible(one.group.name),
            "steps": one.group.train.steps,
            "kept": raw("{n} of {all}", n=len(one.kept), all=len(one.group.runs)),
            "dev": None if one.dev is None else 100 * one.dev,
            "size": sum(weights_bytes(space, run) for run in one.kept.values()) / _MEGA,
        }
        for one in reversed(found)
    ]
    if not rows:
        st.caption(t("Nothing yet."))
        return
    column = st.column_config
    config = {
        "mix": column.TextColumn(raw("Mix")),
        "steps": column.NumberColumn(raw("Steps"), help=raw("Updates of the model in each run.")),
        "kept": column.TextColumn(
            raw("Runs with weights"), help=raw("Runs that came with the sample have none until they are trained again.")
        ),
        "dev": column.NumberColumn(
            raw("Dev F1"), format="%.1f %%", help=raw("The best F1 on the dev split, averaged over finished repeats.")
        ),
        "size": column.NumberColumn(raw("Size"), format="%.0f MB", help=raw("On disk, all its runs together.")),
    }
    st.dataframe(
        rows, key="models_trained", hide_index=True, placeholder="-", column_config=config, alt=raw("Trained models")
    )


def installed(space: Workspace) -> None:
    """The encoders in the workspace."""
    rows = [
        {
            "name": visible(raw(", ").join(one.names) or "-"),
            "runs": one.runs,
            "size": one.bytes / _MEGA,
            "identity": one.identity,
        }
        for one in encoders(space)
    ]
    if not rows:
        st.caption(t("None yet: an encoder is checked and copied here when a run first asks for it."))
        return
    column = st.column_config
    config = {
        "name": column.TextColumn(raw("Name"), help=raw("What the recipes of this workspace call it.")),
        "runs": column.NumberColumn(raw("Runs"), help=raw("How many trainings of all projects began with it.")),
        "size": column.NumberColumn(raw("Size"), format="%.0f MB", help=raw("On disk.")),
        "identity": column.TextColumn(
            raw("Identity"), help=raw("A fingerprint of its files (SHA-256). The same files have the same identity.")
        ),
    }
    st.dataframe(
        rows,
        key="models_installed",
        hide_index=True,
        placeholder="-",
        column_config=config,
        alt=raw("Installed encoders"),
    )


def hub() -> None:
    """Whether a hub answers; asked only on request."""
    st.caption(t("Other encoders come from a model hub, where this machine can reach one, or from a folder."))
    if st.button(t("Can the hub be reached?"), key="models_hub", icon=":material/cloud_sync:"):
        with telling():
            with st.spinner(t("Asking, for 3 s at most")):
                found = reach_hub()
            st.success(t("The hub at {hub} answers.", hub=found), icon=":material/cloud_done:")
