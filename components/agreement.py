"""Whether the mixes that were trained keep their order on another encoder."""

import streamlit as st

from components.bench import Bench
from components.expectation import of_launch
from components.frame import telling, watch_link
from components.outlook import View
from components.words import raw, t, visible
from core.agreement import Agreement, agreement, ask, wanted
from core.models.catalogue import BUNDLED


def transfer(bench: Bench, view: View) -> None:
    """A folded box, once three mixes were trained."""
    if len(view.desk.trained) < 3:
        return
    shelf = st.expander(t("Does it hold on another encoder?"), key="mix_transfer", on_change="rerun")
    if not shelf.open:
        return
    mine = bench.project.recipe.train.model
    with shelf:
        st.caption(
            t(
                "A mix that was found on a small encoder is worth more if a larger one agrees. Five of the trained "
                "mixes, from the worst to the best, are trained on the other encoder, twice each."
            )
        )
        others = [name for name in BUNDLED if name != mine]
        other = st.selectbox(
            t("The other encoder"), others, key="mix_transfer_to", format_func=visible, accept_new_options=True
        )
        if other:
            _for(bench, other)


def _for(bench: Bench, other: str) -> None:
    found = agreement(bench.space, bench.project, bench.stage, other)
    if found.of:
        _table(found, bench.project.recipe.train.model, other)
    with telling():
        asked = wanted(bench.space, bench.project, bench.stage, other)
        if not asked.new:
            return
        says, how = of_launch(asked.estimate)
        st.markdown(says, help=how)
        if st.button(t("Train them on it"), key="mix_transfer_go", icon=":material/rocket_launch:"):
            with st.spinner(t("Starting the runs ...")):
                ids = ask(bench.space, bench.project, bench.stage, other)
            st.toast(t("Started: {n} runs.", n=len(ids)), icon=":material/rocket_launch:")
            watch_link(bench.project.slug)


def _table(found: Agreement, here: str, there: str) -> None:
    st.markdown(
        t(
            "Of {of} pairs of mixes {right} are in the same order on both encoders; of the {clear} that chance of "
            "seeds does not explain, {clear_right}.",
            of=found.of,
            right=found.right,
            clear=found.clear,
            clear_right=found.clear_right,
        )
    )
    number = st.column_config.NumberColumn
    st.dataframe(
        {
            "mix": [visible(one.name) for one in found.mixes],
            "here": [100 * float(one.here.mean()) for one in found.mixes],
            "there": [100 * float(one.there.mean()) for one in found.mixes],
        },
        hide_index=True,
        column_config={
            "mix": st.column_config.TextColumn(t("Mix")),
            "here": number(visible(here), format="%.1f", help=t("F1 on dev, the mean over repeats.")),
            "there": number(visible(there), format="%.1f", help=t("F1 on dev, the mean over repeats.")),
        },
        key="mix_transfer_table",
        alt=raw("F1 of the same mixes on two encoders"),
    )
