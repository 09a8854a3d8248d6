"""How far confidence can be trusted, by hand and by simulation, and what thresholds keep; the figures, the page."""

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import contrast
from core.commands.answer import Setting
from core.commands.arguments import parser
from core.commands.trust import trust
from core.corpus import Corpus, Schema
from core.errors import CoreError
from core.evaluation.calibration import (
    Bin,
    Marked,
    Reliability,
    best_threshold,
    effect,
    reliability,
    threshold_curve,
)
from core.evaluation.scoring import score
from core.groups import Group, counts_of
from core.report import trust as figures
from core.report.canvas import GREY
from core.report.figures import PALETTE
from core.sample import open_sample
from core.tasks.tagging import TABLE
from core.trust import carried, curve, marked, marks, reliable
from core.workspace import Workspace
from tests.test_figures import HOSTILE, strings
from tests.trust_page import opened, said


def run(confidence: list[float], right: list[int], label: list[int] | None = None, rows: int = 0) -> Marked:
    """Marked mentions, one a row."""
    size = len(confidence)
    parts = (confidence, np.array(right, dtype=bool), label or [0] * size, np.arange(size) + rows)
    return Marked(*(np.asarray(part) for part in parts))


def drawn(rng: np.random.Generator, size: int, truth: Any = lambda sure: sure) -> Marked:
    """Mentions of which the share `truth(confidence)` is right."""
    sure = rng.uniform(0.3, 1, size)
    return Marked(sure, rng.random(size) < truth(sure), np.zeros(size, dtype=int), np.arange(size))


def test_bins_hold_equally_many_and_the_error_is_that_of_the_definition():
    found = reliability([run([0.1, 0.2, 0.8, 0.9], [0, 1, 1, 1])], bins=2, draws=50)
    low, high = found.bins
    assert (low.low, low.high, low.count, low.right) == (0.1, 0.2, 2, 0.5)
    assert (high.low, high.high, high.count, high.right) == (0.8, 0.9, 2, 1)
    assert (low.claimed, high.claimed) == (pytest.approx(0.15), pytest.approx(0.85))
    assert found.error == pytest.approx(0.5 * abs(0.5 - 0.15) + 0.5 * abs(1 - 0.85))
    assert (found.claimed, found.right) == (pytest.approx(0.5), 0.75)
    assert found.lean == "few"


def test_means_are_over_runs_and_not_over_mentions():
    """A run that marks more does not count more, and no run is the best one."""
    many, few = run([0.9] * 30, [1] * 30), run([0.9] * 2, [0, 0])
    found = reliability([many, few], draws=50)
    assert (found.right, found.error) == (0.5, pytest.approx((0.1 + 0.9) / 2))
    assert found.spread == (pytest.approx(0.1), pytest.approx(0.9))
    [only] = found.bins
    assert (only.right, only.count) == (0.5, 16)


@given(st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]), min_size=1, max_size=60), st.randoms())
@settings(max_examples=60, deadline=None)
def test_equal_confidences_share_a_bin_and_order_makes_no_difference(values, order):
    right = [int(10 * value) % 2 for value in values]
    pairs = list(zip(values, right, strict=True))
    order.shuffle(pairs)
    one = reliability([run(values, right)], bins=4, draws=10)
    other = reliability([run(*(list(part) for part in zip(*pairs, strict=True)))], bins=4, draws=10)
    assert [(b.low, b.high, b.count) for b in one.bins] == [(b.low, b.high, b.count) for b in other.bins]
    assert one.error == pytest.approx(other.error)
    assert sum(b.count for b in one.bins) == len(values) and len(one.bins) <= 4
    ends = [end for b in one.bins for end in (b.low, b.high)]
    assert ends == sorted(ends) and all(a.high < b.low for a, b in zip(one.bins, one.bins[1:], strict=False))


def test_a_run_that_is_exactly_right_about_itself_is_called_so_as_often_as_promised():
    """The error is never 0; what chance makes of it is under the bound in about 95 of 100 runs."""
    rng = np.random.default_rng(1)
    found = [reliability([drawn(rng, 300)], draws=100, seed=at) for at in range(60)]
    assert sum(one.error <= one.chance for one in found) >= 52
    assert sum(one.lean == "fair" for one in found) >= 50
    assert all(one.error > 0 for one in found)


