"""Text classification: rows of text, each with exactly one label, or (multi-label) with any number of them.

Both are one task under two names, which differ in what the head's outputs mean and in what a row without exactly one
label is. An import takes `classification` for `multilabel` where the rows of gold say so (`settled`).

What is counted is the label of a row: a true positive is a label that stands in gold and in the prediction. So micro
F1 is the accuracy where every row has one label. A row whose labels are not known (null) is not scored; where a null
stands among them, a predicted label that gold does not have is not counted.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from core.corpus import Corpus, Schema, pc
from core.scores import Counts
from core.tasks import labelled
from core.tasks.pairs import CORRECT, Matches, Side, Surfaces, tally
from core.tasks.protocol import IGNORED, Pieces, Predicted, Values

THRESHOLD = 0.5  # probability from which one of several labels is predicted
_HALF = 0.5
_LOGIT = math.log(THRESHOLD / (1 - THRESHOLD))
SINGLE, MULTI = "classification", "multilabel"


@dataclass(frozen=True)
class _Flat:
    """Labels as pairs of a row and a label's number, each pair once, in order.

    *Shapes:* row, label (pairs,), int64; `known`: whether anything is known of a row, `open`: whether there may be
    other labels than those that stand there, (rows,), bool.
    """

    row: np.ndarray
    label: np.ndarray
    known: np.ndarray
    open: np.ndarray


class Classification:
    """One label a row (`softmax`), or any number of them (`sigmoid`)."""

    rows = "labelled"
    columns = labelled.COLUMNS
    made = labelled.MADE
    text_column = "text"
    gold_column = "labels"
    headline = "f1"
    head = "transformers:AutoModelForSequenceClassification"
    reads: Literal["tokens", "row"] = "row"
    rules = ("strict",)
    offers = frozenset[str]()
    kinds = ("correct", "wrong_type", "missed", "spurious")
    slices = ("sentence", "text")

    words = staticmethod(labelled.words)
    lengths = staticmethod(labelled.lengths)
    texts = staticmethod(labelled.texts)
    text_content = staticmethod(labelled.text_content)
    examples = staticmethod(labelled.examples)
    children = staticmethod(labelled.children)
    changed = staticmethod(labelled.changed)
    view = staticmethod(labelled.view)
    unlabelled = staticmethod(labelled.unlabelled)
    answer = staticmethod(labelled.answer)
    sound = staticmethod(labelled.sound)

    def __init__(self, name: str = SINGLE, objective: Literal["softmax", "sigmoid"] = "softmax") -> None:
        self.name = name
        self.objective = objective
        self.also: Mapping[str, str] = {} if self._several else {"accuracy": "recall"}

    @property
    def _several(self) -> bool:
        return self.objective == "sigmoid"

    def settled(self, gold: Iterable[pa.Table]) -> str:
        return MULTI if self._several or any(len(_not_one(table)) for table in gold) else self.name

    def unfit(self, table: pa.Table) -> Mapping[int, tuple[str, dict[str, int]]]:
        """Where each row has one label: rows with none or several."""
        if self._several:
            return {}
        counts = pc.list_value_length(table.column("labels"))
        return {row: ("not_one_label", {"labels": counts[row].as_py()}) for row in _not_one(table).tolist()}

    def labels_of(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        found = _flat(table.column("labels"), names)
        return found.row, found.label

    def mentions(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """What is labelled is the whole text."""
        found = _flat(table.column("labels"), names)
        return found.row, found.label, table.column("text").take(pa.array(found.row)).to_pylist()

    def classes(self, labels: Sequence[str]) -> tuple[str, ...]:
        return tuple(labels)

    def pieces(self, table: pa.Table, tokenizer: Any, max_length: int) -> Pieces:
        return labelled.pieces(table, tokenizer, max_length)

    def targets(self, table: pa.Table, labels: Sequence[str]) -> np.ndarray:
        """Of a row with several labels where there should be one, or with one that is not among `labels`: IGNORED."""
        found = _flat(table.column("labels"), labels)
        if self._several:
            many = np.where(found.known & ~found.open, 0.0, np.nan)[:, None]
            many = np.repeat(many, len(labels), axis=1).astype(np.float32)
            many[found.row, found.label] = 1.0
            return many
        one = np.full(len(table), IGNORED, dtype=np.int64)
        one[found.row] = found.label
        one[_not_one(table)] = IGNORED
        return one

    def decode(self, labels: Sequence[str], seen: np.ndarray, logits: np.ndarray) -> Predicted:
        """The most probable label; of several, all that are more probable than not."""
        found = logits[0].astype(np.float64)
        if self._several:
            sure = _HALF * (1.0 + np.tanh(_HALF * found))  # the logistic function, without overflow
            chosen = np.flatnonzero(found >= _LOGIT)
            return Predicted([labels[at] for at in chosen.tolist()], sure[chosen].tolist())
        best = int(found.argmax())
        return Predicted([labels[best]], [float(np.exp(found[best] - np.logaddexp.reduce(found)))])

    def counts(self, gold: pa.Table, predicted: Values, labels: Sequence[str], rule: str = "strict") -> Counts:
        return self.counter(gold, labels, rule)(predicted)

    def counter(self, gold: pa.Table, labels: Sequence[str], rule: str = "strict") -> Callable[[Values], Counts]:
        if rule not in self.rules:
            raise ValueError(f"no rule {rule!r}; there is {', '.join(self.rules)}")
        names, truth = tuple(labels), _flat(gold.column("labels"), labels)
        height, width = len(gold), len(names)
        of_gold = _key(truth, width)

        def count(predicted: Values) -> Counts:
            row, label = _scored(truth, of_gold, _guess(predicted, names, height), width)
            hit = np.isin(row * width + label, of_gold)
            found = tally(row, label, height, width)
            return Counts(names, tally(row[hit], label[hit], height, width), found, of_labels)

        of_labels = tally(truth.row, truth.label, height, width)
        return count

    def totals(self, gold: pa.Table, labels: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
        height, width, truth = len(gold), len(labels), _flat(gold.column("labels"), labels)
        of_gold, of_labels = _key(truth, width), np.bincount(truth.label, minlength=width)

        def total(values: np.ndarray) -> np.ndarray:
            one = (np.arange(height), values.argmax(axis=1))
            row, label = np.nonzero(values >= _HALF) if self._several else one
            row, label = _scored(truth, of_gold, _Flat(row, label, truth.known, truth.open), width)
            hit = np.isin(row * width + label, of_gold)
            return np.stack([np.bincount(label[some], minlength=width) for some in (hit, slice(None))] + [of_labels])

        return total

    def pairs(self, gold: pa.Table, predicted: Values, labels: Sequence[str]) -> Matches:
        """Equal labels of a row belong together; where each row has one, so do its gold and its predicted label."""
        width, truth = len(labels), _flat(gold.column("labels"), labels)
        of_gold = _key(truth, width)
        row, label = _scored(truth, of_gold, _guess(predicted, tuple(labels), len(gold)), width)
        if self._several:
            _, left, right = np.intersect1d(of_gold, row * width + label, return_indices=True)
        else:
            _, left, right = np.intersect1d(truth.row, row, return_indices=True)
        partner = np.full(len(truth.row), -1)
        partner[left] = label[right]
        alone = np.ones(len(row), dtype=bool)
        alone[right] = False
        nothing = np.full(int(alone.sum()), -1)
        return Matches(
            tuple(labels),
            len(gold),
            np.concatenate((truth.row, row[alone])),
            _side(np.concatenate((truth.label, nothing))),
            _side(np.concatenate((partner, label[alone]))),
        )

    def sure(self, found: Matches, predicted: pa.ChunkedArray, confidence: pa.ChunkedArray) -> np.ndarray:
        guess = pc.list_flatten(predicted)
        codes = pc.index_in(guess, value_set=pa.array(found.names, pa.string())).fill_null(-1).to_numpy()
        rows = np.repeat(np.arange(found.rows), pc.list_value_length(predicted).to_numpy())
        there, width = codes >= 0, max(len(found.names), 1)
        keys, values = rows[there] * width + codes[there], pc.list_flatten(confidence).to_numpy()[there]
        order = np.argsort(keys, kind="stable")
        mine = found.predicted.label >= 0
        wanted = found.row[mine] * width + found.predicted.label[mine]
        return values[order][np.searchsorted(keys[order], wanted)].astype(np.float64)

    def surfaces(self, found: Matches, table: pa.Table) -> tuple[Surfaces, Surfaces]:
        forms, lengths = table.column("text").to_pylist(), labelled.lengths(table)
        both: list[Surfaces] = []
        for side in (found.gold, found.predicted):
            there = side.label >= 0
            row, hit = found.row[there], found.kind[there] == CORRECT
            both.append(Surfaces(row, side.label[there], lengths[row], hit, row, forms))
        return both[0], both[1]

    def fits(self, table: pa.Table, predicted: pa.ChunkedArray) -> bool:
        """A label for each row, or none where nothing could be read out of an answer."""
        lengths = pc.list_value_length(predicted).to_numpy(zero_copy_only=False)
        return len(lengths) == len(table) and bool(self._several or (lengths <= 1).all())

    def masked(self, corpus: Corpus, outside: bool) -> Corpus:
        """Of several labels: there may be others than those that stand there. One label rules out all others."""
        if not outside or not self._several:
            return corpus
        rows = corpus.table.column("labels").to_pylist()
        return _with_labels(corpus, [None if row is None else _sorted([*row, None]) for row in rows])

    def mapped(self, corpus: Corpus, labels: Mapping[str, str | None], schema: Sequence[str]) -> Corpus:
        """A label that becomes None leaves unknown what applies: of several labels a null, of a single one all."""
        rows = corpus.table.column("labels").to_pylist()
        new = [None if row is None else _sorted([label and labels[label] for label in row]) for row in rows]
        if not self._several:
            new = [None if row is not None and None in row else row for row in new]
        found = _with_labels(corpus, new)
        return Corpus(Schema(corpus.schema.task, tuple(schema), corpus.schema.language), found.table)


def multilabel() -> Classification:
    """Any number of labels a row."""
    return Classification(MULTI, "sigmoid")


def _not_one(table: pa.Table) -> np.ndarray:
    """Positions of the rows of which something is known, but that don't have exactly one label."""
    lengths = pc.list_value_length(table.column("labels")).fill_null(1).to_numpy()
    return np.flatnonzero(lengths != 1)


