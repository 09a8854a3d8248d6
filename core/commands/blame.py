"""`blame`: the rows of an ingredient that seem to hurt a project's mix; left out where that is asked."""

from argparse import Namespace
from typing import Any

from core import project as projects
from core.blaming import leave_out, suspects
from core.commands.answer import Answer, Setting
from core.commands.mix import recipe_of, stage_of
from core.errors import CoreError, message
from core.forecasting import ask
from core.mixing import added
from core.output import plain, table
from core.submit import result_of
from core.tasks import task as task_of

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
    return Answer(data, "\n\n".join(lines))
