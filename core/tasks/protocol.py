"""What differs between NLP tasks, and nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from core.corpus import BASE, Corpus
from core.scores import Counts
from core.tasks.example import Child, Example
from core.tasks.pairs import Matches, Surfaces
from core.tasks.running import Running

IGNORED = -100  # target of an item that takes no part in the loss
Values = Sequence[Sequence[str]] | pa.ChunkedArray  # predictions per row; the array: list<string>


@dataclass(frozen=True)
class Pieces:
    """Rows as a tokenizer cuts them, one row after the other in flat arrays that may be memory-mapped.

    `ids`: sub-token ids, special ones included. *Shape:* (sub-tokens,), int32. `rows`: row i has ids[rows[i] :
    rows[i + 1]]. *Shape:* (rows + 1,), int64. An *item* is what one prediction is made for (a word, or the whole row):
    `places`: index, within its row, of the sub-token that stands for it, -1 where it was cut off. *Shape:* (items,),
    int32. `items`: row i has the items items[i] to items[i + 1]. *Shape:* (rows + 1,), int64. `unknown`: words with an
    unknown sub-token, `words`: all words, `cut`: words beyond the longest input, per row. *Shape:* (rows,), int32.
    """

    ids: np.ndarray
    rows: np.ndarray
    places: np.ndarray
    items: np.ndarray
    unknown: np.ndarray
    words: np.ndarray
    cut: np.ndarray

    def __len__(self) -> int:
        return len(self.rows) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Sub-tokens per row. *Shape:* (rows,), int64."""
        return np.diff(self.rows)

    @property
    def unknown_share(self) -> float:
        """Share of words with an unknown sub-token, 0..1."""
        return float(self.unknown.sum()) / max(1, int(self.words.sum()))

    @property
    def truncated(self) -> int:
        """Words cut off."""
        return int(self.cut.sum())

    def take(self, rows: np.ndarray) -> "Pieces":
        """The rows at those positions, in that order."""
        ids, ends = _gather(self.ids, self.rows, rows)
        places, items = _gather(self.places, self.items, rows)
        return Pieces(ids, ends, places, items, self.unknown[rows], self.words[rows], self.cut[rows])

    @staticmethod
    def joined(parts: Sequence["Pieces"]) -> "Pieces":
        """Several, one after the other."""
        return Pieces(
            np.concatenate([part.ids for part in parts]),
            _ends([part.rows for part in parts]),
            np.concatenate([part.places for part in parts]),
            _ends([part.items for part in parts]),
            np.concatenate([part.unknown for part in parts]),
            np.concatenate([part.words for part in parts]),
            np.concatenate([part.cut for part in parts]),
        )


@dataclass(frozen=True)
class Encoded:
    """Rows with what is to be learned from them. `targets`: of the items. *Shape:* (items,) int64, a class each or
    IGNORED, where the task's objective is softmax; (items, classes) float32, 0 or 1 or NaN (no part in the loss), where
    it is sigmoid."""

    pieces: Pieces
    targets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return self.pieces.lengths


@dataclass(frozen=True)
class Predicted:
    """Predictions for one row: the task's own values, and the probability of each (0..1)."""

    values: Sequence[str]
    confidence: Sequence[float]


@dataclass(frozen=True)
class View:
    """One row as it is shown: its words with the mentions among them, and the labels of the whole row.

    `running`: its text, and where its words stand; None where that isn't known. `labels`: None where they aren't known.
    """

    tokens: tuple[str, ...]
    tags: tuple[str | None, ...]
    running: Running | None
    labels: tuple[str, ...] | None = ()


