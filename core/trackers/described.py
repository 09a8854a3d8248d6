"""What a tracker is told of a training: settings, mix, how it went by steps, what it scored, and its papers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core import contrast
from core.brief.document import report_of
from core.card import card
from core.card_text import papers
from core.errors import CoreError
from core.evaluation.scoring import METRICS
from core.groups import Group
from core.jobs.folder import Run
from core.params import Json, canonical_json
from core.project import Project, numbered
from core.recipe_text import mix_data
from core.runs import State
from core.tables import drawn_of, purpose_of, settings_of
from core.tallies import Tally, counts_by_run, splits_of, tallies
from core.tasks import task as task_of
from core.traces import trace
from core.trackers.asked import Asked
from core.workspace import Workspace

_LONGEST = 100  # characters of a name


@dataclass(frozen=True)
class Point:
    """A value of a step. `time`: unix seconds."""

    name: str
    step: int
    value: float
    time: float


@dataclass(frozen=True)
class Told:
    """One training, or (without `state`) the report of a project. Times are unix seconds.

    `id`: the same whenever it is told; `tags` are names of things, `params` what was chosen, `finals` what came of it,
    0..1, by `SPLIT/LABEL/METRIC`; `files`: what is told to trackers that take files.
    """

    id: str
    name: str
    project: str
    tags: Mapping[str, str]
    params: Mapping[str, Json] = field(default_factory=dict[str, Json])
    points: Sequence[Point] = ()
    finals: Mapping[str, float] = field(default_factory=dict[str, float])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    state: State | None = None
    started: float = 0.0
    ended: float | None = None


def told(workspace: Workspace, of: Asked) -> list[Told]:
    """The trainings that were asked for, the first launched first; what waits is left out.

    Raises CoreError `nothing_to_take`.
    """
    titles = contrast.titles(of.groups)
    found = [one for group in of.groups for one in _group(workspace, of, group, titles[group.id])]
    if not found:
        raise CoreError("nothing_to_take", {"project": of.slug}, "hint_nothing_to_take")
    return found


def _group(workspace: Workspace, of: Asked, group: Group, title: str) -> Iterator[Told]:
    wanted = [(seed, run) for seed, run in sorted(group.runs.items()) if not of.runs or run.id in of.runs]
    if not wanted:
        return
    splits = splits_of(workspace, of.slug, group)
    counted = {split: counts_by_run(workspace, group, split) for split in splits}
    drawn = drawn_of(workspace, group)
    for seed, run in wanted:
        if run.started is None:
            continue
        scores = {split: tallies(counts[run.id]) for split, counts in counted.items() if run.id in counts}
        yield Told(
            id=run.id,
            name=f"{title}, seed {seed}",
            project=of.title,
            tags=_tags(of, group, title, run, seed),
            params=_params(group, seed, drawn),
            points=[*_points(workspace, of.task, run)],
            finals=dict(_finals(scores)),
            files=_papers(workspace, run.id, of.slug),
            state=run.state,
            started=run.started,
            ended=run.ended,
        )


def _tags(of: Asked, group: Group, title: str, run: Run, seed: int) -> dict[str, str]:
    told = {"run": run.id, "project": of.slug, "group": group.id, "mix": title, "seed": str(seed)}
    return told | {"state": run.state, "purpose": purpose_of(group), "task": of.task}


def _params(group: Group, seed: int, drawn: Mapping[str, int]) -> dict[str, Json]:
    """Settings as `train.NAME`, amounts as `mix.INGREDIENT` in the unit that they were asked for, rows as drawn."""
    settings = {f"train.{name}": value for name, value in settings_of(group.train).items()}
    amounts = group.mix.requested()
    names = names_of([*dict.fromkeys([*amounts, *drawn])])
    asked = {f"mix.{names[name]}": f"{amount:g} {unit}" for name, (amount, unit) in amounts.items()}
    rows = {f"rows.{names[name]}": count for name, count in drawn.items()}
    rest = {f"mix.{name}": value for name, value in mix_data(group.mix).items() if name not in ("parts", "unit")}
    return {"seed": seed, **settings, **asked, **rest, **rows}


def _points(workspace: Workspace, task: str, run: Run) -> Iterator[Point]:
    headline = f"dev/{task_of(task).headline}"
    for step in trace(workspace.run_folder(run.id)).steps:
        moment = (run.started or 0.0) + (step.seconds or 0.0)
        for name, value in (("train/loss", step.loss), (headline, step.dev)):
            if value is not None:
                yield Point(name, step.step, value, moment)


def _finals(scores: Mapping[str, Sequence[Tally]]) -> Iterator[tuple[str, float]]:
    for split, found in scores.items():
        places = names_of([one.label for one in found if one.label is not None])
        for one in found:
            place = "overall" if one.label is None else f"label/{places[one.label]}"
            for metric in METRICS:
                value: float | None = getattr(one, metric)
                if value is not None:
                    yield f"{split}/{place}/{metric}", value


def names_of(parts: Sequence[str]) -> dict[str, str]:
    """Labels or ingredients as they may stand in the name of a metric or a param: letters, digits, `_-.: ` and blanks,
    each another, none a path."""
    out: dict[str, str] = {}
    for part in parts:
        safe = re.sub(r"[^\w.\- :]", "_", part)[:_LONGEST].strip(". ") or "_"
        out[part] = next(name for name in numbered(safe) if name not in out.values())
    return out


def _papers(workspace: Workspace, run: str, project: str) -> dict[str, str]:
    """Model card and recipe, of a training whose weights are kept."""
    try:
        found = card(workspace, run, project=project)
    except CoreError as error:
        if error.code != "run_without_weights":
            raise
        return {}
    return papers(found, "safetensors")


def told_report(workspace: Workspace, project: Project, language: str) -> list[Told]:
    """The report of a project as one more entry, where there is one; it quotes no sentence."""
    html = report_of(workspace, project, language)
    if html is None:
        return []
    tags = {"report": project.slug, "project": project.slug}
    return [Told(f"report:{project.slug}", f"Report: {project.title}", project.title, tags,
                 files={"report.html": html})]  # fmt: skip


def text_of(value: Json) -> str:
    """A param as trackers that only know text get it."""
    return value if isinstance(value, str) else canonical_json(value)
