"""What a gain is worth in gold sentences: the inversion by hand, its honesty by simulation, and the curve's runs."""

import json
from argparse import Namespace
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core import contrast
from core import corpus as corpora
from core import project as projects
from core.commands.answer import Setting
from core.commands.arguments import parser
from core.commands.gold_curve import curve as curve_command
from core.errors import CoreError
from core.evaluation.verdicts import ENOUGH_SEEDS
from core.evaluation.worth import FARTHEST, Resampled, Worth, about, band, learning_curve, resample, worth
from core.gold_curve import (
    SEEDS,
    CurvePlan,
    candidates,
    checked,
    curve_of,
    launch_curve,
    plan_curve,
    sizes_of,
    worth_words,
)
from core.groups import Group, groups
from core.jobs.folder import note, read_json
from core.label_next import beside
from core.launch import retrain, standing
from core.mix import GOLD, Mix, Part
from core.report.worth import Level, learning
from core.sample import open_sample
from core.scores import FEW, Counts
from core.training import predictions
from core.workspace import Workspace

SIZES = (100, 200, 300, 400, 500)
ROWS = 400


def run(found: int, seed: int = 0) -> Counts:
    """A run that finds so many of 400 mentions, one a row, and marks nothing else."""
    tp = np.zeros((ROWS, 1), dtype=np.int32)
    tp[np.random.default_rng(seed).permutation(ROWS)[:found]] = 1
    return Counts(("PER",), tp, tp.copy(), np.ones((ROWS, 1), dtype=np.int32))


def exact(score: float, seeds: int = 5) -> list[Counts]:
    """Runs without noise: the same mentions found by each seed."""
    return [run(round(score * ROWS))] * seeds


def gold_points(score: Any, sizes: tuple[int, ...] = SIZES, seeds: int = 5, draws: int = 200) -> dict[int, Any]:
    return {size: resample(exact(score(size), seeds), size, draws) for size in sizes}


def rising(size: float) -> float:
    """Recall of .25 at 100 sentences, and a step more with each doubling."""
    return 0.25 + 0.125 * float(np.log2(size / 100))


def test_without_noise_the_inversion_is_exact():
    sizes = (100, 200, 400)
    line = learning_curve(gold_points(rising, sizes), "PER")
    assert line.intercept + line.slope * np.log(200) == pytest.approx(0.375)
    assert line.gap == pytest.approx(0) and line.spread == 0 and not line.bends
    for reached, sentences in ((800, 400), (400, 0), (200, -200)):
        found = worth(line, resample(exact(rising(reached)), 0, 200))
        assert found.sentences == pytest.approx(sentences, abs=1e-6)
        assert (found.gold, found.lowest, found.highest) == (400, -300, 800)
        assert found.score == pytest.approx(rising(reached))
        assert found.interval is not None and found.interval[0] <= found.sentences <= found.interval[1]


def test_each_size_weighs_as_many_runs_as_it_has():
    points = {100: exact(0.25, 2), 200: exact(0.375, 2), 400: exact(0.5, 2)}
    bent = points | {400: exact(0.625, 20)}
    line = learning_curve({size: resample(runs, size, 50) for size, runs in bent.items()}, "PER")
    places, scores = np.log([100] * 2 + [200] * 2 + [400] * 20), [0.25] * 2 + [0.375] * 2 + [0.625] * 20
    slope, intercept = np.polyfit(places, scores, 1)
    assert (line.slope, line.intercept) == (pytest.approx(slope), pytest.approx(intercept))


def test_f1_of_all_and_the_recall_of_a_label_have_curves_of_their_own():
    def runs(first: float, second: float) -> list[Counts]:
        one, two = run(round(first * ROWS)), run(round(second * ROWS))
        both = (np.concatenate([getattr(c, name) for c in (one, two)], 1) for name in ("tp", "pred", "gold"))
        return [Counts(("LOC", "PER"), *both)] * 5

    points = {size: resample(runs(0.5, rising(size)), size, 100) for size in SIZES}
    flat, steep = learning_curve(points, "LOC"), learning_curve(points, "PER")
    assert flat.slope == pytest.approx(0) and steep.slope == pytest.approx(0.125 / np.log(2), rel=0.02)
    whole = learning_curve(points)
    recall = (0.5 + round(rising(500) * ROWS) / ROWS) / 2
    assert whole.scores[500][0] == pytest.approx(2 * recall / (1 + recall))  # all that is marked is right
    assert (whole.support, steep.support) == (2 * ROWS, ROWS)
    mix = resample(runs(0.5, rising(700)), 0, 100)
    assert worth(flat, mix).code == "flat"
    assert worth(steep, mix).sentences == pytest.approx(200, abs=8)
    with pytest.raises(ValueError, match="MISC"):
        learning_curve(points, "MISC")


