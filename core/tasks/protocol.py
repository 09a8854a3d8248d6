"""What differs between NLP tasks, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from core.corpus import Corpus
from core.scores import Counts

IGNORED = -100  # target of a sub-token that takes no part in the loss
Values = Sequence[Sequence[str]] | pa.ChunkedArray  # predictions per row; the array: list<string>


@dataclass(frozen=True)
class Encoded:
    """Rows as sub-tokens. One array per row; rows keep their order.

    `ids`: sub-token ids, special ones included. `targets`: class per sub-token, IGNORED where there is no loss.
    `words`: index of the sub-token that stands for each word of the row, -1 where the word was cut off.
    """

    ids: list[np.ndarray]
    targets: list[np.ndarray]
    words: list[np.ndarray]
    unknown: float  # share of words with an unknown sub-token, 0..1
    truncated: int  # words cut off

    @property
    def lengths(self) -> np.ndarray:
        """Sub-tokens per row. *Shape:* (rows,), int64."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)


@dataclass(frozen=True)
class Predicted:
    """Predictions for one row: the task's own value per item, and the probability of each (0..1)."""

    values: Sequence[str]
    confidence: Sequence[float]


class Task(Protocol):
    """A task reads corpora with its own columns. Vectorised over whole tables wherever that matters."""

    columns: Mapping[str, pa.DataType]
    headline: str
    head: str  # "module:Class", resolved only in the process that trains
    rules: tuple[str, ...]  # the ways to count, the strict one first

    def labels_of(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(row, label) for every distinct label in every row. *Shapes:* (n,), (n,), int64; labels index `names`."""
        ...

    def classes(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The outputs of the model head for these labels, in order."""
        ...

    def encode(self, table: pa.Table, labels: Sequence[str], tokenizer: Any, max_length: int) -> Encoded:
        """Sub-tokens and targets; `tokenizer` is a tokenizers.Tokenizer."""
        ...

    def decode(self, labels: Sequence[str], words: np.ndarray, logits: np.ndarray) -> Predicted:
        """The prediction for one row. `logits`: (sub-tokens, classes), float32."""
        ...

    def counts(self, gold: pa.Table, predicted: Values, labels: Sequence[str], rule: str = "strict") -> Counts:
        """Per row and label: true positives, predictions, gold items, under one of `rules`; ValueError for another."""
        ...

    def counter(self, gold: pa.Table, labels: Sequence[str], rule: str = "strict") -> Callable[[Values], Counts]:
        """`counts` of many runs over the same gold, which is read once."""
        ...

    def masked(self, corpus: Corpus, outside: bool) -> Corpus:
        """The corpus with every token that carries no label masked from the loss, where `outside` asks for it."""
        ...

    def mapped(self, corpus: Corpus, labels: Mapping[str, str | None], schema: Sequence[str]) -> Corpus:
        """The corpus under other label names; None masks the items of that label from the loss."""
        ...
