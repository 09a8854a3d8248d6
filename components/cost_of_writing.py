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
from core.params import digest
from core.recipe import AugmentedIngredient
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
    values = {"n": f"{found.questions:,}", "sent": f"{found.tokens_in:,}", "got": f"{found.tokens_out:,}"}
    text = t("The whole pool asks about {n} questions: {sent} tokens sent, about {got} tokens answered.", **values)
    if found.cost is not None:
        text += " " + _price(found.cost, found.currency)
    st.caption(text)
    return True


def _price(cost: float, currency: str) -> str:
    if cost < _CENT:
        return t("That costs less than {cost} {currency}.", cost=_CENT, currency=currency)
    return t("That costs about {cost} {currency}.", cost=f"{cost:.2f}", currency=currency)


def asks_outside(method: str, params: Mapping[str, Any]) -> bool:
    """Whether an endpoint answers, which may cost money."""
    return any(mark.outside(params.get(name)) for name, mark in named_by(method).items())


def agreed(part: AugmentedIngredient, request: Mapping[str, Any]) -> bool:
    """Whether a preview may be asked for: where an endpoint answers, only after a press, as it may cost money."""
    about = digest(dict(request))
    if not asks_outside(part.augmenter, part.params) or st.session_state.get(_AGREED) == about:
        return True
    st.info(
        t("The endpoint is asked for a preview only when you say so, as it may cost money."), icon=":material/info:"
    )
    st.button(t("Ask for a preview"), key="augment_ask", icon=":material/chat:", on_click=_agree, args=(about,))
    return False


def _agree(about: str) -> None:
    st.session_state[_AGREED] = about


def told_spent(spent: Spent) -> None:
    """Of a pool that is built."""
    values = {"writer": spent.writer, "n": f"{spent.answers:,}", "old": f"{spent.remembered:,}"}
    tokens = {"sent": f"{spent.tokens_in:,}", "got": f"{spent.tokens_out:,}"}
    text = t(
        "{writer} wrote {n} answers, of which {old} were there already: {sent} tokens sent, {got} answered.",
        **values,
        **tokens,
    )
    if spent.cost is not None:
        text += " " + _price(spent.cost, spent.currency)
    st.caption(text)