def test_a_flat_curve_and_a_falling_one_tell_nothing():
    for score in (lambda size: 0.5, lambda size: 0.6 - rising(size) / 2):
        found = worth(learning_curve(gold_points(score), "PER"), resample(exact(0.9), 0, 200))
        assert (found.code, found.sentences, found.interval) == ("flat", None, None)


def test_beyond_its_ends_the_curve_is_not_followed():
    line = learning_curve(gold_points(rising), "PER")
    far = worth(line, resample(exact(0.95), 0, 200))
    assert (far.code, far.sentences, far.interval) == ("gain", 1000, (1000, 1000)) and far.beyond
    assert far.gold + far.highest == FARTHEST * 500
    low = worth(line, resample(exact(0.05), 0, 200))
    assert (low.code, low.sentences) == ("loss", -400) and low.beyond
    assert worth_words(far, "m") == (
        "worth_gain_beyond",
        {"mix": "m", "gold": 500, "n": 1000, "low": "> 1000", "high": "> 1000"},
    )
    assert worth_words(low, "m")[0] == "worth_loss_beyond"


def test_too_little_is_said_to_be_too_little():
    few = worth(learning_curve(gold_points(rising, seeds=4), "PER"), resample(exact(0.6, 8), 0, 50), ENOUGH_SEEDS)
    assert (few.code, few.repeats, few.sentences) == ("few_repeats", 4, None)
    small = {
        size: resample(
            [replace(c, gold=c.gold * (np.arange(ROWS) < FEW - 1)[:, None], tp=c.tp * 0) for c in runs], size
        )
        for size, runs in ((size, exact(rising(size))) for size in SIZES)
    }
    assert worth(learning_curve(small, "PER"), small[100]).code == "few_mentions"
    with pytest.raises(ValueError, match="3 sizes"):
        learning_curve(gold_points(rising, SIZES[:2]))


def test_a_curve_that_bends_is_told():
    saturated = {100: 0.2, 200: 0.5, 300: 0.52, 400: 0.53, 500: 0.54}
    line = learning_curve(gold_points(saturated.__getitem__), "PER")
    assert line.bends and line.gap_size in (100, 200) and line.gap > 0.05
    noisy = {size: resample([run(round(score * ROWS) + 40 * way) for way in (-1, 0, 1)], size, 50)
             for size, score in ((size, rising(size)) for size in SIZES)}  # fmt: skip
    straight = learning_curve(noisy, "PER")
    assert not straight.bends and straight.spread == pytest.approx(0.1)


REACHED = {"gain": 480, "none": 300, "loss": 150}  # sentences of gold, of 300, as good as a mix


def study(rng: np.random.Generator) -> dict[str, Worth]:
    """Gold's curve, and mixes that score what gold would at other sizes; recall rises by .1 a doubling.

    Rows differ in how hard they are, and seeds in how good they become.
    """
    hard = rng.uniform(-0.25, 0.25, (ROWS, 1))
    gold = np.ones((ROWS, 1), dtype=np.int32)

    def trained(size: float) -> Counts:
        recall = 0.3 + 0.1 * np.log2(size / 60) + rng.normal(0, 0.02)
        tp = (rng.uniform(size=(ROWS, 1)) < recall + hard).astype(np.int32)
        return Counts(("PER",), tp, tp.copy(), gold)

    def drawn(size: float, stream: int) -> Resampled:
        return resample([trained(size) for _ in range(5)], stream, 200)

    line = learning_curve({size: drawn(size, size) for size in (60, 120, 180, 240, 300)}, "PER")
    return {code: worth(line, drawn(size, 0)) for code, size in REACHED.items()}


