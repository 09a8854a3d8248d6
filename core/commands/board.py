"""`board`: the groups of the workspace as the Runs page lists them, and one of them with its repeats."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from core import mix_found
from core import project as projects
from core.board import Entry, Opened, View, board, opened, selected
from core.commands.answer import Answer, Setting
from core.commands.search import path_json, path_text
from core.commands.tune import trials_json, trials_text
from core.errors import CoreError, message
from core.output import table
from core.runs import State
from core.trials import noted, trials


def list_board(args: Namespace, at: Setting) -> Answer:
    """A page of the groups that are asked for. Raises CoreError `project_unknown`, `group_not_there`."""
    names = [projects.load(at.workspace, args.project).slug] if args.project else projects.names(at.workspace)
    entries = board(at.workspace, names)
    if args.group:
        return _group(entries, args.group, at)
    found = selected(entries, View(args.search or "", (args.state,) if args.state else (), args.sort))
    start = (max(1, args.page) - 1) * max(1, args.limit)
    shown = found[start : start + max(1, args.limit)]
    codes = ("col_group", "col_mix", "col_state", "col_dev", "col_steps", "col_left")
    rows = [[message(code, {}, at.language) for code in codes]]
    rows += [[entry.key, entry.name, _states(entry, at), *_figures(entry)] for entry in shown]
    values = {"first": start + 1 if shown else 0, "last": start + len(shown), "n": len(found)}
    told = table(rows, right=(3, 4, 5)) + "\n" + message("line_groups", values, at.language)
    text = told if shown else message("groups_none", {}, at.language)
    return Answer({"groups": [_json(entry) for entry in shown], "matching": len(found)}, text)


def _states(entry: Entry, at: Setting) -> str:
    """ "succeeded 6, running 2"."""
    return ", ".join(f"{_state(state, at)} {n}" for state, n in entry.states.items())


def _state(state: State, at: Setting) -> str:
    return message(f"state_{state}", {}, at.language)


def _figures(entry: Entry) -> list[str]:
    dev = "-" if entry.dev is None else f"{100 * entry.dev:.1f}"
    return [dev, str(entry.steps or "-"), _seconds(entry.left)]


def _seconds(left: float | None) -> str:
    return "-" if left is None else f"{left:.0f}"


def _json(entry: Entry) -> dict[str, Any]:
    return {
        "group": entry.key,
        "project": entry.project,
        "mix": entry.name,
        "steps": entry.steps,
        "launched": entry.launched,
        "states": dict(entry.states),
        "dev": entry.dev,
        "seconds_left": entry.left,
        "runs": list(entry.runs),
        "search": entry.search,
    }


def named(entries: Sequence[Entry], name: str) -> Entry:
    """A group by PROJECT/GROUP or GROUP, or the beginning of either. Raises CoreError `group_not_there`."""
    found = [entry for entry in entries if entry.key.startswith(name) or entry.group.startswith(name)]
    found = [entry for entry in found if name in (entry.key, entry.group)] or found
    if len(found) != 1:
        raise CoreError("group_not_there", {"name": name, "found": len(found)}, "hint_board")
    return found[0]


def _group(entries: Sequence[Entry], name: str, at: Setting) -> Answer:
    entry = named(entries, name)
    if entry.search:
        return _search(entry, at)
    found = opened(at.workspace, entry.project, entry.group)
    assert found is not None
    codes = ("col_seed", "col_run", "col_state", "col_dev", "col_attempt", "col_place", "col_left")
    rows = [[message(code, {}, at.language) for code in codes]]
    for repeat in found.repeats:
        run, state = repeat.run, _state(repeat.run.state, at)
        done = "" if repeat.done is None else f" {repeat.done:.0%}"
        dev = "-" if repeat.dev is None else f"{100 * repeat.dev:.1f}"
        cells = [dev, str(run.attempt), str(repeat.place or "-"), _seconds(repeat.left)]
        rows.append([str(repeat.seed), run.id, state + done, *cells])
    data = {"group": _json(entry), "repeats": _repeats(found)}
    return Answer(data, f"{entry.key}  {entry.name}\n" + table(rows, right=(0, 3, 4, 5, 6)))


def _search(entry: Entry, at: Setting) -> Answer:
    """A search with what it tried; nothing where its project does not say what was searched."""
    mixes = mix_found.found(at.workspace, entry.project, entry.group)
    if mixes is not None:
        text = path_text(mixes, at.language)
        return Answer({"group": _json(entry), "trials": path_json(mixes)}, f"{entry.key}\n{text}")
    begun = noted(at.workspace, entry.project, entry.group)
    found = trials(at.workspace, entry.project, begun) if begun else []
    text = trials_text(begun, found, at.language) if begun else entry.name
    return Answer({"group": _json(entry), "trials": trials_json(found)}, f"{entry.key}\n{text}")


def _repeats(found: Opened) -> list[dict[str, Any]]:
    return [
        {
            "seed": repeat.seed,
            "run": repeat.run.id,
            "state": repeat.run.state,
            "done": repeat.done,
            "dev": repeat.dev,
            "attempts": repeat.run.attempt,
            "place": repeat.place,
            "seconds_left": repeat.left,
            "goes_on_in": repeat.due,
            "stalled": repeat.stalled is not None,
            "weights": repeat.weights,
        }
        for repeat in found.repeats
    ]
