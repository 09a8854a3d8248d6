"""Which weights of a network a training changes, counted from the encoder's files alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from core.models.weights import Layout, Tensor
from core.training.settings import TrainParams

Name = Literal["words", "embeddings", "layer", "rest", "adapters", "head"]


@dataclass(frozen=True)
class Portion:
    """A part of a network. `number`: of a layer, from 0; `trained`: of its weights."""

    name: Name
    number: int | None
    weights: int
    trained: int


@dataclass(frozen=True)
class Split:
    """A network by its parts, from the embeddings up."""

    portions: tuple[Portion, ...]

    @property
    def weights(self) -> int:
        return sum(portion.weights for portion in self.portions)

    @property
    def trained(self) -> int:
        return sum(portion.trained for portion in self.portions)


def split(found: Layout, train: TrainParams, below: int, classes: int, pooled: bool = False) -> Split:
    """What is trained of an encoder under a fresh head.

    `below`: how many of the lowest layers are left as they are, see core.training.methods.frozen_layers; `pooled`:
    whether the head reads the encoder's pooler.
    """
    return Split(tuple(_portions(found, train, below, classes, pooled)))


def _portions(found: Layout, train: TrainParams, below: int, classes: int, pooled: bool) -> Iterator[Portion]:
    full = train.whole
    for name in ("words", "embeddings"):
        size = sum(tensor.size for tensor in found.tensors if tensor.place == name)
        left = below > 0 or (name == "words" and train.freeze_word_embeddings)
        yield Portion(name, None, size, size if full and not left else 0)
    for number in range(found.layers):
        size = sum(tensor.size for tensor in found.tensors if tensor.number == number)
        yield Portion("layer", number, size, size if full and number >= below else 0)
    if train.method == "lora":
        adapters = sum(adapter(t, train.lora_rank) for t in found.tensors if t.number is not None and t.number >= below)
        yield Portion("adapters", None, adapters, adapters)
    rest = sum(tensor.size for tensor in found.tensors if tensor.place == "rest")
    if rest:
        yield Portion("rest", None, rest, rest if full else 0)
    head = classes * (found.width + 1) + sum(t.size for t in found.tensors if pooled and t.place == "pooler")
    if train.method != "prompt":
        yield Portion("head", None, head, head)


def kept(found: Layout, train: TrainParams, below: int, classes: int, pooled: bool = False) -> int:
    """Weights that a training leaves on the disk: what it trained, low-rank updates added to their matrices."""
    parts = split(found, train, below, classes, pooled).portions
    if train.method != "lora":
        return sum(part.trained for part in parts)
    whole = (t.size for t in found.tensors if t.number is not None and t.number >= below and len(t.shape) == 2)
    return sum(whole) + sum(part.trained for part in parts if part.name == "head")


def adapter(tensor: Tensor, rank: int) -> int:
    """Weights of the low-rank update of a tensor: rank x (in + out) of a matrix, none of a vector."""
    return rank * sum(tensor.shape) if len(tensor.shape) == 2 else 0
