"""What takes room in a workspace, what can be cleaned up and what that costs, and the trash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from components.address import choice, several
from components.frame import telling
from components.progress import watch
from components.words import raw, said, said_raw, t, visible
from core.care import batches, tables, trash
from core.care.cleaning import CHOICES, Plan, plan
from core.care.usage import KINDS, Usage, by_kind, usage
from core.jobs.folder import read_json
from core.output import size_text
from core.runs import RunSpec
from core.workspace import Workspace

_LOOK = 0.3  # seconds of one look at the disk; the next look goes on where it ended
_EVERY = 1.0
_MOST = 200  # lines of a table
_RUN = "cleaning"  # in the address: the run that cleans up


@dataclass(frozen=True)
class Shown:
    """A table: its rows, and what its columns are called and mean."""

    rows: Sequence[Mapping[str, object]]
    columns: Mapping[str, object]


def looked(space: Workspace) -> Usage | None:
    """What lies in the workspace; None while folders are left to look at, which the page then says."""
    found = usage(space, _LOOK)
    if not found.left:
        return found
    st.fragment(_looking, run_every=_EVERY)(space)
    return None


def _looking(space: Workspace) -> None:
    found = usage(space, _LOOK)
    if not found.left:
        st.rerun()
    done = len(found.runs) / max(1, len(found.runs) + found.left)
    st.progress(done, text=t("Looking at the disk: {n} folders are left.", n=found.left))


def room(space: Workspace) -> None:
    """All of it in one line, and a table by what one asks for."""
    found = looked(space)
    if found is None:
        return
    sizes = by_kind(found)
    left, right = st.columns(2)
    left.metric(t("In this workspace"), size_text(sum(sizes.values())), border=True)
    right.metric(t("Free on its disk"), size_text(space.free_bytes()), border=True)
    words = {
        "kind": t("By kind"),
        "project": t("By project"),
        "corpus": t("By corpus"),
        "run": t("By run"),
        "model": t("By encoder"),
    }
    by = choice(
        st.segmented_control, t("Table"), list(words), key="by", show=words.__getitem__, label_visibility="collapsed"
    )
    shown = _TABLES[by](space, found)
    if not shown.rows:
        st.info(t("There is nothing of that yet."))
        return
    st.dataframe(
        list(shown.rows[:_MOST]),
        key=f"storage_{by}",
        hide_index=True,
        height="content" if by == "kind" else "auto",
        placeholder="-",
        column_config=shown.columns,
        alt=raw("What takes room"),
    )
    if len(shown.rows) > _MOST:
        st.caption(t("Shown: the largest {n} of {all}.", n=_MOST, all=len(shown.rows)))


def _size_columns(largest: int) -> Mapping[str, object]:
    column = st.column_config
    return {
        "size": column.TextColumn(raw("Size"), help=raw("On the disk; a file that several have counts once.")),
        "bar": column.ProgressColumn(
            raw("Beside the largest"), format=" ", min_value=0.0, max_value=float(max(1, largest)), width="small"
        ),
    }


def _line(size: int, **more: object) -> Mapping[str, object]:
    return more | {"size": size_text(size), "bar": float(size)}


def _by_kind(space: Workspace, found: Usage) -> Shown:
    sizes = by_kind(found)
    rows = [_line(sizes[kind], what=said_raw(f"disk_{kind}")) for kind in sorted(KINDS, key=lambda k: -sizes[k])]
    return Shown(rows, {"what": st.column_config.TextColumn(raw("What")), **_size_columns(max(sizes.values()))})


def _by_project(space: Workspace, found: Usage) -> Shown:
    lines = sorted(tables.by_project(found, tables.owned(space, found)), key=lambda line: -line.bytes)
    rows = [_line(one.bytes, what=visible(one.title), runs=one.runs, alone=size_text(one.alone)) for one in lines]
    column = st.column_config
    columns = {
        "what": column.TextColumn(raw("Project")),
        "runs": column.NumberColumn(raw("Runs")),
        "alone": column.TextColumn(raw("Its alone"), help=raw("What no other project has a part in.")),
    }
    return Shown(rows, columns | _size_columns(max((one.bytes for one in lines), default=0)))


def _by_corpus(space: Workspace, found: Usage) -> Shown:
    lines = sorted(tables.by_corpus(space, found, tables.owned(space, found)), key=lambda line: -line.bytes)
    rows = [
        _line(one.bytes, what=visible(one.what or "-"), projects=visible(", ".join(one.projects)), id=one.id[:16])
        for one in lines
    ]
    column = st.column_config
    columns = {
        "what": column.TextColumn(raw("Corpus")),
        "projects": column.TextColumn(raw("Projects")),
        "id": column.TextColumn(raw("Beginning of its id")),
    }
    return Shown(rows, columns | _size_columns(max((one.bytes for one in lines), default=0)))


def _by_run(space: Workspace, found: Usage) -> Shown:
    lines = sorted(tables.by_run(space, found), key=lambda line: -line.bytes)
    rows = [_line(one.bytes, id=one.id, kind=one.kind, state=said_raw(f"state_{one.state}")) for one in lines]
    column = st.column_config
    columns = {
        "id": column.TextColumn(raw("Run")),
        "kind": column.TextColumn(raw("Kind")),
        "state": column.TextColumn(raw("State")),
    }
    return Shown(rows, columns | _size_columns(max((one.bytes for one in lines), default=0)))


def _by_model(space: Workspace, found: Usage) -> Shown:
    lines = sorted(tables.by_model(found), key=lambda line: -line.bytes)
    rows = [_line(one.bytes, id=one.identity[:16], runs=one.runs) for one in lines]
    column = st.column_config
    columns = {
        "id": column.TextColumn(raw("Encoder")),
        "runs": column.NumberColumn(raw("Runs"), help=raw("Trainings that began with it.")),
    }
    return Shown(rows, columns | _size_columns(max((one.bytes for one in lines), default=0)))


_TABLES = {"kind": _by_kind, "project": _by_project, "corpus": _by_corpus, "run": _by_run, "model": _by_model}


def clean_up(space: Workspace) -> None:
    """Choices, what would go by them and what that costs; then a run that moves it to the trash."""
    _going_on(space)
    found = looked(space)
    if found is None:
        return
    asked = several(
        st.pills,
        t("What may go"),
        list(CHOICES),
        key="may_go",
        default=["spare_checkpoints"],
        show=lambda name: said(f"clean_{name}"),
        selection_mode="multi",
    )
    planned = plan(space, found, asked)
    if not planned.items:
        st.info(t("Nothing of that is here: there is nothing to clean up.") if asked else t("Choose what may go."))
        return
    for name in asked:
        _what_goes(name, planned)
    if st.button(
        t("Move to the trash: {size}", size=size_text(planned.bytes)),
        key="storage_clean",
        type="primary",
        icon=":material/mop:",
        help=t("It can be brought back until the trash is emptied."),
    ):
        with telling():
            batch = batches.begin(space, planned.items)
            st.query_params[_RUN] = space.submit(RunSpec("clean", {}, {"batch": batch.name}))[0].id
            st.rerun()


def _what_goes(name: str, planned: Plan) -> None:
    items = planned.of(name)
    if not items:
        return
    size = size_text(sum(item.bytes for item in items))
    with st.expander(f"{said(f'clean_{name}')} · {t('{size} (items: {n})', n=len(items), size=size)}"):
        st.markdown(said(f"cost_{name}"))
        rows = [{"path": visible(item.path), "size": size_text(item.bytes)} for item in items[:_MOST]]
        config = {
            "path": st.column_config.TextColumn(raw("Where"), width="large"),
            "size": st.column_config.TextColumn(raw("Size")),
        }
        st.dataframe(rows, key=f"storage_goes_{name}", hide_index=True, column_config=config, alt=raw("What would go"))


def _going_on(space: Workspace) -> None:
    """The cleaning that was started last, while it goes on; and the way back once it ended, however it did."""
    known = space.store.find([st.query_params.get(_RUN, "")])
    if not known:
        return
    [run] = known
    watch(space, run, t("Cleaning up"), "storage_cleaning")
    if run.pending:
        return
    name = read_json(space.run_folder(run.id) / "spec.json")["params"]["batch"]
    if not (space.trash / name).is_dir():
        return
    done = batches.lying(space, batches.read(space, name))
    if not done.items:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(t("Moved to the trash: {size} (items: {n}).", n=done.items, size=size_text(done.bytes)))
        if st.button(t("Undo"), key="storage_undo", icon=":material/undo:"):
            with telling():
                trash.bring_back(space, name)
                del st.query_params[_RUN]
                st.rerun()


def trashed(space: Workspace) -> None:
    """What was deleted and cleaned up; each comes back, or all goes for good."""
    found = looked(space)
    if found is None:
        return
    entries = trash.entries(space, found)
    if trash.empty(space, [], _LOOK):
        st.caption(t("Part of what was emptied is still being taken off the disk; it goes on when you look again."))
    if not entries:
        st.info(said("trash_empty"))
        return
    column = st.column_config
    picked = st.dataframe(
        [
            {
                "kind": said_raw(f"trash_{entry.kind}"),
                "what": visible(", ".join(_what(entry))),
                "size": size_text(entry.bytes),
                "since": 1000 * entry.since,
            }
            for entry in entries[:_MOST]
        ],
        key="storage_trash",
        on_select="rerun",
        selection_mode="single-row",
        hide_index=True,
        column_config={
            "kind": column.TextColumn(raw("Kind")),
            "what": column.TextColumn(raw("What"), width="large"),
            "size": column.TextColumn(raw("Size")),
            "since": column.DatetimeColumn(raw("Since"), format="YYYY-MM-DD HH:mm", timezone=st.context.timezone),
        },
        alt=raw("What lies in the trash"),
    )
    st.caption(t("Select a line to bring it back."))
    with st.container(horizontal=True):
        for at in picked.selection.rows:
            if st.button(t("Bring it back"), key="storage_back", icon=":material/undo:"):
                with telling():
                    trash.bring_back(space, entries[at].name)
                    st.rerun()
        _empty(space, entries)


def _what(entry: trash.Entry) -> Sequence[str]:
    return [said_raw(f"clean_{name}") for name in entry.what] if entry.kind == "clean" else entry.what


def _empty(space: Workspace, entries: Sequence[trash.Entry]) -> None:
    """The only thing that can't be taken back, so it is asked twice."""
    size = size_text(sum(entry.bytes for entry in entries))
    with st.popover(t("Empty the trash: {size}", size=size), icon=":material/delete_forever:", key="storage_empty"):
        st.markdown(t("{n} entries go for good. This is the one thing here that can't be taken back.", n=len(entries)))
        if st.button(t("Empty it for good"), key="storage_empty_sure", type="primary"):
            with telling():
                trash.empty(space, [entry.name for entry in entries], _LOOK)
                st.rerun()
