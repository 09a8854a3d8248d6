"""What a search does next, where scores are good enough, what ingredients are worth: on functions that are known."""

from itertools import permutations

import numpy as np
import pytest

from core.evaluation.verdicts import MARGIN
from core.search.attribution import attribute
from core.search.between import Between
from core.search.designs import STEP, start
from core.search.response import Rates, Response
from core.search.rounds import Judge, Seen, Terms, candidates, improvement, next_mix, to_repeat
from core.search.space import Space
from core.search.surrogate import averaged, fit
from tests.test_surrogate import NAMES, SEED_SD, measured, truth

SPACE = Space(dict.fromkeys(NAMES, 3.0))
NOTHING = np.zeros((0, len(NAMES)))


def searched(steps: int, terms: Terms, seed: int) -> np.ndarray:
    """The mixes of a search that begins with eight and goes on one by one."""
    rng = np.random.default_rng(seed)
    begun = start(SPACE, 8, seed)
    tried = np.array([[mix.get(name, 0.0) for name in NAMES] for mix in begun])
    values, held = truth(tried) + rng.normal(0, SEED_SD, len(tried)), 0.9 - 0.1 * tried[:, 0]
    for _ in range(steps):
        found = next_mix(Seen(tried, values, held), NOTHING, SPACE, terms, seed)
        assert found is not None
        tried = np.concatenate([tried, found[0][None]])
        values = np.append(values, truth(found[0][None]) + rng.normal(0, SEED_SD))
        held = np.append(held, 0.9 - 0.1 * found[0][0])
    return tried


def test_it_finds_better_mixes_than_chance() -> None:
    pool = candidates(SPACE, NOTHING, 0)
    top, chosen, chance = truth(pool).max(), [], []
    for seed in range(3):
        tried = searched(12, Terms(), seed)
        chosen.append(truth(tried[-6:]).mean())
        chance.append(truth(pool[np.random.default_rng(seed).integers(len(pool), size=20)]).mean())
    assert np.mean(chosen) > np.mean(chance) + 0.6 * (top - np.mean(chance))


def test_the_same_is_asked_after_the_same_runs_and_nothing_twice() -> None:
    tried = searched(5, Terms(), 3)
    assert (tried == searched(5, Terms(), 3)).all()
    assert len(np.unique(tried, axis=0)) == len(tried)
    assert np.allclose(tried / STEP, np.round(tried / STEP)) and (tried <= 3).all()


def test_what_runs_is_not_asked_for_again() -> None:
    amounts, values = measured(8, 0, 1)
    first = next_mix(Seen(amounts, values), NOTHING, SPACE, Terms(), 0)
    assert first is not None
    second = next_mix(Seen(amounts, values), first[0][None], SPACE, Terms(), 0)
    assert second is not None and np.abs(second[0] - first[0]).max() >= STEP


def test_a_price_makes_mixes_smaller_and_a_condition_is_kept() -> None:
    free, dear, bound = (searched(7, terms, 0)[8:] for terms in (Terms(), Terms(price=0.05), Terms(least=0.85)))
    assert dear.sum() < 0.5 * free.sum()
    assert (bound[:, 0] <= 0.6).mean() > 0.8 > (free[:, 0] <= 0.6).mean()  # 0.9 - 0.1 x: at most 0.5 of the first


def test_a_forecast_leads_the_first_step_there() -> None:
    amounts, values = measured(8, 0, 1)
    cast = Terms(cast=lambda mixes: 0.4 + 0.2 * (mixes[:, 1] > 2) + 0 * mixes[:, 0])
    values = values + 0.2 * (amounts[:, 1] > 0.8)
    plain, led = (next_mix(Seen(amounts, values), NOTHING, SPACE, terms, 0) for terms in (Terms(), cast))
    assert plain is not None and led is not None and led[0][1] > 2 >= plain[0][1]


VARIANTS = Space({"a": 3.0, "x 1": 3.0, "x 2": 1.0, "x 3": 3.0}, (("x 1", "x 2", "x 3"),))


def test_a_mix_has_one_variant_of_an_ingredient_at_most() -> None:
    begun = [[mix.get(name, 0.0) for name in VARIANTS.names] for mix in start(VARIANTS, 12)]
    near = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 0.0, 0.0, 2.0]])
    found = candidates(VARIANTS, near, 0)
    for mixes in (np.array(begun), found):
        assert VARIANTS.holds(mixes).all() and (mixes <= VARIANTS.limits).all() and (mixes > 0).any(axis=0).all()
    assert sum(max(mix[1:]) >= 0.8 for mix in begun[:4]) == 3  # a corner for each variant
    assert not VARIANTS.holds(np.array([[0.0, 1.0, 1.0, 0.0]])).any()
    assert VARIANTS.others("x 2") == [1, 3] and VARIANTS.others("a") == []
    shares, which = VARIANTS.gathered(near)
    assert (VARIANTS.placed(shares, which) == near).all()


def test_between_what_is_known_a_function_is_as_it_is() -> None:
    known, asked = candidates(SPACE, NOTHING, 1)[::8], candidates(SPACE, NOTHING, 2)[1::8]
    found = Between.through(known, truth(known)[:, None])
    assert found.at(known)[:, 0] == pytest.approx(truth(known), abs=1e-9)
    assert np.sqrt(np.mean((found.at(asked)[:, 0] - truth(asked)) ** 2)) < 0.1 * truth(asked).std()
    assert found.at(np.full((1, 4), 50.0)) == pytest.approx(found.at(known.max(axis=0)[None]))


