"""An encoder cut in two: the layers that are not trained, and the rest, which goes on from what those make of a row."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import CoreError

if TYPE_CHECKING:
    import torch

_EMBEDDINGS = "embeddings"
_WIDENED = "embeddings_project"  # to the width of the layers, where a family (small ELECTRA) has narrower ones
STACKS: Mapping[
    str, str
] = {  # families whose layers take the states of the one before and nothing else: where they are
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "xlm-roberta": "encoder.layer",
    "camembert": "encoder.layer",
    "electra": "encoder.layer",
    "distilbert": "transformer.layer",
}


@dataclass
class Wanted:
    """Which states of the last layer anybody asks for: positions in (rows x longest). *Shape:* (n,), int64; None: all.

    The last layer spares itself the feed-forward part of all others, where its family calls that `feed_forward_chunk`.
    """

    at: "torch.Tensor | None" = None


def layers_of(folder: Path) -> int:
    """How many layers the encoder in a folder has that can be cut; 0: its family isn't known."""
    config = json.loads((folder / "config.json").read_text())
    known = config.get("model_type") in STACKS
    return int(config.get("num_hidden_layers") or config.get("n_layers") or 0) if known else 0


def stack(model: Any) -> list["torch.nn.Module"]:
    """The layers of a network's encoder, the lowest first; none where its family isn't known."""
    place = STACKS.get(model.config.model_type)
    return [] if place is None else list(model.base_model.get_submodule(place))


def lowest(model: Any, number: int) -> list["torch.nn.Module"]:
    """The embeddings and the lowest `number` layers; nothing for 0. Raises CoreError `layers_unknown`, `layers_few`."""
    layers = stack(model)
    if number and not layers:
        raise CoreError("layers_unknown", {"where": "train.frozen_layers", "family": model.config.model_type})
    if number > len(layers):
        raise CoreError("layers_few", {"where": "train.frozen_layers", "layers": len(layers), "asked": number})
    first = [getattr(model.base_model, name, None) for name in (_EMBEDDINGS, _WIDENED)]
    return [*(module for module in first if module is not None), *layers[:number]] if number else []


def lower(model: Any, number: int) -> "torch.nn.Module":
    """The encoder up to its layer `number`: called like it, gives `last_hidden_state`. Shares its weights."""
    part = _with_layers(model.base_model, stack(model)[:number])
    if getattr(part, "pooler", None) is not None:
        part.pooler = None
    return part


def upper(model: Any, number: int, wanted: Wanted) -> "torch.nn.Module":
    """The network above layer `number`: called with `inputs_embeds`, the states of that layer. Shares its weights.

    0: all of it, called as ever. A network of an unknown family is given back as it is.
    """
    import torch

    layers = stack(model)
    if not layers:
        return model
    above = layers[number:]
    if above and hasattr(above[-1], "feed_forward_chunk"):
        above[-1] = _sparing(above[-1], wanted)
    rest, base = _shallow(model), _with_layers(model.base_model, above)
    if number:
        setattr(base, _EMBEDDINGS, _given())
        if hasattr(base, _WIDENED):
            setattr(base, _WIDENED, torch.nn.Identity())
    setattr(rest, model.base_model_prefix, base)
    return rest


def head_alone(model: Any) -> "torch.nn.Module":
    """The network without its encoder: called with `inputs_embeds`, the last states, gives what its head makes of them.
    Shares its weights."""
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    class Read(torch.nn.Module):
        """In the place of the encoder: what comes in are its states already."""

        def forward(self, *args: Any, inputs_embeds: Any = None, **kwargs: Any) -> Any:
            return BaseModelOutput(last_hidden_state=inputs_embeds)

    rest = _shallow(model)
    setattr(rest, model.base_model_prefix, Read())
    return rest


def _with_layers(base: Any, layers: list[Any]) -> Any:
    import torch

    part = _shallow(base)
    place, _, name = STACKS[base.config.model_type].rpartition(".")
    holder = _shallow(part.get_submodule(place))
    setattr(holder, name, torch.nn.ModuleList(layers))
    setattr(part, place, holder)
    return part


def _sparing(layer: Any, wanted: Wanted) -> Any:
    """The layer, whose feed-forward part is worked out for wanted states alone; the others are 0."""
    spared = _shallow(layer)

    def feed_forward(states: "torch.Tensor") -> "torch.Tensor":
        if wanted.at is None:
            return layer.feed_forward_chunk(states)
        flat = states.flatten(0, 1)
        found = layer.feed_forward_chunk(flat.index_select(0, wanted.at))
        return flat.new_zeros(flat.shape, dtype=found.dtype).index_copy(0, wanted.at, found).view_as(states)

    spared.feed_forward_chunk = feed_forward
    return spared


def _shallow(module: Any) -> Any:
    """The same module with places of its own for the modules in it."""
    new = copy.copy(module)
    new.__dict__["_modules"] = dict(module.__dict__["_modules"])
    return new


def _given() -> Any:
    import torch

    class Given(torch.nn.Module):
        """In the place of the embeddings: what comes in are states already."""

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return next(x for x in (*args, *kwargs.values()) if torch.is_tensor(x) and x.is_floating_point())

    return Given()
