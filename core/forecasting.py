"""Forecasts of a recipe's mixes: what they are solved from is made by one run in the background."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core import corpus as corpora
from core.forecast.forecast import Forecast, Outlook
from core.forecast.preparing import ForecastParams
from core.jobs.folder import Run, read_object
from core.mix import Mix, Part, plan
from core.models.catalogue import install
from core.params import canonical
from core.pipeline import staged
from core.project import Project, events, record
from core.recipe import Recipe
from core.runs import POOL, RunSpec
from core.stage import Stage, root_of, settle, train_specs, unlabelled
from core.submit import Watch, result_of
from core.training.settings import TrainParams
from core.workspace import Workspace

KIND = "forecast"


@dataclass(frozen=True)
class Prospect:
    """What mixes of a recipe's ingredients are likely to score on dev."""

    forecast: Forecast
    sizes: Mapping[str, int]  # rows of each ingredient

    def of(self, mix: Mix) -> Outlook:
        """Raises CoreError for a mix that can't be drawn."""
        return self.forecast.of(self.drawn(mix))

    def drawn(self, mix: Mix) -> dict[str, int]:
        """Rows that a mix draws of each ingredient. Raises CoreError for one that can't be drawn."""
        return plan(mix, {name: n for name, n in self.sizes.items() if name in mix.requested()})


def spec_of(recipe: Recipe, stage: Stage, model: str) -> RunSpec:
    """The run behind forecasts of all mixes of what is built; text without labels is read too, for what to label next.
    `model`: identity of the encoder."""
    filled = [name for name, pool in stage.pools.items() if len(pool)]
    there = [name for name in filled if not unlabelled(recipe, name, stage)]
    bare = tuple(name for name in filled if name not in there and root_of(recipe, name) == name)
    everything = Mix(parts={name: Part(1.0) for name in there})
    plain = TrainParams(model=recipe.train.model)  # forecasts are of what gold and labels teach, whatever the method
    training, names = settle(replace(recipe, mix=everything, train=plain), stage)
    [like] = train_specs(stage, training, names, model, [0])
    warm = replace(ForecastParams.warm, max_length=recipe.train.max_length)  # whatever a project's other settings are
    inputs = {**like.inputs} | {POOL + name: f"corpus:{stage.pools[name].id}" for name in bare}
    params = ForecastParams(training.labels, training.mask_outside, warm, unlabelled=bare)
    return RunSpec(KIND, inputs, canonical(params))


def ask(workspace: Workspace, project: Project, stage: Stage) -> Run:
    """Submit the run behind a project's forecasts, and note it. Raises CoreError: those of models."""
    recipe = project.recipe
    model = install(recipe.train.model, workspace.models, recipe.folder)
    run, _ = workspace.submit(spec_of(recipe, stage, model.identity))
    record(workspace, project.slug, {"event": KIND, "run": run.id, "model": recipe.train.model})
    return run


def asked(workspace: Workspace, project: Project, stage: Stage) -> Run | None:
    """The run that was asked for forecasts of these ingredients, with the encoder that is named now; None: none was."""
    noted = [event for event in events(workspace, project.slug) if event.get("event") == KIND]
    for event in reversed(noted):
        spec = read_object(workspace.run_folder(event["run"]) / "spec.json")
        if event["model"] != project.recipe.train.model or spec is None:
            continue
        model = spec["inputs"]["model"].removeprefix("model:")
        if spec_of(project.recipe, stage, model).id == event["run"]:
            return next(iter(workspace.store.find([event["run"]])), None)
    return None


def prospect(workspace: Workspace, recipe: Recipe, watch: Watch) -> Prospect:
    """Build what is missing, and a forecast over it. Raises RunEnded, CoreError."""
    model = install(recipe.train.model, workspace.models, recipe.folder)
    stage, _ = staged(workspace, recipe, watch)
    run, _ = workspace.submit(spec_of(recipe, stage, model.identity))
    result_of(workspace, run, watch)
    return read(workspace, run.id, stage)


def read(workspace: Workspace, run_id: str, stage: Stage) -> Prospect:
    """What a finished run of the kind knows of the pools of a stage."""
    dev = corpora.read(workspace.corpus_path(stage.imported["corpora"]["dev"]))
    found = Forecast.load(workspace.run_folder(run_id), dev)
    return Prospect(found, {name: len(stage.pools[name]) for name in found.names})
