"""What the words of a pool became, as a picture and as a table."""

import streamlit as st

from components.pictures import still
from components.words import raw, t, visible
from core.augment.links import LOOKED_AT, Link, links
from core.corpus import Corpus
from core.report.network import MOST, network


@st.cache_resource(max_entries=32, show_spinner=False)
def _links(corpus: str, _pool: Corpus) -> list[Link]:
    return links(_pool)


def became(pool: Corpus) -> None:
    """The part of a graph, of a thesaurus or of a model that was used."""
    found = _links(pool.id, pool)
    if not found:
        st.caption(t("No word of these children became another: words only moved, went, or changed their letters."))
        return
    said = t("{n} pairs of words; the picture shows the {most} most frequent.", n=len(found), most=MOST)
    st.caption(said if len(found) > MOST else t("All {n} pairs of words.", n=len(found)))
    if len(pool) > LOOKED_AT:
        st.caption(t("Counted over the first {n} children.", n=LOOKED_AT))
    words = {"none": raw("no mention"), "was": raw("Before"), "now": raw("Now"), "times": raw("times")}
    figure = network(found, pool.schema.labels, words)
    alt = raw("What the words became, the most frequent pairs as lines between two columns")
    still(figure, "augment_became", alt)
    column = st.column_config
    st.dataframe(
        [{"was": visible(one.was), "now": visible(one.now), "count": one.count, "label": visible(one.label or "")}
         for one in found],
        key="augment_links",
        hide_index=True,
        height=300,
        column_config={
            "was": column.TextColumn(raw("Before")),
            "now": column.TextColumn(raw("Now")),
            "count": column.NumberColumn(raw("Times"), width=80),
            "label": column.TextColumn(raw("Mention of"), help=t("The label that it has as a mention.")),
        },
        alt=raw("What the words became"),
    )  # fmt: skip
