"""`list`, `show`, `cancel`, `resume`, `delete` and `restore`: the runs of the workspace."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict

from core.commands.answer import Answer, Setting, known
from core.errors import message
from core.jobs.dispatch import cancel as cancel_run
from core.jobs.folder import Run, last_metrics, tail
from core.jobs.trash import delete as delete_runs
from core.jobs.trash import restore as restore_runs
from core.output import (
    plain,
    table,
)
from core.submit import wait


def list_runs(args: Namespace, at: Setting) -> Answer:
    runs = at.workspace.store.list(kind=args.kind, state=args.state, limit=args.limit)
    heads = [message(c, {}, at.language) for c in ("col_run", "col_kind", "col_state", "col_attempt", "col_seconds")]
    rows = [[r.id, r.kind, message("state_" + r.state, {}, at.language), str(r.attempt), _seconds(r)] for r in runs]
    text = table([heads, *rows], right=(3, 4)) if rows else message("runs_none", {}, at.language)
    return Answer({"runs": [asdict(r) | {"seconds": r.seconds} for r in runs]}, text)


def _seconds(run: Run) -> str:
    return "-" if run.seconds is None else f"{run.seconds:.1f}"


def show(args: Namespace, at: Setting) -> Answer:
    """One run: what was asked, where it stands, how it went."""
    found = known(args.run, at)
    folder = at.workspace.run_folder(found.id)
    spec = json.loads((folder / "spec.json").read_text())
    metrics, log = last_metrics(folder), tail(folder / "log.txt")
    data = {"run": asdict(found), "spec": spec, "metrics": metrics[-20:], "log": log}
    words = [
        message(code, {}, at.language) for code in ("col_run", "col_kind", "col_state", "col_attempt", "col_seconds")
    ]
    state = message("state_" + found.state, {}, at.language)
    facts = [*zip(words, (found.id, found.kind, state, str(found.attempt), _seconds(found)), strict=True)]
    facts += [(role, value) for role, value in spec["inputs"].items()]
    facts += [(name, json.dumps(value, ensure_ascii=False)) for name, value in spec["params"].items()]
    lines = [table([("", ""), *facts]).split("\n", 2)[2]]
    if found.error:
        lines.append(message(str(found.error["code"]), found.error["values"], at.language))
    lines += [json.dumps(line, ensure_ascii=False) for line in metrics[-3:]]
    return Answer(data, "\n".join([*lines, *(plain(line) for line in log.split("\n")[-20:] if line)]))


def cancel(args: Namespace, at: Setting) -> Answer:
    runs = [known(run_id, at) for run_id in args.runs]
    for found in runs:
        cancel_run(at.workspace.root, found.id)
    ended = wait(at.workspace, [r.id for r in runs], at.watch)
    return _states(ended, at)


def resume(args: Namespace, at: Setting) -> Answer:
    """Queue runs that ended without success again; they go on in the background."""
    return _states([at.workspace.resubmit(known(run_id, at).id) for run_id in args.runs], at)


def _states(runs: Sequence[Run], at: Setting) -> Answer:
    lines = [f"{run.id}  {message('state_' + run.state, {}, at.language)}" for run in runs]
    return Answer({"runs": {run.id: run.state for run in runs}}, "\n".join(lines))


def delete(args: Namespace, at: Setting) -> Answer:
    """Move ended runs to the trash of the workspace."""
    ids = delete_runs(at.workspace.root, [known(run_id, at).id for run_id in args.runs])
    return Answer({"deleted": ids}, message("runs_deleted", {"runs": " ".join(ids)}, at.language))


def restore(args: Namespace, at: Setting) -> Answer:
    """Bring deleted runs back, by their whole ids."""
    ids = restore_runs(at.workspace.root, args.runs)
    return Answer({"restored": ids}, message("runs_restored", {"runs": " ".join(ids)}, at.language))
