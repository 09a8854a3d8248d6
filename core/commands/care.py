"""`disk`: what takes room in the workspace, cleaning up, undoing that, and emptying the trash."""

import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.care import batches, tables, trash
from core.care.cleaning import CHOICES, Plan, clean, plan
from core.care.usage import KINDS, Usage, by_kind, usage
from core.commands.answer import Answer, Setting
from core.errors import message
from core.output import size_text, table

_MOST = 20  # lines of a preview


def disk(args: Namespace, at: Setting) -> Answer:
    """One of the four, by what was asked for."""
    if args.clean:
        return _clean(args, at)
    if args.undo:
        moved = trash.bring_back(at.workspace, args.undo)
        return Answer(asdict(moved), message("line_brought_back", {"n": moved.items, "left": moved.left}, at.language))
    return _empty(args, at) if args.empty_trash else _table(args, at)


Rows = list[tuple[str, ...]]


def _table(args: Namespace, at: Setting) -> Answer:
    found = usage(at.workspace)
    lines, rows, heads = _TABLES[args.by](at, found)
    total, free = sum(by_kind(found).values()), at.workspace.free_bytes()
    shown = rows[: args.limit]
    words = [message(code, {}, at.language) for code in heads]
    right = [number for number, code in enumerate(heads) if code in ("col_size", "col_alone", "col_runs")]
    text = table([words, *shown], right=right) if shown else message("disk_none", {}, at.language)
    more = [message("line_more", {"n": len(rows) - len(shown)}, at.language)] if len(rows) > len(shown) else []
    line = message("line_disk", {"total": size_text(total), "free": size_text(free)}, at.language)
    data = {"by": args.by, "lines": lines, "total": total, "free": free}
    return Answer(data, "\n".join([text, *more, "", line]))


Table = tuple[list[dict[str, Any]], Rows, tuple[str, ...]]  # for --json, for people, and the codes of their heads


def _by_kind(at: Setting, found: Usage) -> Table:
    sizes = by_kind(found)
    rows = [(message(f"disk_{kind}", {}, at.language), size_text(sizes[kind])) for kind in KINDS]
    return [{"kind": kind, "bytes": sizes[kind]} for kind in KINDS], rows, ("col_kind", "col_size")


def _by_project(at: Setting, found: Usage) -> Table:
    lines = tables.by_project(found, tables.owned(at.workspace, found))
    rows = [(line.slug, line.title, str(line.runs), size_text(line.bytes), size_text(line.alone)) for line in lines]
    return _data(lines), rows, ("col_project", "col_title", "col_runs", "col_size", "col_alone")


def _by_corpus(at: Setting, found: Usage) -> Table:
    lines = tables.by_corpus(at.workspace, found, tables.owned(at.workspace, found))
    rows = [(line.id[:16], line.what or "-", ", ".join(line.projects) or "-", size_text(line.bytes)) for line in lines]
    return _data(lines), rows, ("col_corpus", "col_what", "col_projects", "col_size")


def _by_run(at: Setting, found: Usage) -> Table:
    lines = tables.by_run(at.workspace, found)
    rows = [
        (line.id, line.kind, message(f"state_{line.state}", {}, at.language), size_text(line.bytes)) for line in lines
    ]
    return _data(lines), rows, ("col_run", "col_kind", "col_state", "col_size")


def _by_model(at: Setting, found: Usage) -> Table:
    lines = tables.by_model(found)
    rows = [(line.identity[:16], str(line.runs), size_text(line.bytes)) for line in lines]
    return _data(lines), rows, ("col_model", "col_runs", "col_size")


def _by_trash(at: Setting, found: Usage) -> Table:
    lines = trash.entries(at.workspace, found)
    words = {line.name: message(f"trash_{line.kind}", {}, at.language) for line in lines}
    rows = [
        (line.name, words[line.name], ", ".join(line.what) or "-", _day(line.since), size_text(line.bytes))
        for line in lines
    ]
    return _data(lines), rows, ("col_entry", "col_kind", "col_what", "col_since", "col_size")


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _data(lines: Sequence[Any]) -> list[dict[str, Any]]:
    return [asdict(line) for line in lines]


_TABLES: Mapping[str, Callable[[Setting, Usage], Table]] = {
    "kind": _by_kind,
    "project": _by_project,
    "corpus": _by_corpus,
    "run": _by_run,
    "model": _by_model,
    "trash": _by_trash,
}


def _clean(args: Namespace, at: Setting) -> Answer:
    """What would go; with --yes it goes, into a batch of the trash."""
    asked = list(dict.fromkeys(args.clean))
    planned = plan(at.workspace, usage(at.workspace), asked)
    data: dict[str, Any] = {"choices": asked, "items": _data(planned.items), "bytes": planned.bytes, "batch": None}
    lines = _preview(planned, asked, at.language)
    if args.yes and planned.items:
        batch = batches.begin(at.workspace, planned.items)
        moved = clean(at.workspace, batch, lambda done, of: None)
        data |= {"batch": batch.name, "moved": moved.items, "left": moved.left}
        values = {"n": moved.items, "size": size_text(moved.bytes), "left": moved.left, "name": batch.name}
        lines += ["", message("line_cleaned", values, at.language)]
    elif planned.items:
        lines += ["", message("line_preview", {"size": size_text(planned.bytes)}, at.language)]
    return Answer(data, "\n".join(lines))


def _preview(planned: Plan, asked: Sequence[str], language: str) -> list[str]:
    lines: list[str] = []
    for choice in CHOICES:
        items = planned.of(choice)
        if choice in asked:
            size = size_text(sum(item.bytes for item in items))
            title = message(f"clean_{choice}", {}, language)
            lines.append(f"{title}: {message('line_items', {'n': len(items), 'size': size}, language)}")
            lines += [f"    {message(f'cost_{choice}', {}, language)}"] if items else []
            lines += [f"    {item.path}  {size_text(item.bytes)}" for item in items[:_MOST]]
            lines += ["    ..."] if len(items) > _MOST else []
    return lines


def _empty(args: Namespace, at: Setting) -> Answer:
    """What lies in the trash; with --yes it is gone for good."""
    found = trash.entries(at.workspace, usage(at.workspace))
    size = sum(entry.bytes for entry in found)
    data: dict[str, Any] = {"entries": _data(found), "bytes": size, "emptied": []}
    _, rows, heads = _by_trash(at, usage(at.workspace))
    if args.yes:
        trash.empty(at.workspace, [entry.name for entry in found])
        there = {path.name for path in at.workspace.trash.iterdir()}
        data["emptied"] = [entry.name for entry in found if entry.name not in there]
        values = {"n": len(data["emptied"]), "left": len(found) - len(data["emptied"]), "size": size_text(size)}
        return Answer(data, message("line_emptied", values, at.language))
    if not found:
        return Answer(data, message("trash_empty", {}, at.language))
    listed = table([[message(code, {}, at.language) for code in heads], *rows], right=(4,))
    line = message("line_empty_preview", {"n": len(found), "size": size_text(size)}, at.language)
    return Answer(data, f"{listed}\n\n{line}")
