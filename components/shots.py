"""Which method wins with how many labelled rows: the trainings that it takes, the picture, and in words."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import streamlit as st

from components import facts
from components.comparison import Chosen
from components.cost_of_writing import told_questions
from components.frame import telling, watch_link
from components.pictures import picture
from components.verdicts import metric_words, split_words
from components.words import raw, said, t, told
from core.groups import Group, evaluated
from core.project import Project
from core.questions import together
from core.report.shots import Line, by_rows
from core.shots import Point, best, crossings, launch_shots, mix_problem, plan_shots, point_of, tried
from core.tasks import task
from core.training.ways import DRAWS, METHODS, MIX, SHOTS, fitting, without_rows
from core.workspace import Workspace


def shots(space: Workspace, project: Project, chosen: Chosen) -> None:
    """What was tried on the splits that are compared, and the button for more."""
    st.caption(
        t(
            "Each method is trained on so few rows of gold that each label stands in 1, 5, 10 or 50 of them, ten times "
            "with rows of another draw. The picture says which of them pays with how many."
        )
    )
    found = tried(space, project.slug, chosen.baseline)
    active = sum(run.pending for group in found.values() for run in group.runs.values())
    if active:
        st.info(t("{n} trainings for this are not done yet.", n=active))
        watch_link(project.slug)
    points = [
        _point(space.root, tuple(runs), chosen.split, method, size, group)
        for (method, size), group in found.items()
        if (runs := evaluated(space, group, chosen.split))
    ]
    if points:
        _answer(points, chosen.split)
    _offer(space, project)


@st.cache_resource(max_entries=256, show_spinner=False)
def _point(root: Path, runs: tuple[str, ...], split: str, method: str, size: int, _group: Group) -> Point:
    return point_of(Workspace(root), _group, method, size, split)


def _answer(points: list[Point], split: str) -> None:
    names = _names()
    kept = {name: [p for p in points if p.method == name] for name in (*METHODS, MIX)}
    lines = [
        Line(names[name], [(p.rows, p.f1, p.interval) for p in sorted(mine, key=lambda p: p.shots)])
        for name, mine in kept.items()
        if mine
    ]
    words = {"axis": raw("Labelled rows"), "score": metric_words("f1"), "rows": raw("labelled rows")}
    picture(by_rows(lines, words), "compare_shots", alt=raw("Scores over numbers of labelled rows by method"))
    st.caption(t("Areas are 95 % intervals over draws and rows. Measured on {split}.", split=split_words(split)))
    for size in sorted({point.shots for point in points if point.shots}):
        first, near = best(points, size)
        values = {"shots": size, "method": names[first.method], "others": ", ".join(names[p.method] for p in near)}
        st.markdown(said("line_shots_near" if near else "line_shots_best", values))
    for one in crossings(points):
        code = "line_shots_crossing" if one.clear else "line_shots_crossing_unclear"
        st.markdown(said(code, asdict(one) | {"better": names[one.better], "worse": names[one.worse]}))


def _offer(space: Workspace, project: Project) -> None:
    """Which methods are to be trained, and the button."""
    stage, names = facts.project_standing(space, project).stage, _names()
    if stage is None:
        return
    able, problem = fitting(task(project.recipe.task), project.recipe.train), mix_problem(project)
    asked = st.pills(
        t("Methods"),
        [*able, *([MIX] if problem is None else [])],
        selection_mode="multi",
        key="shots_methods",
        format_func=names.__getitem__,
    )
    if "prompt" not in able:
        st.caption(t("Prompting is not offered. Launch a prompted mix on Mix first: it says which model is asked."))
    if problem is not None:
        st.caption(t("The project's mix is not offered.") + " " + told(problem))
    if not asked:
        return
    if "prompt" in asked:
        with telling():
            wanted = plan_shots(space, project, stage, ["prompt"], SHOTS, DRAWS)
            found = together([one.plan.questions for one in wanted if one.plan.new])
            if found is not None:
                told_questions(found)
    train = project.recipe.train
    runs = sum(1 if without_rows(name, train) else DRAWS * len(SHOTS) for name in asked)
    if st.button(t("Train {n} draws", n=runs), key="shots_launch", icon=":material/rocket_launch:"):
        with telling(), st.spinner(t("Starting the runs ...")):
            ids = launch_shots(space, project, stage, plan_shots(space, project, stage, asked, SHOTS, DRAWS))
            st.toast(t("Started: {n} runs.", n=len(ids)), icon=":material/rocket_launch:")
            st.rerun()


def _names() -> Mapping[str, str]:
    """The methods, as they are."""
    return {
        "described": raw("Descriptions"),
        "prototypes": raw("Prototypes"),
        "neighbours": raw("Nearest example"),
        "contrastive": raw("Pairs of texts"),
        "frozen": raw("The head alone"),
        "lora": raw("Low-rank updates"),
        "full": raw("All weights"),
        "prompt": raw("Prompted"),
        MIX: raw("The project's mix"),
    }