def _flat(column: pa.ChunkedArray, names: Sequence[str]) -> _Flat:
    """A column of labels; one that is not among `names` is left out."""
    lengths = pc.list_value_length(column)
    known = lengths.is_valid().to_numpy().astype(bool)
    rows = np.repeat(np.arange(len(column)), lengths.fill_null(0).to_numpy())
    values = pc.list_flatten(column)
    codes = pc.index_in(values, value_set=pa.array(names, pa.string()), skip_nulls=True).fill_null(-1).to_numpy()
    open_ = np.zeros(len(column), dtype=bool)
    open_[rows[values.is_null().to_numpy().astype(bool)]] = True
    width = max(len(names), 1)
    pairs = np.unique(rows[codes >= 0] * width + codes[codes >= 0])
    return _Flat(pairs // width, pairs % width, known, open_)


def _guess(predicted: Values, names: tuple[str, ...], rows: int) -> _Flat:
    """Raises ValueError for predictions of another number of rows."""
    if isinstance(predicted, pa.ChunkedArray):
        column = predicted
    else:
        column = pa.chunked_array([pa.array(predicted, labelled.COLUMNS["labels"])])
    if len(column) != rows:
        raise ValueError("predictions and gold differ in length")
    return _flat(column, names)


def _key(found: _Flat, width: int) -> np.ndarray:
    return found.row * width + found.label


def _scored(truth: _Flat, of_gold: np.ndarray, guess: _Flat, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The predicted labels of which gold says whether they apply. -> row, label"""
    seen = truth.known[guess.row] & (~truth.open[guess.row] | np.isin(_key(guess, width), of_gold))
    return guess.row[seen], guess.label[seen]


def _side(labels: np.ndarray) -> Side:
    """The whole row, one item long, where there is a label."""
    there = labels >= 0
    return Side(np.where(there, 0, -1), np.where(there, 1, -1), labels.astype(np.int64))


def _sorted(labels: Sequence[str | None]) -> list[str | None]:
    """Each label once, in order, and last one null where there is any."""
    known: list[str | None] = [*sorted({label for label in labels if label is not None})]
    return [*known, None] if None in labels else known


def _with_labels(corpus: Corpus, labels: Sequence[Sequence[str | None] | None]) -> Corpus:
    at = corpus.table.schema.get_field_index("labels")
    column = pa.chunked_array([pa.array(labels, labelled.COLUMNS["labels"])])
    return Corpus(corpus.schema, corpus.table.set_column(at, corpus.table.schema.field(at), column))
