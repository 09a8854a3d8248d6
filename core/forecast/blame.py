"""Which rows of an ingredient hurt: by how much dev would be read better if a row were taken out, in closed form.

The head over a mix is W = S^-1 B (core.forecast.statistics). Taking a row out that is drawn `u` times among N rows
takes u/N sum c phi phi' from S and u/N sum c phi y' from B, over its words; to first order W then moves by

    dW = -u/N S^-1 sum c phi r'        r = y - W'phi, what the head gets wrong about a word

and the weighted squared error on dev, L = mean c |y - W'phi|^2, by <dL/dW, dW>. So one product with the states of an
ingredient tells all its rows: influence functions (Koh & Liang 2017, https://arxiv.org/abs/1703.04730), exact but for
the first order since the head is solved. A row is blamed by a linear head over frozen states: a suspicion, which a
training has to confirm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.corpus import Corpus
from core.forecast.forecast import Forecast, Member, Pool
from core.forecast.statistics import class_weights, system
from core.tasks.protocol import Task


@dataclass(frozen=True)
class Blame:
    """By how much each row of an ingredient raises the error on dev, in parts of a million of that error; negative:
    it lowers it. *Shape:* (rows,). `drawn`: how often the mix draws a row, on average."""

    by_row: np.ndarray
    drawn: float

    def worst(self, n: int) -> np.ndarray:
        """The rows that raise it most, the worst first; none that lowers it. *Shape:* (at most n,)."""
        order = np.argsort(-self.by_row, kind="stable")[:n]
        return order[self.by_row[order] > 0]


def blame(
    forecast: Forecast, read: Sequence[tuple[Pool, Pool]], name: str, drawn: Mapping[str, int], label: str | None = None
) -> Blame:
    """Of the rows of ingredient `name` in a mix, the mean over members. `read`: gold and the ingredient as each member
    read them; `drawn`: rows that the mix draws of each ingredient, of this one at least one; `label`: what error is
    looked at, None for that of all classes."""
    found = [_blame(forecast, *each, name, drawn, label) for each in zip(forecast.members, read, strict=True)]
    return Blame(np.mean(found, axis=0), drawn[name] / len(read[0][1].corpus))


def _blame(
    forecast: Forecast,
    member: Member,
    read: tuple[Pool, Pool],
    name: str,
    drawn: Mapping[str, int],
    label: str | None,
) -> np.ndarray:
    """By one member. *Shape:* (rows,)."""
    gold, pool = read
    task, labels = forecast.task, forecast.labels
    classes = task.classes(labels)
    weight = class_weights(task.targets(gold.corpus.table, labels), len(classes))
    matrix, moment = system(member.parts, drawn, forecast.penalty)
    head = np.linalg.solve(matrix, moment)
    dev = _read(forecast, member, Pool(forecast.held, member.states), weight, head)
    if label is not None:
        its = {*task.classes((label,))} - {*task.classes(())}
        dev.wrong[:, [one not in its for one in classes]] = 0.0
    error = float((dev.counted[:, None] * dev.wrong**2).sum())
    pull = np.linalg.solve(matrix, -2 * dev.phi.T @ (dev.counted[:, None] * dev.wrong))
    mine = _read(forecast, member, pool, weight, head)
    raised = mine.counted * ((mine.phi @ pull) * mine.wrong).sum(axis=1)
    uses = drawn[name] / len(pool.corpus)
    part = 1e6 * uses / sum(drawn.values()) / max(error, 1e-12)
    return part * np.bincount(items_of(task, pool.corpus, len(raised)), raised, len(pool.corpus))


@dataclass(frozen=True)
class _Read:
    """Items of a corpus as a head reads them; `counted`: their weights, 0 where nothing is known. *Shapes:* (items,
    width + 1), (items, classes), (items,)."""

    phi: np.ndarray
    wrong: np.ndarray
    counted: np.ndarray


def _read(forecast: Forecast, member: Member, pool: Pool, weight: np.ndarray, head: np.ndarray) -> _Read:
    targets = forecast.task.targets(pool.corpus.table, forecast.labels)
    phi = member.scale(pool.states)
    if targets.ndim == 1:
        known = targets >= 0
        truth, counted = np.eye(len(weight))[np.maximum(targets, 0)], weight[np.maximum(targets, 0)]
    else:
        known = ~np.isnan(targets).any(axis=1)
        truth, counted = np.nan_to_num(targets), np.ones(len(targets))
    return _Read(phi, truth - phi @ head, np.where(known, counted, 0.0))


def items_of(task: Task, corpus: Corpus, items: int) -> np.ndarray:
    """The row of each item. *Shape:* (items,)."""
    rows = np.arange(len(corpus))
    return rows if task.reads == "row" else np.repeat(rows, task.lengths(corpus.table))[:items]
