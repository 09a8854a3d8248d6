"""How a pool turned out: how many of its children passed, what they are made of, and why others didn't pass."""

from collections.abc import Mapping

import streamlit as st

from components.attack import attack_words_of
from components.cost_of_writing import told_spent
from components.words import escape, percent, raw, said_raw, t, visible
from core.augment.audit import Audit, Labelled
from core.corpus import Corpus


def outcome(pool: Corpus, tried: int, copies: int, rejected: Mapping[str, int], audited: Audit | None) -> None:
    """How many children there are of those that were tried, and why the others are not. `rejected`: by code."""
    st.markdown(
        t(
            "{rows} children of {parents} sentences × {copies}: {share} of what was tried.",
            rows=len(pool),
            parents=tried // copies,
            copies=copies,
            share=percent(len(pool) / tried if tried else 0),
        )
    )
    if audited is not None and audited.attack is not None:
        st.caption(attack_words_of(raw("The attacked run"), audited.attack))
        st.caption(
            t(
                "Of sentences that it has learned from, this says little about new ones: how it stands on dev, Compare "
                "says under *Confidence and noise*."
            )
        )
    if audited is not None and audited.labelled is not None:
        _labelled(audited.labelled)
    if audited is not None and len(pool):
        _audit(audited)
    if audited is not None and audited.spent is not None:
        told_spent(audited.spent)
    if rejected:
        lines = [f"- **{count:,}**: {escape(said_raw(code))}" for code, count in rejected.items()]
        st.markdown("\n".join([t("Children that were not kept, and why:"), "", *lines]))


def _labelled(found: Labelled) -> None:
    """What a run gave sentences that had no labels."""
    given = ", ".join(f"{visible(label)} {count:,}" for label, count in found.labels.items())
    st.caption(t("Labels that the run gave: {labels}.", labels=given))
    if not sum(found.labels.values()):
        st.warning(
            t("The run was sure of no label here: all that can be learned is that nothing is labelled. Choose less."),
            icon=":material/warning:",
        )
    if found.known < 1:
        st.caption(
            t("Of {share} of the words the label is known now; the others teach nothing.", share=percent(found.known))
        )


def _audit(found: Audit) -> None:
    """What the children are made of, beside the sentences that they were made from."""
    if found.labelled is None:
        st.caption(
            t(
                "{parents} sentences have a child. {changed} of the children's words are others; of {words} different "
                "words {new} are new to the sentences that they were made from.",
                parents=found.parents,
                changed=percent(found.changed),
                words=found.words,
                new=found.new_words,
            )
        )
    if found.similarity is not None:
        low, _, high = found.similarity
        st.caption(
            t(
                "Similarity to the sentence: half of them between {low} and {high}.",
                low=f"{low:.2f}",
                high=f"{high:.2f}",
            )
        )
    if found.perplexity is not None:
        low, _, high = found.perplexity
        st.caption(
            t(
                "Pseudo-perplexity, times that of the sentence: half of them between {low} and {high}.",
                low=f"{low:.2f}",
                high=f"{high:.2f}",
            )
        )
    if found.labels:
        column = st.column_config
        st.dataframe(
            [{"label": visible(label), **vars(of)} for label, of in found.labels.items()],
            key="augment_audit",
            hide_index=True,
            height="content",
            column_config={
                "label": column.TextColumn(raw("Label"), width=110),
                "parents": column.NumberColumn(raw("Before"), help=t("Mentions in the sentences they were made from.")),
                "children": column.NumberColumn(raw("Children"), help=t("Mentions in the children.")),
                "forms": column.NumberColumn(raw("Spellings"), help=t("Different mentions in the children.")),
                "new": column.NumberColumn(raw("New"), help=t("Those of them that no sentence had before.")),
            },
            alt=raw("Mentions in the children, by label"),
        )
