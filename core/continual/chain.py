"""What a run over several steps works with: their rows, and a network on the weights of any of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.continual.ewc import fisher
from core.continual.keep import Keep
from core.continual.replay import kept
from core.corpus import Corpus
from core.models import loading
from core.models.started import BEGUN
from core.params import CLOSED, build
from core.runs import RunContext
from core.tasks import task as task_of
from core.tasks.protocol import Encoded, Pieces, Task
from core.training.feed import Feed, drawn_pieces, feed, joined, means, pieces_of
from core.training.gear import Gear, gear_of
from core.training.methods import Network, frozen_layers, ready
from core.training.settings import TrainParams

KIND = "sequence"
START = BEGUN  # the role of a trained run that is the first step
GOLD, DEV, TEST = "gold:", "dev:", "test:"  # roles, with the number of a step
WEIGHTS, FISHER = "model", "fisher.safetensors"  # of a step


@dataclass(frozen=True)
class SequenceParams:
    """One way through the steps. `labels`: of each step's own rows; `train`: of each step, in optimiser steps."""

    __pydantic_config__ = CLOSED
    seed: Annotated[int, Field(ge=0)]
    labels: tuple[tuple[str, ...], ...]
    train: TrainParams
    keep: Keep = Keep()


@dataclass(frozen=True)
class Chain:
    """A run's steps. `gold`: the rows of each; `held`: those held out, by role; `base`: folder of the encoder."""

    ctx: RunContext
    params: SequenceParams
    task: Task
    gold: tuple[Corpus, ...]
    held: Mapping[str, Corpus]
    base: Path
    frozen: int
    gear: Gear

    def labels(self, at: int) -> tuple[str, ...]:
        """What the model, or with adapters the part of a step, knows after a step."""
        if self.params.keep.adapters:
            return self.params.labels[at]
        return tuple(sorted({label for step in self.params.labels[: at + 1] for label in step}))

    def classes(self, at: int) -> tuple[str, ...]:
        return self.task.classes(self.labels(at))

    def folder(self, at: int) -> Path:
        return folder_of(self.ctx.folder, at)

    def pieces(self, corpus: Corpus) -> Pieces:
        return pieces_of(self.task, corpus, self.base, self.params.train.max_length, self.ctx.root / "cache")

    def read(self, network: Network, pieces: Pieces) -> Feed:
        """Rows as a network reads them."""
        return feed(pieces, network.whole, network.frozen, self.base, self.gear, self.ctx.check_cancelled)


def folder_of(run: Path, at: int) -> Path:
    """Where a run keeps what came of a step: predictions, and while it goes on the weights."""
    return run / f"step-{at}"


def chain_of(ctx: RunContext) -> Chain:
    params = build(SequenceParams, ctx.spec.params, KIND)
    gold = tuple(corpora.read(ctx.input(f"{GOLD}{at}")) for at in range(len(params.labels)))
    held = {role: corpora.read(ctx.input(role)) for role in ctx.spec.inputs if role.startswith((DEV, TEST))}
    base = ctx.input("model")
    frozen = frozen_layers(params.train, base)
    if START in ctx.spec.inputs:  # what it changed lies above the layers that it froze
        frozen = min(frozen, loading.ModelMeta.read(ctx.input(START) / WEIGHTS).frozen_layers)
    return Chain(ctx, params, task_of(gold[0].schema.task), gold, held, base, frozen, gear_of(ctx.resolved))


def weights_before(chain: Chain, at: int) -> Path:
    """The weights that a step begins with: those of the step before; of adapters, those of the first."""
    return chain.folder(0 if chain.params.keep.adapters else at - 1) / WEIGHTS


