"""Each sentence of the recipe's contract about mixes, and the nested draw against a slow one in plain Python."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.augment.pool import AugmentParams, build_pool
from core.corpus import Corpus, Schema, numbered
from core.errors import CoreError
from core.formats import importing
from core.formats.importing import ImportParams, Source, bring_in
from core.mix import GOLD, Mix, Part, cap, check, draw, plan, rarest, realised, splitmix64
from core.params import build
from core.recipe import AugmentedIngredient, FileIngredient, load
from core.stage import Stage, settle
from core.tasks import task
from core.tasks.drawing import draw_mix, split_off, strata
from core.tasks.tagging import TABLE, content, spans
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, prepare

FAST = settings(max_examples=100, deadline=None)
NAMES = ("gold", "a", "b", "c")
amounts = st.integers(0, 3000).map(lambda n: n / 1000) | st.floats(0, 3)


def mix_of(parts: Mapping[str, Any], **settings: Any) -> Mix:
    full = {name: part if isinstance(part, dict) else {"amount": part} for name, part in parts.items()}
    return build(Mix, {"parts": full} | settings, "mix")


def refused(code: str, mix: Mix, pools: Mapping[str, int]) -> CoreError:
    with pytest.raises(CoreError) as raised:
        plan(mix, pools)
    assert raised.value.code == code
    return raised.value


# --- how many rows -------------------------------------------------------------------------------------------------


@given(amounts, st.integers(1, 500))
@FAST
def test_times_gold_is_the_amount_times_the_rows_of_gold_half_up(amount, gold):
    """`unit`: `times_gold` (x rows of gold train, floor(x g + 1/2); default)."""
    mix = mix_of({"gold": 1, "a": amount}, max_repeats=1000)
    on_paper = math.floor(Fraction(str(amount)) * gold + Fraction(1, 2))
    assert plan(mix, {"gold": gold, "a": 10**9})["a"] == on_paper
    assert mix.unit == "times_gold"


@pytest.mark.parametrize(
    ("amount", "gold", "rows"),
    [(0.15, 10, 2), (0.145, 100, 15), (0.35, 10, 4), (1.005, 100, 101), (0.05, 10, 1), (0.0499, 10, 0), (2.5, 1, 3)],
)
def test_a_half_row_rounds_up_as_on_paper(amount, gold, rows):
    """floor(x g + 1/2) in decimal: 0.145 x 100 + 1/2 is 15, in binary 14.999."""
    assert plan(mix_of({"a": amount}), {"gold": gold, "a": 1000})["a"] == rows


@given(st.integers(0, 10**6), st.integers(1, 50))
@FAST
def test_rows_are_rows_whatever_gold_is(rows, gold):
    """`unit`: ... `rows`."""
    assert plan(mix_of({"gold": 1, "a": rows}, unit="rows"), {"gold": gold, "a": 10**6})["a"] == rows


def test_an_amount_in_rows_is_a_whole_number():
    error = refused("bad_rows", mix_of({"a": 1.5}, unit="rows"), {"gold": 5, "a": 5})
    assert error.values["where"] == "mix.parts.a"


def test_a_part_may_override_the_unit():
    """A part may override: `{amount: 200, unit: rows}`."""
    parts = {"gold": 0.5, "a": {"amount": 200, "unit": "rows"}, "b": {"amount": 1, "unit": "share"}}
    assert plan(mix_of(parts, size=300), {"gold": 100, "a": 100, "b": 100}) == {"gold": 50, "a": 200, "b": 50}


@st.composite
def shares(draw_from: st.DrawFn) -> tuple[dict[str, str], int]:
    """Shares that sum to 1 exactly, in recipe order, and what is left for them."""
    names = draw_from(st.permutations(NAMES[1:]))[: draw_from(st.integers(1, 3))]
    cuts = sorted(draw_from(st.lists(st.integers(0, 1000), min_size=len(names) - 1, max_size=len(names) - 1)))
    edges = [0, *cuts, 1000]
    found = {name: str(Fraction(hi - lo, 1000) * 1.0) for name, lo, hi in zip(names, edges, edges[1:], strict=False)}
    return found, draw_from(st.integers(0, 2000))


@given(shares(), st.integers(0, 40), st.integers(1, 40))
@FAST
def test_shares_are_of_what_size_leaves_by_largest_remainder_ties_in_recipe_order(found, rows, gold):
    """Shares are of what `size` leaves after the rows and times_gold parts ... round by largest remainder with ties in
    recipe order."""
    fractions, left = found
    parts = {name: {"amount": float(share), "unit": "share"} for name, share in fractions.items()}
    mix = mix_of(parts | {"d": {"amount": rows, "unit": "rows"}}, size=left + rows + gold or 1, max_repeats=10**6)
    got = plan(mix, dict.fromkeys((*NAMES, "d"), 10**6) | {"gold": gold})
    quota = {name: Fraction(share) * left for name, share in fractions.items()}
    expected = {name: math.floor(q) for name, q in quota.items()}
    for _ in range(left - sum(expected.values())):
        biggest = max(q - expected[n] for n, q in quota.items())
        expected[next(n for n, q in quota.items() if q - expected[n] == biggest)] += 1
    assert {name: got[name] for name in fractions} == expected
    assert sum(got.values()) == left + rows + gold


def test_ties_go_to_the_part_that_the_recipe_names_first():
    """... with ties in recipe order: three thirds of 100 and of 101."""
    third = {"amount": 1 / 3, "unit": "share"}
    pools = {"gold": 10, "x": 1000, "m": 1000, "a": 1000}
    for size, expected in ((100, (34, 33, 33)), (101, (34, 34, 33))):
        found = plan(mix_of({"gold": 0, "x": third, "m": third, "a": third}, size=size), pools)
        assert tuple(found[name] for name in ("x", "m", "a")) == expected


def test_shares_that_are_left_less_than_nothing_are_refused():
    """... (negative: refused); nothing at all is not negative."""
    parts = {"gold": 1.0, "a": {"amount": 1, "unit": "share"}}
    assert refused("shares_negative", mix_of(parts, size=9), {"gold": 10, "a": 10}).values["where"] == "mix.size"
    assert plan(mix_of(parts, size=10), {"gold": 10, "a": 10}) == {"gold": 10, "a": 0}


@pytest.mark.parametrize(
    ("first", "second", "good"),
    [
        (0.5, 0.5, True),
        (0.5, 0.500001, True),
        (0.5, 0.499999, True),
        (0.5, 0.5000011, False),
        (0.5, 0.4, False),
        (2, 1, False),
    ],
)
def test_shares_sum_to_one_among_themselves_or_are_refused(first, second, good):
    """Shares ... sum to 1 +- 1e-6 among themselves (refused otherwise, never normalised)."""
    mix = mix_of({"a": {"amount": first, "unit": "share"}, "b": {"amount": second, "unit": "share"}}, size=110)
    pools = {"gold": 10, "a": 100, "b": 100}
    if good:
        assert plan(mix, pools) == {"gold": 10, "a": 50, "b": 50}
    else:
        assert refused("shares_sum", mix, pools).values["sum"] == repr(float(first + second))


def test_the_message_about_a_sum_shows_what_is_wrong_with_it():
    mix = mix_of({"a": {"amount": 0.5, "unit": "share"}, "b": {"amount": 0.500002, "unit": "share"}}, size=9)
    assert "1.000002" in str(refused("shares_sum", mix, {"gold": 1, "a": 1, "b": 1}))


@pytest.mark.parametrize("parts", [{"a": 1.0}, {"gold": 0, "a": 1.0}, {"a": 1.0, "b": {"amount": 5, "unit": "rows"}}])
def test_size_is_required_wherever_a_share_occurs(parts):
    """`size` is required wherever a share occurs; without a share it would be silently ignored, so it is refused."""
    refused("size_missing", mix_of(parts, unit="share"), dict.fromkeys(NAMES, 5))
    refused("size_unused", mix_of(parts, unit="times_gold", size=50), dict.fromkeys(NAMES, 5))


@given(st.sampled_from(["times_gold", "rows", "share"]), st.integers(1, 300))
@FAST
def test_gold_left_out_is_gold_once_whatever_the_unit(unit, gold):
    """`gold` left out of `parts` means `{amount: 1.0, unit: times_gold}` whatever the unit."""
    size = {"size": gold + 7} if unit == "share" else {}
    mix = mix_of({"a": 1}, unit=unit, **size)
    assert mix.requested()["gold"] == (1.0, "times_gold")
    assert plan(mix, {"gold": gold, "a": 1000})["gold"] == gold
    assert plan(mix_of({"a": 1, "gold": 0}), {"gold": gold, "a": 1000}) == {"a": gold, "gold": 0}


@given(st.integers(1, 1000))
@FAST
def test_without_a_mix_gold_is_in_once(gold):
    """No `mix`: gold once."""
    assert plan(Mix(), {"gold": gold, "a": 5}) == {"gold": gold}


@given(st.floats(0.001, 50) | st.sampled_from([0.1, 0.29, 0.57, 1.1, 4]), st.integers(0, 10**6))
@FAST
def test_a_part_delivers_at_most_its_repeats(most, pool):
    """A part delivers at most floor(max_repeats x pool rows)."""
    assert cap(most, pool) == math.floor(Fraction(repr(most)) * pool)
    mix = mix_of({"gold": 1, "a": {"amount": 10**9, "unit": "rows"}}, max_repeats=most)
    assert plan(mix, {"gold": 1000, "a": pool})["a"] == math.floor(Fraction(repr(most)) * pool)


def test_the_cap_is_exact_in_decimal_and_four_by_default():
    """... (default 4): 0.29 x 100 is 29, in binary 28.999; 1.1 x 10 is 11."""
    assert (cap(0.29, 100), cap(1.1, 10), cap(2.5, 3), cap(4, 0)) == (29, 11, 7, 0)
    assert plan(mix_of({"a": 1000}), {"gold": 10, "a": 10})["a"] == 40


def test_short_shrinks_by_default_and_realised_says_so():
    """`short`: `shrink` (default, said in `realised`)."""
    pools = {"gold": 100, "a": 5, "b": 100}
    mix = mix_of({"a": 1, "b": 1})
    rows = plan(mix, pools)
    assert rows == {"gold": 100, "a": 20, "b": 100}
    said = realised(rows, pools)["a"]
    assert (said.rows, said.times_gold, said.pool_rows, said.max_repeat) == (20, 0.2, 5, 4)
    assert said.share == 20 / 220


def test_short_can_be_an_error():
    """`short`: ... `error`."""
    error = refused("mix_short", mix_of({"a": 1}, short="error"), {"gold": 100, "a": 5})
    assert error.values == {"name": "a", "wanted": 100, "pool": 5, "most": 20}
    assert plan(mix_of({"a": 1}, short="error"), {"gold": 100, "a": 25})["a"] == 100


def test_short_can_be_refilled_by_the_others_in_proportion():
    """`short`: ... `refill` (the others in proportion)."""
    pools = {"gold": 100, "a": 5, "b": 1000, "c": 1000}
    mix = mix_of({"gold": 1, "a": 1, "b": 2, "c": 1}, short="refill")
    assert plan(mix, pools) == {"gold": 120, "a": 20, "b": 240, "c": 120}  # 80 missing: 1 : 2 : 1


@given(
    st.dictionaries(st.sampled_from(NAMES[1:]), st.integers(0, 60), min_size=1),
    st.dictionaries(st.sampled_from(NAMES[1:]), st.integers(0, 30)),
    st.integers(1, 30),
)
@FAST
def test_refill_delivers_all_that_can_be_and_nothing_unasked(wanted, pools, gold):
    mix = mix_of({"gold": gold, **wanted}, unit="rows", max_repeats=2, short="refill")
    sizes = dict.fromkeys(NAMES, 0) | pools | {"gold": gold}
    got = plan(mix, sizes)
    most = {name: 2 * sizes[name] for name in got}
    asked = {"gold": gold} | wanted
    assert sum(got.values()) == min(sum(asked.values()), sum(most[name] for name in got if asked[name]))
    for name, rows in got.items():
        assert min(asked[name], most[name]) <= rows <= (most[name] if asked[name] else 0)


def test_a_mix_that_delivers_nothing_is_refused():
    refused("mix_empty", mix_of({"gold": 0, "a": 1}), {"gold": 10, "a": 0})
    assert plan(mix_of({"a": 1}), {"gold": 10, "a": 0}) == {"gold": 10, "a": 0}  # one empty pool is only short


def test_the_plan_keeps_the_order_of_the_recipe():
    assert list(plan(mix_of({"b": 1, "gold": 1, "a": 1}), dict.fromkeys(NAMES, 9))) == ["b", "gold", "a"]
    assert list(plan(mix_of({"b": 1, "a": 1}), dict.fromkeys(NAMES, 9))) == ["gold", "b", "a"]


def test_a_part_without_a_pool_is_refused():
    refused("unknown_ingredient", mix_of({"x": 1}), {"gold": 1})


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50), min_size=1), st.integers(1, 30))
@FAST
def test_realised_is_what_the_rows_say(rows, gold):
    assume(sum(rows.values()))
    pools = dict.fromkeys(NAMES, 7) | {"gold": gold}
    found = realised(rows, pools)
    assert sum(part.share for part in found.values()) == pytest.approx(1)
    for name, part in found.items():
        assert part.max_repeat == -(-rows[name] // pools[name])
        assert part.times_gold == rows[name] / gold


def test_amounts_are_checked_before_any_pool_is_known():
    check(mix_of({"a": 0.5}))
    for parts, settings_, code in (
        ({"a": 1.5}, {"unit": "rows"}, "bad_rows"),
        ({"a": 0.5}, {"unit": "share", "size": 5}, "shares_sum"),
    ):
        with pytest.raises(CoreError) as raised:
            check(mix_of(parts, **settings_))
        assert raised.value.code == code


# --- which rows ----------------------------------------------------------------------------------------------------

MASK = 2**64 - 1


def plain_splitmix(x: int) -> int:
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def plain_draw(keys: Sequence[int], groups: Sequence[int], rows: int, seed: int) -> list[int]:
    """The draw as the architecture tells it, row by row and exact."""
    out: list[int] = []
    number = 0
    while len(out) < rows:
        salt = seed % 2**64 if number == 0 else plain_splitmix(seed % 2**64 ^ number)
        mixed = [plain_splitmix(key ^ salt) for key in keys]
        place: dict[int, tuple[Fraction, int]] = {}
        for group in set(groups):
            members = sorted((row for row in range(len(keys)) if groups[row] == group), key=lambda row: mixed[row])
            for rank, row in enumerate(members):
                place[row] = (Fraction(2 * rank + 1, 2 * len(members)), mixed[row])
        out += sorted(place, key=lambda row: place[row])
        number += 1
    return out[:rows]


keyed = st.tuples(st.integers(0, MASK), st.integers(0, 3))
pools = st.lists(keyed, min_size=1, max_size=40, unique_by=lambda row: row[0])
seeds = st.integers(0, 2**31) | st.sampled_from([0, -1, 2**64, 2**80 + 3])


def arrays(pool: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([key for key, _ in pool], dtype=np.uint64), np.array([group for _, group in pool], dtype=np.int64)


def test_splitmix64_is_the_published_generator():
    """Its first outputs from state 1234567, as in the reference implementation's usual test vector."""
    golden = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + step * golden) & MASK for step in range(3)], dtype=np.uint64)
    assert splitmix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(pools, st.integers(0, 130), seeds)
