"""A search for a mix: what is asked, and what its trainings are made from.

Amounts are searched, and of an ingredient that was made in several ways which of them: each is a pool of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core import corpus as corpora
from core import mix_prior, mix_variants
from core.errors import CoreError
from core.formats.importing import used_labels
from core.groups import SEARCH, history
from core.jobs.folder import Run, read_object
from core.mix import GOLD, Mix, Part, cap
from core.mix_prior import FORECAST, Prior
from core.mix_trials import MixSearch
from core.mix_variants import Variants, Vary, variants
from core.models.catalogue import install
from core.observed import Ground, Mixed
from core.params import CLOSED, build, canonical
from core.recipe import SEEDS, Recipe, needed
from core.recipe import check as recipe_of
from core.recipe_text import recipe_data
from core.runs import POOL, TEXT, RunSpec
from core.search.designs import STEP
from core.seen import told_or_refused
from core.stage import Stage, settle, train_specs
from core.training import sense
from core.workspace import Workspace

FARTHEST = 3.0  # times gold, of one ingredient
_REMEMBERED = 64  # newest runs of the kind among which that of a project is looked for
_IMPORTED = ("corpora", "labels", "covered", "first_rows")  # what trainings need to know of the import


@dataclass(frozen=True)
class SearchParams:
    """`recipe`: as plain data, with the settings of its mix alone; `imported`: what trainings need to know of the
    import; `train`: settings of all trainings as their specs have them; `variants`: the runs that build ingredients
    first, by name. The inputs are those of a training with everything in it that is built, and the forecast's run where
    one has a say."""

    __pydantic_config__ = CLOSED
    project: str
    recipe: dict[str, Any]
    imported: dict[str, Any]
    train: dict[str, Any]
    search: MixSearch
    variants: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


@dataclass(frozen=True)
class Options:
    """`vary`: other ways to make ingredients that are searched, too; `forecast`: whether the project's forecast has a
    say, where it has one of all that is searched."""

    vary: Vary = field(default_factory=dict[str, dict[str, list[Any]]])
    forecast: bool = False


def usual_most(pools: Mapping[str, int], mix: Mix) -> dict[str, float]:
    """What is searched over unless somebody says otherwise: every ingredient that has rows, up to FARTHEST x gold or as
    much as its pool delivers. `pools`: rows by name, gold among them."""
    most = {name: min(FARTHEST, there) for name, there in _there(pools, mix).items()}
    return {name: round(math.floor(amount / STEP + 1e-9) * STEP, 2) for name, amount in most.items() if amount >= STEP}


def _there(pools: Mapping[str, int], mix: Mix) -> dict[str, float]:
    """The most that each pool delivers, times gold."""
    return {name: cap(mix.max_repeats, rows) / pools[GOLD] for name, rows in pools.items() if name != GOLD}


def ask(
    workspace: Workspace, recipe: Recipe, stage: Stage, search: MixSearch, options: Options | None = None
) -> tuple[Run, bool]:
    """Submit a search among mixes of a recipe's ingredients. -> (the run, whether it was there already)

    Raises CoreError `search_empty`, `unknown_ingredient`, `steps_missing`, `settle_label`, `bad_value`,
    `prompt_learns_nothing`, `dev_label_unknown` where gold alone can't be judged; those of models and of
    core.mix_variants.
    """
    options = options or Options()
    search = build(MixSearch, asdict(search), "search")
    there = _there({name: len(pool) for name, pool in stage.pools.items()}, recipe.mix)
    within, made = _within(search.most, there), variants(workspace, recipe, stage, options.vary)
    search = replace(search, most=_with_variants(within, there, made), families={**made.families})
    if recipe.train.steps is None:
        raise CoreError("steps_missing", {}, "hint_steps_missing")
    model = install(recipe.train.model, workspace.models, recipe.folder)
    sense.check(recipe.train)
    sense.check_learns(recipe.train)
    sense.check_encoder(recipe.train, model.folder)
    told_or_refused(workspace, recipe.train.model, model.folder, stage.imported["corpora"])
    recipe = replace(recipe, mix=_base(recipe.mix), seeds=SEEDS, licences={})
    settle(recipe, stage)  # gold alone
    if made.families:
        recipe = needed(replace(recipe, ingredients={**recipe.ingredients, **made.parts}), search.most)
    like = _everything(recipe, stage, search, made, model.identity)
    _check_labels(workspace, stage.imported["corpora"]["dev"], search)
    imported = {name: stage.imported[name] for name in _IMPORTED if name in stage.imported}
    specs = {name: spec.to_json() for name, spec in made.specs.items()}
    asked = SearchParams(recipe.project, recipe_data(recipe), imported, like.params.get("train", {}), search, specs)
    forecast = _forecast(workspace, like) if options.forecast and not specs else {}
    return workspace.submit(RunSpec(SEARCH, {**like.inputs, **forecast}, canonical(asked)))


def _with_variants(within: Mapping[str, float], there: Mapping[str, float], made: Variants) -> dict[str, float]:
    """The most of each ingredient, of variants as of what they are variants of; where its pool alone sets that, theirs,
    which aren't built yet, may hold more. `there`: what pools deliver. Raises CoreError `unknown_ingredient`."""
    most = {name: amount for name, amount in within.items() if name not in made.families}
    for base, family in made.families.items():
        if base not in within:
            raise CoreError("unknown_ingredient", {"name": base, "known": ", ".join(within) or "-"}, "hint_known")
        limit = within[base] if within[base] + STEP <= there[base] else max(FARTHEST, within[base])
        most |= {name: within[base] if name == base else limit for name in family}
    return most


