"""The right half of the page Mix: what the mix in hand comes to. Its heights don't depend on the amounts."""

import numpy as np
import streamlit as st

from components import facts
from components.bench import Bench
from components.entities import Line, entities, shown
from components.pictures import still
from components.words import raw, t, told, visible
from core import mixing
from core.errors import CoreError
from core.mix import GOLD, Mix
from core.report import browse, figures
from core.report.composition import Composition, IngredientShare, compose, sample_rows

_ROW, _SAMPLE = 35, 20  # pixels of a table's row; sentences shown
_LONGEST_LEAD = 16  # characters of an ingredient's name before a sentence


def show(bench: Bench, mix: Mix) -> Composition | None:
    """The composition in words and as a bar; None where the mix can't be drawn."""
    try:
        found = compose(mixing.spelled_out(mix, bench.sizes), bench.pools, bench.dev, bench.labels)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return None
    st.container(height=72, border=False).markdown("**" + _sentence(found) + "**")
    words = {"rows": raw("sentences"), GOLD: raw("gold")}
    rows = {part.name: part.rows for part in found.parts}
    bar = figures.share_bar(rows, {name: bench.colour(name) for name in rows}, words)
    still(bar, "mix_bar", _sentence_raw(found))
    return found


def closer(bench: Bench, mix: Mix, found: Composition | None) -> None:
    """The composition as a table, by label, and in examples."""
    if found is None:
        return
    _table(bench, mix, found)
    _histogram(bench, found)
    _examples(bench, mix)


def _parts(found: Composition) -> str:
    shown = [part for part in found.parts if part.rows or part.name == GOLD]
    return raw(", ").join(raw("{n} {name}", n=part.rows, name=_name(part.name)) for part in shown)


def _sentence(found: Composition) -> str:
    return t("{n} sentences: {parts}", n=found.rows, parts=_parts(found))


def _sentence_raw(found: Composition) -> str:
    return raw("{n} sentences: {parts}", n=found.rows, parts=_parts(found))


def _name(name: str) -> str:
    return raw("gold") if name == GOLD else name


def _asked(mix: Mix, part: IngredientShare) -> str:
    amount, unit = mix.requested().get(part.name, (0.0, mix.unit))
    if unit == "share":
        return f"{100 * amount:.3g} %"
    return f"{amount:.3g} ×" if unit == "times_gold" else f"{amount:g}"


def _table(bench: Bench, mix: Mix, found: Composition) -> None:
    column, number = st.column_config, st.column_config.NumberColumn
    parts = found.parts
    st.dataframe(
        {
            "name": [visible(_name(part.name)) for part in parts],
            "asked": [_asked(mix, part) for part in parts],
            "rows": [part.rows for part in parts],
            "share": [100 * part.share for part in parts],
            "new": [part.new_mentions for part in parts],
            "uses": [part.max_repeat for part in parts],
            "times": [part.times_gold for part in parts],
            "pool": [part.pool_rows for part in parts],
        },
        hide_index=True,
        height=_ROW * (len(bench.pools) + 1) + 3,
        column_config={
            "name": column.TextColumn(t("Ingredient"), width=130, pinned=True),
            "asked": column.TextColumn(
                t("Asked"), help=t("In the unit chosen: times gold, sentences, share."), width=70
            ),
            "rows": number(t("Sentences"), help=t("Sentences that the mix takes of it."), width=80),
            "share": number(t("Share"), format="%.0f %%", help=t("Of all sentences of the mix."), width=60),
            "new": number(
                t("New"), help=t("Different mentions in the drawn sentences that don't occur in gold."), width=60
            ),
            "uses": number(t("Uses"), help=t("How often the mix holds the most used sentence."), width=60),
            "times": number(t("× gold"), format="%.2f", help=t("Sentences per gold sentence."), width=70),
            "pool": number(t("Pool"), help=t("Different sentences there are to draw from."), width=60),
        },
        key="mix_table",
        alt=raw("What the mix takes of each ingredient"),
    )


def _histogram(bench: Bench, found: Composition) -> None:
    st.caption(
        t(
            "How the labels share the mentions: the mix beside gold and dev. Mentions that gold doesn't have: {n}.",
            n=found.new_mentions,
        ),
        help=t("A mix whose labels are spread quite unlike dev may shift what the model looks for."),
    )
    words = {"mix": raw("Mix"), GOLD: raw("Gold"), "dev": raw("Dev")}
    figure = figures.label_histogram(found.labels, bench.labels, raw("Share of mentions"), words)
    alt = raw("Share of each label in all mentions: mix, gold, dev")
    still(figure, "mix_labels", alt)


def _examples(bench: Bench, mix: Mix) -> None:
    """Twenty sentences that the mix draws; read only where they are looked at."""
    shelf = st.expander(t("{n} sentences of this mix", n=_SAMPLE), key="mix_examples", on_change="rerun")
    if not shelf.open:
        return
    with shelf, st.container(height=420, border=False):
        st.caption(t("Wavy underlined: what augmenting changed; struck through: what stood there before."))
        lines: list[Line] = []
        for name, row in sample_rows(mix, bench.pools, _SAMPLE):
            pool = facts.corpus(bench.space.root, bench.ids[name])
            [found] = browse.page(pool, np.array([row]), 0, 1)
            lines.append(shown(found, _cut(_name(name))))
        entities(lines, bench.labels, key="mix_sentences")


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_LEAD else name[: _LONGEST_LEAD - 1] + "…"
