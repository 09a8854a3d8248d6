"""The first batch of a training as the model sees it: sub-words, and what of them the loss is taken from."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.models import batching
from core.tasks.protocol import Encoded
from core.training.methods import scored

FILE = "first_batch.json"
MOST_ROWS, MOST_PIECES = 16, 128  # kept of it
Role = Literal["scored", "rest", "special", "masked"]


@dataclass(frozen=True)
class Piece:
    """A sub-word. `role`: scored; the rest of a word; a mark of the encoder's; masked, as its label isn't known."""

    text: str
    role: Role
    label: str | None  # what is to be learned, of a scored one


@dataclass(frozen=True)
class Sentence:
    """A row of the batch. `ingredient`: where it is from; `padding`: empty places after it; `cut`: pieces not kept."""

    ingredient: str
    pieces: tuple[Piece, ...]
    padding: int
    cut: int


@dataclass(frozen=True)
class FirstBatch:
    """`rows`, `longest`: of the whole batch, in sentences and sub-words; `sentences`: those that were kept."""

    rows: int
    longest: int
    sentences: tuple[Sentence, ...]


def first_batch(
    encoded: Encoded, ingredients: Sequence[str], classes: Sequence[str], tokenizer: Any, budget: int, seed: int
) -> FirstBatch:
    """The batch of the first step. `tokenizer`: a tokenizers.Tokenizer; `budget`: sub-tokens of a batch."""
    rows = batching.epoch(encoded.lengths, budget, seed, 0)[0]
    longest = int(encoded.lengths[rows].max())
    marks = frozenset(tokenizer.encode("", add_special_tokens=True).ids)
    sentences = [
        Sentence(
            str(ingredients[row]),
            tuple(_pieces(encoded, row, classes, tokenizer, marks)),
            longest - int(encoded.lengths[row]),
            max(0, int(encoded.lengths[row]) - MOST_PIECES),
        )
        for row in rows[:MOST_ROWS].tolist()
    ]
    return FirstBatch(len(rows), longest, tuple(sentences))


def _pieces(encoded: Encoded, row: int, classes: Sequence[str], tokenizer: Any, marks: Set[int]) -> Iterator[Piece]:
    """The sub-words of a row, as far as they are kept. `marks`: what begins and ends every input of the encoder."""
    pieces = encoded.pieces
    items = slice(pieces.items[row], pieces.items[row + 1])
    targets = encoded.targets[items]
    named = [_named(target, classes) if known else None for target, known in zip(targets, scored(targets), strict=True)]
    learned = dict(zip(pieces.places[items].tolist(), named, strict=True))
    for at, id in enumerate(pieces.ids[pieces.rows[row] : pieces.rows[row + 1]][:MOST_PIECES].tolist()):
        text = str(tokenizer.id_to_token(id))
        label = learned.get(at)
        if label is not None:
            yield Piece(text, "scored", label)
        else:
            yield Piece(text, "masked" if at in learned else "special" if id in marks else "rest", None)


def _named(target: Any, classes: Sequence[str]) -> str:
    """What is to be learned: a class, or those that hold."""
    if np.ndim(target) == 0:
        return str(classes[int(target)])
    return " + ".join(str(classes[int(at)]) for at in np.flatnonzero(target > 0))


def keep(folder: Path, make: Callable[[], FirstBatch]) -> None:
    """Write the first batch into a run's folder, unless an earlier attempt did."""
    path = folder / FILE
    if path.exists():
        return
    descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    with open(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(make()), stream, ensure_ascii=False)
    os.rename(name, path)


def of_json(data: Mapping[str, Any]) -> FirstBatch:
    """A first batch as it was kept."""
    sentences = [
        Sentence(one["ingredient"], tuple(Piece(**piece) for piece in one["pieces"]), one["padding"], one["cut"])
        for one in data["sentences"]
    ]
    return FirstBatch(data["rows"], data["longest"], tuple(sentences))
