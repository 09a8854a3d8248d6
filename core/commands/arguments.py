"""The arguments of `python -m core`."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import NoReturn, get_args

from core.augment import AUGMENTERS
from core.commands.beginning import add_pretrain
from core.commands.comparing import add_comparing
from core.commands.delivering import add_delivering
from core.commands.options import command, count, numbers, param_option, rule
from core.commands.taking import add_taking
from core.commands.why import add_why
from core.errors import CoreError
from core.runs import KINDS, State
from core.tasks import TASKS

_EPILOG = """\
A first look, from a clean clone:

  python -m core run docs/recipes/harbour.yaml        the main job, on the sample corpus
  python -m core import --name mine --train a.conll --dev b.conll --test c.conll
  python -m core augment corpus:mine --method mention_replacement --show 5
  python -m core train --data corpus:mine --epochs 2 --seeds 0,1

Exit status: 0 all runs succeeded; 1 a run ended failed, cancelled or interrupted (the same command resumes it);
2 something in recipe, files, model folder or workspace needs mending; 130 interrupted.
"""
CLEAN = ("spare_checkpoints", "checkpoints", "weights", "logs", "archives", "features", "cache", "unused")
_ON_RUNS = (
    ("cancel", "cancel runs; what they have done so far is kept", ""),
    ("resume", "go on with runs that ended without success", "From the last checkpoint, in the background."),
    ("delete", "move ended runs to the workspace's trash", "`restore` brings them back."),
)
_SORTS = ("newest", "dev", "name", "state", "left")
_RUNS_HELP = "a run's id or the beginning of it, or PROJECT/GROUP as `board` lists it"


class _Parser(ArgumentParser):
    """A parser whose complaints are errors like all others: one line, and an object with --json."""

    def error(self, message: str) -> NoReturn:
        raise CoreError("usage", {"command": self.prog, "what": message}, "hint_usage")


def parser() -> ArgumentParser:
    top = _Parser(
        prog="python -m core",
        description="Peibi: mix labelled data, fine-tune on it, and see per-entity precision and recall.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_import(commands)
    _add_augment(commands)
    _add_compose(commands)
    _add_forecast(commands)
    _add_blame(commands)
    _add_label_next(commands)
    add_pretrain(commands)
    _add_train(commands)
    _add_projects(commands)
    add_comparing(commands)
    _add_runs(commands)
    _add_rest(commands)
    add_taking(commands)
    _add_care(commands)
    return top


def _add_run(commands: object) -> None:
    sub = command(
        commands, "run", "carry out a recipe: import, augment, mix, train all seeds, score",
        "What was done before is reused; what was interrupted goes on from its last checkpoint.",
    )  # fmt: skip
    sub.add_argument("recipe", metavar="RECIPE", help="a YAML file, see docs/recipe.md")
    sub.add_argument(
        "--no-test", action="store_true", help="leave the test split closed (otherwise the look at it is recorded)"
    )
    sub.add_argument("--dry-run", action="store_true", help="train nothing: say what the mix comes to, and the time, "
                     "memory and disk that training it will take")  # fmt: skip
    _fresh(sub)


def _fresh(sub: ArgumentParser) -> None:
    sub.add_argument("--fresh", action="store_true", help="a deliberate replicate: nothing is reused")
    sub.add_argument(
        "--detach", action="store_true", help="submit and return at once; the runs go on in the background"
    )


def _add_import(commands: object) -> None:
    sub = command(commands, "import", "read labelled files, check them, and remember them under a name")
    sub.add_argument(
        "file", nargs="?", metavar="FILE", help="one file: a pool, or all splits with --split-dev and --split-test"
    )
    for split in ("train", "dev", "test"):
        sub.add_argument(f"--{split}", metavar="FILE", help=f"the {split} split (see --format)")
    sub.add_argument("--name", help="recipes then call it corpus:NAME")
    sub.add_argument("--split-dev", type=float, metavar="SHARE", help="share of FILE that becomes dev, e.g. 0.1")
    sub.add_argument("--split-test", type=float, metavar="SHARE", help="share of FILE that becomes test")
    sub.add_argument("--split-seed", type=int, metavar="N", help="seed of the split (default 0)")
    sub.add_argument("--train-rows", type=int, metavar="N", help="a quick look: N rows of train, drawn by label")
    sub.add_argument("--language", default="en", help="language of the text, e.g. en or zh (default en)")
    _task(sub)
    sub.add_argument("--format", help="conll or jsonl; of labelled texts csv, jsonl or parquet (default: recognised)")
    sub.add_argument("--unlabelled", action="store_const", const=True, help="FILE is text without labels: plain lines, "
                     "or rows whose labels are left aside; only for ingredients")  # fmt: skip
    sub.add_argument("--scheme", help="IO, IOB1, IOB2 or BIOES (default: recognised)")
    sub.add_argument("--separator", help="tab or space; of CSV comma, tab, semicolon or pipe (default: recognised)")
    sub.add_argument("--columns", action="append", default=[], metavar="ROLE=NAME", help="the column, or key of JSON "
                     "records, that holds text, labels, tokens, tags or spans; repeatable")  # fmt: skip
    sub.add_argument("--label-separator", metavar="MARK", help="between several labels of one cell; none: a cell is "
                     "one label (default: | or ; where the file has one)")  # fmt: skip
    sub.add_argument("--token-column", type=int, metavar="N", help="from 0 (default 0)")
    sub.add_argument("--tag-column", type=int, metavar="N", help="from 0, negative from the end (default -1)")
    sub.add_argument("--issues", metavar="FILE", help="write every issue to FILE as JSON Lines")


def _task(sub: ArgumentParser) -> None:
    sub.add_argument("--task", choices=tuple(TASKS), metavar="TASK", help=f"{', '.join(TASKS)} (default: what the "
                     "corpus was imported for, or what the file looks like)")  # fmt: skip


def _add_augment(commands: object) -> None:
    sub = command(commands, "augment", "make children of a file's rows by one method and show what changed")
    sub.add_argument("source", metavar="FILE|corpus:NAME", help="labelled rows")
    sub.add_argument("--method", required=True, help=", ".join(AUGMENTERS))
    param_option(sub)
    _task(sub)
    sub.add_argument("--unlabelled", action="store_true", help="FILE is text without labels: plain lines, or rows "
                     "whose labels are left aside")  # fmt: skip
    sub.add_argument("--gold", metavar="corpus:NAME", help="the data that FILE is to join: rows that stand in its dev "
                     "or test are left out")  # fmt: skip
    sub.add_argument("--copies", type=int, default=1, help="children per row (default 1)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--language", default="en", help="language of the text (default en)")
    sub.add_argument("--out", metavar="FILE", help="write the children to FILE (.conll, .csv, .jsonl or .parquet)")
    sub.add_argument(
        "--show", type=int, default=5, metavar="N", help="children to show beside their parents (default 5)"
    )
    sub.add_argument(
        "--links",
        type=int,
        default=0,
        metavar="N",
        help="pairs to show: what words became, the most frequent first",
    )


def _add_compose(commands: object) -> None:
    sub = command(
        commands, "compose", "what a mix would consist of, without training",
        "Pools that are missing are built first.",
    )  # fmt: skip
    _one_mix(sub)


def _one_mix(sub: ArgumentParser) -> None:
    sub.add_argument("recipe", nargs="?", metavar="RECIPE", help="a YAML file, see docs/recipe.md")
    sub.add_argument("--project", metavar="NAME", help="a project of the workspace, instead of a recipe")
    sub.add_argument("--mix", metavar="NAME", help="one of the project's named mixes (default: the one last saved)")


def _add_forecast(commands: object) -> None:
    sub = command(
        commands, "forecast", "what a mix is likely to do to each label, beside gold only, before it is trained",
        "Pools are built and an encoder is warmed up first, where that was not done. Of a project, the mixes that it "
        "trained correct the forecast. See docs/forecast.md.",
    )  # fmt: skip
    _one_mix(sub)


def _add_blame(commands: object) -> None:
    sub = command(
        commands, "blame", "the rows of an ingredient that seem to hurt a project's mix, the worst first",
        "By the forecast, in closed form: a suspicion, which a training has to confirm. See docs/forecast.md.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("ingredient", metavar="INGREDIENT", help="one that the mix draws")
    sub.add_argument("--mix", metavar="NAME", help="one of the project's named mixes (default: the one last saved)")
    sub.add_argument("--label", default="", metavar="L", help="look at the error on one label (default: on all)")
    sub.add_argument("--top", type=int, default=40, metavar="N", help="rows to show (default 40)")
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--reject", action="store_true", help="leave those out, and build the pool again")
    what.add_argument("--confirm", type=count, nargs="?", const=5, metavar="N", help="train the mix with and without "
                      "them on N fresh seeds (default 5), and say what that shows")  # fmt: skip
    sub.set_defaults(recipe=None)


def _add_label_next(commands: object) -> None:
    sub = command(
        commands, "label-next", "rows of text without labels whose labels would help a weak label most, the best first",
        "By the forecast. The text is an ingredient of the project, read with `unlabelled`. See docs/forecast.md.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("--mix", metavar="NAME", help="one of the project's named mixes (default: the one last saved)")
    sub.add_argument("--label", metavar="L", help="the label that is to gain (default: the one with the lowest recall "
                     "that is forecast, of those with 30 mentions in dev)")  # fmt: skip
    sub.add_argument("--from", dest="source", metavar="INGREDIENT", help="the text (default: the first there is)")
    sub.add_argument("--rows", type=count, default=50, metavar="N", help="how many (default 50)")
    sub.add_argument("--seconds", type=float, metavar="S", help="what labelling a row takes you: the time is told")
    sub.add_argument("--out", metavar="FILE", help="write them to FILE (.csv, .jsonl; of words with tags .conll, too)")
    sub.set_defaults(recipe=None)


def _add_train(commands: object) -> None:
    sub = command(commands, "train", "fine-tune on gold only, without a recipe file")
    sub.add_argument(
        "--data", metavar="FILE|corpus:NAME", help="labelled rows; without a dev split 10 %% are split off"
    )
    for split in ("train", "dev", "test"):
        sub.add_argument(f"--{split}", metavar="FILE", help=f"the {split} split, instead of --data")
    sub.add_argument(
        "--model",
        help="a bundled model, a folder with safetensors, or a hub id "
        "(default all-MiniLM-L6-v2 where --language is en, else multilingual-e5-small)",
    )
    sub.add_argument("--epochs", type=float, help="passes over the data (default 4)")
    sub.add_argument("--steps", type=int, help="optimiser steps, instead of --epochs")
    sub.add_argument("--learning-rate", type=float, help="default 2e-4")
    sub.add_argument("--seeds", type=numbers, metavar="N,N", help="comma-separated, e.g. 0,1,2 (default 0 to 7)")
    _task(sub)
    sub.add_argument("--language", default="en", help="language of the text (default en)")
    sub.add_argument("--project", default="train", help="where looks at the test split are recorded (default: train)")
    sub.add_argument("--with-test", action="store_true", help="look at the test split too")
    _fresh(sub)


def _add_projects(commands: object) -> None:
    sub = command(commands, "projects", "the projects of the workspace, the last changed first")
    sub.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default 50)")
    sub = command(commands, "sample", "open a sample as a project, with its finished runs")
    sub.add_argument("name", metavar="NAME", help="newsroom, newsroom_zh or bikes")


def _add_runs(commands: object) -> None:
    sub = command(
        commands, "board", "the groups of the workspace (a mix and its repeats), as the Runs page lists them",
        "Commands on runs take PROJECT/GROUP for all runs of a group.",
    )  # fmt: skip
    sub.add_argument("--project", metavar="NAME", help="the groups of one project (default: all)")
    sub.add_argument(
        "--search", metavar="TEXT", help="in the mix's name, or 6 characters or more of a group's or run's id"
    )
    sub.add_argument("--state", choices=get_args(State), metavar="STATE", help="groups with a run in this state")
    sub.add_argument("--sort", choices=_SORTS, default="newest", help="default newest; dev: the best first")
    sub.add_argument("--limit", type=int, default=25, metavar="N", help="at most so many (default 25)")
    sub.add_argument("--page", type=int, default=1, metavar="N", help="the N-th so many (default 1)")
    sub.add_argument("--group", metavar="GROUP", help="one group with its repeats: its id or the beginning of it")
    sub = command(commands, "list", "the runs of the workspace, newest first")
    sub.add_argument("--kind", choices=tuple(KINDS), metavar="KIND", help=", ".join(KINDS))
    sub.add_argument(
        "--state",
        choices=get_args(State),
        metavar="STATE",
        help="queued, running, succeeded, failed, cancelled or interrupted",
    )
    sub.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (default 50)")
    sub = command(commands, "show", "one run: what was asked, where it stands, what happened to it, what it used")
    sub.add_argument("run", metavar="RUN", help="a run's id or the beginning of it")
    sub.add_argument("--explain", action="store_true", help="what a step of a training computes, with its own numbers")
    sub.add_argument("--step", type=int, metavar="N", help="the step that is explained (default: the newest)")
    for name, says, more in _ON_RUNS:
        sub = command(commands, name, says, more)
        sub.add_argument("runs", nargs="+", metavar="RUN", help=_RUNS_HELP)
    sub = command(commands, "move", "bring runs that wait to the front or the end of the line")
    sub.add_argument("runs", nargs="+", metavar="RUN", help=_RUNS_HELP)
    where = sub.add_mutually_exclusive_group(required=True)
    where.add_argument("--first", action="store_true", help="they are started next, in the order given")
    where.add_argument("--last", action="store_true", help="all others come first")
    sub = command(commands, "restore", "bring deleted runs back")
    sub.add_argument("runs", nargs="+", metavar="RUN", help="a run's whole id")


def _add_rest(commands: object) -> None:
    sub = command(commands, "score", "precision, recall and F1 per label of a predictions file or of a trained run")
    sub.add_argument(
        "source",
        metavar="FILE|RUN",
        help="CoNLL with the columns token, gold, predicted, or CSV with text, gold, "
        "predicted; or a run's id (its dev)",
    )
    rule(sub)
    add_delivering(commands)
    add_why(commands)
    sub = command(commands, "features", "what an encoder makes of every word of a file, as files for numpy")
    sub.add_argument("source", metavar="FILE|corpus:NAME", help="labelled rows")
    sub.add_argument("--model", help="the encoder (default: that of `train` for the language of the text)")
    sub.add_argument("--layers", type=numbers, metavar="N,N", help="hidden states kept (default 0,2,4,6)")
    _task(sub)
    sub.add_argument("--language", default="en", help="language of the text (default en)")


def _add_care(commands: object) -> None:
    sub = command(
        commands, "disk", "what takes room in the workspace; clean up, undo that, empty the trash",
        "What is cleaned up goes to the trash and comes back with --undo; only emptying the trash frees room.",
    )  # fmt: skip
    what = sub.add_mutually_exclusive_group()
    tables = ("kind", "project", "corpus", "run", "model", "trash")
    what.add_argument("--by", choices=tables, default="kind", help=f"{', '.join(tables)} (default kind)")
    what.add_argument("--clean", action="append", choices=CLEAN, metavar="CHOICE", help=f"{', '.join(CLEAN)}; "
                      "repeatable; without --yes only says what would go and what that costs")  # fmt: skip
    what.add_argument("--undo", metavar="ENTRY", help="bring back an entry of the trash, as --by trash lists it")
    what.add_argument("--empty-trash", action="store_true", help="for good; without --yes only says what would go")
    sub.add_argument("--yes", action="store_true", help="do it")
    sub.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many lines (default 50)")
    sub = command(commands, "export", "write a project with its data and finished runs into one file")
    sub.add_argument("project", metavar="PROJECT", help="its name, as `projects` lists it")
    sub.add_argument("--out", required=True, metavar="FILE", help="the archive, a zip file")
    sub.add_argument("--weights", action="store_true", help="with the trained models of its runs")
    sub.add_argument("--models", action="store_true", help="with the encoders that its runs began with")
    sub = command(
        commands, "unpack", "bring a project in from an archive that `export` wrote",
        "Everything in it is checked first; what is here already stays as it is.",
    )  # fmt: skip
    sub.add_argument("file", metavar="FILE", help="an archive")
    sub = command(commands, "doctor", "check this installation and the workspace, and mend it")
    sub.add_argument("--mend", action="store_true", help="mend what is found; what is set aside goes to the trash")
    sub.add_argument("--selftest", action="store_true", help="also carry out a small run from submit to result")
    sub.add_argument("--selftest-seed", type=int, default=0, metavar="N", help="another seed is another run")
