"""`pretrain`: go on pre-training a model on a project's text without labels."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any

from core import project as projects
from core.commands.answer import Answer, Setting, asked_project, delivered
from core.errors import message
from core.output import plain
from core.params import build
from core.pretraining import KIND, Outcome, begin_with, check, outcome, seconds, spec_of
from core.runs import TEXT
from core.sources import import_spec
from core.stage import imported
from core.submit import result_of
from core.training.pretrain_loop import PretrainParams

_SETTINGS = ("steps", "learning_rate", "batch_tokens", "max_length", "seed")


def pretrain(args: Namespace, at: Setting) -> Answer:
    """The files are imported first, where they are not. Raises CoreError: those of core.pretraining."""
    project = asked_project(args.project, at)
    recipe = project.recipe
    stage = imported(at.workspace, delivered(import_spec(at.workspace, recipe), at))
    reads = check(recipe, stage, args.text, not args.no_gold)
    given: dict[str, Any] = {name: value for name in _SETTINGS if (value := getattr(args, name)) is not None}
    given |= {"freeze_word_embeddings": True} if args.freeze_word_embeddings else {}
    params, name = build(PretrainParams, given, KIND), args.model or recipe.train.model
    model = begin_with(at.workspace, recipe, stage, name)
    run, reused = at.workspace.submit(spec_of(stage, reads, model.identity, params))
    if project.slug in projects.names(at.workspace):
        projects.record(at.workspace, project.slug, {"event": KIND, "run": run.id, "model": name})
    if not reused:
        minutes = {"minutes": f"{seconds(at.workspace, model.identity, params) / 60:.1f}"}
        at.say(message("line_pretrain_time", minutes, at.language))
    result_of(at.workspace, run, at.watch)
    found = outcome(at.workspace, run)
    return Answer({"run": run.id, "begins_with": name} | asdict(found), _text(found, at.language))


def _text(found: Outcome, language: str) -> str:
    rows = ", ".join(f"{role.removeprefix(TEXT)} {n}" for role, n in found.rows.items())
    read = {"rows": sum(found.rows.values()), "of": rows, "apart": found.held_out} | dict(found.left_out)
    codes = {"masked": "line_pretrain_masked", "causal": "line_pretrain_causal"}
    rates = {"before": f"{found.before:.1f}", "after": f"{found.after:.1f}"}
    lines = [message("line_pretrain_rows", read, language), message(codes[found.objective], rates, language)]
    lines += [message("line_pretrain_head", {}, language)] if found.head_made else []
    lines.append(message("line_pretrain_name", {"name": found.name}, language))
    return "\n".join(plain(line) for line in lines)
