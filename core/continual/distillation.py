"""What the model before says of new rows, and what is then learned from them.

New rows are labelled with new labels only: what stands for an old one is left unlabelled there, and a model that learns
"nothing here" from it forgets. So such items are left out where the model before is sure of an old label (`mask`), or
learned as that model sees them (`distil`; for entities ExtendNER, Monaikul et al. 2021, doi:10.1609/aaai.v35i15.17600).
Departures: distributions are over all labels, the new ones at 0, so that new labels are unlearned there too; no
temperature; where an item has exactly one label, nothing is left unlabelled, and half the given share of what the
model before says is mixed into every target (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.continual.keep import Keep
from core.models import batching
from core.tasks.protocol import IGNORED, Task
from core.training.feed import BATCH_TOKENS, Feed
from core.training.gear import Gear
from core.training.methods import Network

if TYPE_CHECKING:
    import torch

_OF_A_LABEL = 0.5  # how much of the share counts where it stands against a label
SURE = 0.9  # the probability of an old label above which an unlabelled item is masked


def said(network: Network, task: Task, feed: Feed, gear: Gear) -> np.ndarray:
    """The probabilities of a model's classes for all items; NaN where an item was cut off. *Shape:* (items, classes),
    float32."""
    import torch

    network.whole.eval()
    put, items = network.reader(task, feed), int(feed.pieces.items[-1])
    out = np.empty((0, 0), dtype=np.float32)
    with torch.inference_mode():
        for rows in batching.in_order(feed.pieces.lengths, BATCH_TOKENS):
            positions, within, places = feed.items(rows)
            read = places >= 0
            with gear.autocast():
                logits = put(feed.inputs(rows, gear), within[read], places[read])
            if not out.size:
                out = np.full((items, logits.shape[1]), np.nan, dtype=np.float32)
            out[positions[read]] = _probabilities(logits, task).cpu().numpy()
    return out


def _probabilities(logits: "torch.Tensor", task: Task) -> "torch.Tensor":
    return logits.sigmoid() if task.objective == "sigmoid" else logits.softmax(-1)


def learned(
    keep: Keep, task: Task, targets: np.ndarray, before: np.ndarray, old: Sequence[str], new: Sequence[str]
) -> np.ndarray:
    """The targets of new rows with what the model before says of them.

    `targets`: as gold has them, of `Encoded.targets`; `before`: of `said`; `old`, `new`: the classes of the model
    before and of the one that learns, which has those too.
    """
    at = np.array([new.index(name) for name in old])
    known = np.logical_not(np.isnan(before).any(axis=1))
    if task.objective == "sigmoid":
        return _several(keep, targets, before, at, known)
    whole = task.reads == "row"
    if keep.mask and not whole:
        sure = known & (before.argmax(axis=1) != 0) & (before.max(axis=1) > SURE)
        targets = np.where(sure & (targets == 0), IGNORED, targets)
    if not keep.distil:
        return targets
    soft, share = hot(targets, len(new)), keep.distil * (_OF_A_LABEL if whole else 1)
    rows = np.flatnonzero((targets != IGNORED) & known & (whole | (targets == 0)))
    soft[rows] *= 1 - share
    soft[np.ix_(rows, at)] += share * before[rows]
    return soft


def hot(targets: np.ndarray, classes: int) -> np.ndarray:
    """Classes as distributions; NaN where an item takes no part. *Shape:* (items, classes), float32."""
    out = np.full((len(targets), classes), np.nan, dtype=np.float32)
    given = targets != IGNORED
    out[given] = np.eye(classes, dtype=np.float32)[targets[given]]
    return out


def _several(keep: Keep, targets: np.ndarray, before: np.ndarray, at: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Where an item has any number of labels: an old one that no row has is not known to be absent."""
    out = targets.copy()
    hidden = at[np.nan_to_num(targets[:, at]).sum(axis=0) == 0]
    for column in hidden.tolist():
        value = before[:, int(np.flatnonzero(at == column)[0])]
        if keep.mask:
            out[known & (value > SURE), column] = np.nan
        if keep.distil:
            out[known, column] = keep.distil * value[known]
    return out
