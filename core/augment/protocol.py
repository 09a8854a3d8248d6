"""What an augmenter is given and what it gives back."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field

from core.tasks.example import Change, Child, Example, restore

__all__ = [
    "Ahead",
    "Augmenter",
    "Change",
    "Child",
    "Example",
    "Rate",
    "Rejected",
    "Resources",
    "Scope",
    "restore",
    "rng_for",
]

Rate = Annotated[float, Field(gt=0, le=1)]
Scope = Literal["all", "outside", "inside"]  # which tokens: all, only O, only those of mentions; never masked ones


@dataclass(frozen=True)
class Rejected:
    """Why there is no child."""

    code: str


@dataclass(frozen=True)
class Resources:
    """What an augmenter is built from beside its params: the rows of the parent corpus, their language, and a
    folder for what is expensive to make and can be made again."""

    examples: Sequence[Example]
    language: str
    cache: Path


class Augmenter(Protocol):
    """Built from its params and Resources. A child depends on the row, the copy's `rng` and nothing else."""

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected: ...


@runtime_checkable
class Ahead(Protocol):
    """An augmenter whose work is cheaper for many rows at once: it may be told of them before it is asked for each."""

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        """`asked`: rows with the random numbers that `augment` will be given for them, as they are at the beginning."""
        ...


def rng_for(seed: int, method: str, row_id: bytes, copy: int) -> Random:
    """The random numbers of one child, whatever was made before it."""
    digest = hashlib.sha256(f"{seed}\0{method}\0{copy}\0".encode() + row_id).digest()
    return Random(int.from_bytes(digest, "big"))
