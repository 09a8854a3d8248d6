"""What a comparison of two mixes says, as data; a page puts it into words."""

from dataclasses import dataclass
from typing import Literal

from core.evaluation.comparison import Comparison, Difference, LabelComparison
from core.scores import FEW

ENOUGH_SEEDS = (
    5  # in each group; with fewer, seed noise hides a difference of four points of recall more often than not
)

Metric = Literal["precision", "recall", "f1"]
_OF_A_LABEL: tuple[Metric, ...] = ("recall", "precision")  # F1 repeats what these two say
_OF_ALL: tuple[Metric, ...] = ("f1",)
_ORDER: tuple[Metric, ...] = ("recall", "precision", "f1")
_ROUNDING = 1e-9  # an interval that ends this close to zero ends at zero


@dataclass(frozen=True)
class Effect:
    """A difference whose 95 % interval leaves out zero. `label`: "" for all labels together, there F1 alone."""

    label: str
    metric: Metric
    difference: Difference


@dataclass(frozen=True)
class Finding:
    """What the mix `name` gains and loses against the baseline, largest first.

    `none_shown`: labels whose precision and recall may both be unchanged; `too_few`: labels with support below FEW.
    `seeds`: of the smaller group; below ENOUGH_SEEDS nothing is judged, and only `too_few` is filled.
    """

    name: str
    gains: tuple[Effect, ...]
    losses: tuple[Effect, ...]
    none_shown: tuple[str, ...]
    too_few: tuple[str, ...]
    seeds: int


def finding(name: str, comparison: Comparison) -> Finding:
    seeds = min(comparison.baseline_seeds, comparison.other_seeds)
    too_few = tuple(label.label for label in comparison.labels if label.support < FEW)
    if seeds < ENOUGH_SEEDS:
        return Finding(name, (), (), (), too_few, seeds)
    judged = [label for label in comparison.labels if label.support >= FEW]
    shown = {label.label: _effects(label, _OF_A_LABEL) for label in judged}
    effects = [effect for found in shown.values() for effect in found]
    if comparison.overall.support >= FEW:
        effects += _effects(comparison.overall, _OF_ALL)
    effects.sort(key=lambda effect: (-abs(effect.difference.value), _ORDER.index(effect.metric)))
    return Finding(
        name,
        gains=tuple(effect for effect in effects if effect.difference.value > 0),
        losses=tuple(effect for effect in effects if effect.difference.value < 0),
        none_shown=tuple(label for label, found in shown.items() if not found),
        too_few=too_few,
        seeds=seeds,
    )


def _effects(label: LabelComparison, metrics: tuple[Metric, ...]) -> list[Effect]:
    found: list[Effect] = []
    for metric in metrics:
        difference = label.difference[metric]
        if difference is not None and _leaves_out_zero(difference):
            found.append(Effect(label.label, metric, difference))
    return found


def _leaves_out_zero(difference: Difference) -> bool:
    if difference.interval is None:
        return False
    low, high = difference.interval
    return low > _ROUNDING or high < -_ROUNDING
