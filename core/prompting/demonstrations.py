"""Which rows of the mix a language model is shown beside the one it is asked about.

`similar`: those whose embeddings are nearest (Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?",
https://arxiv.org/abs/2101.06804), the nearest last, beside the row. `cover`: the nearest that has a label which none
chosen before has, until each label stands in one; then the nearest (after Levy et al. 2023, "Diverse Demonstrations
Improve In-context Compositional Generalization", https://arxiv.org/abs/2212.06800, whose greedy cover of local
structures is here one of labels). `random`: the same rows for all, drawn by a seed.

A row that is asked about is never among them, nor another one with its words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.prompting.settings import Choose
from core.tasks.example import Example, spans
from core.tasks.protocol import Task

MOST = 10_000  # rows that demonstrations are chosen from


@dataclass(frozen=True)
class Pool:
    """What demonstrations are chosen from: rows whose labels are all known, each text once. `states`: of length 1,
    *shape* (rows, width), float32; None where nobody compares; `order`: positions as a seed shuffles them."""

    rows: Sequence[Example]
    contents: Sequence[bytes]
    labels: Sequence[frozenset[str]]
    states: np.ndarray | None
    order: np.ndarray

    def chosen(self, content: bytes, state: np.ndarray | None, count: int, how: Choose) -> list[Example]:
        """Demonstrations for a row, the least important first. `content`, `state`: of that row."""
        if state is None or self.states is None:
            order = self.order
        else:
            order = np.argsort(-(self.states @ state), kind="stable")
        near = [at for at in order.tolist() if self.contents[at] != content]
        picked = self._covering(near, count) if how == "cover" else near[:count]
        return [self.rows[at] for at in reversed(picked)]

    def _covering(self, near: Sequence[int], count: int) -> list[int]:
        """So many of some rows, the nearest first, and among them one of each label as far as there is room."""
        chosen: list[int] = []
        left = frozenset().union(*self.labels) if self.labels else frozenset[str]()
        for at in near:
            if len(chosen) < count and self.labels[at] & left:
                chosen.append(at)
                left -= self.labels[at]
        taken = {*chosen, *[at for at in near if at not in {*chosen}][: count - len(chosen)]}
        return [at for at in near if at in taken]


def usable(task: Task, rows: Sequence[Example]) -> list[int]:
    """Positions of the rows that can be shown: all their labels known, each text once."""
    seen: set[bytes] = set()
    found: list[int] = []
    for at, row in enumerate(rows):
        content = task.text_content(row.tokens)
        if row.tokens and None not in row.tags and row.stated is not None and content not in seen:
            seen.add(content)
            found.append(at)
    return found


def labels_in(row: Example) -> frozenset[str]:
    """The labels of a row: of its mentions, or its own."""
    return frozenset(span.label for span in spans(row.tags)) | frozenset(row.stated or ())
