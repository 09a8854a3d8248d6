"""The real trainings that forecasts of mixes are held against: 50 mixes of each data set, short runs, two seeds each.

    python bench/forecast_runs.py wnut17|politics [--workspace DIR] [--test | --cast]       needs PEIBI_DATA

Six of the mixes get six seeds, which say how well any forecast could do at all. What comes of a run goes into
bench/forecast/NAME.json as soon as it is known, so the script can be stopped and started again at any time; `--test`
adds what the runs find on test, `--cast` forecasts all mixes into NAME-forecast.json. bench/forecast.py reads those
files and trains nothing.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core import corpus as corpora
from core.forecasting import prospect
from core.mix import GOLD, Mix, Part, plan
from core.models.catalogue import install
from core.pipeline import staged
from core.recipe import Recipe, load
from core.report.composition import compose, index
from core.runs import RunSpec
from core.search.designs import start
from core.search.space import Space
from core.stage import Stage, settle, train_specs
from core.submit import Submitter, result_of
from core.tasks import task as task_of
from core.training import predictions
from core.workspace import Workspace
from tools.public import CHILDREN, SHORT, WIKIGOLD, crossner, neighbours, wnut17

PLACE = Path(__file__).parent / "forecast"
MIXES, SEEDS, CEILING_MIXES, CEILING_SEEDS = 48, 2, 6, 6
FARTHEST = 4.0  # times gold, of one ingredient


@dataclass(frozen=True)
class Case:
    """A data set with its ingredients, as a recipe."""

    name: str
    recipe: Mapping[str, Any]


def _wnut17() -> Case:
    return Case("wnut17", {"data": wnut17(300), "ingredients": {**CHILDREN, "wikigold": WIKIGOLD}})


def _politics() -> Case:
    return Case("politics", {"data": crossner("politics"), "ingredients": CHILDREN | neighbours("politics", "science")})


CASES: Mapping[str, Callable[[], Case]] = {"wnut17": _wnut17, "politics": _politics}


def recipe_of(case: Case, workspace: Workspace) -> Recipe:
    """The recipe of a data set, written into the workspace's folder (JSON, which is YAML too)."""
    file = workspace.root / f"forecast-{case.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    recipe = {"version": 1, "project": f"forecast-{case.name}", "train": SHORT, **case.recipe}
    file.write_text(json.dumps(recipe), encoding="utf-8")
    return load(file)


def design(stage: Stage) -> list[dict[str, float]]:
    """Amounts of each mix, times gold: gold only, half of each, and those that fill the space."""
    gold = len(stage.pools[GOLD])
    most = {name: min(FARTHEST, 4 * len(pool) / gold) for name, pool in stage.pools.items() if name != GOLD}
    return [{}, dict.fromkeys(most, 0.5), *start(Space(most), MIXES)]


def mix_of(amounts: Mapping[str, float]) -> Mix:
    return Mix(parts={name: Part(amount) for name, amount in amounts.items()})


def wanted(mixes: int) -> list[tuple[int, int]]:
    """(mix, seed) in the order in which they are trained: each seed of all mixes, then what the ceiling needs."""
    first = [(at, seed) for seed in range(SEEDS) for at in range(mixes)]
    return first + [(at, seed) for seed in range(SEEDS, CEILING_SEEDS) for at in ceiling(mixes)]


def ceiling(mixes: int) -> list[int]:
    """The mixes of six seeds, spread over the design; gold only and half of each are among them."""
    return [0, 1, *np.linspace(2, mixes - 1, CEILING_MIXES - 2).round().astype(int).tolist()]


def totals(workspace: Workspace, corpus: str, run: str, labels: tuple[str, ...]) -> list[list[int]]:
    """Right, predicted, gold of each label in what a run found."""
    data = corpora.read(workspace.corpus_path(corpus))
    found = predictions.column(predictions.file_of(workspace.run_folder(run), corpus))
    counts = task_of(data.schema.task).counts(data.table, found, labels)
    return [side.sum(axis=0).tolist() for side in (counts.tp, counts.pred, counts.gold)]