@pytest.fixture(scope="module")
def studies() -> list[dict[str, Worth]]:
    return [study(np.random.default_rng(number)) for number in range(60)]


@pytest.mark.parametrize("code", REACHED)
def test_intervals_hold_what_is_true_and_claims_are_rarely_wrong(studies, code):
    found = [one[code] for one in studies]
    intervals = [one.interval for one in found if one.interval is not None]
    assert len(intervals) == 60  # a rise of .23 over the sizes is always seen
    true = REACHED[code] - 300
    assert sum(low <= true <= high for low, high in intervals) >= 54
    codes = [one.code for one in found]
    assert codes.count(code) >= {"gain": 15, "none": 54, "loss": 40}[code]
    assert code == "none" or {*codes} <= {code, "none"}
    assert np.median([one.sentences for one in found]) == pytest.approx(true, abs=45)


def test_the_same_seeds_give_the_same_figures_and_streams_differ():
    runs = [run(200 + 9 * seed, seed) for seed in range(5)]
    assert np.array_equal(resample(runs, 3).draws, resample(runs, 3).draws)
    one, other = resample(runs, 3, 400).draws[:, 1], resample(runs, 4, 400).draws[:, 1]
    assert not np.array_equal(one, other) and np.corrcoef(one, other)[0, 1] > 0.2  # the rows are the same
    assert resample(runs[:1], 3, 100).runs.shape == (1, 2)


def test_the_band_follows_the_line_and_stays_a_share():
    line = learning_curve(gold_points(rising), "PER")
    for size, middle, (low, high) in band(line, [1, 100, 500, 1e6]):
        assert 0 <= low <= middle <= high <= 1 or middle in (0, 1)
        assert middle == pytest.approx(min(max(line.intercept + line.slope * np.log(size), 0), 1))


def test_numbers_of_sentences_have_two_digits():
    assert [about(n) for n in (0.4, 7.6, 47.4, 123.0, 1266.0, -128.0)] == [0, 8, 47, 120, 1300, -130]


def test_sizes_are_distinct_and_not_too_small():
    assert sizes_of(300) == (60, 120, 180, 240, 300)
    assert sizes_of(24) == (10, 14, 19, 24)  # a fifth would be 5
    assert checked([40, 20, 40], 60) == (20, 40, 60)
    for sizes in ([9, 30], [30, 61]):
        with pytest.raises(CoreError) as error:
            checked(sizes, 60)
        assert error.value.code == "curve_size"
    with pytest.raises(CoreError) as error:
        sizes_of(12)
    assert error.value.code == "curve_small"


def test_the_figure_marks_where_the_curve_reaches_the_mix():
    line = learning_curve(gold_points(rising), "PER")
    level = Level("<b>mix</b>", "#0072B2", 0.6, (0.55, 0.65), 690.0, (600.0, 800.0))
    words = {name: name for name in ("axis", "score", "runs", "line", "sentences")}
    drawn = learning(line.scores, band(line, [100, 300, 500, 690, 800]), level, words)
    told = json.loads(drawn.to_json())
    axis = told["layout"]["xaxis"]
    assert axis["type"] == "log" and {"100", "500"} <= set(axis["ticktext"])
    assert told["layout"]["yaxis"]["range"] == [0, 100]
    low, high = (10**end for end in axis["range"])
    assert low < 100 and 800 < high < 1000
    mark = next(trace for trace in told["data"] if trace.get("text"))
    assert (mark["x"], mark["y"], mark["text"]) == ([690.0], [0], ["690"])
    dots = next(trace for trace in told["data"] if trace["mode"] == "markers")
    assert len(dots["x"]) == 25 and dots["y"][0] == pytest.approx(25)
    assert "<b>" not in json.dumps(told["data"]) and "&lt;b&gt;mix" in json.dumps(told["data"])
    bare = learning(line.scores, band(line, [100, 500]), replace(level, reached=None, reached_interval=None), words)
    assert not any(trace.get("text") for trace in json.loads(bare.to_json())["data"])


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, projects.Project, CurvePlan]:
    """The sample with its finished runs, and gold's curve launched where nothing can run."""
    space = Workspace.open(tmp_path_factory.mktemp("worth") / "ws")
    (space.root / "slots.json").write_text(json.dumps({"train": 0, "light": 0}))
    project = open_sample(space, "newsroom")
    stage = standing(space, project).stage
    assert stage is not None
    planned = plan_curve(space, project, stage, sizes_of(len(stage.pools[GOLD])), SEEDS, look=False)
    launch_curve(space, project, stage, planned)
    return space, project, planned


