"""A composition tells what the draw itself would deliver, and a portrait what stands in a corpus, counted by hand."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.corpus import Corpus, Schema, numbered
from core.errors import CoreError
from core.mix import Mix, Part, draw, plan
from core.models import batching
from core.report.composition import Composition, PoolIndex, compose, gold_passes, index, mention_id, sample_rows
from core.report.portrait import portrait
from core.tasks import task
from core.tasks.drawing import draw_mix, strata
from core.tasks.tagging import TABLE, content, spans

FAST = settings(max_examples=80, deadline=None)
LABELS = ("LOC", "ORG", "PER")
Row = tuple[Sequence[str], Sequence[str | None]]


def corpus_of(rows: Sequence[Row], labels: Sequence[str] = LABELS, chunk: int = 3) -> Corpus:
    """A corpus in chunks of a few rows, as stored ones are."""
    tokens, tags = [list(row[0]) for row in rows], [list(row[1]) for row in rows]
    ids = numbered([content(*row) for row in rows])
    nothing = [None] * len(rows)
    table = pa.table([ids, ids, nothing, tokens, tags, nothing, nothing, nothing], schema=TABLE)
    return Corpus(Schema("tagging", tuple(labels)), pa.Table.from_batches(table.to_batches(chunk), TABLE))


def row_of(sentence: str) -> Row:
    pairs = [item.rpartition("/") for item in sentence.split()]
    return [token for token, _, _ in pairs], [None if tag == "?" else tag for _, _, tag in pairs]


def corpus(*sentences: str, labels: Sequence[str] = LABELS) -> Corpus:
    return corpus_of([row_of(sentence) for sentence in sentences], labels)


some_tags = st.sampled_from(["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", None])
some_rows = st.lists(st.tuples(st.sampled_from(["Ann", "ann", "Rome", "in", "x"]), some_tags), max_size=5).map(
    lambda pairs: ([token for token, _ in pairs], [tag for _, tag in pairs])
)
corpora = st.lists(some_rows, min_size=1, max_size=12).map(corpus_of)
amounts = st.integers(0, 80).map(lambda n: n / 20)


def mentions_of(found: Corpus) -> list[tuple[str, str]]:
    """(label, casefolded surface) of every mention, one row after another."""
    return [
        (span.label, " ".join(row["tokens"][span.start : span.end]).casefold())
        for row in found.table.select(["tokens", "tags"]).to_pylist()
        for span in spans(row["tags"])
    ]


def mix_of(parts: Mapping[str, float], **more: object) -> Mix:
    return replace(Mix({name: Part(amount) for name, amount in parts.items()}), **more)  # pyright: ignore


def composed(mix: Mix, pools: Mapping[str, Corpus], dev: Corpus | None = None) -> Composition:
    return compose(mix, {name: index(pool) for name, pool in pools.items()}, dev and index(dev), LABELS)


# --- the index -----------------------------------------------------------------------------------------------------


@given(corpora)
@FAST
def test_the_index_counts_what_stands_in_every_row(found):
    made = index(found)
    assert (made.rows, made.words) == (len(found), sum(made.lengths))
    for row, (tokens, tags) in enumerate(
        zip(*found.table.select(["tokens", "tags"]).to_pydict().values(), strict=True)
    ):
        here = Counter(span.label for span in spans(tags))
        assert made.lengths[row] == len(tokens)
        assert made.label_counts[row].tolist() == [here[label] for label in LABELS]
        ids = [mention_id(s.label, " ".join(tokens[s.start : s.end])) for s in spans(tags)]
        start, end = made.mention_offsets[row : row + 2]
        assert made.mention_ids[start:end].tolist() == ids
        assert [LABELS[label] for label in made.mention_labels[start:end]] == [span.label for span in spans(tags)]


def test_a_mention_has_one_id_wherever_it_stands():
    one = index(corpus("New/B-LOC York/I-LOC"))
    other = index(corpus("in/O NEW/B-LOC york/I-LOC now/O", labels=("PER", "LOC")))
    assert one.mention_ids.tolist() == other.mention_ids.tolist()
    assert mention_id("LOC", "Ann") != mention_id("PER", "Ann")
    assert mention_id("LO", "CAnn") != mention_id("LOC", "Ann")


def test_an_empty_pool_and_one_without_labels_have_indexes():
    assert index(corpus_of([])).rows == index(corpus_of([])).words == 0
    assert index(corpus("a/O b/O", labels=())).label_counts.shape == (1, 0)


@given(corpora, st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 3)), min_size=1, max_size=8))
@FAST
def test_kept_draws_are_the_draws(found, wanted):
    """A draw that was kept for other rows or another seed is never taken for this one."""
    made = index(found)
    for rows, seed in wanted:
        assert (
            made.drawn(rows, seed).tolist() == draw(found.keys(), strata(task("tagging"), found), rows, seed).tolist()
        )


# --- the composition -----------------------------------------------------------------------------------------------


@given(corpora, corpora, corpora, amounts, amounts, st.integers(0, 5))
@FAST
def test_a_composition_is_counted_from_the_rows_that_the_draw_delivers(gold, a, b, more, less, seed):
    pools = {"gold": gold, "a": a, "b": b}
    mix = mix_of({"a": more, "gold": 1, "b": less}, seed=seed)
    found = composed(mix, pools, b)
    drawn = draw_mix(task("tagging"), pools, plan(mix, {name: len(pool) for name, pool in pools.items()}), seed)
    rows = drawn.table.select(["ingredient", "tokens"]).to_pylist()
    known = set(mentions_of(gold))
    assert [part.name for part in found.parts] == ["a", "gold", "b"]
    for part in found.parts:
        mine = Corpus(gold.schema, drawn.table.filter(pa.compute.field("ingredient") == part.name))
        lengths = [len(row["tokens"]) for row in rows if row["ingredient"] == part.name]
        assert (part.rows, part.words) == (len(lengths), sum(lengths))
        assert part.new_mentions == len(set(mentions_of(mine)) - known)
        assert part.max_repeat == max(Counter(mine.keys().tolist()).values(), default=0)
    assert (found.rows, found.words) == (len(rows), sum(len(row["tokens"]) for row in rows))
    assert found.new_mentions == len(set(mentions_of(drawn)) - known)
    for series, held in (("mix", drawn), ("gold", gold), ("dev", b)):
        often = Counter(label for label, _ in mentions_of(held))
        assert found.labels[series] == {label: often[label] for label in LABELS}
    assert found.passes == 1


def test_a_share_says_what_was_asked_for_and_what_there_could_be():
    pools = {"gold": corpus(*["a/O"] * 10), "a": corpus(*["b/O"] * 3), "b": corpus_of([])}
    found = composed(mix_of({"gold": 2, "a": 2.5, "b": 1}, max_repeats=4), pools)
    gold, a, b = found.parts
    assert (gold.rows, gold.requested, gold.cap, gold.max_repeat, gold.new_mentions) == (20, 20, 40, 2, 0)
    assert (a.rows, a.requested, a.cap, a.max_repeat) == (12, 25, 12, 4)
    assert (b.rows, b.requested, b.cap, b.pool_rows, b.max_repeat) == (0, 10, 0, 0, 0)
    assert (a.share, a.times_gold, a.pool_rows) == (12 / 32, 1.2, 3)
    assert found.passes == 2
    refilled = composed(mix_of({"gold": 1, "a": 2.5}, short="refill"), pools)
    assert [(part.rows, part.requested) for part in refilled.parts] == [(23, 10), (12, 25)]


def test_shares_are_asked_for_in_rows():
    pools = {"gold": corpus(*["a/O"] * 10), "a": corpus("b/O")}
    parts = {"gold": Part(1, "times_gold"), "a": Part(1)}
    found = composed(Mix(parts, unit="share", size=25), pools)
    assert [(part.rows, part.requested) for part in found.parts] == [(10, 10), (4, 15)]


def test_labels_go_by_name_whatever_their_order_in_a_pool():
    pools = {"gold": corpus("Ann/B-PER"), "a": corpus("Rome/B-LOC Bob/B-PER", labels=("PER", "MISC", "LOC"))}
    found = composed(mix_of({"a": 1}), pools)
    assert found.labels == {"mix": {"LOC": 1, "ORG": 0, "PER": 2}, "gold": {"LOC": 0, "ORG": 0, "PER": 1}}


def test_what_a_plan_refuses_a_composition_refuses():
    pools = {"gold": corpus("a/O"), "a": corpus("b/O")}
    for mix, code in (
        (mix_of({"a": 9}, short="error"), "mix_short"),
        (mix_of({"gold": 0, "a": 0}), "mix_empty"),
        (mix_of({"x": 1}), "unknown_ingredient"),
        (mix_of({"a": 1}, size=5), "size_unused"),
    ):
        with pytest.raises(CoreError) as raised:
            composed(mix, pools)
        assert raised.value.code == code


def test_without_rows_of_gold_there_are_no_passes_of_it():
    pools = {"gold": corpus_of([]), "a": corpus("b/O")}
    found = composed(Mix({"a": Part(1, "rows")}), pools)
    assert found.passes is None
    assert gold_passes(found, 100, 1024, 1.0) == 0


@given(corpora, corpora, st.integers(0, 60), st.integers(0, 20))
@FAST
def test_new_mentions_never_fall_as_an_amount_grows(gold, a, rows, more):
    pools = {"gold": index(gold), "a": index(a)}

    def new(count: int) -> int:
        return compose(Mix({"a": Part(count, "rows")}, max_repeats=99), pools, None, LABELS).new_mentions

    assert new(rows) <= new(rows + more)


def test_gold_is_seen_as_often_as_batches_allow():
    """100 rows of 10 words, 14 sub-tokens each with the two that a model adds: at 1.2 a word, 10 rows in 140."""
    rows = [(["w"] * 10, ["O"] * 10)] * 100
    pools = {"gold": corpus_of(rows), "a": corpus_of(rows)}
    assert gold_passes(composed(Mix(), pools), 50, 140, 1.2) == pytest.approx(5)
    assert gold_passes(composed(mix_of({"a": 3}), pools), 50, 140, 1.2) == pytest.approx(5 / 4)
    assert gold_passes(composed(mix_of({"gold": 2, "a": 2}), pools), 50, 140, 1.2) == pytest.approx(5 / 2)
    assert gold_passes(composed(Mix(), pools), 50, 10**9, 1.2) == 50


def test_the_estimate_is_near_the_batches_that_a_training_cuts():
    lengths = np.random.default_rng(0).integers(3, 50, 2000)
    found = composed(Mix(), {"gold": corpus_of([(["w"] * n, ["O"] * n) for n in lengths.tolist()])})
    per_pass = batching.count(lengths + 2, 1024)
    assert gold_passes(found, 500, 1024, 1.0) == pytest.approx(500 / per_pass, rel=0.1)


# --- a few rows of a mix -------------------------------------------------------------------------------------------


@st.composite
def settings_of_a_sample(draw_from: st.DrawFn) -> tuple[dict[str, PoolIndex], dict[str, int], int, int]:
    sizes = {name: draw_from(st.integers(1, 30)) for name in ("gold", "a", "b")}
    pools = {name: index(corpus_of([([f"{name}{n}"], ["O"]) for n in range(size)])) for name, size in sizes.items()}
    rows = {"gold": draw_from(st.integers(1, sizes["gold"]))}
    rows |= {name: draw_from(st.integers(0, 4 * sizes[name])) for name in ("a", "b")}
    return pools, rows, draw_from(st.integers(1, 25)), draw_from(st.integers(0, 3))


def mix_in_rows(rows: Mapping[str, int]) -> Mix:
    return Mix({name: Part(count, "rows") for name, count in rows.items()})


@given(settings_of_a_sample())
@FAST
def test_a_sample_is_of_drawn_rows_and_of_every_ingredient(given_):
    pools, rows, count, seed = given_
    found = sample_rows(mix_in_rows(rows), pools, count, seed)
    assert found == sample_rows(mix_in_rows(rows), pools, count, seed)
    assert len(set(found)) == len(found)
    for name, position in found:
        assert position in pools[name].drawn(rows[name], 0)
    told = {name for name, _ in found}
    assert told == {name for name in rows if rows[name]}
    there = sum(min(rows[name], pools[name].rows) for name in rows)
    assert len(found) == min(max(count, len(told)), there)


@given(settings_of_a_sample(), st.integers(1, 20))
@FAST
def test_an_amount_that_grows_shows_more_of_its_own_and_less_of_the_others(given_, more):
    pools, rows, count, seed = given_
    least = sample_rows(mix_in_rows(rows), pools, count, seed)
    grown = rows | {"a": min(rows["a"] + more, 4 * pools["a"].rows)}
    most = sample_rows(mix_in_rows(grown), pools, count, seed)
    often = [Counter(name for name, _ in found) for found in (least, most)]
    assert often[1]["a"] >= often[0]["a"]
    for name in ("gold", "b"):
        before, after = ([row for told, row in found if told == name] for found in (least, most))
        assert after == before[: len(after)]  # nothing of the others is exchanged


def test_a_sample_is_in_proportion_and_hangs_on_its_seed():
    pools = {name: index(corpus_of([([f"{name}{n}"], ["O"]) for n in range(1000)])) for name in ("gold", "a")}
    mix = mix_in_rows({"gold": 250, "a": 750})
    found = sample_rows(mix, pools)
    assert Counter(name for name, _ in found) == {"gold": 5, "a": 15}
    four = sample_rows(mix_in_rows({"gold": 650, "a": 350}), pools, 4)  # 2.6 and 1.4 of four
    assert Counter(name for name, _ in four) == {"gold": 3, "a": 1}
    assert set(found) != set(sample_rows(mix, pools, seed=1))
    ten_more = sample_rows(mix_in_rows({"gold": 250, "a": 760}), pools)
    assert len(set(found) & set(ten_more)) >= 18


# --- the portrait --------------------------------------------------------------------------------------------------


def test_a_portrait_counted_by_hand():
    splits = {
        "train": corpus("Ann/B-PER is/O in/O Rome/B-LOC", "nothing/O here/O", "Acme/B-ORG Ltd/I-ORG"),
        "dev": corpus("ANN/B-PER and/O Bob/B-PER and/O Bob/B-PER", "Ann/B-ORG", "nothing/O here/O"),
        "test": corpus("nothing/O here/O", "nothing/O here/O", "nothinghere/O", "Rome/B-LOC"),
    }
    found = portrait(splits)
    train, dev, test = (found.splits[name] for name in ("train", "dev", "test"))
    assert (train.rows, train.words, train.without, train.unseen) == (3, 8, 1, None)
    assert train.mentions == {"LOC": 1, "ORG": 1, "PER": 1}
    assert (train.lengths.tolist(), train.median_length) == ([4, 2, 2], 2)
    assert dev.unseen is not None and test.unseen is not None
    assert (dev.unseen.share, dev.unseen.distinct_share) == (3 / 4, 2 / 3)  # Bob, Bob and the organisation Ann
    per = dev.unseen_by_label["PER"]
    assert (per.mentions, per.unseen, per.distinct, per.distinct_unseen) == (3, 2, 2, 1)
    assert (dev.unseen_by_label["ORG"].share, dev.unseen_by_label["LOC"].share) == (1, None)
    assert (test.unseen.share, test.unseen.distinct_share) == (0, 0)
    assert found.shared == {("train", "dev"): 1, ("train", "test"): 2, ("dev", "test"): 2}


def test_lengths_of_a_long_tail():
    found = portrait({"train": corpus_of([(["w"] * n, ["O"] * n) for n in range(1, 102)])}).splits["train"]
    assert (found.median_length, found.long_length) == (51, 96)


def test_a_portrait_without_train_or_rows():
    found = portrait({"dev": corpus("Ann/B-PER"), "test": corpus_of([])})
    assert found.splits["dev"].unseen is None
    assert found.splits["dev"].unseen_by_label == {}
    assert (found.splits["test"].rows, found.splits["test"].median_length) == (0, 0)
    assert found.shared == {("dev", "test"): 0}
