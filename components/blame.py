"""Which rows of an ingredient seem to hurt the mix in hand, and leaving them out."""

import numpy as np
import streamlit as st

from components import facts, without
from components.bench import Bench
from components.entities import Line, entities, shown
from components.frame import telling
from components.outlook import View
from components.words import t, visible
from core import mixing
from core.blaming import Suspects, leave_out, suspects
from core.mix import Mix
from core.recipe import AugmentedIngredient
from core.report import browse
from core.without import Blamed

_TOP = 40
_ALL = ""


def blame(bench: Bench, view: View, mix: Mix) -> None:
    """A folded box; nothing is worked out before it is opened."""
    names = [name for name in mixing.added(mix) if bench.sizes.get(name)]
    if view.run is None or view.run.state != "succeeded" or not names:
        return
    shelf = st.expander(t("Which sentences hurt?"), key="mix_blame", on_change="rerun")
    if not shelf.open:
        return
    with shelf:
        left, right = st.columns(2)
        name = left.selectbox(t("Ingredient"), names, key="mix_blame_of", format_func=visible)
        labels = [_ALL, *view.desk.labels]
        label = right.selectbox(
            t("Hurt what"), labels, key="mix_blame_label", format_func=lambda one: visible(one) or t("All labels")
        )
        with telling():
            found = suspects(bench.space, view.run.id, bench.stage, mix, name, label or None, _TOP)
            _found(bench, found, name)
            without.trial(
                without.Ground(bench.space, bench.project, bench.stage), mix, Blamed(name, tuple(found.ids), label)
            )


def _found(bench: Bench, found: Suspects, name: str) -> None:
    """The worst, and the button that leaves them out."""
    st.caption(
        t(
            "Of {of} sentences {n} raise the forecast's error on dev, the worst first. It is a suspicion: train the "
            "mix without them before you leave them out.",
            of=found.read,
            n=found.all,
        )
    )
    if not found.positions:
        return
    pool = facts.corpus(bench.space.root, bench.ids[name])
    rows = browse.page(pool, np.array(found.positions), 0, len(found.positions))
    lines: list[Line] = [shown(row, str(at)) for at, row in enumerate(rows, 1)]
    with st.container(height=320, border=False):
        entities(lines, bench.labels, key="mix_blamed")
    if not isinstance(bench.project.ingredients[name], AugmentedIngredient):
        st.caption(t("These come from a file: take them out there, and upload it again."))
        return
    if st.button(t("Leave these {n} out and build the pool again", n=len(found.ids)), key="mix_blame_out"):
        with telling(), st.spinner(t("Starting the runs ...")):
            leave_out(bench.space, bench.project, name, found.ids, pool.schema.labels)
            st.rerun()
