"""Explain this run: what a step of it computes, with its own numbers, and what of the network it changes."""

from collections.abc import Sequence

import streamlit as st

from components.address import choice
from components.told import one_of
from components.words import raw, said, said_raw, t
from core.board import Repeat
from core.explain import explained
from core.subject import Subject, choices, subject
from core.training.portions import Portion
from core.workspace import Workspace

_NEWEST = "newest"


def explain(space: Workspace, shown: Sequence[Repeat]) -> None:
    """A step of one run, the newest unless another is chosen."""
    repeat = one_of(shown)
    found = subject(space, repeat.run.id)
    if found is None:
        st.info(
            t("The request of repeat {seed}, or the data it is judged by, is not in this workspace.", seed=repeat.seed)
        )
        return
    st.caption(
        t(
            "One step of repeat {seed}: the loss, its gradient and the update, with the numbers of this run in them.",
            seed=repeat.seed,
        )
    )
    step = _step(found)
    for told in explained(found, step):
        st.markdown(said(told.code, told.values))
        for formula in told.formulas:
            st.latex(formula.latex)
    _weights(found)


def _step(found: Subject) -> int:
    """The step that is looked at: the newest, which moves on while the run does, or one that was chosen."""
    steps = [str(step) for step in choices(found)]
    if not steps:
        st.caption(t("It has not passed a step yet: what is below is what its first one will do."))
        return 1
    if len(steps) == 1:
        return int(steps[0])
    asked = choice(
        st.select_slider,
        t("Step"),
        [*steps[:-1], _NEWEST],
        key="moment",
        default=_NEWEST,
        show=lambda code: raw("newest: {step}", step=steps[-1]) if code == _NEWEST else code,
        help=t("The formulas below are filled with the numbers of this step."),
    )
    return found.newest if asked == _NEWEST else int(asked)


def _weights(found: Subject) -> None:
    """The parts of the network from the embeddings up, and how much of each is trained."""
    if found.parts is None:
        return
    rows = [_row(part) for part in found.parts.portions]
    column = st.column_config
    config = {
        "part": column.TextColumn(raw("Part of the network"), width="medium"),
        "weights": column.NumberColumn(raw("Weights"), format="localized"),
        "trained": column.NumberColumn(
            raw("Trained"), format="localized", help=raw("How many of them the update changes; the others are frozen.")
        ),
    }
    st.dataframe(
        rows, key="runs_weights", hide_index=True, column_config=config, height="content", alt=raw("Trained weights")
    )


def _row(part: Portion) -> dict[str, object]:
    number = None if part.number is None else part.number + 1
    name = said_raw(f"part_{part.name}", {"number": number})
    return {"part": name, "weights": part.weights, "trained": part.trained}
