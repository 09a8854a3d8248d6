"""Sequences: one model that learns from one project after another, in several ways of keeping, side by side.

A sequence is noted in the project of its last step, and known by what it is made of: asked for again with other ways or
more repeats, it grows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from core import corpus as corpora
from core.continual.chain import DEV, GOLD, KIND, START, TEST, SequenceParams
from core.continual.keep import METHODS, Keep, check
from core.corpus import Corpus
from core.errors import CoreError, Issue, Value
from core.formats.guard import HELD_OUT
from core.jobs.folder import Run
from core.launch import standing
from core.models import loading
from core.models.catalogue import DEFAULT, install, origin_of
from core.pace import seconds_all
from core.params import build, canonical, digest
from core.project import Project, record
from core.repeats import told
from core.runs import RunSpec
from core.seen import MOST
from core.tasks import task as task_of
from core.tasks.letters import marks
from core.training import sense
from core.training.settings import TrainParams
from core.workspace import Workspace

REPEATS = 8


@dataclass(frozen=True)
class Part:
    """One step. `corpora`: ids by split."""

    project: str
    title: str
    corpora: Mapping[str, str]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """A sequence as it was asked for. `runs`: ids by way of keeping and seed."""

    id: str
    parts: tuple[Part, ...]
    train: TrainParams
    start: str
    runs: Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Planned:
    """What a launch would start. `specs`: by way of keeping; `seconds`: about how long those take that are new."""

    parts: tuple[Part, ...]
    train: TrainParams
    start: str
    specs: Mapping[str, tuple[RunSpec, ...]]
    new: int
    seconds: float
    issues: tuple[Issue, ...]


def keep_of(name: str) -> Keep:
    """A way of keeping by its name in METHODS, or NAME@SHARE with another share of replayed rows. Raises CoreError
    `keep_unknown`."""
    base, sign, share = name.partition("@")
    found = METHODS.get(base)
    try:
        value = float(share) if sign else 0.0
    except ValueError:
        found, value = None, 0.0
    if found is None or (sign and not (found.replay and 0 < value <= 1)):
        known = ", ".join(METHODS)
        raise CoreError("keep_unknown", {"name": name, "known": known}, "hint_keep_unknown")
    return replace(found, replay=value) if sign else found


def name_of(keep: Keep) -> str:
    """What `keep_of` reads as this way."""
    for name, one in METHODS.items():
        if keep == one:
            return name
        if one.replay and keep == replace(one, replay=keep.replay):
            return f"{name}@{keep.replay:g}"
    return "plain"


def part_of(workspace: Workspace, project: Project) -> Part:
    """A project as a step. Raises CoreError `step_not_imported`."""
    stage = standing(workspace, project).stage
    if stage is None:
        raise CoreError("step_not_imported", {"project": project.slug}, "hint_step_not_imported")
    ids = {split: id for split, id in stage.imported["corpora"].items() if split in ("train", *HELD_OUT)}
    return Part(project.slug, project.title, ids, tuple(sorted(stage.imported["labels"]["train"])))


def plan(
    workspace: Workspace, projects: Sequence[Project], methods: Sequence[str], seeds: Sequence[int], start: str = ""
) -> Planned:
    """The runs of several ways over some seeds, with the settings of the last project.

    `start`: a trained run, that is the first step: of the first project. Raises CoreError `sequence_short`,
    `sequence_tasks`, `steps_missing`, `keep_*`, `sequence_saw`, `sequence_start`; those of models.
    """
    last = projects[-1]
    if len(projects) < 2:
        raise CoreError("sequence_short", {}, "hint_sequence_short")
    if len({project.recipe.task for project in projects}) > 1:
        raise CoreError("sequence_tasks", {"tasks": ", ".join(project.recipe.task for project in projects)})
    if last.recipe.train.steps is None:
        raise CoreError("steps_missing", {}, "hint_steps_missing")
    parts = tuple(part_of(workspace, project) for project in projects)
    issues = _seen(workspace, parts)
    task = task_of(_corpus(workspace, parts[0].corpora["train"]).schema.task)
    sense.check_learns(last.recipe.train)
    train = sense.settled(last.recipe.train, task, origin_of(last.recipe.train.model, workspace.models))
    folder = workspace.root / "projects" / last.slug
    model = _of_start(workspace, start) if start else install(train.model, workspace.models, folder).identity
    specs: dict[str, tuple[RunSpec, ...]] = {}
    for name in methods:
        keep = keep_of(name)
        check(keep, train)
        specs[name] = tuple(_spec(parts, replace(train, model=DEFAULT), keep, model, start, seed) for seed in seeds)
    every = [spec.id for found in specs.values() for spec in found]
    there = {run.id for run in workspace.store.find(every) if run.pending or run.state == "succeeded"}
    new = len(set(every) - there)
    seconds = len(parts) * seconds_all(workspace, new, train, model) if new else 0.0
    return Planned(parts, train, start, specs, new, seconds, tuple(issues))


def launch(workspace: Workspace, planned: Planned, seeds: Sequence[int]) -> list[str]:
    """Submit the runs of a plan, seed by seed so that all ways grow together, and note them. -> their ids"""
    about = {
        "steps": [[part.project, part.title, dict(part.corpora), [*part.labels]] for part in planned.parts],
        "train": canonical(planned.train),
        "start": planned.start,
    }
    runs = {name: {str(seed): spec.id for seed, spec in zip(seeds, specs, strict=True)}
            for name, specs in planned.specs.items()}  # fmt: skip
    record(workspace, planned.parts[-1].project, {"event": KIND, "id": digest(about)[:12], **about, "runs": runs})
    rows = zip(*planned.specs.values(), strict=True)
    return [workspace.submit(spec)[0].id for row in rows for spec in row]


def sequences(workspace: Workspace, project: str) -> list[Series]:
    """The sequences that end in a project, the newest first."""
    found: dict[str, Series] = {}
    for event in told(workspace, project, KIND):
        runs = {name: {int(seed): id for seed, id in ids.items()} for name, ids in event["runs"].items()}
        had = found.pop(event["id"], None)
        if had is not None:
            runs = {name: {**had.runs.get(name, {}), **runs.get(name, {})} for name in {**had.runs, **runs}}
        parts = tuple(Part(one, title, ids, tuple(labels)) for one, title, ids, labels in event["steps"])
        train = build(TrainParams, event["train"], KIND)
        found[event["id"]] = Series(event["id"], parts, train, event["start"], runs)
    return [*found.values()][::-1]


def runs_of(workspace: Workspace, sequence: Series) -> dict[str, Run]:
    """Its runs as they stand, by id."""
    return {run.id: run for run in workspace.store.find([id for ids in sequence.runs.values() for id in ids.values()])}


@dataclass(frozen=True)
class News:
    """What the last step brings. `labels`: that no step before has; `gone`: old ones that it leaves unlabelled; `rows`:
    of its gold, `known`: of these whose text stands in the gold of a step before."""

    labels: tuple[str, ...]
    gone: tuple[str, ...]
    rows: int
    known: int


def news(workspace: Workspace, parts: Sequence[Part]) -> News:
    """What is new in the last of several steps."""
    old = {label for part in parts[:-1] for label in part.labels}
    texts = np.concatenate([_texts(workspace.corpus_path(part.corpora["train"])) for part in parts[:-1]])
    mine = _texts(workspace.corpus_path(parts[-1].corpora["train"]))
    last = parts[-1].labels
    fresh, gone = (tuple(sorted(one)) for one in ({*last} - old, old - {*last}))
    return News(fresh, gone, len(mine), int(np.isin(mine, texts).sum()))


def look(workspace: Workspace, sequence: Series) -> None:
    """Note that test is looked at, in the project of every step."""
    runs = [id for ids in sequence.runs.values() for id in ids.values()]
    for part in sequence.parts:
        record(workspace, part.project, {"event": "look", "split": "test", "runs": runs, "sequence": sequence.id})


def looked(workspace: Workspace, series: Series) -> bool:
    """Whether somebody looked at test with it."""
    return any(event.get("sequence") == series.id for event in told(workspace, series.parts[-1].project, "look"))


@lru_cache(maxsize=16)
def read(path: Path) -> Corpus:
    """A corpus, which never changes."""
    return corpora.read(path)


@lru_cache(maxsize=16)
def _texts(path: Path) -> np.ndarray:
    """The marks of a corpus's texts (core.tasks.letters): the page asks again and again."""
    return marks(read(path).table)


