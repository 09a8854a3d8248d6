"""The Runs page's parts: groups, the repeats of one, and what can be done with them."""

import json
from collections.abc import Mapping, Sequence

import streamlit as st

from components.address import choice, keep
from components.frame import PAGES, telling
from components.words import duration, escape, raw, said_raw, t, told, visible
from core import launch
from core import project as projects
from core.board import Entry, Points, Repeat, board, learning
from core.errors import CoreError
from core.jobs import trash
from core.jobs.dispatch import cancel
from core.jobs.folder import read_json, read_object, tail
from core.params import digest
from core.recipe_text import mix_data
from core.report import figures
from core.runs import State
from core.workspace import Workspace

EVERY = 1.0  # seconds between two looks, while something is active
_DELETED = "deleted"  # in the address: ids of the runs that the last action deleted
_GROUP = "group"
_LOG_BYTES = 65536
_BADLY: tuple[State, ...] = ("failed", "cancelled", "interrupted")


def undo(space: Workspace) -> None:
    """What was deleted last, and the way back; it stays until the next action, also over a reload."""
    ids = trash.deleted(space.root, st.query_params.get_all(_DELETED))
    if not ids:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("Runs deleted: {n}", n=len(ids)))
        if st.button(t("Undo"), key="runs_undo", icon=":material/undo:"):
            with telling():
                trash.restore(space.root, ids)
                _done()


def _done() -> None:
    """After an action: what was deleted before it can't be undone any more."""
    st.query_params.pop(_DELETED, None)
    st.rerun()


def live(space: Workspace, names: Sequence[str], many: bool) -> None:
    """The groups of some projects and the chosen one; drawn again by itself while a training is active."""
    active = any(run.pending for run in space.store.list(kind="train"))
    st.fragment(_live, run_every=EVERY if active else None)(space, names, many, active)


def _live(space: Workspace, names: Sequence[str], many: bool, active: bool) -> None:
    entries = board(space, names)[::-1]
    if active and not any(run.pending for run in space.store.list(kind="train")):
        st.rerun()
    if not entries:
        st.info(t("No runs yet: set a mix and launch it on the Mix page."))
        st.page_link(PAGES["mix"], label=t("Mix"), icon=":material/tune:")
        return
    with telling():
        _detail(space, _picked(entries, many))


def _picked(entries: Sequence[Entry], many: bool) -> Entry:
    """The table of groups, the newest first, and the one selected in it."""
    refs = [f"{e.project}/{e.group.id}" if many else e.group.id for e in entries]
    asked, key = st.query_params.get(_GROUP), f"runs_groups_{digest(refs)[:8]}"
    at = refs.index(asked) if asked in refs else 0
    if asked in refs and key in st.session_state and asked != st.session_state.get("runs_group"):
        st.session_state[key] = {"selection": {"rows": [at], "columns": [], "cells": []}}
    found = st.dataframe(
        [_group_row(entry, many) for entry in entries],
        key=key,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [at], "columns": [], "cells": []}},
        hide_index=True,
        placeholder="-",
        column_config=_group_columns(),
        alt=raw("Groups of runs"),
    )
    chosen = next(iter(found.selection.rows), at)
    st.session_state["runs_group"] = refs[chosen]
    keep(_GROUP, refs[chosen], refs[0])
    return entries[chosen]


def _group_row(entry: Entry, many: bool) -> dict[str, object]:
    return {
        "mix": visible(entry.group.name),
        **({"project": visible(entry.project)} if many else {}),
        "state": states_words(entry),
        "dev": None if entry.dev is None else 100 * entry.dev,
        "steps": entry.group.train.steps,
        "left": "" if entry.left is None else duration(entry.left),
    }


def _group_columns() -> Mapping[str, object]:
    column = st.column_config
    return {
        "mix": column.TextColumn(raw("Mix"), width="medium"),
        "project": column.TextColumn(raw("Project")),
        "state": column.TextColumn(
            raw("State"),
            width="medium",
            help=raw("A group is one mix, trained once for each repeat. Each repeat is a run."),
        ),
        "dev": column.NumberColumn(
            raw("Dev F1"),
            format="%.1f %%",
            help=raw("The best F1 on the dev split, averaged over finished repeats. Compare has the intervals."),
        ),
        "steps": column.NumberColumn(raw("Steps"), help=raw("Updates of the model in each run.")),
        "left": column.TextColumn(
            raw("Time left"), help=raw("About how long until the last of its runs ends, with all that waits before it.")
        ),
    }


