"""The Compare page's parts: what is compared, the figures, the table, and the looks at test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from components import facts
from components.address import choice, several
from components.frame import PAGES
from components.progress import watch
from components.verdicts import measured, metric_help, metric_words, split_words, verdict
from components.words import duration, escape, raw, t, visible
from core import contrast, launch, pace
from core.groups import Group
from core.mixing import added
from core.project import Project
from core.recipe_text import mix_data
from core.report import contrast as lined
from core.report import figures
from core.report.contrast import METRICS, Line
from core.report.finding import ENOUGH_SEEDS, Metric, finding
from core.workspace import Workspace

_NOTHING = 0.01  # F1 below which a model has learned nothing
_MOST = 6  # mixes that are compared at once
_TOLD = 3  # mixes that can't be compared and are named
_STILL = {"displayModeBar": False}
_ADVISED = 8  # repeats


@dataclass(frozen=True)
class Chosen:
    """What is compared. `titles`, `colours`: of all groups, by id and by title; `others`: without the baseline."""

    split: str
    baseline: Group
    others: tuple[Group, ...]
    titles: Mapping[str, str]
    colours: Mapping[str, str]

    def title(self, group: Group) -> str:
        return self.titles[group.id]


def choose(project: Project, found: Sequence[Group]) -> Chosen:
    """Split, baseline and mixes, as the address says. `found`: groups with finished runs, at least one."""
    titles = contrast.titles(found)
    by_id = {group.id: group for group in found}
    usual = contrast.gold_only(found) or found[0]
    left, right = st.columns([1, 2])
    with right:
        id = choice(
            st.selectbox,
            t("Baseline"),
            list(by_id),
            key="baseline",
            default=usual.id,
            show=lambda id: visible(titles[id]),
            help=t("What the other mixes are held against. It stays the same until you change it here."),
        )
    baseline = by_id[id]
    with left:
        split = choice(
            st.segmented_control,
            t("Split"),
            [split for split in ("dev", "test") if split in baseline.corpora],
            key="split",
            show=lambda split: escape(split_words(split)),
            help=t(
                "Dev chose the best moment of each run and is looked at again and again, so it flatters. "
                "Test is for the last word: each look is counted."
            ),
        )
    like = [group for group in found if group.id != id and not contrast.other_splits(group, baseline)]
    others = [by_id[other] for other in _mixes(like, titles)] if like else []
    _not_comparable(found, baseline, titles, others)
    names = {titles[group.id]: list(added(group.mix)) for group in found}
    return Chosen(split, baseline, tuple(others), titles, lined.colours(names, list(project.ingredients)))


def _mixes(like: Sequence[Group], titles: Mapping[str, str]) -> list[str]:
    options = [group.id for group in like]
    return several(
        st.multiselect,
        t("Mixes"),
        options,
        key="mix",
        default=options[:_MOST],
        show=lambda id: visible(titles[id]),
        max_selections=_MOST,
        placeholder=t("Choose mixes"),
        help=t("At most {n} at once. Only mixes with finished runs on the same data are here.", n=_MOST),
    )


def _not_comparable(
    found: Sequence[Group], baseline: Group, titles: Mapping[str, str], others: Sequence[Group]
) -> None:
    """What can't be held against the baseline, and why; and what is held against it, but was trained otherwise."""
    apart = [group for group in found if contrast.other_splits(group, baseline)]
    for group in apart[:_TOLD]:
        st.caption(
            t(
                "{mix} can't be compared with {baseline}: its {splits} has other sentences. Train it again on the "
                "data as it is now.",
                mix=titles[group.id],
                baseline=titles[baseline.id],
                splits=", ".join(split_words(split) for split in contrast.other_splits(group, baseline)),
            )
        )
    if len(apart) > _TOLD:
        st.caption(t("The same holds for {n} more mixes.", n=len(apart) - _TOLD))
    for group in others:
        if group.train != baseline.train:
            st.caption(
                t(
                    "{mix} was trained with other settings than {baseline} (steps: {here}, {there}): a difference may "
                    "come from them.",
                    mix=titles[group.id],
                    baseline=titles[baseline.id],
                    here=group.train.steps,
                    there=baseline.train.steps,
                )
            )


def evaluated(space: Workspace, project: Project, chosen: Chosen) -> Chosen | None:
    """What of the choice has predictions for its split; on test, the way to get what has none.

    None: not even the baseline.
    """
    there = {group.id for group in (chosen.baseline, *chosen.others) if contrast.repeats(space, group, chosen.split)}
    if chosen.split == "test":
        _test(space, project, chosen)
    if chosen.baseline.id not in there:
        return None
    return replace(chosen, others=tuple(group for group in chosen.others if group.id in there))


