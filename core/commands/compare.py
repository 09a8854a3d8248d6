"""`compare`, `projects` and `sample`: mixes held against each other, and where they are kept."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from core import contrast, groups
from core import project as projects
from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.evaluation.comparison import Difference, compare
from core.evaluation.scoring import score
from core.output import table
from core.recent import recent_projects
from core.report.contrast import METRICS, Line, lines
from core.report.finding import ENOUGH_SEEDS, Metric
from core.sample import open_sample
from core.scores import FEW, Interval


def compare_mixes(args: Namespace, at: Setting) -> Answer:
    """Every mix of a project that can be held against the baseline, label by label.

    Raises CoreError `project_unknown`, `group_unknown`, `nothing_evaluated`, `nothing_to_compare`.
    """
    project = projects.load(at.workspace, args.project)
    found = contrast.finished(at.workspace, project.slug)
    if not found:
        raise CoreError("nothing_to_compare", {"project": project.slug}, "hint_nothing_to_compare")
    baseline = contrast.named(found, args.baseline) if args.baseline else contrast.gold_only(found) or found[0]
    counts = {baseline.id: groups.counts_of(at.workspace, baseline, args.split)}
    others = [g for g in found if g.id != baseline.id and not contrast.other_splits(g, baseline)]
    others = [group for group in others if groups.evaluated(at.workspace, group, args.split)]
    counts |= {group.id: groups.counts_of(at.workspace, group, args.split) for group in others}
    titles = contrast.titles(found)
    against = {titles[g.id]: (score(counts[g.id]), compare(counts[baseline.id], counts[g.id])) for g in others}
    told = lines((titles[baseline.id], score(counts[baseline.id])), against)
    repeats = {titles[id]: len(seeds) for id, seeds in counts.items()}
    left_out = [titles[group.id] for group in found if group.id not in counts]
    data = {
        "project": project.slug,
        "split": args.split,
        "baseline": titles[baseline.id],
        "repeats": repeats,
        "left_out": left_out,
        "lines": [_json(line) for line in told],
    }
    return Answer(data, _text(told, repeats, left_out, titles[baseline.id], args.split, at.language))


def _json(line: Line) -> dict[str, Any]:
    """Rates and differences as 0..1 and -1..1; `difference` is null for the baseline itself."""
    return {
        "label": line.label or None,
        "mix": line.mix,
        "support": line.support,
        "rates": {metric: _measured(*line.rate[metric]) for metric in METRICS},
        "differences": {m: _gap(line.difference[m]) for m in METRICS} if line.difference else None,
    }


def _measured(value: float | None, interval: Interval | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value, "interval": None if interval is None else list(interval)}


def _gap(difference: Difference | None) -> dict[str, Any] | None:
    return None if difference is None else _measured(difference.value, difference.interval)


def _text(
    told: Sequence[Line],
    repeats: Mapping[str, int],
    left_out: Sequence[str],
    baseline: str,
    split: str,
    language: str,
) -> str:
    heads = ("col_label", "col_mix", "col_support", "col_recall", "col_precision", "col_f1")
    rows = [[message(code, {}, language) for code in heads]]
    whole = message("word_all_labels", {}, language)
    for line in told:
        cells = [_cell(line, metric) for metric in METRICS]
        rows.append([line.label or whole, line.mix, f"{line.support}{' *' if line.few else ''}", *cells])
    title = message("title_compare", {"baseline": baseline, "split": split}, language)
    notes = [message("note_few", {"few": FEW}, language)] if any(line.few for line in told) else []
    few = [name for name, seeds in repeats.items() if seeds < ENOUGH_SEEDS]
    if few:
        notes.append(message("note_few_repeats", {"names": ", ".join(few), "least": ENOUGH_SEEDS}, language))
    if left_out:
        notes.append(message("note_left_out", {"names": ", ".join(left_out), "split": split}, language))
    return "\n".join([title, table(rows, right=(2,)), *notes])


def _cell(line: Line, metric: Metric) -> str:
    """The rate; for a mix also the difference in points with its interval."""
    value, _ = line.rate[metric]
    if value is None:
        return "-"
    gap = line.difference.get(metric)
    if gap is None:
        return f"{100 * value:.1f}"
    ends = "" if gap.interval is None else " [{:+.1f}, {:+.1f}]".format(*(100 * end for end in gap.interval))
    return f"{100 * value:.1f}  {100 * gap.value:+.1f}{ends}"


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
