"""Which rows of earlier steps are kept to be learned from again. More of them always begin with the fewer."""

import numpy as np

from core.corpus import Corpus
from core.mix import draw
from core.tasks.drawing import strata
from core.tasks.protocol import Task


def kept(task: Task, gold: Corpus, share: float, balanced: bool, seed: int) -> np.ndarray:
    """Positions of the rows of a step that are kept: so many of its rows, half a row rounds up.

    By chance, each row alike: what reservoir sampling keeps of a stream (Vitter 1985, doi:10.1145/3147.3165). Balanced:
    one of each label in turn, as long as there are any, the label of a row being its rarest. *Shape:* (rows,), int64.
    """
    number = int(share * len(gold) + 0.5)
    alike = np.zeros(len(gold), dtype=np.int64)
    order = draw(gold.keys(), alike, len(gold), seed)
    if not balanced:
        return order[:number]
    label = strata(task, gold)[order]
    turn = np.empty(len(order), dtype=np.int64)  # how many of its label come before a row
    for one in np.unique(label):
        mine = label == one
        turn[mine] = np.arange(int(mine.sum()))
    return order[np.argsort(turn, kind="stable")][:number]