@FAST
def test_the_draw_is_the_one_that_the_architecture_tells(pool, rows, seed):
    """Each row has the key splitmix64(first 8 bytes of its id ^ seed). A draw of n takes the n smallest keys; repeats
    take whole passes with a new salt. Stratified: ... p = (rank + 1/2) / stratum size in key order, take the n
    smallest (p, key)."""
    keys, groups = arrays(pool)
    assert draw(keys, groups, rows, seed).tolist() == plain_draw(keys.tolist(), groups.tolist(), rows, seed)


@given(pools, st.integers(0, 40), seeds)
@FAST
def test_with_one_stratum_a_draw_takes_the_smallest_keys(pool, rows, seed):
    """A draw of n takes the n smallest keys."""
    keys, _ = arrays(pool)
    rows = min(rows, len(keys))
    mixed = [plain_splitmix(key ^ (seed % 2**64)) for key in keys.tolist()]
    smallest = sorted(range(len(keys)), key=mixed.__getitem__)[:rows]
    assert draw(keys, np.full(len(keys), 3), rows, seed).tolist() == smallest


@given(pools, st.integers(1, 90), st.integers(0, 90), seeds)
@FAST
def test_raising_a_part_keeps_the_rows_it_had(pool, fewer, more, seed):
    """Every prefix is ... nested: raising a part keeps the rows it had."""
    keys, groups = arrays(pool)
    small, large = draw(keys, groups, fewer, seed), draw(keys, groups, fewer + more, seed)
    assert large[:fewer].tolist() == small.tolist()


