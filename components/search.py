"""Asking for a search among mixes on the page Mix: of which ingredients, by what they are judged, how far to go."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from components import facts, mix_path
from components.bench import Bench
from components.frame import telling
from components.mix_words import question
from components.words import duration, t, told, visible
from core import forecasting, mix_search, pace
from core.augment import params_of
from core.errors import CoreError
from core.evaluation.verdicts import Metric
from core.formats.importing import used_labels
from core.mix_search import Options, usual_most
from core.mix_trials import Condition, MixSearch
from core.mix_variants import COPIES
from core.params import Json
from core.recipe import AugmentedIngredient
from core.training.settings import TrainParams

_MOST_RUNS, _MOST_REPEATS = 400, 16
_RATES, _COPIES = (0.1, 0.3, 0.5, 0.8), (1, 2, 4)
_WORST = "*"  # in place of a label: the one that does worst


def search(bench: Bench, train: TrainParams) -> None:
    """The project's newest search, if there is one, and the form for another. `train`: how its mixes are trained."""
    space, slug = bench.space, bench.project.slug
    run = mix_search.newest(space, slug)
    with st.expander(t("Search for a better mix"), key="mix_search", expanded=run is not None and run.pending):
        st.markdown(
            t(
                "Mixes are trained for you, a few at first, then where most is to be expected. What was trained before "
                "counts. Only dev is looked at; gold is in, whole, and every mix is trained for the same steps."
            )
        )
        if run is not None:
            mix_path.live(space, slug, run.id, bench)
            if run.pending:
                return
            st.divider()
        usual = usual_most(bench.sizes, bench.history.mix)
        if not usual:
            st.info(t("There is nothing to search over yet. Make an ingredient on the Augment page."))
            return
        _form(bench, train, usual)


def _form(bench: Bench, train: TrainParams, usual: dict[str, float]) -> None:
    """What is searched, with what that takes, and the button."""
    if train.method == "prompt":
        st.caption(t("By prompting nothing is learned: choose another method to search with."))
        return
    slug = bench.project.slug
    try:
        most = _most(slug, usual)
        vary = _vary(bench, most)
        asked = _question(_budget(most, slug), _labels(bench), slug)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return
    forecast = not vary and _forecast(bench)
    seconds = pace.seconds_all(bench.space, asked.runs, train)
    st.caption(
        t(
            "At most {n} runs, about {time}. It ends sooner where next to nothing is expected of another mix.",
            n=asked.runs,
            time=duration(min(seconds, 60 * asked.minutes) if asked.minutes else seconds),
        )
    )
    if st.button(
        t("Search for a mix"), key=f"mix_search_ask_{slug}", icon=":material/travel_explore:", disabled=not asked.most
    ):
        with telling(), st.spinner(t("Starting the search ...")):
            recipe = replace(bench.project.with_mix(bench.history.mix), train=train)
            _, reused = mix_search.ask(bench.space, recipe, bench.stage, asked, Options(vary, forecast))
            if reused:
                st.toast(t("This search was made before: its mixes are shown."), icon=":material/history:")
            st.rerun()


def _most(slug: str, usual: dict[str, float]) -> dict[str, float]:
    """How much of each chosen ingredient there may be, times gold."""
    left, right = st.columns([3, 1])
    key = f"mix_search_over_{slug}"
    st.session_state.setdefault(key, list(usual))
    known = [name for name in st.session_state[key] if name in usual]
    if known != st.session_state[key]:
        st.session_state[key] = known
    chosen = left.multiselect(
        t("Ingredients to search over"), list(usual), key=key, format_func=visible, persist_state="session",
        help=t("The more there are, the more runs it takes: six a piece are a good start."),
    )  # fmt: skip
    limit = right.number_input(
        t("At most, x gold"), 0.25, 5.0, mix_search.FARTHEST, 0.25, key=f"mix_search_most_{slug}",
        persist_state="session", help=t("Of each ingredient; of a small pool, what it holds."),
    )  # fmt: skip
    return {name: min(float(limit), usual[name]) for name in chosen}


