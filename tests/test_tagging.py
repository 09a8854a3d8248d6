"""The tagging task: labels, sub-tokens and targets, decoding against brute force, masks, counts in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from core.corpus import ID, ID_BYTES, Corpus, Schema, numbered
from core.errors import CoreError
from core.tasks import TASKS, task
from core.tasks.example import Child
from core.tasks.protocol import IGNORED, Pieces
from core.tasks.tagging import TABLE, Span, classes, content, flat, spans

LABELS = ("LOC", "PER")
TAGS = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
FAST = settings(max_examples=100, deadline=None)
TAGGING = task("tagging")
any_tags = st.lists(st.none() | st.sampled_from(TAGS), max_size=7)
Rows = Sequence[tuple[Sequence[str], Sequence[str | None]]]


def corpus_of(rows: Rows, chunks: int = 1) -> Corpus:
    ids = numbered([content(tokens, tags) for tokens, tags in rows])
    nothing = [None] * len(rows)
    columns = [ids, ids, nothing, [list(t) for t, _ in rows], [list(t) for _, t in rows], nothing, nothing, nothing]
    table = pa.table(columns, schema=TABLE)
    size = max(1, -(-len(rows) // chunks))
    pieces = [table.slice(start, size) for start in range(0, max(len(rows), 1), size)]
    return Corpus(Schema("tagging", LABELS), pa.concat_tables(pieces))


def tagged(rows: Sequence[Sequence[str | None]], chunks: int = 1) -> Corpus:
    return corpus_of([([f"w{index}" for index in range(len(tags))], tags) for tags in rows], chunks)


def plain_spans(tags: Sequence[str | None]) -> set[tuple[int, int, str]]:
    """Mentions in strict IOB2, by looking at every stretch of tokens."""
    found: set[tuple[int, int, str]] = set()
    for start, end in product(range(len(tags)), range(1, len(tags) + 1)):
        label = (tags[start] or "O")[2:]
        inside = all(tag == f"I-{label}" for tag in tags[start + 1 : end])
        ends = end == len(tags) or tags[end] != f"I-{label}"
        if start < end and tags[start] == f"B-{label}" and label and inside and ends:
            found.add((start, end, label))
    return found


@given(any_tags)
@FAST
def test_spans_are_the_mentions_of_strict_iob2_in_order(tags):
    found = spans(tags)
    assert {(span.start, span.end, span.label) for span in found} == plain_spans(tags)
    assert found == sorted(found, key=lambda span: span.start)


def test_spans_by_hand():
    assert spans(["B-PER", "I-PER", "B-PER", "O", "I-PER", None, "B-LOC", "I-PER", "I-LOC"]) == [
        Span(0, 2, "PER"),
        Span(2, 3, "PER"),
        Span(6, 7, "LOC"),
    ]
    assert spans(["B-PER", None, "I-PER"]) == [Span(0, 1, "PER")]
    assert spans([]) == []
    assert spans(["B-B-x", "I-B-x"]) == [Span(0, 2, "B-x")]  # a label may look like a tag


@given(st.lists(any_tags, max_size=12), st.integers(1, 4))
@FAST
def test_labels_of_are_the_distinct_labels_of_each_row(rows, chunks):
    found = zip(*(column.tolist() for column in TAGGING.labels_of(tagged(rows, chunks).table, LABELS)), strict=True)
    begun = {(row, LABELS.index(tag[2:])) for row, tags in enumerate(rows) for tag in tags if tag and tag[0] == "B"}
    assert sorted(found) == sorted(begun)


def test_labels_of_many_rows_and_of_none():
    rows = [["B-PER"] if number % 7 == 0 else ["O", "B-LOC", "B-LOC"] for number in range(25_000)]
    found, labels = TAGGING.labels_of(tagged(rows).table, LABELS)
    assert found.tolist() == list(range(25_000))
    assert labels.tolist() == [1 if number % 7 == 0 else 0 for number in range(25_000)]
    for names in ((), LABELS):
        assert [column.tolist() for column in TAGGING.labels_of(tagged([["O"], []]).table, names)] == [[], []]


@given(st.lists(any_tags, max_size=8), st.integers(1, 3))
@FAST
def test_flat_codes_say_what_the_tags_say(rows, chunks):
    found = flat(tagged(rows, chunks).table.column("tags"), LABELS)
    every = [tag for tags in rows for tag in tags]
    assert [TAGS[code] for code in found.codes] == [tag or "O" for tag in every]
    assert found.known.tolist() == [tag is not None for tag in every]
    assert found.rows.tolist() == [row for row, tags in enumerate(rows) for _ in tags]


def test_classes_are_o_and_two_for_every_label():
    assert classes(LABELS) == TAGGING.classes(LABELS) == TAGS
    assert classes(()) == ("O",)


# --- encoding ------------------------------------------------------------------------------------------------------

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "new", "york", "##er", "##s", "in", "play", "##ing", "a")


def wordpiece() -> Tokenizer:
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"]))
    return tokenizer


def byte_level() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = {token: number for number, token in enumerate(("<s>", "</s>", "<unk>", *letters, "Ġa"))}
    tokenizer = Tokenizer(models.BPE(numbers, [("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=True)
    return tokenizer


@dataclass(frozen=True)
class Read:
    """What a tokenizer makes of rows, row by row: sub-tokens, and place and target of each word."""

    pieces: Pieces
    every: np.ndarray

    @property
    def ids(self) -> list[list[int]]:
        return _rows(self.pieces.ids, self.pieces.rows)

    @property
    def words(self) -> list[list[int]]:
        return _rows(self.pieces.places, self.pieces.items)

    @property
    def targets(self) -> list[list[int]]:
        return _rows(self.every, self.pieces.items)


def _rows(values: np.ndarray, ends: np.ndarray) -> list[list[int]]:
    return [values[start:end].tolist() for start, end in pairwise(ends.tolist())]


def encoded(corpus: Corpus, tokenizer: Tokenizer, length: int) -> Read:
    return Read(TAGGING.pieces(corpus.table, tokenizer, length), TAGGING.targets(corpus.table, LABELS))


def test_the_first_sub_token_of_a_word_stands_for_it():
    """First sub-token scored."""
    rows = [(["New", "Yorkers", "playing"], ["B-LOC", "I-LOC", "O"])]
    found = encoded(corpus_of(rows), wordpiece(), 64)
    assert [VOCABULARY[piece] for piece in found.ids[0]] == [
        "[CLS]", "new", "york", "##er", "##s", "play", "##ing", "[SEP]",
    ]  # fmt: skip
    assert (found.targets[0], found.words[0]) == ([1, 2, 0], [1, 2, 5])
    pieces = found.pieces
    assert (pieces.unknown_share, pieces.truncated, pieces.lengths.tolist()) == (0.0, 0, [8])


def test_masked_tokens_are_ignored():
    found = encoded(corpus_of([(["new", "york", "a"], [None, "B-LOC", None])]), wordpiece(), 64)
    assert found.targets[0] == [IGNORED, 1, IGNORED]
    assert found.words[0] == [1, 2, 3]  # they are still predicted


def test_words_beyond_the_longest_input_are_counted_and_have_no_sub_token():
    """Truncated words count as missed."""
    rows = [(["a"] * 10, ["B-PER"] * 10), (["a"] * 6, ["O"] * 6), (["a", "playing", "a"] * 2, ["O"] * 6)]
    found = encoded(corpus_of(rows), wordpiece(), 8)
    assert found.words == [
        [1, 2, 3, 4, 5, 6, -1, -1, -1, -1],
        [1, 2, 3, 4, 5, 6],
        [1, 2, 4, 5, 6, -1],
    ]
    assert found.pieces.truncated == 5
    assert found.pieces.lengths.tolist() == [8, 8, 8]


def test_a_word_cut_in_two_still_has_its_first_sub_token():
    found = encoded(corpus_of([(["a"] * 5 + ["playing"], ["O"] * 5 + ["B-PER"])]), wordpiece(), 8)
    assert (found.pieces.truncated, found.words[0][-1], found.targets[0][-1]) == (0, 6, 3)


def test_a_word_without_any_sub_token_is_not_counted_as_cut_off():
    """A lone zero-width mark vanishes in normalisation."""
    rows = [(["a", "\u200b", "york"], ["B-LOC", "I-LOC", "I-LOC"]), (["\u200b"], ["B-LOC"])]
    found = encoded(corpus_of(rows), wordpiece(), 64)
    assert found.words == [[1, -1, 2], [-1]]
    assert found.pieces.truncated == 0
    cut = encoded(corpus_of([(["\u200b", *["a"] * 9], ["O"] * 10)]), wordpiece(), 8)
    assert (cut.words[0], cut.pieces.truncated) == ([-1, 1, 2, 3, 4, 5, 6, -1, -1, -1], 3)


def test_unknown_is_the_share_of_words_with_an_unknown_sub_token():
    """Warn above 10 % unknown tokens."""
    rows = [(["new", "北京", "xyz", "a"], ["O"] * 4), (["new"], ["O"]), ([], [])]
    assert encoded(corpus_of(rows), wordpiece(), 64).pieces.unknown_share == 2 / 5  # 北京: two pieces, one word
    assert encoded(corpus_of(rows), byte_level(), 64).pieces.unknown_share == 0
    assert encoded(corpus_of([]), wordpiece(), 64).pieces.unknown_share == 0


def test_byte_level_tokenisers_keep_words_apart():
    rows = [(["a", "né", "a"], ["B-LOC", "I-LOC", "B-PER"])]
    found = encoded(corpus_of(rows), byte_level(), 64)
    assert found.words[0] == [1, 2, 6]  # né: space, n and two bytes of é
    assert found.ids[0][1] == found.ids[0][6]


@given(
    st.lists(st.lists(st.sampled_from(["a", "playing", "Yorkers", "??", "\u200b"]), max_size=9), max_size=8), st.data()
)
@settings(max_examples=50, deadline=None)
def test_encoding_knows_nothing_of_chunks_and_every_word_has_its_place(texts, data):
    rows = [(tokens, [data.draw(st.none() | st.sampled_from(TAGS)) for _ in tokens]) for tokens in texts]
    tokenizer = wordpiece()
    found = encoded(corpus_of(rows), tokenizer, 12)
    again = encoded(corpus_of(rows, 3), tokenizer, 12)
    for name in ("ids", "targets", "words"):
        assert getattr(found, name) == getattr(again, name)
    for (tokens, tags), ids, targets, words in zip(rows, found.ids, found.targets, found.words, strict=True):
        assert len(words) == len(tokens) == len(targets)
        assert len(ids) <= 12
        assert all(place < len(ids) for place in words)
        assert targets == [TAGS.index(tag) if tag is not None else IGNORED for tag in tags]
    order = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else [], dtype=np.int64)
    taken = Read(found.pieces.take(order), found.every)
    assert taken.ids == [found.ids[row] for row in order]
    assert taken.words == [found.words[row] for row in order]
    twice = Read(Pieces.joined([found.pieces, taken.pieces]), found.every)
    assert twice.ids == found.ids + taken.ids and twice.words == found.words + taken.words


# --- decoding ------------------------------------------------------------------------------------------------------


def valid(path: Sequence[int]) -> bool:
    """Whether every I- goes on from B- or I- of its label (codes: 1 + 2k and 2 + 2k)."""
    return all(code == 0 or code % 2 or (at and path[at - 1] in (code, code - 1)) for at, code in enumerate(path))


scores = st.lists(st.lists(st.floats(-6, 6, width=32), min_size=5, max_size=5), max_size=5)


@given(scores)
@FAST
def test_decoding_finds_the_best_of_all_valid_sequences(rows):
    """Predictions are the most probable valid IOB2 sequence, against every sequence there is."""
    logits = np.array(rows, dtype=np.float32).reshape(len(rows), 5)
    assume(
        not rows or not np.allclose(logits[:, 1::2], logits[:, 2::2], rtol=1e-5, atol=1e-5)
    )  # of those B- and I- are one
    found = TAGGING.decode(LABELS, np.ones(len(rows), dtype=bool), logits)
    path = [TAGS.index(value) for value in found.values]
    logs = logits.astype(np.float64) - np.logaddexp.reduce(logits.astype(np.float64), axis=1, keepdims=True)

    def total(of: Sequence[int]) -> float:
        return float(sum(logs[at, code] for at, code in enumerate(of)))

    assert valid(path)
    best = max(total(other) for other in product(range(5), repeat=len(rows)) if valid(other))
    assert total(path) == pytest.approx(best, abs=1e-9)
    assert list(found.confidence) == pytest.approx([float(np.exp(logs[at, code])) for at, code in enumerate(path)])


@given(st.lists(st.tuples(st.booleans(), st.lists(st.floats(-6, 6, width=32), min_size=5, max_size=5)), max_size=7))
@FAST
def test_a_word_that_the_model_did_not_see_is_o_and_leaves_the_sequence_valid(rows):
    seen_words = np.array([seen for seen, _ in rows], dtype=bool)
    logits = np.array([row for seen, row in rows if seen], dtype=np.float32).reshape(-1, 5)
    found = TAGGING.decode(LABELS, seen_words, logits)
    assert valid([TAGS.index(value) for value in found.values])
    for (seen, _), value, confidence in zip(rows, found.values, found.confidence, strict=True):
        assert seen or (value, confidence) == ("O", 0.0)
        assert 0 <= confidence <= 1


def test_a_mention_does_not_reach_over_a_word_that_was_not_seen():
    sure = np.array([[0, 9, 0, 0, 0], [0, 0, 9, 0, 0]], dtype=np.float32)  # B-LOC, I-LOC
    assert list(TAGGING.decode(LABELS, np.array([True, True]), sure).values) == ["B-LOC", "I-LOC"]
    found = TAGGING.decode(LABELS, np.array([True, False, True]), sure)
    assert list(found.values)[:2] == ["B-LOC", "O"]
    assert found.values[2] != "I-LOC"
    assert found.confidence[1] == 0


def test_decoding_without_labels_and_without_words():
    assert list(TAGGING.decode((), np.array([True, True]), np.zeros((2, 1), np.float32)).values) == ["O", "O"]
    assert list(TAGGING.decode(LABELS, np.array([], dtype=bool), np.zeros((0, 5), np.float32)).values) == []


def test_decoding_prefers_a_whole_mention_to_an_invalid_rest():
    """O then I-LOC is more probable word by word; B-LOC I-LOC is the best that is valid."""
    logits = np.log(np.array([[0.5, 0.4, 0.04, 0.03, 0.03], [0.1, 0.1, 0.7, 0.05, 0.05]], dtype=np.float32))
    found = TAGGING.decode(LABELS, np.array([True, True]), logits)
    assert list(found.values) == ["B-LOC", "I-LOC"]
    assert list(found.confidence) == pytest.approx([0.4, 0.7], abs=1e-6)


# --- masks and maps ------------------------------------------------------------------------------------------------


@given(st.lists(any_tags, max_size=8), st.integers(1, 3))
@FAST
def test_masking_outside_hides_o_and_nothing_else(rows, chunks):
    corpus = tagged(rows, chunks)
    hidden = TAGGING.masked(corpus, True)
    assert hidden.table.column("tags").to_pylist() == [[None if tag == "O" else tag for tag in tags] for tags in rows]
    kept = [name for name in TABLE.names if name != "tags"]
    assert hidden.table.select(kept).equals(corpus.table.select(kept))
    assert hidden.table.schema.equals(TABLE)
    assert TAGGING.masked(corpus, False) is corpus


@given(st.lists(any_tags, max_size=8), st.integers(0, 3))
@FAST
def test_mapping_renames_labels_and_masks_those_that_become_nothing(rows, skip):
    """`null`: the mention's tokens are masked from the loss."""
    corpus = tagged(rows)
    part = Corpus(corpus.schema, corpus.table.slice(min(skip, len(rows))))  # a slice must not shift the tags
    found = TAGGING.mapped(part, {"PER": "person", "LOC": None}, ("person", "place"))
    new = {"O": "O", "B-PER": "B-person", "I-PER": "I-person", "B-LOC": None, "I-LOC": None, None: None}
    assert found.table.column("tags").to_pylist() == [[new[tag] for tag in tags] for tags in rows[skip:]]
    assert found.schema == Schema("tagging", ("person", "place"))
    assert found.table.select(["id", "tokens"]).equals(part.table.select(["id", "tokens"]))