def points_of(space: Workspace) -> list[Group]:
    return [group for group in groups(space, "newsroom") if group.curve]


def test_all_of_gold_is_not_trained_again(launched):
    space, _, planned = launched
    gold = next(group for group in groups(space, "newsroom") if group.mix == Mix())
    assert planned.full == gold.id and not gold.curve and gold.name == "gold only"
    assert (planned.runs, planned.plan.new, len(planned.plan.mixes)) == (25, 20, 4)
    assert len(space.store.pending()) == 20
    names = [f"gold {size}" for size in planned.sizes[:-1]]
    assert [one.name for one in planned.plan.mixes] == names == [group.name for group in points_of(space)]


def test_the_points_differ_in_nothing_but_gold_and_draw_nested(launched):
    space, _, planned = launched
    gold = next(group for group in groups(space, "newsroom") if group.mix == Mix())
    whole = read_json(space.run_folder(gold.runs[0].id) / "spec.json")
    for size, group in zip(planned.sizes, points_of(space), strict=False):
        spec = read_json(space.run_folder(group.runs[0].id) / "spec.json")
        assert spec["inputs"] == whole["inputs"] and spec["params"]["train"] == whole["params"]["train"]
        mix = spec["params"].pop("mix")
        assert mix["parts"][GOLD]["amount"] == size and mix["draw_per_seed"] is True
        assert spec["params"] == {name: value for name, value in whole["params"].items() if name != "mix"}
        assert sorted(group.runs) == [*SEEDS]
    marks = {event["mix"]: event.get("curve") for event in projects.events(space, "newsroom") if "mix" in event}
    assert {name for name, mark in marks.items() if mark} == {group.name for group in points_of(space)}
    assert all(mark in (True, None) for mark in marks.values())


def test_planned_again_nothing_is_new(launched):
    space, project, planned = launched
    stage = standing(space, project).stage
    again = plan_curve(space, project, stage, planned.sizes, SEEDS, look=False)
    assert (again.plan.new, again.plan.mixes, again.runs) == (0, (), 25)
    assert launch_curve(space, project, stage, again) == []
    more = plan_curve(space, project, stage, planned.sizes, [*SEEDS, 5], look=False)
    assert more.plan.new == 4 and more.parts == planned.parts


def succeed(space: Workspace, group: Group, share: float) -> None:
    """Let a group's runs have ended, with predictions in which that share of gold's mentions is found."""
    dev = corpora.read(space.corpus_path(group.corpora["dev"]))
    tags = dev.table.column("tags").to_pylist()
    for seed, run in group.runs.items():
        rng = np.random.default_rng([seed, round(1000 * share)])
        found = [row if rng.uniform() < share else ["O"] * len(row) for row in tags]
        sure = [[1.0] * len(row) for row in found]
        values = [[tag or "O" for tag in row] for row in found]
        predictions.write(
            predictions.file_of(space.run_folder(run.id), dev.id), dev, predictions.Predictions(values, sure, 1.0)
        )
        done = replace(run, state="succeeded", ended=run.submitted + 1)
        note(space.run_folder(run.id), run, done)
    space.store.rebuild()


@pytest.fixture(scope="module")
def finished(launched) -> tuple[Workspace, projects.Project, CurvePlan]:
    """The same with the curve's runs ended: recall of all rows rises by a tenth with each size."""
    space, project, planned = launched
    for at, group in enumerate(points_of(space)):
        succeed(space, group, 0.2 + 0.1 * at)
    return space, project, planned


