"""`run` and `train`: from a recipe to scores."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from core.commands.answer import Answer, Setting
from core.dry_run import dry_run, to_json, to_text
from core.errors import CoreError
from core.output import (
    outcome_json,
    outcome_text,
)
from core.pipeline import Options, Outcome, carry_out
from core.recipe import check, load, placed
from core.sources import likely_task
from core.tasks import DEFAULT


def run(args: Namespace, at: Setting) -> Answer:
    recipe = load(Path(args.recipe), args.recipe)
    try:
        if args.dry_run:
            found = dry_run(at.workspace, recipe, at.watch)
            return Answer(to_json(found, at.language), to_text(found, at.language))
        outcome = carry_out(at.workspace, recipe, Options(not args.no_test, args.fresh, args.detach), at.watch)
    except CoreError as error:
        raise placed(error, recipe.lines, args.recipe) from None
    return _outcome(outcome, at)


def train(args: Namespace, at: Setting) -> Answer:
    """Gold only, without a recipe file."""
    options = {
        k: v for k, v in vars(args).items() if k in ("epochs", "steps", "learning_rate", "model") and v is not None
    }
    if args.data and (args.train or args.dev or args.test):
        raise CoreError("data_train_or_file", {}, "hint_data")
    if args.data:
        data: Any = args.data if args.data.startswith("corpus:") else {"train": args.data}
    else:
        data = {k: v for k, v in (("train", args.train), ("dev", args.dev), ("test", args.test)) if v}
    first = args.data or args.train or ""
    plain = {
        "version": 1,
        "task": args.task or (likely_task(at.workspace, first, Path.cwd()) if first else DEFAULT),
        "data": data,
        "language": args.language,
        "train": options | ({"seeds": args.seeds} if args.seeds else {}),
    }
    recipe = check(plain, Path.cwd(), args.project)
    return _outcome(
        carry_out(at.workspace, recipe, Options(bool(args.with_test), args.fresh, args.detach), at.watch), at
    )


def _outcome(outcome: Outcome, at: Setting) -> Answer:
    ended = {seed_run.run.state for seed_run in outcome.runs}
    status = 1 if ended & {"failed", "cancelled", "interrupted"} else 0
    return Answer(outcome_json(outcome, at.language), outcome_text(outcome, at.language), status)