@given(pools, st.integers(1, 4), seeds)
@FAST
def test_repeats_are_whole_passes_each_with_a_new_salt(pool, passes, seed):
    """Repeats take whole passes with a new salt."""
    keys, groups = arrays(pool)
    count = len(keys)
    found = draw(keys, groups, count * passes, seed).reshape(passes, count)
    assert (np.sort(found, axis=1) == np.arange(count)).all()
    extra = draw(keys, groups, count * passes + 1, seed)
    assert Counter(extra.tolist()).most_common(1)[0][1] == passes + 1


def test_the_passes_differ_in_order():
    keys = np.random.default_rng(0).integers(0, MASK, 50, dtype=np.uint64)
    first, second = draw(keys, np.zeros(50, dtype=np.int64), 100, 0).reshape(2, 50)
    assert first.tolist() != second.tolist()


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 1000))
@FAST
def test_every_prefix_is_proportional(sizes, seed):
    """Every prefix is proportional: no stratum is ever off by more than its neighbours' half rows allow."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    keys = np.random.default_rng(seed).integers(0, MASK, len(groups), dtype=np.uint64)
    order = groups[draw(keys, groups, len(groups), seed)]
    for stratum, size in enumerate(sizes):
        taken = np.cumsum(order == stratum)
        fair = np.arange(1, len(groups) + 1) * size / len(groups)
        assert np.abs(taken - fair).max() <= (1 + len(sizes)) / 2


@given(pools, st.integers(1, 60), seeds, st.randoms(use_true_random=False))
@FAST
def test_the_draw_depends_on_ids_and_not_on_the_order_of_the_file(pool, rows, seed, random):
    keys, groups = arrays(pool)
    other = random.sample(range(len(keys)), len(keys))
    there = np.array(other)
    found = draw(keys[there], groups[there], rows, seed)
    assert keys[there][found].tolist() == keys[draw(keys, groups, rows, seed)].tolist()


def test_the_seed_changes_the_draw_and_nothing_else_does():
    """The same spec gives the same bytes."""
    keys = np.random.default_rng(0).integers(0, MASK, 200, dtype=np.uint64)
    groups = np.arange(200) % 3
    first = draw(keys, groups, 50, 7)
    assert first.tolist() == draw(keys.copy(), groups.copy(), 50, 7).tolist()
    assert set(first.tolist()) != set(draw(keys, groups, 50, 8).tolist())
    assert first.dtype == np.int64


def test_an_unstratified_share_of_the_pool_is_even_over_the_keys():
    """A draw is a sample: over many seeds each row comes equally often."""
    keys = np.array([plain_splitmix(n) for n in range(40)], dtype=np.uint64)
    taken = Counter(row for seed in range(600) for row in draw(keys, np.zeros(40, dtype=np.int64), 10, seed).tolist())
    assert min(taken.values()) > 105  # 150 expected, sd 10.6
    assert max(taken.values()) < 195


def test_edges_of_a_draw():
    none = np.empty(0, dtype=np.uint64)
    assert draw(none, np.empty(0, dtype=np.int64), 0, 0).tolist() == []
    with pytest.raises(ValueError, match="empty pool"):
        draw(none, np.empty(0, dtype=np.int64), 1, 0)
    one = np.array([5], dtype=np.uint64)
    assert draw(one, np.array([9]), 3, 0).tolist() == [0, 0, 0]
    same = np.full(6, 5, dtype=np.uint64)  # equal keys: the order of the file decides, and prefixes stay nested
    whole = draw(same, np.zeros(6, dtype=np.int64), 6, 0).tolist()
    assert whole == [0, 1, 2, 3, 4, 5]
    assert all(draw(same, np.zeros(6, dtype=np.int64), n, 0).tolist() == whole[:n] for n in range(7))


@pytest.mark.timeout(60)  # a draw that is not linear would need hours
def test_a_draw_from_a_million_rows_is_nested():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, MASK, 10**6, dtype=np.uint64)
    groups = rng.choice(6, 10**6, p=[0.9, 0.05, 0.03, 0.015, 0.004, 0.001])
    found = draw(keys, groups, 100_000, 1)
    assert len(np.unique(found)) == 100_000
    shares = np.bincount(groups[found], minlength=6) / 100_000
    assert np.abs(shares - np.bincount(groups) / 10**6).max() < 5e-5
    assert draw(keys, groups, 30_000, 1).tolist() == found[:30_000].tolist()


# --- rows of real corpora ------------------------------------------------------------------------------------------

tags = st.lists(st.sampled_from(["O", "B-PER", "B-LOC", "I-LOC", "B-ORG", None]), min_size=1, max_size=4)


def corpus_of(
    rows: Sequence[Sequence[str | None]], word: str = "w", labels: Sequence[str] = ("LOC", "ORG", "PER")
) -> Corpus:
    tokens = [[f"{word}{n}"] * len(row) for n, row in enumerate(rows)]
    ids = numbered([content(t, r) for t, r in zip(tokens, rows, strict=True)])
    nothing = [None] * len(rows)
    table = pa.table([ids, ids, nothing, tokens, list(rows), nothing, nothing, nothing], schema=TABLE)
    return Corpus(Schema("tagging", tuple(labels)), table)


@given(st.lists(tags, min_size=1, max_size=20))
@FAST
def test_the_stratum_is_the_rows_globally_rarest_label(rows):
    """Stratum = the row's globally rarest label (`none` for O only)."""
    held = [{span.label for span in spans(row)} for row in rows]
    often = Counter(label for labels in held for label in labels)
    expected = [min(labels, key=lambda label: (often[label], label)) if labels else None for labels in held]
    found = strata(task("tagging"), corpus_of(rows)).tolist()
    names = dict(zip(found, expected, strict=True))
    assert [names[number] for number in found] == expected  # one number, one label
    assert len(set(found)) == len(set(expected))


