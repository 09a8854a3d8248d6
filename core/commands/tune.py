"""`tune`: a search for the settings of a mix's training, confirmed on fresh seeds and used where that is asked for."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core import project as projects
from core import tuned
from core.commands.answer import Answer, Setting
from core.commands.settle import confirmed_json, confirmed_text
from core.confirm import Confirmation
from core.errors import CoreError, Value, message
from core.models.catalogue import at_hand
from core.output import plain, table
from core.params import canonical
from core.pipeline import staged
from core.recipe import Recipe, load, placed
from core.recipe_text import mix_name
from core.submit import result_of, wait
from core.trials import Noted, Search, Trial, best, noted, trials
from core.tunable import parsed, usual
from core.tune import ask, asked


def tune(args: Namespace, at: Setting) -> Answer:
    """Search, and wait; then confirm what was found, and use it, as asked. The same command again goes on from there.

    Exit 1 where a fresh repeat did not end well. Raises CoreError as core.tune and core.tuned do.
    """
    recipe, name = _recipe(args, at)
    try:
        base = at_hand(recipe.train.model, recipe.folder, at.workspace.models)
        ranges = parsed(args.over, recipe.train, base) if args.over else usual(recipe.train, base)
        search = Search(
            ranges, args.trials, args.repeats, args.minutes, args.patience or None, args.label, args.metric,
            not args.no_pruning, args.seed,
        )  # fmt: skip
        stage, _ = staged(at.workspace, recipe, at.watch)
        run, _ = ask(at.workspace, recipe, stage, name, search)
    except CoreError as error:
        raise placed(error, recipe.lines, recipe.file) from None
    params = asked(at.workspace, run.id)
    assert params is not None
    data = {"run": run.id, "project": params.project, "mix": name, "search": canonical(search)}
    if args.detach:
        return Answer(data, message("line_settle_detached", {"run": run.id}, at.language))
    result = result_of(at.workspace, run, at.watch)
    begun = noted(at.workspace, params.project, run.id)
    assert begun is not None
    return _after(args, at, params.project, begun, data | result)


def _recipe(args: Namespace, at: Setting) -> tuple[Recipe, str]:
    """What is searched for: a recipe's mix, or one of a project's, and its name. Raises CoreError `mix_unknown`."""
    if args.name not in projects.names(at.workspace):
        recipe = load(Path(args.name), args.name)
        return recipe, mix_name(recipe.mix)
    project = projects.load(at.workspace, args.name)
    if args.mix is None:
        return project.recipe, mix_name(project.recipe.mix)
    if args.mix not in project.mixes:
        known = ", ".join(project.mixes) or "-"
        raise CoreError("mix_unknown", {"name": args.mix, "project": project.slug, "known": known}, "hint_known")
    return project.with_mix(project.mixes[args.mix]), args.mix


def _after(args: Namespace, at: Setting, project: str, begun: Noted, data: Mapping[str, Any]) -> Answer:
    """What was found, and what was done with it."""
    status = 0
    if args.confirm:
        ids = tuned.go_on(at.workspace, project, begun) or tuned.confirm(at.workspace, project, begun)
        status = 1 if any(run.state != "succeeded" for run in wait(at.workspace, ids, at.watch)) else 0
    found = trials(at.workspace, project, begun)
    fresh = tuned.confirmation(at.workspace, project, found)
    top = best(found)
    lines = [trials_text(begun, found, at.language), _best(begun, found, data, at.language)]
    lines += [_confirmed(fresh, found, at.language)] if fresh else [_flatters(found, at.language)]
    if args.use and top is not None:
        tuned.use(at.workspace, project, replace(top.train, model=begun.train.model), begun.run)
        lines.append(message("line_tune_used", {"n": top.number, "project": project}, at.language))
    told = {"trials": trials_json(found), "confirmation": confirmed_json(fresh) if fresh else None}
    return Answer(dict(data) | told, "\n".join(lines), status)


def trials_json(found: Sequence[Trial]) -> list[dict[str, Any]]:
    """Trials as JSON; `reached`: 0..1, all repeats in or not."""
    return [
        {
            "trial": one.number,
            "group": one.group,
            "state": one.state,
            "reached": one.so_far,
            "settings": dict(one.values),
            "runs": {str(seed): run.id for seed, run in one.runs.items()},
            "seconds": one.seconds,
        }
        for one in found
    ]


def trials_text(begun: Noted, found: Sequence[Trial], language: str) -> str:
    """The trials as a table, in the order in which they were begun."""
    names = sorted(begun.search.ranges)
    heads = [message(code, {}, language) for code in ("col_trial", "col_state", "col_reached")]
    rows = [[*heads, *names]]
    for one in found:
        reached = "-" if one.so_far is None else f"{100 * one.so_far:.1f}"
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in map(one.values.get, names)]
        rows.append([str(one.number), message(f"trial_{one.state}", {}, language), reached, *values])
    title = message("title_tune", {"mix": plain(begun.mix), "question": _question(begun.search, language)}, language)
    return title + "\n" + table(rows, right=(0, 2))


def _question(search: Search, language: str) -> str:
    about = {"metric": message(f"col_{search.metric}", {}, language), "label": plain(search.label)}
    return message("question_label" if search.label else "question_all", about, language)


def _best(begun: Noted, found: Sequence[Trial], data: Mapping[str, Any], language: str) -> str:
    start = data["start"]
    values: dict[str, Value] = {
        "n": data["tried"],
        "best": data["best"],
        "value": f"{100 * data['value']:.1f}",
        "start": "-" if start is None else f"{100 * start:.1f}",
        "question": _question(begun.search, language),
    }
    counted = {"pruned": data["pruned"], "failed": data["failed"]}
    parts = [
        message("line_tune_best", values, language),
        message(f"stopped_{data['stopped']}", counted, language),
    ]
    if data["importance"]:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in data["importance"].items())
        parts.append(message("line_tune_importance", {"shares": shares}, language))
    return "\n".join(parts)


def _flatters(found: Sequence[Trial], language: str) -> str:
    return message("note_tune_flatters", {"n": len(found)}, language)


def _confirmed(fresh: Confirmation, found: Sequence[Trial], language: str) -> str:
    top = best(found)
    numbers = {"mix": 0 if top is None else top.number, "baseline": 0}
    names = {name: message("name_trial", {"n": number}, language) for name, number in numbers.items()}
    return confirmed_text(fresh, names, language)
