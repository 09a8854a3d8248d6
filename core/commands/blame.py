"""`blame`: the rows of an ingredient that seem to hurt a project's mix; left out where that is asked."""

from argparse import Namespace
from typing import Any

from core import project as projects
from core import without
from core.blaming import leave_out, suspects
from core.commands.answer import Answer, Setting
from core.commands.mix import recipe_of, stage_of
from core.errors import CoreError, message
from core.evaluation.verdicts import Judged
from core.forecasting import ask
from core.mixing import added
from core.output import plain, table
from core.project import Project
from core.stage import Stage
from core.submit import result_of, wait
from core.tasks import task as task_of
from core.without import Blamed, Outcome

_LONGEST = 100  # characters of a row that are shown


def blame(args: Namespace, at: Setting) -> Answer:
    """Pools and the forecast are made first where they are missing. Raises CoreError: those of core.blaming."""
    recipe = recipe_of(args, at)
    project = projects.load(at.workspace, args.project)
    if args.ingredient not in added(recipe.mix):  # told before anything is made
        raise CoreError("blame_none", {"name": args.ingredient}, "hint_blame_none")
    stage = stage_of(project, at)
    run = ask(at.workspace, project, stage)
    result_of(at.workspace, run, at.watch)
    found = suspects(at.workspace, run.id, stage, recipe.mix, args.ingredient, args.label or None, args.top)
    pool = stage.pools[args.ingredient]
    texts = task_of(pool.schema.task).texts(pool.table, True).to_pylist()
    shown: list[dict[str, Any]] = [
        {"position": position, "id": id, "harm": harm, "text": texts[position]}
        for position, id, harm in zip(found.positions, found.ids, found.harm, strict=True)
    ]
    data: dict[str, Any] = {"ingredient": args.ingredient, "rows": shown, "raising": found.all, "read": found.read}
    heads = [message(code, {}, at.language) for code in ("col_harm", "col_row", "col_text")]
    rows = [[f"{one['harm']:.0f}", str(one["position"] + 1), plain(one["text"])[:_LONGEST]] for one in shown]
    values = {"name": args.ingredient, "n": found.all, "of": found.read}
    lines = [table([heads, *rows], right=(0, 1)), message("line_blame", values, at.language)]
    if args.reject and found.ids:
        built = leave_out(at.workspace, project, args.ingredient, found.ids, pool.schema.labels)
        data["pool"] = built.id
        result_of(at.workspace, built, at.watch)
        lines.append(message("line_blame_rejected", {"name": args.ingredient, "n": len(found.ids)}, at.language))
    status = 0
    if args.confirm and found.ids:
        told, status = _confirm(args, at, project, stage, Blamed(args.ingredient, tuple(found.ids), args.label))
        data["confirm"] = _json(told)
        lines.append(_confirmed(told, at.language))
    return Answer(data, "\n\n".join(lines), status)


def _confirm(args: Namespace, at: Setting, project: Project, stage: Stage, blamed: Blamed) -> tuple[Outcome, int]:
    """Train the mix with and without the rows, and wait. -> what came of it, exit status"""
    ids = without.ask(at.workspace, project, stage, recipe_of(args, at).mix, blamed, args.confirm)
    status = 1 if any(run.state != "succeeded" for run in wait(at.workspace, ids, at.watch)) else 0
    trial = without.trial(at.workspace, project.slug, blamed.ingredient, blamed.label)
    told = None if trial is None else without.outcome(at.workspace, project.slug, trial)
    assert told is not None  # it was just noted
    return told, status


def _json(told: Outcome) -> dict[str, Any]:
    """Differences of the mix without the rows, -1..1."""
    trial = told.trial
    judged = [*([told.asked] if told.asked else []), *told.others]
    lines = [{"label": one.label, "metric": one.metric, "support": one.support, "difference": one.difference.value,
              "interval": one.interval, "verdict": one.verdict} for one in judged]  # fmt: skip
    return {"groups": [trial.whole, trial.less], "seeds": [*trial.seeds], "finished": told.finished, "judged": lines}


def _confirmed(told: Outcome, language: str) -> str:
    """The verdict on the label in question, then all that is shown of the others."""
    values: dict[str, Any] = {"n": len(told.trial.blamed.rows), "name": told.trial.blamed.ingredient,
                              "finished": told.finished, "of": told.wanted}  # fmt: skip
    if told.asked is None:
        return plain(message("line_without_waits", values, language))
    lines = [message("line_without", values | _values(told.asked, language), language)]
    shown = [one for one in told.others if one.verdict in ("better", "worse")]
    lines += [message("line_without_other", _values(one, language), language) for one in shown]
    return "\n".join(plain(line) for line in [*lines, message("note_without", {}, language)])


def _values(one: Judged, language: str) -> dict[str, Any]:
    low, high = ("-", "-") if one.interval is None else (f"{100 * end:+.1f}" for end in one.interval)
    label = one.label or message("word_all_labels", {}, language)
    return {"label": label, "metric": message(f"col_{one.metric}", {}, language),
            "value": f"{100 * one.difference.value:+.1f}", "low": low, "high": high,
            "verdict": message(f"without_{one.verdict}", {}, language)}  # fmt: skip
