"""`trust`: how far the confidence of a mix's runs can be trusted, and how they bear noise and other names."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from core import contrast, robustness
from core import project as projects
from core.commands.answer import Answer, Setting
from core.errors import CoreError, message
from core.evaluation.calibration import Effect, Reliability, effect
from core.groups import Group, evaluated
from core.output import table
from core.robustness import Robustness, robustness_of
from core.scores import FEW
from core.submit import result_of
from core.trust import Marks, carried, curve, marks, reliable


def trust(args: Namespace, at: Setting) -> Answer:
    """The calibration of a mix's runs, the threshold that is best on dev, and with --robustness what copies cost.

    Raises CoreError `project_unknown`, `group_unknown`, `nothing_evaluated`, `nothing_marked`, `robustness_bare`.
    """
    group, title = _named(args.group, at)
    found = marks(at.workspace, group, args.split)
    judged = reliable(found)
    if judged is None:
        raise CoreError("nothing_marked", {"name": title, "split": args.split})
    dev = found if args.split == "dev" else marks(at.workspace, group, "dev")
    there, here = carried(dev, found)
    data: dict[str, Any] = {"group": group.id, "mix": title, "split": args.split, "repeats": len(found.runs)}
    data |= {"calibration": asdict(judged) | {"lean": judged.lean}, "threshold": asdict(here)}
    data |= {"dev": asdict(there), "labels": _by_label(found, here.threshold)}
    text = [_calibration(judged, title, args.split, at), _threshold(there, here, args.split, at)]
    if args.robustness:
        borne = _tried(group, args.split, at)
        data["robustness"] = asdict(borne)
        text.append(_borne(borne, at))
    return Answer(data, "\n\n".join(text))


def _named(name: str, at: Setting) -> tuple[Group, str]:
    """A group by PROJECT/MIX or PROJECT/GROUP, or the beginning of GROUP; and its title."""
    slug, _, mix = name.partition("/")
    project = projects.load(at.workspace, slug)
    found = contrast.finished(at.workspace, project.slug)
    starting = [group for group in found if mix and group.id.startswith(mix)]
    titles = contrast.titles(found)
    exact = mix in titles.values()
    group = starting[0] if len(starting) == 1 and not exact else contrast.named(found, mix)
    return group, titles[group.id]


def _by_label(found: Marks, threshold: float) -> dict[str, Any]:
    """What the threshold does to each label."""
    return {label: asdict(effect(curve(found.of(label)), threshold)) for label in found.labels}


def _calibration(judged: Reliability, title: str, split: str, at: Setting) -> str:
    values = {
        "mix": title,
        "split": split,
        "n": judged.runs,
        "marked": round(judged.count),
        "error": _percent(judged.error),
        "low": _percent(judged.spread[0]),
        "high": _percent(judged.spread[1]),
        "chance": _percent(judged.chance),
        "claimed": _percent(judged.claimed),
        "right": _percent(judged.right),
        "few": FEW,
    }
    heads = ("col_claimed", "col_right", "col_interval", "col_marked")
    rows = [[message(code, {}, at.language) for code in heads]]
    for part in judged.bins:
        ends = "-" if part.interval is None else f"{_percent(part.interval[0])} .. {_percent(part.interval[1])}"
        rows.append([_percent(part.claimed), _percent(part.right), ends, f"{part.count:.1f}"])
    told = [message(code, values, at.language) for code in ("title_trust", "line_calibration", f"lean_{judged.lean}")]
    return "\n".join([*told, table(rows, right=(0, 1, 2, 3))])


def _threshold(there: Effect, here: Effect, split: str, at: Setting) -> str:
    """Where it was found, it flatters; elsewhere it is what it is."""
    if there.threshold == 0:
        return message("line_threshold_none", {}, at.language)
    lines = [message("line_threshold_dev", _effect(there, "dev"), at.language)]
    if split != "dev":
        lines.append(message("line_threshold", _effect(here, split), at.language))
    return "\n".join(lines)


def _effect(found: Effect, split: str) -> Mapping[str, str]:
    values = {"split": split, "threshold": _percent(found.threshold, 0)}
    for name in ("precision", "recall", "f1"):
        before, after = getattr(found, name)
        values |= {name: _percent(before), f"{name}_then": _percent(after)}
    return values


def _tried(group: Group, split: str, at: Setting) -> Robustness:
    """Submit what is left to do, wait, and read. Raises CoreError `robustness_bare` where no run has weights."""
    run = robustness.start(at.workspace, [group], split)
    if run is not None:
        result_of(at.workspace, run, at.watch)
    found = robustness_of(at.workspace, group, split)
    if found is None:
        runs = len(evaluated(at.workspace, group, split))
        raise CoreError("robustness_bare", {"name": group.name, "n": runs}, "hint_robustness_bare")
    return found


def _borne(found: Robustness, at: Setting) -> str:
    heads = ("col_copy", "col_label", "col_support", "col_recall", "col_precision")
    rows = [[message(code, {}, at.language) for code in heads]]
    whole = message("word_all_labels", {}, at.language)
    for shift in found.shifts:
        few = " *" if shift.support < FEW else ""
        cells = [shift.copy, shift.label or whole, f"{shift.support}{few}"]
        for metric in ("recall", "precision"):
            lost = shift.difference[metric]
            ends = "[{:+.1f}, {:+.1f}]".format(*(100 * end for end in lost.interval))
            before, after = 100 * shift.clean[metric], 100 * shift.changed[metric]
            cells.append(f"{before:.1f} -> {after:.1f}  {100 * lost.value:+.1f} {ends}")
        rows.append(cells)
    lines = [message("title_robustness", {"n": found.runs}, at.language), table(rows, right=(2,))]
    for name, share in found.words.items():
        same = sum(found.unchanged[name].values())
        values = {"copy": name, "words": _percent(share), "same": same, "rows": found.rows}
        lines.append(message("line_copy", values, at.language))
    if found.skipped:
        lines.append(message("note_no_noise", {}, at.language))
    if any(shift.support < FEW for shift in found.shifts):
        lines.append(message("note_few", {"few": FEW}, at.language))
    return "\n".join(lines)


def _percent(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f} %"
