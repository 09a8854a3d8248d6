"""From a project to its runs: the import, the pools, and trainings of several mixes over the same seeds."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core import corpus as corpora
from core import estimate as estimates
from core.augment.audit import Audit
from core.errors import CoreError
from core.estimate import Estimate, Wanted
from core.groups import LAUNCH, Group, check_version, group_id, history
from core.jobs.folder import Run, read_json
from core.jobs.store import SAME
from core.known import Asked, asked_of
from core.labeller import told_of_labeller
from core.mix import GOLD, Mix
from core.mix import plan as planned_rows
from core.models.catalogue import install
from core.models.writers import Planned as Questions
from core.params import build, canonical
from core.project import Project, record
from core.questions import per_run, questions, together
from core.recipe import AugmentedIngredient
from core.recipe_text import mix_data
from core.repeats import queue
from core.runs import RunSpec
from core.seen import told_or_refused
from core.sources import import_spec, keep_named, keep_writer
from core.stage import Stage, augment_spec, imported, settle, train_specs
from core.tasks import task as task_of
from core.tasks.drawing import few_of
from core.training import sense
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.workspace import Workspace


@dataclass(frozen=True)
class Standing:
    """Where a project stands: its import, and its pools as far as they are built.

    `runs`: by "import" and ingredient, those that exist; `rejected`: children by code, `audits`: what pools are
    made of, per augmented ingredient;
    `waiting`: ingredients whose pool was not built (their parent's may be missing).
    """

    runs: Mapping[str, Run]
    stage: Stage | None
    rejected: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    audits: Mapping[str, Audit] = field(default_factory=dict[str, Audit])
    waiting: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        return any(run.pending for run in self.runs.values())


def standing(workspace: Workspace, project: Project) -> Standing:
    """Look at the run folders; starts nothing."""
    spec = import_spec(workspace, project.recipe)
    known = {run.id: run for run in workspace.store.find([spec.id])}
    runs = {"import": known[spec.id]} if spec.id in known else {}
    if not runs or runs["import"].state != "succeeded":
        return Standing(runs, None, waiting=tuple(_augmented(project)))
    stage = imported(workspace, workspace.result(spec.id))
    rejected: dict[str, Mapping[str, int]] = {}
    audits: dict[str, Audit] = {}
    left = _augmented(project)
    while True:
        ready = {name: part for name, part in left.items() if part.of in stage.pools}
        if not ready:
            break
        specs = {name: augment_spec(_kept(workspace, project, part), stage).id for name, part in ready.items()}
        known = {run.id: run for run in workspace.store.find(specs.values())}
        for name, id in specs.items():
            del left[name]
            run = known.get(id)
            if run is None:
                continue
            runs[name] = run
            if run.state == "succeeded":
                result = workspace.result(run.id)
                stage.pools[name] = corpora.read(workspace.corpus_path(result["corpus"]))
                rejected[name] = result["rejected"]
                if "audit" in result:  # earlier pools have none
                    audits[name] = build(Audit, result["audit"], "audit")
    stage.pools = {name: stage.pools[name] for name in (GOLD, *project.ingredients) if name in stage.pools}
    return Standing(runs, stage, rejected, audits, tuple(n for n in _augmented(project) if n not in stage.pools))


def _augmented(project: Project) -> dict[str, AugmentedIngredient]:
    return {name: part for name, part in project.ingredients.items() if isinstance(part, AugmentedIngredient)}


def start_import(workspace: Workspace, project: Project) -> Run:
    """Submit the import of a project's files and file ingredients."""
    return workspace.submit(import_spec(workspace, project.recipe))[0]


def start_pool(workspace: Workspace, project: Project, name: str) -> Run:
    """Submit the building of one pool. Raises CoreError `pool_not_ready` where what it is made of is missing;
    those of `told_of_labeller`."""
    part, stage = project.ingredients[name], standing(workspace, project).stage
    if stage is None or not isinstance(part, AugmentedIngredient) or part.of not in stage.pools:
        raise CoreError("pool_not_ready", {"name": name}, "hint_pool_not_ready")
    whole = _kept(workspace, project, part)
    told_of_labeller(workspace, whole, stage.imported["corpora"])
    return workspace.submit(augment_spec(whole, stage))[0]


def _kept(workspace: Workspace, project: Project, part: AugmentedIngredient) -> AugmentedIngredient:
    return keep_named(workspace, part, project.recipe.folder, project.recipe.language)


@dataclass(frozen=True)
class Planned:
    """One mix as it would be trained."""

    name: str
    mix: Mix
    train: TrainParams
    specs: tuple[RunSpec, ...]
    new: int  # runs that don't exist yet
    wanted: Wanted  # those, as far as their cost goes
    questions: Questions | None = None  # that they put to a language model


@dataclass(frozen=True)
class Plan:
    """What a launch would start. `estimate`: what the new runs take, side by side as there are slots; `questions`: that
    they put to a language model."""

    mixes: tuple[Planned, ...]
    new: int
    estimate: Estimate
    questions: Questions | None = None

    @property
    def seconds(self) -> float:
        """About how long the new runs take."""
        return self.estimate.seconds


def plan_launch(
    workspace: Workspace, project: Project, stage: Stage, mixes: Mapping[str, Mix], seeds: Sequence[int]
) -> Plan:
    """The runs of the named mixes over the same seeds, for the project's training settings.

    Raises CoreError `steps_missing` where the settings give epochs: mixes are compared at equal steps; `mix_*` where
    a mix can't be drawn; those of models; `model_saw_much` where the start has learned from dev or test.
    """
    if project.recipe.train.steps is None and not project.recipe.train.at_once:
        raise CoreError("steps_missing", {}, "hint_steps_missing")
    model = install(project.recipe.train.model, workspace.models, _folder(workspace, project))
    train = keep_writer(workspace, project.recipe.train, _folder(workspace, project))
    project = replace(project, recipe=replace(project.recipe, train=train))
    sense.check_encoder(project.recipe.train, model.folder)
    told_or_refused(workspace, project.recipe.train.model, model.folder, stage.imported["corpora"])
    return _plan(workspace, project, stage, mixes, seeds, model.identity)


def estimate(
    workspace: Workspace, project: Project, stage: Stage, mixes: Mapping[str, Mix], seeds: Sequence[int]
) -> Plan:
    """`plan_launch` without looking at the model: it is the one that the project last trained under that name.

    Where there was none, all runs are new. Raises CoreError `mix_*` where a mix can't be drawn.
    """
    launched = [*history(workspace, project.slug).groups.values()][::-1]
    named = (one for one in launched if one.train.model == project.recipe.train.model)
    runs = (run.id for one in named for run in workspace.store.find([*one.runs], 1))
    asked = next((asked for run in runs if (asked := asked_of(workspace.run_folder(run))) is not None), None)
    return _plan(workspace, project, stage, mixes, seeds, asked.model if asked else "")


def _plan(
    workspace: Workspace, project: Project, stage: Stage, mixes: Mapping[str, Mix], seeds: Sequence[int], model: str
) -> Plan:
    train = project.recipe.train
    train = train if train.method == "prompt" else replace(train, prompt=None)  # what isn't used is not told of
    planned: list[Planned] = []
    for name, mix in mixes.items():
        params, names = settle(replace(project.recipe, mix=mix), stage)
        specs = tuple(train_specs(stage, params, names, model, seeds))
        new = len(_new(workspace, specs))
        asked, cost = questions(workspace, stage, params, new), wanted(workspace, stage, params, specs[0], new)
        planned.append(Planned(name, mix, train, specs, new, cost, asked))
    total, estimate = sum(part.new for part in planned), estimates.estimate(workspace, [p.wanted for p in planned])
    return Plan(tuple(planned), total, estimate, together([part.questions for part in planned]))


def _new(workspace: Workspace, specs: Sequence[RunSpec]) -> list[str]:
    """The ids of those that don't exist yet."""
    there = {run.id for run in workspace.store.find([spec.id for spec in specs]) if run.state in SAME}
    return [spec.id for spec in specs if spec.id not in there]


def wanted(workspace: Workspace, stage: Stage, params: TrainRunParams, spec: RunSpec, runs: int) -> Wanted:
    """What the cost of some trainings depends on. `params`: of `settle`; `spec`: of one of them."""
    model = spec.inputs["model"].removeprefix("model:")
    dev = corpora.read(workspace.corpus_path(spec.inputs["dev"].removeprefix("corpus:")))
    pools = few_of(task_of(dev.schema.task), stage.pools, params.mix, params.mix.seed)
    rows = planned_rows(params.mix, {name: len(pool) for name, pool in pools.items()})
    sizes = estimates.sizes_of(workspace, model, rows, stage.pools, dev)
    sizes = replace(sizes, questions=per_run(params, len(dev), runs))
    classes = len(task_of(dev.schema.task).classes(params.labels))
    return Wanted(Asked(params.train, model, spec.inputs["dev"]), runs, sizes, classes)


def _folder(workspace: Workspace, project: Project) -> Path:
    return workspace.root / "projects" / project.slug


def launch(workspace: Workspace, project: Project, stage: Stage, plan: Plan, curve: Collection[str] = ()) -> list[str]:
    """Submit the runs of a plan, seed by seed so that all mixes grow together, and note them in the project.

    `curve`: names of mixes that are points of gold's learning curve, and no candidates.
    """
    splits = {split: corpus for split, corpus in stage.imported["corpora"].items() if split in ("dev", "test")}
    for part in plan.mixes:
        seeds = {spec.id: int(spec.params["seed"]) for spec in part.specs}
        event = {"event": LAUNCH, "group": group_id(part.specs[0]), "mix": part.name, "asked": mix_data(part.mix)}
        event |= {"train": canonical(part.train), "corpora": splits, "seeds": seeds}
        record(workspace, project.slug, event | ({"curve": True} if part.name in curve else {}))
    new = [_new(workspace, part.specs) for part in plan.mixes]
    ids: list[str] = []
    for specs in zip(*(part.specs for part in plan.mixes), strict=True):
        ids += [workspace.submit(spec)[0].id for spec in specs]
    for part, runs in zip(plan.mixes, new, strict=True):
        estimates.note(workspace, part.wanted, runs)
    return ids


def look_at_test(workspace: Workspace, project: str, chosen: Sequence[Group]) -> Run | None:
    """Predict test with the finished runs of some of a project's groups. A look, and on record; None where nothing is
    left to do."""
    told = {"groups": [group.id for group in chosen], "runs": [run for group in chosen for run in group.finished]}
    record(workspace, project, {"event": "look", "split": "test"} | told)
    runs = [run for group in chosen for run in group.finished if not _tested(workspace, group, run)]
    if not runs:
        return None
    inputs = {"data": f"corpus:{chosen[0].corpora['test']}"} | {f"model:{i}": f"run:{r}" for i, r in enumerate(runs)}
    return workspace.submit(RunSpec("evaluate", inputs))[0]


def _tested(workspace: Workspace, group: Group, run: str) -> bool:
    from core.training import predictions

    folder = workspace.run_folder(run)
    return predictions.file_of(folder, group.corpora["test"]).exists() or not (folder / "model").exists()


def retrain(workspace: Workspace, project: Project, group: Group, seeds: Sequence[int]) -> list[str]:
    """Train repeats of a group again whose weights were not kept, as a sample's: replicates of the same group. -> ids

    Raises CoreError `group_older`; `model_other` where the encoder's name means another one by now; those of models.
    """
    model = install(group.train.model, workspace.models, _folder(workspace, project))
    specs = {seed: _replicate(workspace, group.runs[seed].id) for seed in seeds}
    for spec in specs.values():
        check_version(group, spec)
    if any(spec.inputs["model"] != f"model:{model.identity}" for spec in specs.values()):
        raise CoreError("model_other", {"model": group.train.model})
    event = {"event": LAUNCH, "group": group.id, "mix": group.name, "asked": mix_data(group.mix)}
    event |= {"train": canonical(group.train), "corpora": dict(group.corpora)}
    made = {spec.id: seed for seed, spec in specs.items()}
    record(workspace, project.slug, event | dict(group.marks) | {"seeds": made})
    return queue(workspace, group, [*specs.values()])


def _replicate(workspace: Workspace, run_id: str) -> RunSpec:
    """The spec of a run under the first number that no finished run without weights has."""
    spec = RunSpec.from_json(read_json(workspace.run_folder(run_id) / "spec.json"))
    for number in itertools.count(1):
        other = replace(spec, repeat=number)
        folder = workspace.run_folder(other.id)
        if (folder / "model").exists() or not (folder / "result.json").exists():
            return other
    raise AssertionError
