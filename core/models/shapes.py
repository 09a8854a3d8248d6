"""What a network may have that its family in transformers has not: texts read as the mean of their states, and a head
that keeps what it was shown.

Mean pooling: Reimers & Gurevych 2019, "Sentence-BERT" (https://arxiv.org/abs/1908.10084). Departure: the mean is
standardised over its width (mean 0, variance 1) instead of scaled to length 1, so that it can be spelled out in layers
that transformers has (`spelled_out`); over as many dimensions both order neighbours alike.

Nearest neighbour: Yang & Katiyar 2020 (https://arxiv.org/abs/2010.02405), NNShot.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CoreError
from core.models.nearness import NEVER

if TYPE_CHECKING:
    import torch

Pooling = Literal["first", "mean"]
FAMILIES = ("bert",)  # whose texts can be read as a mean
_KEY = "peibi_shape"  # in a configuration
_LOUD = 1e9  # times which a mean is added to a state, so that nothing is left of the state
_TINY = 1e-12  # beside a variance, as in BERT
_QUIET = 1e-5  # times which values go through tanh, which is straight there


@dataclass(frozen=True)
class Shape:
    """`pooling`: what a text's head reads, the pooler over its first state or the mean of all; `neighbours`: items that
    the head keeps, 0: it is linear."""

    pooling: Pooling = "first"
    neighbours: int = 0


PLAIN = Shape()


def shape_of(folder: Path) -> Shape:
    """What a model's folder says of it."""
    told = json.loads((folder / "config.json").read_text(encoding="utf-8")).get(_KEY)
    return _read(told) if isinstance(told, Mapping) else PLAIN


def _read(told: Mapping[str, Any]) -> Shape:
    number = told.get("neighbours", 0)
    return Shape("mean" if told.get("pooling") == "mean" else "first", number if isinstance(number, int) else 0)


def told(model: Any, config: Any) -> None:
    """Say in a configuration what a network has that its family has not."""
    found = shape_in(model)
    config.__dict__.pop(_KEY, None)
    if found != PLAIN:
        setattr(config, _KEY, {"pooling": found.pooling, "neighbours": found.neighbours})


def shape_in(model: Any) -> Shape:
    """The shape of a network."""
    names = {type(module).__name__: module for module in model.modules()}
    kept = names.get("Neighbours")
    return Shape("mean" if "Mean" in names else "first", 0 if kept is None else len(kept.support))


def shaped(model: Any, wanted: Shape, classes: int) -> Any:
    """A network of transformers, changed in place. Raises CoreError `pooling_family`."""
    if wanted.pooling == "mean":
        if model.config.model_type not in FAMILIES:
            values = {"family": model.config.model_type, "known": ", ".join(FAMILIES), "where": "train.pooling"}
            raise CoreError("pooling_family", values, "hint_pooling_family")
        base = model.base_model
        base.encoder.layer.append(_mean())
        base.pooler = _first(base.pooler)
    if wanted.neighbours:
        place_head(model, neighbours(wanted.neighbours, int(model.config.hidden_size), classes))
    return model


def unused(model: Any) -> list["torch.nn.Parameter"]:
    """Weights that a network has and nothing reads."""
    pooler = getattr(model.base_model, "pooler", None)
    return [] if pooler is None or type(pooler).__name__ != "First" else [*pooler.parameters()]


def head_name(model: Any) -> str:
    """Where the head's last map stands in a network."""
    import torch

    last = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) or type(m).__name__ == "Neighbours"]
    return last[-1]


def place_head(model: Any, head: Any) -> None:
    """Put another map in the place of the head's last one."""
    at, _, name = head_name(model).rpartition(".")
    setattr(model.get_submodule(at), name, head)


def headless(model: Any) -> Any:
    """The same network, which gives what its head's last map reads. Shares its weights."""
    import torch

    *path, name = head_name(model).split(".")
    top = part = _shallow(model)
    for step in path:
        inner = _shallow(getattr(part, step))
        setattr(part, step, inner)
        part = inner
    setattr(part, name, torch.nn.Identity())
    return top


def _shallow(module: Any) -> Any:
    new = copy.copy(module)
    new.__dict__["_modules"] = dict(module.__dict__["_modules"])
    return new


