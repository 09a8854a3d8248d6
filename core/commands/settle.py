"""`settle` and `confirm`: repeats added until a question is settled, and the best of many mixes tried again."""

import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from core import confirm as confirming
from core import contrast
from core import project as projects
from core.commands.answer import Answer, Setting
from core.confirm import Confirmation
from core.errors import CoreError, Value, message
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN
from core.groups import Group
from core.output import plain
from core.repeats import group_now
from core.settle import SettleParams, ask
from core.submit import result_of, wait


def settle(args: Namespace, at: Setting) -> Answer:
    """Ask a question about two mixes, and wait for the answer. Raises CoreError as core.settle does."""
    project = projects.load(at.workspace, args.project)
    found = contrast.finished(at.workspace, project.slug)
    titles = contrast.titles(found)
    baseline, other = (contrast.named(found, name) for name in (args.baseline, args.mix))
    ids = (project.slug, baseline.id, other.id)
    params = SettleParams(time.time_ns(), *ids, args.label, args.metric, args.margin, args.start, args.budget)
    run = ask(at.workspace, params)
    names = {"mix": titles[other.id], "baseline": titles[baseline.id]}
    data = {"run": run.id, "project": project.slug, **names, "label": args.label or None, "metric": args.metric}
    data |= {"margin": args.margin, "budget": args.budget}
    if args.detach:
        return Answer(data | {"verdict": None}, message("line_settle_detached", {"run": run.id}, at.language))
    result = result_of(at.workspace, run, at.watch)
    return Answer(data | result, plain(_answer(params, names, result, at.language)))


def _answer(params: SettleParams, names: Mapping[str, str], result: Mapping[str, Any], language: str) -> str:
    about = {"metric": message(f"col_{params.metric}", {}, language), "label": params.label}
    low, high = result["interval"] or (None, None)
    values: dict[str, Value] = {
        **names,
        "question": message("question_label" if params.label else "question_all", about, language),
        "points": _points(result["value"]),
        "low": _points(low),
        "high": _points(high),
        "p": _p(result["p"]),
        "margin": f"{100 * params.margin:g}",
        "before": result["baseline_repeats"],
        "after": result["other_repeats"],
    }
    says = message(f"settle_{result['verdict']}", values, language)
    added = message("settle_added", {"added": result["added"], "saved": result["saved"]}, language)
    return ("" if language == "zh_CN" else " ").join([says, added])


def confirm(args: Namespace, at: Setting) -> Answer:
    """Train the best mix again on fresh seeds, or go on with that, and wait. Exit 1 where a repeat did not end well.

    Raises CoreError `confirm_nobody`, `settle_not_comparable`, and as core.confirm does.
    """
    project = projects.load(at.workspace, args.project).slug
    found = contrast.finished(at.workspace, project)
    if not found:
        raise CoreError("nothing_to_compare", {"project": project}, "hint_nothing_to_compare")
    baseline = contrast.named(found, args.baseline) if args.baseline else contrast.gold_only(found) or found[0]
    candidates = contrast.by_dev(at.workspace, [g for g in found if g.id != baseline.id and _alike(g, baseline)])
    if not args.mix and not candidates:
        raise CoreError("confirm_nobody", {"project": project, "least": ENOUGH_SEEDS})
    group = contrast.named(found, args.mix) if args.mix else candidates[0]
    if group.id == baseline.id or not _alike(group, baseline):
        raise CoreError("settle_not_comparable", {"mix": group.name, "baseline": baseline.name})
    ids = [] if args.again else confirming.go_on(at.workspace, project, group, baseline)
    if not ids:
        of = len({group.id, *(one.id for one in candidates)})
        ids = confirming.confirm(at.workspace, project, group, baseline, of, args.repeats)
    ended = [] if args.detach else wait(at.workspace, ids, at.watch)
    now = confirming.confirmation(
        at.workspace, project, group_now(at.workspace, project, group.id), group_now(at.workspace, project, baseline.id)
    )
    assert now is not None
    titles = contrast.titles(found)
    names = {"mix": titles[group.id], "baseline": titles[baseline.id]}
    status = 1 if any(run.state != "succeeded" for run in ended) else 0
    data = {"project": project, **names, "runs": ids, **confirmed_json(now)}
    return Answer(data, plain(confirmed_text(now, names, at.language)), status)


def _alike(group: Group, baseline: Group) -> bool:
    return not contrast.other_splits(group, baseline)


def confirmed_json(found: Confirmation) -> dict[str, Any]:
    """A confirmation as JSON."""
    fresh = found.fresh and {"value": found.fresh.value, "error": found.fresh.error, "interval": found.fresh.interval}
    return asdict(found) | {"fresh": fresh, "shrinkage": found.shrinkage}


def confirmed_text(found: Confirmation, names: Mapping[str, str], language: str) -> str:
    """What fresh repeats say. `names`: what is confirmed, under `mix`, and its `baseline`."""
    values: dict[str, Value] = {**names, "of": found.of, "first": _points(found.first), "n": found.finished}
    values |= {"asked": found.asked, "margin": f"{100 * MARGIN:g}"}
    if found.fresh is None or found.shrinkage is None or found.verdict is None:
        return message("line_confirm_waits", values, language)
    low, high = found.fresh.interval or (None, None)
    values |= {"fresh": _points(found.fresh.value), "low": _points(low), "high": _points(high)}
    values |= {"shrinkage": f"{100 * found.shrinkage:.1f}"}
    parts = [
        message("line_confirm", values, language),
        message("confirm_flattered" if found.shrinkage > 0 else "confirm_held", values, language),
        message(f"confirm_{found.verdict}", values, language),
    ]
    return ("" if language == "zh_CN" else " ").join(parts)


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+z.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