def test_strata_do_not_hang_on_the_order_of_the_labels():
    rows = [["B-PER"], ["B-PER", "B-LOC"], ["O"], ["B-LOC"], ["B-ORG"]]  # as many with PER as with LOC
    one = strata(task("tagging"), corpus_of(rows))
    other = strata(task("tagging"), corpus_of(rows, labels=("PER", "ORG", "LOC")))
    assert one.tolist() == other.tolist()


def test_rarest_of_nothing():
    assert rarest(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), 3, ()).tolist() == [0, 0, 0]


@given(st.lists(tags, min_size=2, max_size=30), st.data())
@FAST
def test_a_split_takes_rows_without_changing_their_order_or_losing_one(rows, data):
    corpus = corpus_of(rows)
    count = data.draw(st.integers(1, len(rows) - 1))
    stays, goes, picked = split_off(task("tagging"), corpus, count, 0)
    assert (len(goes), len(stays)) == (count, len(rows) - count)
    ids = corpus.table.column("id").to_pylist()
    assert goes.table.column("id").to_pylist() == [ids[row] for row in picked]
    assert picked.tolist() == sorted(picked.tolist())
    assert stays.table.column("id").to_pylist() == [ids[row] for row in range(len(rows)) if row not in picked]


def drawn_ids(drawn: Corpus, name: str) -> list[bytes]:
    found = drawn.table.select(["ingredient", "id"]).to_pylist()
    return [row["id"] for row in found if row["ingredient"] == name]


