"""What a run marked in the dev split: its worst sentences, its best ones, or any, gold above and the run's below."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from components import facts
from components.address import choice, keep
from components.entities import Line, entities
from components.entities import shown as line
from components.why import Sentence, why
from components.words import percent, raw, t
from core import project as projects
from core.board import Opened, Repeat
from core.jobs.folder import read_json
from core.report import browse, mistakes
from core.report.mistakes import ORDERS, Judged, Order
from core.training.predictions import file_of
from core.workspace import Workspace

_PAGE = 10  # sentences
_DRAW = "draw"  # in the address: the seed of the random order


def predictions(space: Workspace, found: Opened, shown: Sequence[Repeat]) -> None:
    """The sentences of dev as the first of the repeats shown that predicted them marked them."""
    dev = found.group.corpora["dev"]
    there = [repeat for repeat in shown if file_of(space.run_folder(repeat.run.id), dev).exists()]
    if not there:
        st.info(t("Predictions are kept when a run has succeeded; none of these has yet."))
        return
    repeat = there[0]
    corpus = facts.corpus(space.root, dev)
    asked = read_json(space.run_folder(repeat.run.id) / "spec.json")["params"]["labels"]
    labels = tuple(sorted({*asked, *corpus.schema.labels}))
    judged = facts.judged(space, repeat.run.id, dev, labels)
    positions = mistakes.ordered(judged, *_order())
    pages = -(-len(positions) // _PAGE)
    page = st.pagination(pages, key=f"runs_sentences_{pages}", max_visible_pages=5) if pages > 1 else 1
    st.caption(
        t(
            "Dev as repeat {seed} marked it at the end: the mentions of gold above, those it found below. A mention "
            "is right if its words and its label are. How sure it was is the probability of its least probable word.",
            seed=repeat.seed,
        )
    )
    values = facts.predicted(space, repeat.run.id, dev)
    lines: list[Line] = []
    gold, found_there = (browse.page(corpus, positions, (page - 1) * _PAGE, _PAGE, side) for side in (None, values))
    for row, marked in zip(gold, found_there, strict=True):
        lines.append(line(row, raw("gold"), raw("sentence {n}", n=row.position + 1)))
        lines.append(line(marked, raw("run"), _note(judged, row.position), indent=True))
    entities(lines, labels, key="runs_sentences")
    offered = [
        Sentence(raw("sentence {n}", n=at + 1), repeat.run.id, {"corpus": dev, "row": at}, found.group)
        for at in (row.position for row in gold)
    ]
    why(space, projects.load(space, found.project), offered, "runs_why")


def _order() -> tuple[Order, int]:
    words = {"worst": t("Worst"), "best": t("Best"), "random": t("Random")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        asked = choice(
            st.segmented_control,
            t("Sentences shown"),
            ORDERS,
            key="rank",
            show=words.__getitem__,
            help=t(
                "Worst: most wrong mentions first, then the least sure. Best: none wrong, most right mentions first, "
                "then the most sure. Random: drawn anew at a press."
            ),
        )
        number = st.query_params.get(_DRAW, "")
        seed = int(number) if number.isdecimal() and len(number) < 7 else 0
        if asked == "random" and st.button(t("Draw others"), key="runs_draw", icon=":material/casino:"):
            seed += 1
            keep(_DRAW, str(seed), "0")
    return next(order for order in ORDERS if order == asked), seed


def _note(judged: Judged, row: int) -> str:
    wrong, right = int(judged.wrong[row]), int(judged.right[row])
    sure = percent(float(np.clip(judged.sure[row], 0.0, 1.0)))
    return raw("wrong: {wrong}, right: {right}, sure: {sure}", wrong=wrong, right=right, sure=sure)
