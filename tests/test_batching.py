"""Batches under a budget, and how epochs, warm-up and looks at dev become steps."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.models.batching import count, cuts, epoch, in_order, padded
from core.training.settings import TrainParams

FAST = settings(max_examples=100, deadline=None)
lengths = st.lists(st.integers(1, 60), max_size=60).map(lambda found: np.array(found, dtype=np.int64))
budgets = st.integers(8, 200)
seeds = st.integers(0, 2**31 - 1)


def within(batches: list[np.ndarray], sizes: np.ndarray, budget: int) -> bool:
    """Whether no batch is over the budget, padding included, but for single rows that are too long themselves."""
    return all(len(batch) == 1 or len(batch) * sizes[batch].max() <= budget for batch in batches)


@given(lengths, budgets, seeds, st.integers(0, 50))
@FAST
def test_every_row_comes_once_a_pass_and_no_batch_is_over_budget(sizes, budget, seed, number):
    batches = epoch(sizes, budget, seed, number)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(sizes)))
    assert all(len(batch) for batch in batches)
    assert within(batches, sizes, budget)


@given(lengths, budgets, st.lists(seeds, min_size=2, max_size=5))
@FAST
def test_the_number_of_batches_is_known_before_any_order_is_drawn(sizes, budget, some):
    """Epochs become steps from the realised draw, for all seeds alike."""
    assert {len(epoch(sizes, budget, seed, number)) for number, seed in enumerate(some)} == {count(sizes, budget)}


@given(lengths, budgets)
@FAST
def test_there_are_as_few_batches_as_sorted_rows_allow(sizes, budget):
    """No two neighbours could be one: a cut is made only where the next row would not fit."""
    ordered = np.sort(sizes)
    edges = cuts(ordered, budget)
    assert (edges[0], edges[-1]) == (0, len(sizes))
    for start, cut in pairwise(edges[:-1]):
        assert (cut - start + 1) * ordered[cut] > budget


@given(lengths, budgets, seeds)
@FAST
def test_the_same_seed_and_pass_give_the_same_batches(sizes, budget, seed):
    def rows(of: list[np.ndarray]) -> list[list[int]]:
        return [batch.tolist() for batch in of]

    assert rows(epoch(sizes, budget, seed, 3)) == rows(epoch(sizes.copy(), budget, seed, 3))


def test_seeds_and_passes_order_rows_and_batches_anew():
    sizes = np.repeat(np.arange(5, 15), 20)
    found = {
        tuple(row for batch in epoch(sizes, 64, seed, number) for row in batch) for seed in (0, 1) for number in (0, 1)
    }
    assert len(found) == 4
    first = [sizes[batch].max() for batch in epoch(sizes, 64, 0, 0)]
    assert first != sorted(first)  # not from short to long


def test_rows_of_like_length_share_a_batch():
    sizes = np.array([50, 5, 50, 5, 50, 5])
    assert sorted(sorted(sizes[batch].tolist()) for batch in epoch(sizes, 100, 0, 0)) == [[5, 5, 5], [50], [50, 50]]


def test_without_rows_there_are_no_batches():
    none = np.empty(0, dtype=np.int64)
    assert (count(none, 100), epoch(none, 100, 0, 0), in_order(none, 100)) == (0, [], [])


@given(lengths, budgets)
@FAST
def test_for_prediction_every_row_comes_once_the_longest_first(sizes, budget):
    batches = in_order(sizes, budget)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(sizes)))
    assert within(batches, sizes, budget)
    longest = [int(sizes[batch].max()) for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(-1, 1))
@FAST
def test_padding_fills_up_to_the_longest_row(rows, fill):
    ends = np.cumsum([0, *map(len, rows)])
    found = padded(np.array([value for row in rows for value in row]), ends, np.arange(len(rows)), fill)
    assert found.dtype == np.int64
    assert found.shape == (len(rows), max(map(len, rows)))
    for row, line in zip(rows, found.tolist(), strict=True):
        assert line == row + [fill] * (found.shape[1] - len(row))


# --- steps ---------------------------------------------------------------------------------------------------------


@given(st.floats(0.01, 100) | st.integers(1, 5000).map(lambda n: n / 1000), st.integers(1, 10_000))
@FAST
def test_epochs_become_steps_half_a_step_up(epochs, batches):
    """`epochs` (a number > 0, may be fractional): exact in decimal, at least one step."""
    on_paper = math.floor(Fraction(str(epochs)) * batches + Fraction(1, 2))
    assert TrainParams(epochs=epochs).steps_for(batches) == max(1, on_paper)


@pytest.mark.parametrize(
    ("epochs", "batches", "steps"), [(4.0, 108, 432), (0.5, 3, 2), (0.145, 100, 15), (0.001, 5, 1), (1.005, 100, 101)]
)
def test_some_epochs_by_hand(epochs, batches, steps):
    assert TrainParams(epochs=epochs).steps_for(batches) == steps


def test_steps_are_steps_whatever_the_batches():
    assert TrainParams(steps=7).steps_for(1000) == 7


@given(st.integers(1, 500), st.integers(1, 12))
@FAST
def test_looks_at_dev_are_evenly_spaced_and_the_last_is_at_the_end(steps, looks):
    params = TrainParams(evaluations=looks)
    found = sorted(params.evaluation_steps(steps, params.looks(1, 1)))
    assert (found[-1], len(found)) == (steps, min(looks, steps))
    assert found[0] >= 1
    gaps = [later - earlier for earlier, later in pairwise([0, *found])]
    assert max(gaps) - min(gaps) <= 1


@given(st.integers(1, 400), st.floats(0, 0.99), st.floats(1e-6, 1))
@FAST
def test_the_rate_rises_to_its_peak_and_falls_towards_nought(steps, warmup, peak):
    params = TrainParams(warmup=warmup, learning_rate=peak)
    rates = [params.rate(step, steps) for step in range(steps)]
    rising = math.ceil(warmup * steps)
    assert max(rates) == pytest.approx(peak)
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert all(earlier < later for earlier, later in pairwise(rates[:rising]))
    assert all(earlier > later for earlier, later in pairwise(rates[rising:]))
    if rising < steps:
        assert rates[rising] == pytest.approx(peak)
        assert rates[-1] == pytest.approx(peak / (steps - rising))
        assert params.rate(steps, steps) == 0  # where the line would end


def test_the_rate_by_hand():
    params = TrainParams(warmup=0.2, learning_rate=1.0)
    expected = [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]
    assert [params.rate(step, 10) for step in range(10)] == pytest.approx(expected)
