"""Sequences: one model that learns from one project after another, in several ways of keeping, side by side.

A sequence is noted in the project of its last step, and known by what it is made of: asked for again with other ways or
more repeats, it grows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from core import corpus as corpora
from core.continual.chain import DEV, GOLD, KIND, START, TEST, SequenceParams, folder_of
from core.continual.keep import METHODS, Keep, check
from core.corpus import Corpus
from core.errors import CoreError, Issue, Value
from core.evaluation.comparison import compare, measure
from core.evaluation.scoring import Rates
from core.evaluation.sequence import Course, difference
from core.evaluation.verdicts import ENOUGH_SEEDS, MARGIN, Verdict, holm
from core.formats.importing import used_labels
from core.jobs.folder import Run
from core.launch import standing
from core.models import loading
from core.models.catalogue import DEFAULT, install
from core.pace import seconds_all
from core.params import build, canonical, digest
from core.project import Project, record
from core.repeats import told
from core.runs import RunSpec
from core.scores import Counts
from core.seen import HELD_OUT, MOST
from core.settle import decide
from core.tasks import task as task_of
from core.tasks.letters import marks
from core.training import predictions, sense
from core.training.settings import TrainParams
from core.workspace import Workspace

REPEATS = 8
_PLAIN, _JOINT = "plain", "joint"


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


@dataclass(frozen=True)
class Forgotten:
    """An old label: F1 (0..1) right after its step and in the end, means over seeds."""

    step: int
    label: str
    support: int
    learned: float
    kept: float


@dataclass(frozen=True)
class Told:
    """What came of one way of keeping. `verdict`: its average against plain fine-tuning's, None of that itself;
    `seconds`: of one run, the median; `replayed`: rows learned from again, in all steps."""

    method: str
    seeds: tuple[int, ...]
    course: Course
    labels: tuple[Forgotten, ...]
    seconds: float
    replayed: int
    verdict: Verdict | None
    gain: float | None
    interval: tuple[float, float] | None


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
    train = sense.settled(last.recipe.train, task)
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


def outcome(workspace: Workspace, sequence: Series, split: str = "dev") -> list[Told]:
    """What came of each way of keeping whose runs are finished; in the order of METHODS. `split`: dev, or test where
    somebody looks."""
    runs = runs_of(workspace, sequence)
    done = {
        name: {seed: id for seed, id in sorted(ids.items()) if id in runs and runs[id].state == "succeeded"}
        for name, ids in sequence.runs.items()
    }
    found = {name: _Scored(workspace, sequence, split, ids) for name, ids in done.items() if ids}
    order = sorted(found, key=lambda name: ([*METHODS].index(name.partition("@")[0]), name))
    plain = found.get(_PLAIN)
    judged = _judged(plain, {name: found[name] for name in order if name != _PLAIN}) if plain else {}
    return [found[name].told(name, runs, judged.get(name)) for name in order]


def look(workspace: Workspace, sequence: Series) -> None:
    """Note that test is looked at, in the project of every step."""
    runs = [id for ids in sequence.runs.values() for id in ids.values()]
    for part in sequence.parts:
        record(workspace, part.project, {"event": "look", "split": "test", "runs": runs, "sequence": sequence.id})


_Judged = tuple[Verdict, float, tuple[float, float] | None]


class _Scored:
    """The counts of a way's runs, by step."""

    def __init__(self, workspace: Workspace, sequence: Series, split: str, ids: Mapping[int, str]) -> None:
        self.workspace, self.sequence, self.split, self.ids = workspace, sequence, split, ids
        self.counts = [[self._counts(at, of) for of in self._steps()] for at in self._steps()]

    def _steps(self) -> range:
        return range(len(self.sequence.parts))

    def _counts(self, at: int, of: int) -> list[Counts]:
        """Of every run, on the rows of step `of` after step `at`; none where there is no such model."""
        corpus = self.sequence.parts[of].corpora[self.split]
        folders = [folder_of(self.workspace.run_folder(id), at) for id in self.ids.values()]
        files = [predictions.file_of(folder, corpus) for folder in folders]
        return [_count(self.workspace.corpus_path(corpus), file) for file in files if file.exists()]

    @property
    def course(self) -> Course:
        steps = len(self.sequence.parts)
        scores = np.full((len(self.ids), steps, steps), np.nan)
        for at, row in enumerate(self.counts):
            for of, found in enumerate(row):
                if found:
                    scores[:, at, of] = [_f1(one) for one in found]
        return Course(scores)

    def labels(self) -> Iterator[Forgotten]:
        """The labels of all steps but the last."""
        last = self._steps()[-1]
        for step in self._steps()[:-1]:
            own, end = self.counts[step][step], self.counts[last][step]
            for number, label in enumerate(end[0].names):
                values = [[_f1(one, number) for one in side] for side in (own, end)]
                learned, kept = (float(np.mean(side)) if side else float("nan") for side in values)
                yield Forgotten(step, label, int(end[0].gold[:, number].sum()), learned, kept)

    def told(self, name: str, runs: Mapping[str, Run], judged: _Judged | None) -> Told:
        steps = [self.workspace.result(id)["steps"] for id in self.ids.values()]
        seconds = float(np.median([sum(step["seconds"] for step in one) for one in steps]))
        replayed = sum(step["replayed"] for step in steps[0])
        verdict, gain, ends = judged or (None, None, None)
        return Told(name, tuple(self.ids), self.course, tuple(self.labels()), seconds, replayed, verdict, gain, ends)


