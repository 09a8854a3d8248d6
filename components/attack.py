"""Attacks on trained runs: their settings in words, and on Compare how mixes stand them."""

from collections.abc import Mapping

import streamlit as st

from components.frame import PAGES, telling
from components.params_form import FieldWords
from components.progress import watch
from components.words import percent, t
from core import attack as attacks
from core.attack import ROWS, Asked
from core.augment.audit import Attacked
from core.groups import Group, evaluated
from core.workspace import Workspace


def attack_words(method: str) -> Mapping[str, FieldWords]:
    """What the settings of a method are called that asks a trained run, by field; of others nothing."""
    if method == "attack":
        return {
            "model": FieldWords(
                t("Trained run to attack"),
                t(
                    "run: and its number, as Runs shows it; or a model that labels such sentences, by its id on a hub "
                    "or a folder inside the workspace."
                ),
            ),
            "candidates": FieldWords(
                t("Words tried for a word"),
                t("How many neighbours and synonyms are tried for each word, drawn anew for each copy."),
            ),
            "similar": FieldWords(
                t("Similarity of the sentence, at least"),
                t(
                    "To the sentence as it was, by an encoder. With less the run is fooled more often, by sentences "
                    "that say something else."
                ),
            ),
            "queries": FieldWords(t("Questions, at most"), t("How many sentences the run is asked about for a child.")),
            "encoder": FieldWords(
                t("Encoder that tells similarity"),
                t(
                    "Its id on a hub, or a folder inside the workspace. Without one: in English the one that comes "
                    "with Peibi, elsewhere the attacked run."
                ),
            ),
        }
    if method == "rockner":
        return {
            "mentions": FieldWords(t("Names replaced"), t("The chance of each name to be replaced; at least one is.")),
            "model": FieldWords(
                t("Model"),
                t("A masked language model, which words around names are drawn from. Without one they are neighbours."),
            ),
            "against": FieldWords(
                t("Trained run to fool"),
                t("run: and its number, as Runs shows it. Only children that it is wrong about are kept."),
            ),
            "tries": FieldWords(
                t("Children tried"), t("How many the run is asked about; the one it is most wrong about is kept.")
            ),
        }
    return {}


def attacked(space: Workspace, groups: Mapping[str, Group]) -> None:
    """How often one repeat of each mix is fooled on dev; where none was attacked, the way to it."""
    st.caption(
        t(
            "One repeat of each mix is attacked on {n} sentences of dev at most: words outside names become words that "
            "stand near them, one after the other, until it is wrong about the sentence or nothing is left to try. "
            "Test is never attacked.",
            n=ROWS,
        )
    )
    lacking = False
    for number, (mix, group) in enumerate(groups.items()):
        asked = _asked(space, group)
        if asked is None:
            st.markdown(t("**{mix}**: no weights are on disk of it, so it can't be attacked.", mix=mix))
            lacking = True
            continue
        run = attacks.newest(space, asked)
        if run is not None and run.state == "succeeded":
            found = attacks.attacked(space, run)
            if found is not None:
                st.markdown(attack_words_of(mix, found))
            continue
        if run is not None:
            watch(space, run, t("Attacking {mix}", mix=mix), f"attack_run_{number}")
        if (run is None or not run.pending) and st.button(
            t("Attack {mix}", mix=mix), key=f"attack_{number}", icon=":material/swords:"
        ):
            with telling(), st.spinner(t("Making {name} ready", name=mix)):
                attacks.start(space, asked, space.root)
                st.rerun()

    if lacking:
        st.caption(t("Train it again with weights on Runs, then come back."))
        st.page_link(PAGES["runs"], label=t("Runs"), icon=":material/play_circle:")


def _asked(space: Workspace, group: Group) -> Asked | None:
    """The attack on the first repeat that has weights."""
    able = [run for run in evaluated(space, group, "dev") if (space.run_folder(run) / "model").exists()]
    return Asked(able[0]) if able else None


def attack_words_of(name: str, found: Attacked) -> str:
    """What attacks came to, for Markdown sinks."""
    median, mean = found.queries
    return t(
        "**{name}** was right about {right} of {rows} sentences, and then wrong about {beaten} of these ({success}). "
        "F1 of all: {before} before, {after} after. Questions for a sentence: {median} (median), {mean} on "
        "average; where it was fooled, {changed} of the words are others.",
        name=name,
        right=found.right,
        rows=found.rows,
        beaten=found.beaten,
        success=percent(found.success),
        before=percent(found.before, 1),
        after=percent(found.after, 1),
        median=f"{median:g}",
        mean=f"{mean:.0f}",
        changed=percent(found.changed),
    )
