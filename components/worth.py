"""What mixes are worth in labelled sentences: the trainings that it takes, the sentence, the figure, the table."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from components import facts
from components.address import choice
from components.comparison import Chosen
from components.frame import PAGES, telling, watch_link
from components.pictures import picture
from components.progress import watch
from components.verdicts import metric_words, split_words
from components.words import duration, raw, said, said_raw, t, told, visible
from core import contrast, gold_curve, launch, pace
from core.errors import CoreError
from core.evaluation.worth import Curve, Resampled, Worth, about, band, learning_curve
from core.gold_curve import SEEDS, GoldCurve
from core.groups import Group, evaluated
from core.jobs.dispatch import look_after
from core.mixing import added
from core.project import Project
from core.report.worth import Level, learning
from core.scores import FEW
from core.stage import Stage
from core.workspace import Workspace

_F1 = "f1"  # of all labels; a label's recall is "recall:LABEL" in the address
_RECALL = "recall:"
_EVERY = 2.0  # seconds between two looks
_PLACES = 40  # points that the line is drawn through


def worth(space: Workspace, project: Project, chosen: Chosen, other: Group) -> None:
    """What it takes to say what a mix is worth, or what it is worth, and all others that are compared."""
    curve = gold_curve.curve_of(space, project.slug, chosen.baseline, chosen.split)
    if curve is None:
        st.info(
            t(
                "This needs trainings on gold alone with the settings of {baseline}. Launch gold only on Mix, then "
                "come back.",
                baseline=chosen.title(chosen.baseline),
            )
        )
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:", query_params={"project": project.slug})
        return
    st.caption(
        t(
            "Gold alone is trained on fewer of its sentences: that shows what more of them bring. Read backwards, it "
            "says how many sentences one would have to label to get as far as a mix does."
        )
    )
    if curve.active:
        _going(space, project, curve.full, chosen.split)
    elif not curve.complete and not _tested(space, project, chosen, curve):
        _offer(space, project, chosen, curve)
    if curve.enough:
        _answer(space, project, chosen, other, curve)


@st.fragment(run_every=_EVERY)
def _going(space: Workspace, project: Project, full: Group, split: str) -> None:
    """How many of the curve's trainings are done, until all are."""
    curve = gold_curve.curve_of(space, project.slug, full, split)
    if curve is None or not curve.active:
        st.rerun()
    runs = [run for group in curve.points.values() for run in group.runs.values()]
    done = sum(not run.pending for run in runs)
    if not any(run.state == "running" for run in runs):
        look_after(space.root)
    ends = pace.time_left(space)
    left = max((ends.get(run.id, 0.0) for run in runs if run.pending), default=0.0)
    text = t("Training gold's curve: {done} of {runs} done, about {time} left", done=done, runs=len(runs),
             time=duration(left))  # fmt: skip
    st.progress(done / len(runs), text=text)
    watch_link(project.slug)


def _tested(space: Workspace, project: Project, chosen: Chosen, curve: GoldCurve) -> bool:
    """On test, the look that the curve's trainings need. -> whether it is what is to be done next"""
    if chosen.split != "test":
        return False
    groups = [group for group in curve.points.values() if contrast.unseen(space, group)[0]]
    run = contrast.newest_look(space, groups) if groups else None
    if run is not None:
        watch(space, run, t("Looking at test"), "worth_look")
        if run.pending:
            return True
    if not groups:
        return False
    runs = sum(contrast.unseen(space, group)[0] for group in groups)
    st.markdown(t("{runs} trainings of gold's curve were not tried on test.", runs=runs))
    if st.button(
        t("Look at test for gold's curve"),
        key="worth_look_now",
        icon=":material/visibility:",
        help=t("The finished runs mark the entities of test, and are scored. It is noted as one look."),
    ):
        launch.look_at_test(space, project.slug, groups)
        st.rerun()
    return True