def states_words(entry: Entry) -> str:
    """ "6 of 8 done, 1 running, 1 queued"; as it is."""
    found = entry.states
    parts = [raw("{done} of {all} done", done=found.get("succeeded", 0), all=len(entry.repeats))]
    words = {
        "running": raw("{n} running", n=found.get("running", 0)),
        "queued": raw("{n} queued", n=found.get("queued", 0)),
        "failed": raw("{n} failed", n=found.get("failed", 0)),
        "cancelled": raw("{n} cancelled", n=found.get("cancelled", 0)),
        "interrupted": raw("{n} interrupted", n=found.get("interrupted", 0)),
    }
    return raw(", ").join([*parts, *(text for state, text in words.items() if found.get(state))])


def _detail(space: Workspace, entry: Entry) -> None:
    st.subheader(escape(entry.group.name), anchor=False)
    seeds = [str(repeat.seed) for repeat in entry.repeats]
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        seed = choice(
            st.selectbox,
            t("Repeat"),
            ["all", *seeds],
            key="repeat",
            show=lambda code: raw("All repeats") if code == "all" else raw("Repeat {seed}", seed=code),
            help=t("What the buttons act on, and what is shown below. A repeat is a run with its own random seed."),
        )
    shown = [repeat for repeat in entry.repeats if seed in ("all", str(repeat.seed))]
    with right:
        _actions(space, entry, shown)
    st.dataframe(
        [_repeat_row(repeat) for repeat in shown],
        key="runs_repeats",
        hide_index=True,
        placeholder="-",
        column_config=_repeat_columns(),
        alt=raw("Repeats of the group"),
    )
    for error in {str(r.run.error): r.run.error for r in shown if r.run.error and r.run.state in _BADLY}.values():
        st.error(told(CoreError.from_json(error)), icon=":material/error:")
    views = {"curves": t("Curves"), "settings": t("Settings"), "log": t("Log")}
    view = choice(
        st.segmented_control, t("Show"), list(views), key="part", show=views.__getitem__, label_visibility="collapsed"
    )
    if view == "curves":
        _curves(space, shown)
    elif view == "settings":
        _settings(space, entry, shown[0])
    else:
        _log(space, shown)


def _repeat_row(repeat: Repeat) -> dict[str, object]:
    run = repeat.run
    state = said_raw(f"state_{run.state}")
    return {
        "seed": repeat.seed,
        "state": state if repeat.done is None else f"{state} · {repeat.done:.0%}",
        "dev": None if repeat.dev is None else 100 * repeat.dev,
        "time": "" if run.seconds is None else duration(run.seconds),
        "attempts": run.attempt,
        "weights": repeat.weights,
    }


def _repeat_columns() -> Mapping[str, object]:
    column = st.column_config
    return {
        "seed": column.NumberColumn(raw("Repeat"), help=raw("The random seed of the run.")),
        "state": column.TextColumn(raw("State")),
        "dev": column.NumberColumn(
            raw("Best dev F1"), format="%.1f %%", help=raw("The best F1 on the dev split so far.")
        ),
        "time": column.TextColumn(raw("Time"), help=raw("From its first start to its end.")),
        "attempts": column.NumberColumn(
            raw("Attempts"), help=raw("How often it was started. A resumed run goes on from its last checkpoint.")
        ),
        "weights": column.CheckboxColumn(
            raw("Weights"), help=raw("Whether the trained model is on disk, so that it can be tried on new text.")
        ),
    }


def _actions(space: Workspace, entry: Entry, shown: Sequence[Repeat]) -> None:
    """The buttons; each acts on the repeats shown."""
    active = [r.run.id for r in shown if r.run.pending]
    ended = [id for r in shown if not r.run.pending for id in r.ids]
    badly = [r.run.id for r in shown if r.run.state in _BADLY]
    bare = [r.seed for r in shown if r.run.state == "succeeded" and not r.weights]
    with st.container(horizontal=True):
        if active and st.button(t("Cancel"), key="runs_cancel", icon=":material/stop_circle:"):
            for run in active:
                cancel(space.root, run)
            _done()
        if badly and st.button(
            t("Resume"),
            key="runs_resume",
            icon=":material/resume:",
            help=t("Goes on from the last checkpoint of each run, or begins anew where there is none."),
        ):
            for run in badly:
                space.resubmit(run)
            _done()
        if st.button(
            t("Clone"), key="runs_clone", icon=":material/tune:", help=t("Take this mix to the Mix page and change it.")
        ):
            st.session_state["mix_load"] = {"mix": mix_data(entry.group.mix), "name": entry.group.name}
            st.switch_page(PAGES["mix"], query_params={"project": entry.project})
        if bare:
            retrain_button(space, entry, bare)
        if ended and st.button(
            t("Delete"), key="runs_delete", icon=":material/delete:", help=t("You can undo it until your next action.")
        ):
            st.query_params[_DELETED] = trash.delete(space.root, ended)
            st.rerun()