def _test(space: Workspace, project: Project, chosen: Chosen) -> None:
    """How often test was looked at, and the button that looks for what is chosen."""
    seen = contrast.looks(space, project.slug)
    st.caption(
        t(
            "Looks at test so far: {n}. Whoever picks a mix by its test figures makes test a second dev: look late and "
            "seldom.",
            n=len(seen),
        )
    )
    groups = [chosen.baseline, *chosen.others]
    left = {group.id: contrast.unseen(space, group) for group in groups}
    run = contrast.newest_look(space, groups)
    if run is not None and (run.pending or any(kept for kept, _ in left.values())):
        watch(space, run, t("Looking at test"), "compare_look")
        if run.pending:
            return
    wanted = [group for group in groups if left[group.id][0]]
    if wanted:
        runs = sum(left[group.id][0] for group in wanted)
        names = ", ".join(chosen.title(group) for group in wanted)
        st.markdown(t("Not looked at test with: {names} ({runs} runs).", names=names, runs=runs))
        if st.button(
            t("Look at test for the chosen mixes"),
            key="compare_look_now",
            icon=":material/visibility:",
            help=t("The finished runs mark the entities of test, and are scored. It is noted as one look."),
        ):
            launch.look_at_test(space, project, wanted)
            st.rerun()
    bare = [chosen.title(group) for group in groups if left[group.id][1] and not left[group.id][0]]
    if bare:
        st.caption(
            t(
                "Without weights on disk, so not to be tried on test: {names}. Train them again on Runs.",
                names=", ".join(bare),
            )
        )


def verdicts(space: Workspace, project: Project, chosen: Chosen) -> None:
    """A sentence for each mix; where there are too few repeats, how many more, how long, and the way to them."""
    if facts.scores(space, chosen.baseline, chosen.split).metrics["f1"].mean < _NOTHING:
        st.warning(
            t("The baseline found next to nothing: it was trained too briefly. Raise the training steps on Mix."),
            icon=":material/warning:",
        )
    found = [
        finding(chosen.title(group), facts.comparison(space, chosen.baseline, group, chosen.split))
        for group in chosen.others
    ]
    for one in found:
        st.markdown(verdict(one))
    judged = [one for one in found if one.seeds >= ENOUGH_SEEDS]
    if judged:
        st.caption(measured(min(judged, key=lambda one: one.seeds), chosen.split))
    for group in (chosen.baseline, *chosen.others):
        have = len(contrast.repeats(space, group, chosen.split))
        if have < ENOUGH_SEEDS:
            _more_repeats(space, project, chosen.title(group), group, have)


def _more_repeats(space: Workspace, project: Project, title: str, group: Group, have: int) -> None:
    seconds = pace.seconds_all(space, _ADVISED - have, group.train)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            t(
                "{mix} has {have} repeats: {n} more, which makes {all}, take about {time}.",
                mix=title,
                have=have,
                n=_ADVISED - have,
                all=_ADVISED,
                time=duration(seconds),
            ),
            width="stretch",
        )
        if st.button(t("Add repeats"), key=f"compare_more_{group.id}", icon=":material/tune:"):
            st.session_state["mix_load"] = {"mix": mix_data(group.mix), "name": group.name}
            st.switch_page(PAGES["mix"], query_params={"project": project.slug})


def figure(space: Workspace, chosen: Chosen) -> None:
    """Differences with their intervals, or the rates themselves."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        metric = metric_choice()
        kinds = {"forest": t("Differences"), "bars": t("Rates")}
        kind = choice(st.segmented_control, t("Figure"), list(kinds), key="figure", show=kinds.__getitem__)
    name = metric_words(metric)
    if kind == "forest" and chosen.others:
        found = {chosen.title(g): facts.comparison(space, chosen.baseline, g, chosen.split) for g in chosen.others}
        rows = lined.forest_rows(found, metric, chosen.colours, raw("all labels"))
        drawn = figures.forest(rows, raw("{metric}: points more or less than the baseline", metric=name))
        alt = raw("{metric}: differences to the baseline, by label and mix", metric=name)
    else:
        rates, labels = lined.rates(lines(space, chosen), metric, raw("all labels"))
        drawn = figures.bars(rates, labels, name, chosen.colours)
        alt = raw("{metric} by label and mix", metric=name)
    st.plotly_chart(drawn, key="compare_figure", width="stretch", config=_STILL, alt=alt)


def metric_choice() -> Metric:
    value = choice(
        st.segmented_control,
        t("Measure"),
        METRICS,
        key="metric",
        show=lambda metric: escape(metric_words(metric)),
        help="\n\n".join(escape(metric_help(metric)) for metric in METRICS),
    )
    return next(metric for metric in METRICS if metric == value)


def lines(space: Workspace, chosen: Chosen) -> list[Line]:
    """All that is known of the choice, label by label."""
    scored = {g.id: facts.scores(space, g, chosen.split) for g in (chosen.baseline, *chosen.others)}
    others = {
        chosen.title(g): (scored[g.id], facts.comparison(space, chosen.baseline, g, chosen.split))
        for g in chosen.others
    }
    return lined.lines((chosen.title(chosen.baseline), scored[chosen.baseline.id]), others)
