"""What an augmenter is given and what it gives back."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field

from core.models.endpoints import name_of
from core.models.writers import Spent
from core.tasks import DEFAULT
from core.tasks.example import Attempt, Change, Child, Example, restore

__all__ = [
    "Ahead",
    "Attempt",
    "Augmenter",
    "Change",
    "Child",
    "Example",
    "Labelling",
    "Name",
    "Names",
    "Rate",
    "Rejected",
    "Resources",
    "Scope",
    "Spending",
    "Spent",
    "restore",
    "rng_for",
]

Rate = Annotated[float, Field(gt=0, le=1)]
Scope = Literal["all", "outside", "inside"]  # which tokens: all, only O, only those of mentions; never masked ones


@dataclass(frozen=True)
class Names:
    """Marks a param that names something outside the params: a file, or a model (`run:ID` is a trained run).

    In a recipe it is what a person writes; in the spec of a run, and in a project, what the workspace keeps:
    `file:SHA` or `model:IDENTITY`, in a project with a name after a slash. `reader`: "module:function", called with the
    path of a file and its name for messages before it is taken; it raises CoreError. `endpoints`: instead of a model it
    may name an endpoint of the workspace's file of them, `endpoint:NAME`, which stays as it is. `trained`: it must have
    learned the labels of such rows already, as a run has. `run`: it must be a trained run, of which is known what it
    has learned from.
    """

    kind: Literal["file", "model"]
    reader: str = ""
    endpoints: bool = False
    trained: bool = False
    run: bool = False

    def outside(self, value: object) -> bool:
        """Whether a value names an endpoint, of which the workspace keeps nothing."""
        return self.endpoints and isinstance(value, str) and name_of(value) is not None


Name = Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True)
class Rejected:
    """Why there is no child; `attempt`: of an attack on a model."""

    code: str
    attempt: Attempt | None = None


@dataclass(frozen=True)
class Resources:
    """What an augmenter is built from beside its params: the rows of the parent corpus, their language, a folder for
    what is expensive to make and can be made again, the files and models that its params name, by param, the file that
    says what endpoints are, the name of their task, and the labels of their schema."""

    examples: Sequence[Example]
    language: str
    cache: Path
    named: Mapping[str, Path] = field(default_factory=dict[str, Path])
    endpoints: Path | None = None
    task: str = DEFAULT
    labels: Sequence[str] = ()


class Augmenter(Protocol):
    """Built from its params and Resources. A child depends on the row, the copy's `rng` and nothing else."""

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected: ...


@runtime_checkable
class Ahead(Protocol):
    """An augmenter whose work is cheaper for many rows at once: it may be told of them before it is asked for each."""

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        """`asked`: rows with the random numbers that `augment` will be given for them, as they are at the beginning."""
        ...


@runtime_checkable
class Labelling(Protocol):
    """An augmenter that gives rows the labels that they lack."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All that it may give."""
        ...

    def settled(self, children: Sequence[Child]) -> list[Child | Rejected]:
        """The children of a whole pool, when all are made: what of each may stay."""
        ...


@runtime_checkable
class Spending(Protocol):
    """An augmenter whose work may cost money."""

    def spent(self) -> Spent | None:
        """So far; None where nobody is asked."""
        ...


def rng_for(seed: int, method: str, row_id: bytes, copy: int) -> Random:
    """The random numbers of one child, whatever was made before it."""
    digest = hashlib.sha256(f"{seed}\0{method}\0{copy}\0".encode() + row_id).digest()
    return Random(int.from_bytes(digest, "big"))