def retrain_button(space: Workspace, entry: Entry, seeds: Sequence[int]) -> None:
    """Train runs without weights again, with how long it takes."""
    seconds = len(seeds) * launch.seconds_each(space, entry.group.train)
    label = t("Train {n} again with weights (about {time})", n=len(seeds), time=duration(seconds))
    if st.button(
        label,
        key="runs_retrain",
        icon=":material/replay:",
        help=t("These runs came with the sample, without their weights. Trained again, they can be tried on new text."),
    ):
        project = projects.load(space, entry.project)
        launch.retrain(space, project, entry.group, seeds)
        _done()


def _curves(space: Workspace, shown: Sequence[Repeat]) -> None:
    """Loss and F1 on dev over the steps, of one run or of several."""
    found = {raw("Repeat {seed}", seed=r.seed): learning(space.run_folder(r.run.id)) for r in shown}
    found = {name: points for name, points in found.items() if any(points)}
    if not found:
        st.caption(t("Nothing to draw yet: curves begin with a run's first step."))
        return
    st.plotly_chart(
        _figure(found),
        key="runs_curves",
        width="stretch",
        config={"displayModeBar": False},
        alt=raw("Loss and dev F1 over the steps"),
    )
    st.caption(
        t(
            "Loss, left, says how far the model is from the labels it trains on: lower is better. "
            "Dev F1, right, says how well it finds the entities of the dev split: higher is better."
        )
        + (" " + t("Lines are loss, dotted lines dev F1.") if len(found) > 1 else "")
    )


def _figure(found: Mapping[str, tuple[Points, Points]]) -> "figures.Figure":
    words = {"step": raw("Step"), "loss": raw("Loss"), "dev_f1": raw("Dev F1")}
    if len(found) == 1:
        return figures.curve(*next(iter(found.values())), words)
    return figures.curves(found, words)


def _log(space: Workspace, shown: Sequence[Repeat]) -> None:
    """The log of the run that goes on, else of one that ended badly, else of the first."""
    order = ("running", *_BADLY, "succeeded", "queued")
    repeat = min(shown, key=lambda r: order.index(r.run.state))
    st.caption(t("The end of the log of repeat {seed}, at most 64 KB.", seed=repeat.seed))
    text = tail(space.run_folder(repeat.run.id) / "log.txt", _LOG_BYTES)
    st.code(text or raw("The log is empty."), language=None, wrap_lines=True, height=360)


def _settings(space: Workspace, entry: Entry, repeat: Repeat) -> None:
    """What a run was asked for, and what it was carried out with."""
    folder = space.run_folder(repeat.run.id)
    spec, resolved = read_json(folder / "spec.json"), read_object(folder / "resolved.json") or {}
    st.caption(t("What repeat {seed} trains on: rows by ingredient.", seed=repeat.seed))
    parts = spec["params"].get("mix", {}).get("parts", {})
    rows = {name: part["amount"] for name, part in parts.items()}
    delivered = (read_object(folder / "result.json") or {}).get("rows", rows)
    _pairs(delivered, raw("Ingredient"), raw("Rows"), "runs_rows")
    st.caption(t("Its settings, and the software and machine it ran with."))
    train = entry.group.train
    settings = {
        raw("Encoder"): train.model,
        raw("Steps"): train.steps,
        raw("Sub-words in a batch"): train.batch_tokens,
        raw("Learning rate"): train.learning_rate,
        raw("Warm-up, share of the steps"): train.warmup,
        raw("Weight decay"): train.weight_decay,
        raw("Longest sentence, in sub-words"): train.max_length,
        raw("Word embeddings frozen"): raw("yes") if train.freeze_word_embeddings else raw("no"),
        raw("Looks at dev"): train.evaluations,
        raw("Device"): resolved.get("device"),
        raw("Numeric precision"): resolved.get("precision"),
        raw("Threads"): resolved.get("threads"),
        **resolved.get("versions", {}),
    }
    _pairs(settings, raw("Setting"), raw("Value"), "runs_settings")
    with st.expander(t("The whole request, as it is kept")):
        st.code(json.dumps(spec, ensure_ascii=False, indent=1), language="json", wrap_lines=True)


def _pairs(data: Mapping[str, object], left: str, right: str, key: str) -> None:
    config = {"name": st.column_config.TextColumn(left), "value": st.column_config.TextColumn(right)}
    rows = [{"name": visible(name), "value": visible("-" if value is None else value)} for name, value in data.items()]
    st.dataframe(rows, key=key, hide_index=True, column_config=config, height="content", alt=left)