def test_a_mix_is_the_draws_of_its_parts_under_the_name_of_each():
    """Draw adds the column `ingredient`."""
    pools = {"gold": corpus_of([["O"], ["B-PER"], ["B-LOC"]]), "a": corpus_of([["B-ORG"], ["O"]], "x")}
    drawn = draw_mix(task("tagging"), pools, {"gold": 3, "a": 5}, 0)
    assert drawn.table.column("ingredient").to_pylist() == ["gold"] * 3 + ["a"] * 5
    assert drawn.table.column_names == [*TABLE.names, "ingredient"]
    assert sorted(drawn_ids(drawn, "gold")) == sorted(pools["gold"].table.column("id").to_pylist())
    assert sorted(Counter(drawn_ids(drawn, "a")).values()) == [2, 3]
    assert drawn.id == draw_mix(task("tagging"), pools, {"gold": 3, "a": 5}, 0).id


def test_raising_one_part_leaves_the_others_as_they_were():
    pools = {"gold": corpus_of([["O"]] * 20), "a": corpus_of([["B-ORG"]] * 20, "x"), "b": corpus_of([["O"]] * 20, "y")}
    less = draw_mix(task("tagging"), pools, {"gold": 20, "a": 5, "b": 7}, 3)
    more = draw_mix(task("tagging"), pools, {"gold": 20, "a": 15, "b": 7}, 3)
    assert drawn_ids(more, "a")[:5] == drawn_ids(less, "a")
    for name in ("gold", "b"):
        assert drawn_ids(more, name) == drawn_ids(less, name)


