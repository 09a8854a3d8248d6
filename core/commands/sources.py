"""`sources`: what other projects bring to one, in each way there is, and what could be known before."""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core import project as projects
from core import transfer
from core.commands.answer import Answer, Setting, asked_project
from core.commands.mix import stage_of
from core.commands.options import command, count, detach
from core.errors import CoreError, message
from core.evaluation.verdicts import Judged
from core.launch import launch
from core.output import plain, table
from core.params import unknown_key
from core.project import Project, with_ingredient
from core.stage import Stage
from core.submit import raise_mendable, wait
from core.transfer import (
    WAYS,
    Case,
    Source,
    Way,
    agreement,
    cases,
    estimate,
    outcome,
    plans,
    source_of,
    with_sources,
)


def add_sources(commands: object) -> None:
    """Its arguments."""
    sub = command(
        commands, "sources", "what other projects bring to one: as a start, as an ingredient, or both",
        "Each way against the target alone, with a verdict, and beside it what an estimate said before. See "
        "docs/transfer.md.",
    )  # fmt: skip
    sub.add_argument("target", metavar="TARGET", help="a project, as `projects` lists it, or a YAML file; "
                     "several projects with commas between")  # fmt: skip
    sub.add_argument("sources", nargs="+", metavar="SOURCE", help="the same; trained on its gold where it was not yet")
    sub.add_argument("--ways", type=_ways, default=[*WAYS], metavar="NAME,NAME", help=f"of {', '.join(WAYS)} "
                     "(default all)")  # fmt: skip
    sub.add_argument("--amount", type=_amount, default=1.0, metavar="X", help="of a source's rows, times gold "
                     "(default 1)")  # fmt: skip
    sub.add_argument("--map", action="append", default=[], metavar="SOURCE.LABEL=TARGET", help="which label of the "
                     "target a source's is, nothing masks it; repeatable (default: that of the same name)")  # fmt: skip
    sub.add_argument("--repeats", type=count, default=8, metavar="N", help="seeds (default 8)")
    sub.add_argument("--estimate", action="store_true", help="rank the sources and train nothing on the target")
    sub.add_argument("--split", choices=("dev", "test"), default="dev", help="default dev; test never looks anew")
    detach(sub)


def _ways(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",")]
    if not {*found} <= {*WAYS}:
        raise ArgumentTypeError(f"names of {', '.join(WAYS)} with commas between are expected, not {text!r}")
    return found


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise ArgumentTypeError(f"a number above 0 and up to 100 is expected, not {text!r}")
    return value


def sources(args: Namespace, at: Setting) -> Answer:
    """Train what is missing, wait, and compare, one target after the other. Exit 1 where a training did not end well.

    Raises CoreError `step_not_imported`, `source_no_file`, `source_same`, `steps_missing`, and those of models.
    """
    names = [args.target] if Path(args.target).is_file() else [one.strip() for one in args.target.split(",")]
    told = [_for(name, args, at) for name in names]
    if len(told) == 1:
        return told[0]
    text = "\n\n".join(f"{name}\n\n{one.text}" for name, one in zip(names, told, strict=True))
    return Answer({"targets": [one.data for one in told]}, text, max(one.status for one in told))


def _for(name: str, args: Namespace, at: Setting) -> Answer:
    """What the sources bring to one target."""
    project = asked_project(name, at)
    target = sorted(stage_of(project, at).imported["labels"]["train"])
    maps = _maps(args.map)
    found = [_source(name, project, target, maps, at) for name in args.sources]
    for strange in {*maps} - {source.project.slug for source in found}:
        raise unknown_key(strange, [source.project.slug for source in found], "--map")
    project = _with(project, found, at) if "joint" in args.ways or "both" in args.ways else project
    stage = stage_of(project, at)
    told = _estimates(project, stage, found, at)
    data: dict[str, Any] = {"target": project.slug, "estimates": told}
    text = _estimate_text(found, told, at.language)
    if args.estimate:
        return Answer(data | {"ways": []}, text)
    wanted = cases(project, found, args.ways, args.amount)
    ids = [
        id for mine, plan in plans(at.workspace, project, stage, wanted, range(args.repeats))
        for id in launch(at.workspace, mine, stage, plan)
    ]  # fmt: skip
    if args.detach:
        return Answer(data | {"ways": [], "launched": ids}, text)
    ended = wait(at.workspace, ids, at.watch)
    raise_mendable(ended)
    status = 1 if any(run.state != "succeeded" for run in ended) else 0
    return _told(project, wanted, told, data, text, args.split, at, status)


def _with(project: Project, found: list[Source], at: Setting) -> Project:
    """The target with its sources as ingredients: written down, where it is a project of the workspace."""
    whole = with_sources(project, found)
    if project.slug not in projects.names(at.workspace):
        return whole
    for name in {*whole.ingredients} - {*project.ingredients}:
        change = with_ingredient(name, whole.ingredients[name])
        projects.edit(at.workspace, project.slug, change, {"event": "ingredient", "name": name})
    return whole


