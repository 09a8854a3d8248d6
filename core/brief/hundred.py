"""What a hundred real mentions come to: how many were found before, how many are now, and how many of them were lost.

People who decide read counts more easily than rates (natural frequencies; Gigerenzer & Hoffrage 1995,
doi.org/10.1037/0033-295X.102.4.684), and a gain hides what it costs: so mentions that were found and are not any more
are told apart from those that never were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.groups import Group, evaluated, predicted, split_of
from core.tasks import task as task_of
from core.tasks.pairs import CORRECT
from core.workspace import Workspace

WHOLE = 100


@dataclass(frozen=True)
class Hundred:
    """Of WHOLE gold mentions, as shares of a repeat's on average: found both before and now (`kept`), now alone
    (`gained`), before alone (`lost`). `support`: gold mentions that there are.

    Each mention is found by some share of the repeats of either group. What the shares have in common is kept, and what
    one has more is gained or lost: no pairing of repeats has fewer changes, so chance of seeds is counted as little as
    it can be.
    """

    kept: float
    gained: float
    lost: float
    support: int

    @property
    def before(self) -> float:
        return self.kept + self.lost

    @property
    def now(self) -> float:
        return self.kept + self.gained

    @property
    def whole(self) -> tuple[int, int, int, int]:
        """Kept, gained, lost and found by neither in whole numbers that add up to WHOLE: the largest remainders are
        rounded up."""
        exact = np.array([self.kept, self.gained, self.lost, WHOLE - self.kept - self.gained - self.lost])
        out = np.floor(exact + 1e-9).astype(int)
        for at in np.argsort(-(exact - out), kind="stable")[: WHOLE - int(out.sum())]:
            out[at] += 1
        kept, gained, lost, neither = out.tolist()
        return kept, gained, lost, neither


def hundred(before: np.ndarray, now: np.ndarray) -> Hundred:
    """Of the shares of repeats (0..1) that found each mention. *Shapes:* (mentions,); at least one."""
    each = WHOLE / len(before)
    return Hundred(
        float(np.minimum(before, now).sum()) * each,
        float(np.maximum(now - before, 0).sum()) * each,
        float(np.maximum(before - now, 0).sum()) * each,
        len(before),
    )


def hundreds(
    workspace: Workspace, baseline: Group, other: Group, split: str, names: Sequence[str]
) -> dict[str, Hundred]:
    """By label, "" for all together; labels without mentions are left out."""
    shares = [_found(workspace, group, split, names) for group in (baseline, other)]
    label = shares[0][1]
    out: dict[str, Hundred] = {}
    for at, name in enumerate(("", *names)):
        mine = np.ones(len(label), bool) if not name else label == at - 1
        if mine.any():
            out[name] = hundred(shares[0][0][mine], shares[1][0][mine])
    return out


def _found(workspace: Workspace, group: Group, split: str, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """-> the share of a group's repeats that found each gold mention; its label. *Shapes:* (mentions,) each."""
    data = split_of(workspace, group, split)
    kind, hits, label = task_of(data.schema.task), list[np.ndarray](), np.zeros(0, int)
    for run in evaluated(workspace, group, split):
        found = kind.pairs(data.table, predicted(workspace, run, data.id), names)
        there = found.gold.label >= 0  # the same mentions, in the same order, in every run
        hits.append(found.kind[there] == CORRECT)
        label = found.gold.label[there]
    return np.mean(hits, axis=0), label
