"""What the start of a training has seen of the rows that are to judge it.

A trained run as the start of another may have learned from texts that stand in the other's dev or test, whose scores
would then be too good. A few common sentences ("Thank you .") are told as issues `model_saw`; more than 1 % of a split,
and the start is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from core import corpus as corpora
from core.errors import CoreError, Issue, Value
from core.formats.guard import HELD_OUT
from core.models.started import start_of
from core.tasks.letters import marks
from core.workspace import Workspace

MOST = 0.01  # share of the rows of a split that a start may have learned from


@dataclass(frozen=True)
class Seen:
    """Rows of one split whose text the start has learned from, of all rows."""

    split: str
    rows: int
    all: int

    @property
    def too_much(self) -> bool:
        return self.rows > MOST * self.all


def seen(workspace: Workspace, model: Path, ids: Mapping[str, str]) -> list[Seen]:
    """What an installed model saw of dev and test; empty for one that is no run's.

    `ids`: of the corpora of an import, by role.
    """
    start = start_of(model)
    if start is None:
        return []
    silent = marks(pa.table({"text": [""]}))  # a row without text says nothing
    found: list[Seen] = []
    for split in HELD_OUT:
        if split in ids:
            mine = marks(corpora.read(workspace.corpus_path(ids[split])).table)
            known = np.isin(mine, start.texts) & ~np.isin(mine, silent)
            found.append(Seen(split, int(known.sum()), len(mine)))
    return found


def told_or_refused(
    workspace: Workspace, name: str, model: Path, ids: Mapping[str, str], file: str = ""
) -> list[Issue]:
    """What is to be told of a start. `name`: what the recipe `file` calls it. Raises CoreError `model_saw_much`."""
    issues: list[Issue] = []
    for one in seen(workspace, model, ids):
        values: dict[str, Value] = {"model": name, "split": one.split, "rows": one.rows, "all": one.all}
        if one.too_much:
            raise CoreError("model_saw_much", values | {"most": f"{MOST:.0%}"}, "hint_model_saw_much")
        if one.rows:
            issues.append(Issue(file or name, None, "train.model", "model_saw", values, "kept"))
    return issues
