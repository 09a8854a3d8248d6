"""The trained run that labels sentences without labels: its settings in words, and how far it can be trusted."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from components.frame import telling
from components.params_form import FieldWords
from components.words import percent, t, told
from core.augment import params_of
from core.augment.pseudo_labels import PseudoLabelsParams
from core.errors import CoreError
from core.labeller import Trusted, told_of_labeller, trusted
from core.project import Project
from core.recipe import AugmentedIngredient
from core.scores import FEW
from core.sources import keep_named
from core.stage import Stage
from core.workspace import Workspace


def labeller_words() -> Mapping[str, FieldWords]:
    """What the settings are called, by field."""
    return {
        "model": FieldWords(
            t("Trained run that gives labels"), t("It must not have learned from dev or test of this project.")
        ),
        "confidence": FieldWords(
            t("Confidence, at least"),
            t("Of a word, or of the least sure word of a name. What is below stays unknown, and teaches nothing."),
        ),
        "most": FieldWords(
            t("Of each label, at most"),
            t("Names of a label that are kept, the surest ones. The preview shows them all."),
            unset=t("all"),
        ),
    }


def told_trust(space: Workspace, project: Project, stage: Stage, part: AugmentedIngredient) -> bool:
    """Say what the threshold does on the run's own dev. -> whether the run may give labels"""
    try:
        whole = keep_named(space, part, project.recipe.folder, project.recipe.language)
        told_of_labeller(space, whole, stage.imported["corpora"])
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return False
    params = params_of(whole.augmenter, whole.params)
    assert isinstance(params, PseudoLabelsParams)
    with telling():
        st.caption(trust_words(_trusted(space.root, params.model), params.confidence))
    return True


@st.cache_resource(max_entries=16, show_spinner=False)
def _trusted(root: Path, model: str) -> Trusted | None:
    return trusted(Workspace(root), model)


def trust_words(found: Trusted | None, threshold: float) -> str:
    """How far the confidence can be trusted, and what a threshold leaves, for Markdown sinks."""
    if found is None:
        return t("How far its confidence can be trusted is not known: what it found in its dev is not here.")
    judged, at = found.reliability, found.at(threshold)
    whole = t(
        "On its dev the run marked {n} names: {claimed} sure on average, {right} right.",
        n=round(judged.count),
        claimed=percent(judged.claimed),
        right=percent(judged.right),
    )
    if at.precision[1] is None:
        left = t("None of them has this confidence: choose less, or a run that is surer.")
    else:
        left = t(
            "{kept} of them have this confidence, {after} of these right.",
            kept=round(at.kept[1]),
            after=percent(at.precision[1]),
        )
    lean = {
        "over": t("It is too sure of itself: expect more wrong labels than the confidence says."),
        "under": t("It is less sure than it could be."),
        "mixed": t("It is too sure of some and not sure enough of others."),
        "few": t("They are too few (below {few}) to say how far that holds.", few=FEW),
    }
    return " ".join([whole, left, *([lean[judged.lean]] if judged.lean in lean else [])])
