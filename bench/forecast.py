"""How well mixes are forecast: what 50 mixes of each of two data sets were told to do, against what trainings did.

    python bench/forecast.py [NAME ...] [--json] [--draws N]

Reads bench/forecast/NAME.json (the trainings) and NAME-forecast.json (the forecasts), which bench/forecast_runs.py
makes, and trains nothing. A mix's truth is the mean over its seeds. `ceiling`: the rank correlation that a perfect
forecast would have with it, since seeds differ: the root of its reliability. "After n runs": n mixes are drawn by
chance with gold only among them and trained (one seed each); what is told of the others is held against their truth.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.desk import JUDGED, Desk, Metric, Trained, value_of
from core.mix import GOLD
from tools.claims import tell

PLACE = Path(__file__).parent / "forecast"
AFTER = (6, 12, 24)
METRICS: tuple[Metric, ...] = ("precision", "recall")
CLEAR = 2.0  # seed spreads from which a difference counts as a true one


@dataclass(frozen=True)
class Study:
    """A data set. `real`: totals by mix and seed; `told`: forecast totals by mix, of the same labels. *Shapes:* {seed:
    (3, labels)}, (mixes, 3, labels)."""

    name: str
    labels: Sequence[str]
    drawn: Sequence[Mapping[str, int]]
    sizes: Mapping[str, int]
    real: Sequence[Mapping[int, np.ndarray]]
    told: np.ndarray
    new_mentions: np.ndarray

    @property
    def support(self) -> np.ndarray:
        return self.told[0, 2]

    @property
    def judged(self) -> list[int]:
        """The labels with enough mentions."""
        return [at for at, n in enumerate(self.support.tolist()) if n >= JUDGED]

    def seeds(self, mix: int, at: int | None, metric: Metric | None) -> np.ndarray:
        return np.array([float(value_of(totals, at, metric)) for totals in self.real[mix].values()])

    def truth(self, at: int | None, metric: Metric | None) -> np.ndarray:
        return np.array([self.seeds(mix, at, metric).mean() for mix in range(len(self.real))])

    def spread(self, at: int | None, metric: Metric | None) -> float:
        """Standard deviation between two seeds of one mix, over all mixes."""
        found = [self.seeds(mix, at, metric) for mix in range(len(self.real))]
        apart = sum(float(((one - one.mean()) ** 2).sum()) for one in found)
        return float(np.sqrt(apart / max(1, sum(len(one) - 1 for one in found))))

    def noise(self, at: int | None, metric: Metric | None) -> np.ndarray:
        """Variance of each mix's mean by chance of seeds."""
        return self.spread(at, metric) ** 2 / np.array([len(one) for one in self.real])

    def ceiling(self, at: int | None, metric: Metric | None) -> float:
        """The root of the reliability of the mixes' means."""
        truth, noise = self.truth(at, metric), self.noise(at, metric)
        between = max(0.0, float(truth.var(ddof=1)) - float(noise.mean()))
        return float(np.sqrt(between / max(1e-12, between + float(noise.mean()))))

    def desk(self, trained: Sequence[Trained], forecast: bool = True) -> Desk:
        """As the page would have it after some trainings. `forecast`: whether it has one."""
        names = [name for name in self.sizes if name != GOLD]
        known = {tuple(sorted(drawn.items())): told for drawn, told in zip(self.drawn, self.told, strict=True)}

        def of(drawn: Mapping[str, int]) -> Any:
            there = {name: n for name, n in drawn.items() if n}
            return SimpleNamespace(totals=known[tuple(sorted(there.items()))])

        recorded: Any = SimpleNamespace(forecast=SimpleNamespace(labels=[*self.labels], of=of)) if forecast else None
        return Desk(self.labels, self.support.tolist(), names, self.sizes[GOLD], recorded, trained)


