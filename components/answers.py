"""What became of the questions of prompted trainings: what was spent, and what of the answers could not be read."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.cost_of_writing import told_spent
from components.words import raw, said_raw, t
from core.board import Repeat
from core.groups import Group
from core.jobs.folder import read_object
from core.prompting.prompted import Told, told_in
from core.workspace import Workspace


def answers(space: Workspace, shown: Sequence[Repeat]) -> None:
    """Of each repeat that has ended, and over all of them the reasons why an answer counts as nothing."""
    found = {repeat.seed: told for repeat in shown if (told := _told(space, repeat)) is not None}
    if not found:
        st.caption(t("Nothing to tell yet: what was answered is counted when a repeat has ended."))
        return
    rows = [
        {
            "seed": seed,
            "rows": told.rows,
            "unread": sum(told.unread.values()),
            "shortened": told.shortened,
            "new": told.spent.answers - told.spent.remembered,
            "cost": told.spent.cost,
        }
        for seed, told in found.items()
    ]
    column = st.column_config
    config = {
        "seed": column.NumberColumn(raw("Repeat")),
        "rows": column.NumberColumn(raw("Rows of dev")),
        "unread": column.NumberColumn(
            raw("Unreadable"), help=raw("Rows whose answer could not be read: they count as nothing predicted.")
        ),
        "shortened": column.NumberColumn(
            raw("Shortened"), help=raw("Prompts with fewer examples than asked for, so as not to be too long.")
        ),
        "new": column.NumberColumn(
            raw("New answers"), help=raw("The others were there already, and cost nothing now.")
        ),
        "cost": column.NumberColumn(raw("Cost of all"), format="%.4f"),
    }
    st.dataframe(rows, key="runs_answers", hide_index=True, placeholder="-", column_config=config,
                 height="content", alt=raw("Answers of the repeats"))  # fmt: skip
    _reasons([*found.values()])
    for seed, told in found.items():
        told_spent(told.spent, "" if len(found) == 1 else t("Repeat {seed}:", seed=seed) + " ")


def _told(space: Workspace, repeat: Repeat) -> Told | None:
    return told_in(_result(space, repeat.run.id))


def _reasons(found: Sequence[Told]) -> None:
    codes = dict.fromkeys(code for told in found for code in told.unread)
    if not codes:
        st.caption(t("Every answer could be read."))
        return
    rows = [{"why": said_raw(code), "rows": sum(told.unread.get(code, 0) for told in found)} for code in codes]
    config = {
        "why": st.column_config.TextColumn(raw("Why nothing could be read"), width="large"),
        "rows": st.column_config.NumberColumn(raw("Rows")),
    }
    st.dataframe(rows, key="runs_unread", hide_index=True, column_config=config, height="content",
                 alt=raw("Answers that could not be read"))  # fmt: skip


def unreadable(space: Workspace, groups: Mapping[str, Group]) -> None:
    """Of compared groups that asked a language model, how much of what it said on dev counts as nothing. By title."""
    for title, group in groups.items():
        if group.train.method == "prompt":
            found = [told for run in group.finished if (told := told_in(_result(space, run))) is not None]
            n, every = sum(sum(told.unread.values()) for told in found), sum(told.rows for told in found)
            if n:
                text = t("**{mix}**: {n} of {all} answers on dev could not be read, and count as nothing predicted.",
                         mix=title, n=n, all=every)  # fmt: skip
                st.caption(text)


def _result(space: Workspace, run: str) -> dict[str, Any]:
    return read_object(space.run_folder(run) / "result.json") or {}
