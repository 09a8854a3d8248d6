"""Continued pre-training of a recipe's encoder on its text without labels: the run, what it takes, what came of it."""

import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core import project as projects
from core.errors import CoreError
from core.expected import expected, speed_for
from core.formats.guard import HELD_OUT
from core.jobs.folder import Run, json_lines, metrics_file, read_object
from core.jobs.trash import delete
from core.known import FILLED, STARTING, Asked, layout_of, pace_of, references
from core.mix import GOLD
from core.models.catalogue import Installed, install
from core.models.started import installed, start_of
from core.params import build, canonical
from core.project import Project, events, record
from core.recipe import FileIngredient, Recipe
from core.runs import TEXT, RunSpec
from core.seen import told_or_refused
from core.stage import Stage, unlabelled
from core.training.pretrain_loop import PretrainParams
from core.training.settings import TrainParams
from core.workspace import Workspace

KIND = "pretrain"
_PASSES = 3  # forward, back to what came in, back to the weights


@dataclass(frozen=True)
class Reads:
    """What is read: ingredients by name, and whether gold's own text is."""

    texts: tuple[str, ...]
    gold: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a finished run came to. `rows`: learned from, by role; `left_out`: by why; `perplexity`: (step, value) of
    rows that were kept apart, `before` of them with a head that has learned; `name`: what recipes call the model."""

    name: str
    objective: str
    head_made: bool
    rows: Mapping[str, int]
    held_out: int
    left_out: Mapping[str, int]
    perplexity: Sequence[tuple[int, float]]
    before: float
    after: float


def sources(recipe: Recipe, stage: Stage) -> list[str]:
    """The ingredients whose text can be read: those that are files; those without labels first."""
    named = [name for name, part in recipe.ingredients.items() if isinstance(part, FileIngredient)]
    there = [name for name in named if name in stage.pools and len(stage.pools[name])]
    return sorted(there, key=lambda name: not unlabelled(recipe, name, stage))


def check(recipe: Recipe, stage: Stage, texts: Sequence[str], gold: bool) -> Reads:
    """What is to be read; without names all text without labels. Raises CoreError `pretrain_text`,
    `pretrain_nothing`."""
    known = sources(recipe, stage)
    for name in texts:
        if name not in known:
            raise CoreError("pretrain_text", {"name": name, "known": ", ".join(known) or "-"}, "hint_pretrain_text")
    chosen = tuple(texts) or tuple(name for name in known if unlabelled(recipe, name, stage))
    if not chosen and not gold:
        raise CoreError("pretrain_nothing", {}, "hint_pretrain_text")
    return Reads(tuple(dict.fromkeys(chosen)), gold)


def spec_of(stage: Stage, reads: Reads, model: str, params: PretrainParams) -> RunSpec:
    """The run. `model`: identity of the model that it begins with."""
    ids = stage.imported["corpora"]
    inputs = {"model": f"model:{model}"} | ({GOLD: f"corpus:{ids['train']}"} if reads.gold else {})
    inputs |= {TEXT + name: f"corpus:{stage.pools[name].id}" for name in reads.texts}
    inputs |= {split: f"corpus:{ids[split]}" for split in HELD_OUT if split in ids}
    return RunSpec(KIND, inputs, canonical(params))


def begin_with(workspace: Workspace, recipe: Recipe, stage: Stage, name: str) -> Installed:
    """The model that it begins with, installed. Raises CoreError: those of models; `model_saw_much`."""
    found = install(name, workspace.models, recipe.folder)
    told_or_refused(workspace, name, found.folder, stage.imported["corpora"])
    return found


def start(workspace: Workspace, project: Project, stage: Stage, reads: Reads, params: PretrainParams) -> Run:
    """Submit a project's, from the model that its trainings begin with, and note it."""
    model = begin_with(workspace, project.recipe, stage, project.recipe.train.model)
    run, _ = workspace.submit(spec_of(stage, reads, model.identity, params))
    record(workspace, project.slug, {"event": KIND, "run": run.id, "model": project.recipe.train.model})
    return run


