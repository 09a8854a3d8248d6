"""What a language model will be asked to write a pool, or was, in questions, tokens and money."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from components.words import t, told
from core.augment import named_by
from core.augment.cost import planned
from core.augment.protocol import Spent
from core.corpus import Corpus
from core.errors import CoreError
from core.models.loading import is_prompted
from core.models.writers import Planned
from core.params import digest
from core.recipe import AugmentedIngredient
from core.runs import kept, located
from core.workspace import Workspace

_CENT = 0.01
_AGREED = "augment_agreed"  # session key: the preview that may be asked for


def told_cost(space: Workspace, parent: Corpus, part: AugmentedIngredient) -> bool:
    """Before anything is asked; nothing for a method that asks nobody. -> whether it can be asked for at all"""
    try:
        found = planned(part.augmenter, part.params, parent, part.copies, space.root)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return False
    if found is None:
        return True
    values = _figures(found)
    text = t("The whole pool asks about {n} questions: {sent} tokens sent, about {got} tokens answered.", **values)
    if found.cost is not None:
        text += " " + _price(found.cost, found.currency)
    st.caption(text)
    return True


def told_questions(found: Planned) -> None:
    """Before trainings that ask a language model are launched."""
    text = t("At most {n} questions are asked: {sent} tokens sent, about {got} tokens answered.", **_figures(found))
    if found.cost is not None:
        text += " " + _price(found.cost, found.currency)
    st.caption(text, help=t("What was asked before is not asked again. A look at test asks as much once more for it."))


def _figures(found: Planned) -> dict[str, str]:
    return {"n": f"{found.questions:,}", "sent": f"{found.tokens_in:,}", "got": f"{found.tokens_out:,}"}


def _price(cost: float, currency: str) -> str:
    if cost < _CENT:
        return t("That costs less than {cost} {currency}.", cost=_CENT, currency=currency)
    return t("That costs about {cost} {currency}.", cost=f"{cost:.2f}", currency=currency)


def asks_outside(space: Workspace, method: str, params: Mapping[str, Any]) -> bool:
    """Whether an endpoint answers, which may cost money: one that a setting names, or that a prompted run asks."""
    return any(
        mark.outside(params.get(name)) or _prompted(space, params.get(name)) for name, mark in named_by(method).items()
    )


def _prompted(space: Workspace, value: object) -> bool:
    held = kept(value) if isinstance(value, str) else None
    return held is not None and is_prompted(space.root / located(held))


def agreed(space: Workspace, part: AugmentedIngredient, request: Mapping[str, Any]) -> bool:
    """Whether a preview may be asked for: where an endpoint answers, only after a press, as it may cost money."""
    about = digest(dict(request))
    if not asks_outside(space, part.augmenter, part.params) or st.session_state.get(_AGREED) == about:
        return True
    st.info(
        t("The endpoint is asked for a preview only when you say so, as it may cost money."), icon=":material/info:"
    )
    st.button(t("Ask for a preview"), key="augment_ask", icon=":material/chat:", on_click=_agree, args=(about,))
    return False


def _agree(about: str) -> None:
    st.session_state[_AGREED] = about


def told_spent(spent: Spent, whose: str = "") -> None:
    """Of a pool that is built, or of a prompted training. `whose`: what the line begins with, for Markdown."""
    values = {"writer": spent.writer, "n": f"{spent.answers:,}", "old": f"{spent.remembered:,}"}
    tokens = {"sent": f"{spent.tokens_in:,}", "got": f"{spent.tokens_out:,}"}
    text = t(
        "{writer} wrote {n} answers, of which {old} were there already: {sent} tokens sent, {got} answered.",
        **values,
        **tokens,
    )
    if spent.cost is not None:
        text += " " + _price(spent.cost, spent.currency)
    st.caption(whose + text)
