"""Tagging (named entities): words with IOB2 tags. A null tag means: not known, masked from the loss, not scored.

Scoring is at entity level, on words, and strict unless another rule is asked for. Entities are read as seqeval's strict
mode reads IOB2: an entity begins with B-, goes on with I- of the same label, and an I- that continues nothing is no
entity. Predictions are the most probable *valid* IOB2 sequence (Viterbi over the transitions IOB2 allows), so that last
rule never decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.corpus import Corpus, Schema, pc
from core.scores import Counts
from core.tasks import tagged
from core.tasks.example import Span, spans
from core.tasks.iob2 import OUTSIDE, Flat, begun, classes, flat
from core.tasks.matching import count, counts_of, match, surfaces
from core.tasks.matching import tags as by_tag
from core.tasks.matching import tokens as by_token
from core.tasks.pairs import KINDS, Matches, Surfaces
from core.tasks.protocol import IGNORED, Pieces, Predicted, Values
from core.tasks.tagged import COLUMNS, TABLE, content, text_content
from core.tasks.words import pieces_of_words

__all__ = ["COLUMNS", "OUTSIDE", "TABLE", "Span", "Tagging", "classes", "content", "flat", "spans", "text_content"]

Rule = Callable[[Flat, Flat, Sequence[str]], Counts]  # gold, predicted, labels
_RATHER_ON = 1e-6  # that a mention goes on, and no other of its label begins, where a model doesn't tell
_ROWS_AT_ONCE = 10_000  # of a table whose tags are looked through


def _by_pairs(rule: str) -> Rule:
    return lambda truth, guess, labels: counts_of(match(truth, guess, labels), rule)


_RULES: Mapping[str, Rule] = {
    "strict": count,
    "exact": _by_pairs("exact"),
    "partial": _by_pairs("partial"),
    "type": _by_pairs("type"),
    "token": by_token,
    "tag": by_tag,
}


class Tagging:
    """Named-entity recognition and other flat span labelling."""

    name = "tagging"
    rows = "tagged"
    columns = COLUMNS
    made: Mapping[str, pa.DataType] = {}
    text_column = "tokens"
    gold_column = "tags"
    headline = "f1"
    also: Mapping[str, str] = {}
    head = "transformers:AutoModelForTokenClassification"
    reads = "tokens"
    objective = "softmax"
    rules = tuple(_RULES)
    offers = frozenset(("mentions",))
    kinds = KINDS
    slices = ("seen", "length", "frequency", "casing", "ingredient", "sentence", "text")

    words = staticmethod(tagged.words)
    lengths = staticmethod(tagged.lengths)
    texts = staticmethod(tagged.texts)
    text_content = staticmethod(tagged.text_content)
    examples = staticmethod(tagged.examples)
    children = staticmethod(tagged.children)
    changed = staticmethod(tagged.changed)
    view = staticmethod(tagged.view)
    unlabelled = staticmethod(tagged.unlabelled)
    answer = staticmethod(tagged.answer)
    sound = staticmethod(tagged.sound)
    fits = staticmethod(tagged.fits)
    mentions = staticmethod(tagged.mentions)

    def settled(self, gold: Iterable[pa.Table]) -> str:
        return self.name

    def unfit(self, table: pa.Table) -> Mapping[int, tuple[str, dict[str, int]]]:
        return {}

    def labels_of(self, table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        width, start = max(len(names), 1), 0
        found: list[np.ndarray] = [np.empty(0, dtype=np.int64)]
        for batch in table.select(["tags"]).to_batches(max_chunksize=_ROWS_AT_ONCE):
            tags = flat(pa.chunked_array([batch.column(0)]), names)
            begins = tags.codes % 2 == 1
            found.append(np.unique((start + tags.rows[begins]) * width + (tags.codes[begins] - 1) // 2))
            start += len(batch)
        pairs = np.concatenate(found)
        return pairs // width, pairs % width

    def classes(self, labels: Sequence[str]) -> tuple[str, ...]:
        return classes(labels)

    def pieces(self, table: pa.Table, tokenizer: Any, max_length: int) -> Pieces:
        """The items are the words; a word stands at its first sub-token."""
        return pieces_of_words(table.column("tokens"), tokenizer, max_length)

    def targets(self, table: pa.Table, labels: Sequence[str]) -> np.ndarray:
        tags = flat(table.column("tags"), labels)
        return np.where(tags.known, tags.codes, IGNORED).astype(np.int64)

    def decode(self, labels: Sequence[str], seen: np.ndarray, logits: np.ndarray) -> Predicted:
        """The best valid IOB2 sequence; a word that the model did not see is O, with confidence 0.

        Of a model that doesn't tell B- from I- both together are the word's label, and words of one label beside each
        other are one mention.
        """
        names = classes(labels)
        scores = np.full((len(seen), len(names)), -np.inf)
        scores[:, 0] = 0.0
        scores[seen] = logits
        if _untold(logits):
            scores[seen] -= np.logaddexp.reduce(scores[seen][:, [0, *range(1, len(names), 2)]], axis=1, keepdims=True)
            scores[:, 2::2] = scores[:, 1::2] + _RATHER_ON
        else:
            scores[seen] -= np.logaddexp.reduce(scores[seen], axis=1, keepdims=True)
        path = _viterbi(scores)
        confidence = np.where(seen, np.exp(np.minimum(scores[np.arange(len(path)), path], 0.0)), 0.0)
        return Predicted([names[code] for code in path], confidence.tolist())

    def counts(self, gold: pa.Table, predicted: Values, labels: Sequence[str], rule: str = "strict") -> Counts:
        return self.counter(gold, labels, rule)(predicted)

    def counter(self, gold: pa.Table, labels: Sequence[str], rule: str = "strict") -> Callable[[Values], Counts]:
        """A token with a null gold tag is not scored: predicted mentions that touch it are dropped.

        strict, exact, partial, type: mentions (core.tasks.matching has the definitions); token: the label of each
        token; tag: its tag, B- and I- apart.
        """
        if rule not in _RULES:
            raise ValueError(f"no rule {rule!r}; there are {', '.join(_RULES)}")
        truth = flat(gold.column("tags"), labels)

        def count(predicted: Values) -> Counts:
            guess = flat(_as_column(predicted), labels)
            if not np.array_equal(truth.offsets, guess.offsets):
                raise ValueError("predictions and gold differ in length")
            return _RULES[rule](truth, guess, labels)

        return count

    def totals(self, gold: pa.Table, labels: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
        """No sequence is searched for: an I- that continues nothing begins a mention."""
        truth = flat(gold.column("tags"), labels)

        def total(values: np.ndarray) -> np.ndarray:
            codes = begun(values.argmax(axis=1).astype(np.int32), truth.offsets)
            found = count(truth, Flat(codes, truth.known, truth.offsets), labels)
            return np.stack([side.sum(axis=0) for side in (found.tp, found.pred, found.gold)])

        return total

    def pairs(self, gold: pa.Table, predicted: Values, labels: Sequence[str]) -> Matches:
        """See core.tasks.matching. Raises ValueError for predictions of other rows."""
        truth, guess = flat(gold.column("tags"), labels), flat(_as_column(predicted), labels)
        if not np.array_equal(truth.offsets, guess.offsets):
            raise ValueError("predictions and gold differ in length")
        return match(truth, guess, labels)

    def sure(self, found: Matches, predicted: pa.ChunkedArray, confidence: pa.ChunkedArray) -> np.ndarray:
        """A mention is as sure as the least probable of its words."""
        there, side = found.predicted.label >= 0, found.predicted
        if not there.any():
            return np.empty(0)
        lengths = pc.list_value_length(confidence).to_numpy()
        begins = (np.cumsum(lengths) - lengths)[found.row[there]]
        ends = begins[:, None] + np.column_stack((side.start[there], side.end[there]))
        words = np.append(pc.list_flatten(confidence).to_numpy().astype(np.float64), np.inf)  # the last may end there
        return np.minimum.reduceat(words, ends.ravel())[::2]

    def surfaces(self, found: Matches, table: pa.Table) -> tuple[Surfaces, Surfaces]:
        return surfaces(found, table.column("tokens"))

    def masked(self, corpus: Corpus, outside: bool) -> Corpus:
        if not outside:
            return corpus
        return _with_tags(
            corpus, lambda values: pc.if_else(pc.equal(values, OUTSIDE), pa.scalar(None, pa.string()), values)
        )

    def mapped(self, corpus: Corpus, labels: Mapping[str, str | None], schema: Sequence[str]) -> Corpus:
        source = [*classes(tuple(labels))]
        target = [OUTSIDE] + [None if new is None else p + new for new in labels.values() for p in ("B-", "I-")]
        new_tags = pa.array(target, pa.string())

        def rename(values: pa.Array) -> pa.Array:
            return new_tags.take(pc.index_in(values, value_set=pa.array(source, pa.string())))

        mapped = _with_tags(corpus, rename)
        return Corpus(Schema(corpus.schema.task, tuple(schema), corpus.schema.language), mapped.table)


def _as_column(tags: Values) -> pa.ChunkedArray:
    return tags if isinstance(tags, pa.ChunkedArray) else pa.chunked_array([pa.array(tags, COLUMNS["tags"])])


def _with_tags(corpus: Corpus, change: Any) -> Corpus:
    """The corpus with its flat tag values changed; the rest stays as it is."""
    table = corpus.table.combine_chunks()
    column = table.column("tags")
    chunks = [pa.ListArray.from_arrays(_offsets_from_zero(chunk), change(chunk.flatten())) for chunk in column.chunks]
    index = table.schema.get_field_index("tags")
    return Corpus(corpus.schema, table.set_column(index, "tags", pa.chunked_array(chunks, COLUMNS["tags"])))


def _offsets_from_zero(chunk: pa.ListArray) -> pa.Array:
    offsets = chunk.offsets.to_numpy()
    return pa.array(offsets - offsets[0] if len(offsets) else offsets, pa.int32())


def _untold(logits: np.ndarray) -> bool:
    """Whether B- and I- of each label have the same logits, as nearly as arithmetic gives them."""
    return logits.shape[1] > 1 and bool(np.allclose(logits[:, 1::2], logits[:, 2::2], rtol=1e-5, atol=1e-5))


def _viterbi(scores: np.ndarray) -> list[int]:
    """The best path through IOB2's transitions: I-x only after B-x or I-x. `scores`: (words, classes), log."""
    length, width = scores.shape
    if not length:
        return []
    inside = np.arange(2, width, 2)
    best = scores[0].copy()
    best[inside] = -np.inf
    back = np.empty((length, width), dtype=np.int64)
    for step in range(1, length):
        top = int(best.argmax())
        back[step] = top
        new = best[top] + scores[step]
        from_begin = best[inside - 1] > best[inside]
        source = np.where(from_begin, inside - 1, inside)
        back[step, inside] = source
        new[inside] = best[source] + scores[step, inside]
        best = new
    path = [int(best.argmax())]
    for step in range(length - 1, 0, -1):
        path.append(int(back[step, path[-1]]))
    return path[::-1]
