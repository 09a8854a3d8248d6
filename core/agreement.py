"""Does a mix that was found on one encoder hold on another? Some trained mixes, trained again on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from core.desk import Trained, trained
from core.errors import CoreError
from core.launch import Plan, estimate, launch, plan_launch
from core.mix import GOLD, Mix, Part
from core.project import Project
from core.recipe_text import mix_name
from core.stage import Stage
from core.workspace import Workspace

MIXES = 5
REPEATS = 2


@dataclass(frozen=True)
class Held:
    """A mix on both encoders: F1 on dev of each seed, 0..1. *Shapes:* (seeds,)."""

    name: str
    here: np.ndarray
    there: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """`right`: of `of` pairs of mixes, those that both encoders put in the same order; `clear`, `clear_right`: of pairs
    that are further apart on the first encoder than chance of seeds (two standard errors)."""

    mixes: Sequence[Held]
    right: int
    of: int
    clear_right: int
    clear: int


def chosen(found: Sequence[Trained], n: int = MIXES) -> list[Trained]:
    """Mixes that span what was trained, from the worst to the best on dev, gold only among them. Raises CoreError
    `agreement_few` where fewer than three were."""
    order = sorted(found, key=lambda one: float(one.values(None, None).mean()))
    if len(order) < 3:
        raise CoreError("agreement_few", {"n": len(order)}, "hint_agreement_few")
    if len(order) <= n:
        return order
    alone = [one for one in order if {*one.drawn} == {GOLD}][:1]
    others = [one for one in order if one not in alone]
    places = np.linspace(0, len(others) - 1, n - len(alone)).round().astype(int).tolist()
    return [*alone, *(others[at] for at in places)]


def wanted(workspace: Workspace, project: Project, stage: Stage, model: str) -> Plan:
    """What `ask` would start, told without a look at the encoder. Raises CoreError as `chosen`."""
    mixes = _mixes(chosen(trained(workspace, project, stage)), model)
    return estimate(workspace, _with(project, model), stage, mixes, range(REPEATS))


def ask(
    workspace: Workspace, project: Project, stage: Stage, model: str, n: int = MIXES, repeats: int = REPEATS
) -> list[str]:
    """Train the mixes on another encoder, as far as they are not. -> ids of the runs. Raises CoreError as `chosen` and
    core.launch.plan_launch do."""
    other, mixes = _with(project, model), _mixes(chosen(trained(workspace, project, stage), n), model)
    return launch(workspace, other, stage, plan_launch(workspace, other, stage, mixes, range(repeats)))


def _mixes(found: Sequence[Trained], model: str) -> dict[str, Mix]:
    """By the name that their runs get."""
    return {f"{mix_name(_mix(one))} ({model})": _mix(one) for one in found}


def agreement(workspace: Workspace, project: Project, stage: Stage, model: str) -> Agreement:
    """What the mixes that were trained on both encoders say, as far as runs ended."""
    there = {_key(one): one for one in trained(workspace, _with(project, model), stage)}
    pairs = [(one, there[_key(one)]) for one in trained(workspace, project, stage) if _key(one) in there]
    mixes = [
        Held(one.name, np.asarray(one.values(None, None)), np.asarray(other.values(None, None)))
        for one, other in sorted(pairs, key=lambda pair: -float(pair[0].values(None, None).mean()))
    ]
    right = clear = clear_right = whole = 0
    for one, other in combinations(mixes, 2):
        here, away = one.here.mean() - other.here.mean(), one.there.mean() - other.there.mean()
        same = bool(here * away > 0)
        apart = bool(abs(here) > 2 * np.hypot(_error(one.here), _error(other.here)))
        whole, right, clear, clear_right = whole + 1, right + same, clear + apart, clear_right + (apart and same)
    return Agreement(mixes, right, whole, clear_right, clear)


def _error(values: np.ndarray) -> float:
    """Standard error of a mean; that of one seed is not known and taken as two points."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.02


def _with(project: Project, model: str) -> Project:
    return replace(project, recipe=replace(project.recipe, train=replace(project.recipe.train, model=model)))


def _key(one: Trained) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, n) for name, n in one.drawn.items() if n))


def _mix(one: Trained) -> Mix:
    """The same rows, asked for as rows; gold is in, whole."""
    return Mix(unit="rows", parts={name: Part(float(n)) for name, n in one.drawn.items() if name != GOLD})
