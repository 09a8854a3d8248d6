"""What Optuna is asked: which settings to try next, which trial to give up, which settings mattered.

Its study is made anew from the trials for every question, so that nothing is kept anywhere else and a search that was
killed is asked the same again. Sampler: TPE (Bergstra et al. 2011, papers.nips.cc/paper/4443; over all settings at
once, Falkner et al. 2018, proceedings.mlr.press/v80/falkner18a.html), in which trials that run count as bad ones.
Giving up: below the median of finished trials at the same point (Golovin et al. 2017,
doi.org/10.1145/3097983.3098043). What mattered: PED-ANOVA (Watanabe et al. 2023, arxiv.org/abs/2304.10255).

Optuna is imported inside functions: only a run calls them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.params import digest
from core.trials import PARTS, Search, State, Trial
from core.tunable import Range, Tried, ends, holds, rounded

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

FEWEST = 12  # finished trials from which it is told what mattered
_AT_RANDOM = 5  # trials at least before the sampler learns from them; a quarter of a long search
_TO_JUDGE = 4  # finished trials before one is given up
_TOP = 1 / 3  # of the trials count as good ones where it is asked what mattered
# As Optuna calls them. What failed for another reason than its settings says nothing of them; what somebody cancelled
# counts as far as it got.
_STATES: Mapping[State, str] = {
    "finished": "COMPLETE",
    "pruned": "PRUNED",
    "stopped": "PRUNED",
    "diverged": "PRUNED",  # without a look the worst of all
    "active": "RUNNING",
}


def next_values(search: Search, found: Sequence[Trial]) -> dict[str, Tried]:
    """The values of the next trial: the same whenever it is asked after the same trials."""
    study = _study(search, found)
    asked = study.ask(fixed_distributions=_distributions(search))
    return {name: _as_tried(search.ranges[name], asked.params[name]) for name in search.ranges}


def _as_tried(found: Range, value: Tried) -> Tried:
    return value if found.choices or isinstance(value, str) else rounded(found, value)


def hopeless(search: Search, found: Sequence[Trial], trial: Trial) -> bool:
    """Whether a trial that runs is to be given up; never before half of its first training."""
    if not trial.looks or sum(one.state == "finished" for one in found) < _TO_JUDGE:
        return False
    frozen, study = _frozen(search, trial), _study(search, found)
    return frozen is not None and study.pruner.prune(study, frozen)


def importance(search: Search, found: Sequence[Trial]) -> dict[str, float]:
    """How much each setting had to do with being among the best third: shares of 1, the largest first.

    Empty where too few trials have finished to say so.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    study = _study(search, found)
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < FEWEST:
        return {}
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_TOP)
    shares = get_param_importances(study, evaluator=evaluator, params=sorted(search.ranges))
    return {name: float(share) for name, share in shares.items()}


def _study(search: Search, found: Sequence[Trial]) -> "Study":
    """A study with all trials in it, as if it had seen each of them."""
    import optuna
    from optuna.pruners import MedianPruner
    from optuna.samplers import TPESampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    at_random = max(_AT_RANDOM, search.trials // 4)
    seed = int(digest([search.seed, len(found)])[:8], 16)
    study = optuna.create_study(
        sampler=TPESampler(seed=seed, n_startup_trials=at_random, multivariate=True, constant_liar=True),
        pruner=MedianPruner(n_startup_trials=_TO_JUDGE, n_warmup_steps=PARTS // 2),
        direction="maximize",
    )
    for trial in found:
        frozen = _frozen(search, trial)
        if frozen is not None:
            study.add_trial(frozen)
    return study


def _frozen(search: Search, trial: Trial) -> "FrozenTrial | None":
    """A trial as Optuna has it; None where it says nothing, or has values that are not searched."""
    from optuna.trial import TrialState, create_trial

    inside = all(name in trial.values and holds(one, trial.values[name]) for name, one in search.ranges.items())
    if trial.state not in _STATES or not inside or (trial.state == "stopped" and not trial.looks):
        return None
    return create_trial(
        state=TrialState[_STATES[trial.state]],
        value=trial.value,
        params=dict(trial.values),
        distributions=_distributions(search),
        intermediate_values=dict(trial.looks),
    )


def _distributions(search: Search) -> dict[str, "BaseDistribution"]:
    """By name, in one order whatever the order of the ranges."""
    return {name: _distribution(search.ranges[name]) for name in sorted(search.ranges)}


def _distribution(found: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if found.choices:
        return CategoricalDistribution(found.choices)
    low, high = ends(found)
    if found.whole:
        return IntDistribution(round(low), round(high), log=found.log)
    return FloatDistribution(low, high, log=found.log, step=found.step)