def _judged(plain: _Scored, others: Mapping[str, _Scored]) -> dict[str, _Judged]:
    """Each way's average in the end against plain fine-tuning's: over seeds and rows, corrected for how many there
    are."""
    steps = len(plain.sequence.parts)
    found = {}
    for name, other in others.items():
        pairs = zip(plain.counts[-1], other.counts[-1], strict=True)
        parts = [compare(measure(mine), measure(its)).overall.difference["f1"] for mine, its in pairs]
        rows = sum(part.rows for part in parts if part is not None) / steps**2
        found[name] = difference(plain.course.average, other.course.average, rows)
    weights = [1.0] * len(found)
    differs = holm([one.p for one in found.values()], weights)
    equals = holm([one.p_same(MARGIN) for one in found.values()], weights)
    out: dict[str, _Judged] = {}
    for (name, one), p, same in zip(found.items(), differs, equals, strict=True):
        few = min(len(plain.ids), len(others[name].ids)) < ENOUGH_SEEDS
        out[name] = ("few_repeats" if few else decide(one.value, p, same)[0], one.value, one.interval)
    return out


@lru_cache(maxsize=4096)
def _count(path: Path, file: Path) -> Counts:
    """What a run's predictions come to; labels that a step's rows don't know count as none."""
    data = _read(path)
    labels = tuple(sorted(used_labels(data)))
    return task_of(data.schema.task).counts(data.table, predictions.column(file), labels)


@lru_cache(maxsize=16)
def _read(path: Path) -> Corpus:
    return corpora.read(path)


def _f1(counts: Counts, label: int | None = None) -> float:
    tp, pred, gold = (side if label is None else side[:, label] for side in (counts.tp, counts.pred, counts.gold))
    return float(Rates.of(tp.sum(), pred.sum(), gold.sum()).f1)


def _corpus(workspace: Workspace, id: str) -> Corpus:
    return _read(workspace.corpus_path(id))


def _spec(parts: Sequence[Part], train: TrainParams, keep: Keep, model: str, start: str, seed: int) -> RunSpec:
    inputs = {"model": f"model:{model}"} | ({START: f"run:{start}"} if start else {})
    roles = {"train": GOLD, "dev": DEV, "test": TEST}
    for at, part in enumerate(parts):
        inputs |= {f"{roles[split]}{at}": f"corpus:{id}" for split, id in part.corpora.items()}
    params = SequenceParams(seed, tuple(part.labels for part in parts), train, keep)
    return RunSpec(KIND, inputs, canonical(params))


def _of_start(workspace: Workspace, run: str) -> str:
    """The encoder that a trained run goes back to. Raises CoreError `run_without_weights`, `model_missing`."""
    folder = workspace.run_folder(run) / "model"
    if not (folder / loading.OVERLAY).is_file():
        raise CoreError("run_without_weights", {"run": run}, "hint_run_without_weights")
    base = loading.ModelMeta.read(folder).base
    if not (workspace.models / base).is_dir():
        raise CoreError("model_missing", {"model": base[:16], "known": f"run:{run}"}, "hint_model")
    return base


def _seen(workspace: Workspace, parts: Sequence[Part]) -> list[Issue]:
    """Rows of one step that stand among the held-out rows of another. Raises CoreError `sequence_saw` where they are
    more than a hundredth of these."""
    learned = {part.project: marks(_corpus(workspace, part.corpora["train"]).table) for part in parts}
    issues: list[Issue] = []
    for part in parts:
        for split in HELD_OUT:
            if split not in part.corpora:
                continue
            mine = marks(_corpus(workspace, part.corpora[split]).table)
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