def test_a_run_that_promises_too_much_or_too_little_is_told_apart():
    rng = np.random.default_rng(2)
    leans = {
        "over": lambda sure: sure - 0.2,
        "under": lambda sure: np.minimum(1, sure + 0.2),
        "mixed": lambda sure: np.where(sure < 0.65, sure + 0.3, sure - 0.3),
    }
    for lean, truth in leans.items():
        found = reliability([drawn(rng, 1000, truth) for _ in range(3)], draws=200)
        assert found.lean == lean
        assert found.error > found.chance
    assert reliability([drawn(rng, 29)]).lean == "few"


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(3)
    inside = [
        b.interval[0] <= b.claimed <= b.interval[1]
        for at in range(40)
        for b in reliability([drawn(rng, 400)], bins=5, draws=200, seed=at).bins
        if b.interval
    ]
    assert 0.86 <= np.mean(inside) <= 0.99


def test_mentions_of_one_sentence_stand_or_fall_together():
    """Intervals resample sentences: ten mentions each, all right or all wrong, are worth one."""
    rows = np.repeat(np.arange(20), 10)
    together = Marked(np.full(200, 0.5), rows % 2 == 0, np.zeros(200, dtype=int), rows)
    apart = Marked(together.confidence, together.right, together.label, np.arange(200))
    wide, narrow = (reliability([one]).bins[0].interval for one in (together, apart))
    assert wide and narrow and wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_runs_that_differ_widen_the_interval():
    good, bad = run([0.5] * 50, [1] * 50), run([0.5] * 50, [0] * 50)
    [found] = reliability([good, bad]).bins
    assert found.interval == (0.0, 1.0)


def test_nothing_marked_is_no_calibration():
    with pytest.raises(ValueError, match="calibration"):
        reliability([run([0.5], [1]), run([], [])])


def test_the_same_input_gives_the_same_figures():
    rng = np.random.default_rng(5)
    runs = [drawn(rng, 100), drawn(rng, 120)]
    assert reliability(runs) == reliability(runs)


def test_a_threshold_throws_away_what_is_less_sure():
    found = threshold_curve([run([0.2, 0.5, 0.8, 0.8], [0, 1, 1, 0])], gold=4)
    told = effect(found, 0.5)
    assert told.precision == (0.5, pytest.approx(2 / 3))
    assert told.recall == (0.5, 0.5)
    assert told.kept == (4, 3)
    assert told.f1 == (pytest.approx(0.5), pytest.approx(4 / 7))
    assert effect(found, 0.51).recall == (0.5, 0.25)  # .5 was at least .5
    assert effect(found, 0.81).precision == (0.5, None)  # nothing is left
    assert effect(found, 0.81).f1 == (pytest.approx(0.5), 0)
    assert best_threshold(found) == 0.21  # the lowest that throws the wrong one away


def test_curves_are_means_over_runs_between_the_lowest_and_the_highest():
    one, other = run([0.9, 0.4], [1, 0]), run([0.6], [0])
    found = threshold_curve([one, other], gold=2)
    assert found.precision.mean[0] == pytest.approx((0.5 + 0) / 2)
    assert (found.precision.low[50], found.precision.high[50]) == (0, 1)
    assert np.isnan(found.precision.mean[70])  # the second run keeps nothing
    assert found.recall.mean[70] == 0.25
    assert found.kept[0] == 1.5
    empty = threshold_curve([run([], []), one], gold=0)
    assert np.isnan(empty.precision.mean).all() and not empty.recall.mean.any()


def test_marks_are_strict_and_have_the_least_probable_word():
    rows = [
        (["A", "b", "c", "D"], ["B-X", "I-X", "O", "B-Y"], ["B-X", "I-X", "O", "B-X"], [0.9, 0.8, 0.1, 0.7]),
        (["E"], [None], ["B-X"], [0.6]),  # not known, so not scored
        (["F", "g"], ["B-X", "I-X"], ["B-X", "B-Y"], [0.5, 0.4]),
    ]
    blank = {"id": b"0" * 16, "origin": b"0" * 16, "parent": None, "text": None, "starts": None, "ends": None}
    table = pa.Table.from_pylist([blank | {"tokens": t, "tags": g} for t, g, _, _ in rows], schema=TABLE)
    predicted, sure = (pa.chunked_array([[row[at] for row in rows]]) for at in (2, 3))
    found = marked(Corpus(Schema("tagging", ("X", "Y")), table), predicted, sure, ("X", "Y"))
    order = np.lexsort((found.label, found.row, -found.confidence))
    told = zip(found.confidence[order], found.right[order], found.label[order], found.row[order], strict=True)
    assert [tuple(map(float, one)) for one in told] == [(0.8, 1, 0, 0), (0.7, 0, 0, 0), (0.5, 0, 0, 2), (0.4, 0, 1, 2)]
    with pytest.raises(ValueError, match="length"):
        marked(Corpus(Schema("tagging", ("X",)), table), predicted.slice(1), sure.slice(1), ("X",))


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Group]:
    """The sample with its finished runs, and its group that learned from gold alone."""
    space = Workspace.open(tmp_path_factory.mktemp("trust") / "ws")
    project = open_sample(space, "newsroom")
    group = contrast.gold_only(contrast.finished(space, project.slug))
    assert group is not None
    return space, group


