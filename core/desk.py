"""What the desk says of a mix: the forecast, corrected by the mixes that were really trained, beside their runs.

From a few mixes on, every score (each label's precision and recall, F1 of all) has a Gaussian process over the amounts
whose mean begins with the forecast (core.search.surrogate); before that a forecast stands alone, with the error that
forecasts had elsewhere, and can be read as a rank at best.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from core.forecasting import Prospect
from core.groups import history
from core.jobs.folder import read_object
from core.mix import GOLD
from core.observed import Ground, evidence, observed
from core.project import Project
from core.report.composition import PoolIndex
from core.runs import POOL
from core.scores import Interval
from core.search.surrogate import Scores, Surrogate, averaged, fit
from core.stage import Stage, text_input
from core.workspace import Workspace

Metric = Literal["precision", "recall"]
CORRECTED = 5  # different mixes from which real runs correct a forecast
JUDGED = 30  # mentions of a label in dev, from which it is judged
_ALONE = 0.10  # half the band of a forecast that nothing corrects: error_90 of bench/forecast.py
ELSEWHERE: Mapping[str, tuple[float, float]] = {  # rank correlation of forecasts with trainings, and what was possible
    "WNUT-17": (0.56, 0.85),  # 300 sentences, 50 mixes: bench/forecast.py
    "CrossNER politics": (0.44, 0.36),
}
_NORMAL = 1.645  # sds to each side that hold nine in ten
_SEED_SD = 0.03  # of a label's precision or recall between two seeds, where nothing is known of it
_PAIRED = 3  # different mixes from which it is told how many pairs were ranked right
_KEPT = 256  # forecasts of mixes
_Key = tuple[int, ...]  # rows of gold and of each ingredient


@dataclass(frozen=True)
class Trained:
    """A mix that was trained. `drawn`: rows by ingredient; `totals`: right, predicted, gold of each label on dev, seed
    by seed. *Shape:* (seeds, 3, labels)."""

    name: str
    drawn: Mapping[str, int]
    totals: np.ndarray

    def values(self, at: int | None, metric: Metric | None) -> np.ndarray:
        """A score of each seed, 0..1: of one label, or micro F1. *Shape:* (seeds,)."""
        return value_of(self.totals, at, metric)


@dataclass(frozen=True)
class Expected:
    """What is likely to change against a baseline (-1..1). `value` and `band`: None where nothing is known; `real`: of
    the mix's own seeds, against the mean of the baseline's; `support`: mentions in dev."""

    label: str
    value: float | None
    band: Interval | None
    real: Sequence[float]
    support: int


@dataclass(frozen=True)
class Trust:
    """How a forecast did on these data: pairs of trained mixes that it orders as their F1 does. `of` is 0 below three
    mixes; `corrected`: each pair was told without the mixes themselves."""

    right: int
    of: int
    corrected: bool


def value_of(totals: np.ndarray, at: int | None, metric: Metric | None) -> np.ndarray:
    """Precision or recall of label `at`, or micro F1 where there is none, 0 where nothing is. `totals`: *Shape:* (...,
    3, labels) -> (...)."""
    if at is None:
        right, predicted, gold = np.moveaxis(totals.sum(axis=-1), -1, 0)
        return 2 * right / np.maximum(predicted + gold, 1)
    right, predicted, gold = np.moveaxis(totals[..., at], -1, 0)
    return right / np.maximum(predicted if metric == "precision" else gold, 1)


@dataclass(frozen=True)
class Desk:
    """`labels`: of dev, `support`: their mentions; `ingredients`: what may join gold; `gold`: its rows."""

    labels: Sequence[str]
    support: Sequence[int]
    ingredients: Sequence[str]
    gold: int
    prospect: Prospect | None
    trained: Sequence[Trained]

    def expected(self, drawn: Mapping[str, int], baseline: Mapping[str, int], metric: Metric) -> list[Expected]:
        """Label by label. `drawn`: rows of the mix by ingredient, `baseline`: of what it is held against."""
        if self._key(drawn) == self._key(baseline):
            return [Expected(label, 0.0, None, (), n) for label, n in zip(self.labels, self.support, strict=True)]
        pair = [self._forecast(drawn), self._forecast(baseline)]
        found: list[Expected] = []
        for at, (label, support) in enumerate(zip(self.labels, self.support, strict=True)):
            value, band = self._difference(at, metric, (drawn, baseline), pair)
            found.append(Expected(label, value, band, self._real(at, metric, drawn, baseline), support))
        return found

    def overall(self, drawn: Mapping[str, int], baseline: Mapping[str, int]) -> Expected:
        """Micro F1 of all labels, named ""."""
        if self._key(drawn) == self._key(baseline):
            return Expected("", 0.0, None, (), sum(self.support))
        pair = [self._forecast(drawn), self._forecast(baseline)]
        value, band = self._difference(None, None, (drawn, baseline), pair)
        return Expected("", value, band, self._real(None, None, drawn, baseline), sum(self.support))

    @property
    def corrected(self) -> bool:
        """Whether real runs have a say."""
        return len(self._mixes) >= CORRECTED and bool(self.ingredients)

    @property
    def knows(self) -> bool:
        """Whether anything can be said of mixes that were not trained."""
        return self.prospect is not None or self.corrected

    @cached_property
    def trust(self) -> Trust:
        """Told of micro F1."""
        if len(self._mixes) < _PAIRED or not self.knows:
            return Trust(0, 0, False)
        real, corrected = self._scores(None, None).values, self._process(None, None)
        told = value_of(self._forecasts, None, None) if corrected is None else corrected.held_out()[0]
        pairs = [(a, b) for a, b in combinations(range(len(real)), 2) if real[a] != real[b]]
        right = sum(bool((told[a] - told[b]) * (real[a] - real[b]) > 0) for a, b in pairs)
        return Trust(right, len(pairs), corrected is not None)

    def _difference(
        self,
        at: int | None,
        metric: Metric | None,
        mixes: tuple[Mapping[str, int], Mapping[str, int]],
        forecasts: Sequence[np.ndarray | None],
    ) -> tuple[float | None, Interval | None]:
        """What one score is likely to change by, and the band."""
        told = None
        if self.prospect is not None:
            told = np.array([float(value_of(one, at, metric)) for one in forecasts if one is not None])
        process = self._process(at, metric)
        if process is None:
            if told is None:
                return None, None
            value = float(told[0] - told[1])
            return value, (value - _ALONE, value + _ALONE)
        mean, among = process.joint(np.array([self._amounts(drawn) for drawn in mixes]), told)
        value, sd = float(mean[0] - mean[1]), float(np.sqrt(max(0.0, among[0, 0] + among[1, 1] - 2 * among[0, 1])))
        wide = (process.stretch() or _NORMAL) * sd
        return value, (value - wide, value + wide)

    def _real(
        self, at: int | None, metric: Metric | None, drawn: Mapping[str, int], baseline: Mapping[str, int]
    ) -> list[float]:
        mine, other = self._of(drawn), self._of(baseline)
        if mine is None or other is None:
            return []
        return (mine.values(at, metric) - other.values(at, metric).mean()).tolist()

    def _of(self, drawn: Mapping[str, int]) -> Trained | None:
        return next((one for one in self._mixes if self._key(one.drawn) == self._key(drawn)), None)

    @cached_property
    def _mixes(self) -> list[Trained]:
        """Those that were trained on whole gold and these ingredients, one for each draw, in the order of amounts."""
        known = {GOLD, *self.ingredients}
        found: dict[_Key, Trained] = {}
        for one in self.trained:
            if one.drawn.get(GOLD) == self.gold and {name for name, n in one.drawn.items() if n} <= known:
                key = self._key(one.drawn)
                before = [found[key].totals] if key in found else []
                found[key] = Trained(one.name, one.drawn, np.concatenate([*before, one.totals]))
        return [found[key] for key in sorted(found)]

    @cached_property
    def _forecasts(self) -> np.ndarray:
        """Of each trained mix. *Shape:* (mixes, 3, labels)."""
        return np.stack([found for one in self._mixes if (found := self._forecast(one.drawn)) is not None])

    def _key(self, drawn: Mapping[str, int]) -> _Key:
        return tuple(drawn.get(name, 0) for name in (GOLD, *self.ingredients))

    def _forecast(self, drawn: Mapping[str, int]) -> np.ndarray | None:
        """The totals that are forecast for the labels of dev. *Shape:* (3, labels)."""
        return None if self.prospect is None else self._cast(self._key(drawn))

    @cached_property
    def _cast(self) -> Callable[[_Key], np.ndarray]:
        assert self.prospect is not None
        forecast = self.prospect.forecast
        where = [forecast.labels.index(label) for label in self.labels]
        names = (GOLD, *self.ingredients)
        return lru_cache(_KEPT)(lambda key: forecast.of(dict(zip(names, key, strict=True))).totals[:, where])

    def _amounts(self, drawn: Mapping[str, int]) -> list[float]:
        return [drawn.get(name, 0) / self.gold for name in self.ingredients]

    def _scores(self, at: int | None, metric: Metric | None) -> Scores:
        amounts = np.array([self._amounts(one.drawn) for one in self._mixes for _ in one.totals])
        values = np.concatenate([one.values(at, metric) for one in self._mixes])
        return averaged(amounts, values, _SEED_SD)

    @cached_property
    def _processes(self) -> dict[tuple[int | None, Metric | None], Surrogate | None]:
        return {}

    def _process(self, at: int | None, metric: Metric | None) -> Surrogate | None:
        """What is learned from the trained mixes about one score; None where there are too few."""
        if (at, metric) not in self._processes:
            self._processes[at, metric] = self._fitted(at, metric)
        return self._processes[at, metric]

    def _fitted(self, at: int | None, metric: Metric | None) -> Surrogate | None:
        if not self.corrected:
            return None
        found = self._scores(at, metric)
        prior = None if self.prospect is None else value_of(self._forecasts, at, metric)
        return fit(found.amounts, found.values, found.noise, prior)


def desk_of(sizes: Mapping[str, int], dev: PoolIndex, prospect: Prospect | None, trained: Sequence[Trained]) -> Desk:
    """The desk over gold and the ingredients that can be mixed. `sizes`: their rows; `dev`: its split."""
    counts = dict(zip(dev.labels, dev.label_counts.sum(axis=0).tolist(), strict=True))
    labels = sorted(label for label, n in counts.items() if n)
    names = [name for name, rows in sizes.items() if name != GOLD and rows]
    return Desk(labels, [counts[label] for label in labels], names, sizes[GOLD], prospect, trained)


def trained(workspace: Workspace, project: Project, stage: Stage) -> list[Trained]:
    """The mixes of a project that were trained under its settings on the data of a stage, as far as runs ended."""
    ground = _ground(workspace, project, stage)
    if ground is None:
        return []
    mixes = observed(workspace, project.slug, ground)
    found = evidence(workspace, ground, mixes)
    out: list[Trained] = []
    for at in dict.fromkeys(found.mixes.tolist()):
        runs = [run for run, mix in zip(found.found, found.mixes.tolist(), strict=True) if mix == at]
        totals = np.array([[run.right, run.predicted, run.gold] for run in runs])
        drawn = {GOLD: ground.rows} | {name: n for name, n in zip(ground.names, mixes[at].rows, strict=True) if n}
        out.append(Trained(mixes[at].name, drawn, totals))
    return out


def _ground(workspace: Workspace, project: Project, stage: Stage) -> Ground | None:
    """What trainings under a project's settings stand on; None where nothing was trained under them."""
    for launched in [*history(workspace, project.slug).groups.values()][::-1]:
        if launched.train != project.recipe.train:
            continue
        spec = read_object(workspace.run_folder(launched.runs[0]) / "spec.json")
        if spec is not None:
            pools = {POOL + name: f"corpus:{pool.id}" for name, pool in stage.pools.items() if name != GOLD}
            ids = {GOLD: stage.imported["corpora"]["train"], "dev": stage.imported["corpora"]["dev"]}
            inputs = {"model": spec["inputs"]["model"]} | {role: f"corpus:{id}" for role, id in ids.items()} | pools
            inputs |= text_input(project.recipe.train, stage)
            return Ground(inputs, spec["params"].get("train", {}), len(stage.pools[GOLD]))
    return None