def _everything(recipe: Recipe, stage: Stage, search: MixSearch, made: Variants, model: str) -> RunSpec:
    """A training with all that is searched in it; for a variant, which is still to be built, stands what it is one of,
    and it is left out of the inputs."""
    pools = stage.pools | {name: stage.pools[made.base(name)] for name in made.parts}
    stage = replace(stage, pools=pools)
    params, names = settle(replace(recipe, mix=_of(recipe.mix, search.limits)), stage)
    [like] = train_specs(stage, params, names, model, [0])
    left_out = {POOL + name for name in made.parts}
    return replace(like, inputs={role: value for role, value in like.inputs.items() if role not in left_out})


def _forecast(workspace: Workspace, like: RunSpec) -> dict[str, str]:
    """The forecast of all that is searched, as an input: of several the first that was made, so that the same question
    stays the same search."""
    for run in reversed(workspace.store.list(FORECAST, "succeeded", _REMEMBERED)):
        spec = read_object(workspace.run_folder(run.id) / "spec.json")
        if spec is not None and like.inputs.items() <= spec["inputs"].items():
            return {FORECAST: f"run:{run.id}"}
    return {}


def _within(most: Mapping[str, float], there: Mapping[str, float]) -> dict[str, float]:
    """No more of each ingredient than its pool delivers, `there`: more would be the same mix. Raises CoreError
    `search_empty`, `unknown_ingredient`."""
    for name in most:
        if name not in there:
            raise CoreError("unknown_ingredient", {"name": name, "known": ", ".join(there) or "-"}, "hint_known")
    found = {name: min(amount, there[name]) for name, amount in most.items() if there[name]}
    if not found:
        raise CoreError("search_empty", {}, "hint_search_empty")
    return found


def _base(mix: Mix) -> Mix:
    """The settings of a mix: its draw and its caps."""
    return replace(mix, parts={}, unit="times_gold", size=None, short="shrink")


def _of(base: Mix, amounts: Mapping[str, float]) -> Mix:
    return replace(base, parts={name: Part(amount) for name, amount in amounts.items() if amount})


def _check_labels(workspace: Workspace, dev: str, search: MixSearch) -> None:
    known = sorted(used_labels(corpora.read(workspace.corpus_path(dev))))
    for label in (search.label, search.condition.label if search.condition else ""):
        if label and label not in known:
            raise CoreError("settle_label", {"label": label, "known": ", ".join(known) or "-"}, "hint_known")


def asked(workspace: Workspace, run_id: str) -> SearchParams | None:
    """What a run of the kind was asked; None where its folder does not say."""
    spec = read_object(workspace.run_folder(run_id) / "spec.json") or {}
    return build(SearchParams, spec["params"], SEARCH) if spec.get("kind") == SEARCH else None


def newest(workspace: Workspace, project: str) -> Run | None:
    """The search of a project that was asked for last, however it stands."""
    for run in workspace.store.list(kind=SEARCH, limit=_REMEMBERED):
        params = asked(workspace, run.id)
        if params is not None and params.project == project:
            return run
    return None


