"""Transfer: what other projects bring to one, in each way there is, and what could be known before.

| way | the target's trainings |
|---|---|
| `target` | gold only, from the encoder as it is |
| `longer` | the same for as long as a source's training and the target's take together |
| `sequential` | gold only, from a run that was trained on the source |
| `joint` | gold and the source's rows as an ingredient, from the encoder as it is |
| `both` | gold and the source's rows, from a run that was trained on the source |

All are ordinary groups of the target project, with its settings, so Compare and the report know them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core import corpus as corpora
from core.contrast import gold_only
from core.errors import CoreError
from core.evaluation.comparison import Measured, compare, measure
from core.evaluation.logme import logme
from core.evaluation.verdicts import Judged, judge
from core.groups import Group, counts_of, evaluated, groups
from core.jobs.folder import Run
from core.launch import Plan, launch, plan_launch, standing
from core.mix import GOLD, Mix, Part
from core.models.catalogue import install
from core.models.loading import OVERLAY
from core.params import unknown_key
from core.project import Project, ingredient_name
from core.recipe import FileIngredient
from core.stage import Stage
from core.tasks import task as task_of
from core.tasks.protocol import IGNORED
from core.training import features
from core.workspace import Workspace

WAYS = ("target", "longer", "sequential", "joint", "both")
OF_SOURCES = ("sequential", "joint", "both")
_ITEMS = 20_000  # that an estimate is made from


@dataclass(frozen=True)
class Source:
    """A project as a source. `ingredient`: its rows under the target's labels; `run`: one that was trained on them;
    `effort`: sub-tokens of its batches, all steps together."""

    project: Project
    ingredient: FileIngredient
    shared: tuple[str, ...]
    run: str = ""
    effort: int = 0

    @property
    def name(self) -> str:
        """Of the ingredient."""
        return ingredient_name(self.project.title)


@dataclass(frozen=True)
class Case:
    """What is trained: a way with a source ("" for the target alone), and what the group is called. `steps`: other ones
    than the target's settings have."""

    way: str
    source: str
    name: str
    mix: Mix
    model: str
    steps: int | None = None


def source_of(
    workspace: Workspace, project: Project, target: Sequence[str], given: Mapping[str, str | None] | None = None
) -> Source:
    """A project as a source for labels `target`: those of the same name, whatever their case, are the same; all others
    are masked. `given`: what some of its labels are, in place of that, None masks one.

    Raises CoreError `step_not_imported`, `source_no_file`, `unknown_key` for a label that there isn't.
    """
    stage = standing(workspace, project).stage
    if stage is None:
        raise CoreError("step_not_imported", {"project": project.slug}, "hint_step_not_imported")
    by_name = {label.casefold(): label for label in target}
    labels = {label: by_name.get(label.casefold()) for label in stage.imported["labels"]["train"]}
    for label, wanted in (given or {}).items():
        if label not in labels:
            raise unknown_key(label, [*labels], "--map")
        if wanted is not None and wanted not in target:
            raise unknown_key(wanted, [*target], "--map")
        labels[label] = wanted
    data = project.recipe.data
    file = data if isinstance(data, str) else data.train or data.file
    if file is None:
        raise CoreError("source_no_file", {"project": project.slug})
    path = file if ":" in file else str((project.recipe.folder / file).resolve())
    ingredient = FileIngredient(path, labels)
    if not isinstance(data, str):
        ingredient = replace(ingredient, options=data.options, columns=data.columns)
    shared = tuple(sorted({label for label in labels.values() if label}))
    return Source(project, ingredient, shared, *_trained(workspace, project))


def _trained(workspace: Workspace, project: Project) -> tuple[str, int]:
    """The best run on dev among those of gold only whose weights are there, and what it learned from in sub-tokens; ""
    and 0 where there is none."""
    found = gold_only(groups(workspace, project.slug))
    runs = [] if found is None else [run for run in found.runs.values() if run.state == "succeeded"]
    there = [run for run in runs if (workspace.run_folder(run.id) / "model" / OVERLAY).is_file()]
    best = max(there, key=lambda run: workspace.result(run.id)["best_dev"], default=None)
    if found is None or best is None:
        return "", 0
    return best.id, workspace.result(best.id)["steps"] * found.train.batch_tokens


def train_source(workspace: Workspace, source: Source) -> str:
    """Queue the training that a source lacks: gold only, one seed, its own settings. -> the run's id"""
    stage = standing(workspace, source.project).stage
    assert stage is not None  # `source_of` refused it otherwise
    plan = plan_launch(workspace, source.project, stage, {"gold only": Mix()}, [0])
    return launch(workspace, source.project, stage, plan)[0]


def with_sources(project: Project, sources: Sequence[Source]) -> Project:
    """The target with the sources' rows as ingredients, those that it has already left as they are."""
    added = {source.name: source.ingredient for source in sources if source.name not in project.ingredients}
    recipe = replace(project.recipe, ingredients={**project.recipe.ingredients, **added})
    return replace(project, recipe=recipe)


