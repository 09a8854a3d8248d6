"""Whether rows chosen by what to label next bring a weak label more than rows by chance, or by uncertainty alone.

    python bench/label_next.py [--workspace DIR] [--draws N] [--rows N] [--quick] [--json]       needs PEIBI_DATA

WNUT-17: 300 sentences of train are gold, drawn anew for each draw, the rest is text whose labels are hidden. A hundred
rows are chosen for a label, get their true labels, and the forecast's head is solved anew with them; what it finds on
dev, which the choice may look at, and on test, which it has not seen, is held against the head without them.
`--trainings N` trains N seeds (150 steps) without rows, with chosen ones and by chance, of the first draw instead.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.corpus import Corpus
from core.forecast.forecast import Forecast, Member, Pool, member_folder
from core.forecast.labelling import rank
from core.forecast.preparing import states_file
from core.forecast.statistics import class_weights, system
from core.forecasting import prospect, spec_of
from core.formats import ReadOptions, read, write
from core.mix import GOLD
from core.models.catalogue import install
from core.pipeline import Options, carry_out, staged
from core.recipe import Recipe, load
from core.tasks import task as task_of
from core.workspace import Workspace
from tools.claims import tell
from tools.public import DATA, SHORT

WNUT17 = DATA / "wnut17"
LABELS = ("group", "location", "product")
GOLD_ROWS, CHANCE_DRAWS = 300, 5
WAYS = ("chosen", "uncertain", "chance")
TASK = task_of("tagging")


@dataclass(frozen=True)
class Draw:
    """One draw of gold. `bare`, `held`: the rest of train and test, with their labels; `read`, `tried`: their states as
    each member read them."""

    forecast: Forecast
    gold: Corpus
    bare: Corpus
    held: Corpus
    read: Sequence[np.ndarray]
    tried: Sequence[np.ndarray]


def recipe_of(folder: Path, number: int) -> Recipe:
    """The recipe of a draw; its files are written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    train = read(WNUT17 / "train.conll", name="train.conll", options=ReadOptions()).corpus
    order = np.random.default_rng(number).permutation(len(train))
    for name, rows in (("gold", order[:GOLD_ROWS]), ("pool", order[GOLD_ROWS:])):
        write(train.take(rows), folder / f"{name}.conll", format="conll")
    bare = {name: {"file": str(file), "options": {"unlabelled": True}} for name, file in (
        ("pool", folder / "pool.conll"), ("held", WNUT17 / "test.conll"))}  # fmt: skip
    data = {"train": str(folder / "gold.conll"), "dev": str(WNUT17 / "dev.conll")}
    text = {"version": 1, "project": f"label-next-{number}", "data": data, "ingredients": bare, "train": SHORT}
    (folder / "recipe.yaml").write_text(json.dumps(text), encoding="utf-8")
    return load(folder / "recipe.yaml")


def draw_of(workspace: Workspace, number: int) -> Draw:
    """Forecast one draw, where that was not done, and take its states."""
    folder = workspace.root / f"label-next-{number}"
    recipe = recipe_of(folder, number)
    found = prospect(workspace, recipe, lambda runs: None)
    stage, _ = staged(workspace, recipe, lambda runs: None)
    model = install(recipe.train.model, workspace.models, recipe.folder)
    place = workspace.run_folder(spec_of(recipe, stage, model.identity).id)
    states = [
        [np.load(states_file(member_folder(place, member), at)) for member in range(len(found.forecast.members))]
        for at in (1, 2)
    ]
    truth = [
        _labelled(stage.pools[name], file)
        for name, file in (("pool", folder / "pool.conll"), ("held", WNUT17 / "test.conll"))
    ]
    return Draw(found.forecast, stage.pools[GOLD], truth[0], truth[1], *states)