@pytest.mark.parametrize("split", ["dev", "test"])
def test_without_a_threshold_the_rates_are_those_of_the_scores(sampled, split):
    space, group = sampled
    found, scored = marks(space, group, split), score(counts_of(space, group, split), draws=10)
    whole = curve(found)
    for name in ("precision", "recall", "f1"):
        assert getattr(whole, name).mean[0] == pytest.approx(scored.metrics[name].mean, abs=1e-12)
    for label, one in scored.per_label.items():
        mine = curve(found.of(label))
        assert mine.precision.mean[0] == pytest.approx(one.precision) and mine.recall.mean[0] == pytest.approx(
            one.recall
        )
    assert sum(len(found.of(label).runs[0].row) for label in found.labels) == len(found.runs[0].row)


def test_a_confidence_that_is_kept_in_single_precision_is_at_least_what_it_was(sampled):
    space, group = sampled
    sure = np.concatenate([one.confidence for one in marks(space, group, "test").runs])
    assert (sure == 0.9).sum() > 20 and (sure >= 0.9).sum() > (sure > 0.9).sum()


def test_the_threshold_of_dev_is_carried_over(sampled):
    space, group = sampled
    dev, test = (marks(space, group, split) for split in ("dev", "test"))
    there, here = carried(dev, test)
    assert there.threshold == here.threshold == best_threshold(curve(dev))
    assert there.f1[1] == curve(dev).f1.mean.max() >= there.f1[0]
    assert here == effect(curve(test), there.threshold) and here.f1 != there.f1


def test_the_sample_is_too_sure_on_test(sampled):
    found = reliable(marks(*sampled, "test"))
    assert found is not None and found.runs == 8
    assert found.lean == "over" and found.error > found.chance and found.claimed > found.right


def some_reliability() -> Reliability:
    bins = (Bin(0.1, 0.5, 0.25, 0.125, (0.0, 0.375), 12.5), Bin(0.6, 1.0, 0.75, 0.5, None, 12.0))
    return Reliability(bins, 0.2, (0.1, 0.3), 0.05, 0.5, 0.3, (0.1, 0.3), 24.5, 2)


def data(figure: Any) -> Any:
    return json.loads(figure.to_json())["data"]


def layout(figure: Any) -> Any:
    return json.loads(figure.to_json())["layout"]


WORDS = {"claimed": "Confidence", "right": "Right", "exact": "exact", "mentions": "mentions"}
RATES = {"threshold": "At least", "precision": "Precision", "recall": "Recall"}
COPIES = {"recall": "Recall", "clean": "unchanged", "noise:0.1": "noise", "swap": "names"}


def every_figure(name: str) -> dict[str, Any]:
    """One figure of each kind in which every name is `name`."""
    kept, colours = threshold_curve([run([0.9, 0.4], [1, 0]), run([0.6], [0])], gold=2), {name: PALETTE[0]}
    rows = [
        figures.Borne(name, None, {}, "", heading=True),
        figures.Borne(name, 0.75, {"noise:0.1": 0.5, "swap": 0.625}, PALETTE[0]),
        figures.Borne(name, 0.25, {"swap": 0.125}, PALETTE[1], faint=True),
    ]
    return {
        "reliability": figures.reliability({name: some_reliability()}, colours, dict.fromkeys(WORDS, name)),
        "thresholds": figures.thresholds({name: kept}, 0.8, colours, dict.fromkeys(RATES, name)),
        "robustness": figures.robustness(rows, dict.fromkeys(COPIES, name)),
    }


FIGURES = ("reliability", "thresholds", "robustness")


@pytest.mark.parametrize("kind", FIGURES)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_markup(kind, name):
    text = every_figure(name)[kind].to_json()
    assert "hovertemplate" not in json.dumps(data(every_figure(name)[kind]))
    for one in strings(json.loads(text)):
        bare = one.replace("<br>", "").removeprefix("<b>").removesuffix("</b>")
        assert not any(mark in bare for mark in "<>$") and one.isprintable(), one


@pytest.mark.parametrize("kind", FIGURES)
def test_axes_are_whole_and_figures_the_same_every_time(kind):
    figure = every_figure("PER")[kind]
    assert figure.to_json() == every_figure("PER")[kind].to_json()
    look = layout(figure)
    axes = ["xaxis"] if kind == "robustness" else ["xaxis", "yaxis"]
    assert all(look[axis]["range"] == [-2, 102] and look[axis]["fixedrange"] for axis in axes)
    assert look["paper_bgcolor"] == "rgba(0,0,0,0)" and "title" not in look