def cases(project: Project, sources: Sequence[Source], ways: Sequence[str], amount: float) -> list[Case]:
    """What is trained, the target alone first. `amount`: of a source's rows, times gold. `longer` takes settings that
    say how many steps, and a source that was trained."""
    train, own = project.recipe.train, project.recipe.train.model
    found = [Case("target", "", "gold only", Mix(), own)] if "target" in ways else []
    effort = max((source.effort for source in sources), default=0)
    if "longer" in ways and train.steps is not None and effort:
        steps = train.steps + -(-effort // train.batch_tokens)
        found.append(Case("longer", "", "gold only, as long", Mix(), own, steps))
    for source in sources:
        joined, start = Mix(parts={GOLD: Part(1), source.name: Part(amount)}), f"run:{source.run}"
        every = {
            "sequential": Case("sequential", source.name, f"{source.name}, then gold", Mix(), start),
            "joint": Case("joint", source.name, f"gold and {source.name}", joined, own),
            "both": Case("both", source.name, f"{source.name}, then gold and {source.name}", joined, start),
        }
        found += [every[way] for way in ways if way in every]
    return found


def plans(
    workspace: Workspace, project: Project, stage: Stage, wanted: Sequence[Case], seeds: Sequence[int]
) -> list[tuple[Project, Plan]]:
    """The launches, a start each, with the project as it is trained there. Raises what `plan_launch` does."""
    by_start: dict[tuple[str, int | None], dict[str, Mix]] = {}
    for case in wanted:
        by_start.setdefault((case.model, case.steps or project.recipe.train.steps), {})[case.name] = case.mix
    found: list[tuple[Project, Plan]] = []
    for (model, steps), mixes in by_start.items():
        recipe = replace(project.recipe, train=replace(project.recipe.train, model=model, steps=steps))
        mine = replace(project, recipe=recipe)
        found.append((mine, plan_launch(workspace, mine, stage, mixes, seeds)))
    return found


@dataclass(frozen=True)
class Way:
    """What came of a case. `scores`: F1 of each repeat (0..1). *Shape:* (repeats,); `verdict`: against the target,
    `over_longer`: of a way with a source, against the target trained as long; None where there is no such thing."""

    case: Case
    scores: np.ndarray
    verdict: Judged | None
    over_longer: Judged | None = None


def outcome(workspace: Workspace, project: Project, wanted: Sequence[Case], split: str = "dev") -> list[Way]:
    """What came of those cases that have finished runs: F1 of all labels, all judged together."""
    there = groups(workspace, project.slug)
    pairs = [(case, group) for case in wanted if (group := group_for(there, case)) is not None]
    known = {case.name: case for case, group in pairs if evaluated(workspace, group, split)}
    counted = {case.name: measure(counts_of(workspace, group, split)) for case, group in pairs if case.name in known}
    over_target = _judged(counted, known, "target", [*WAYS[1:]])
    over_longer = _judged(counted, known, "longer", OF_SOURCES)
    return [
        Way(known[name], one.scores["f1"][:, 0], over_target.get(name), over_longer.get(name))
        for name, one in counted.items()
    ]


def _judged(
    counted: Mapping[str, Measured], known: Mapping[str, Case], base: str, ways: Sequence[str]
) -> dict[str, Judged]:
    """Cases of some ways against that of another, all of them together; nothing where that was not trained."""
    over = next((name for name, case in known.items() if case.way == base), None)
    pairs = (
        {}
        if over is None
        else {name: compare(counted[over], counted[name]) for name, case in known.items() if case.way in ways}
    )
    if not pairs:
        return {}
    return {name: found[0] for name, found in judge({n: replace(p, labels=()) for n, p in pairs.items()}).items()}


def agreement(told: Sequence[Way], estimates: Mapping[str, float]) -> dict[str, float | None]:
    """By way, whether the estimates had the order of the sources right (`ranks_agree`)."""
    return {
        way: ranks_agree(estimates, {one.case.source: one.scores.mean() for one in told if one.case.way == way})
        for way in OF_SOURCES
    }


def group_for(found: Sequence[Group], case: Case) -> Group | None:
    """The newest group that a case was launched as."""
    mine = [
        group for group in found
        if group.name == case.name and group.train.model == case.model and case.steps in (None, group.train.steps)
    ]  # fmt: skip
    return mine[-1] if mine else None


def start_reading(workspace: Workspace, project: Project, stage: Stage, models: Sequence[str]) -> dict[str, Run]:
    """Submit the reading of gold by encoders, as recipes name them. -> by name"""
    gold = stage.imported["corpora"]["train"]
    found: dict[str, Run] = {}
    for name in models:
        model = install(name, workspace.models, workspace.root / "projects" / project.slug)
        found[name] = workspace.submit(features.spec_of(gold, model.identity, (96,)))[0]  # more than any has: the last
    return found


def estimate(workspace: Workspace, stage: Stage, run: str) -> float:
    """How well the states that a `features` run made of gold suit its labels (core.evaluation.logme)."""
    gold = corpora.read(workspace.corpus_path(stage.imported["corpora"]["train"]))
    task, labels = task_of(gold.schema.task), tuple(sorted(stage.imported["labels"]["train"]))
    states, targets = features.read(workspace.run_folder(run)).states, task.targets(gold.table, labels)
    if targets.ndim > 1:
        return logme(np.asarray(states, dtype=np.float32), np.nan_to_num(targets))
    items = np.flatnonzero(targets != IGNORED)
    if len(items) > _ITEMS:
        items = np.sort(np.random.default_rng(0).permutation(items)[:_ITEMS])
    hot = np.eye(len(task.classes(labels)))[targets[items]]
    return logme(np.asarray(states[items], dtype=np.float32), hot)


def ranks_agree(estimates: Mapping[str, float], scores: Mapping[str, float]) -> float | None:
    """Spearman's rank correlation of estimates and scores of the same sources; None for fewer than three."""
    names = [name for name in estimates if name in scores]
    if len(names) < 3:
        return None
    ranks = [np.argsort(np.argsort([side[name] for name in names])) for side in (estimates, scores)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
