"""One group on the Runs page: its repeats, how they stand, what can be done with them, and the ways to look at them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components import acts, board, mix_path, trials
from components.address import choice
from components.answers import answers
from components.course import curves, resources
from components.expectation import afterwards
from components.explain import explain
from components.first_batch import first_batch
from components.frame import PAGES, rows_of, telling
from components.mistakes import predictions
from components.told import events, log, settings
from components.words import clock, duration, escape, raw, said_raw, speaking, t, told
from core import board as boards
from core import launch, pace
from core import project as projects
from core.board import Opened, Repeat
from core.bulk import BADLY, touched_runs
from core.errors import CoreError
from core.groups import Group
from core.jobs.run import BACK_OFF
from core.recipe_text import mix_data
from core.shelf import encoder_of
from core.workspace import Workspace

EVERY = 1.0  # seconds between two looks, while something is active


def live(space: Workspace, names: Sequence[str], many: bool) -> None:
    """The groups of some projects and the one that is open; drawn again by itself while a training is active."""
    acts.working(space)
    active = _active(space)
    st.fragment(_live, run_every=EVERY if active else None)(space, names, many, active)


def _active(space: Workspace) -> bool:
    return any(run.kind == "train" or run.lane == "wait" for run in space.store.pending())


def _live(space: Workspace, names: Sequence[str], many: bool, active: bool) -> None:
    if active and not _active(space):
        st.rerun()
    entries = boards.board(space, names)
    if not entries:
        st.info(t("No runs yet: set a mix and launch it on the Mix page."))
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
        return
    with telling():
        entry = board.groups(space, entries, many)
        if entry is not None and entry.search:
            (mix_path.path if entry.mixes else trials.search)(space, entry.project, entry.group)
            return
        found = boards.opened(space, entry.project, entry.group) if entry else None
        if found is not None:
            with speaking(rows_of(space, found.project)):
                _detail(space, found)


def _detail(space: Workspace, found: Opened) -> None:
    st.subheader(escape(found.group.name), anchor=False)
    seeds = [str(repeat.seed) for repeat in found.repeats]
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        seed = choice(
            st.selectbox,
            t("Repeat"),
            ["all", *seeds],
            key="repeat",
            show=lambda code: raw("All repeats") if code == "all" else raw("Repeat {seed}", seed=code),
            help=t("What the buttons act on, and what is shown below. A repeat is a run with its own random seed."),
        )
    shown = [repeat for repeat in found.repeats if seed in ("all", str(repeat.seed))]
    with right:
        _actions(space, found, shown)
    _ending(shown)
    st.dataframe(
        [_row(repeat, found.active) for repeat in shown],
        key="runs_repeats",
        hide_index=True,
        placeholder="-",
        column_config=_columns(),
        alt=raw("Repeats of the group"),
    )
    for repeat in shown:
        _stands_out(repeat)
    for error in {str(r.run.error): r.run.error for r in shown if r.run.error and _ended_badly(r)}.values():
        st.error(told(CoreError.from_json(error)), icon=":material/error:")
    _views(space, found, shown)


def _ended_badly(repeat: Repeat) -> bool:
    return repeat.run.state in BADLY and not repeat.run.pending


def _ending(shown: Sequence[Repeat]) -> None:
    """When the last of the repeats shown ends."""
    left = max((repeat.left for repeat in shown if repeat.left is not None), default=None)
    if left is not None:
        st.caption(
            t(":material/schedule: About {time} left, until {clock}.", time=duration(left), clock=clock(left)),
            help=t("Runs go by their own pace, what waits in its turn by that of finished ones."),
        )


def _stands_out(repeat: Repeat) -> None:
    """What somebody may have to know, or to do."""
    run = repeat.run
    if repeat.stalled is not None:
        st.warning(
            t(
                "Repeat {seed} stands still: it noted nothing for {time} or longer. It is not stopped by itself. "
                "If it stays so, look at its log, cancel it and resume it: it goes on from its last checkpoint.",
                seed=repeat.seed,
                time=duration(repeat.stalled),
            ),
            icon=":material/hourglass_disabled:",
        )
    if repeat.due is not None and run.error is not None:
        why = told(CoreError(run.error["code"], run.error["values"]))
        then = t(
            "It goes on by itself in {n} s (time {times} of at most {most}).",
            n=round(repeat.due),
            times=run.resumes,
            most=len(BACK_OFF),
        )
        text = t("Repeat {seed} was interrupted.", seed=repeat.seed) + f" {why}"
        st.info(text + (f" {then}" if run.resumes else ""), icon=":material/restart_alt:")
    if run.halvings and run.state != "interrupted":
        st.info(
            t(
                "The batches of repeat {seed} are 1/{part} of their size, because the GPU's memory was full. They are "
                "gathered to the same steps, so its result stays comparable.",
                seed=repeat.seed,
                part=2**run.halvings,
            ),
            icon=":material/memory:",
        )


def _row(repeat: Repeat, going: bool) -> dict[str, object]:
    run = repeat.run
    state = said_raw(f"state_{run.state}")
    left = None if repeat.left is None else f"{duration(repeat.left)} · {clock(repeat.left)}"
    return {
        "seed": repeat.seed,
        "state": state if repeat.done is None else f"{state} · {repeat.done:.0%}",
        "dev": None if repeat.dev is None else 100 * repeat.dev,
        **({"place": repeat.place, "left": left} if going else {}),
        "time": "" if run.seconds is None else duration(run.seconds),
        "attempts": run.attempt,
        "weights": repeat.weights,
        "run": run.id,
    }


def _columns() -> Mapping[str, object]:
    column = st.column_config
    return {
        "seed": column.NumberColumn(raw("Repeat"), help=raw("The random seed of the run.")),
        "state": column.TextColumn(raw("State")),
        "dev": column.NumberColumn(
            raw("Best dev F1"), format="%.1f %%", help=raw("The best F1 on the dev split so far.")
        ),
        "place": column.NumberColumn(raw("In line"), help=raw("Its place among the runs that wait; 1 is next.")),
        "left": column.TextColumn(raw("Time left"), help=raw("About how long until it ends, and at what time.")),
        "time": column.TextColumn(raw("Time"), help=raw("From its first start to its end.")),
        "attempts": column.NumberColumn(
            raw("Attempts"), help=raw("How often it was started. A resumed run goes on from its last checkpoint.")
        ),
        "weights": column.CheckboxColumn(
            raw("Weights"), help=raw("Whether the trained model is on disk, so that it can be tried on new text.")
        ),
        "run": column.TextColumn(raw("Run"), help=raw("Its number, as the command line knows it.")),
    }


def _actions(space: Workspace, found: Opened, shown: Sequence[Repeat]) -> None:
    """The buttons; each acts on the repeats shown."""
    ids = [repeat.run.id for repeat in shown]
    bare = [repeat.seed for repeat in shown if repeat.run.state == "succeeded" and not repeat.weights]
    with st.container(horizontal=True):
        acts.buttons(space, touched_runs(space, ids, [id for repeat in shown for id in repeat.ids]), "runs")
        if st.button(
            t("Clone"), key="runs_clone", icon=":material/tune:", help=t("Take this mix to the Mix page and change it.")
        ):
            st.session_state["mix_load"] = {"mix": mix_data(found.group.mix), "name": found.group.name}
            st.switch_page(PAGES["mix"], query_params={"project": found.project})
        if bare:
            retrain_button(space, found.project, found.group, bare)


def retrain_button(space: Workspace, project: str, group: Group, seeds: Sequence[int]) -> None:
    """Train runs without weights again, with how long it takes."""
    seconds = pace.seconds_all(space, len(seeds), group.train, encoder_of(space, group))
    label = t("Train {n} again with weights (about {time})", n=len(seeds), time=duration(seconds))
    if st.button(
        label,
        key="runs_retrain",
        icon=":material/replay:",
        help=t("These runs have no weights on disk. Trained again, they can be tried on new text."),
    ):
        with telling():
            launch.retrain(space, projects.load(space, project), group, seeds)
            acts.done()


def _views(space: Workspace, found: Opened, shown: Sequence[Repeat]) -> None:
    """One way to look at the repeats shown; all of them have the same height at least, so that nothing jumps."""
    asks = found.group.train.method == "prompt"
    learning = {"batch": t("First batch"), "explain": t("Explained")}
    words = {
        **({"answers": t("Answers")} if asks else {"curves": t("Curves")}),
        "resources": t("Resources"),
        "predictions": t("Predictions"),
        **({} if asks else learning),
        "settings": t("Settings"),
        "events": t("Events"),
        "log": t("Log"),
    }
    view = choice(
        st.segmented_control, t("Show"), list(words), key="part", show=words.__getitem__, label_visibility="collapsed"
    )
    if view == "curves":
        curves(space, shown)
    elif view == "resources":
        resources(space, shown)
        afterwards(space, shown)
    elif view == "predictions":
        predictions(space, found, shown)
    elif view == "answers":
        answers(space, shown)
    elif view == "batch":
        first_batch(space, found, shown)
    elif view == "explain":
        explain(space, shown)
    elif view == "settings":
        settings(space, found, shown)
    elif view == "events":
        events(space, shown)
    else:
        log(space, shown)
