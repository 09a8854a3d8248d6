"""Elastic weight consolidation (Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796): weights that what was
learned before hangs on are held where they are.

How much hangs on a weight is told by the diagonal of the Fisher information: the mean over rows of the squared gradient
of the log-likelihood of their labels. Steps add up, around the newest weights (Schwarz et al. 2018,
https://arxiv.org/abs/1805.06370, section 3). Departures: the labels are gold's (the empirical Fisher), of a few rows;
the likelihood of a row is the mean over its items, as the loss is a mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.tasks.protocol import Encoded, Task
from core.training.feed import Feed
from core.training.gear import Gear
from core.training.methods import Network, scored

if TYPE_CHECKING:
    import torch

ROWS = 200  # that the Fisher information is taken from

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Consolidation:
    """The lesson (core.training.loop). `weight`: the method's lambda; `at`: the weights before; `fisher`: what hangs on
    them, by the same names and shapes."""

    weight: float
    at: Tensors
    fisher: Tensors

    def teach(self, network: Network, step: int, gear: Gear, parts: int) -> dict[str, float]:
        """The gradient of lambda / 2 x sum of F (w - w before)^2. -> that penalty"""
        import torch

        penalty = 0.0
        with torch.no_grad():
            for name, weights in network.trained().items():
                if name not in self.fisher:
                    continue
                away = weights - self.at[name]
                pull = self.weight * self.fisher[name] * away
                penalty += 0.5 * float((pull * away).sum())
                weights.grad = pull if weights.grad is None else weights.grad.add_(pull)
        return {"ewc": penalty}


def fisher(network: Network, task: Task, rows: Encoded, feed: Feed, gear: Gear, seed: int) -> dict[str, "torch.Tensor"]:
    """What hangs on each weight that was trained, from at most `ROWS` rows drawn by the seed."""
    import torch

    network.whole.eval()
    put, trained = network.reader(task, feed), network.trained()
    total = {name: torch.zeros_like(p) for name, p in trained.items()}
    drawn = np.random.default_rng(seed).permutation(len(feed.pieces))[:ROWS]
    for row in np.sort(drawn).tolist():
        positions, within, places = feed.items(np.array([row]))
        use = (places >= 0) & scored(rows.targets[positions])
        if not use.any():
            continue
        network.whole.zero_grad()
        with gear.autocast():
            logits = put(feed.inputs(np.array([row]), gear), within[use], places[use])
        _likelihood(logits, rows.targets[positions[use]], task).backward()
        for name, p in trained.items():
            if p.grad is not None:
                total[name] += p.grad.detach() ** 2 / len(drawn)
    network.whole.zero_grad()
    return total


def _likelihood(logits: Any, targets: np.ndarray, task: Task) -> Any:
    """The mean log-likelihood of the labels of a row's items."""
    import torch

    wanted = torch.from_numpy(targets).to(logits.device)
    if task.objective == "sigmoid":
        known, hot = ~wanted.isnan(), wanted.nan_to_num()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, hot, known.to(logits.dtype), reduction="sum"
        )
        return -loss / known.sum().clamp_min(1)
    return -torch.nn.functional.cross_entropy(logits, wanted)