class Book:
    """What is known of the runs of a data set, in a file that is whole at any time."""

    def __init__(self, name: str) -> None:
        self.path = PLACE / f"{name}.json"
        self.data: dict[str, Any] = {"runs": {}}
        if self.path.exists():
            self.data = json.loads(self.path.read_text(encoding="utf-8"))

    def save(self) -> None:
        lines = [f'  "{key}": {json.dumps(value)}' for key, value in self.data.items() if key != "runs"]
        runs = ",\n".join(f'    "{key}": {json.dumps(value)}' for key, value in sorted(self.data["runs"].items()))
        text = "{\n" + ",\n".join([*lines, f'  "runs": {{\n{runs}\n  }}']) + "\n}\n"
        new = self.path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.path)


def train(case: Case, workspace: Workspace, look_at_test: bool) -> None:
    recipe = recipe_of(case, workspace)
    stage, _ = staged(workspace, recipe, lambda runs: None)
    sizes = {name: len(pool) for name, pool in stage.pools.items()}
    model = install(recipe.train.model, workspace.models, recipe.folder)
    mixes, book, submit = design(stage), Book(case.name), Submitter(workspace, fresh=False)
    everything, _ = settle(replace(recipe, mix=mix_of(dict.fromkeys(recipe.ingredients, 1.0))), stage)
    labels = everything.labels
    book.data |= {"labels": labels, "sizes": sizes, "train": SHORT, "mixes": mixes}
    book.data |= {"drawn": [plan(mix_of(mix), sizes) for mix in mixes], "runs": book.data["runs"]}
    for at, seed in wanted(len(mixes)):
        params, names = settle(replace(recipe, mix=mix_of(mixes[at])), stage)
        [spec] = train_specs(stage, params, names, model.identity, [seed])
        key, began = f"{at:02d}.{seed}", time.monotonic()
        known = book.data["runs"].get(key, {})
        for split, corpus in stage.imported["corpora"].items():
            if split in known or split not in (("dev", "test") if look_at_test else ("dev",)):
                continue
            result_of(workspace, submit(spec)[0], lambda runs: None)
            if split == "test" and not predictions.file_of(workspace.run_folder(spec.id), corpus).exists():
                look = RunSpec("evaluate", {"data": f"corpus:{corpus}", "model:0": f"run:{spec.id}"})
                result_of(workspace, submit(look)[0], lambda runs: None)
                shutil.rmtree(workspace.run_folder(spec.id) / "model", ignore_errors=True)
            known[split] = totals(workspace, corpus, spec.id, labels)
            book.data["runs"][key] = known
            book.save()
            right, predicted, gold = np.array(known[split]).sum(axis=1)
            f1 = 2 * right / max(1, predicted + gold)
            print(f"{key} {split} {f1:.3f} {time.monotonic() - began:.0f} s {mixes[at]}", flush=True)


def cast(case: Case, workspace: Workspace) -> None:
    """Forecast every mix, and count what a plain regression would go by."""
    recipe = recipe_of(case, workspace)
    stage, _ = staged(workspace, recipe, lambda runs: None)
    found = prospect(workspace, recipe, lambda runs: None)
    pools = {name: index(pool) for name, pool in stage.pools.items()}
    mixes = [mix_of(amounts) for amounts in design(stage)]
    labels = tuple(found.forecast.labels)
    told = {
        "labels": labels,
        "forecast": [found.of(mix).totals.tolist() for mix in mixes],
        "new_mentions": [compose(mix, pools, None, labels).new_mentions for mix in mixes],
    }
    lines = ",\n".join(f'  "{key}": {json.dumps(value)}' for key, value in told.items())
    (PLACE / f"{case.name}-forecast.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CASES)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--test", action="store_true", help="predict test, too")
    parser.add_argument("--cast", action="store_true", help="forecast the mixes instead")
    args = parser.parse_args()
    PLACE.mkdir(exist_ok=True)
    case, workspace = CASES[args.name](), Workspace.open(args.workspace)
    if args.cast:
        cast(case, workspace)
    else:
        train(case, workspace, args.test)
    return 0


if __name__ == "__main__":
    sys.exit(main())
