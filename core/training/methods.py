"""How a network is made ready to be trained: what is frozen, low-rank updates, a head solved in closed form, rates.

Sources: low-rank updates, Hu et al. 2021 (https://arxiv.org/abs/2106.09685), through `peft`, on every linear map of the
layers that are trained; a head fitted before the rest moves, Kumar et al. 2022 (https://arxiv.org/abs/2202.10054), here
in closed form instead of by steps (core.training.heads); rates that fall layer by layer, Howard & Ruder 2018
(https://arxiv.org/abs/1801.06146); the lowest layers left as they are, Lee et al. 2019
(https://arxiv.org/abs/1911.03090).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.models import layers
from core.models.loading import word_embeddings
from core.models.shapes import unused
from core.tasks.protocol import IGNORED, Task
from core.training.dropout import cheaper
from core.training.feed import Feed, Reader, reader
from core.training.settings import TrainParams

if TYPE_CHECKING:
    import torch


@dataclass
class Network:
    """A network made ready: `whole` is all of it, the lowest `frozen` layers are not trained."""

    whole: Any
    frozen: int
    adapters: Any = None  # peft's LoraModel around `whole`
    adapted: list[str] = field(default_factory=list[str])  # names of the weights that low-rank updates change

    def trained(self) -> dict[str, "torch.nn.Parameter"]:
        """What is trained, by name."""
        return {name: p for name, p in self.whole.named_parameters() if p.requires_grad}

    def reader(self, task: Task, feed: Feed, of: Callable[[Any], Any] = lambda whole: whole) -> Reader:
        """How it is put batches of a feed to. `of`: what is made of the network first, see shapes.headless."""
        return reader(task, of(self.whole), 0 if feed.states is None else self.frozen)

    def train(self) -> None:
        """Dropout where something is learned, none in what is frozen."""
        self.whole.train()
        for module in layers.lowest(self.whole, self.frozen):
            module.eval()

    def merged(self) -> Any:
        """The network with its low-rank updates added to the weights; those count as trained from then on."""
        if self.adapters is None:
            return self.whole
        whole = self.adapters.merge_and_unload()
        for name in self.adapted:
            whole.get_parameter(name).requires_grad_(True)
        self.adapters, self.whole = None, whole
        return whole


def frozen_layers(params: TrainParams, base: Path) -> int:
    """How many of the lowest layers are left as they are: as set, else a quarter of a known family's, or one."""
    return frozen_of(params, layers.layers_of(base))


def frozen_of(params: TrainParams, known: int) -> int:
    """How many of `known` layers, where the encoder itself isn't at hand."""
    if params.method == "frozen":
        return known
    if params.frozen_layers is not None:
        return params.frozen_layers
    return max(known // 4, min(1, known // 2)) if params.freeze_word_embeddings else 0


def ready(model: Any, params: TrainParams, frozen: int) -> Network:
    """Freeze, adapt and set dropout as the settings say. `model`: with the head that it begins with."""
    if params.dropout is not None:
        _drop(model, params.dropout)
    cheaper(model)
    if params.freeze_word_embeddings:
        word_embeddings(model).requires_grad_(False)
    for module in layers.lowest(model, frozen):
        module.requires_grad_(False)
    if not params.whole:
        _head_alone(model)
    for parameter in unused(model):
        parameter.requires_grad_(False)
    return _adapted(model, params, frozen) if params.method == "lora" else Network(model, frozen)


def _head_alone(model: Any) -> None:
    """Train the head and the pooler, which stands above the layers, and nothing else."""
    heads = [module for name, module in model.named_children() if name != model.base_model_prefix]
    model.base_model.requires_grad_(False)
    pooler = getattr(model.base_model, "pooler", None)
    for module in (*heads, *([pooler] if pooler is not None else [])):
        module.requires_grad_(True)


def _adapted(model: Any, params: TrainParams, frozen: int) -> Network:
    import torch
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    trained = layers.stack(model)[frozen:] or [model.base_model]
    inside = {id(module) for layer in trained for module in layer.modules() if isinstance(module, torch.nn.Linear)}
    names = [name for name, module in model.named_modules() if id(module) in inside]
    free = [p for p in model.parameters() if p.requires_grad]
    config = LoraConfig(r=params.lora_rank, lora_alpha=params.lora_alpha, target_modules=names, lora_dropout=0.0)  # pyright: ignore[reportArgumentType]
    adapters = LoraModel(model, {"default": config}, "default")
    for parameter in free:  # peft froze the head with the rest
        parameter.requires_grad_(True)
    return Network(model, frozen, adapters, [f"{name}.weight" for name in names])


def _drop(model: Any, share: float) -> None:
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share


def groups_of(network: Network, params: TrainParams) -> list[dict[str, Any]]:
    """What is trained, for the optimiser: biases and normalisation don't decay; `scale`: times the learning rate."""
    stack = layers.stack(network.whole)
    depth = {id(p): at for at, layer in enumerate(stack) for p in layer.parameters()}
    base = network.whole.base_model
    pooler = getattr(base, "pooler", None)  # stands above the layers, and learns like the head
    inner = {id(p) for p in base.parameters()} - {id(p) for p in (pooler.parameters() if pooler is not None else ())}
    groups: dict[tuple[int, bool], list[Any]] = {}
    for p in network.trained().values():
        below_head = len(stack) - depth.get(id(p), -1) if id(p) in inner else 0
        groups.setdefault((below_head, p.ndim > 1), []).append(p)
    return [
        {
            "params": found,
            "weight_decay": params.weight_decay if decays else 0.0,
            "scale": params.layer_decay**below_head,
        }
        for (below_head, decays), found in sorted(groups.items())
    ]


def class_weights(params: TrainParams, task: Task, targets: np.ndarray, classes: int) -> np.ndarray | None:
    """What an item of each class counts, 1 on average over the items. *Shape:* (classes,), float32; None: all alike."""
    if params.class_weights == "none" or task.objective != "softmax" or targets.ndim > 1:
        return None
    counts = np.bincount(targets[targets != IGNORED], minlength=classes).astype(float)
    weights = 1 / np.sqrt(np.maximum(counts, 1))
    return (weights * counts.sum() / max(1.0, float((weights * counts).sum()))).astype(np.float32)


def scored(targets: np.ndarray) -> np.ndarray:
    """Which items the loss is taken from. *Shape:* (items,), bool."""
    return targets != IGNORED if targets.ndim == 1 else np.logical_not(np.isnan(targets).all(axis=1))


def counted(parameters: Sequence["torch.nn.Parameter"]) -> int:
    """Numbers in some weights."""
    return sum(p.numel() for p in parameters)
