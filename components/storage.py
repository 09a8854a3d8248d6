"""The Storage page's first part: what takes how much room, as one bar and as tables."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components.address import choice
from components.words import raw, said_raw, size, t, visible
from core.care import tables
from core.care.usage import KINDS, Usage, by_kind, usage
from core.report import figures
from core.workspace import Workspace

PATIENCE = 0.3  # seconds that a page looks around; what is left, it looks at the next time
_EVERY = 0.5
_MEGA = 1_000_000
_MOST = 500  # rows of a table
_BY = "by"  # in the address
# what belongs together in the bar, and its colour
_GROUPS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "weights": (("weights",), figures.PALETTE[0]),
    "checkpoints": (("checkpoints",), figures.PALETTE[4]),
    "rest": (("predictions", "logs", "runs"), figures.PALETTE[1]),
    "data": (("corpora", "uploads", "unused"), figures.AMBER),
    "models": (("models",), figures.PALETTE[3]),
    "trash": (("trash",), figures.PALETTE[2]),
    "other": (("archives", "projects", "cache", "other"), figures.GREY),
}


def look(space: Workspace) -> Usage | None:
    """What lies in the workspace; None while much of it has not been looked at yet, and the page says so."""
    found = usage(space, PATIENCE)
    if not found.left:
        return found
    st.fragment(_looking, run_every=_EVERY)(space)
    return None


def _looking(space: Workspace) -> None:
    found = usage(space, PATIENCE)
    if not found.left:
        st.rerun()
    seen = len(found.runs) + len(found.trash)
    st.progress(seen / (seen + found.left), text=t("Looking through the workspace; folders to go: {n}", n=found.left))


def room(space: Workspace, found: Usage) -> None:
    """How much in all, the bar, and a table by whatever is asked for."""
    sizes = by_kind(found)
    total = size(sum(sizes.values()))
    st.markdown(t("In all **{total}**; free on this disk: {free}.", total=total, free=size(space.free_bytes())))
    _bar(sizes)
    words = {
        "kind": t("By kind"),
        "project": t("By project"),
        "corpus": t("By corpus"),
        "run": t("By run"),
        "model": t("By encoder"),
    }
    by = choice(
        st.segmented_control, t("Table"), list(words), key=_BY, show=words.__getitem__, label_visibility="collapsed"
    )
    if by == "kind":
        _kinds(sizes)
    elif by == "project":
        _projects(space, found)
    elif by == "corpus":
        _corpora(space, found)
    elif by == "run":
        _runs(space, found)
    else:
        _models(found)


def _bar(sizes: Mapping[str, int]) -> None:
    words = {
        "weights": raw("weights"),
        "checkpoints": raw("checkpoints"),
        "rest": raw("all else of runs"),
        "data": raw("labelled data"),
        "models": raw("encoders"),
        "trash": raw("trash"),
        "other": raw("all else"),
    }
    large = sum(sizes.values()) > 100 * _MEGA
    unit = _MEGA if large else 1000
    parts = {name: round(sum(sizes[kind] for kind in kinds) / unit) for name, (kinds, _) in _GROUPS.items()}
    shown = {name: amount for name, amount in parts.items() if amount}
    colours = {name: colour for name, (_, colour) in _GROUPS.items()}
    bar = figures.share_bar(shown, colours, words | {"rows": "MB" if large else "KB"})
    alt = raw(", ").join(f"{words[name]}: {size(amount * unit)}" for name, amount in shown.items())
    st.plotly_chart(bar, width="stretch", config={"displayModeBar": False}, key="storage_bar", alt=alt)


def sized(label: str) -> object:
    """A column of bytes, given in MB."""
    return st.column_config.NumberColumn(label, format="%.2f MB")


def listed(rows: Sequence[Mapping[str, object]], columns: Mapping[str, object], key: str, alt: str) -> None:
    """A table, or that there is nothing."""
    if not rows:
        st.caption(t("Nothing yet."))
        return
    st.dataframe(rows[:_MOST], key=key, hide_index=True, placeholder="-", column_config=columns, alt=alt)
    if len(rows) > _MOST:
        st.caption(t("The largest {n} of {all} are shown.", n=_MOST, all=len(rows)))


def _kinds(sizes: Mapping[str, int]) -> None:
    rows = [{"kind": said_raw(f"disk_{kind}"), "size": sizes[kind] / _MEGA} for kind in KINDS if sizes[kind]]
    columns = {"kind": st.column_config.TextColumn(raw("What"), width="large"), "size": sized(raw("Size"))}
    listed(rows, columns, "storage_kinds", raw("Room by kind"))


def _projects(space: Workspace, found: Usage) -> None:
    lines = tables.by_project(found, tables.owned(space, found))
    rows = [
        {"title": visible(one.title), "runs": one.runs, "size": one.bytes / _MEGA, "alone": one.alone / _MEGA}
        for one in lines
    ]
    column = st.column_config
    alone = raw("Of that, what belongs to no other project.")
    columns = {
        "title": column.TextColumn(raw("Project"), width="medium"),
        "runs": column.NumberColumn(raw("Runs"), help=raw("Imports and pools included.")),
        "size": sized(raw("Size")),
        "alone": column.NumberColumn(raw("Its own"), format="%.2f MB", help=alone),
    }
    listed(rows, columns, "storage_projects", raw("Room by project"))


def _corpora(space: Workspace, found: Usage) -> None:
    having = tables.owned(space, found)
    rows = [
        {
            "what": visible(one.what),
            "projects": raw(", ").join(visible(having[name][0]) for name in one.projects),
            "size": one.bytes / _MEGA,
            "id": one.id[:16],
        }
        for one in tables.by_corpus(space, found, having)
    ]
    column = st.column_config
    columns = {
        "what": column.TextColumn(raw("What"), help=raw("A split, a pool of a file, or the method that made it.")),
        "projects": column.TextColumn(raw("Projects"), width="medium"),
        "size": sized(raw("Size")),
        "id": column.TextColumn(raw("Corpus"), help=raw("The beginning of its number.")),
    }
    listed(rows, columns, "storage_corpora", raw("Room by corpus"))


def _runs(space: Workspace, found: Usage) -> None:
    from components.notices import kind_words

    parts = ("weights", "checkpoints", "predictions", "logs")
    rows = [
        {
            "what": kind_words(one.kind),
            "state": said_raw(f"state_{one.state}"),
            "size": one.bytes / _MEGA,
            **{part: one.parts.get(part, 0) / _MEGA for part in parts},
            "run": one.id,
        }
        for one in tables.by_run(space, found)
    ]
    column = st.column_config
    columns = {
        "what": column.TextColumn(raw("Work")),
        "state": column.TextColumn(raw("State")),
        "size": sized(raw("Size")),
        "weights": sized(raw("Weights")),
        "checkpoints": sized(raw("Checkpoints")),
        "predictions": sized(raw("Predictions")),
        "logs": sized(raw("Log and metrics")),
        "run": column.TextColumn(raw("Run"), help=raw("Its number, as the command line knows it.")),
    }
    listed(rows, columns, "storage_runs", raw("Room by run"))


def _models(found: Usage) -> None:
    lines = tables.by_model(found)
    rows = [{"id": one.identity[:16], "runs": one.runs, "size": one.bytes / _MEGA} for one in lines]
    column = st.column_config
    columns = {
        "id": column.TextColumn(
            raw("Identity"), help=raw("A fingerprint of its files (SHA-256). Models has its name.")
        ),
        "runs": column.NumberColumn(raw("Runs"), help=raw("How many trainings of all projects began with it.")),
        "size": sized(raw("Size")),
    }
    listed(rows, columns, "storage_models", raw("Room by encoder"))
