"""The first batch of a run as the model saw it: sub-words, what is learned of each, and what is left out."""

from collections.abc import Iterator, Sequence

import streamlit as st

from components.entities import Line, entities
from components.told import one_of
from components.words import raw, t, visible
from core.board import Opened, Repeat
from core.jobs.folder import read_json, read_object
from core.report.browse import Segment
from core.training.first_batch import FILE, FirstBatch, Sentence, of_json
from core.workspace import Workspace

_OUTSIDE = "O"
_HIGH = 340  # pixels of the list; more of it is scrolled to


def first_batch(space: Workspace, found: Opened, shown: Sequence[Repeat]) -> None:
    """What was kept of it: all sentences at a glance, and one of them sub-word by sub-word."""
    repeat = one_of(shown)
    folder = space.run_folder(repeat.run.id)
    kept = read_object(folder / FILE)
    if kept is None:
        waits = repeat.run.state == "queued" or repeat.run.attempt == 0
        soon = t("The first batch is kept when a run begins; repeat {seed} has not begun yet.", seed=repeat.seed)
        old = t(
            "The first batch of repeat {seed} was not kept: it came with a sample, or ran under an older version.",
            seed=repeat.seed,
        )
        st.info(soon if waits else old)
        return
    batch = of_json(kept)
    labels = read_json(folder / "spec.json")["params"]["labels"]
    st.caption(_told(batch, repeat.seed))
    lines = [
        Line(list(_segments(one, labels)), lead=str(number), note=raw("from {name}", name=one.ingredient))
        for number, one in enumerate(batch.sentences, 1)
    ]
    with st.container(height=_HIGH, border=False):
        entities(lines, labels, key="runs_batch")
    if len(batch.sentences) > 1:
        number = st.pagination(len(batch.sentences), key="runs_batch_at", max_visible_pages=7)
    else:
        number = 1
    _table(batch.sentences[number - 1], number)


def _told(batch: FirstBatch, seed: int) -> str:
    pieces = [piece for one in batch.sentences for piece in one.pieces]
    scored = sum(piece.role == "scored" for piece in pieces)
    text = t(
        "The batch of step 1 of repeat {seed}: {rows} sentences, filled up to {longest} sub-words each. "
        "{scored} of the {all} sub-words below count in the loss; coloured ones begin or continue a mention.",
        seed=seed,
        rows=batch.rows,
        longest=batch.longest,
        scored=scored,
        all=len(pieces),
    )
    left = batch.rows - len(batch.sentences)
    return text + (" " + t("Sentences not kept: {n}.", n=left) if left else "")


def _segments(one: Sentence, labels: Sequence[str]) -> Iterator[Segment]:
    """A sentence as sub-words; those from which a label is learned in its colour."""
    for piece in one.pieces:
        yield Segment(piece.text, _label(piece.label or _OUTSIDE, labels), None, piece.role == "masked")
        yield Segment(" ")
    if one.padding:
        yield Segment(raw("[{n} x padding]", n=one.padding))


def _label(learned: str, labels: Sequence[str]) -> str | None:
    """The label that stands in what is to be learned; none where that is the absence of any."""
    marked = learned.partition("-")[2]
    return learned if learned in labels else marked if marked in labels else None if learned == _OUTSIDE else learned


def _table(one: Sentence, number: int) -> None:
    roles = {
        "scored": raw("counts"),
        "rest": raw("not the first sub-word of its word"),
        "special": raw("a mark of the encoder's"),
        "masked": raw("masked: its label is not known"),
    }
    rows = [
        {"at": at, "piece": visible(piece.text), "label": visible(piece.label or ""), "role": roles[piece.role]}
        for at, piece in enumerate(one.pieces, 1)
    ]
    column = st.column_config
    config = {
        "at": column.NumberColumn(raw("Place"), width="small"),
        "piece": column.TextColumn(
            raw("Sub-word"), help=raw("As the encoder's vocabulary has it: ## or a mark says where words are cut.")
        ),
        "label": column.TextColumn(
            raw("To be learned"), help=raw("B- begins a mention, I- continues it, O is outside of mentions.")
        ),
        "role": column.TextColumn(
            raw("In the loss"),
            width="medium",
            help=raw("Whether the model is corrected for this sub-word, and why not."),
        ),
    }
    st.dataframe(
        rows, key=f"runs_batch_{number}", hide_index=True, column_config=config, alt=raw("Sub-words of a sentence")
    )
    rest = [t("Sentence {n}.", n=number)]
    if one.padding:
        rest.append(t("After it {n} places of padding, which the model does not look at.", n=one.padding))
    if one.cut:
        rest.append(t("{n} more sub-words are not kept here.", n=one.cut))
    st.caption(" ".join(rest))
