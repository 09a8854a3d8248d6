"""The Compare page's choice and its looks at test: which split, which baseline, which mixes, and which one closely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from components import facts
from components.address import choice, several
from components.progress import watch
from components.verdicts import split_words
from components.words import escape, t, visible
from core import contrast, launch
from core.evaluation.comparison import Comparison
from core.groups import Group
from core.groups import evaluated as evaluated_runs
from core.mixing import added
from core.project import Project
from core.report import contrast as lined
from core.report.finding import Finding, findings
from core.settle import sequential_pairs
from core.tasks import task as task_of
from core.workspace import Workspace

_MOST = 50  # mixes that are compared at once
_TOLD = 3  # mixes that can't be compared and are named


@dataclass(frozen=True)
class Chosen:
    """What is compared. `titles`, `colours`: of all groups, by id and by title; `others`: without the baseline;
    `by_looking`: ids of those whose repeats were added until something was seen; `rule`: of counting."""

    split: str
    baseline: Group
    others: tuple[Group, ...]
    titles: Mapping[str, str]
    colours: Mapping[str, str]
    by_looking: frozenset[str] = frozenset()
    rule: str = "strict"

    def title(self, group: Group) -> str:
        return self.titles[group.id]

    def comparisons(self, space: Workspace) -> Mapping[str, Comparison]:
        """Every mix against the baseline, by title."""
        return {self.title(g): facts.comparison(space, self.baseline, g, self.split, self.rule) for g in self.others}

    def findings(self, space: Workspace) -> Mapping[str, Finding]:
        """What the mixes do, by title, judged together; by the always-valid rule where one of them grew by looking."""
        looked = any(group.id in self.by_looking for group in self.others)
        runs = tuple((self.title(g), *evaluated_runs(space, g, self.split)) for g in (self.baseline, *self.others))
        return _findings(space.root, runs, self.split, self.rule, looked, self)


@st.cache_resource(max_entries=64, show_spinner=False)
def _findings(
    root: Path, runs: tuple[tuple[str, ...], ...], split: str, rule: str, looked: bool, _chosen: Chosen
) -> Mapping[str, Finding]:
    return findings(_chosen.comparisons(Workspace(root)), sequential=looked)


def choose(space: Workspace, project: Project, found: Sequence[Group]) -> Chosen:
    """Split, baseline and mixes, as the address says. `found`: groups with finished runs, at least one."""
    titles = contrast.titles(found)
    by_id = {group.id: group for group in found}
    usual = contrast.gold_only(found) or found[0]
    left, right, last = st.columns([2, 3, 2])
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
    with last:
        rule = _rule(task_of(project.recipe.task).rules)
    like = [group for group in found if group.id != id and not contrast.other_splits(group, baseline)]
    others = [by_id[other] for other in _mixes(like, titles)] if like else []
    _not_comparable(found, baseline, titles, others)
    names = {titles[group.id]: list(added(group.mix)) for group in found}
    pairs = sequential_pairs(space, project.slug)
    looked = frozenset(group.id for group in others if (baseline.id, group.id) in pairs)
    colours = lined.colours(names, list(project.ingredients))
    return Chosen(split, baseline, tuple(others), titles, colours, looked, rule)


def _rule(rules: Sequence[str]) -> str:
    """How mentions are counted: one of the task's rules, where there is a choice."""
    if len(rules) == 1:
        return rules[0]
    words = {
        "strict": t("borders and label"),
        "exact": t("borders alone"),
        "partial": t("overlap counts half"),
        "type": t("label and overlap"),
        "token": t("word by word"),
        "tag": t("each B- and I- tag"),
    }
    return choice(
        st.selectbox,
        t("Right is"),
        rules,
        key="rule",
        show=words.__getitem__,
        help=t(
            "What counts as a mention found. Usual is: the right borders and the right label. The others say what of "
            "the mistakes is a matter of borders or of labels. It holds for verdicts, figures and the table; sentences "
            "and the closer views keep the usual rule."
        ),
    )


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
    unlike = [group for group in others if group.train != baseline.train]
    for group in unlike[:_TOLD]:
        st.caption(_unlike(group, baseline, titles))
    if len(unlike) > _TOLD:
        st.caption(t("The same holds for {n} more mixes.", n=len(unlike) - _TOLD))


def _unlike(group: Group, baseline: Group, titles: Mapping[str, str]) -> str:
    """What besides the mix a difference may come from."""
    values = {"mix": titles[group.id], "baseline": titles[baseline.id]}
    here, there = group.train, baseline.train
    if (here.method == "prompt") != (there.method == "prompt"):
        asks, learns = values.values() if here.method == "prompt" else reversed(values.values())
        return t(
            "{asks} asks a language model, {learns} is trained: a difference may come from that, and not from the mix.",
            asks=asks,
            learns=learns,
        )
    if here.method == "prompt" or here.steps == there.steps:
        return t(
            "{mix} has other settings than {baseline}: a difference may come from them. *Settings that differ*, below, "
            "names them.",
            **values,
        )
    return t(
        "{mix} was trained with other settings than {baseline} (steps: {here}, {there}): a difference may "
        "come from them.",
        **values,
        here=here.steps,
        there=there.steps,
    )


def focus(space: Workspace, chosen: Chosen) -> Group | None:
    """The mix that is looked at closely; without a choice, the best on dev. None where there is no other mix."""
    if not chosen.others:
        return None
    others = {group.id: group for group in chosen.others}
    if len(others) == 1:
        return chosen.others[0]
    best = next(iter(contrast.by_dev(space, chosen.others)), chosen.others[0])
    id = choice(
        st.selectbox,
        t("Mix beside the baseline"),
        list(others),
        key="against",
        default=best.id,
        show=lambda id: visible(chosen.titles[id]),
        help=t("Everything below is about this one. Without a choice of yours it is the best on dev."),
    )
    return others[id]


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
            "Looks at test so far: {n}. Opening this page is none; the button that tries mixes on test makes one. "
            "Whoever picks a mix by its test figures can't trust them any more: pick on dev, then look here at what "
            "was picked.",
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
            launch.look_at_test(space, project.slug, wanted)
            st.rerun()
    bare = [chosen.title(group) for group in groups if left[group.id][1] and not left[group.id][0]]
    if bare:
        st.caption(
            t(
                "Without weights on disk, so not to be tried on test: {names}. Train them again on Runs.",
                names=", ".join(bare),
            )
        )