def test_mapping_can_join_two_labels_and_swap_them():
    corpus = tagged([["B-PER", "I-PER", "B-LOC", "O"]])
    joined = TAGGING.mapped(corpus, {"PER": "X", "LOC": "X"}, ("X",))
    assert joined.table.column("tags").to_pylist() == [["B-X", "I-X", "B-X", "O"]]
    swapped = TAGGING.mapped(corpus, {"PER": "LOC", "LOC": "PER"}, LABELS)
    assert swapped.table.column("tags").to_pylist() == [["B-LOC", "I-LOC", "B-PER", "O"]]


# --- counts --------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.tuples(st.none() | st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=7), max_size=6))
@settings(max_examples=200, deadline=None)
def test_counts_are_those_of_plain_python(rows):
    """Strict: same borders, same label. Predictions that touch a masked token are not scored."""
    gold, pred = [[g for g, _ in row] for row in rows], [[p for _, p in row] for row in rows]
    found = TAGGING.counts(tagged(gold).table, pred, LABELS)
    for row, (truth, guess) in enumerate(zip(gold, pred, strict=True)):
        real = plain_spans(truth)
        said = {(s, e, label) for s, e, label in plain_spans(guess) if None not in truth[s:e]}
        for column, label in enumerate(LABELS):
            of_label = [{span for span in found if span[2] == label} for found in (real & said, said, real)]
            assert [int(part[row, column]) for part in (found.tp, found.pred, found.gold)] == [len(s) for s in of_label]
    assert found.tp.shape == found.pred.shape == found.gold.shape == (len(rows), len(LABELS))
    assert found.names == LABELS