def test_a_part_at_zero_takes_no_part():
    pools = {"gold": corpus_of([["O"]]), "a": corpus_of([["O"]], "x")}
    assert draw_mix(task("tagging"), pools, {"gold": 0, "a": 2}, 0).table.column("ingredient").to_pylist() == ["a", "a"]


def test_outside_tokens_of_an_uncovered_ingredient_are_masked_and_of_no_other():
    """A target label is covered when some source label maps to it; if any isn't, every O token of that ingredient and
    its children is masked."""
    rows = [["O", "B-PER", None]]
    pools = {"gold": corpus_of(rows), "wiki": corpus_of(rows, "x"), "child": corpus_of(rows, "y")}
    drawn = draw_mix(task("tagging"), pools, dict.fromkeys(pools, 1), 0, mask_outside=("wiki", "child"))
    masked = [None, "B-PER", None]
    assert drawn.table.column("tags").to_pylist() == [["O", "B-PER", None], masked, masked]


def settled(tmp_path: Path, wiki: str, labels: str = "") -> tuple[frozenset[str], Mapping[str, Corpus]]:
    """Whose O tokens are masked, and the pools, of a recipe with a file, its child and its grandchild."""
    (tmp_path / "train.conll").write_text("Ann B-PER\nhere O\n\nRome B-LOC\nthere O\n\nnothing O\n\n")
    (tmp_path / "dev.conll").write_text("Bob B-PER\n\n")
    (tmp_path / "wiki.conll").write_text(wiki)
    (tmp_path / "r.yaml").write_text(
        "version: 1\ndata: {train: train.conll, dev: dev.conll}\ningredients:\n"
        f"  wiki: {{file: wiki.conll{labels}}}\n"
        "  child: {augmenter: keyboard, of: wiki}\n  grandchild: {augmenter: keyboard, of: child}\n"
        "  own: {augmenter: keyboard}\nmix: {parts: {wiki: 1, child: 1, grandchild: 1, own: 1}}\n"
    )
    recipe = load(tmp_path / "r.yaml")
    sources = {"train": Source("train.conll"), "dev": Source("dev.conll"), "pool:wiki": Source("wiki.conll")}
    wiki_labels = recipe.ingredients["wiki"]
    assert isinstance(wiki_labels, FileIngredient)
    sources["pool:wiki"] = replace(sources["pool:wiki"], labels=wiki_labels.labels)
    done = bring_in(ImportParams(sources), {role: tmp_path / source.name for role, source in sources.items()})
    pools = {"gold": done.parts["train"].corpus, "wiki": done.parts["pool:wiki"].corpus}
    for name in ("child", "grandchild", "own"):
        made = recipe.ingredients[name]
        assert isinstance(made, AugmentedIngredient)
        params = AugmentParams(made.augmenter, {"rate": 1.0}, 1, 0)
        pools[name] = build_pool(pools[made.of], params, tmp_path, set(), lambda: None).corpus
        assert len(pools[name])
    params, _ = settle(recipe, Stage(importing._result(done), pools))
    return frozenset(params.mask_outside), pools


