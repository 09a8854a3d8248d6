"""How far verdicts can be trusted, measured on real runs: 16 repeats of one recipe on two data sets.

All 16 are one and the same recipe, so between any two groups of them there is no difference to be found. Groups are
drawn at random without a repeat in both: 1,000 times 5 against 5, and 8 against 8.

- wrong claims: how often anything at all is called better or worse (any label, recall or precision, or F1 of all);
  beside it the same for the percentile bootstrap over seeds and rows, each interval by itself, that this replaced.
- coverage: how often an interval by itself holds the true difference, which is 0, over all labels with at least 30
  mentions of which every repeat finds some; and, for F1 of all labels, after a known difference was put in.
- power: four points are put into one group (mentions that the runs missed are found, as many as raise the F1 of all
  labels by four points on average): how often that is called better. Together: the same mentions in every run of the
  group, so that rows differ in it; scattered: others in each run.
- one at a time: repeats are added to both groups from 5 to 16 (drawn with replacement from the 16), and it is looked
  each time, by the always-valid rule: wrong claims at any look; how often, and after how many repeats, four and eight
  points are found, and how many runs that saves against the fixed 8 (below zero: it took more).

  python bench/verdicts.py [--quick] [--json]        (bench/seeds: predictions without text, see tools/seeds.py)
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.evaluation.comparison import Comparison, compare, measure
from core.evaluation.scoring import METRICS, bootstrap
from core.evaluation.sequential import always_valid
from core.evaluation.verdicts import LEVEL, judge
from core.jobs.machine import Machine
from core.scores import FEW, Counts
from core.tasks import task

SEEDS = Path(__file__).parent / "seeds"
POINTS = 0.04
LATEST = 16  # repeats in each group, one at a time
Group = Sequence[Counts]
Claim = dict[str, Any]


def load(path: Path) -> list[Counts]:
    """The repeats of a file, one Counts each."""
    table = pyarrow.parquet.read_table(path)
    plain = {name: table.column(name).cast(pa.list_(pa.string())) for name in table.column_names}
    values = pa.compute.unique(pa.compute.list_flatten(plain["gold"])).to_pylist()
    labels = tuple(sorted({tag[2:] for tag in values if tag and tag != "O"}))
    gold = pa.table({"tags": plain.pop("gold")})
    return [task("tagging").counts(gold, column, labels) for column in plain.values()]


def drawn(runs: Group, size: int, rng: np.random.Generator) -> tuple[Group, Group]:
    """Two groups without a run in both."""
    order = rng.permutation(len(runs))
    return [runs[at] for at in order[:size]], [runs[at] for at in order[size : 2 * size]]


def injected(group: Group, points: float, rng: np.random.Generator, together: bool = True) -> Group:
    """The group with more mentions found, so that its F1 of all labels rises by `points` on average.

    `together`: the same mentions in all its runs, or others in each.
    """
    tp, pred, gold = (np.stack([getattr(c, n) for c in group]).astype(float) for n in ("tp", "pred", "gold"))
    f1 = 2 * tp.sum() / (pred.sum() + gold.sum())
    # each missed mention that is found adds 1 to hits and to predictions: f1' = 2 (tp + x) / (pred + x + gold)
    found = (f1 + points) * (pred.sum() + gold.sum()) / 2 - tp.sum()
    share = found / (1 - (f1 + points) / 2) / (gold - tp).sum()
    kept = rng.random((*gold.shape[1:], int(gold.max()))) < share  # of each mention, the same for all runs
    out: list[Counts] = []
    for counts in group:
        missed = counts.gold - counts.tp
        if not together:
            kept = rng.random(kept.shape) < share
        more = sum(((missed > at) & kept[..., at]).astype(np.int32) for at in range(kept.shape[-1]))
        out.append(Counts(counts.names, counts.tp + more, counts.pred + more, counts.gold))
    return out


def claims_of(comparison: Comparison) -> bool:
    """Whether anything is called better or worse."""
    return any(one.verdict in ("better", "worse") for one in judge({"": comparison})[""])


def overall(comparison: Comparison) -> str:
    return judge({"": comparison})[""][0].verdict


def told(runs: Group) -> list[int]:
    """The labels with enough mentions of which every repeat finds some."""
    found = np.stack([counts.tp.sum(0) for counts in runs]).min(0)
    return [int(at) for at in np.flatnonzero((runs[0].gold.sum(0) >= FEW) & (found > 0))]


def covered(comparison: Comparison, labels: Sequence[int]) -> list[bool]:
    """Whether the intervals of all labels together and of these hold 0."""
    rows = [comparison.overall, *(comparison.labels[at] for at in labels)]
    ends = [row.difference[metric].interval for row in rows for metric in METRICS]
    return [low <= 0 <= high for low, high in ends]


def by_bootstrap(before: Group, after: Group, labels: Sequence[int], seed: int) -> list[bool]:
    """The same for the percentile bootstrap, over the same labels and metrics."""
    row, *streams = np.random.SeedSequence(seed).spawn(3)
    drawn = [
        bootstrap(group, 1000, np.random.default_rng(row), np.random.default_rng(stream))
        for group, stream in zip((before, after), streams, strict=True)
    ]
    out: list[bool] = []
    for metric in METRICS:
        columns = [(drawn[1]["micro"], drawn[0]["micro"], None)]
        columns += [(drawn[1]["label"], drawn[0]["label"], at) for at in labels]
        for after_rates, before_rates, at in columns:
            gap = getattr(after_rates, metric) - getattr(before_rates, metric)
            low, high = np.percentile(gap if at is None else gap[:, at], (2.5, 97.5))
            out.append(bool(low <= 0 <= high))
    return out


def at_once(runs: Group, times: int, bootstraps: int) -> dict[str, float]:
    """Everything about fixed numbers of repeats."""
    out: dict[str, float] = {}
    labels = told(runs)
    for size in (5, 8):
        rng = np.random.default_rng(size)
        wrong, first, holds = 0, 0, []
        for _ in range(times):
            found = compare(*map(measure, drawn(runs, size, rng)))
            wrong += claims_of(found)
            first += overall(found) in ("better", "worse")
            holds += covered(found, labels)
        out[f"wrong_{size}"], out[f"wrong_f1_{size}"] = wrong / times, first / times
        out[f"coverage_{size}"] = float(np.mean(holds))
        rng = np.random.default_rng(size)
        old = [by_bootstrap(*drawn(runs, size, rng), labels, seed=at) for at in range(bootstraps)]
        out[f"bootstrap_wrong_{size}"] = float(np.mean([not all(one) for one in old]))
        out[f"bootstrap_coverage_{size}"] = float(np.mean([holds for one in old for holds in one]))
        rng = np.random.default_rng(size)
        gains, better, inside = [], 0, 0
        for _ in range(times // 2):
            before, after = drawn(runs, size, rng)
            found = compare(measure(before), measure(injected(after, POINTS, rng)))
            gains.append(found.overall.difference["f1"].value)
            better += overall(found) == "better"
            low, high = found.overall.difference["f1"].interval
            inside += low <= POINTS <= high
        rng = np.random.default_rng(size)
        found = 0
        for _ in range(times // 2):
            before, after = drawn(runs, size, rng)
            found += (
                overall(compare(measure(before), measure(injected(after, POINTS, rng, together=False)))) == "better"
            )
        out[f"power_scattered_{size}"] = found / (times // 2)
        out[f"power_{size}"], out[f"put_in_{size}"] = better / len(gains), float(np.mean(gains))
        out[f"coverage_put_in_{size}"] = inside / len(gains)
    return out


def one_at_a_time(runs: Group, times: int, points: float) -> tuple[float, float]:
    """(how often it is settled as better or worse, mean number of repeats in each group when it stopped)."""
    rng = np.random.default_rng(round(1000 * points))
    settled, used = 0, 0
    for _ in range(times):
        sides: list[list[Counts]] = []
        for after in (False, True):
            picked = [runs[at] for at in rng.integers(0, len(runs), LATEST)]
            sides.append(list(injected(picked, points, rng)) if after and points else picked)
        for repeats in range(5, LATEST + 1):
            found = compare(*(measure(side[:repeats]) for side in sides))
            if always_valid(found, found.overall.difference["f1"]).p <= LEVEL:
                settled += 1
                break
        used += repeats
    return settled / times, used / times


def measured(quick: bool) -> list[Claim]:
    times, bootstraps, looked = (100, 10, 20) if quick else (1000, 200, 400)
    out: list[Claim] = []
    for path in sorted(SEEDS.glob("*.parquet")):
        runs, name = load(path), path.stem
        f1 = measure(runs).scores["f1"][:, 0]
        out.append(
            claim(f"{name}: F1 of {len(runs)} repeats, spread", float(f1.std(ddof=1)), "F1", mean=float(f1.mean()))
        )
        found = at_once(runs, times, bootstraps)
        for size in (5, 8):
            part = {key.removesuffix(f"_{size}"): value for key, value in found.items() if key.endswith(f"_{size}")}
            out.append(claim(f"{name}: anything wrongly claimed, {size} against {size}", part["wrong"], "share",
                             f1=part["wrong_f1"], bootstrap=part["bootstrap_wrong"]))  # fmt: skip
            out.append(claim(f"{name}: coverage, {size} against {size}", part["coverage"], "share",
                             bootstrap=part["bootstrap_coverage"], put_in=part["coverage_put_in"]))  # fmt: skip
            out.append(claim(f"{name}: four points found, {size} against {size}", part["power_scattered"], "share",
                             together=part["power"], put_in=part["put_in"]))  # fmt: skip
        for points in (0.0, 0.04, 0.08):
            settled, repeats = one_at_a_time(runs, looked, points)
            what = f"{100 * points:g} points found" if points else "wrongly claimed at any look"
            out.append(claim(f"{name}: one at a time, {what}", settled, "share", repeats=repeats,
                             runs_saved_against_8=16 - 2 * repeats,
                             runs_saved_against_16=2 * (LATEST - repeats)))  # fmt: skip
    return out


def claim(name: str, value: float, unit: str, **detail: float) -> Claim:
    return {"name": name, "value": round(value, 4), "unit": unit, "detail": {k: round(v, 4) for k, v in detail.items()}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measured(args.quick)
    if args.json:
        machine = Machine.here()
        print(json.dumps({"machine": {"flags": machine.flags, "threads": machine.threads}, "claims": found}))
        return 0
    for one in found:
        detail = ", ".join(f"{key} {value:g}" for key, value in one["detail"].items())
        print(f"{one['name']:<64} {one['value']:>8.3f} {one['unit']:<6} {detail}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
