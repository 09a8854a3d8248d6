"""`sequence`: one model that learns from one project after another, in several ways of keeping, side by side."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.commands.answer import Answer, Setting, asked_project, trained
from core.commands.mix import stage_of
from core.commands.options import command, count, detach
from core.continual.keep import METHODS
from core.errors import message
from core.output import plain, table
from core.sequence_outcome import Told, outcome
from core.sequences import REPEATS, Series, launch, look, plan, sequences
from core.submit import raise_mendable, wait

_USUAL = "plain,mask,distil,ewc,replay,replay_distil,adapters,joint"


def add_sequence(commands: object) -> None:
    """Its arguments."""
    sub = command(
        commands, "sequence", "let one model learn from one project after another, and see what it forgets",
        "In several ways of keeping what was learned, side by side. The same command goes on with what it began and "
        "shows it. See docs/continual.md.",
    )  # fmt: skip
    sub.add_argument("projects", nargs="+", metavar="PROJECT|RECIPE", help="in the order in which they are learned; "
                     "the settings of training are those of the last")  # fmt: skip
    sub.add_argument("--methods", default=_USUAL, metavar="NAME,NAME", help=f"of {', '.join(METHODS)}; NAME@SHARE: "
                     "with another share of replayed rows")  # fmt: skip
    sub.add_argument("--repeats", type=count, default=REPEATS, metavar="N", help=f"seeds (default {REPEATS})")
    sub.add_argument("--start", metavar="RUN", help="a trained run of the first project, which is then not learned "
                     "anew")  # fmt: skip
    sub.add_argument("--test", action="store_true", help="look at test instead of dev; on record in every project")
    detach(sub)


def sequence(args: Namespace, at: Setting) -> Answer:
    """Train what is missing, wait, and tell what each way came to. Exit 1 where a run did not end well.

    Raises CoreError as core.sequences.plan does.
    """
    found = [asked_project(name, at) for name in args.projects]
    for project in found:
        stage_of(project, at)
    methods = [name.strip() for name in args.methods.split(",") if name.strip()]
    start = trained(args.start, at).id if args.start else ""
    seeds = range(args.repeats)
    planned = plan(at.workspace, found, methods, seeds, start)
    ids = launch(at.workspace, planned, seeds)
    series = sequences(at.workspace, found[-1].slug)[0]
    data: dict[str, Any] = {"sequence": series.id, "steps": [part.project for part in series.parts], "runs": ids}
    if args.detach:
        values = {"runs": len(ids), "new": planned.new, "seconds": round(planned.seconds)}
        return Answer(data | {"methods": []}, message("line_sequence_launched", values, at.language))
    ended = wait(at.workspace, ids, at.watch)
    raise_mendable(ended)
    status = 1 if any(run.state != "succeeded" for run in ended) else 0
    split = "test" if args.test else "dev"
    if args.test:
        look(at.workspace, series)
    told = outcome(at.workspace, series, split)
    data |= {"split": split, "methods": [_json(one) for one in told]}
    lines = [message(issue.code, issue.values, at.language) for issue in planned.issues]
    return Answer(data, "\n\n".join([*lines, _text(series, told, split, at.language)]), status)


def _json(one: Told) -> dict[str, Any]:
    course = one.course
    return {
        "method": one.method,
        "runs": {str(seed): id for seed, id in one.runs.items()},
        "scores": [[_figure(v) for v in row] for row in course.scores.mean(axis=0)],
        "average": _spread(course.average),
        "newest": _spread(course.newest),
        "backward": _spread(course.backward),
        "forward": _spread(course.forward),
        "forgetting": _spread(course.forgetting),
        "verdict": one.verdict,
        "gain": one.gain,
        "interval": one.interval,
        "seconds": one.seconds,
        "replayed": one.replayed,
        "labels": [
            {"step": label.step, "label": label.label, "support": label.support, "learned": _figure(label.learned),
             "kept": _figure(label.kept)} for label in one.labels
        ],
    }  # fmt: skip


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _spread(values: np.ndarray) -> dict[str, float | None]:
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return {"mean": _figure(float(values.mean())), "sd": _figure(sd)}


def _text(series: Series, told: Sequence[Told], split: str, language: str) -> str:
    """A table of the ways, the matrix of each, and what became of the old labels."""
    heads = ("col_method", "col_average", "col_against_plain", "col_old", "col_newest", "col_forgetting", "col_forward",
             "col_replayed", "col_seconds")  # fmt: skip
    rows = [[message(code, {}, language) for code in heads]]
    for one in told:
        c = one.course
        cells = [_both(c.average), _against(one, language), _both(c.old), _both(c.newest), _both(c.forgetting)]
        rows.append([one.method, *cells, _both(c.forward), str(one.replayed), f"{one.seconds:.0f}"])
    steps = " -> ".join(part.project for part in series.parts)
    values = {"steps": steps, "split": split, "repeats": max((len(one.seeds) for one in told), default=0)}
    parts = [plain(message("title_sequence", values, language)), table(rows, right=(*range(1, len(heads)),))]
    return "\n\n".join([*parts, *(_matrix(series, one, language) for one in told), _labels(told, language)])


def _both(values: np.ndarray) -> str:
    """Mean and standard deviation, in points."""
    if np.isnan(values).all():
        return "-"
    return f"{100 * values.mean():.1f}" + (f" ({100 * values.std(ddof=1):.1f})" if len(values) > 1 else "")


def _against(one: Told, language: str) -> str:
    if one.verdict is None or one.gain is None:
        return "-"
    ends = "" if one.interval is None else f" ({100 * one.interval[0]:+.1f}, {100 * one.interval[1]:+.1f})"
    return f"{100 * one.gain:+.1f}{ends} {message(f'verdict_{one.verdict}', {}, language)}"


def _matrix(series: Series, one: Told, language: str) -> str:
    names = [part.project for part in series.parts]
    rows = [[message("col_after_step", {"method": one.method}, language), *names]]
    for name, line in zip(names, one.course.scores.mean(axis=0), strict=True):
        rows.append([name, *("-" if np.isnan(value) else f"{100 * value:.1f}" for value in line)])
    return table(rows, right=(*range(1, len(names) + 1),))


def _labels(told: Sequence[Told], language: str) -> str:
    """F1 of the old labels: right after their step, and in the end, by way."""
    ways = [one for one in told if one.labels]
    if not ways:
        return ""
    heads = [message("col_old_label", {}, language), *(one.method for one in ways)]
    rows = [heads]
    for at, label in enumerate(ways[0].labels):
        cells = [f"{_points(one.labels[at].learned)} > {_points(one.labels[at].kept)}" for one in ways]
        rows.append([f"{label.step + 1}: {plain(label.label)}", *cells])
    return table(rows, right=(*range(1, len(heads)),))


def _points(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.0f}"