SENTENCE = "Paris {0}\nlies O\nin O\nmany O\nfar {1}\nplaces O\n\n"


def test_an_unlisted_label_is_refused(tmp_path: Path):
    """`labels`: an unlisted label is refused."""
    with pytest.raises(CoreError) as raised:
        settled(tmp_path, SENTENCE.format("B-geo", "B-hum"), ", labels: {geo: LOC}")
    assert (raised.value.code, raised.value.values["label"]) == ("label_unlisted", "hum")


def test_without_labels_it_is_identity_and_a_label_outside_the_schema_is_refused(tmp_path: Path):
    """No `labels`: identity, and a label outside the schema is refused."""
    _, pools = settled(tmp_path, SENTENCE.format("B-LOC", "B-PER"))
    assert pools["wiki"].table.column("tags").to_pylist() == [["B-LOC", "O", "O", "O", "B-PER", "O"]]
    with pytest.raises(CoreError) as raised:
        settled(tmp_path, SENTENCE.format("B-LOC", "B-MISC"))
    assert (raised.value.code, raised.value.values["label"]) == ("label_outside_schema", "MISC")


def test_null_masks_the_tokens_of_the_mention_also_in_children(tmp_path: Path):
    """`null`: the mention's tokens are masked from the loss."""
    wiki = "the O\nold O\nACME B-org\nInc I-org\nin O\nmany O\nRome B-geo\nAnn B-hum\n\n"
    outside, pools = settled(tmp_path, wiki, ", labels: {geo: LOC, hum: PER, org: null}")
    assert pools["wiki"].table.column("tags").to_pylist() == [["O", "O", None, None, "O", "O", "B-LOC", "B-PER"]]
    for name in ("child", "grandchild"):
        for row in pools[name].table.select(["tokens", "tags"]).to_pylist():
            hidden = [token for token, tag in zip(row["tokens"], row["tags"], strict=True) if tag is None]
            assert hidden == ["ACME", "Inc"]
    assert outside == frozenset()  # both target labels are covered: O of the source is O