def read(name: str, split: str) -> Study | None:
    """A data set as far as two seeds of its mixes were trained; None where none was."""
    runs = json.loads((PLACE / f"{name}.json").read_text(encoding="utf-8"))
    cast = json.loads((PLACE / f"{name}-forecast.json").read_text(encoding="utf-8"))
    real: list[dict[int, np.ndarray]] = [{} for _ in runs["drawn"]]
    for key, found in runs["runs"].items():
        mix, seed = (int(part) for part in key.split("."))
        if split in found:
            real[mix][seed] = np.array(found[split])
    there = [mix for mix, seeds in enumerate(real) if len(seeds) >= 2]
    if len(there) < 2 or there[0] != 0:
        return None
    order = [cast["labels"].index(label) for label in runs["labels"]]
    told = np.array(cast["forecast"])[there][:, :, order]
    drawn = [{part: n for part, n in runs["drawn"][mix].items() if n} for mix in there]
    new = np.array(cast["new_mentions"], float)[there]
    return Study(name, runs["labels"], drawn, runs["sizes"], [real[mix] for mix in there], told, new)


def rho(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic) if one.std() and other.std() else 0.0


def signs(study: Study) -> tuple[int, int, int]:
    """(right, up, all) of the differences to gold only, precision and recall of each label, that are truly there."""
    right, up, whole = 0, 0, 0
    for at in study.judged:
        for metric in METRICS:
            truth, told = study.truth(at, metric), value_of(study.told, at, metric)
            noise = study.noise(at, metric)
            clear = np.abs(truth - truth[0]) > CLEAR * np.sqrt(noise + noise[0])
            right += int(((truth - truth[0]) * (told - told[0]) > 0)[clear].sum())
            up += int((truth > truth[0])[clear].sum())
            whole += int(clear.sum())
    return right, up, whole


def alone(study: Study) -> list[dict[str, Any]]:
    """What a forecast says without any training."""
    truth, told = study.truth(None, None), value_of(study.told, None, None)
    ceiling, found = study.ceiling(None, None), rho(study.truth(None, None), value_of(study.told, None, None))
    right, up, whole = signs(study)
    labels = [rho(study.truth(at, one), value_of(study.told, at, one)) for at in study.judged for one in METRICS]
    tops = [study.ceiling(at, one) for at in study.judged for one in METRICS]
    off = [_error(study, at, one) for at in study.judged for one in METRICS]
    everyone = float(truth.mean())
    names = [name for name in study.sizes if name != GOLD]
    amounts = np.array([[drawn.get(name, 0) for name in names] for drawn in study.drawn], float)
    return [
        _claim(study, "mixes", len(truth), ""),
        _claim(study, "ceiling", ceiling, "rho", {"seed_spread": study.spread(None, None)}),
        _claim(study, "forecast", found, "rho"),
        _claim(study, "forecast_of_ceiling", found / max(ceiling, 1e-9), "", {"target": 0.8}),
        _claim(study, "more_rows", rho(truth, amounts.sum(axis=1)), "rho"),
        _claim(study, "new_mentions", rho(truth, study.new_mentions), "rho"),
        _claim(study, "labels", float(np.mean(labels)), "rho", {"ceiling": float(np.mean(tops))}),
        _claim(study, "signs_right", right / max(1, whole), "", {"of": whole, "up": up, "target": 0.75}),
        _claim(study, "error_90", 100 * float(np.quantile(np.concatenate(off), 0.9)), "points"),
        _claim(study, "top_over_gold_only", 100 * (truth[told.argmax()] - truth[0]), "points"),
        _claim(study, "uniform_over_gold_only", 100 * (truth[1] - truth[0]), "points"),
        _claim(study, "random_over_gold_only", 100 * (everyone - truth[0]), "points"),
        _claim(study, "best_over_gold_only", 100 * (float(truth.max()) - truth[0]), "points"),
    ]  # fmt: skip


def _error(study: Study, at: int, metric: Metric) -> np.ndarray:
    """How far the forecast differences to gold only are off. *Shape:* (mixes - 1,)."""
    truth, told = study.truth(at, metric), value_of(study.told, at, metric)
    return np.abs((told - told[0]) - (truth - truth[0]))[1:]


