"""Editing a mix: the same rows in every unit, shares that give way, a history, and an address that restores a mix."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CoreError
from core.mix import GOLD, Mix, Part, cap, plan
from core.mixing import (
    History,
    absent,
    added,
    compact,
    converted,
    end,
    expanded,
    levelled,
    limit,
    requested,
    spelled_out,
    uniform,
    with_amount,
    without_additions,
)

POOLS = {GOLD: 84, "swaps": 219, "syn": 139, "a~b*c%": 60}
NAMES = [name for name in POOLS if name != GOLD]
UNITS = ("times_gold", "rows", "share")
mixes = st.builds(
    lambda rows, seed, most: Mix({n: Part(float(r)) for n, r in rows.items() if r}, "rows", None, most, "shrink", seed),
    st.fixed_dictionaries({name: st.integers(0, 400) for name in NAMES}),
    st.integers(0, 5),
    st.sampled_from([0.5, 1.0, 4.0]),
)


@given(mixes, st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_another_unit_asks_for_the_same_rows(mix, first, second):
    there = converted(converted(mix, first, POOLS), second, POOLS)
    assert there.unit == second
    rows = {name: n for name, n in requested(mix, POOLS).items() if n}
    assert {name: n for name, n in requested(there, POOLS).items() if n} == rows
    assert plan(there, POOLS) == {name: min(n, cap(mix.max_repeats, POOLS[name])) for name, n in rows.items()}


@given(mixes, st.sampled_from(UNITS))
def test_an_address_restores_the_mix(mix, unit):
    mix = converted(mix, unit, POOLS)
    back = expanded(compact(mix))
    assert requested(back, POOLS) == requested(mix, POOLS)
    assert replace(back, parts={}) == replace(mix, parts={})


@pytest.mark.parametrize("bad", [{"m": "x"}, {"m": "a*b"}, {"m": "a*-1"}, {"m": "a*1", "u": "cups"}, {"m": "a*1*2"},
                                 {"m": "a*nan"}, {"m": "a*1", "w": "seed*x"}])  # fmt: skip
def test_an_address_that_says_nothing_is_refused(bad):
    with pytest.raises(CoreError) as caught:
        expanded(bad)
    assert caught.value.code == "mix_address"


def test_shares_that_are_held_stay():
    shares = Mix(unit="share", size=30, parts={"swaps": Part(0.5), "syn": Part(0.3), "a~b*c%": Part(0.2)})
    held = with_amount(shares, "swaps", 0.6, POOLS, ["syn"])
    assert added(held) == pytest.approx({"swaps": 0.6, "syn": 0.3, "a~b*c%": 0.1})
    most = with_amount(shares, "swaps", 0.9, POOLS, ["syn"])
    assert added(most) == pytest.approx({"swaps": 0.7, "syn": 0.3})
    alone = with_amount(shares, "swaps", 0.1, POOLS, ["syn", "a~b*c%"])  # nobody is left who could give way
    assert added(alone) == pytest.approx({"swaps": 0.5, "syn": 0.3, "a~b*c%": 0.2})


def test_shares_give_way_and_add_up_to_one():
    mix = with_amount(Mix(unit="share"), "swaps", 0.3, POOLS)
    assert (added(mix), mix.size) == ({"swaps": 1.0}, 168)  # alone, it has all that gold leaves
    mix = with_amount(mix, "syn", 0.25, POOLS)
    assert added(mix) == {"swaps": 0.75, "syn": 0.25}
    assert plan(mix, POOLS) == {GOLD: 84, "swaps": 63, "syn": 21}
    mix = with_amount(with_amount(mix, "syn", 0.0, POOLS), "swaps", 0.0, POOLS)
    assert (mix.parts, mix.size) == ({}, None)
    assert plan(mix, POOLS) == {GOLD: 84}


@given(mixes, st.sampled_from(UNITS), st.sampled_from(NAMES), st.floats(0, 1))
def test_a_new_amount_can_always_be_drawn(mix, unit, name, amount):
    mix = with_amount(converted(mix, unit, POOLS), name, float(round(amount)) if unit == "rows" else amount, POOLS)
    assert list(mix.parts) == [other for other in NAMES if other in mix.parts]
    assert plan(mix, POOLS)[GOLD] == min(84, cap(mix.max_repeats, 84))


def test_a_mix_is_levelled_to_what_is_there():
    mix = Mix({"swaps": Part(84, "rows"), "gone": Part(3.0), "syn": Part(0.5), "empty": Part(1.0)})
    pools = POOLS | {"empty": 0}
    assert absent(mix, pools) == ["gone", "empty"]
    assert levelled(mix, pools).parts == {"swaps": Part(1.0), "syn": Part(0.5)}
    shares = Mix({"swaps": Part(0.5), "gone": Part(0.5)}, "share", 168)
    assert levelled(shares, POOLS).parts == {"swaps": Part(1.0)}
    half = Mix({GOLD: Part(42, "rows"), "syn": Part(1.0)})
    assert levelled(half, POOLS).parts == {GOLD: Part(0.5, "times_gold"), "syn": Part(1.0)}
    assert levelled(Mix({"gone": Part(1.0)}, "share", 100), POOLS) == Mix(unit="share")


def test_a_slider_ends_where_the_pool_does_but_never_short_of_the_amount():
    mix = Mix({"syn": Part(9.0)}, max_repeats=1.0)
    assert limit(mix, "syn", POOLS) == 139 / 84
    assert end(mix, "swaps", POOLS) == 2.65  # 219 / 84 = 2.607
    assert end(mix, "syn", POOLS) == 9.0
    assert end(replace(mix, max_repeats=4), "swaps", POOLS) == 5.0
    assert end(Mix(unit="rows", max_repeats=1.0), "swaps", POOLS) == 219
    assert end(Mix(unit="share"), "swaps", POOLS) == 1.0


def test_presets():
    mix = Mix({"swaps": Part(2.0)}, seed=3)
    assert uniform(mix, POOLS).parts == {name: Part(0.5) for name in NAMES}
    assert plan(uniform(replace(mix, unit="share", size=252, parts={"swaps": Part(1.0)}), POOLS), POOLS)["syn"] == 42
    assert without_additions(mix) == Mix(seed=3)


@given(mixes, st.sampled_from(UNITS))
def test_spelling_zeros_out_draws_the_same(mix, unit):
    mix = converted(mix, unit, POOLS)
    rows = plan(spelled_out(mix, POOLS), POOLS)
    assert list(rows) == list(POOLS)
    assert {name: n for name, n in rows.items() if n} == {name: n for name, n in plan(mix, POOLS).items() if n}


def test_a_history_undoes_redoes_and_forgets_what_was_undone():
    states = [Mix(seed=n) for n in range(120)]
    history = History((states[0],))
    for state in states[1:]:
        history = history.edited(state).edited(state)
    assert history.moved(-50).mix == states[69]
    assert history.moved(-50).moved(50).mix == states[119]
    assert history.moved(-1000).mix == states[20]
    other = history.moved(-2).edited(Mix(seed=999))
    assert (other.mix, other.moved(1).mix, other.moved(-1).mix) == (Mix(seed=999), Mix(seed=999), states[117])