def _offer(space: Workspace, project: Project, chosen: Chosen, curve: GoldCurve) -> None:
    """What is missing of the curve, how long that takes, and the button for it."""
    stage = facts.project_standing(space, project).stage
    if stage is None:
        return
    try:
        sizes = gold_curve.sizes_of(curve.rows)
        planned = gold_curve.plan_curve(space, project, stage, sizes, SEEDS, curve.full.train, look=False)
    except CoreError as error:
        st.error(told(error), icon=":material/error:")
        return
    if planned.full != curve.full.id or not planned.plan.mixes:
        if not curve.enough:
            st.info(_stuck(chosen, curve, changed=planned.full != curve.full.id))
        return
    st.markdown(
        t(
            "Gold's curve takes {runs} trainings: {sizes} sentences, {n} repeats each. {new} of them are new, which "
            "takes about {time}.",
            runs=planned.runs,
            sizes=", ".join(f"{size:,}" for size in sizes),
            n=len(SEEDS),
            new=planned.plan.new,
            time=duration(planned.plan.seconds),
        )
    )
    if st.button(t("Train gold's curve"), key="worth_launch", type="primary", icon=":material/rocket_launch:"):
        with telling(), st.spinner(t("Starting the runs ...")):
            _launch(space, project, stage, curve, sizes)


def _stuck(chosen: Chosen, curve: GoldCurve, changed: bool) -> str:
    """Why nothing can be trained that would help, for Markdown sinks."""
    mix = chosen.titles.get(curve.full.id, curve.full.name)
    if changed:
        return t(
            "Data or encoder changed since {mix} was trained, so no curve fits it any more. Launch gold only again on "
            "Mix.",
            mix=mix,
        )
    return t(
        "Gold's curve was trained, but has no predictions for {split}, and its weights are gone. Train it again on "
        "Runs.",
        split=split_words(chosen.split),
    )


def _launch(space: Workspace, project: Project, stage: Stage, curve: GoldCurve, sizes: Sequence[int]) -> None:
    planned = gold_curve.plan_curve(space, project, stage, sizes, SEEDS, curve.full.train)
    ids = gold_curve.launch_curve(space, project, stage, planned)
    st.toast(t("Started: {n} runs.", n=len(ids)), icon=":material/rocket_launch:")
    st.rerun()


@st.cache_resource(max_entries=128, show_spinner=False)
def _resampled(root: Path, runs: tuple[str, ...], split: str, size: int | None, _group: Group) -> Resampled:
    return gold_curve.resampled(Workspace(root), _group, split, size)


def _drawn(space: Workspace, group: Group, split: str, size: int | None = None) -> Resampled:
    return _resampled(space.root, tuple(evaluated(space, group, split)), split, size, group)


def _answer(space: Workspace, project: Project, chosen: Chosen, other: Group, curve: GoldCurve) -> None:
    """The sentence, the figure and the table, of F1 over all labels or of the recall of one."""
    with st.spinner(t("Drawing sentences and repeats anew, 2000 times for each mix")):
        points = {size: _drawn(space, curve.points[size], chosen.split, size) for size in curve.evaluated}
        mixes = gold_curve.candidates(space, curve, [*chosen.others, chosen.baseline], chosen.split)
        drawn = {group.id: _drawn(space, group, chosen.split) for group in mixes}
    label = _label(next(iter(points.values())))
    line = learning_curve(points, label)
    found = {group.id: gold_curve.judged(line, drawn[group.id]) for group in mixes}
    if other.id in found:
        st.markdown(f"**{said(*gold_curve.worth_words(found[other.id], chosen.title(other)))}**")
        if line.bends:
            st.warning(said("note_curve_bends", {"size": line.gap_size}), icon=":material/warning:")
        _figure(line, found[other.id], chosen, other)
    else:
        st.info(
            t(
                "{mix} can't be read off this curve: its gold, its encoder or its settings were others.",
                mix=chosen.title(other),
            )
        )
    if found:
        _table([(group, found[group.id]) for group in mixes], chosen)


