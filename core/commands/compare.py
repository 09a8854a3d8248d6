"""`compare`, `projects` and `sample`: mixes held against each other, and where they are kept."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import contrast
from core import project as projects
from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.evaluation.comparison import LEVEL, Difference, compare, measure
from core.evaluation.verdicts import ENOUGH_SEEDS, Judged, Metric
from core.output import plain, table
from core.recent import recent_projects
from core.report.contrast import METRICS, Line, lines
from core.report.finding import Finding, findings
from core.sample import open_sample
from core.scores import FEW, Interval
from core.settle import sequential_pairs
from core.sides import Side, check, of_group, side
from core.tasks import task as task_of

VERSION = 1


@dataclass(frozen=True)
class Asked:
    """What is compared: sides with the baseline first, and what a project adds to it."""

    sides: Sequence[Side]
    project: str | None = None
    left_out: Sequence[str] = ()
    by_looking: bool = False  # repeats were added until something was seen


def compare_mixes(args: Namespace, at: Setting) -> Answer:
    """Every mix of a project that can be held against the baseline, or any sides against the first one.

    Raises CoreError `project_unknown`, `group_unknown`, `nothing_evaluated`, `nothing_to_compare`, `rule_unknown`, and
    those of core.sides.
    """
    asked = _project(args, at) if len(args.sides) == 1 else _sides(args, at)
    baseline, *others = asked.sides
    rules = task_of(baseline.gold.schema.task).rules
    if args.rule not in rules:
        raise CoreError("rule_unknown", {"rule": args.rule, "known": ", ".join(rules)}, "hint_known")
    for other in others:
        check(baseline, other)
    measured = {one.name: measure(one.counts(args.rule)) for one in asked.sides}
    comparisons = {one.name: compare(measured[baseline.name], measured[one.name]) for one in others}
    found = findings(comparisons, args.margin, asked.by_looking)
    against = {name: (measured[name], comparisons[name], found[name]) for name in found}
    told = lines((baseline.name, measured[baseline.name]), against)
    data: dict[str, Any] = {
        "version": VERSION,
        "project": asked.project,
        "split": args.split,
        "rule": args.rule,
        "margin": args.margin,
        "level": LEVEL,
        "sequential": asked.by_looking,
        "baseline": baseline.name,
        "repeats": {one.name: len(one.runs) for one in asked.sides},
        "runs": {one.name: list(one.runs) for one in asked.sides},
        "same_runs": [one.name for one in others if set(one.runs) == set(baseline.runs)],
        "left_out": list(asked.left_out),
        "answers": {name: _answer(one, at.language) for name, one in found.items()},
        "lines": [_json(line) for line in told],
    }
    return Answer(data, _text(data, told, found, at.language))


def _project(args: Namespace, at: Setting) -> Asked:
    """The mixes of a project that were tried on the baseline's split."""
    project = projects.load(at.workspace, args.sides[0])
    found = contrast.finished(at.workspace, project.slug)
    if not found:
        raise CoreError("nothing_to_compare", {"project": project.slug}, "hint_nothing_to_compare")
    baseline = contrast.named(found, args.baseline) if args.baseline else contrast.gold_only(found) or found[0]
    titles = contrast.titles(found)
    others = [g for g in found if g.id != baseline.id and not contrast.other_splits(g, baseline)]
    tried = [group for group in others if contrast.repeats(at.workspace, group, args.split)]
    sides = [of_group(at.workspace, group, args.split, titles[group.id]) for group in (baseline, *tried)]
    pairs = sequential_pairs(at.workspace, project.slug)
    left_out = [titles[group.id] for group in found if group not in (baseline, *tried)]
    return Asked(sides, project.slug, left_out, any((baseline.id, group.id) in pairs for group in tried))


def _sides(args: Namespace, at: Setting) -> Asked:
    """What the command line names, the baseline first; a name given twice gets a number."""
    if args.baseline:
        raise CoreError("usage", {"command": "compare", "what": "--baseline needs a project"}, "hint_usage")
    sides: list[Side] = []
    for name in args.sides:
        found = side(at.workspace, name, args.split)
        title, number = name, 2
        while title in [one.name for one in sides]:
            title, number = f"{name} ({number})", number + 1
        sides.append(Side(title, found.gold, found.predicted, found.runs))
    return Asked(sides)


def _answer(found: Finding, language: str) -> dict[str, Any]:
    """The answer over all labels: `verdict` better, worse, same, open, few_mentions or few_repeats."""
    one = found.overall
    return {
        "verdict": "few_mentions" if one is None else one.verdict,
        "sentence": sentence(found, language),
        "repeats": found.seeds,
        "f1": None if one is None else _judged(one),
        "gains": [[effect.label, effect.metric] for effect in found.gains],
        "losses": [[effect.label, effect.metric] for effect in found.losses],
        "none_shown": list(found.none_shown),
        "same": list(found.same),
        "too_few": list(found.too_few),
    }


def _judged(one: Judged) -> dict[str, Any]:
    """`p`: corrected for all that was judged together, null where nothing was."""
    return {
        "value": one.difference.value,
        "error": one.difference.error,
        "interval": None if one.interval is None else list(one.interval),
        "verdict": one.verdict,
        "p": one.p,
    }