def _maps(texts: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """SOURCE.LABEL=TARGET by source. Raises CoreError `usage`."""
    found: dict[str, dict[str, str | None]] = {}
    for text in texts:
        place, sign, target = text.partition("=")
        source, dot, label = place.partition(".")
        if not (sign and dot and label):
            what = f"--map: SOURCE.LABEL=TARGET, not {text!r}"
            raise CoreError("usage", {"command": "python -m core sources", "what": what}, "hint_usage")
        found.setdefault(source, {})[label] = target or None
    return found


def _source(
    name: str, target: Project, labels: list[str], maps: Mapping[str, Mapping[str, str | None]], at: Setting
) -> Source:
    """A source with a run that was trained on it, now or before."""
    project = asked_project(name, at)
    if project.slug == target.slug or project.recipe.task != target.recipe.task:
        raise CoreError("source_same", {"project": project.slug}, "hint_source_same")
    stage_of(project, at)
    found = source_of(at.workspace, project, labels, maps.get(project.slug))
    if not found.run:
        raise_mendable(wait(at.workspace, [transfer.train_source(at.workspace, found)], at.watch))
    return source_of(at.workspace, project, labels, maps.get(project.slug))


def _estimates(project: Project, stage: Stage, found: list[Source], at: Setting) -> dict[str, float]:
    """LogME of the encoder as it is (under its own name) and after each source."""
    names = {project.recipe.train.model: project.recipe.train.model}
    names |= {source.name: f"run:{source.run}" for source in found}
    runs = transfer.start_reading(at.workspace, project, stage, [*names.values()])
    wait(at.workspace, [run.id for run in runs.values()], at.watch)
    return {name: estimate(at.workspace, stage, runs[model].id) for name, model in names.items()}


def _estimate_text(found: list[Source], told: Mapping[str, float], language: str) -> str:
    heads = ("col_start", "col_logme", "col_shared_labels")
    shared = {source.name: ", ".join(source.shared) or "-" for source in found}
    rows = [[message(code, {}, language) for code in heads]]
    for name, value in sorted(told.items(), key=lambda item: -item[1]):
        rows.append([plain(name), f"{value:.4f}", plain(shared.get(name, ""))])
    return table(rows, right=(1,))


def _told(
    project: Project, wanted: list[Case], estimates: Mapping[str, float], data: dict[str, Any], text: str, split: str,
    at: Setting, status: int,
) -> Answer:  # fmt: skip
    """Every way against the target alone, and whether the estimate had the order of the sources right."""
    told = outcome(at.workspace, project, wanted, split)
    agree = agreement(told, estimates)
    ways = [
        {
            "way": one.case.way,
            "source": one.case.source,
            "model": one.case.model,
            "f1": float(one.scores.mean()),
            "sd": _sd(one),
            "repeats": len(one.scores),
            "verdict": one.verdict.verdict if one.verdict else None,
            "gain": one.verdict.difference.value if one.verdict else None,
            "interval": one.verdict.interval if one.verdict else None,
            "over_longer": _judged(one.over_longer),
        }
        for one in told
    ]
    heads = ("col_way", "col_f1", "col_against_target", "col_against_longer", "col_repeats")
    rows = [[message(code, {}, at.language) for code in heads]]
    for one in told:
        sd = _sd(one)
        f1 = f"{100 * one.scores.mean():.1f}" + ("" if sd is None else f" ({100 * sd:.1f})")
        verdicts = [_verdict(found, at) for found in (one.verdict, one.over_longer)]
        rows.append([plain(one.case.name), f1, *verdicts, str(len(one.scores))])
    known = {way: value for way, value in agree.items() if value is not None}
    lines = [message("line_estimate_agrees", {"way": w, "value": f"{v:.2f}"}, at.language) for w, v in known.items()]
    if not any(one.over_longer for one in told) and any(one.case.way in ("sequential", "both") for one in told):
        lines.append(message("line_sources_before", {}, at.language))
    parts = [text, table(rows, right=(1, 2, 3, 4)), *lines]
    return Answer(data | {"ways": ways, "rank_correlation": agree}, "\n\n".join(parts), status)


def _sd(one: Way) -> float | None:
    return float(one.scores.std(ddof=1)) if len(one.scores) > 1 else None


def _judged(found: Judged | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"verdict": found.verdict, "gain": found.difference.value, "interval": found.interval}


def _verdict(found: Judged | None, at: Setting) -> str:
    if found is None:
        return "-"
    ends = "" if found.interval is None else f" ({100 * found.interval[0]:+.1f}, {100 * found.interval[1]:+.1f})"
    return f"{100 * found.difference.value:+.1f}{ends} {message(f'verdict_{found.verdict}', {}, at.language)}"