@dataclass(frozen=True)
class Frame:
    """What a search's trainings are made from."""

    workspace: Workspace
    spec: RunSpec
    params: SearchParams

    @classmethod
    def of(cls, workspace: Workspace, spec: RunSpec) -> "Frame":
        return cls(workspace, spec, build(SearchParams, spec.params, SEARCH))

    @cached_property
    def recipe(self) -> Recipe:
        folder = self.workspace.root / "projects" / self.params.project
        return recipe_of(self.params.recipe, folder, self.params.project)

    @property
    def folder(self) -> Path:
        """Of the search's run."""
        return self.workspace.run_folder(self.spec.id)

    @cached_property
    def inputs(self) -> Mapping[str, str]:
        """Those of a training with everything in it, variants that were built first among them."""
        there = {role: value for role, value in self.spec.inputs.items() if role != FORECAST}
        made = mix_variants.kept(self.folder) or {}
        return there | {POOL + name: f"corpus:{id}" for name, id in made.items()}

    @cached_property
    def stage(self) -> Stage:
        pools = (role for role in self.inputs if role.startswith((POOL, TEXT)))
        names = {GOLD: GOLD} | {role: role.partition(":")[2] for role in pools}
        ids = {name: self.inputs[role].removeprefix("corpus:") for role, name in names.items()}
        pools = {name: corpora.read(self.workspace.corpus_path(id)) for name, id in ids.items()}
        return Stage(self.params.imported, pools, models=self.workspace.models)

    @cached_property
    def search(self) -> MixSearch:
        """What was asked, with no more of each variant than its pool turned out to deliver. Raises CoreError
        `search_empty`."""
        asked = self.params.search
        if not self.params.variants:
            return asked
        there = _there({name: len(pool) for name, pool in self.stage.pools.items()}, self.recipe.mix)
        most = _within({name: amount for name, amount in asked.most.items() if name in there}, there)
        families = {base: tuple(n for n in family if n in most) for base, family in asked.families.items()}
        return replace(asked, most=most, families={base: family for base, family in families.items() if family})

    @cached_property
    def ground(self) -> Ground:
        return Ground(self.inputs, self.params.train, len(self.stage.pools[GOLD]))

    @property
    def forecast(self) -> str | None:
        """The run of the forecast that has a say."""
        return self.spec.inputs[FORECAST].removeprefix("run:") if FORECAST in self.spec.inputs else None

    @cached_property
    def prior(self) -> Prior | None:
        """What is forecast of mixes, as far as it was made."""
        return mix_prior.kept(self.folder) if self.forecast else None

    @property
    def splits(self) -> dict[str, str]:
        found = self.params.imported["corpora"]
        return {split: found[split] for split in ("dev", "test") if split in found}

    def mix(self, amounts: Mapping[str, float]) -> Mix:
        return _of(self.recipe.mix, amounts)

    def specs(self, amounts: Mapping[str, float], seeds: Sequence[int]) -> list[RunSpec]:
        """The trainings of a mix under some seeds."""
        params, names = settle(replace(self.recipe, mix=self.mix(amounts)), self.stage)
        return train_specs(self.stage, params, names, self.spec.inputs["model"].removeprefix("model:"), seeds)

    def rows(self, amounts: Mapping[str, float]) -> tuple[int, ...] | None:
        """The rows that a mix draws, by the ground's names."""
        return self.ground.amounts(self.specs(amounts, [0])[0])

    def amounts(self, mixed: Mixed) -> dict[str, float]:
        """What a mix asked for, times gold, by name; what it drew where it asked in another unit."""
        asked = history(self.workspace, self.params.project).groups[mixed.group].mix.requested()
        asked = {name: ask for name, ask in asked.items() if name != GOLD and ask[0]}
        if all(unit == "times_gold" for _, unit in asked.values()):
            return {name: amount for name, (amount, _) in asked.items()}
        return self.named(np.array(mixed.rows) / self.ground.rows)

    def named(self, row: np.ndarray) -> dict[str, float]:
        """Amounts by name. *Shape:* (ingredients,)."""
        pairs = zip(self.ground.names, row.tolist(), strict=True)
        return {name: round(amount, 4) for name, amount in pairs if amount > 0}
