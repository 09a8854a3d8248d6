"""`list`, `show`, `cancel`, `resume`, `move`, `delete` and `restore`: the runs of the workspace."""

import json
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from core import bulk, history, traces
from core import estimate as estimates
from core import project as projects
from core.board import Entry, board, places
from core.commands.answer import Answer, Setting, known
from core.commands.board import named
from core.commands.explaining import explain
from core.errors import CoreError, Value, message
from core.jobs.folder import Run, last_metrics, read_object, stalled_file, tail
from core.jobs.trash import delete as delete_runs
from core.jobs.trash import restore as restore_runs
from core.output import plain, prompted_lines, size_text, table
from core.pace import time_left
from core.prompting.prompted import told_in
from core.submit import wait
from core.training.first_batch import FILE as FIRST_BATCH
from core.training.first_batch import of_json

_SENTENCES = 3  # of the first batch


def list_runs(args: Namespace, at: Setting) -> Answer:
    runs = at.workspace.store.list(kind=args.kind, state=args.state, limit=args.limit)
    heads = [message(c, {}, at.language) for c in ("col_run", "col_kind", "col_state", "col_attempt", "col_seconds")]
    rows = [[r.id, r.kind, message("state_" + r.state, {}, at.language), str(r.attempt), _seconds(r)] for r in runs]
    text = table([heads, *rows], right=(3, 4)) if rows else message("runs_none", {}, at.language)
    return Answer({"runs": [asdict(r) | {"seconds": r.seconds} for r in runs]}, text)


def _seconds(run: Run) -> str:
    return "-" if run.seconds is None else f"{run.seconds:.1f}"


def show(args: Namespace, at: Setting) -> Answer:
    """One run: what was asked, where it stands, how it went, what it used, and what it saw first."""
    found = known(args.run, at)
    if args.explain or args.step is not None:
        return explain(found, args.step, at)
    folder = at.workspace.run_folder(found.id)
    spec = json.loads((folder / "spec.json").read_text())
    metrics, log = last_metrics(folder), tail(folder / "log.txt")
    told, used = history.told(folder), traces.usage(folder)
    batch = read_object(folder / FIRST_BATCH)
    took, asked = estimates.took(at.workspace, found), told_in(read_object(folder / "result.json") or {})
    left = time_left(at.workspace).get(found.id) if found.pending else None
    data = {
        "run": asdict(found),
        "spec": spec,
        "metrics": metrics[-20:],
        "seconds_left": left,
        "place": places(at.workspace).get(found.id) if found.pending else None,
        "stalled": stalled_file(folder, found.attempt).exists(),
        "events": [{"t": one.time, "code": one.code, "text": one.words(at.language)} for one in told],
        "resources": _used(used),
        "first_batch": batch,
        "estimate": None if took is None else asdict(took),
        "prompted": None if asked is None else asked.to_json(),
        "log": log,
    }
    words = [
        message(code, {}, at.language) for code in ("col_run", "col_kind", "col_state", "col_attempt", "col_seconds")
    ]
    state = message("state_" + found.state, {}, at.language)
    facts = [*zip(words, (found.id, found.kind, state, str(found.attempt), _seconds(found)), strict=True)]
    if left is not None:
        facts.append((message("col_left", {}, at.language), f"{left:.0f}"))
    facts += [(role, value) for role, value in spec["inputs"].items()]
    facts += [(name, json.dumps(value, ensure_ascii=False)) for name, value in spec["params"].items()]
    lines = [table([("", ""), *facts]).split("\n", 2)[2]]
    if found.error:
        lines.append(message(str(found.error["code"]), found.error["values"], at.language))
    lines += [f"{_clock(one.time)}  {plain(one.words(at.language))}" for one in told]
    lines += [_used_text(used, at.language)] if used.samples else []
    lines += [_took_text(took, at.language)] if took is not None else []
    lines += prompted_lines(asked, at.language) if asked is not None else []
    lines += _batch_text(batch, at.language) if batch else []
    lines += [json.dumps(line, ensure_ascii=False) for line in metrics[-3:]]
    return Answer(data, "\n".join([*lines, *(plain(line) for line in log.split("\n")[-20:] if line)]))


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _used(found: traces.Usage) -> dict[str, Any] | None:
    """Means and highest figures of what a run used, over all its attempts."""
    if not found.samples:
        return None
    busy = [one.gpu for one in found.samples if one.gpu is not None]
    return {
        "samples": len(found.samples),
        "seconds": found.samples[-1].seconds,
        "cores": sum(one.cpu for one in found.samples) / len(found.samples),
        "memory": max(one.memory for one in found.samples),
        "gpu": sum(busy) / len(busy) if busy else None,
        "gpu_memory": max((one.gpu_memory for one in found.samples if one.gpu_memory is not None), default=None),
    }


