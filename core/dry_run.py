"""What a recipe would train and what that would take: imported and built as far as needed, but nothing is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core import corpus as corpora
from core.errors import Issue, message
from core.estimate import Estimate, Wanted, estimate, tokens_of_a_row
from core.known import Asked, Sizes
from core.mix import Realised, realised
from core.models.catalogue import install
from core.models.writers import Planned
from core.output import issue_json, issues_text, questions_text, realised_table, size_text, steps_text
from core.pipeline import staged
from core.questions import per_run, questions
from core.recipe import Recipe, about
from core.sources import keep_writer
from core.stage import settle, train_specs
from core.submit import Watch
from core.tasks import task as task_of
from core.training import sense
from core.training.train import prepare
from core.workspace import Workspace


@dataclass(frozen=True)
class DryRun:
    """`runs`: trainings, of which `new` don't exist yet; `estimate`, `questions`: of those, None where nobody is
    asked."""

    issues: Sequence[Issue]
    requested: Mapping[str, tuple[float, str]]
    realised: Mapping[str, Realised]
    steps: int
    runs: int
    new: int
    estimate: Estimate
    questions: Planned | None = None


def dry_run(workspace: Workspace, recipe: Recipe, watch: Watch) -> DryRun:
    """Raises what carrying out the recipe would, before its trainings."""
    with about("train.model"):
        model = install(recipe.train.model, workspace.models, recipe.folder)
    recipe = replace(recipe, train=keep_writer(workspace, recipe.train, recipe.folder))
    sense.check_encoder(recipe.train, model.folder)
    stage, _ = staged(workspace, recipe, watch)
    params, names = settle(recipe, stage)
    pools = {name: stage.pools[name] for name in names}
    prepared = prepare(pools, replace(params, seed=recipe.seeds[0]), model.folder, workspace.root / "cache")
    specs = train_specs(stage, params, names, model.identity, recipe.seeds)
    there = {run.id for run in workspace.store.find([spec.id for spec in specs]) if run.state == "succeeded"}
    new = sum(spec.id not in there for spec in specs)
    counted = {name: len(pool) for name, pool in stage.pools.items()}
    rows = {name: prepared.rows.get(name, 0) for name in recipe.mix.requested()}
    dev = corpora.read(workspace.corpus_path(stage.imported["corpora"]["dev"]))
    read = len(dev) * tokens_of_a_row(workspace, dev, model.identity)
    sizes = Sizes(float(prepared.encoded.lengths.sum()), read, per_run(params, len(dev), new))
    classes = len(task_of(dev.schema.task).classes(params.labels))
    asked = Asked(replace(params.train, steps=prepared.steps), model.identity, specs[0].inputs["dev"])
    found = estimate(workspace, [Wanted(asked, new, sizes, classes)])
    told = (stage.issues, recipe.mix.requested(), realised(rows, counted), prepared.steps, len(specs), new, found)
    return DryRun(*told, questions(workspace, stage, params, new))


def to_json(found: DryRun, language: str) -> dict[str, Any]:
    """The object that `run --dry-run --json` prints."""
    return {
        "version": 1,
        "issues": [issue_json(issue, language) for issue in found.issues],
        "mix": {
            "requested": {name: {"amount": a, "unit": unit} for name, (a, unit) in found.requested.items()},
            "realised": {name: asdict(part) for name, part in found.realised.items()},
            "steps": found.steps,
        },
        "runs": found.runs,
        "new": found.new,
        "estimate": asdict(found.estimate),
        **({} if found.questions is None else {"questions": asdict(found.questions)}),
    }


def to_text(found: DryRun, language: str) -> str:
    """The same for people."""
    parts = [issues_text(found.issues, language), realised_table(found.requested, found.realised, language)]
    parts += [steps_text(found.steps, language)] if found.questions is None else []
    parts.append(message("line_dry_run", {"runs": found.runs, "new": found.new}, language))
    if found.new:
        parts[-1] += "\n" + "\n".join(estimate_lines(found.estimate, language))
    if found.new and found.questions is not None:
        parts[-1] += "\n" + questions_text(found.questions, language)
    return "\n\n".join(parts)


def estimate_lines(found: Estimate, language: str) -> list[str]:
    """What trainings will take, and how that is known."""
    values = {"seconds": round(found.seconds), "memory": size_text(found.memory), "disk": size_text(found.disk)}
    lines = [message("line_estimate", values, language)]
    if found.gpu_memory is not None:
        lines.append(message("line_estimate_gpu", {"memory": size_text(found.gpu_memory)}, language))
    known = message("line_estimate_known", {"n": found.known}, language)
    return [*lines, known if found.known else message("line_estimate_table", {}, language)]
