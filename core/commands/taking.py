"""`tables`, `track`, `push`: a project's results for other programs, for trackers of experiments, and for a hub."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.commands.answer import MODELS, Answer, Setting, asked_project, known, trained
from core.commands.options import command
from core.errors import message
from core.output import size_text, table
from core.trackers import TRACKERS, sender


def add_taking(commands: object) -> None:
    """The arguments of the three."""
    sub = command(
        commands, "tables", "write a project's runs, scores and mixes as tables",
        "For pandas, datasets, a database or a spreadsheet; docs/trackers.md says what stands in them.",
    )  # fmt: skip
    sub.add_argument("project", metavar="PROJECT|RECIPE", help="a project, as `projects` lists it, or a YAML file")
    sub.add_argument("--format", choices=("parquet", "arrow", "csv"), default="parquet", help="default parquet")
    sub.add_argument("--out", required=True, metavar="DIR", help="a folder; files of these names are replaced")
    sub.add_argument("--mix", default="", metavar="MIX", help="also write the rows that this mix was trained on, "
                     "with their text")  # fmt: skip
    sub = command(
        commands, "track", "tell a tracker of experiments how trainings went: MLflow or TensorBoard",
        "Settings, mix, curves, scores, model card, recipe, report. What was told before is brought up to date. "
        "Credentials are taken from MLflow's own variables; docs/trackers.md.",
    )  # fmt: skip
    sub.add_argument("names", nargs="+", metavar="PROJECT|RUN", help="a project, or ids of trainings (or their "
                     "beginnings)")  # fmt: skip
    sub.add_argument("--to", required=True, choices=tuple(TRACKERS), help="which tracker")
    sub.add_argument("--address", required=True, metavar="URI|FOLDER", help="MLflow: http(s)://... or "
                     "sqlite:///FILE; TensorBoard: the folder that it is started with")  # fmt: skip
    sub.add_argument("--experiment", default="", metavar="NAME", help="default: the project's title")
    sub = command(
        commands, "push", "send a trained run to a model hub, with its model card and the project's report",
        "Private unless --public. The token is the hub's own (HF_TOKEN, or `hf auth login`); docs/trackers.md.",
    )  # fmt: skip
    sub.add_argument("run", metavar="RUN", help="a train run's id or the beginning of it")
    sub.add_argument("--to", required=True, metavar="ORG/NAME", help="the repository; made where there is none")
    sub.add_argument("--public", action="store_true", help="let everybody read it")
    sub.add_argument("--card-only", action="store_true", help="model card, recipe and report, without the weights")
    sub.add_argument("--quote-sentences", action="store_true", help="let the report quote sentences of the data")


def tables(args: Namespace, at: Setting) -> Answer:
    """Write the tables of a project. Raises CoreError as core.tables.tables and core.table_files.write do."""
    from core.table_files import write
    from core.tables import tables as gathered

    project = asked_project(args.project, at)
    found = gathered(at.workspace, project, args.mix)
    paths = write(found, args.format, Path(args.out))
    files: dict[str, Any] = {
        name: {"file": str(path), "rows": found[name].num_rows, "bytes": path.stat().st_size}
        for name, path in zip(found, paths, strict=True)
    }
    heads = [message(code, {}, at.language) for code in ("col_table", "col_rows", "col_size", "col_file")]
    rows = [[name, str(of["rows"]), size_text(of["bytes"]), of["file"]] for name, of in files.items()]
    return Answer({"project": project.slug, "format": args.format, "tables": files}, table([heads, *rows], (1, 2)))


def track(args: Namespace, at: Setting) -> Answer:
    """Tell a tracker of projects or trainings. Raises CoreError as core.trackers' functions do."""
    from core.trackers.asked import asked
    from core.trackers.described import told, told_report

    sent: list[str] = []
    for of in asked(at.workspace, args.names, lambda name: known(name, at)):
        found = told(at.workspace, of)
        if of.project is not None and not of.runs:
            found += told_report(at.workspace, of.project, at.language)

        def progress(done: int, all: int = len(found)) -> None:
            at.say(message("line_tracked_one", {"done": done, "all": all}, at.language))

        sent += sender(args.to)(found, args.address, args.experiment, progress)
    values = {"count": len(sent), "address": args.address}
    return Answer({"to": args.to, "address": args.address, "sent": sent}, message("line_tracked", values, at.language))


def push(args: Namespace, at: Setting) -> Answer:
    """Send a trained run to a hub. Raises CoreError as core.push.push does."""
    from core.push import Push
    from core.push import push as send

    wanted = Push(args.to, args.public, args.card_only, args.quote_sentences)
    done = send(at.workspace, trained(args.run, at, MODELS).id, wanted, at.language, at.watch)
    code = "line_pushed_private" if done.private else "line_pushed_public"
    return Answer(asdict(done), message(code, {"address": done.address, "count": len(done.files)}, at.language))