def test_a_reliability_figure_holds_rates_and_intervals():
    dots, diagonal = data(every_figure("gold")["reliability"])
    assert (dots["x"], dots["y"], dots["name"]) == ([25, 75], [12.5, 50], "gold")
    assert (dots["error_y"]["array"], dots["error_y"]["arrayminus"]) == ([25, 0], [12.5, 0])
    assert (diagonal["x"], diagonal["y"], diagonal["line"]["color"]) == ([0, 100], [0, 100], GREY)
    two = data(figures.reliability(dict.fromkeys("ab", some_reliability()), dict.fromkeys("ab", PALETTE[0]), WORDS))
    assert two[0]["marker"]["symbol"] != two[1]["marker"]["symbol"]  # not by colour alone


def test_a_threshold_figure_has_bands_that_end_where_a_run_keeps_nothing():
    band, precision, _, recall = data(every_figure("gold")["thresholds"])
    assert (precision["y"][50], precision["y"][70], precision["line"]["dash"]) == (50, None, "solid")
    assert (recall["y"][0], recall["y"][95], recall["line"]["dash"]) == (25, 0, "dot")
    assert max(band["x"]) == 60 and band["fillcolor"] == "rgba(0,114,178,0.15)"
    assert layout(every_figure("gold")["thresholds"])["shapes"][0]["x0"] == 80


def test_a_robustness_figure_joins_clean_and_changed():
    first, second, clean, _, noise, _, swap, _ = data(every_figure("gold")["robustness"])
    assert (first["x"], first["y"]) == ([50, 75], [1, 1])
    assert (second["x"], second["line"]["color"]) == ([12.5, 25], GREY)
    assert (clean["x"], clean["y"], clean["marker"]["symbol"]) == ([75, 25], [1, 2], "circle")
    assert (noise["x"], noise["y"]) == ([50], [1]) and (swap["x"], swap["y"]) == ([62.5, 12.5], [1, 2])
    assert len({trace["marker"]["symbol"] for trace in (clean, noise, swap)}) == 3


def test_nothing_to_show_is_an_empty_figure():
    empty = [figures.reliability({}, {}, WORDS), figures.thresholds({}, 0.8, {}, RATES), figures.robustness([], COPIES)]
    assert all(not trace.get("x") for figure in empty for trace in data(figure))


def test_the_command(sampled, core, tmp_path):
    space, group = sampled
    done = core("trust", "newsroom/gold only", "--split", "test", "--json", "--workspace", space.root, folder=tmp_path)
    assert done.status == 0, done.stderr
    found = done.json
    assert (found["group"], found["split"], found["repeats"]) == (group.id, "test", 8)
    assert found["calibration"]["lean"] == "over" and len(found["calibration"]["bins"]) == 10
    assert found["threshold"]["threshold"] == found["dev"]["threshold"] and set(found["labels"]) == {
        *("event", "organisation", "person", "place")
    }
    for name, more, code in (
        (f"newsroom/{group.id[:6]}", ["--robustness"], "robustness_bare"),  # a sample comes without weights
        ("newsroom/nothing", [], "group_unknown"),
        ("nothing", [], "project_unknown"),
    ):
        with pytest.raises(CoreError) as caught:
            trust(parser().parse_args(["trust", name, *more]), Setting(space, "en", lambda runs: None))
        assert caught.value.code == code


def test_the_page_tells_what_the_confidence_is_worth(sampled, tmp_path):
    space, _ = sampled
    page = opened(space.root, tmp_path, "newsroom", ("gold only", "harbour news"), "test")
    assert "gold only** is too sure" in said(page) and "gold only**, only mentions of at least 80 %" in said(page)
    assert "harbour news" in said(page)
    page.slider("sure").set_value(0).run()
    page.selectbox("sure_of").set_value("person").run()
    assert not page.exception and re.search(r"only mentions of at least 0 %: precision (\d+) % → \1 %", said(page))
    assert page.query_params["sure_of"] == "person"
    assert any("No weights are on disk" in found.value for found in page.info)
    assert not [found for found in page.button if found.key == "trust_try"]


def test_a_link_shows_the_same_threshold(sampled, tmp_path):
    space, _ = sampled
    page = opened(space.root, tmp_path, "newsroom", ("gold only", "harbour news"), "dev", sure="65", sure_of="place")
    assert (page.slider("sure").value, page.selectbox("sure_of").value) == (65, "place")
    assert "only mentions of at least 65 %" in said(page)
