"""How generating models choose: the likeliest sub-token, or one drawn by chance that belongs to the text alone.

Drawn by adding Gumbel noise to the logits (Gumbel 1954; Kool, van Hoof & Welling 2019,
https://arxiv.org/abs/1903.06059), from a generator of each text's own: so what is drawn for a text depends on its seed,
and not on what else is in a batch. The logits themselves do, in their last digits. How near the second choice ever came
is kept, for whoever generates to tell whether another batch might have chosen otherwise.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

CLOSE = 1e-3  # a margin beyond any that batches make: theirs is some 1e-6 in float32


def seed_of(*parts: object) -> int:
    """A number, 0 to 2^63 - 1, that follows from what is given and nothing else."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


class Choice:
    """A logits processor of transformers, the last one: the highest score that it leaves is taken.

    `seeds`: one a text of the batch; without `temperature` nothing is drawn.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        import torch

        self._temperature = temperature
        self._chance = [torch.Generator().manual_seed(seed) for seed in seeds] if temperature else []
        self._margins = torch.full((len(seeds),), float("inf"))

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """*Shapes:* input_ids (texts, sub-tokens), scores (texts, vocabulary)."""
        import torch

        scores = scores.float()
        if self._temperature:
            drawn = torch.stack([torch.rand(scores.shape[1], generator=one) for one in self._chance])
            noise = -torch.log(-torch.log(drawn.clamp(1e-9, 1 - 1e-7)))
            scores = scores / self._temperature + noise.to(scores.device)
        best = scores.topk(2, dim=-1).values
        margins = (best[:, 0] - best[:, 1]).cpu()
        self._margins = torch.minimum(self._margins, margins.nan_to_num(float("inf")))
        return scores

    @property
    def close(self) -> list[bool]:
        """Of each text: whether a choice was so close that another batch might have made another one."""
        return (self._margins < CLOSE).tolist()
