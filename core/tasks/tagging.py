"""Tagging (named entities): words with IOB2 tags. A null tag means: not known, masked from the loss, not scored.

Scoring is at entity level, on words, and strict unless another rule is asked for. Entities are read as seqeval's strict
mode reads IOB2: an entity begins with B-, goes on with I- of the same label, and an I- that continues nothing is no
entity. Predictions are the most probable *valid* IOB2 sequence (Viterbi over the transitions IOB2 allows), so that last
rule never decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.corpus import BASE, Corpus, Schema, digest_parts, pc
from core.scores import Counts
from core.tasks.iob2 import OUTSIDE, Flat, classes, flat
from core.tasks.matching import count, counts_of, match
from core.tasks.matching import tags as by_tag
from core.tasks.matching import tokens as by_token
from core.tasks.protocol import IGNORED, Encoded, Predicted, Values

Rule = Callable[[Flat, Flat, Sequence[str]], Counts]  # gold, predicted, labels
COLUMNS: Mapping[str, pa.DataType] = {
    "tokens": pa.list_(pa.string()),
    "tags": pa.list_(pa.string()),  # IOB2; null items are masked
    "text": pa.string(),  # the running text, where it is known
    "starts": pa.list_(pa.int32()),  # code points into text, one per token
    "ends": pa.list_(pa.int32()),
}
_ROWS_AT_ONCE = 10_000  # of a table whose tags are looked through
TABLE = pa.schema([*BASE, *COLUMNS.items()])


@dataclass(frozen=True)
class Span:
    """A mention: tokens[start:end] of one row carry `label`."""

    start: int
    end: int
    label: str


def content(tokens: Sequence[str], tags: Sequence[str | None]) -> bytes:
    """What a row is: its tokens and tags. 16 bytes; row ids are made of it."""
    return digest_parts([*(t.encode() for t in tokens), b"\0tags", *((t or "").encode() for t in tags)])


def text_content(tokens: Iterable[str]) -> bytes:
    """What a model sees of a row: its tokens. 16 bytes; two rows that agree here leak into each other."""
    return digest_parts(token.encode() for token in tokens)


def spans(tags: Sequence[str | None]) -> list[Span]:
    """The mentions in one row's tags, strict IOB2, in order."""
    out: list[Span] = []
    start, label = -1, ""
    for index, tag in enumerate([*tags, None]):
        if start >= 0 and tag != f"I-{label}":
            out.append(Span(start, index, label))
            start = -1
        if tag is not None and tag.startswith("B-"):
            start, label = index, tag[2:]
    return out


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

    columns = COLUMNS
    headline = "f1"
    head = "transformers:AutoModelForTokenClassification"
    rules = tuple(_RULES)

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

    def encode(self, table: pa.Table, labels: Sequence[str], tokenizer: Any, max_length: int) -> Encoded:
        """The first sub-token of a word carries its tag; all others are ignored."""
        tags = flat(table.column("tags"), labels)
        targets_of_words = np.where(tags.known, tags.codes, IGNORED)
        tokenizer.enable_truncation(max_length)
        tokenizer.no_padding()
        unknown_id = _unknown_id(tokenizer)
        ids: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        words: list[np.ndarray] = []
        unknown = truncated = row = 0
        for batch in table.column("tokens").chunks:
            for start in range(0, len(batch), 1000):
                rows = batch.slice(start, 1000).to_pylist()
                for tokens, item in zip(rows, tokenizer.encode_batch(rows, is_pretokenized=True), strict=True):
                    piece = np.array(item.ids, dtype=np.int64)
                    first = _first_pieces(item.word_ids, len(tokens))
                    target = np.full(len(piece), IGNORED, dtype=np.int64)
                    seen = first >= 0
                    target[first[seen]] = targets_of_words[tags.offsets[row] : tags.offsets[row + 1]][seen]
                    unknown += _unknown_words(item.word_ids, piece, unknown_id)
                    if item.overflowing:  # a word without any sub-token (a lone zero-width mark) was not cut off
                        truncated += len(tokens) - 1 - int(np.flatnonzero(seen).max(initial=-1))
                    ids.append(piece)
                    targets.append(target)
                    words.append(first)
                    row += 1
        return Encoded(ids, targets, words, unknown / max(len(tags.codes), 1), truncated)

    def decode(self, labels: Sequence[str], words: np.ndarray, logits: np.ndarray) -> Predicted:
        """The best valid IOB2 sequence; a word that the model did not see is O, with confidence 0."""
        names = classes(labels)
        seen = words >= 0
        scores = np.full((len(words), len(names)), -np.inf)
        scores[:, 0] = 0.0
        scores[seen] = logits[words[seen]]
        scores[seen] -= np.logaddexp.reduce(scores[seen], axis=1, keepdims=True)
        path = _viterbi(scores)
        confidence = np.where(seen, np.exp(scores[np.arange(len(path)), path]), 0.0)
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
            column = predicted if isinstance(predicted, pa.ChunkedArray) else _column(predicted)
            guess = flat(column, labels)
            if not np.array_equal(truth.offsets, guess.offsets):
                raise ValueError("predictions and gold differ in length")
            return _RULES[rule](truth, guess, labels)

        return count

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


def _column(tags: Sequence[Sequence[str]]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(tags, COLUMNS["tags"])])


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


def _first_pieces(word_ids: Sequence[int | None], words: int) -> np.ndarray:
    """Index of the first sub-token of each word, -1 where there is none. *Shape:* (words,), int64."""
    first = np.full(words, -1, dtype=np.int64)
    previous: int | None = None
    for index, word in enumerate(word_ids):
        if word is not None and word != previous:
            first[word] = index
        previous = word
    return first


def _unknown_words(word_ids: Sequence[int | None], piece: np.ndarray, unknown_id: int) -> int:
    return len({word_ids[index] for index in np.flatnonzero(piece == unknown_id).tolist()} - {None})


def _unknown_id(tokenizer: Any) -> int:
    for token in ("[UNK]", "<unk>"):
        found = tokenizer.token_to_id(token)
        if found is not None:
            return int(found)
    return -1


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
