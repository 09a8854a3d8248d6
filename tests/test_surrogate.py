"""The Gaussian process over mixes, on functions whose answer is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from core.search.designs import start
from core.search.rates import log_odds, rate
from core.search.space import Space
from core.search.surrogate import CALIBRATED, Surrogate, averaged, conditioned, fit

NAMES = ("swaps", "synonyms", "back", "noise")
SEED_SD = 0.015
Function = Callable[[np.ndarray], np.ndarray]


def design(count: int) -> np.ndarray:
    found = start(Space(dict.fromkeys(NAMES, 3.0)), count)
    return np.array([[mix.get(name, 0.0) for name in NAMES] for mix in found])


def truth(amounts: np.ndarray) -> np.ndarray:
    """One ingredient helps up to a point, one saturates, one hurts, one does nothing."""
    roots = np.sqrt(amounts)
    return 0.45 + 0.06 * roots[:, 0] - 0.025 * amounts[:, 0] + 0.03 * np.tanh(roots[:, 1]) - 0.03 * roots[:, 2]


def measured(count: int, seed: int, seeds: int = 2) -> tuple[np.ndarray, np.ndarray]:
    runs = np.repeat(design(count), seeds, axis=0)
    return runs, truth(runs) + np.random.default_rng(seed).normal(0, SEED_SD, len(runs))


def elsewhere() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 2, (300, len(NAMES)))


def fitted(count: int, seed: int = 0) -> Surrogate:
    scores = averaged(*measured(count, seed))
    return fit(scores.amounts, scores.values, scores.noise)


def test_mixes_that_were_never_trained_are_ranked_as_they_are() -> None:
    mean, _ = fitted(24).at(elsewhere())
    assert np.corrcoef(mean, truth(elsewhere()))[0, 1] > 0.75


def test_its_bands_hold_what_they_say() -> None:
    held: list[float] = []
    for seed in range(6):
        mean, sd = fitted(18, seed).at(elsewhere())
        held.append(float((np.abs(mean - truth(elsewhere())) < 1.645 * sd).mean()))
    assert 0.8 < np.mean(held) <= 1.0


def test_it_is_surer_where_something_was_trained() -> None:
    found = fitted(12)
    near, far = found.at(found.roots[:1] ** 2)[1], found.at(np.full((1, len(NAMES)), 5.0))[1]
    assert near[0] < 0.7 * far[0]


def test_scores_of_another_scale_give_the_same() -> None:
    scores = averaged(*measured(12, 0))
    one = fit(scores.amounts, scores.values, scores.noise)
    other = fit(scores.amounts, 7 + 100 * scores.values, 100**2 * scores.noise)
    assert other.at(elsewhere())[0] == pytest.approx(7 + 100 * one.at(elsewhere())[0], abs=1e-6)
    assert other.at(elsewhere())[1] == pytest.approx(100 * one.at(elsewhere())[1], rel=1e-6)


def test_repeats_of_a_mix_count_once_with_less_noise() -> None:
    scores = averaged(np.array([[1.0], [1.0], [0.0]]), np.array([0.5, 0.52, 0.4]), seed_sd=0.02)
    assert scores.amounts.tolist() == [[0.0], [1.0]]
    assert scores.values == pytest.approx([0.4, 0.51])
    assert scores.noise[0] == pytest.approx(2 * scores.noise[1])
    assert scores.noise[0] == pytest.approx((2 * 0.01**2 + 3 * 0.02**2) / 4)


def test_a_forecast_that_is_right_helps_and_one_that_is_wrong_does_little_harm() -> None:
    real, rng = truth(elsewhere()), np.random.default_rng(5)

    def off(of: Function | None) -> float:
        """How far off it is from 6 mixes, on average over 8 draws of seeds."""
        found: list[float] = []
        for seed in range(8):
            scores = averaged(*measured(6, seed))
            prior = None if of is None else of(scores.amounts)
            process = fit(scores.amounts, scores.values, scores.noise, prior)
            found.append(float(np.std(process.at(elsewhere(), None if of is None else of(elsewhere()))[0] - real)))
        return float(np.mean(found))

    alone = off(None)
    assert off(lambda amounts: 0.2 + 0.4 * truth(amounts)) < 0.75 * alone
    assert off(lambda amounts: rng.normal(0, 0.02, len(amounts))) < 1.15 * alone


def test_a_forecast_that_makes_no_difference_among_what_was_trained_says_little_of_others() -> None:
    scores = averaged(*measured(6, 0))
    flat = fit(scores.amounts, scores.values, scores.noise, cast=lambda amounts: 0.3 + 0.01 * (amounts[:, 0] > 9))
    far = np.full((1, len(NAMES)), 10.0)
    plain = fit(scores.amounts, scores.values, scores.noise)
    assert flat.at(far)[1][0] < 3 * plain.at(far)[1][0]


def test_one_mix_is_enough_to_begin_with() -> None:
    found = fit(np.zeros((1, 2)), np.array([0.4]), np.array([0.02**2]))
    mean, sd = found.at(np.array([[0.0, 0.0], [2.0, 2.0]]))
    assert mean == pytest.approx([0.4, 0.4], abs=1e-3)
    assert 0 < sd[0] < sd[1]


def test_what_is_left_out_is_expected_from_the_others_alone() -> None:
    scores = averaged(*measured(10, 0))
    found = fit(scores.amounts, scores.values, scores.noise)
    mean, sd = found.held_out()
    rest = np.arange(len(scores.values)) != 4
    kept = {name: getattr(found, name)[rest] for name in ("roots", "targets", "noise", "prior")}
    without = conditioned(replace(found, **kept))
    expected, latent = without.at(scores.amounts[4:5])
    assert mean[4] == pytest.approx(expected[0], abs=1e-5)
    assert sd[4] == pytest.approx(np.hypot(latent[0], found.seed_noise[4]), rel=1e-2)


def test_bands_are_not_calibrated_before_there_are_enough_mixes() -> None:
    assert fitted(CALIBRATED - 1).stretch() is None
    wide = fitted(18).stretch()
    assert wide is not None and 0.8 < wide < 3.5


def test_what_was_believed_is_no_longer_uncertain() -> None:
    found, point = fitted(9), np.array([[0.0, 0.0, 2.0, 2.0]])
    believed = found.believing(point)
    assert believed.at(point)[0] == pytest.approx(found.at(point)[0], abs=1e-6)
    assert believed.at(point)[1][0] < 0.8 * found.at(point)[1][0]


def test_rates_go_to_log_odds_and_back() -> None:
    right, of = np.array([0, 5, 0, 300]), np.array([5, 5, 0, 400])
    there = rate(log_odds(right, of))
    assert there == pytest.approx([0.5 / 6, 5.5 / 6, 0.5, 300.5 / 401])
    assert np.isfinite(log_odds(right, of)).all()
