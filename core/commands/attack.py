"""`attack`: how easily a trained run is fooled by other words, or by other names in other words."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from core import attack as attacks
from core import corpus as corpora
from core.attack import ATTACKS, ROWS, SPLITS, Asked
from core.augment import params_of
from core.commands.answer import Answer, Setting, trained
from core.commands.data import side_by_side
from core.commands.options import command, count, param_option, param_values
from core.errors import CoreError, message
from core.output import attack_text, yields_text
from core.submit import result_of


def add_attack(commands: object) -> None:
    """Its arguments."""
    sub = command(
        commands, "attack", "how easily a trained run is fooled by other words, or by other names in other words",
        "Success rate, questions to the model, F1 before and after, on dev or on the rows it learned from; test is "
        "never attacked. The same command shows what was found. Methods: docs/recipe.md.",
    )  # fmt: skip
    sub.add_argument("run", metavar="RUN", help="a train run's id or the beginning of it")
    sub.add_argument("--split", choices=tuple(SPLITS), default="dev", help="default dev")
    sub.add_argument("--limit", type=count, default=ROWS, metavar="N", help=f"rows, drawn by label (default {ROWS})")
    sub.add_argument("--method", choices=tuple(ATTACKS), default="attack", help="default attack")
    param_option(sub)
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--show", type=int, default=5, metavar="N", help="children beside their rows (default 5)")


def attack(args: Namespace, at: Setting) -> Answer:
    """Attack a run, or read what an attack on it came to.

    Raises CoreError `run_ambiguous`, `run_has_no_model`, `attack_which_run`, `attack_no_rows`.
    """
    run = trained(args.run, at)
    given = param_values(args)
    if ATTACKS[args.method] in given:
        raise CoreError("attack_which_run", {"param": ATTACKS[args.method], "run": run.id})
    params_of(args.method, {ATTACKS[args.method]: f"run:{run.id}"} | given, "param")
    asked = Asked(run.id, args.method, args.split, args.limit, args.seed, given)
    made, parents = attacks.start(at.workspace, asked, Path.cwd())
    result = result_of(at.workspace, made, at.watch)
    found = attacks.attacked(at.workspace, made)
    if found is None:
        raise CoreError("attack_no_rows", {"run": run.id, "split": args.split})
    pool = corpora.read(at.workspace.corpus_path(result["corpus"]))
    data = {"run": run.id, "method": args.method, "split": args.split, "success": found.success}
    data |= asdict(found) | {"queries": dict(zip(("median", "mean"), found.queries, strict=True))}
    data |= {"rejected": result["rejected"], "corpus": pool.id}
    head = message("title_attack", {"run": run.id, "split": args.split, "method": args.method}, at.language)
    told = [head, attack_text(found, at.language), yields_text(len(pool), result["rejected"], at.language)]
    return Answer(data, "\n\n".join([*told, *filter(None, [side_by_side(parents, pool, args.show)])]))
