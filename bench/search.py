"""How much sooner a surrogate finds a good mix than chance, replayed on mixes that were really trained.

    python bench/search.py bench/forecast/NAME.json [...] [--starts 20]

The files are those of bench/forecast_runs.py: mixes with their runs, two seeds or more, and beside each, as
NAME-forecast.json, what was forecast of them. A replay begins with gold only and seven other mixes in random order, one
seed each, and goes on by expected improvement (core.search.rounds) among the mixes that were trained; beside it, the
same with the forecast as prior from those eight on, and mixes by chance. What a replay picks at the end is what it
expects most of; its regret is how far that lies below the best mix, both as all runs together let expect of them: the
best of 50 means over two seeds would be the luckiest. Nothing is trained. Also: whether each mix, left out, is ranked
and bracketed by the others.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.search.rounds import Judge, Seen, Terms, improvement
from core.search.surrogate import Surrogate, averaged, fit

BEGIN, LOOKS = 8, (9, 10, 12, 16, 24, 32)
How = Literal["expected improvement", "with the forecast", "chance"]
HOWS: tuple[How, ...] = ("expected improvement", "with the forecast", "chance")


@dataclass(frozen=True)
class Trained:
    """Mixes with the micro F1 of each of their runs on dev, and the one that was forecast. *Shapes:* (mixes,
    ingredients), (mixes,)."""

    amounts: np.ndarray
    runs: list[np.ndarray]
    told: np.ndarray

    @cached_property
    def process(self) -> Surrogate:
        """Through all runs."""
        runs = np.repeat(np.arange(len(self.runs)), [len(run) for run in self.runs])
        scores = averaged(self.amounts[runs], np.concatenate(self.runs))
        return fit(scores.amounts, scores.values, scores.noise)

    @cached_property
    def means(self) -> np.ndarray:
        """What all runs together let expect of each mix. *Shape:* (mixes,)."""
        return self.process.at(self.amounts)[0]

    def cast(self, amounts: np.ndarray) -> np.ndarray:
        """What was forecast of some of the mixes. *Shapes:* (some, ingredients) -> (some,)."""
        return self.told[np.abs(self.amounts[None] - amounts[:, None]).sum(axis=2).argmin(axis=1)]


def read(path: Path) -> Trained:
    data = json.loads(path.read_text(encoding="utf-8"))
    names = sorted({name for mix in data["mixes"] for name in mix})
    found: dict[int, list[float]] = {}
    for key, run in sorted(data["runs"].items()):
        found.setdefault(int(key.split(".")[0]), []).append(_f1(np.array(run["dev"])))
    amounts = [[data["mixes"][at].get(name, 0.0) for name in names] for at in found]
    forecast = json.loads(path.with_name(f"{path.stem}-forecast.json").read_text(encoding="utf-8"))
    order = [forecast["labels"].index(label) for label in data["labels"]]
    told = [_f1(np.array(forecast["forecast"][at])[:, order]) for at in found]
    return Trained(np.array(amounts), [np.array(run) for run in found.values()], np.array(told))


def _f1(totals: np.ndarray) -> float:
    """Micro F1. *Shape:* (3, labels): right, predicted, gold."""
    right, predicted, gold = totals.sum(axis=1).tolist()
    return 2 * right / max(1, predicted + gold)


def replay(found: Trained, seed: int, how: How) -> list[float]:
    """Regret after so many runs as LOOKS says, one replay; the first seeds are used, mix by mix."""
    rng, gold = np.random.default_rng(seed), int(found.amounts.sum(axis=1).argmin())
    others = rng.permutation([at for at in range(len(found.runs)) if at != gold]).tolist()
    tried, out = [gold, *others[: BEGIN - 1]], list[float]()
    drawn = np.array([rng.choice(run) for run in found.runs])
    for count in range(BEGIN, max(LOOKS) + 1):
        seen = Seen(found.amounts[tried], drawn[tried])
        judge = Judge.of(seen, Terms(cast=found.cast if how == "with the forecast" else None))
        worth = judge.worth(found.amounts[tried])[0]
        if count in LOOKS:
            out.append(float(found.means.max() - found.means[tried[int(worth.argmax())]]))
        left = [at for at in range(len(found.runs)) if at not in tried]
        if how == "chance" or not left:
            tried += [int(rng.choice(left))] if left else []
            continue
        gain = improvement(*judge.worth(found.amounts[left]), float(worth.max()))
        tried.append(left[int(gain.argmax())])
    return out


def left_out(found: Trained) -> tuple[float, float]:
    """Spearman between what is expected of each mix by the others and what it reached, and the share of them inside
    their 90 % band."""
    mean, sd = found.process.held_out()
    values = found.process.scale[0] + found.process.scale[1] * found.process.targets
    ranks = [np.argsort(np.argsort(one)) for one in (mean, values)]
    return float(np.corrcoef(*ranks)[0, 1]), float((np.abs(values - mean) <= 1.645 * sd).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--starts", type=int, default=20)
    args = parser.parse_args()
    for path in args.files:
        found = read(path)
        rho, held = left_out(found)
        print(f"{path.stem}: {len(found.runs)} mixes, {sum(map(len, found.runs))} runs; left out: Spearman {rho:.2f}, "
              f"inside 90 % bands {held:.0%}")  # fmt: skip
        evenly = np.abs(found.amounts - 0.5).max(axis=1)
        for name, at in (("gold only", found.amounts.sum(axis=1).argmin()), ("half of each", evenly.argmin())):
            print(f"  {name}: {100 * (found.means.max() - found.means[at]):.1f} points of F1 below the best")
        for how in HOWS:
            regrets = 100 * np.array([replay(found, seed, how) for seed in range(args.starts)])
            off = regrets.std(axis=0) / np.sqrt(args.starts)
            told = ", ".join(
                f"{value:.2f} ({error:.2f}) after {count}"
                for value, error, count in zip(regrets.mean(axis=0), off, LOOKS, strict=True)
            )
            print(f"  {how}: regret in points of F1 (its standard error): {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