def test_points_are_no_candidates_and_never_the_baseline(finished):
    space, _, planned = finished
    found = contrast.finished(space, "newsroom")
    assert not [group.name for group in found if group.curve] and len(found) == 5
    whole = groups(space, "newsroom")
    assert len(whole) == 9
    for order in (whole, whole[::-1]):
        usual = contrast.gold_only(order)
        assert usual is not None and usual.id == planned.full
    few = [replace(group, curve=False) for group in points_of(space)]
    assert contrast.gold_only(few) is None  # a part of gold is not gold, however it was launched
    half = replace(few[0], mix=Mix({GOLD: Part(0.5, "times_gold")}))
    assert contrast.gold_only([half]) is None


def test_the_curve_is_read_back_for_a_baseline_like_it(finished):
    space, _, planned = finished
    whole = groups(space, "newsroom")
    gold = next(group for group in whole if group.id == planned.full)
    mix = next(group for group in whole if "mention swaps" in group.mix.parts)
    for baseline in (gold, mix):  # of a mix the curve is that of the gold it was trained with
        found = curve_of(space, "newsroom", baseline, "dev")
        assert found is not None and found.enough and not found.active
        assert tuple(found.points) == planned.sizes == tuple(found.evaluated)
        assert (found.full.id, found.rows) == (planned.full, planned.sizes[-1])
        assert [len(runs) for runs in found.evaluated.values()] == [5, 5, 5, 5, 8]
    test = curve_of(space, "newsroom", gold, "test")
    assert test is not None and not test.enough and list(test.evaluated) == [planned.sizes[-1]]
    other = replace(gold, train=replace(gold.train, steps=7), id="0" * 12)
    assert curve_of(space, "newsroom", other, "dev") is None or other.id not in (g.id for g in whole)
    lone = curve_of(space, "newsroom", replace(mix, train=other.train), "dev")
    assert lone is None
    names = [group.name for group in candidates(space, found, whole, "dev")]
    assert len(names) == 4 and "gold only" not in names


def test_labelling_by_chance_is_told_by_the_curve_beside_the_best_mix(finished):
    space, _, planned = finished
    few, many = (beside(space, "newsroom", "place", rows) for rows in (20, 80))
    assert few.labelled is not None and many.labelled is not None and few.worth is not None
    gold = planned.sizes[-1]
    assert many.labelled[0] / few.labelled[0] == pytest.approx(np.log1p(80 / gold) / np.log1p(20 / gold))
    assert few.labelled[1][0] <= few.labelled[0] <= few.labelled[1][1]
    assert few.mix and few.brought is not None and few.brought.interval is not None and few.seconds
    assert beside(space, "newsroom", "nobody", 20).labelled is None


def asked(*words: str) -> Namespace:
    return parser().parse_args(["curve", "newsroom", *words])


def test_the_command_tells_sizes_and_worth(finished):
    space, _, planned = finished
    answer = curve_command(asked(), Setting(space, "en", lambda runs: None))
    told = json.loads(json.dumps(answer.data))
    assert answer.status == 0 and told["launched"] == [] and told["gold"] == planned.sizes[-1]
    assert [point["sentences"] for point in told["points"]] == [*planned.sizes]
    f1 = [point["f1"] for point in told["points"]]
    assert f1[:4] == sorted(f1[:4])
    assert len(told["worth"]) == 4
    for one in told["worth"]:
        assert one["verdict"] in ("gain", "loss", "none", "flat") and one["repeats"] == 5
        if one["sentences"] is not None:
            assert one["lowest"] <= one["interval"][0] <= one["interval"][1] <= one["highest"]
    assert all(str(size) in answer.text for size in planned.sizes)


def test_a_point_trained_again_stays_a_point(finished):
    space, project, _ = finished
    group = points_of(space)[0]
    before = {run.id for run in space.store.pending()}
    [id] = retrain(space, project, group, [0])
    space.store.cancel(id)
    assert before == {run.id for run in space.store.pending()}
    assert group.id in {point.id for point in points_of(space)}


def test_sizes_that_make_no_curve_are_refused(finished):
    space, _, planned = finished
    setting = Setting(space, "en", lambda runs: None)
    for words, code in ((("--sizes", "5"), "curve_size"), (("--sizes", str(planned.sizes[0])), "curve_small")):
        with pytest.raises(CoreError) as error:
            curve_command(asked(*words), setting)
        assert error.value.code == code
