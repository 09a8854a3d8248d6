"""Asking for a search on the page Mix: which settings, within which ranges, by what they are judged, how long."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from components import facts, trials
from components.bench import NAME_LENGTH, Bench
from components.frame import telling
from components.tunable import question, setting_names, value_words
from components.words import duration, t, told, visible
from core import pace
from core import tune as tuning
from core.errors import CoreError
from core.evaluation.verdicts import Metric
from core.formats.importing import used_labels
from core.mix import Mix
from core.models.catalogue import at_hand
from core.recipe_text import mix_name
from core.training.settings import TrainParams
from core.trials import Search
from core.tunable import SPACE, Range, Tried, around, check, usual

_MOST_TRIALS, _MOST_REPEATS = 200, 16


def tune(bench: Bench, mix: Mix, train: TrainParams) -> None:
    """The newest search for the mix in hand, if there is one, and the form for another. `train`: where it begins."""
    space, slug = bench.space, bench.project.slug
    run = tuning.newest(space, slug, mix)
    with st.expander(t("Search for better settings"), key="mix_tune", expanded=run is not None and run.pending):
        st.markdown(
            t(
                "This mix is trained with other settings again and again, and the search goes where dev is best. Only "
                "dev is looked at. The first trial has the settings of this page."
            )
        )
        if run is not None:
            trials.live(space, slug, run.id)
            if run.pending:
                return
            st.divider()
        _form(bench, mix, train)


def _form(bench: Bench, mix: Mix, train: TrainParams) -> None:
    """What is searched, with what that takes, and the button."""
    if train.method == "prompt":
        st.caption(t("By prompting nothing is learned: choose another method to search with."))
        return
    slug, labels = bench.project.slug, _labels(bench.space.root, bench.stage.imported["corpora"]["dev"])
    base = at_hand(train.model, bench.space.root / "projects" / slug, bench.space.models)
    try:
        search = _budget(_ranges(slug, train, base), labels, slug)
        check(search.ranges)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return
    runs = search.trials * search.repeats
    seconds = pace.seconds_all(bench.space, runs, train)
    st.caption(
        t(
            "At most {n} runs, about {time}. Trials that fall behind are given up, and only the best one's weights are "
            "kept.",
            n=runs,
            time=duration(min(seconds, 60 * search.minutes) if search.minutes else seconds),
        )
    )
    if st.button(t("Search"), key=f"mix_tune_ask_{slug}", icon=":material/manage_search:"):
        with telling(), st.spinner(t("Starting the search ...")):
            _ask(bench, mix, train, search)


def _ask(bench: Bench, mix: Mix, train: TrainParams, search: Search) -> None:
    recipe = replace(bench.project.with_mix(mix), train=train)
    name = st.session_state.get(bench.name_key) or mix_name(mix)[:NAME_LENGTH]
    _, reused = tuning.ask(bench.space, recipe, bench.stage, name, search)
    if reused:
        st.toast(t("This search was made before: its trials are shown."), icon=":material/history:")
    st.rerun()


def _ranges(slug: str, train: TrainParams, base: Path | None) -> dict[str, Range]:
    """The settings that are chosen, each with its range."""
    names, first = setting_names(), usual(train, base)
    offered = [name for name in SPACE if name != "epochs"]  # mixes are held against each other at equal steps
    key = f"mix_tune_names_{slug}"
    st.session_state.setdefault(key, [name for name in offered if name in first])
    chosen = st.multiselect(
        t("Settings to search"),
        offered,
        key=key,
        format_func=names.__getitem__,
        persist_state="session",
        help=t("The more there are, the more trials it takes. Four are plenty for twenty trials."),
    )
    return {name: _range(name, around(name, train, base), slug) for name in chosen}


def _range(name: str, found: Range, slug: str) -> Range:
    """The range of one setting, as it is or changed."""
    title, key = visible(setting_names()[name]), f"mix_tune_{name}_{slug}"
    if found.choices:
        st.session_state.setdefault(key, list(found.choices))
        chosen: list[Tried] = st.multiselect(
            title, found.choices, key=key, format_func=value_words, persist_state="session"
        )
        return replace(found, choices=tuple(one for one in found.choices if one in chosen))
    assert found.low is not None and found.high is not None
    ends: list[float] = []
    for column, end, label in zip(
        st.columns(2),
        (found.low, found.high),
        (t("{setting}: from", setting=title), t("{setting}: to", setting=title)),
        strict=True,
    ):
        mine = f"{key}_{'low' if not ends else 'high'}"
        st.session_state.setdefault(mine, int(end) if found.whole else float(end))
        ends.append(
            column.number_input(
                label,
                step=1 if found.whole else found.step or 10**-6,
                format="%d" if found.whole else "%.6g",
                key=mine,
                persist_state="session",
            )
        )
    return replace(found, low=ends[0], high=ends[1])


def _budget(ranges: dict[str, Range], labels: tuple[str, ...], slug: str) -> Search:
    """How far to go, and by what trials are judged."""
    usual = Search(ranges)
    left, middle, right = st.columns(3)
    number = left.number_input(
        t("Trials, at most"), 2, _MOST_TRIALS, usual.trials, key=f"mix_tune_trials_{slug}", persist_state="session"
    )
    repeats = middle.number_input(
        t("Repeats of each"), 1, _MOST_REPEATS, usual.repeats, key=f"mix_tune_repeats_{slug}", persist_state="session",
        help=t("With one, luck is easily taken for better settings. All trials have the same seeds."),
    )  # fmt: skip
    minutes = right.number_input(
        t("Minutes of training, at most"), min_value=1, value=None, key=f"mix_tune_minutes_{slug}",
        placeholder=t("No limit"), persist_state="session",
    )  # fmt: skip
    left, right = st.columns(2)
    metrics: tuple[Metric, ...] = ("recall", "precision", "f1")
    questions: list[tuple[str, Metric]] = [("", "f1"), *((label, metric) for label in labels for metric in metrics)]
    label, metric = left.selectbox(
        t("Judged on dev by"),
        questions,
        key=f"mix_tune_by_{slug}",
        format_func=lambda one: question(replace(usual, label=one[0], metric=one[1])),
        help=t("Trials are given up early only where this is F1 of all labels: that is what runs note on their way."),
    )
    patience = right.number_input(
        t("End after trials without a gain"), min_value=1, value=usual.patience, key=f"mix_tune_patience_{slug}",
        placeholder=t("Never"), persist_state="session",
    )  # fmt: skip
    return Search(ranges, number, repeats, minutes, patience, label, metric)


@st.cache_resource(max_entries=64, show_spinner=False)
def _labels(root: Path, corpus_id: str) -> tuple[str, ...]:
    """The labels that occur in a corpus."""
    return tuple(sorted(used_labels(facts.corpus(root, corpus_id))))