class Task(Protocol):
    """A task reads corpora with its own columns. Vectorised over whole tables wherever that matters.

    First what its rows are, then what is learned from them, then what is counted.
    """

    name: str  # in TASKS
    rows: str  # the kind of its rows: a key of READERS and WRITERS
    columns: Mapping[str, pa.DataType]
    made: Mapping[str, pa.DataType]  # which rows that augmenters made have beside these
    text_column: str  # of `columns`: what a model reads
    gold_column: str  # of `columns`: what it is to find
    headline: str
    also: Mapping[str, str]  # other names that metrics go by here: accuracy -> recall
    kinds: tuple[str, ...]  # of `pairs`, those that there can be
    slices: tuple[str, ...]  # names of core.evaluation.slices.SLICES that say something
    offers: frozenset[str]  # what its rows have that some augmenters need: mentions
    head: str  # "module:Class", resolved only in the process that trains
    reads: Literal["tokens", "row"]  # whether the head gives classes for every sub-token or for the row
    objective: Literal["softmax", "sigmoid"]  # one class for each item, or any number of them
    rules: tuple[str, ...]  # the ways to count, the strict one first

    def words(self, table: pa.Table) -> Iterator[Sequence[str]]:
        """The words of each row; some rows at a time are Python objects."""
        ...

    def lengths(self, table: pa.Table) -> np.ndarray:
        """Words of each row. *Shape:* (rows,), int64."""
        ...

    def texts(self, table: pa.Table, blanks: bool) -> pa.ChunkedArray:
        """What each row is searched by; without `blanks`, words stand together."""
        ...

    def text_content(self, words: Iterable[str]) -> bytes:
        """What a model sees of a row with these words. 16 bytes; rows that agree here leak into each other."""
        ...

    def mentions(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(row, label, words) of all that is labelled, row by row. *Shapes:* (n,), (n,), int64; labels are numbers of
        `names`."""
        ...

    def examples(self, table: pa.Table) -> list[Example]:
        """The rows as augmenters see them."""
        ...

    def children(self, parent: pa.Table, born: Sequence[tuple[int, Child]]) -> dict[str, list[Any]]:
        """`columns` and `made` of rows that augmenters made. `born`: position of the parent row, child."""
        ...

    def changed(self, born: Sequence[tuple[Example, Child]]) -> pa.Table:
        """Rows as they were changed, with the columns that `pieces`, `targets` and `counter` read, before they are part
        of a corpus. `born`: parent row, child."""
        ...

    def view(self, row: Mapping[str, Any], values: Sequence[str] | None = None) -> View:
        """A row as it is shown. `row`: by column; `values`: what was predicted, in place of gold."""
        ...

    def unlabelled(self, lines: Sequence[str]) -> pa.Table:
        """Rows of these texts, of which nothing is known, with the columns that `pieces` reads."""
        ...

    def answer(self, line: str, values: Sequence[str], confidence: Sequence[float]) -> dict[str, Any]:
        """What was found in a text, as JSON: {"text", and a list of {"label", "confidence", ...}}."""
        ...

    def sound(self, table: pa.Table, labels: Sequence[str]) -> bool:
        """Whether a table with the task's columns holds rows that could have been imported."""
        ...

    def fits(self, table: pa.Table, predicted: pa.ChunkedArray) -> bool:
        """Whether predictions can be those of the rows."""
        ...

    def settled(self, gold: Iterable[pa.Table]) -> str:
        """The name of the task that these rows are of, where it goes by several."""
        ...

    def unfit(self, table: pa.Table) -> Mapping[int, tuple[str, dict[str, int]]]:
        """Rows that the task has no use for: position -> code and values of the reason."""
        ...

    def labels_of(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(row, label) for every distinct label in every row. *Shapes:* (n,), (n,), int64; labels index `names`."""
        ...

    def classes(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The outputs of the model head for these labels, in order."""
        ...

    def pieces(self, table: pa.Table, tokenizer: Any, max_length: int) -> Pieces:
        """The rows as sub-tokens; `tokenizer` is a tokenizers.Tokenizer. Depends on the text alone."""
        ...

    def targets(self, table: pa.Table, labels: Sequence[str]) -> np.ndarray:
        """What is to be learned from each item: `Encoded.targets`. Items that were cut off have one, too."""
        ...

    def decode(self, labels: Sequence[str], seen: np.ndarray, logits: np.ndarray) -> Predicted:
        """The prediction for one row. `seen`: which of its items the model read. *Shape:* (items,), bool; `logits`: of
        those. *Shape:* (items seen, classes), float32."""
        ...

    def counts(self, gold: pa.Table, predicted: Values, labels: Sequence[str], rule: str = "strict") -> Counts:
        """Per row and label: true positives, predictions, gold items, under one of `rules`; ValueError for another."""
        ...

    def counter(self, gold: pa.Table, labels: Sequence[str], rule: str = "strict") -> Callable[[Values], Counts]:
        """`counts` of many runs over the same gold, which is read once."""
        ...

    def totals(self, gold: pa.Table, labels: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
        """What is right, predicted and gold of each label, strictly, from values of all items at once: near 1 where an
        item has a class, near 0 elsewhere. For one head after another, in milliseconds. *Shape:* (items, classes) ->
        (3, labels), int64."""
        ...

    def pairs(self, gold: pa.Table, predicted: Values, labels: Sequence[str]) -> Matches:
        """What was predicted for what; what gold doesn't know is left out. Raises ValueError for predictions of other
        rows."""
        ...

    def sure(self, found: Matches, predicted: pa.ChunkedArray, confidence: pa.ChunkedArray) -> np.ndarray:
        """The probability (0..1) of each prediction of `pairs`, in its order. *Shape:* (predicted ones,), float64.

        `predicted`, `confidence`: as they are stored.
        """
        ...

    def surfaces(self, found: Matches, table: pa.Table) -> tuple[Surfaces, Surfaces]:
        """Gold's and the predicted side of `pairs` with their words. `table`: the rows that were paired."""
        ...

    def masked(self, corpus: Corpus, outside: bool) -> Corpus:
        """The corpus with all that carries no label masked from the loss, where `outside` asks for it: an ingredient
        that doesn't know every label proves nothing there."""
        ...

    def mapped(self, corpus: Corpus, labels: Mapping[str, str | None], schema: Sequence[str]) -> Corpus:
        """The corpus under other label names; None masks the items of that label from the loss."""
        ...


def schema_of(task: Task) -> pa.Schema:
    """The columns of a corpus of the task."""
    return pa.schema([*BASE, *task.columns.items()])


def _gather(values: np.ndarray, ends: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The stretches of `values` that belong to some rows, one after the other, and where each ends."""
    lengths = (ends[rows + 1] - ends[rows]).astype(np.int64)
    new = np.concatenate([[0], np.cumsum(lengths)])
    at = np.repeat(ends[rows] - new[:-1], lengths) + np.arange(new[-1])
    return values[at], new


def _ends(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part) for part in parts]))]).astype(np.int64)