def _used_text(found: traces.Usage, language: str) -> str:
    used = _used(found) or {}
    text = message("line_used", {"cores": round(used["cores"], 1), "megabytes": used["memory"] >> 20}, language)
    if used["gpu"] is None or used["gpu_memory"] is None:
        return text
    values = {"percent": round(100 * used["gpu"]), "megabytes": used["gpu_memory"] >> 20}
    return text + " " + message("line_used_gpu", values, language)


def _took_text(found: estimates.Took, language: str) -> str:
    """What was expected of a run, and what it took."""
    told = found.expected
    values: dict[str, Value] = {
        "seconds": round(told.seconds),
        "memory": size_text(told.memory),
        "disk": size_text(told.disk),
        "took_seconds": "-" if found.seconds is None else round(found.seconds),
        "took_memory": "-" if found.memory is None else size_text(found.memory),
        "took_disk": "-" if found.disk is None else size_text(found.disk),
    }
    return message("line_took", values, language)


def _batch_text(kept: Mapping[str, Any], language: str) -> list[str]:
    """The first batch as a sentence, and its first sentences with the labels that are learned."""
    batch = of_json(kept)
    lines = [message("line_first_batch", {"rows": batch.rows, "longest": batch.longest}, language)]
    for sentence in batch.sentences[:_SENTENCES]:
        pieces = (f"{p.text}/{p.label}" if p.label else f"({p.text})" for p in sentence.pieces)
        lines.append("  " + plain(" ".join(pieces)))
    return lines


def _asked(names: Sequence[str], act: Literal["cancel", "resume", "delete", "move"], at: Setting) -> list[str]:
    """The runs that are named, and of groups (PROJECT/GROUP) those with which the act can be done."""
    ids: list[str] = []
    entries: Sequence[Entry] = board(at.workspace, projects.names(at.workspace)) if "/" in "".join(names) else ()
    for name in names:
        if "/" in name:
            ids += getattr(bulk.touched(at.workspace, [named(entries, name)]), act)
        else:
            ids.append(known(name, at).id)
    return list(dict.fromkeys(ids))


def cancel(args: Namespace, at: Setting) -> Answer:
    ids = _asked(args.runs, "cancel", at)
    for id in ids:
        at.workspace.store.cancel(id)
    return _states(wait(at.workspace, ids, at.watch), at)


def resume(args: Namespace, at: Setting) -> Answer:
    """Queue runs that ended without success again; they go on in the background."""
    runs = [at.workspace.queue_again(id) for id in _asked(args.runs, "resume", at)]
    at.workspace.dispatch()
    return _states(runs, at)


def move(args: Namespace, at: Setting) -> Answer:
    """Bring runs that wait to the front or the end of the line. Raises CoreError `run_not_waiting`."""
    ids = _asked(args.runs, "move", at)
    for run in at.workspace.store.find(ids):
        if run.state != "queued":
            raise CoreError("run_not_waiting", {"run": run.id, "state": run.state})
    at.workspace.store.move(ids, "first" if args.first else "last")
    line = places(at.workspace)
    lines = [f"{id}  {message('line_place', {'place': line.get(id)}, at.language)}" for id in ids]
    return Answer({"places": {id: line.get(id) for id in ids}}, "\n".join(lines))


def _states(runs: Sequence[Run], at: Setting) -> Answer:
    lines = [f"{run.id}  {message('state_' + run.state, {}, at.language)}" for run in runs]
    return Answer({"runs": {run.id: run.state for run in runs}}, "\n".join(lines))


def delete(args: Namespace, at: Setting) -> Answer:
    """Move ended runs to the trash of the workspace."""
    ids = delete_runs(at.workspace.root, _asked(args.runs, "delete", at))
    return Answer({"deleted": ids}, message("runs_deleted", {"runs": " ".join(ids)}, at.language))


def restore(args: Namespace, at: Setting) -> Answer:
    """Bring deleted runs back, by their whole ids."""
    ids = restore_runs(at.workspace.root, args.runs)
    return Answer({"restored": ids}, message("runs_restored", {"runs": " ".join(ids)}, at.language))