def _labelled(pool: Corpus, file: Path) -> Corpus:
    """The rows of a pool with the labels that its file has."""
    whole = read(file, name=file.name, options=ReadOptions()).corpus
    place = {tuple(words): at for at, words in enumerate(whole.table.column("tokens").to_pylist())}
    return whole.take(np.array([place[tuple(words)] for words in pool.table.column("tokens").to_pylist()]))


def chosen(draw: Draw, label: str, way: str, rows: int, seed: int = 0) -> np.ndarray:
    """Rows by one of WAYS. *Shape:* (rows,)."""
    forecast, labels = draw.forecast, draw.forecast.labels
    pools = [Pool(draw.bare, states) for states in draw.read]
    if way == "chance":
        return np.random.default_rng(seed).permutation(len(draw.bare))[:rows]
    if way == "chosen":
        nothing = np.empty(0, np.int64)
        return rank(forecast, draw.gold, pools, {GOLD: GOLD_ROWS}, label, rows, nothing).rows
    mine = [one.endswith(f"-{label}") for one in TASK.classes(labels)]
    unsure = 0.0
    for member, states in zip(forecast.members, draw.read, strict=True):
        values = np.clip(member.scale(states) @ forecast.head(member, {GOLD: GOLD_ROWS}), 0, 1)
        sure = (values / np.maximum(values.sum(axis=1, keepdims=True), 1e-6))[:, mine].sum(axis=1)
        unsure = unsure + sure * (1 - sure)
    row = np.repeat(np.arange(len(draw.bare)), TASK.lengths(draw.bare.table))
    return np.argsort(-np.bincount(row, unsure, len(draw.bare)), kind="stable")[:rows]


def solved(draw: Draw, rows: np.ndarray) -> Mapping[str, np.ndarray]:
    """What the head finds with those rows in gold, their labels true: totals on dev and test. *Shape:* (3, labels)."""
    forecast, labels = draw.forecast, draw.forecast.labels
    weight = class_weights(TASK.targets(draw.gold.table, labels), len(TASK.classes(labels)))
    targets = TASK.targets(draw.bare.table, labels)
    ends: list[int] = np.concatenate([[0], np.cumsum(TASK.lengths(draw.bare.table))]).tolist()
    items = np.concatenate([np.empty(0, np.int64), *(np.arange(ends[row], ends[row + 1]) for row in rows)])
    total = {"dev": TASK.totals(forecast.held.table, labels), "test": TASK.totals(draw.held.table, labels)}
    found: dict[str, list[np.ndarray]] = {"dev": [], "test": []}
    for member, states, tried in zip(forecast.members, draw.read, draw.tried, strict=True):
        head = _head(forecast, member, states[items], targets[items], weight)
        for split, phi in (("dev", member.scaled), ("test", member.scale(tried))):
            found[split].append(total[split](phi @ head))
    return {split: np.mean(totals, axis=0) for split, totals in found.items()}


