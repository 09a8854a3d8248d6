"""The rows that stand behind a prediction: how a step on each would move what is asked about.

A step of gradient descent on an item with the state phi moves the head by a multiple of r phi', r = y - p what the run
gets wrong about it, and so the difference of logits of a word with the state psi by d'r (phi . psi), d its direction
(core.reasons.asked). That is TracIn (Pruthi et al. 2020, https://arxiv.org/abs/2002.08484) for the last layer, at the
one checkpoint that is kept. Departure: states are taken from their mean over the mix, so that what all items have in
common doesn't count; docs/explain.md has what that is worth, and what else was tried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.tasks.protocol import IGNORED

_BLOCK = 8192  # items taken at once


@dataclass(frozen=True)
class Taught:
    """By how much each row speaks for what is said, as parts of all that speaks, -1..1; below 0: for what isn't said.
    *Shape:* by_row (rows,), float64. `item`: the item of each row that speaks loudest. *Shape:* (rows,), int64, among
    the row's own."""

    by_row: np.ndarray
    item: np.ndarray

    def first(self, n: int) -> np.ndarray:
        """The rows that speak loudest for it, in that order. *Shape:* (at most n,)."""
        order = np.argsort(-self.by_row, kind="stable")[:n]
        return order[self.by_row[order] > 0]

    def last(self, n: int) -> np.ndarray:
        """Those that speak loudest against it. *Shape:* (at most n,)."""
        order = np.argsort(self.by_row, kind="stable")[:n]
        return order[self.by_row[order] < 0]


@dataclass(frozen=True)
class Part:
    """An ingredient. `rows`: that were drawn of it, `share`: of all that were, 0..1; `towards`, `against`: parts of all
    that speaks, 0..1."""

    name: str
    rows: int
    share: float
    towards: float
    against: float


@dataclass(frozen=True)
class Read:
    """The items of a mix as a run's head reads them. `states`: *Shape:* (items, width); `logits`: (items, classes);
    `targets`: of `Task.targets`; `ends`: row i has the items ends[i] to ends[i + 1]; `times`: how often each row was
    drawn, (rows,)."""

    states: np.ndarray
    logits: np.ndarray
    targets: np.ndarray
    ends: np.ndarray
    times: np.ndarray


def taught(read: Read, states: np.ndarray, direction: np.ndarray) -> Taught:
    """`states`: of the items that are asked about. *Shapes:* (n, width), direction (n, classes)."""
    missing = wrong(read)
    known = np.flatnonzero(np.abs(missing).sum(axis=1) > 0)
    middle = _mean(read.states, known)
    asked = states - middle
    by_item = np.zeros(len(missing))
    for start in range(0, len(known), _BLOCK):
        some = known[start : start + _BLOCK]
        near = (read.states[some].astype(np.float32) - middle) @ asked.T
        by_item[some] = (near * (missing[some] @ direction.T)).sum(axis=1)
    row = np.repeat(np.arange(len(read.times)), np.diff(read.ends))
    by_row = np.bincount(row, by_item, len(read.times)) * read.times
    return Taught(by_row / max(float(np.abs(by_row).sum()), 1e-12), _loudest(by_item, by_row, read.ends))


def by_ingredient(found: Taught, names: Sequence[str], times: np.ndarray) -> list[Part]:
    """What each ingredient has of all that speaks, in the order of the mix. `names`: of each row."""
    of = np.array(names)
    parts: list[Part] = []
    for name in dict.fromkeys(names):
        mine = of == name
        loud, rows = found.by_row[mine], int(times[mine].sum())
        towards, against = float(loud[loud > 0].sum()), float(-loud[loud < 0].sum())
        parts.append(Part(name, rows, rows / int(times.sum()), towards, against))
    return parts


def shared_words(asked: Sequence[str], row: Sequence[str], rare: Mapping[str, int]) -> list[str]:
    """Words that both have, whatever their case, the rarest of the mix first. `rare`: rows that have a word, of those
    that are not in most rows."""
    both = {word.casefold() for word in asked} & {word.casefold() for word in row}
    return sorted(both & rare.keys(), key=lambda word: (rare[word], word))


def wrong(read: Read) -> np.ndarray:
    """y - p of each item; 0 where nothing is known of it, or it was cut off. *Shape:* (items, classes)."""
    seen = ~np.isnan(read.logits).any(axis=1, keepdims=True)
    logits, targets = np.where(seen, read.logits, 0.0).astype(np.float64), read.targets
    if targets.ndim > 1:
        return np.where(np.isnan(targets) | ~seen, 0.0, targets - 0.5 * (1.0 + np.tanh(0.5 * logits)))
    truth = np.eye(logits.shape[1])[np.maximum(targets, 0)]
    chances = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return np.where((targets != IGNORED)[:, None] & seen, truth - chances, 0.0)


def _mean(states: np.ndarray, some: np.ndarray) -> np.ndarray:
    """*Shape:* (width,), float32."""
    total = np.zeros(states.shape[1])
    for start in range(0, len(some), _BLOCK):
        total += states[some[start : start + _BLOCK]].astype(np.float64).sum(axis=0)
    return (total / max(1, len(some))).astype(np.float32)


def _loudest(by_item: np.ndarray, by_row: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Of each row the item that speaks loudest for what the row speaks for. *Shape:* (rows,), 0 of a row without."""
    return np.array(
        [
            int(np.argmax(np.sign(total) * by_item[start:end])) if end > start else 0
            for total, start, end in zip(by_row.tolist(), ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ],
        dtype=np.int64,
    )
