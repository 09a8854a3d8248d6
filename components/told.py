"""What is told of one run in words: its settings, its history, and its log."""

import json
from collections.abc import Mapping, Sequence

import streamlit as st

from components import training_form
from components.words import language, raw, t, visible
from core import history
from core.board import Opened, Repeat
from core.bulk import BADLY
from core.jobs.folder import read_json, read_object, tail
from core.workspace import Workspace

_LOG_BYTES = 65536


def one_of(shown: Sequence[Repeat]) -> Repeat:
    """The repeat that is looked at where only one can be: one that runs, else one that ended badly, else the first."""
    order = ("running", *BADLY, "succeeded", "queued")
    return min(shown, key=lambda repeat: order.index(repeat.run.state))


def settings(space: Workspace, found: Opened, shown: Sequence[Repeat]) -> None:
    """What a run was asked for, and what it was carried out with."""
    repeat = shown[0]
    folder = space.run_folder(repeat.run.id)
    spec, resolved = read_json(folder / "spec.json"), read_object(folder / "resolved.json") or {}
    st.caption(t("What repeat {seed} trains on: rows by ingredient.", seed=repeat.seed))
    parts = spec["params"].get("mix", {}).get("parts", {})
    rows = {name: part["amount"] for name, part in parts.items()}
    delivered = (read_object(folder / "result.json") or {}).get("rows", rows)
    _pairs(delivered, raw("Ingredient"), raw("Rows"), "runs_rows")
    st.caption(t("Its settings, and the software and machine it ran with."))
    train = found.group.train
    listed = {
        raw("Encoder"): train.model,
        raw("Steps"): train.steps,
        **training_form.listed(train),
        raw("Device"): resolved.get("device"),
        raw("Numeric precision"): resolved.get("precision"),
        raw("Threads"): resolved.get("threads"),
        **resolved.get("versions", {}),
    }
    _pairs(listed, raw("Setting"), raw("Value"), "runs_settings")
    with st.expander(t("The whole request, as it is kept")):
        st.code(json.dumps(spec, ensure_ascii=False, indent=1), language="json", wrap_lines=True)


def _pairs(data: Mapping[str, object], left: str, right: str, key: str) -> None:
    config = {"name": st.column_config.TextColumn(left), "value": st.column_config.TextColumn(right)}
    rows = [{"name": visible(name), "value": visible("-" if value is None else value)} for name, value in data.items()]
    st.dataframe(rows, key=key, hide_index=True, column_config=config, height="content", alt=left)


def events(space: Workspace, shown: Sequence[Repeat]) -> None:
    """What happened to a run, the newest last."""
    repeat = one_of(shown)
    found = history.told(space.run_folder(repeat.run.id))
    if not found:
        st.info(t("The history of repeat {seed} was not kept: it ran under an older version.", seed=repeat.seed))
        return
    st.caption(t("What happened to repeat {seed}, in the order in which it did.", seed=repeat.seed))
    column = st.column_config
    config = {
        "when": column.DatetimeColumn(
            raw("When"),
            format="YYYY-MM-DD HH:mm:ss",
            timezone=st.context.timezone,
            width="small",
            help=raw("By the clock of the machine that ran it."),
        ),
        "what": column.TextColumn(raw("What happened"), width="large"),
    }
    rows = [{"when": 1000 * one.time, "what": visible(one.words(language()))} for one in found]
    st.dataframe(rows, key="runs_events", hide_index=True, column_config=config, height="content", alt=raw("Events"))


def log(space: Workspace, shown: Sequence[Repeat]) -> None:
    """The end of the log of a run."""
    repeat = one_of(shown)
    st.caption(t("The end of the log of repeat {seed}, at most 64 KB.", seed=repeat.seed))
    text = tail(space.run_folder(repeat.run.id) / "log.txt", _LOG_BYTES)
    st.code(text or raw("The log is empty."), language=None, wrap_lines=True, height=360)