def network_of(chain: Chain, at: int, weights: Path | None) -> Network:
    """The network of a step, on the weights of a folder of `save_trained`. Classes that these know keep their outputs,
    new ones begin at random. The caller seeds torch before."""
    settings = chain.params.train
    if chain.params.keep.adapters and at:
        settings = replace(settings, method="lora", learning_rate=None)
    model = loading.network(chain.base, chain.task.head, chain.classes(at))
    below = [chain.folder(0) / WEIGHTS] if chain.params.keep.adapters and at else []  # what updates were made upon
    for folder in [*below, *([] if weights is None else [weights])]:
        _lay(model, folder, chain.task, chain.classes(at))
    network = ready(model, settings, chain.frozen)
    network.whole.to(chain.gear.device)
    return network


def _lay(model: Any, folder: Path, task: Task, classes: tuple[str, ...]) -> None:
    """Give a network the weights of a folder, and those of its outputs by the names of the classes."""
    import torch
    from safetensors.torch import load_file

    had = task.classes(loading.ModelMeta.read(folder).labels)
    pairs = [(had.index(name), at) for at, name in enumerate(classes) if name in had]
    source, target = (torch.tensor([pair[side] for pair in pairs], dtype=torch.long) for side in (0, 1))
    with torch.no_grad():
        for name, tensor in load_file(str(folder / loading.OVERLAY)).items():
            weights = model.get_parameter(name)
            if had != classes and not name.startswith(f"{model.base_model_prefix}.") and len(tensor) == len(had):
                weights[target] = tensor[source]
            else:
                weights.copy_(tensor)


def rows_of(chain: Chain, at: int) -> tuple[Encoded, int]:
    """What a step learns from: its own rows, then those that are replayed, or, jointly, all. -> (rows, how many are
    replayed)"""
    keep, labels = chain.params.keep, chain.labels(at)
    length, cache = chain.params.train.max_length, chain.ctx.root / "cache"
    if keep.joint:
        golds = [*chain.gold]
        pieces = [chain.pieces(gold) for gold in golds]
    else:
        golds, pieces = [chain.gold[at]], [chain.pieces(chain.gold[at])]
        for earlier in chain.gold[:at] if keep.replay else ():
            rows = kept(chain.task, earlier, keep.replay, keep.balanced, chain.params.seed)
            golds.append(earlier.take(rows))
            pieces.append(drawn_pieces(chain.task, earlier, rows, chain.base, length, cache))
    targets = np.concatenate([chain.task.targets(gold.table, labels) for gold in golds])
    return Encoded(joined(pieces), targets), 0 if keep.joint else sum(map(len, golds[1:]))


def fisher_of(chain: Chain, at: int) -> Mapping[str, Any]:
    """What hangs on the weights after a step, that of the steps before included; kept with the step."""
    from safetensors.torch import load_file

    file = chain.folder(at) / FISHER
    if not file.exists():
        network = network_of(chain, at, chain.folder(at) / WEIGHTS)
        rows, _ = rows_of(chain, at)
        found = fisher(network, chain.task, rows, chain.read(network, rows.pieces), chain.gear, chain.params.seed)
        if at:
            old, new = chain.classes(at - 1), chain.classes(at)
            for name, tensor in fisher_of(chain, at - 1).items():
                found[name] += spread(tensor, old, new, found[name])
        loading.save_tensors(found, file)
    return load_file(str(file))


def spread(tensor: Any, old: tuple[str, ...], new: tuple[str, ...], like: Any) -> Any:
    """What hangs on outputs, for more classes than there were: nothing on the new ones. `like`: of the shape wanted."""
    import torch

    if tensor.shape == like.shape:
        return tensor.to(like.device)
    wide = torch.zeros_like(like)
    wide[[new.index(name) for name in old]] = tensor.to(like.device)
    return wide


def means_of(chain: Chain, corpus: Corpus) -> np.ndarray:
    """What the encoder, as it was before the first step, makes of each row on the whole. *Shape:* (rows, width)."""
    encoder: Any = loading.network(chain.base, chain.task.head, chain.classes(0))
    read = Feed(chain.pieces(corpus), loading.pad_id(chain.base))
    return means(encoder.base_model.to(chain.gear.device), read, chain.gear)
