"""The right half of the page Mix: what the mix in hand is likely to do to each label, beside what its real runs did."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from components import address, progress
from components.bench import Bench, edit
from components.frame import telling
from components.pictures import still
from components.words import points, raw, t
from core import desk as desks
from core import forecasting, mixing
from core.desk import JUDGED, Desk, Expected, Metric, Trained
from core.errors import CoreError
from core.forecasting import Prospect
from core.jobs.folder import Run
from core.mix import Mix, plan
from core.recipe_text import mix_name
from core.report.outlook import LEAST, OutlookRow, outlook, reach
from core.workspace import Workspace

_METRICS: tuple[Metric, ...] = ("recall", "precision")


@dataclass(frozen=True)
class View:
    """What the page knows before a mix is looked at. `run`: that makes the forecast, if somebody asked for it."""

    desk: Desk
    run: Run | None


@st.cache_resource(max_entries=8, show_spinner=False)
def _prospect(root: Path, run: str, _bench: Bench) -> Prospect:
    return forecasting.read(Workspace(root), run, _bench.stage)


@st.cache_resource(max_entries=16, show_spinner=False)
def _desk(root: Path, key: tuple[object, ...], run: str | None, _bench: Bench, _trained: list[Trained]) -> Desk:
    """What was trained is told by `key`."""
    found = None if run is None else _prospect(root, run, _bench)
    return desks.desk_of(_bench.sizes, _bench.dev, found, _trained)


def look(bench: Bench) -> View:
    """The forecast as far as it is made, and the project's trained mixes."""
    run = forecasting.asked(bench.space, bench.project, bench.stage)
    trained = desks.trained(bench.space, bench.project, bench.stage)
    there = run.id if run is not None and run.state == "succeeded" else None
    key = (tuple(bench.ids.items()), tuple((one.name, *one.drawn.items(), len(one.totals)) for one in trained))
    return View(_desk(bench.space.root, key, there, bench, trained), run)


def show(bench: Bench, view: View, mix: Mix) -> None:
    """The figure for the mix in hand, or how to get one."""
    baseline, named = pinned(bench)
    _baseline(bench, baseline, named, mix)
    _state(bench, view)
    desk = view.desk
    if not desk.knows:
        return
    mine, other = drawn(bench, mix), drawn(bench, baseline)
    if mine is None or other is None:
        return
    metric = _metric()
    order = sorted(range(len(desk.labels)), key=lambda at: (-desk.support[at], desk.labels[at]))
    found = desk.expected(mine, other, metric)
    rows = [_row(found[at]) for at in order]
    kept = f"mix_reach_{bench.project.slug}"
    to = st.session_state[kept] = reach(rows, st.session_state.get(kept, LEAST))
    words = raw("Forecast"), raw("9 in 10 lie here"), raw("Real runs, one dot each")
    titles: Mapping[Metric, str] = {
        "recall": raw("Recall: difference in points to {name}", name=named),
        "precision": raw("Precision: difference in points to {name}", name=named),
    }
    title = titles[metric]
    st.markdown(_overall(desk.overall(mine, other)))
    figure = outlook(rows, title, words, to)
    still(figure, "mix_outlook", title)
    st.caption(_trust(desk), help=_elsewhere())


def drawn(bench: Bench, mix: Mix) -> dict[str, int] | None:
    try:
        return plan(mix, {name: n for name, n in bench.sizes.items() if name in mix.requested()})
    except CoreError:
        return None  # said where the amounts stand


def _metric() -> Metric:
    names: Mapping[str, str] = {"recall": t("Recall"), "precision": t("Precision")}
    label = t("Of each label")
    found = address.choice(st.segmented_control, label, _METRICS, key="expects", show=names.__getitem__)
    return "precision" if found == "precision" else "recall"


