"""`transfer`: whether mixes that were trained on one encoder keep their order on another."""

from argparse import Namespace

from core import project as projects
from core.agreement import agreement, ask
from core.commands.answer import Answer, Setting
from core.commands.mix import stage_of
from core.errors import message
from core.output import plain, table
from core.submit import wait


def transfer(args: Namespace, at: Setting) -> Answer:
    """Train a few of a project's mixes on the other encoder, as far as they are not, and compare. Exit 1 where a run
    did not end well. Raises CoreError: those of core.agreement."""
    project = projects.load(at.workspace, args.project)
    stage = stage_of(project, at)
    ids = ask(at.workspace, project, stage, args.model, args.mixes, args.repeats)
    status = 1 if any(run.state != "succeeded" for run in wait(at.workspace, ids, at.watch)) else 0
    found = agreement(at.workspace, project, stage, args.model)
    data = {
        "models": [project.recipe.train.model, args.model],
        "mixes": [{"mix": one.name, "here": one.here.tolist(), "there": one.there.tolist()} for one in found.mixes],
    }
    rows = [[message("col_mix", {}, at.language), project.recipe.train.model, args.model]]
    rows += [[plain(one.name), *(f"{100 * side.mean():.1f}" for side in (one.here, one.there))] for one in found.mixes]
    values = {"right": found.right, "of": found.of, "clear_right": found.clear_right, "clear": found.clear}
    return Answer(
        data | values, f"{table(rows, right=(1, 2))}\n\n{message('line_transfer', values, at.language)}", status
    )
