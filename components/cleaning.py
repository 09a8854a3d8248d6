"""The Storage page's middle parts: cleaning up with a preview and a way back, and the trash."""

from collections.abc import Sequence

import streamlit as st

from components.frame import telling
from components.progress import watch
from components.storage import PATIENCE, listed, sized
from components.words import raw, said, said_raw, size, t, visible
from core.care import batches
from core.care import trash as bin
from core.care.batches import Item
from core.care.cleaning import CHOICES, Plan, offers, together
from core.care.usage import Usage
from core.jobs.folder import Run
from core.runs import RunSpec
from core.workspace import Workspace

_CLEANED = "cleaned"  # in the address: the batch that was cleaned up last
_EVERY = 0.5
_MEGA = 1_000_000


def clean(space: Workspace, found: Usage) -> None:
    """What can go, with what that costs; chosen things go to the trash."""
    _last(space)
    offered = offers(space, found)
    if not any(one.items for one in offered.values()):
        st.caption(t("There is nothing to clean up."))
        return
    st.caption(t("What you choose goes to the trash and comes back with Undo. Room is freed when you empty the trash."))
    chosen = [name for name, one in offered.items() if one.items and _offer(name, one)]
    if chosen:
        _preview(space, together(offered[name] for name in chosen))


def _offer(name: str, one: Plan) -> bool:
    label = t("{what}: {size} ({n})", what=said_raw(f"clean_{name}"), n=len(one.items), size=size(one.bytes))
    return st.checkbox(label, key=f"storage_clean_{name}", help=said(f"cost_{name}"))


def _preview(space: Workspace, planned: Plan) -> None:
    """The things that would go, what that costs, and the button."""
    for name in CHOICES:
        if planned.of(name):
            st.markdown(f"- {said(f'clean_{name}')}: {said(f'cost_{name}')}")
    with st.expander(t("What would go ({n})", n=len(planned.items)), icon=":material/list:"):
        _things(planned.items)
    label = t("Move to the trash: {size} ({n})", n=len(planned.items), size=size(planned.bytes))
    if st.button(label, key="storage_clean", type="primary", icon=":material/cleaning_services:"):
        with telling():
            batch = batches.begin(space, planned.items)
            space.submit(RunSpec("clean", {}, {"batch": batch.name}))
            for name in CHOICES:
                st.session_state.pop(f"storage_clean_{name}", None)
            st.query_params[_CLEANED] = batch.name
            st.rerun()


def _things(items: Sequence[Item]) -> None:
    ordered = sorted(items, key=lambda item: -item.bytes)
    rows = [{"path": visible(item.path), "size": item.bytes / _MEGA} for item in ordered]
    columns = {"path": st.column_config.TextColumn(raw("Where"), width="large"), "size": sized(raw("Size"))}
    listed(rows, columns, "storage_things", raw("What would go"))


def _last(space: Workspace) -> None:
    """What was cleaned up last: how far it is, what came of it, and the way back."""
    name = st.query_params.get(_CLEANED, "")
    run = _run(space, name)
    if run is None:
        return
    if run.state != "succeeded":
        watch(space, run, t("Cleaning up"), "storage_cleaning")
        if run.error is None:
            return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        if run.state == "succeeded":
            done = space.result(run.id)
            text = t("Moved to the trash: {size} ({n}).", n=done["items"], size=size(done["bytes"]))
            if done["left"]:
                text += " " + t("Stayed, because it is in use or has changed: {n}.", n=done["left"])
            st.markdown(text)
        _bring_back(space, [name], t("Undo"), "storage_undo")


def _run(space: Workspace, batch: str) -> Run | None:
    """The run that carries a batch out, as long as the batch is there."""
    if not batches.NAME.fullmatch(batch) or not (space.trash / batch / batches.MANIFEST).is_file():
        return None
    id = RunSpec("clean", {}, {"batch": batch}).id
    return next((run for run in space.store.list(kind="clean") if run.id == id), None)


def _bring_back(space: Workspace, names: Sequence[str], label: str, key: str) -> None:
    if st.button(label, key=key, icon=":material/undo:"):
        with telling():
            moved = [bin.bring_back(space, name) for name in names]
            if any(one.left for one in moved):
                st.toast(t("What was made anew meanwhile, or is in use, stays in the trash."))
            st.query_params.pop(_CLEANED, None)
            st.rerun()


def trash(space: Workspace, found: Usage) -> None:
    """What lies in the trash, bringing it back, and emptying it."""
    if bin.empty(space, [], PATIENCE):
        st.fragment(_emptying, run_every=_EVERY)(space)
        return
    entries = bin.entries(space, found)
    if not entries:
        st.caption(t("The trash is empty."))
        return
    column = st.column_config
    rows = [
        {
            "kind": said_raw(f"trash_{one.kind}"),
            "what": raw(", ").join(_what(one)),
            "since": 1000 * one.since,
            "size": one.bytes / _MEGA,
            "name": one.name,
        }
        for one in entries
    ]
    picked = st.dataframe(
        rows,
        key=f"storage_trash_{len(rows)}_{int(entries[0].since)}",
        on_select="rerun",
        selection_mode="multi-row",
        hide_index=True,
        placeholder="-",
        column_config={
            "kind": column.TextColumn(raw("Why it is here")),
            "what": column.TextColumn(raw("What"), width="medium"),
            "since": column.DatetimeColumn(raw("Since"), format="YYYY-MM-DD HH:mm", timezone=st.context.timezone),
            "size": sized(raw("Size")),
            "name": column.TextColumn(raw("Entry"), help=raw("Its name, as the command line knows it.")),
        },
        alt=raw("The trash"),
    )
    with st.container(horizontal=True):
        chosen = [entries[at].name for at in picked.selection.rows]
        if chosen:
            _bring_back(space, chosen, t("Bring back ({n})", n=len(chosen)), "storage_back")
        _empty(space, entries)


def _what(entry: bin.Entry) -> Sequence[str]:
    """What an entry is, as it is."""
    from components.notices import kind_words

    if entry.kind == "run":
        return [kind_words(kind) for kind in entry.what]
    if entry.kind == "clean":
        return [said_raw(f"clean_{choice}") for choice in entry.what if choice in CHOICES]
    return [visible(word) for word in entry.what] if entry.kind == "project" else []


def _empty(space: Workspace, entries: Sequence[bin.Entry]) -> None:
    whole = size(sum(entry.bytes for entry in entries))
    with st.popover(t("Empty the trash"), icon=":material/delete_forever:"):
        st.markdown(t("All that lies in the trash, {size} ({n}), is then gone for good.", n=len(entries), size=whole))
        if st.button(t("Delete for good"), key="storage_empty", type="primary", width="stretch"):
            with telling():
                bin.empty(space, [entry.name for entry in entries], PATIENCE)
                st.query_params.pop(_CLEANED, None)
                st.rerun()


def _emptying(space: Workspace) -> None:
    left = bin.empty(space, [], PATIENCE)
    if not left:
        st.rerun()
    st.caption(t("Emptying the trash; entries to go: {n}", n=left))