def _label(found: Resampled) -> str:
    """Of what the worth is told: "" for F1 over all labels, else the label whose recall is meant."""
    enough = [name for name, support in zip(found.names, found.support[1:], strict=True) if support >= FEW]
    words = {_F1: raw("all labels: F1")}
    words |= {_RECALL + name: raw("{label}: recall", label=name) for name in enough}
    asked = choice(st.selectbox, t("By"), list(words), key="worth_of", show=words.__getitem__)
    return "" if asked == _F1 else asked.removeprefix(_RECALL)


def _figure(line: Curve, found: Worth, chosen: Chosen, other: Group) -> None:
    title, gold = chosen.title(other), line.gold
    reached = None if found.sentences is None or found.beyond else gold + found.sentences
    ends = None if reached is None or found.interval is None else (gold + found.interval[0], gold + found.interval[1])
    first, last = min(line.scores), max(gold, reached or gold, ends[1] if ends else gold)
    places = [first * (last / first) ** (at / _PLACES) for at in range(_PLACES + 1)]
    measure = metric_words("recall" if line.label else "f1")
    words = {
        "axis": raw("Gold sentences"),
        "score": f"{visible(line.label)}: {measure}" if line.label else measure,
        "runs": raw("Runs on gold alone"),
        "line": raw("Gold's curve"),
        "sentences": raw("gold sentences"),
    }
    level = Level(title, chosen.colours[title], found.score, found.score_interval, reached, ends)
    drawn = learning(line.scores, band(line, sorted({*places, gold})), level, words)
    alt = raw("{measure} over gold sentences, and where {mix} stands", measure=words["score"], mix=title)
    picture(drawn, "compare_worth", alt=alt)
    st.caption(
        t(
            "Each dot is one training on so many gold sentences, each repeat with sentences of its own choice; areas "
            "are 95 % intervals. Dashed: beyond the gold there is, a straight line over the logarithm. It is not "
            "followed beyond three times gold. Curves usually level off, so what a mix is worth is rather understated "
            "there. Measured on {split}.",
            split=split_words(chosen.split),
        )
    )


def _table(found: Sequence[tuple[Group, Worth]], chosen: Chosen) -> None:
    """The worth of every mix that is compared; of a mix of one ingredient it is that of the ingredient."""
    column = st.column_config
    rows: list[dict[str, object]] = []
    for group, one in found:
        names = list(added(group.mix))
        ends = one.interval and [gold_curve.end_words(one, end, signed=True) for end in one.interval]
        rows.append(
            {
                "mix": visible(chosen.title(group)),
                "adds": visible(", ".join(names)) if names else "-",
                "worth": None if one.sentences is None else about(one.sentences),
                "ends": raw("{low} to {high}", low=ends[0], high=ends[1]) if ends else None,
                "says": said_raw(f"worth_short_{one.code}"),
            }
        )
    rows.sort(key=lambda row: -(row["worth"] if isinstance(row["worth"], int) else -(10**9)))
    st.dataframe(
        rows,
        key="worth_table",
        hide_index=True,
        placeholder="-",
        column_config={
            "mix": column.TextColumn(raw("Mix"), pinned=True),
            "adds": column.TextColumn(
                raw("Joins gold"), help=raw("The ingredients. Where there is one, the worth is its own.")
            ),
            "worth": column.NumberColumn(
                raw("Worth, sentences"),
                format="%+d",
                help=raw("Labelled sentences more (+) or fewer (-) than there are."),
            ),
            "ends": column.TextColumn(
                raw("95 %"), help=raw("The 95 % interval; > and <: farther out than the curve is followed.")
            ),
            "says": column.TextColumn(raw("Verdict")),
        },
        alt=raw("What each mix is worth in gold sentences"),
    )