@pytest.mark.parametrize(
    ("labels", "masked"),
    [
        (", labels: {geo: LOC, hum: PER}", False),
        (", labels: {geo: LOC, hum: null}", True),
        (", labels: {geo: LOC, hum: LOC}", True),
        (", labels: {geo: LOC, hum: LOC, man: PER}", False),  # mapped is covered, though no row shows it
    ],
)
def test_a_target_label_that_no_source_label_maps_to_masks_every_outside_token(tmp_path: Path, labels, masked):
    """A target label is covered when some source label maps to it; if any isn't, every O token of that ingredient and
    its children is masked."""
    outside, pools = settled(tmp_path, SENTENCE.format("B-geo", "B-hum"), labels)
    assert outside == ({"wiki", "child", "grandchild"} if masked else set())
    drawn = draw_mix(task("tagging"), pools, dict.fromkeys(pools, 1), 0, outside)
    for row in drawn.table.select(["ingredient", "tags"]).to_pylist():
        assert ("O" in row["tags"]) == (row["ingredient"] in ("gold", "own") or not masked)


@pytest.fixture(scope="module")
def words_model(tmp_path_factory: pytest.TempPathFactory):
    """What drawing for a training needs of a model: its longest input and a tokeniser."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 64}')
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_mix_seed_fixes_the_draw_unless_every_seed_is_to_draw_again(words_model):
    """`mix.seed` fixes the draw, `train.seeds` vary init, order and dropout; `draw_per_seed: true` redraws."""
    pools = {"gold": corpus_of([["O"]] * 5), "a": corpus_of([["O"]] * 40, "x")}

    def rows_of(train_seed: int, **settings: Any) -> list[bytes]:
        mix = mix_of({"gold": 1, "a": {"amount": 10, "unit": "rows"}}, **settings)
        params = TrainRunParams(train_seed, ("PER",), mix, TrainParams())
        return drawn_ids(prepare(pools, params, words_model).drawn, "a")

    assert rows_of(0) == rows_of(1)
    assert set(rows_of(0)) != set(rows_of(0, seed=1))
    again = [frozenset(rows_of(seed, draw_per_seed=True)) for seed in range(3)]
    assert len(set(again)) == 3
    assert rows_of(0, draw_per_seed=True) == rows_of(0)


def test_parts_are_amounts_of_zero_or_more():
    for amount in (-1, "1", None, True):
        with pytest.raises(CoreError):
            build(Mix, {"parts": {"a": {"amount": amount}}}, "mix")
    assert Mix({GOLD: Part(2)}).requested() == {"gold": (2, "times_gold")}
