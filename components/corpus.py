"""The Data page's views of imported data: what it looks like, what was found in it, and its sentences."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from components import facts
from components.address import choice, keep, several
from components.entities import entities, shown
from components.issues import notes
from components.models import suits
from components.pictures import still
from components.splits import SPLITS, in_sentence, split_words
from components.words import percent, raw, t, visible
from core.launch import Standing
from core.project import Project
from core.report import browse, figures
from core.report.portrait import Portrait, SplitPortrait, Unseen
from core.workspace import Workspace

_PAGE = 25  # sentences
_FROM = "from"  # in the address: number of the first sentence shown, from 1
_DIGITS = 9  # of that number, at most


def overview(space: Workspace, project: Project, found: Standing) -> None:
    """Sizes, labels, lengths, what is new in dev and test, what leaked, and whether the encoder suits the text."""
    assert found.stage is not None
    ids = _ids(found.stage.imported["corpora"])
    with st.spinner(t("Counting ..."), show_time=False):
        seen = facts.portrait_of(space.root, tuple(ids.items()))
    if project.sample:
        st.caption(
            t(
                "A sample that comes with Peibi: invented texts, written and labelled for it, under the licence "
                "Apache-2.0. Figures say how methods compare on such texts, not on yours."
            )
        )
    _sizes(seen)
    left, right = st.columns(2, gap="large")
    with left:
        _labels(seen)
    with right:
        _lengths(seen)
    st.subheader(t("What training has not seen"), anchor=False)
    _unseen(seen)
    st.subheader(t("The same text in two splits"), anchor=False)
    notes(found.stage.issues)
    st.subheader(t("Does the encoder suit the text?"), anchor=False)
    suits(space, project)


def _ids(corpora: Mapping[str, str]) -> dict[str, str]:
    return {split: corpora[split] for split in SPLITS if split in corpora}


def _sizes(seen: Portrait) -> None:
    column, number, words = st.column_config, st.column_config.NumberColumn, split_words()
    splits = seen.splits
    st.dataframe(
        {
            "split": [words[name] for name in splits],
            "rows": [split.rows for split in splits.values()],
            "words": [split.words for split in splits.values()],
            "mentions": [sum(split.mentions.values()) for split in splits.values()],
            "without": [split.without for split in splits.values()],
            "median": [split.median_length for split in splits.values()],
            "long": [split.long_length for split in splits.values()],
        },
        key="data_sizes",
        hide_index=True,
        height="content",
        column_config={
            "split": column.TextColumn(
                t("Split"),
                help=t("Train is learned from, dev is for choosing a mix, test is for the last look."),
                pinned=True,
            ),
            "rows": number(t("Sentences"), format="localized"),
            "words": number(t("Words"), format="localized", help=t("Tokens of the file, punctuation included.")),
            "mentions": number(t("Mentions"), format="localized", help=t("Places in the text that carry a label.")),
            "without": number(t("Sentences without mention"), format="localized"),
            "median": number(
                t("Words a sentence"), format="%.0f", help=t("The median: half of the sentences are longer.")
            ),
            "long": number(t("Long sentences, words"), format="%.0f", help=t("5 % of the sentences are longer.")),
        },
        alt=raw("Size of each split"),
    )


def _labels(seen: Portrait) -> None:
    st.subheader(t("Labels"), anchor=False)
    series = {name: split.mentions for name, split in seen.splits.items()}
    labels = list(next(iter(series.values())))
    figure = figures.label_histogram(series, labels, raw("Share of mentions"), split_words())
    alt = raw("Share of each label in the mentions of each split")
    still(figure, "data_labels", alt)


def _lengths(seen: Portrait) -> None:
    st.subheader(t("Sentence lengths"), anchor=False)
    series = {name: split.lengths for name, split in seen.splits.items()}
    figure = figures.lengths(series, raw("Words a sentence"), split_words())
    alt = raw("Share of the sentences of each split by their length")
    still(figure, "data_lengths", alt)


def _unseen(seen: Portrait) -> None:
    held_out = {name: split for name, split in seen.splits.items() if split.unseen is not None}
    for name, split in held_out.items():
        assert split.unseen is not None
        if split.unseen.share is not None:
            st.markdown(_unseen_words(name, split.unseen, _most_unseen(split)))
    column, number = st.column_config, st.column_config.NumberColumn
    train = seen.splits["train"]
    data: dict[str, Sequence[object]] = {"label": [visible(label) for label in train.mentions]}
    config: dict[str, object] = {"label": column.TextColumn(t("Label"), pinned=True)}
    for name, split in seen.splits.items():
        data[name] = list(split.mentions.values())
        config[name] = number(raw("Mentions, {split}", split=in_sentence(name)), format="localized")
    for name, split in held_out.items():
        data[f"{name}_new"] = [_share(split, label) for label in train.mentions]
        config[f"{name}_new"] = number(
            raw("New in {split}", split=in_sentence(name)),
            format="percent",
            help=t("Of the mentions in this split, those whose text never occurs with this label in train."),
        )
    st.dataframe(
        data,
        key="data_mentions",
        hide_index=True,
        height="content",
        column_config=config,
        placeholder="-",
        alt=raw("Mentions by label"),
    )


def _share(split: SplitPortrait, label: str) -> float | None:
    found = split.unseen_by_label.get(label)
    return None if found is None or found.share is None else round(found.share, 2)


def _most_unseen(split: SplitPortrait) -> tuple[str, float] | None:
    shares = {label: found.share for label, found in split.unseen_by_label.items() if found.share is not None}
    return max(shares.items(), key=lambda item: item[1]) if len({*shares.values()}) > 1 else None


def _unseen_words(name: str, unseen: Unseen, most: tuple[str, float] | None) -> str:
    if not unseen.share:
        return t(
            "**Every mention in {split} also occurs in train**: scores there say nothing about new names.",
            split=in_sentence(name),
        )
    text = t(
        "**{share} of the {n} mentions in {split} never occur in train**: only their context tells what they are.",
        share=percent(unseen.share or 0.0),
        n=f"{unseen.mentions:,}",
        split=in_sentence(name),
    )
    if most is None:
        return text
    return text + " " + t("Of the label {label} it is {share}.", label=most[0], share=percent(most[1]))


@st.fragment
def sentences(space: Workspace, found: Standing) -> None:
    """Rows of a split, searched and filtered; all of it stands in the address."""
    assert found.stage is not None
    ids, words = _ids(found.stage.imported["corpora"]), split_words()
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        split = choice(
            st.segmented_control,
            t("Split"),
            list(ids),
            key="split",
            show=words.__getitem__,
            on_change=_to_start,
        )
    with st.spinner(t("Reading {split} ...", split=in_sentence(split)), show_time=False):
        index = facts.browse_index(space.root, ids[split])
    with middle:
        text = st.text_input(
            t("Search"),
            key="search",
            type="search",
            placeholder=raw("Search"),
            max_chars=200,
            help=t("Sentences that hold exactly this text; upper and lower case make no difference."),
            on_change=_to_start,
            bind="query-params",
            persist_state="session",
        )
    with right:
        labels = several(
            st.multiselect,
            t("Labels"),
            index.labels,
            key="labels",
            show=visible,
            placeholder=raw("Any"),
            help=t("Sentences with mentions of all of these."),
            on_change=_to_start,
        )
    without = st.toggle(
        t("Only sentences without mention"),
        key="without",
        on_change=_to_start,
        bind="query-params",
        persist_state="session",
    )
    positions = browse.find(index, text or "", labels, without)
    start = _start(len(positions))
    rows = browse.page(facts.corpus(space.root, ids[split]), positions, start, _PAGE)
    _pager(start, len(positions), len(index.has))
    lines = [shown(row, str(row.position + 1)) for row in rows]
    entities(lines, index.labels, key="data_sentences")


def _start(total: int) -> int:
    """Where the page in the address begins, from 0."""
    asked = st.query_params.get(_FROM, "")
    first = int(asked) if asked.isdecimal() and len(asked) <= _DIGITS else 1
    return max(0, min(first, total) - 1)


def _to_start() -> None:
    _turn(0)


def _turn(start: int) -> None:
    keep(_FROM, str(start + 1), "1")


def _pager(start: int, total: int, of: int) -> None:
    if not total:
        st.info(t("No sentence of the {n} in this split is like that. Take a filter away, or shorten the text.", n=of))
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        back, on = max(0, start - _PAGE), start + _PAGE
        st.button(
            t("Previous"),
            key="data_previous",
            icon=":material/chevron_left:",
            disabled=start == 0,
            on_click=partial(_turn, back),
        )
        st.button(
            t("Next"),
            key="data_next",
            icon=":material/chevron_right:",
            disabled=on >= total,
            on_click=partial(_turn, on),
        )
        st.markdown(
            t("Sentences {first} to {last} of {n}", first=f"{start + 1:,}", last=f"{min(on, total):,}", n=f"{total:,}")
            + (" " + t("(the split has {n})", n=f"{of:,}") if total < of else "")
        )
