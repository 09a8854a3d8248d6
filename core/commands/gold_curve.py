"""`curve`: gold's learning curve, and what the mixes of a project are worth in labelled sentences."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from core import contrast, groups
from core.commands.answer import Answer, Setting, asked_project, delivered
from core.errors import message
from core.evaluation.scoring import interval
from core.evaluation.worth import Curve, Resampled, Worth, learning_curve
from core.gold_curve import (
    CurvePlan,
    GoldCurve,
    candidates,
    checked,
    curve_of,
    judged,
    launch_curve,
    plan_curve,
    points_of,
    resampled,
    sizes_of,
    worth_words,
)
from core.mix import GOLD
from core.output import plain, table
from core.project import Project
from core.scores import Interval
from core.sources import import_spec
from core.stage import imported
from core.submit import raise_mendable, wait

Point = tuple[float, Interval]  # mean F1 and its 95 % interval


def curve(args: Namespace, at: Setting) -> Answer:
    """Train what is missing of the curve, wait, and tell each mix's worth. Exit 1 where a training did not end well.

    Raises CoreError `project_unknown`, `curve_size`, `curve_small`, `steps_missing`, and those of models.
    """
    project = asked_project(args.project, at)
    stage = imported(at.workspace, delivered(import_spec(at.workspace, project.recipe), at))
    rows = len(stage.pools[GOLD])
    sizes = checked(args.sizes, rows) if args.sizes else sizes_of(rows)
    planned = plan_curve(at.workspace, project, stage, sizes, args.seeds)
    ids = launch_curve(at.workspace, project, stage, planned)
    data = {"project": project.slug, "split": args.split, "gold": rows, "runs": planned.runs, "launched": ids}
    if args.detach:
        return Answer(data | {"points": [], "worth": []}, _launched(planned, at.language))
    ended = wait(at.workspace, ids, at.watch)
    raise_mendable(ended)
    status = 1 if any(run.state != "succeeded" for run in ended) else 0
    found = _curve(at, project, planned.full, args.split)
    if found is None or not found.enough:
        have = 0 if found is None else len(found.evaluated)
        return Answer(data | {"points": [], "worth": []}, message("curve_missing", {"n": have}, at.language), status)
    return _told(found, project, args.split, data, at, status)


def _launched(planned: CurvePlan, language: str) -> str:
    values = {"runs": planned.runs, "new": planned.plan.new, "seconds": round(planned.plan.seconds)}
    return message("line_curve_launched", values, language)


def _curve(at: Setting, project: Project, full: str, split: str) -> GoldCurve | None:
    whole = next((group for group in groups.groups(at.workspace, project.slug) if group.id == full), None)
    return None if whole is None else curve_of(at.workspace, project.slug, whole, split)


def _told(found: GoldCurve, project: Project, split: str, data: dict[str, Any], at: Setting, status: int) -> Answer:
    points = points_of(at.workspace, found, split)
    line = learning_curve(points)
    finished = contrast.finished(at.workspace, project.slug)
    titles = contrast.titles(finished)
    mixes = candidates(at.workspace, found, finished, split)
    worth = {titles[group.id]: judged(line, resampled(at.workspace, group, split)) for group in mixes}
    told = data | {
        "points": [_point_json(size, one) for size, one in points.items()],
        "line": {
            "intercept": line.intercept,
            "slope": line.slope,
            "slope_interval": line.slope_interval,
            "bends": line.bends,
        },
        "worth": [_worth_json(title, one) for title, one in worth.items()],
    }
    return Answer(told, _text(points, line, worth, split, at.language), status)


def _f1(found: Resampled) -> Point:
    return float(found.runs[:, 0].mean()), interval(found.draws[:, 0])


def _point_json(size: int, found: Resampled) -> dict[str, Any]:
    mean, ends = _f1(found)
    return {"sentences": size, "repeats": len(found.runs), "f1": mean, "interval": ends}


def _worth_json(mix: str, found: Worth) -> dict[str, Any]:
    """Sentences more (+) or fewer (-) than there are; null where nothing can be said.

    A figure that equals `lowest` or `highest` means that or beyond.
    """
    return {
        "mix": mix,
        "verdict": found.code,
        "sentences": found.sentences,
        "interval": found.interval,
        "lowest": found.lowest,
        "highest": found.highest,
        "f1": found.score,
        "repeats": found.repeats,
    }


def _text(points: Mapping[int, Resampled], line: Curve, worth: Mapping[str, Worth], split: str, language: str) -> str:
    heads = ("col_gold_sentences", "col_repeats", "col_f1")
    rows = [[message(code, {}, language) for code in heads]]
    for size, found in points.items():
        mean, (low, high) = _f1(found)
        rows.append([str(size), str(len(found.runs)), f"{100 * mean:.1f} [{100 * low:.1f}, {100 * high:.1f}]"])
    lines: Sequence[str] = [
        message("title_curve", {"split": split}, language),
        table(rows, right=(0, 1)),
        *([message("note_curve_bends", {"size": line.gap_size}, language)] if line.bends else []),
        *(message(*worth_words(found, mix), language) for mix, found in worth.items()),
        *([] if worth else [message("worth_no_mix", {}, language)]),
    ]
    return "\n".join([lines[0], lines[1], *(plain(text) for text in lines[2:])])
