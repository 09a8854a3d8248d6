"""The sentences behind a difference: gold on top, what the baseline and a mix found below."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from components import facts
from components.address import choice
from components.comparison import Chosen
from components.entities import Line, entities
from components.entities import shown as line
from components.labels import label_choice
from components.slices import rows_in, where
from components.why import Sentence, why
from components.words import raw, t
from core import contrast
from core.groups import Group
from core.project import Project
from core.report import browse
from core.report.ledger import Entry, ledger
from core.workspace import Workspace

_PAGE = 5  # sentences
_WAYS = ("both", "fixed", "broken")


@st.fragment
def sentences(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """Where one mix differs from the baseline, on one label or all, in all sentences or those with certain mentions."""
    counts = facts.counts(space, chosen.baseline, chosen.split)
    if not counts[0].names:
        return
    label = label_choice(t("Label"), counts[0].names, key="label")
    found = _within(
        space, project, chosen, other, label, ledger(counts, facts.counts(space, other, chosen.split), label)
    )
    ways = {
        "both": t("All ({n})", n=len(found)),
        "fixed": t("Fixed ({n})", n=sum(entry.change == "fixed" for entry in found)),
        "broken": t("Broken ({n})", n=sum(entry.change == "broken" for entry in found)),
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = choice(
            st.segmented_control,
            t("Sentences shown"),
            _WAYS,
            key="changed",
            show=ways.__getitem__,
            help=t("Fixed: more repeats are right about the label than before; broken: fewer are."),
        )
        seed = _repeat(space, chosen, other)
    shown = [entry for entry in found if way in ("both", entry.change)]
    if not shown:
        st.info(t("There is no such sentence for {label}.", label=label or raw("all labels")))
        return
    pages = -(-len(shown) // _PAGE)
    page = st.pagination(pages, key=f"compare_page_{pages}") if pages > 1 else 1
    st.caption(
        t(
            "Before: {baseline}. After: {mix}. Of {all} sentences the repeats differ in {n} about {label}; those in "
            "which most repeats changed come first. The counts say how many repeats are exactly right.",
            baseline=chosen.title(chosen.baseline),
            mix=chosen.title(other),
            all=len(counts[0].gold),
            n=len(found),
            label=label or raw("all labels"),
        )
    )
    offered = _show(space, chosen, other, seed, shown[(page - 1) * _PAGE : page * _PAGE])
    why(space, project, offered, "compare_why")


def _within(
    space: Workspace, project: Project, chosen: Chosen, other: Group, label: str, found: Sequence[Entry]
) -> Sequence[Entry]:
    """Those of the sentences that have a mention of the kind that is asked for."""
    names, ground = where(space, project, chosen, other)
    part = choice(
        st.selectbox,
        t("Only sentences with mentions that are"),
        ["", *names],
        key="with",
        show=lambda part: names[part] if part else raw("of any kind"),
        help=t(
            "In gold, or in what a run marked. *Seen in gold* and *new*: the same words stand in gold train, or not."
        ),
    )
    rows = rows_in(space, chosen, other, ground, part, label) if part else None
    return found if rows is None else [entry for entry in found if entry.row in rows]


def _repeat(space: Workspace, chosen: Chosen, other: Group) -> int | None:
    """The seed whose predictions are shown; None: for each sentence a repeat of either mix that shows the change."""
    mine, theirs = (contrast.repeats(space, group, chosen.split) for group in (chosen.baseline, other))
    seeds = [str(seed) for seed in mine if seed in theirs]
    seed = choice(
        st.selectbox,
        t("Repeat shown"),
        ["", *seeds],
        key="repeat_of",
        show=lambda seed: raw("Repeat {seed}", seed=seed) if seed else raw("one that shows it"),
        width=200,
        help=t("A repeat is a run with its own random seed; no two find quite the same."),
    )
    return int(seed) if seed else None


def _show(space: Workspace, chosen: Chosen, other: Group, seed: int | None, shown: Sequence[Entry]) -> list[Sentence]:
    """-> what can be asked about"""
    corpus = facts.corpus(space.root, chosen.baseline.corpora[chosen.split])
    groups = [contrast.repeats(space, group, chosen.split) for group in (chosen.baseline, other)]
    changes = {"fixed": raw("fixed"), "broken": raw("broken")}
    lines: list[Line] = []
    offered: list[Sentence] = []
    for entry, row in zip(shown, browse.page(corpus, np.array([e.row for e in shown]), 0, len(shown)), strict=True):
        where = raw("sentence {n}, {change}", n=row.position + 1, change=changes[entry.change])
        lines.append(line(row, raw("gold"), where))
        sides = zip((chosen.baseline, other), (raw("before"), raw("after")), strict=True)
        told = zip(sides, groups, entry.shown, (entry.before, entry.after), strict=True)
        for (group, lead), repeats, at, share in told:
            one = [*repeats][at] if seed is None else seed
            values = facts.predicted(space, repeats[one], corpus.id)
            [marked] = browse.page(corpus, np.array([row.position]), 0, 1, values)
            note = raw(
                "repeat {seed}; right in {n} of {all}", seed=one, n=round(share * len(repeats)), all=len(repeats)
            )
            lines.append(line(marked, lead, note, indent=True))
            words = raw("sentence {n}, {side}, repeat {seed}", n=row.position + 1, side=lead, seed=one)
            offered.append(Sentence(words, repeats[one], {"corpus": corpus.id, "row": row.position}, group))
    entities(lines, corpus.schema.labels, key="compare_sentences")
    return offered