def _head(
    forecast: Forecast, member: Member, states: np.ndarray, targets: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    matrix, moment = system(member.parts, {GOLD: GOLD_ROWS}, forecast.penalty)
    phi, counted = member.scale(states), weight[targets][:, None]
    more, pull = (counted * phi).T @ phi, (counted * phi).T @ np.eye(len(weight))[targets]
    return np.linalg.solve(GOLD_ROWS * matrix + more, GOLD_ROWS * moment + pull).astype(np.float32)


def rates(totals: np.ndarray, at: int) -> tuple[float, float, float]:
    """Recall and F1 of a label, F1 of all."""
    (right, predicted, gold), all = totals[:, at], totals.sum(axis=1)
    return right / max(1, gold), 2 * right / max(1, predicted + gold), 2 * all[0] / max(1, all[1] + all[2])


def heads(workspace: Workspace, draws: int, rows: int) -> list[dict[str, Any]]:
    """Gains in points, the mean over draws and labels, with what each of them gained."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(draws):
        draw = draw_of(workspace, number)
        words = TASK.lengths(draw.bare.table)
        before = solved(draw, np.empty(0, np.int64))
        for way in WAYS:
            for label in LABELS:
                at = [*draw.forecast.labels].index(label)
                seeds = range(CHANCE_DRAWS if way == "chance" else 1)
                picks = [chosen(draw, label, way, rows, seed) for seed in seeds]
                after = [solved(draw, pick) for pick in picks]
                gained = {
                    split: np.mean([np.subtract(rates(one[split], at), rates(before[split], at)) for one in after], 0)
                    for split in ("dev", "test")
                }
                length = float(np.mean([words[pick].mean() for pick in picks]))
                gains = {split: (100 * gain).round(2).tolist() for split, gain in gained.items()}
                found[way].append({"draw": number, "label": label, "words": length, **gains})
    return [_claim(way, split, metric, found[way]) for way in WAYS for split in ("dev", "test") for metric in range(3)]


def _claim(way: str, split: str, metric: int, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    name = ("recall of the label", "F1 of the label", "F1 of all")[metric]
    values = [one[split][metric] for one in found]
    detail = {"each": [[one["draw"], one["label"], one[split][metric]] for one in found]}
    detail |= {"words_a_row": round(float(np.mean([one["words"] for one in found])), 1)}
    return {"name": f"{way}: {name}, {split}", "value": float(np.mean(values)), "unit": "pts", "detail": detail}


def trainings(workspace: Workspace, label: str, rows: int, seeds: int) -> list[dict[str, Any]]:
    """Real trainings on gold alone, and with rows that were chosen or drawn by chance: scores on dev in per cent, means
    over seeds."""
    draw = draw_of(workspace, 0)
    claims: list[dict[str, Any]] = []
    for way in ("gold alone", "chosen", "chance"):
        folder = workspace.root / f"label-next-0-{label}-{way.replace(' ', '-')}"
        folder.mkdir(exist_ok=True)
        write(draw.gold, folder / "gold.conll", format="conll")
        data = {"train": str(folder / "gold.conll"), "dev": str(WNUT17 / "dev.conll")}
        recipe: dict[str, Any] = {"version": 1, "data": data, "train": SHORT | {"seeds": [*range(seeds)]}}
        if way in WAYS:
            write(draw.bare.take(chosen(draw, label, way, rows)), folder / "more.conll", format="conll")
            recipe |= {"ingredients": {"more": {"file": str(folder / "more.conll")}}}
            recipe |= {"mix": {"parts": {"more": {"amount": rows, "unit": "rows"}}}}
        (folder / f"{folder.name}.yaml").write_text(json.dumps(recipe), encoding="utf-8")
        found = carry_out(workspace, load(folder / f"{folder.name}.yaml"), Options(test=False), lambda runs: None)
        scores = found.scores["dev"]
        assert scores is not None
        mine = scores.per_label[label]
        for name, value in (("recall of the label", mine.recall), ("F1 of the label", mine.f1),
                            ("F1 of all", scores.overall["f1"])):  # fmt: skip
            detail = {"seeds": seeds, "label": label, "support": mine.support}
            claims.append({"name": f"{way}: {name}, dev, trained", "value": 100 * float(value or 0), "unit": "%",
                           "detail": detail})  # fmt: skip
    return claims


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--draws", type=int, default=5, help="of gold (default 5)")
    parser.add_argument("--rows", type=int, default=100, help="that are labelled (default 100)")
    parser.add_argument("--label", default="group", choices=LABELS, help="of the trainings (default group)")
    parser.add_argument("--trainings", type=int, default=0, metavar="N", help="train N seeds instead")
    parser.add_argument("--quick", action="store_true", help="one draw")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    workspace = Workspace.open(args.workspace)
    if args.trainings:
        claims = trainings(workspace, args.label, args.rows, args.trainings)
    else:
        claims = heads(workspace, 1 if args.quick else args.draws, args.rows)
    tell(claims, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
