"""`shots`: several methods with few labelled rows of each label, drawn several times, and where which of them wins."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.commands.answer import Answer, Setting, asked_project, delivered
from core.commands.mix import stage_of
from core.errors import message
from core.output import plain, questions_text, table
from core.questions import together
from core.shots import Point, best, crossings, launch_shots, plan_shots, points_of
from core.sources import import_spec
from core.stage import imported
from core.submit import raise_mendable, wait
from core.training.ways import MIX


def shots(args: Namespace, at: Setting) -> Answer:
    """Train what is missing, wait, and tell each method's score by number of shots. Exit 1 where a training did not end
    well.

    Raises CoreError `project_unknown`, `unknown_key`, `setting_other_task`, `steps_missing`, `shots_mix_empty`,
    `shots_mix_knows`, and those of models.
    """
    project = asked_project(args.project, at)
    if MIX in args.methods:
        stage = stage_of(project, at)
    else:
        stage = imported(at.workspace, delivered(import_spec(at.workspace, project.recipe), at))
    wanted = plan_shots(at.workspace, project, stage, args.methods, args.shots, args.draws)
    ids = launch_shots(at.workspace, project, stage, wanted)
    runs, new = sum(one.runs for one in wanted), sum(one.plan.new for one in wanted)
    asked = together([one.plan.questions for one in wanted if one.plan.new])
    data: dict[str, Any] = {
        "questions": None if asked is None else asdict(asked),
        "project": project.slug,
        "split": args.split,
        "runs": runs,
        "launched": ids,
    }
    if args.detach:
        values = {"runs": runs, "new": new, "seconds": round(sum(one.plan.seconds for one in wanted))}
        lines = [message("line_curve_launched", values, at.language)]
        lines += [] if asked is None else [questions_text(asked, at.language)]
        return Answer(data | {"points": [], "crossings": []}, "\n".join(lines))
    ended = wait(at.workspace, ids, at.watch)
    raise_mendable(ended)
    points = points_of(at.workspace, project.slug, wanted, args.split)
    told = data | {
        "points": [asdict(point) for point in points],
        "crossings": [asdict(crossing) for crossing in crossings(points)],
    }
    status = 1 if any(run.state != "succeeded" for run in ended) else 0
    return Answer(told, _text(points, args.split, at.language), status)


def _text(points: Sequence[Point], split: str, language: str) -> str:
    heads = ("col_method", "col_shots", "col_gold_rows", "col_draws", "col_f1", "col_sd")
    rows = [[message(code, {}, language) for code in heads]]
    for point in points:
        low, high = (100 * end for end in point.interval)
        score = f"{100 * point.f1:.1f} [{low:.1f}, {high:.1f}]"
        sd = "-" if point.sd is None else f"{100 * point.sd:.1f}"
        rows.append([point.method, str(point.shots), f"{point.rows:.0f}", str(point.draws), score, sd])
    title = message("title_shots", {"split": split}, language)
    return "\n".join([title, table(rows, right=(1, 2, 3, 5)), *_words(points, language)])


def _words(points: Sequence[Point], language: str) -> list[str]:
    """Which method is best with how many shots, and where two change places."""
    lines: list[str] = []
    for size in sorted({point.shots for point in points if point.shots}):
        first, near = best(points, size)
        values = {"shots": size, "method": first.method, "others": ", ".join(point.method for point in near)}
        lines.append(message("line_shots_near" if near else "line_shots_best", values, language))
    for one in crossings(points):
        code = "line_shots_crossing" if one.clear else "line_shots_crossing_unclear"
        lines.append(message(code, asdict(one), language))
    return [plain(line) for line in lines]