def _vary(bench: Bench, most: Mapping[str, float]) -> dict[str, dict[str, list[Json]]]:
    """Other rates and numbers of copies of the chosen ingredients, as core.mix_variants takes them."""
    slug, parts = bench.project.slug, bench.project.ingredients
    made = {name: part for name in most if isinstance(part := parts.get(name), AugmentedIngredient)}
    out: dict[str, dict[str, list[Json]]] = {}
    if not made:
        return out
    with st.popover(t("Rates and copies"), icon=":material/tune:"):
        st.caption(
            t(
                "Of an ingredient several variants are built, and a mix has one of them at most. Each is a column of "
                "its own to the search, which takes as many runs as for another ingredient. Nothing chosen: as it is."
            )
        )
        for name, part in made.items():
            own = params_of(part.augmenter, part.params)
            left, right = st.columns(2)
            label, key = visible(name), f"mix_search_vary_{slug}_{name}"
            if hasattr(own, "rate"):
                rates = sorted({*_RATES, float(own.rate)})
                text = t("Rates of {name}", name=label)
                _keep(out, name, "rate", left.multiselect(text, rates, key=f"{key}_rate", persist_state="session"))
            copies, text = sorted({*_COPIES, part.copies}), t("Copies of {name}", name=label)
            _keep(out, name, COPIES, right.multiselect(text, copies, key=f"{key}_copies", persist_state="session"))
    return out


def _keep(out: dict[str, dict[str, list[Json]]], name: str, setting: str, values: Sequence[float]) -> None:
    if values:
        out.setdefault(name, {})[setting] = sorted(values)


def _forecast(bench: Bench) -> bool:
    """Whether the project's forecast has a say; False where there is none."""
    run = forecasting.asked(bench.space, bench.project, bench.stage)
    if run is None or run.state != "succeeded":
        return False
    return st.checkbox(
        t("Let the forecast have a say"), key=f"mix_search_forecast_{bench.project.slug}", persist_state="session",
        help=t(
            "What is expected of mixes then begins with the forecast, as far as it goes with the runs. On public data "
            "that helped a little where mixes hardly differ, and not where they do."
        ),
    )  # fmt: skip


def _budget(most: dict[str, float], slug: str) -> MixSearch:
    usual = MixSearch(most)
    left, middle, right = st.columns(3)
    runs = left.number_input(
        t("Runs, at most"), 4, _MOST_RUNS, usual.runs, key=f"mix_search_runs_{slug}", persist_state="session",
        help=t("What was trained before is not counted."),
    )  # fmt: skip
    repeats = middle.number_input(
        t("Repeats of a mix, at most"), 1, _MOST_REPEATS, usual.repeats, key=f"mix_search_repeats_{slug}",
        persist_state="session",
        help=t("Every mix gets one; the better half of those gets a second, and half of these twice as many."),
    )  # fmt: skip
    minutes = right.number_input(
        t("Minutes of training, at most"), min_value=1, value=None, key=f"mix_search_minutes_{slug}",
        placeholder=t("No limit"), persist_state="session",
    )  # fmt: skip
    return replace(usual, runs=int(runs), repeats=int(repeats), minutes=minutes)


def _question(search: MixSearch, labels: tuple[str, ...], slug: str) -> MixSearch:
    """By what mixes are judged, and what they must reach."""
    left, middle, right = st.columns(3)
    metrics: tuple[Metric, ...] = ("recall", "precision", "f1")
    questions: list[tuple[str, Metric]] = [("", "f1"), (_WORST, "f1"), (_WORST, "recall")]
    questions += [(label, metric) for label in labels for metric in metrics]
    label, metric = left.selectbox(
        t("Best on dev by"), questions, key=f"mix_search_by_{slug}", format_func=lambda one: _named(search, *one)
    )
    least = middle.number_input(
        t("Precision of all labels, at least (%)"), 0.0, 99.0, value=None, step=1.0, key=f"mix_search_least_{slug}",
        placeholder=t("No condition"), persist_state="session",
        help=t("Mixes that rather don't reach it are not looked for, and come last."),
    )  # fmt: skip
    price = right.number_input(
        t("What 1 x gold more must be worth (points)"), 0.0, 10.0, 0.0, 0.1, key=f"mix_search_price_{slug}",
        persist_state="session",
        help=t(
            "Every mix takes the same time to train, but sentences have to be made or labelled. With a price, a bigger "
            "mix has to be better by so much."
        ),
    )  # fmt: skip
    condition = None if not least else Condition(round(least / 100, 4))
    worst = label == _WORST
    return replace(
        search, label="" if worst else label, metric=metric, worst=worst, price=round(price / 100, 5),
        condition=condition,
    )  # fmt: skip


def _named(search: MixSearch, label: str, metric: Metric) -> str:
    return question(replace(search, label="" if label == _WORST else label, metric=metric, worst=label == _WORST))


def _labels(bench: Bench) -> tuple[str, ...]:
    return _labels_of(bench.space.root, bench.stage.imported["corpora"]["dev"])


@st.cache_resource(max_entries=64, show_spinner=False)
def _labels_of(root: Path, corpus_id: str) -> tuple[str, ...]:
    """The labels that occur in a corpus."""
    return tuple(sorted(used_labels(facts.corpus(root, corpus_id))))
