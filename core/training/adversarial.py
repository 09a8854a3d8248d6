"""The fast gradient method: a batch is learned once more, its embeddings moved to where the loss is larger.

Miyato, Dai & Goodfellow 2017 (https://arxiv.org/abs/1605.07725). Departures: the embeddings are not normalised first;
and above frozen layers it is their states that are moved.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.models.loading import word_embeddings

if TYPE_CHECKING:
    import torch


def embedded(model: Any, inputs: Mapping[str, Any], moved: "torch.Tensor | None" = None) -> dict[str, Any]:
    """A batch whose words, or states, gather a gradient of their own; those moved by so much.

    The table of words gets its gradient, too, where it is trained.
    """
    embeds = inputs.get("inputs_embeds")
    found = word_embeddings(model)(inputs["input_ids"]) if embeds is None else embeds
    found = found if moved is None else found + moved
    if found.requires_grad:
        found.retain_grad()
    else:
        found = found.detach().requires_grad_(True)
    return {"inputs_embeds": found, "attention_mask": inputs["attention_mask"]}


def away(embeds: "torch.Tensor", length: float) -> "torch.Tensor":
    """By how much each row's embeddings are moved: `length` along their gradient. *Shape:* (rows, longest, width)."""
    import torch

    with torch.no_grad():
        gradient = embeds.grad
        assert gradient is not None
        norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
        return gradient * (length / norm)[:, None, None]