def sentence(found: Finding, language: str) -> str:
    """A finding in one or two sentences, for people."""
    one = found.overall
    code = "says_few_mentions" if one is None else f"says_{one.verdict}"
    values: dict[str, str | int | float | None] = {"mix": found.name, "least": ENOUGH_SEEDS}
    values |= {"n": found.seeds, "before": found.repeats[0], "after": found.repeats[1]}
    if one is not None:
        low, high = one.interval or (None, None)
        values |= {"points": _points(one.difference.value), "low": _points(low), "high": _points(high)}
        values |= {"margin": f"{100 * found.margin:g}"}
    parts = [message(code, values, language)]
    if one is not None and one.alone:
        parts.append(message("says_alone", {}, language))
    for code, effects in (("says_gains", found.gains), ("says_losses", found.losses)):
        if effects:
            parts.append(message(code, {"effects": "; ".join(_effect(one, language) for one in effects)}, language))
    if found.none_shown and (found.gains or found.losses):
        parts.append(message("says_none", {"labels": ", ".join(found.none_shown)}, language))
    if found.too_few and found.enough:
        parts.append(message("says_too_few", {"labels": ", ".join(found.too_few), "few": FEW}, language))
    return ("" if language == "zh_CN" else " ").join(parts)


def _effect(one: Judged, language: str) -> str:
    low, high = one.interval or (None, None)
    values = {"label": one.label, "metric": message(f"col_{one.metric}", {}, language)}
    figures = {"points": _points(one.difference.value), "low": _points(low), "high": _points(high)}
    return message("says_effect", values | figures, language)


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+z.1f}"


def _json(line: Line) -> dict[str, Any]:
    """Rates and differences as 0..1 and -1..1; `differences` is null for the baseline itself."""
    return {
        "label": line.label or None,
        "mix": line.mix,
        "support": line.support,
        "rates": {metric: _measured(*line.rate[metric]) for metric in METRICS},
        "differences": {m: _gap(line, m) for m in METRICS} if line.difference else None,
    }


def _measured(value: float | None, interval: Interval | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value, "interval": None if interval is None else list(interval)}


def _gap(line: Line, metric: Metric) -> dict[str, Any] | None:
    """A difference; what is not judged (F1 of a label) has its interval and no verdict."""
    difference: Difference | None = line.difference[metric]
    if difference is None:
        return None
    if metric in line.judged:
        return _judged(line.judged[metric])
    ends = difference.interval
    interval = None if ends is None else list(ends)
    return {"value": difference.value, "error": difference.error, "interval": interval, "verdict": None, "p": None}


def _text(data: Mapping[str, Any], told: Sequence[Line], found: Mapping[str, Finding], language: str) -> str:
    heads = ("col_label", "col_mix", "col_support", *(f"col_{metric}" for metric in METRICS))
    rows = [[message(code, {}, language) for code in heads]]
    whole = message("word_all_labels", {}, language)
    for line in told:
        cells = [_cell(line, metric, language) for metric in METRICS]
        rows.append([line.label or whole, line.mix, f"{line.support}{' *' if line.few else ''}", *cells])
    title = message("title_compare", {"baseline": data["baseline"], "split": data["split"]}, language)
    sentences = [plain(sentence(one, language)) for one in found.values()]
    notes = [message("note_few", {"few": FEW}, language)] if any(line.few for line in told) else []
    few = [name for name, repeats in data["repeats"].items() if repeats < ENOUGH_SEEDS]
    if few:
        notes.append(message("note_few_repeats", {"names": ", ".join(few), "least": ENOUGH_SEEDS}, language))
    if data["same_runs"]:
        notes.append(message("note_same_runs", {"names": ", ".join(data["same_runs"])}, language))
    if data["left_out"]:
        values = {"names": ", ".join(data["left_out"]), "split": data["split"]}
        notes.append(message("note_left_out", values, language))
    return "\n".join([title, table(rows, right=(2,)), *sentences, *notes])


def _cell(line: Line, metric: Metric, language: str) -> str:
    """The rate; for a mix also the difference in points with its interval and what may be said of it."""
    value, _ = line.rate[metric]
    if value is None:
        return "-"
    gap = line.difference.get(metric)
    if gap is None:
        return f"{100 * value:.1f}"
    judged = line.judged.get(metric)
    interval = judged.interval if judged else None
    ends = "" if interval is None else f" [{_points(interval[0])}, {_points(interval[1])}]"
    word = f" {message(f'verdict_{judged.verdict}', {}, language)}" if judged and judged.p is not None else ""
    return f"{100 * value:.1f}  {_points(gap.value)}{ends}{word}"


def list_projects(args: Namespace, at: Setting) -> Answer:
    """The projects of the workspace, the last changed first."""
    found = recent_projects(at.workspace, args.limit)
    heads = [message(code, {}, at.language) for code in ("col_project", "col_title")]
    rows = [[*heads, "train", "dev", "test", message("col_finished", {}, at.language)]]
    for line in found:
        sizes = [str(line.rows.get(split, "-")) for split in ("train", "dev", "test")]
        rows.append([line.slug, line.title, *sizes, str(line.runs)])
    data = [
        {"name": p.slug, "title": p.title, "rows": dict(p.rows), "changed": p.changed, "finished_runs": p.runs}
        for p in found
    ]
    text = table(rows, right=(2, 3, 4, 5)) if found else message("projects_none", {}, at.language)
    return Answer({"projects": data}, text)


def sample(args: Namespace, at: Setting) -> Answer:
    """The project of a sample with its finished runs, made if it isn't there. Raises CoreError `sample_unknown`."""
    project = open_sample(at.workspace, args.name)
    runs = sum(len(group.finished) for group in contrast.finished(at.workspace, project.slug))
    values = {"name": project.slug, "title": project.title, "runs": runs}
    return Answer({"project": project.slug, "finished_runs": runs}, message("line_sample", values, at.language))