def runs(workspace: Workspace, project: str) -> list[Run]:
    """Those that a project asked for and that are there, the newest first."""
    noted = [event["run"] for event in events(workspace, project) if event.get("event") == KIND]
    found = {run.id: run for run in workspace.store.find(noted)}
    return [found[id] for id in dict.fromkeys(reversed(noted)) if id in found]


def outcome(workspace: Workspace, run: Run) -> Outcome:
    """Of a finished run."""
    found = workspace.result(run.id)
    perplexity = [(int(step), float(value)) for step, value in found["perplexity"]]
    told = (found["objective"], found["head_made"], found["rows"], found["held_out_rows"], found["left_out"])
    return Outcome(f"run:{run.id}", *told, perplexity, found["before"], found["after"])


def perplexities(workspace: Workspace, run: Run) -> list[tuple[int, float]]:
    """(step, perplexity) as far as a run has come, over all its attempts."""
    found: dict[int, float] = {}
    for attempt in range(1, run.attempt + 1):
        lines = json_lines(metrics_file(workspace.run_folder(run.id), attempt))
        found |= {line["step"]: line["perplexity"] for line in lines if "perplexity" in line}
    return sorted(found.items())


def seconds(workspace: Workspace, model: str, params: PretrainParams) -> float:
    """About how long a run takes here: as an earlier one of the same model did, else by what a step computes (see
    core.expected), as fast as trainings go. `model`: identity, "" where it is not known."""
    paced = _paced(workspace, model, params)
    if paced is not None:
        return STARTING + params.steps * paced
    like = TrainParams(frozen_layers=0, freeze_word_embeddings=False, batch_tokens=params.batch_tokens)
    asked, known, found = Asked(like, model, ""), references(workspace), layout_of(workspace, model)
    words = sum(tensor.size for tensor in found.tensors if tensor.place == "words")
    asks = params.masked * FILLED * params.batch_tokens
    head = _PASSES * 2 * words * asks / speed_for(workspace, asked, known)
    return STARTING + params.steps * (expected(workspace, asked, known).step + head)


def _paced(workspace: Workspace, model: str, params: PretrainParams) -> float | None:
    """Seconds of a step of the newest runs that began with the same model, for batches of this size."""
    found: list[float] = []
    for run in workspace.store.list(kind=KIND, state="succeeded", limit=8):
        folder = workspace.run_folder(run.id)
        spec = RunSpec.from_json(read_object(folder / "spec.json") or {})
        pace = pace_of(json_lines(metrics_file(folder, run.attempt)))
        if pace is not None and spec.inputs["model"] == f"model:{model}":
            then = build(PretrainParams, spec.params, KIND)
            found.append(pace.step * params.batch_tokens / then.batch_tokens)
    return statistics.median(found) if found else None


def in_use(workspace: Workspace, run: str) -> list[str]:
    """The runs that began with the model of a run."""
    folder = installed(run, workspace.models)
    if folder is None:
        return []
    reference = f"model:{folder.name}"
    specs = {one.id: read_object(workspace.run_folder(one.id) / "spec.json") or {} for one in workspace.store.list()}
    return [id for id, spec in specs.items() if reference in spec.get("inputs", {}).values()]


def name_of(workspace: Workspace, run: str) -> str | None:
    """What a pre-trained model has read, in names of ingredients; None of any other run."""
    folder = installed(run, workspace.models)
    start = None if folder is None else start_of(folder)
    if start is None or start.pretraining is None:
        return None
    return ", ".join(role.removeprefix(TEXT) for role in start.corpora)


def remove(workspace: Workspace, run: str) -> None:
    """Move a run to the trash, and take its model out of the workspace. Raises CoreError `pretrain_in_use` where a run
    or a project begins with it; those of core.jobs.trash."""
    folder = installed(run, workspace.models)
    users = in_use(workspace, run)
    users += [slug for slug in projects.names(workspace) if _begins_with(workspace, slug, run)]
    if users:
        raise CoreError("pretrain_in_use", {"run": run, "by": ", ".join(users[:3])}, "hint_pretrain_in_use")
    delete(workspace.root, [run])
    if folder is not None:
        shutil.rmtree(folder)


def _begins_with(workspace: Workspace, project: str, run: str) -> bool:
    try:
        return projects.load(workspace, project).recipe.train.model == f"run:{run}"
    except CoreError:
        return False