def _baseline(bench: Bench, baseline: Mix, named: str, mix: Mix) -> None:
    """What differences are to, and how to change that."""
    slug = bench.project.slug
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(t("Held against **{name}**", name=named))
        st.button(
            t("Pin this mix"),
            key="mix_pin",
            icon=":material/keep:",
            on_click=_pin,
            args=(slug, mix),
            help=t("Hold the mixes that you try from now on against the one in hand."),
        )
        if baseline != Mix():
            st.button(
                t("Swap"),
                key="mix_swap",
                icon=":material/swap_horiz:",
                on_click=_swap,
                args=(bench, mix),
                help=t("Take the pinned mix in hand, and pin this one."),
            )
            st.button(t("Gold only"), key="mix_unpin", icon=":material/keep_off:", on_click=_pin, args=(slug, Mix()))


def pinned(bench: Bench) -> tuple[Mix, str]:
    """What mixes are held against, and what it is called: gold only, unless a mix was pinned."""
    mix: Mix = st.session_state.get(f"mix_pinned_{bench.project.slug}", Mix())
    if mixing.absent(mix, bench.sizes):
        mix = Mix()
    return mix, mix_name(mix) if mixing.added(mix) else raw("gold only")


def _pin(slug: str, mix: Mix) -> None:
    st.session_state[f"mix_pinned_{slug}"] = mix if mixing.added(mix) else Mix()


def _swap(bench: Bench, mix: Mix) -> None:
    before, _ = pinned(bench)
    _pin(bench.project.slug, mix)
    edit(bench, lambda _: before)


def _state(bench: Bench, view: View) -> None:
    """How to get a forecast, how far it is, or what went wrong."""
    run = view.run
    if run is None:
        if not view.desk.ingredients:
            return
        st.info(
            t(
                "A forecast shows what a mix is likely to do while you move a slider. Making it reads all ingredients "
                "once, in the background; it takes some minutes, and nothing of it is needed for training."
            )
        )
        if st.button(t("Make the forecast"), key="mix_forecast", icon=":material/insights:"):
            _make(bench)
    elif run.state != "succeeded":
        progress.watch(bench.space, run, t("Making the forecast"), "mix_forecast")


def _make(bench: Bench) -> None:
    with telling(), st.spinner(t("Starting the runs ...")):
        forecasting.ask(bench.space, bench.project, bench.stage)
        st.rerun()


def _row(one: Expected) -> OutlookRow:
    return OutlookRow(one.label, one.value, one.band, one.real, one.support, _note(one), one.support < JUDGED)


def _note(one: Expected) -> str:
    """What may be said of one label."""
    if one.support < JUDGED:
        return raw("too few to judge")
    if one.band is None:
        return ""
    if one.band[0] > 0:
        return raw("likely more")
    return raw("likely less") if one.band[1] < 0 else raw("can't tell")


def _overall(one: Expected) -> str:
    if one.value is None or one.band is None:
        return t("F1 over all labels: the same mix.") if one.value == 0 else ""
    low, high = (points(end) for end in one.band)
    return t("F1 over all labels: about {value} points ({low} to {high}).", value=points(one.value), low=low, high=high)


def _elsewhere() -> str:
    """How forecasts alone did on public data."""
    told = [
        t("{name}: {found} where {most} was possible", name=name, found=f"{found:.2f}", most=f"{most:.2f}")
        for name, (found, most) in desks.ELSEWHERE.items()
    ]
    lead = t("Rank correlation of forecasts alone with trainings of 50 mixes each, elsewhere:")
    return f"{lead} {t('; ').join(told)}."


def _trust(desk: Desk) -> str:
    """How far to believe it, in words."""
    found = desk.trust
    if not found.of:
        return t(
            "A hint at most: no three mixes of these data were trained yet, so nothing says how well the forecast "
            "ranks them. Check it for real before you decide."
        )
    if found.corrected:
        return t(
            "Corrected by the mixes that were trained. Each of them told from the others alone, it ranks {right} of "
            "{of} pairs of mixes right on these data.",
            right=found.right,
            of=found.of,
        )
    return t(
        "The forecast ranks {right} of {of} pairs of trained mixes right on these data. From {n} different mixes on, "
        "real runs correct it.",
        right=found.right,
        of=found.of,
        n=desks.CORRECTED,
    )
