"""Ingredients made in several ways, for a search: at other rates, in more copies, by any other setting of their method.

Each way is a variant, a pool of its own, which the search builds before it begins. A project gets a variant as an
ingredient once somebody uses a mix with it in it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from core.augment import params_of
from core.errors import CoreError
from core.jobs.folder import read_object, write_json
from core.labeller import told_of_labeller
from core.params import Json, bad_value, build, canonical
from core.project import LONGEST_INGREDIENT, ingredient_name, numbered
from core.recipe import AugmentedIngredient, Recipe
from core.runs import Cancelled, RunContext, RunSpec
from core.sources import keep_named
from core.stage import Stage, augment_spec
from core.trainings import call_off
from core.workspace import Workspace

Vary = Mapping[str, Mapping[str, Sequence[Json]]]  # ingredient -> setting of its method, or copies -> values
COPIES = "copies"
MOST = 8  # variants of one ingredient
_FILE = "variants.json"
_NAP = 0.5  # seconds between two looks at what is built


@dataclass(frozen=True)
class Variants:
    """`families`: the names of an ingredient's variants, its own where it is one of them; `parts`: the others, by name;
    `specs`: the runs that build those."""

    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    parts: Mapping[str, AugmentedIngredient] = field(default_factory=dict[str, AugmentedIngredient])
    specs: Mapping[str, RunSpec] = field(default_factory=dict[str, RunSpec])

    def base(self, name: str) -> str:
        """The ingredient that a variant is one of; any other is its own."""
        return next((base for base, family in self.families.items() if name in family), name)


def variants(workspace: Workspace, recipe: Recipe, stage: Stage, vary: Vary) -> Variants:
    """The variants of a recipe's ingredients: every combination of an ingredient's values.

    Raises CoreError `unknown_ingredient`, `vary_file`, `vary_many`, `unknown_key` and `bad_value` of settings; those of
    core.labeller.
    """
    families: dict[str, tuple[str, ...]] = {}
    parts: dict[str, AugmentedIngredient] = {}
    specs: dict[str, RunSpec] = {}
    for name, settings in vary.items():
        own, names = _made(recipe, stage, name), dict[str, None]()
        whole = keep_named(workspace, own, recipe.folder, recipe.language)
        for given in _combinations(name, settings):
            part = _changed(whole, given, f"ingredients.{name}")
            told_of_labeller(workspace, part, stage.imported["corpora"])
            spec = augment_spec(part, stage)
            if spec.id == augment_spec(whole, stage).id:
                names[name] = None
                continue
            called = _called(name, given, part, {**recipe.ingredients, **parts})
            parts[called], specs[called], names[called] = part, spec, None
        families[name] = tuple(names)
    return Variants(families, parts, specs)


def _made(recipe: Recipe, stage: Stage, name: str) -> AugmentedIngredient:
    """An ingredient that a method made."""
    part = recipe.ingredients.get(name)
    if part is None or name not in stage.pools:
        raise CoreError("unknown_ingredient", {"name": name, "known": ", ".join(recipe.ingredients)}, "hint_known")
    if not isinstance(part, AugmentedIngredient):
        raise CoreError("vary_file", {"name": name}, "hint_vary_file")
    return part


def _combinations(name: str, settings: Mapping[str, Sequence[Json]]) -> Iterator[dict[str, Json]]:
    found = [dict(zip(settings, values, strict=True)) for values in product(*settings.values())]
    if not 1 <= len(found) <= MOST:
        raise CoreError("vary_many", {"name": name, "n": len(found), "most": MOST})
    return iter(found)


def _changed(part: AugmentedIngredient, given: Mapping[str, Json], where: str) -> AugmentedIngredient:
    params = {**part.params} | {key: value for key, value in given.items() if key != COPIES}
    params_of(part.augmenter, params, where)
    copies = given.get(COPIES, part.copies)
    try:
        return build(AugmentedIngredient, canonical(replace(part, params=params)) | {COPIES: copies}, where)
    except CoreError as error:
        raise bad_value(f"{where}.{COPIES}", copies, "1 to 100") if COPIES in given else error from None


def _called(name: str, given: Mapping[str, Json], part: AugmentedIngredient, there: Mapping[str, object]) -> str:
    """A name that no other ingredient has: `swaps rate 0.3`."""
    told = "".join(
        f" {key} {value:g}" if isinstance(value, float) else f" {key} {value}" for key, value in given.items()
    )
    base = ingredient_name(name[: LONGEST_INGREDIENT - len(told)] + told)
    return next(one for one in numbered(base) if one not in there or there[one] == part)


def built(ctx: RunContext, workspace: Workspace, specs: Mapping[str, RunSpec], total: int) -> Mapping[str, str]:
    """The corpora of variants by name, those that have rows, as far as an earlier attempt did not build them: their
    runs are queued and waited for. `total`: steps of which this is none yet.

    Raises CoreError as a run failed; Cancelled, with what waits called off.
    """
    there = kept(ctx.folder)
    if there is not None or not specs:
        return there or {}
    ids = {name: workspace.queue(spec, {})[0].id for name, spec in specs.items()}
    done = -1
    while True:
        runs = {run.id: run for run in workspace.store.find(ids.values())}
        try:
            ctx.check_cancelled()
        except Cancelled:
            call_off(workspace, runs.values(), "queued")
            raise
        pending = sum(run.pending for run in runs.values())
        if len(runs) - pending != done:
            done = len(runs) - pending
            ctx.metric(step=0, total=total, built=done, of=len(runs))
        if not pending:
            break
        time.sleep(_NAP)
    for name, id in ids.items():
        if runs[id].state != "succeeded":
            raise CoreError("variant_failed", {"name": name, "run": id}, "hint_variant_failed")
    results = {name: workspace.result(id) for name, id in ids.items()}
    corpora = {name: str(found["corpus"]) for name, found in results.items() if found["rows"]}
    write_json(ctx.folder / _FILE, corpora)
    return corpora


def kept(folder: Path) -> Mapping[str, str] | None:
    """What `built` made, in the folder of a search; None where it has not yet."""
    return read_object(folder / _FILE)