def _mean() -> "torch.nn.Module":
    import torch

    class Mean(torch.nn.Module):
        """Above the last layer: one state, the standardised mean of all that are no padding. *Shape:* (rows, length,
        width) -> (rows, 1, width)."""

        def forward(self, hidden_states: Any, attention_mask: Any = None, *_: Any, **__: Any) -> Any:
            states = hidden_states.float()
            if attention_mask is None:
                mean = states.mean(dim=1)
            else:
                there = _there(attention_mask).to(states.dtype).unsqueeze(-1)
                mean = (states * there).sum(dim=1) / there.sum(dim=1)
            return torch.nn.functional.layer_norm(mean, mean.shape[-1:], eps=_TINY).unsqueeze(1)

    return Mean()


def _there(mask: Any) -> Any:
    """Which places are no padding, of a mask as layers are given it. *Shape:* (rows, length), bool."""
    import torch

    flat = mask[:, 0, 0, :] if mask.ndim == 4 else mask
    return flat if flat.dtype == torch.bool else flat > (-1 if mask.ndim == 4 else 0)


def _first(pooler: Any) -> "torch.nn.Module":
    import torch

    class First(torch.nn.Module):
        """In the place of the pooler: the first state as it is. The pooler's own map is kept, for whoever reads the
        folder next."""

        def __init__(self) -> None:
            super().__init__()
            self.dense = pooler.dense

        def forward(self, hidden_states: Any) -> Any:
            return hidden_states[:, 0]

    return First()


def neighbours(items: int, width: int, classes: int) -> Any:
    """A head that answers by what it keeps: a class's logit is minus the squared distance of the nearest kept item of
    the class's group, by `scale`.

    Its weights are `support` (items, width), sorted by group; `owner` (items,), the group of each; `group` (classes,),
    that of each class; `scale` (1,).
    """
    import torch

    class Neighbours(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.support = torch.nn.Parameter(torch.zeros(items, width))
            self.owner = torch.nn.Parameter(torch.zeros(items))
            self.group = torch.nn.Parameter(torch.zeros(classes))
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, states: Any) -> Any:
            """*Shape:* (..., width) -> (..., classes)."""
            with torch.autocast(states.device.type, enabled=False):
                x = states.float()
                near = (x * x).sum(-1, keepdim=True) - 2 * (x @ self.support.T) + (self.support**2).sum(-1)
                groups = self.group.long()
                sizes = torch.bincount(self.owner.long(), minlength=int(groups.max()) + 1).tolist()
                found = [
                    part.amin(-1) if size else torch.full_like(x[..., 0], torch.inf)
                    for part, size in zip(near.split(sizes, dim=-1), sizes, strict=True)
                ]
                logits = -self.scale * torch.stack(found, dim=-1).clamp(min=0)
                return logits.clamp(min=NEVER).index_select(-1, groups)

    return Neighbours()


def spelled_out(model: Any) -> Any:
    """The same network in layers that transformers has: the mean as one more layer, whose attention is alike on all.

    Its attention adds the mean `_LOUD` times to each state, its normalisation leaves the standardised mean, and the
    pooler's tanh is read where it is straight.
    """
    import torch

    config = copy.deepcopy(model.config)
    config.num_hidden_layers += 1
    config.__dict__.pop(_KEY, None)
    new = type(model)(config).eval()
    new.load_state_dict(model.state_dict(), strict=False)
    layer, width = new.base_model.encoder.layer[-1], int(config.hidden_size)
    one = torch.eye(width)
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        layer.attention.self.value.weight.copy_(one)
        layer.attention.output.dense.weight.copy_(_LOUD * one)
        for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
            norm.weight.fill_(1)
        new.base_model.pooler.dense.weight.copy_(_QUIET * one)
        new.base_model.pooler.dense.bias.zero_()
        new.classifier.weight.copy_(model.classifier.weight / _QUIET)
    return new


def check_spellable(model: Any) -> None:
    """Raises CoreError `export_neighbours` for a head that transformers has no class for."""
    if shape_in(model).neighbours:
        raise CoreError("export_neighbours", {"items": shape_in(model).neighbours}, "hint_export_neighbours")


def kept_head(model: Any, tensors: Mapping[str, "torch.Tensor"], names: Sequence[str]) -> None:
    """Give a network the values of some weights."""
    import torch

    with torch.no_grad():
        for name in names:
            model.get_parameter(name).copy_(tensors[name])