def test_a_mix_that_does_not_meet_the_condition_comes_last() -> None:
    amounts, values = measured(12, 0, 1)
    judge = Judge.of(Seen(amounts, values, 0.9 - 0.1 * amounts[:, 0]), Terms(least=0.8))
    order = judge.order(amounts)
    meets = amounts[order, 0] <= 1.0
    assert meets[: meets.sum()].all()


def test_expected_improvement() -> None:
    rng = np.random.default_rng(0)
    for mean, sd in ((0.0, 1.0), (-1.0, 0.5), (0.3, 0.1)):
        drawn = np.maximum(rng.normal(mean, sd, 400_000) - 0.2, 0).mean()
        assert improvement(np.array([mean]), np.array([sd]), 0.2)[0] == pytest.approx(drawn, rel=0.02, abs=1e-4)


def test_the_better_half_gets_another_seed() -> None:
    order = [3, 1, 0, 2]  # 3 is the best
    assert to_repeat(order, [1, 1, 1, 1], [1, 1, 1, 1], 4) == 3
    assert to_repeat(order, [1, 1, 1, 1], [1, 1, 1, 2], 4) == 1
    assert to_repeat(order, [1, 2, 1, 2], [1, 2, 1, 2], 4) == 3  # of two with two repeats one goes on
    assert to_repeat(order, [1, 2, 1, 4], [1, 2, 1, 4], 4) is None
    assert to_repeat(order, [1, 1, 1, 1], [1, 1, 1, 1], 1) is None
    assert to_repeat(order, [1, 0, 1, 1], [1, 1, 1, 2], 4) is None  # of three that are in one goes on
    assert to_repeat(order, [1, 1, 1, 1], [1, 1, 1, 1], 4, least=[2]) == 2


def response(count: int = 16) -> Response:
    """Of a label with 200 mentions."""
    amounts, values = measured(count, 0)
    return Response.of(Rates(amounts, np.round(200 * values), np.full(len(values), 200.0)))


def test_the_good_region_holds_the_best_and_leaves_out_what_is_shown_to_be_worse() -> None:
    found = response(20)
    pool = candidates(SPACE, NOTHING, 0)
    best = found.best(pool)
    good = found.good(pool, best)
    assert found.good(best[None], best).all() and 0 < good.mean() < 0.9
    assert truth(pool[good]).mean() > truth(pool[~good]).mean() + 0.01
    below = found.at(best[None])[0][0] - found.at(pool)[0]
    assert below[good].max() <= MARGIN and below[~good].min() > 0
    far = np.full((1, 4), 3.0)  # where nothing was tried all is uncertain
    assert not found.good(far, best).any() and found.at(far)[2][0] > found.at(best[None])[1][0]
    curve = found.curve(best, 2, 3.0, best)  # the ingredient that hurts
    assert curve.mean[0] > curve.mean[-1] and curve.good[0] and not curve.good[-1]
    assert (curve.low <= curve.mean).all() and (curve.mean <= curve.high).all() and (curve.high < 1).all()


def test_a_plane_agrees_with_the_curves_that_cross_it() -> None:
    found = response()
    mix = np.array([0.5, 0.5, 0.0, 0.0])
    plane = found.plane(mix, (0, 2), (2.0, 3.0), mix)
    assert plane.mean.shape == (len(plane.other), len(plane.at))
    at = mix.copy()
    at[0], at[2] = plane.at[5], plane.other[9]
    assert plane.mean[9, 5] == pytest.approx(found.at(at[None])[0][0])


def test_values_are_what_ingredients_add_on_average_over_all_orders() -> None:
    scores = averaged(*measured(20, 1))
    process = fit(scores.amounts, scores.values, scores.noise)
    mix = np.array([1.0, 0.0, 0.5, 2.0])
    found = attribute(process, mix)
    present = [0, 2, 3]
    assert [share.ingredient for share in found.shares] == present

    def score(joined: tuple[int, ...]) -> float:
        row = np.zeros(4)
        row[list(joined)] = mix[list(joined)]
        return float(process.at(row[None])[0][0])

    orders = list(permutations(present))
    for share in found.shares:
        places = [order.index(share.ingredient) for order in orders]
        added = [score(o[: at + 1]) - score(o[:at]) for o, at in zip(orders, places, strict=True)]
        assert share.value.mean == pytest.approx(np.mean(added))
        rest = tuple(at for at in present if at != share.ingredient)
        assert share.last.mean == pytest.approx(score(tuple(present)) - score(rest))
    assert sum(share.value.mean for share in found.shares) == pytest.approx(found.lead.mean)
    assert found.lead.mean == pytest.approx(score(tuple(present)) - score(()))
    assert attribute(process, np.zeros(4)).shares == ()


def test_values_tell_what_helps_from_what_hurts() -> None:
    scores = averaged(*measured(40, 2))
    found = attribute(fit(scores.amounts, scores.values, scores.noise), np.ones(4))
    helps, saturates, hurts, nothing = (share.value for share in found.shares)
    assert helps.sign == 1 and saturates.sign >= 0 and hurts.sign == -1
    low, high = nothing.interval
    assert low < 0 < high


def test_a_band_is_as_wide_as_mixes_that_were_left_out_say() -> None:
    found, pool = response(16), candidates(SPACE, NOTHING, 0)[:5]
    stretch = found.process.stretch()
    assert stretch is not None
    mean, sd = found.process.at(pool)
    assert found.at(pool)[1] == pytest.approx(1 / (1 + np.exp(-(mean - stretch * sd))))
    few = response(5)
    mean, sd = few.process.at(pool)
    assert few.process.stretch() is None and few.at(pool)[2] == pytest.approx(1 / (1 + np.exp(-(mean + 1.645 * sd))))
