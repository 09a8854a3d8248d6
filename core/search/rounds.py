"""What a search for a mix does next: another mix, or another seed of one that did well.

Another mix: where expected improvement is largest (Jones et al. 1998, doi.org/10.1023/A:1008306431147), with what runs
believed to score as expected, times the chance that a condition is met (Schonlau et al. 1998, doi.org/10.1214/lnms/
1215456182). What an improvement is measured from is the best expected score of a mix that was tried, not the best
score: that one was lucky. Another seed: successive halving, whoever is ready first (Li et al. 2020,
arxiv.org/abs/1810.05934): of the mixes with 1 repeat the better half gets 2, of those with 2 the better half 4.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.search.designs import STEP, dirichlet, snapped, variants
from core.search.space import Space
from core.search.surrogate import Cast, Surrogate, averaged, fit

HALVE = 2  # of each rung, one in so many goes on; with so many times the repeats
_LEFT_OUT = 0.4  # of the ingredients of a mix that is drawn, in half of them
_NEAR = 40  # changes of each of the best mixes, among what may be tried
_BEST = 3
_ALONE = (0.25, 0.5, 1.0, 2.0)  # times gold, of an ingredient alone


@dataclass(frozen=True)
class Seen:
    """Runs that ended: what they mixed, times gold, what is searched for, and what a condition is about. *Shapes:*
    (runs, ingredients), (runs,), (runs,) or (0,)."""

    amounts: np.ndarray
    values: np.ndarray
    held: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Terms:
    """`price`: what 1 x gold of additional rows must be worth at least (0..1); `least`: what a mix must reach of what
    the condition is about, None without one; `cast`, `cast_held`: what is forecast of what is searched for, and of what
    the condition is about."""

    price: float = 0.0
    least: float | None = None
    cast: Cast | None = None
    cast_held: Cast | None = None


@dataclass(frozen=True)
class Judge:
    """What is expected of mixes, their price taken off. `held`: of what the condition is about, if there is one."""

    terms: Terms
    process: Surrogate
    held: Surrogate | None

    @classmethod
    def of(cls, seen: Seen, terms: Terms) -> "Judge":
        """Of at least one run."""
        scores = averaged(seen.amounts, seen.values)
        process, held = fit(scores.amounts, scores.values, scores.noise, cast=terms.cast), None
        if terms.least is not None:
            scores = averaged(seen.amounts, seen.held)
            held = fit(scores.amounts, scores.values, scores.noise, cast=terms.cast_held)
        return cls(terms, process, held)

    def worth(self, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected worth of mixes, and its sd. *Shapes:* (mixes, ingredients) -> (mixes,), (mixes,)."""
        mean, sd = self.process.at(amounts)
        return mean - self.terms.price * np.atleast_2d(amounts).sum(axis=1), sd

    def allowed(self, amounts: np.ndarray) -> np.ndarray:
        """The chance that each mix meets the condition. *Shape:* (mixes,), 0..1."""
        if self.held is None or self.terms.least is None:
            return np.ones(len(np.atleast_2d(amounts)))
        mean, sd = self.held.at(amounts)
        return _below((mean - self.terms.least) / np.maximum(sd, 1e-9))

    def order(self, amounts: np.ndarray) -> np.ndarray:
        """Positions of mixes, the best first; those that rather don't meet the condition come last. *Shape:*
        (mixes,)."""
        return np.lexsort((-self.worth(amounts)[0], self.allowed(amounts) < 0.5))


def improvement(mean: np.ndarray, sd: np.ndarray, best: float) -> np.ndarray:
    """By how much mixes are expected to be better than `best`, a loss counted as nothing. *Shapes:* (mixes,)."""
    sd = np.maximum(sd, 1e-12)
    ahead = (mean - best) / sd
    return sd * (ahead * _below(ahead) + np.exp(-0.5 * ahead**2) / math.sqrt(2 * math.pi))


def _below(z: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z])


def next_mix(
    seen: Seen, running: np.ndarray, space: Space, terms: Terms, seed: int, grain: float = 0.0
) -> tuple[np.ndarray, float] | None:
    """The mix to try next and the improvement that is expected of it; None where all have been tried.

    `running`: mixes that were not seen to end yet; `grain`: times gold, what one row comes to. *Shapes:* running
    (mixes, ingredients); -> (ingredients,).
    """
    judge = Judge.of(seen, terms)
    known = np.unique(np.concatenate([seen.amounts, running]), axis=0)
    best = _standing(judge, np.unique(seen.amounts, axis=0))
    if len(running):
        judge = Judge(terms, judge.process.believing(running), judge.held)
    pool = candidates(space, known[judge.order(known)[:_BEST]], seed)
    pool = pool[np.abs(pool[:, None] - known[None]).max(axis=2).min(axis=1) > max(STEP / 2, grain)]
    if not len(pool):
        return None
    gain = improvement(*judge.worth(pool), best) * judge.allowed(pool)
    at = int(gain.argmax())
    return pool[at], float(gain[at])


def _standing(judge: Judge, tried: np.ndarray) -> float:
    """The best expected worth of what was tried and is rather allowed; of all where nothing is."""
    worth, allowed = judge.worth(tried)[0], judge.allowed(tried) >= 0.5
    return float(worth[allowed].max() if allowed.any() else worth.min())


def candidates(space: Space, near: np.ndarray, seed: int) -> np.ndarray:
    """Mixes among which the next one is looked for: gold only, ingredients alone, mixes drawn by Dirichlet(1.5), half
    of them without some ingredients, and the best ones changed a little, half of those in their variants, too.
    *Shapes:* near (mixes, ingredients)."""
    rng, width = np.random.default_rng(seed), len(space.most)
    drawn = dirichlet(len(space.units), seed)
    drawn[::2] *= rng.random(drawn[::2].shape) > _LEFT_OUT
    alone = np.concatenate([amount * np.eye(width) for amount in _ALONE])
    changed, which = (np.repeat(one, _NEAR, axis=0) for one in space.gathered(near))
    changed = np.maximum(0, np.sqrt(changed) + rng.normal(0, 0.25, changed.shape) * (rng.random(changed.shape) < 0.5))
    others = variants((len(drawn) + len(changed), len(space.units)), seed)
    which[::2] = others[len(drawn) :: 2]
    placed = space.placed(drawn, others[: len(drawn)]), space.placed(changed**2, which)
    return np.unique(snapped(np.concatenate([np.zeros((1, width)), alone, *placed]), space.limits), axis=0)


def to_repeat(
    order: Sequence[int], done: Sequence[int], begun: Sequence[int], most: int, least: Sequence[int] = ()
) -> int | None:
    """Which mix gets another seed; None: no one has earned one yet.

    `order`: positions of the mixes, the best first; `done`: repeats of each that ended, `begun`: those and what runs;
    `most`: repeats that a mix may get; `least`: mixes that get them whatever they reach, gold only for one.
    """
    for at in least:
        if done[at] and begun[at] == done[at] < most:
            return at
    rung = 1
    while rung * HALVE <= most:
        rung *= HALVE
    while rung >= HALVE:
        there = [at for at in order if done[at] >= rung // HALVE]
        for at in there[: len(there) // HALVE]:
            if begun[at] < rung:
                return at
        rung //= HALVE
    return None
