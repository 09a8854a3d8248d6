"""What to label next: the rows whose labels would teach the head most about one label, near-duplicates counted once.

The head over a mix of N rows is W = A^-1 B, with A = sum c phi phi' + a ridge (core.forecast.statistics). Were a word
labelled, what the head says of a word i of dev would move, but for a share that all words have in common, by

    phi_i' A^-1 phi c (y - p)        p: the label's probability by the head itself, y: 1 where the word has it, else 0

Nobody knows y; by the head's own belief the square of that is c^2 p (1 - p) (phi_i' A^-1 phi)^2 on average. Summed over
the words that have the label on dev, and over the words of the row, and divided by the root of these words' number
(long rows cost more), this is the row's gain: large where the head is unsure of the label, and where being sure would
matter to what dev has of it. It is the expected change of a model (Settles & Craven 2008,
https://aclanthology.org/D08-1112; of a regression: Cai et al. 2013, https://doi.org/10.1109/ICDM.2013.104), looked at
where it counts. Its sign is left open: by the head's own belief the expected change itself is zero.

Rows are taken one after the other. Each adds its words to A, in closed form (Woodbury's identity) and whatever their
labels will be, so that what it teaches is no gain of the next: twenty rows that say the same are not chosen twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.corpus import Corpus
from core.forecast.blame import items_of
from core.forecast.forecast import Forecast, Member, Pool
from core.forecast.statistics import class_weights, system

_SHORT = 4, 200  # the rows that are looked at again after each choice: so many times those that are wanted, at least


@dataclass(frozen=True)
class Ranking:
    """Rows in the order in which they are to be labelled. `rows`: positions; `gain`: of each, once those before it are
    labelled, 1: that of a row by chance; `word`: the item of it that most of that comes from. *Shapes:* (chosen,)."""

    rows: np.ndarray
    gain: np.ndarray
    word: np.ndarray


def rank(
    forecast: Forecast,
    gold: Corpus,
    read: Sequence[Pool],
    drawn: Mapping[str, int],
    label: str,
    n: int,
    out: np.ndarray,
    tell: Callable[[int], None] = lambda done: None,
) -> Ranking:
    """The best `n` rows for a label, the mean over members. `read`: text without labels as each member read it;
    `drawn`: rows that the mix draws of each ingredient; `out`: positions that are no candidates; `tell`: is told how
    many rows are chosen."""
    pool = read[0].corpus
    lengths = np.bincount(items_of(forecast.task, pool, len(read[0].states)), minlength=len(pool))
    weight = class_weights(
        forecast.task.targets(gold.table, forecast.labels), len(forecast.task.classes(forecast.labels))
    )
    sights = [_sight(forecast, *one, drawn, label, weight) for one in zip(forecast.members, read, strict=True)]
    row, long = np.repeat(np.arange(len(pool)), lengths), np.sqrt(np.maximum(lengths, 1))
    first = np.mean([np.bincount(row, one.gain, len(pool)) for one in sights], axis=0) / long
    first[out] = 0.0
    usual = max(float(np.delete(first, out).mean()) if len(out) < len(pool) else 0.0, 1e-30)
    short = np.argsort(-first, kind="stable")[: max(_SHORT[0] * n, _SHORT[1])]
    short = np.sort(short[first[short] > 0])
    items = np.flatnonzero(np.isin(row, short))
    left = [one.only(items) for one in sights]
    ends = np.concatenate([[0], np.cumsum(lengths[short])])
    row, free = np.repeat(np.arange(len(short)), lengths[short]), np.ones(len(short), dtype=bool)
    chosen: list[tuple[int, float, int]] = []
    for done in range(min(n, len(short))):
        tell(done)
        each = np.mean([one.gain for one in left], axis=0)
        gains = np.where(free, np.bincount(row, each, len(short)) / long[short], -1.0)
        best = int(gains.argmax())
        words = slice(ends[best], ends[best + 1])
        chosen.append((int(short[best]), float(gains[best]) / usual, int(each[words].argmax())))
        free[best] = False
        for one in left:
            one.learn(words)
    rows, gain, word = zip(*chosen, strict=True) if chosen else ((), (), ())
    return Ranking(np.array(rows, np.int64), np.array(gain), np.array(word, np.int64))


@dataclass
class _Sight:
    """Words as one member sees them while rows are chosen: what `learn` is told of changes it.

    `phi`: *Shape:* (width + 1, words); `solved`: A^-1 phi, the same; `seen`: what dev has of the label, times that.
    *Shape:* (dev's words of the label, words); `unsure`: c^2 p (1 - p); `counted`: c. *Shapes:* (words,).
    """

    phi: np.ndarray
    solved: np.ndarray
    seen: np.ndarray
    unsure: np.ndarray
    counted: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """Of each word. *Shape:* (words,)."""
        return self.unsure * np.einsum("dw,dw->w", self.seen, self.seen)

    def only(self, words: np.ndarray) -> "_Sight":
        return _Sight(
            self.phi[:, words], self.solved[:, words], self.seen[:, words], self.unsure[words], self.counted[words]
        )

    def learn(self, words: slice) -> None:
        """Those words are labelled: A grows by c phi phi' of each."""
        new = self.phi[:, words].T @ self.solved  # phi' A^-1 of the new words, times all
        inner = np.diag(1 / self.counted[words]) + new[:, words]
        step = np.linalg.solve(inner, new)
        self.seen -= self.seen[:, words].copy() @ step
        self.solved -= self.solved[:, words].copy() @ step


def _sight(
    forecast: Forecast, member: Member, pool: Pool, drawn: Mapping[str, int], label: str, weight: np.ndarray
) -> _Sight:
    task, labels, rows = forecast.task, forecast.labels, sum(drawn.values())
    matrix, moment = system(member.parts, drawn, forecast.penalty)
    its = {*task.classes((label,))} - {*task.classes(())}
    mine = np.array([one in its for one in task.classes(labels)])
    targets = task.targets(forecast.held.table, labels)
    has = mine[np.maximum(targets, 0)] & (targets >= 0) if targets.ndim == 1 else (targets[:, mine] > 0).any(axis=1)
    phi = np.ascontiguousarray(member.scale(pool.states).T)
    values = np.clip(np.linalg.solve(matrix, moment).astype(np.float32).T @ phi, 0.0, 1.0)
    if targets.ndim == 1:
        values /= np.maximum(values.sum(axis=0), 1e-6)
        counted = weight.astype(np.float32) @ values
    else:
        counted = np.ones(phi.shape[1], np.float32)
    sure = np.minimum(values[mine].sum(axis=0), 1.0)
    inverse = (np.linalg.inv(matrix) / rows).astype(np.float32)
    solved = inverse @ phi
    counted = np.maximum(counted, 1e-6)
    return _Sight(phi, solved, member.scaled[has] @ solved, counted**2 * sure * (1 - sure), counted)
