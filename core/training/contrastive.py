"""Contrastive tuning: texts of one label are drawn together, those of others apart; the head is solved afterwards.

Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts" (SetFit, https://arxiv.org/abs/2209.11055): with few
labelled texts an encoder is tuned on pairs of them, then a head is fitted on its sentence embeddings. Departures: a
batch holds two texts of each label in it and every text is compared with every other, by the supervised contrastive
loss of Khosla et al. 2020 (https://arxiv.org/abs/2004.11362, L_out), where SetFit draws pairs and asks for cosines of 0
and 1: as many comparisons at a fraction of the texts read. A label with one text is paired with the same text under
other dropout (Gao et al. 2021, SimCSE, https://arxiv.org/abs/2104.08821). The head is a closed form (core.training.
heads) where SetFit's is a logistic regression; it is made anew at every look at dev.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from core.models import batching
from core.tasks.protocol import IGNORED

if TYPE_CHECKING:
    import torch

TEMPERATURE = 0.1  # of cosines


def epoch(targets: np.ndarray, lengths: np.ndarray, budget: int, seed: int, number: int) -> list[np.ndarray]:
    """The batches of one pass, as row positions: each row once, beside another of its class, and the odd one of a class
    beside one that was there before. Pairs of like length stand together, under a budget of sub-tokens.

    *Shapes:* targets, lengths (rows,), int64. At least one batch, and no pair alone while there is another.
    """
    rng = np.random.default_rng([seed, number])
    found = [np.empty((0, 2), dtype=np.int64)]
    for one in np.unique(targets[targets != IGNORED]).tolist():
        rows = rng.permutation(np.flatnonzero(targets == one))
        found.append(np.concatenate([rows, rows[: len(rows) % 2]]).reshape(-1, 2))
    pairs = rng.permutation(np.concatenate(found))
    longest = lengths[pairs].max(axis=1)
    order = pairs[np.argsort(longest, kind="stable")]
    edges = _no_single(batching.cuts(np.sort(longest), budget // 2))
    batches = [order[start:end].ravel() for start, end in pairwise(edges)]
    return [batches[at] for at in rng.permutation(len(batches))]


def _no_single(edges: list[int]) -> list[int]:
    """The cuts without those that leave a single pair between them, which would have nothing to be told from."""
    kept = edges[:1]
    for edge in edges[1:-1]:
        if edge - kept[-1] > 1:
            kept.append(edge)
    if len(kept) > 1 and edges[-1] - kept[-1] < 2:
        kept.pop()
    return [*kept, *edges[1:][-1:]]


def loss(embeddings: "torch.Tensor", targets: np.ndarray) -> "torch.Tensor":
    """The sum, over the texts that have another of their class in the batch, of minus the mean log-probability of such
    a one among all others, by cosine. *Shapes:* (texts, width), (texts,) -> ()."""
    import torch

    unit = torch.nn.functional.normalize(embeddings, dim=-1)
    wanted = torch.from_numpy(targets).to(unit.device)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    logits = (unit @ unit.T / TEMPERATURE).masked_fill(itself, -torch.inf)
    alike = (wanted[:, None] == wanted[None, :]) & ~itself
    chance = (logits - torch.logsumexp(logits, dim=1, keepdim=True)).masked_fill(~alike, 0.0)
    return -(chance.sum(dim=1) / alike.sum(dim=1).clamp(min=1)).sum()
