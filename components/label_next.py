"""Which sentences to label next for a weak label, beside what else would help it."""

from pathlib import Path

import streamlit as st

from components import facts, progress
from components.bench import Bench
from components.frame import PAGES, telling
from components.outlook import View
from components.words import duration, points, raw, said, t, visible
from core import label_next
from core.forecast.choosing import ChoosingParams
from core.gold_curve import worth_words
from core.groups import groups
from core.jobs.folder import Run
from core.label_next import Beside, Chosen
from core.mix import Mix
from core.workspace import Workspace

_ELSEWHERE = "+2.7", "+0.9", "+1.9"  # bench/label_next.py
_TYPES = {"csv": "text/csv", "jsonl": "application/jsonl", "conll": "text/plain"}


def choose(bench: Bench, view: View, mix: Mix) -> None:
    """A folded box; nothing is worked out before it is opened."""
    names = label_next.sources(bench.project.recipe, bench.stage)
    prospect = view.desk.prospect
    if not names or prospect is None or view.run is None or view.run.state != "succeeded":
        return
    shelf = st.expander(t("What to label next?"), key="mix_label_next", on_change="rerun")
    if not shelf.open:
        return
    with shelf, telling():
        st.caption(
            t(
                "Sentences without labels, those first that would teach the most about a label: where the forecast is "
                "unsure of it, and where being sure matters to what dev has of it. What one sentence teaches is not "
                "counted again for the next."
            )
        )
        left, middle, right = st.columns(3)
        name = left.selectbox(t("Text"), names, key="mix_label_next_of", format_func=visible)
        label = middle.selectbox(
            t("Weak label"), label_next.weak(prospect, mix), key="mix_label_next_label", format_func=visible,
            help=t("The one with the lowest forecast recall comes first; those with few mentions come last."),
        )  # fmt: skip
        rows = int(right.number_input(t("Sentences"), 1, 500, label_next.ROWS, key="mix_label_next_rows"))
        asked = ChoosingParams(name, label, rows=rows)
        spec = label_next.spec_of(view.run.id, bench.stage, prospect, mix, asked)
        run = next(iter(bench.space.store.find([spec.id])), None)
        if run is None:
            if st.button(t("Choose them"), key="mix_label_next_go", icon=":material/playlist_add_check:"):
                bench.space.submit(spec)
                st.rerun()
        elif run.state != "succeeded":
            progress.watch(bench.space, run, t("Choosing sentences"), "mix_label_next_run")
        else:
            _found(bench, run, asked)


def _found(bench: Bench, run: Run, asked: ChoosingParams) -> None:
    """The rows, their file, and what else helps the label."""
    pool = facts.corpus(bench.space.root, bench.stage.pools[asked.ingredient].id)
    found = label_next.chosen(bench.space, run, pool)
    if not found.positions:
        st.info(t("No sentence of this text is likely to help this label."))
        return
    _table(found, label_next.texts_of(pool, found.positions))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for format in label_next.formats(pool):
            st.download_button(
                t("Download as {format}", format=format),
                label_next.export(found, pool, format),
                file_name=f"label-next.{format}",
                mime=_TYPES[format],
                key=f"mix_label_next_{format}",
                on_click="ignore",
            )
    _time(len(found.positions))
    with st.spinner(t("Comparing with the mixes that were trained ...")):
        runs = tuple(run for group in groups(bench.space, bench.project.slug) for run in group.finished)
        told = _beside(bench.space.root, bench.project.slug, runs, asked.label, len(found.positions))
    _says(told, asked.label, len(found.positions))


def _table(found: Chosen, texts: list[str]) -> None:
    column = st.column_config
    st.dataframe(
        {
            "gain": [*found.gain],
            "word": [visible(word) for word in found.words],
            "text": [visible(text) for text in texts],
        },
        key="mix_label_next_table",
        hide_index=True,
        height=320,
        column_config={
            "gain": column.NumberColumn(
                raw("Gain"), format="%.1f", help=raw("1 is a sentence by chance, when nothing else was labelled.")
            ),
            "word": column.TextColumn(raw("Mostly for")),
            "text": column.TextColumn(raw("Text"), width="large"),
        },
        alt=raw("The sentences to label next"),
    )
    st.caption(
        t(
            "Of {of} sentences that were read. The gain is no score: on public data such sentences brought a label "
            "more than sentences by chance, and little more than those of which the model is merely unsure.",
            of=found.read,
        ),
        help=t(
            "WNUT-17: 100 sentences for one label, added to 300, bring its F1 on test {chosen} points, by chance "
            "{chance}, by uncertainty alone {unsure}: means over 15 cases of a linear head, not of trainings.",
            chosen=_ELSEWHERE[0],
            chance=_ELSEWHERE[1],
            unsure=_ELSEWHERE[2],
        ),
    )


def _time(rows: int) -> None:
    """What labelling takes, at a pace that only whoever labels can know."""
    pace = st.number_input(
        t("Seconds that labelling a sentence takes you"), min_value=1, value=None, placeholder=t("not known"),
        key="mix_label_next_pace", persist_state="session",
    )  # fmt: skip
    if pace:
        st.markdown(t("Labelling these {n} takes about {time}.", n=rows, time=duration(rows * pace)))


@st.cache_resource(max_entries=32, show_spinner=False)
def _beside(root: Path, project: str, runs: tuple[str, ...], label: str, rows: int) -> Beside:
    """`runs`: the finished ones of the project, on which all of it depends."""
    return label_next.beside(Workspace(root), project, label, rows)


def _says(told: Beside, label: str, rows: int) -> None:
    """At equal cost: what labelling brings, and what a mix brought without."""
    if told.labelled is None:
        st.markdown(t("What labelling brings is not known: draw gold's learning curve on Compare (worth)."))
        st.page_link(PAGES["compare"], label=t("Compare"), icon=":material/compare_arrows:")
    else:
        value, (low, high) = told.labelled
        st.markdown(
            t(
                "As many sentences more, taken by chance, bring the recall of {label} about {value} points (95 %: "
                "{low} to {high}), by gold's learning curve on dev.",
                label=label, value=points(value), low=points(low), high=points(high),
            )
        )  # fmt: skip
    if told.brought is None:
        st.markdown(
            t("What a mix brings {label} is not known: train gold only and a mix, five repeats each.", label=label)
        )
        return
    low, high = ("-", "-") if told.brought.interval is None else (points(end) for end in told.brought.interval)
    time = t("some time") if told.seconds is None else duration(told.seconds)
    st.markdown(
        t(
            "Without labelling, **{mix}** brought it {value} points against gold only (95 %: {low} to {high}), {time} "
            "a training. It was picked as the best of those that were trained, which flatters it.",
            mix=told.mix, value=points(told.brought.value), low=low, high=high, time=time,
        )
    )  # fmt: skip
    if told.worth is not None:
        st.markdown(said(*worth_words(told.worth, told.mix)))
