"""The Models page's parts: whether the encoder suits the text, and what models there are."""

from collections.abc import Sequence

import streamlit as st

from components import facts
from components.frame import telling
from components.words import percent, raw, t, visible
from core.models.catalogue import BUNDLED, knows_more, package_is_there, reach_hub
from core.models.fit import Fit
from core.project import Project
from core.shelf import Trained, encoders, weights_bytes
from core.workspace import Workspace

_MEGA = 1_000_000


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
