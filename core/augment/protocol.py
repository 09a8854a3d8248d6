"""What an augmenter is given and what it gives back."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal, Protocol

from pydantic import Field

Rate = Annotated[float, Field(gt=0, le=1)]
Scope = Literal["all", "outside", "inside"]  # which tokens: all, only O, only those of mentions; never masked ones


@dataclass(frozen=True)
class Example:
    """One row: its id and its tokens with IOB2 tags (None: masked, untouchable)."""

    id: bytes
    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]


@dataclass(frozen=True)
class Change:
    """The child's tokens[start:end] stand where the parent had `was` (empty: inserted; start == end: deleted)."""

    start: int
    end: int
    was: tuple[str, ...]


@dataclass(frozen=True)
class Child:
    """A changed row. `changes` are in order and don't overlap: with them the parent's tokens can be had back."""

    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]
    changes: tuple[Change, ...]


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


def restore(child: Child) -> tuple[str, ...]:
    """The parent's tokens."""
    out: list[str] = []
    position = 0
    for change in child.changes:
        out += child.tokens[position : change.start]
        out += change.was
        position = change.end
    return (*out, *child.tokens[position:])


def rng_for(seed: int, method: str, row_id: bytes, copy: int) -> Random:
    """The random numbers of one child, whatever was made before it."""
    digest = hashlib.sha256(f"{seed}\0{method}\0{copy}\0".encode() + row_id).digest()
    return Random(int.from_bytes(digest, "big"))
