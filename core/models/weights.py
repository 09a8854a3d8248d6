"""What an encoder consists of, by the headers of its safetensors files: nothing is loaded."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.models.loading import hidden_states

Place = Literal["words", "embeddings", "layer", "pooler", "rest"]
FLOAT = 4  # bytes of a weight in a training
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_WORDS = re.compile(r"(?:word_embeddings|tok_embeddings|embed_tokens|shared|wte)\.weight$")
_HEAD = re.compile(r"(?:^|\.)(?:cls|lm_head|classifier|score|predictions|vocab_transform|vocab_projector)\.")
_WHOLE_NUMBERS = frozenset({"I64", "I32", "I16", "I8", "U8", "BOOL"})


@dataclass(frozen=True)
class Tensor:
    """A tensor of an encoder. `number`: of its layer, from 0."""

    name: str
    shape: tuple[int, ...]
    place: Place
    number: int | None = None

    @property
    def size(self) -> int:
        """How many weights it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """An encoder's tensors, without those of a head that it was pre-trained with."""

    tensors: tuple[Tensor, ...]
    layers: int
    width: int

    @property
    def weights(self) -> int:
        return sum(tensor.size for tensor in self.tensors)

    @property
    def of_a_layer(self) -> float:
        """Weights of one layer, on average."""
        return sum(tensor.size for tensor in self.tensors if tensor.place == "layer") / max(1, self.layers)


@lru_cache(maxsize=64)
def layout(folder: Path) -> Layout:
    """Of an installed model, whose files never change."""
    tensors = tuple(tensor for path in sorted(folder.glob("*.safetensors")) for tensor in _tensors(path))
    numbers = {tensor.number for tensor in tensors} - {None}
    width, layers = hidden_states(folder)
    return Layout(tensors, len(numbers) or layers, width)


def _tensors(path: Path) -> Iterator[Tensor]:
    """Those of one file, from its header: 8 bytes that say how long it is, then JSON."""
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header: dict[str, Any] = json.loads(stream.read(min(size, 100 << 20)))
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] not in _WHOLE_NUMBERS and not _HEAD.search(name):
            yield _placed(name, tuple(about["shape"]))


def _placed(name: str, shape: tuple[int, ...]) -> Tensor:
    layer = _LAYER.search(name)
    if layer:
        return Tensor(name, shape, "layer", int(layer[1]))
    if _WORDS.search(name):
        return Tensor(name, shape, "words")
    if "pooler." in name:
        return Tensor(name, shape, "pooler")
    return Tensor(name, shape, "embeddings" if "embed" in name.lower() else "rest")
