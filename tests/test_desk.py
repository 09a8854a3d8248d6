"""The desk: a forecast stands alone until real runs correct it, bands hold what they say, real runs are dots."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import project as projects
from core.agreement import agreement, chosen
from core.desk import CORRECTED, Desk, Trained, trained, value_of
from core.errors import CoreError
from core.forecast.forecast import Outlook
from core.forecasting import Prospect
from core.launch import standing
from core.mix import GOLD
from core.report.outlook import OutlookRow, outlook, reach
from core.sample import open_sample
from core.workspace import Workspace

LABELS = ("person", "place", "rare")
SUPPORT = (200, 100, 10)


def totals(recalls: tuple[float, float, float], precision: float = 0.8) -> np.ndarray:
    """What some recalls come to. *Shape:* (3, labels)."""
    right = np.round(np.array(recalls) * SUPPORT)
    return np.stack([right, np.round(right / precision), np.array(SUPPORT, float)]).astype(np.int64)


class Linear:
    """A forecast by a rule: recall grows with `a`, and it thinks too little of it."""

    labels = LABELS

    def of(self, drawn: dict[str, int]) -> Outlook:
        return Outlook(LABELS, totals(tuple(0.3 + 0.1 * drawn.get("a", 0) / 100 for _ in LABELS)))


def truth(a: int, b: int, chance: float = 0.0) -> np.ndarray:
    return totals((0.4 + 0.2 * a / 100 + chance, 0.5 - 0.1 * b / 100 + chance, 0.5))


def desk_of(runs: list[tuple[int, int]], forecast: bool = True, seeds: int = 2) -> Desk:
    rng = np.random.default_rng(0)
    made = [
        Trained(f"{a} {b}", {GOLD: 100, "a": a, "b": b}, np.stack([truth(a, b, c) for c in rng.normal(0, 0.01, seeds)]))
        for a, b in runs
    ]
    prospect = Prospect(Linear(), {GOLD: 100, "a": 200, "b": 200}) if forecast else None  # pyright: ignore[reportArgumentType]
    return Desk(LABELS, SUPPORT, ("a", "b"), 100, prospect, made)


def test_a_forecast_alone_has_the_band_of_forecasts_elsewhere():
    person, _, rare = desk_of([]).expected({GOLD: 100, "a": 100}, {GOLD: 100}, "recall")
    assert person.value == pytest.approx(0.1) and person.band is not None
    assert person.band[0] < person.value < person.band[1] and not person.real
    assert (person.support, rare.label) == (200, "rare")
    assert desk_of([]).trust.of == 0


def test_nothing_is_said_where_nothing_is_known():
    desk = desk_of([], forecast=False)
    assert not desk.knows
    assert desk.expected({GOLD: 100, "a": 100}, {GOLD: 100}, "recall")[0].value is None


def test_real_runs_correct_a_forecast():
    mixes = [(0, 0), (100, 0), (0, 100), (50, 50), (150, 50), (20, 150), (80, 80), (150, 150), (0, 50), (120, 20)]
    person, place, _ = desk_of(mixes).expected({GOLD: 100, "a": 130}, {GOLD: 100}, "recall")
    assert person.value == pytest.approx(0.26, abs=0.05)  # the forecast alone said 0.13
    assert person.band is not None and person.band[0] < 0.26 < person.band[1] and person.band[0] > 0
    assert abs(place.value or 0) < 0.04
    worse = desk_of(mixes).expected({GOLD: 100, "b": 150}, {GOLD: 100}, "recall")[1]
    assert worse.value == pytest.approx(-0.15, abs=0.05)


def test_few_mixes_correct_nothing():
    few = [(0, 0), (100, 0), (0, 100), (50, 50)]
    assert len(few) < CORRECTED
    assert desk_of(few).expected({GOLD: 100, "a": 100}, {GOLD: 100}, "recall")[0].value == pytest.approx(0.1)


def test_the_runs_of_a_mix_are_dots_against_the_mean_of_the_baseline():
    desk = desk_of([(0, 0), (100, 0)], seeds=3)
    found = desk.expected({GOLD: 100, "a": 100}, {GOLD: 100}, "recall")[0]
    base = value_of(desk.trained[0].totals, 0, "recall").mean()
    assert found.real == pytest.approx([float(v) - base for v in value_of(desk.trained[1].totals, 0, "recall")])
    assert not desk.expected({GOLD: 100, "a": 99}, {GOLD: 100}, "recall")[0].real
    assert desk.overall({GOLD: 100, "a": 100}, {GOLD: 100}).real == pytest.approx(
        value_of(desk.trained[1].totals, None, None) - value_of(desk.trained[0].totals, None, None).mean()
    )


def test_trust_counts_pairs_in_the_right_order():
    trust = desk_of([(0, 0), (100, 0), (150, 0)]).trust
    assert (trust.right, trust.of, trust.corrected) == (3, 3, False)
    backwards = [(0, 0), (20, 200), (40, 200)]  # what the forecast doesn't see outweighs what it does
    assert desk_of(backwards).trust.right == 1
    many = [(0, 0), (100, 0), (0, 100), (50, 50), (150, 50), (20, 150)]
    found = desk_of(many).trust
    assert found.corrected and found.of == 15 and found.right >= 11


def test_mixes_of_other_ingredients_or_of_a_part_of_gold_do_not_count():
    other = Trained("other", {GOLD: 100, "c": 50}, np.stack([truth(0, 0)]))
    part = Trained("part", {GOLD: 50}, np.stack([truth(0, 0)]))
    desk = desk_of([(0, 0), (100, 0)])
    more = Desk(LABELS, SUPPORT, ("a", "b"), 100, desk.prospect, [*desk.trained, other, part])
    assert more.trust.of == 0  # two mixes are left


def test_the_trained_mixes_of_a_project(tmp_path: Path):
    space = Workspace.open(tmp_path / "w")
    open_sample(space, "newsroom")
    project = projects.load(space, "newsroom")
    stage = standing(space, project).stage
    assert stage is not None
    found = trained(space, project, stage)
    assert len(found) == 5 and all(one.totals.shape == (8, 3, 4) for one in found)
    assert min(len(one.drawn) for one in found) == 1 and all(one.drawn[GOLD] == 84 for one in found)
    five = chosen(found, 5)
    assert len(five) == 5 and [*chosen(found, 3)[0].drawn] == [GOLD] and len(chosen(found, 3)) == 3
    with pytest.raises(CoreError) as few:
        chosen(found[:2])
    assert few.value.code == "agreement_few"
    same, other = (agreement(space, project, stage, name) for name in (project.recipe.train.model, "another"))
    assert (same.right, same.of) == (10, 10) and same.clear == same.clear_right > 0
    assert other.of == 0 and not other.mixes
    slower = replace(project, recipe=replace(project.recipe, train=replace(project.recipe.train, steps=99)))
    assert trained(space, slower, stage) == []


def test_a_figure_shows_hollow_forecasts_bands_and_dots():
    rows = [
        OutlookRow("<b>place</b>", 0.04, (-0.02, 0.5), (0.01, 0.02), 120, "can't tell"),
        OutlookRow("rare", None, None, (), 3, "too few", faint=True),
    ]
    to = reach(rows)
    band, diamond, dots, _ = outlook(rows, "Recall", ("Forecast", "Band", "Real"), to).data
    assert to == 0.2 and reach(rows, 0.5) == 0.5
    assert reach([OutlookRow("x", 0.27, None, (), 50, "")]) == 0.3
    assert list(band.x) == [-2, 20, None] and list(diamond.x) == [4] and list(dots.x) == [1, 2]
    assert diamond.marker.symbol == "diamond-open"
    assert "<b>place" not in str(diamond.hovertext)