def _corpus(workspace: Workspace, id: str) -> Corpus:
    return read(workspace.corpus_path(id))


def _spec(parts: Sequence[Part], train: TrainParams, keep: Keep, model: str, start: str, seed: int) -> RunSpec:
    inputs = {"model": f"model:{model}"} | ({START: f"run:{start}"} if start else {})
    roles = {"train": GOLD, "dev": DEV, "test": TEST}
    for at, part in enumerate(parts):
        inputs |= {f"{roles[split]}{at}": f"corpus:{id}" for split, id in part.corpora.items()}
    params = SequenceParams(seed, tuple(part.labels for part in parts), train, keep)
    return RunSpec(KIND, inputs, canonical(params))


def _of_start(workspace: Workspace, run: str) -> str:
    """The encoder that a trained run goes back to. Raises CoreError `run_without_weights`, `run_prompted`,
    `run_of_parts`, `model_missing`."""
    loading.check_kept(workspace.run_folder(run), run)
    base = loading.ModelMeta.read(workspace.run_folder(run) / "model").base
    if not (workspace.models / base).is_dir():
        raise CoreError("model_missing", {"model": base[:16], "known": f"run:{run}"}, "hint_model")
    return base


def _seen(workspace: Workspace, parts: Sequence[Part]) -> list[Issue]:
    """Rows of one step that stand among the held-out rows of another. Raises CoreError `sequence_saw` where they are
    more than a hundredth of these."""
    learned = {part.project: _texts(workspace.corpus_path(part.corpora["train"])) for part in parts}
    issues: list[Issue] = []
    for part in parts:
        for split in HELD_OUT:
            if split not in part.corpora:
                continue
            mine = _texts(workspace.corpus_path(part.corpora[split]))
            for project, texts in learned.items():
                rows = int(np.isin(mine, texts).sum()) if project != part.project else 0
                values: dict[str, Value] = {
                    "project": project, "other": part.project, "split": split, "rows": rows, "all": len(mine),
                }  # fmt: skip
                if rows > MOST * len(mine):
                    raise CoreError("sequence_saw", values, "hint_sequence_saw")
                if rows:
                    issues.append(Issue(part.project, None, split, "sequence_saw", values, "kept"))
    return issues
