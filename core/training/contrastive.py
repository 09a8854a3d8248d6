"""Contrastive tuning: texts of one label are drawn together, those of others apart; the head is solved afterwards.

Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts" (SetFit, https://arxiv.org/abs/2209.11055): with few
labelled texts an encoder is tuned on pairs of them, then a head is fitted on its sentence embeddings. Departures: a
batch holds two texts of each label in it and every text is compared with every other, by the supervised contrastive
loss of Khosla et al. 2020 (https://arxiv.org/abs/2004.11362, L_out), where SetFit draws pairs and asks for cosines of 0
and 1: as many comparisons at a fraction of the texts read. A label with one text is paired with the same text under
other dropout (Gao et al. 2021, SimCSE, https://arxiv.org/abs/2104.08821). The head is a closed form (core.training.
heads) where SetFit's is a logistic regression; it is made anew at every look at dev.
"""

from typing import TYPE_CHECKING

import numpy as np

from core.tasks.protocol import IGNORED

if TYPE_CHECKING:
    import torch

TEMPERATURE = 0.1  # of cosines


def epoch(targets: np.ndarray, batches: int, seed: int, number: int) -> list[np.ndarray]:
    """The batches of one pass, as row positions: each row once, beside another of its class, and the odd one of a class
    beside one that was there before. *Shape:* targets (rows,), int64; at least one batch, of two pairs where there are
    as many."""
    rng = np.random.default_rng([seed, number])
    pairs: list[tuple[int, int]] = []
    for one in np.unique(targets[targets != IGNORED]).tolist():
        rows = rng.permutation(np.flatnonzero(targets == one))
        odd = [rows[0]] if len(rows) % 2 else []
        pairs += np.concatenate([rows, np.array(odd, dtype=rows.dtype)]).reshape(-1, 2).tolist()
    order = rng.permutation(np.array(pairs, dtype=np.int64).reshape(-1, 2))
    parts = np.array_split(order, max(1, min(batches, len(order) // 2)))
    return [part.ravel() for part in parts if len(part)]


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