def test_counts_do_not_join_mentions_across_rows():
    gold: list[Any] = [["O", "B-PER"], ["I-PER", "O"], [], ["B-PER"]]
    found = TAGGING.counts(tagged(gold).table, [["O", "B-PER"], ["I-PER", "O"], [], ["B-PER"]], LABELS)
    assert found.gold[:, 1].tolist() == found.tp[:, 1].tolist() == [1, 0, 0, 1]


def test_counts_of_predictions_of_another_length_are_a_bug():
    with pytest.raises(ValueError, match="differ in length"):
        TAGGING.counts(tagged([["O", "O"]]).table, [["O"]], LABELS)


def test_the_table_of_tasks_names_what_exists():
    for name in TASKS:
        assert task(name) is task(name)
        assert task(name).headline
    with pytest.raises(CoreError) as raised:
        task("taging")
    assert raised.value.code == "unknown_task"


def test_an_example_has_the_text_as_it_runs_and_keeps_it_where_no_word_was_changed():
    table = TAGGING.unlabelled(["Anna's  boat, sold."])
    ids = pa.array([b"\0" * ID_BYTES], ID)
    [row] = TAGGING.examples(table.append_column("id", ids))
    assert row.running is not None and row.running.text == "Anna's  boat, sold."
    places = zip(row.running.starts, row.running.ends, strict=True)
    assert [row.running.text[start:end] for start, end in places] == [*row.tokens]
    other = Child(("Anna", *row.tokens[1:-1], "!"), row.tags, ())
    kept, gone = TAGGING.changed([(row, Child(row.tokens, row.tags, ())), (row, other)]).column("text").to_pylist()
    assert kept == row.running.text and gone is None
    [bare] = TAGGING.examples(table.select(["tokens", "tags"]).append_column("id", ids))
    assert bare.running is None