def after(study: Study, n: int, draws: int) -> list[dict[str, Any]]:
    """What is told once n mixes were trained, over chance of which they are."""
    rng, truth = np.random.default_rng(n), study.truth(None, None)
    found: dict[str, list[float]] = {name: [] for name in ("corrected", "process", "regression", "forecast")}
    tops: dict[str, list[float]] = {name: [] for name in found}
    inside: list[float] = []
    right, clear = 0, 0
    for _ in range(draws):
        taken = np.array([0, *(1 + rng.permutation(len(truth) - 1)[: n - 1])])
        left = np.setdiff1d(np.arange(len(truth)), taken)
        trained = [_one(study, mix, rng) for mix in taken]
        desks = {"corrected": study.desk(trained), "process": study.desk(trained, forecast=False)}
        told = {name: np.array([_overall(desk, study, mix) for mix in left]) for name, desk in desks.items()}
        told |= {
            "regression": _regression(study, taken, trained, left),
            "forecast": value_of(study.told, None, None)[left],
        }
        for name, values in told.items():
            found[name].append(rho(truth[left], values))
            tops[name].append(100 * float(truth[left][values.argmax()] - truth[0]))
        held, same, all_clear = _labels(study, desks["corrected"], left)
        inside, right, clear = inside + held, right + same, clear + all_clear
    detail = {name: float(np.mean(values)) for name, values in found.items()}
    gains = {name: float(np.mean(values)) for name, values in tops.items()}
    return [
        _claim(study, f"after_{n}_corrected", detail["corrected"], "rho", detail),
        _claim(study, f"after_{n}_top_over_gold_only", gains["corrected"], "points", gains),
        _claim(study, f"after_{n}_covered", float(np.mean(inside)), "", {"target": [0.85, 0.95]}),
        _claim(study, f"after_{n}_signs_right", right / max(1, clear), "", {"target": 0.75, "of": clear}),
    ]


def _one(study: Study, mix: int, rng: np.random.Generator) -> Trained:
    """A mix trained once: one of its seeds."""
    seeds = [*study.real[mix].values()]
    return Trained(str(mix), study.drawn[mix], seeds[int(rng.integers(len(seeds)))][None])


def _overall(desk: Desk, study: Study, mix: int) -> float:
    return desk.overall(study.drawn[mix], study.drawn[0]).value or 0.0


def _regression(study: Study, taken: np.ndarray, trained: Sequence[Trained], left: np.ndarray) -> np.ndarray:
    """F1 by ridge regression on log(1 + rows) of each ingredient and the share of new mentions."""
    names = [name for name in study.sizes if name != GOLD]
    rows = np.log1p(np.array([[drawn.get(name, 0) for name in names] for drawn in study.drawn], float))
    given = np.column_stack([rows, np.log1p(study.new_mentions)])
    given = (given - given.mean(axis=0)) / (given.std(axis=0) + 1e-9)
    scores = np.array([float(one.values(None, None)[0]) for one in trained])
    known = given[taken]
    weights = np.linalg.solve(known.T @ known + np.eye(given.shape[1]), known.T @ (scores - scores.mean()))
    return given[left] @ weights + scores.mean()


def _labels(study: Study, desk: Desk, left: np.ndarray) -> tuple[list[float], int, int]:
    """Of the precision and recall of each label of untrained mixes: whether each displayed band holds the true
    difference to gold only; how many differences have the right sign of those that are truly there, and how many these
    are. What is measured of a difference has chance of seeds in it, by which the band is widened."""
    found: list[float] = []
    right, whole = 0, 0
    for metric in METRICS:
        for mix in left.tolist():
            expected = desk.expected(study.drawn[mix], study.drawn[0], metric)
            for at in study.judged:
                truth, noise, one = study.truth(at, metric), study.noise(at, metric), expected[at]
                assert one.band is not None and one.value is not None
                off, chance = truth[mix] - truth[0], np.sqrt(noise[mix] + noise[0])
                wide = np.hypot((one.band[1] - one.band[0]) / 2, 1.645 * chance)
                found.append(float(abs(off - one.value) <= wide))
                if abs(off) > CLEAR * chance:
                    right, whole = right + int(off * one.value > 0), whole + 1
    return found, right, whole


def _claim(study: Study, name: str, value: float, unit: str, detail: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"name": f"{study.name}_{name}", "value": round(float(value), 3), "unit": unit, "detail": dict(detail or {})}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["wnut17", "politics"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    args = parser.parse_args()
    claims: list[dict[str, Any]] = []
    for name in args.names:
        study = read(name, args.split)
        if study is None:
            print(f"{name}: no mixes with two seeds on {args.split} yet", file=sys.stderr)
            continue
        claims += alone(study)
        for n in AFTER:
            if n + 5 <= len(study.real):
                claims += after(study, n, args.draws)
    tell(claims, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
