"""Differences between groups of runs, by hand and by property, and what they say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.comparison import Comparison, Difference, LabelComparison, compare
from core.evaluation.scoring import METRICS, score
from core.report.finding import ENOUGH_SEEDS, Effect, Finding, finding
from core.scores import FEW, Counts

NAMES = ("LOC", "PER")


def counts(tp, pred, gold, names=NAMES) -> Counts:
    return Counts(names, *(np.asarray(x, dtype=np.int32) for x in (tp, pred, gold)))


def group(gold: np.ndarray, recall: float, seeds: int, draw: int, names=NAMES) -> list[Counts]:
    """Runs that find each mention with the same probability, and predict some more."""
    rng = np.random.default_rng(draw)
    found = [rng.binomial(gold, recall) for _ in range(seeds)]
    return [counts(tp, tp + rng.binomial(1, 0.1, gold.shape), gold, names) for tp in found]


GOLD = np.random.default_rng(0).binomial(1, 0.4, (200, 2))


def by_hand(tp: int, pred: int, gold: int) -> tuple[float, float, float]:
    precision, recall = tp / pred if pred else 0.0, tp / gold if gold else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def test_values_and_intervals_equal_brute_force():
    gold = [[1, 0], [1, 1], [0, 2]]
    baseline = [counts([[1, 0], [0, 1], [0, 1]], [[1, 1], [1, 1], [0, 2]], gold)]
    other = [
        counts([[1, 0], [1, 1], [0, 2]], [[1, 0], [1, 1], [0, 2]], gold),
        counts([[0, 0], [1, 0], [0, 1]], [[1, 0], [1, 0], [1, 1]], gold),
    ]
    found = compare(baseline, other, draws=300, seed=7)
    # the same streams, one draw and one row at a time
    row_stream, _, seed_stream = np.random.SeedSequence(7).spawn(3)
    row_rng, seed_rng = np.random.default_rng(row_stream), np.random.default_rng(seed_stream)
    all_rows = [*row_rng.integers(0, 3, size=(250, 3)), *row_rng.integers(0, 3, size=(50, 3))]
    all_seeds = [*seed_rng.integers(0, 2, size=(250, 2)), *seed_rng.integers(0, 2, size=(50, 2))]

    def mean(runs, rows, columns):
        sums = [[int(getattr(c, n)[rows][:, columns].sum()) for n in ("tp", "pred", "gold")] for c in runs]
        return np.mean([by_hand(*s) for s in sums], axis=0)

    for row, columns in ((found.overall, [0, 1]), (found.labels[0], [0]), (found.labels[1], [1])):
        drawn = [
            mean([other[s] for s in seeds], rows, columns) - mean(baseline, rows, columns)
            for rows, seeds in zip(all_rows, all_seeds, strict=True)
            if len(columns) > 1 or baseline[0].gold[rows][:, columns].any()
        ]
        low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
        every = [0, 1, 2]
        for i, metric in enumerate(METRICS):
            assert row.baseline[metric] == pytest.approx(mean(baseline, every, columns)[i])
            assert row.other[metric] == pytest.approx(mean(other, every, columns)[i])
            difference = row.difference[metric]
            assert difference is not None
            assert difference.value == pytest.approx((mean(other, every, columns) - mean(baseline, every, columns))[i])
            assert difference.interval == pytest.approx((low[i], high[i]))


def test_a_group_against_itself_differs_by_nothing():
    runs = group(GOLD, 0.6, 5, 1)
    found = compare(runs, runs)
    for row in (found.overall, *found.labels):
        for difference in row.difference.values():
            assert difference is not None and difference.interval is not None
            assert difference.value == 0
            assert difference.interval[0] <= 0 <= difference.interval[1]
    one = compare(runs[:1], runs[:1])  # without a second seed nothing but the rows is drawn, and those are shared
    assert one.overall.difference["f1"] == Difference(0.0, (0.0, 0.0))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_swapping_the_groups_turns_the_sign(few, many, draw):
    one, two = group(GOLD[:40], 0.5, few, draw), group(GOLD[:40], 0.6, many, draw + 1)
    there, back = compare(one, two, draws=400), compare(two, one, draws=400)
    assert (there.baseline_seeds, there.other_seeds) == (back.other_seeds, back.baseline_seeds) == (few, many)
    for a, b in zip((there.overall, *there.labels), (back.overall, *back.labels), strict=True):
        assert (a.baseline, a.other) == (b.other, b.baseline)
        for metric in METRICS:
            x, y = a.difference[metric], b.difference[metric]
            assert x is not None and y is not None and x.interval is not None and y.interval is not None
            assert x.value == -y.value
            if few == many == 1:  # no draws of seeds: the very same draws
                assert x.interval == pytest.approx((-y.interval[1], -y.interval[0]))
            else:
                assert sum(x.interval) == pytest.approx(-sum(y.interval), abs=0.2)


def test_rows_are_shared_so_that_hard_rows_cancel_out():
    tp = np.where(np.arange(200)[:, None] < 100, GOLD, 0)  # half of the rows are found by every run
    better = tp.copy()
    better[100:110] = GOLD[100:110]
    before, after = [counts(tp, tp, GOLD)] * 5, [counts(better, better, GOLD)] * 5
    low, high = compare(before, after).overall.difference["recall"].interval  # type: ignore[union-attr, misc]
    alone = [score(g).metrics["recall"].interval for g in (before, after)]
    assert low > 0  # though the groups' own intervals overlap
    assert alone[0][1] > alone[1][0]
    assert high - low < 0.6 * (alone[0][1] - alone[0][0])


def test_a_better_group_is_found_to_be_better():
    found = compare(group(GOLD, 0.5, 5, 2), group(GOLD, 0.75, 5, 3))
    for row in found.labels:
        difference = row.difference["recall"]
        assert difference is not None and difference.interval is not None
        assert 0 < difference.interval[0] < difference.value < difference.interval[1]


def test_seeds_that_disagree_widen_the_interval():
    bad, good = counts(GOLD * 0, GOLD, GOLD), counts(GOLD, GOLD, GOLD)
    found = compare([bad, good], [bad, good]).overall.difference["recall"]
    assert found == Difference(0.0, (-1.0, 1.0))


def test_values_are_those_of_the_scores():
    runs = group(GOLD, 0.6, 3, 4)
    scores, found = score(runs), compare(runs, group(GOLD, 0.6, 2, 5))
    for row in found.labels:
        assert row.support == scores.per_label[row.label].support
        assert row.baseline == pytest.approx({m: getattr(scores.per_label[row.label], m) for m in METRICS})
    assert found.overall.baseline == pytest.approx({m: scores.metrics[m].mean for m in METRICS})
    assert [row.label for row in found.labels] == list(NAMES)
    assert (found.overall.label, found.overall.support, found.rows) == ("", int(GOLD.sum()), 200)


def test_a_label_without_support_has_no_figures():
    gold = GOLD * [1, 0]
    found = compare(group(gold, 0.5, 2, 1), group(gold, 0.6, 2, 2))
    nothing = dict.fromkeys(METRICS)
    assert found.labels[1] == LabelComparison("PER", 0, nothing, nothing, nothing)
    assert found.labels[0].difference["f1"] is not None


def test_the_same_seed_gives_the_same_comparison():
    one, two = group(GOLD, 0.5, 3, 1), group(GOLD, 0.6, 3, 2)
    assert compare(one, two, seed=1) == compare(one, two, seed=1) != compare(one, two, seed=2)


@pytest.mark.parametrize(
    ("baseline", "other"),
    [
        ([], group(GOLD, 0.5, 1, 0)),
        (group(GOLD, 0.5, 1, 0), []),
        (group(GOLD[:0], 0.5, 1, 0), group(GOLD[:0], 0.5, 1, 0)),
        (group(GOLD, 0.5, 1, 0), group(GOLD, 0.5, 1, 0, ("PER", "LOC"))),
        (group(GOLD, 0.5, 1, 0), group(GOLD[:, ::-1], 0.5, 1, 0)),
        (group(GOLD, 0.5, 1, 0), group(GOLD[:100], 0.5, 1, 0)),
        (group(GOLD, 0.5, 1, 0), [*group(GOLD, 0.5, 1, 0), *group(GOLD[:100], 0.5, 1, 0)]),
    ],
)
def test_what_cannot_be_compared_is_refused(baseline, other):
    with pytest.raises(ValueError, match="compare"):
        compare(baseline, other)


def row(label: str, support: int = FEW, **metrics: tuple[float, float, float]) -> LabelComparison:
    """A label with (value, low, high) per metric; those left out are undecided."""
    unknown = (0.0, -0.1, 0.1)
    found = {m: metrics.get(m, unknown) for m in METRICS}
    return LabelComparison(
        label, support, {}, {}, {m: Difference(value, (low, high)) for m, (value, low, high) in found.items()}
    )


COMPARED = Comparison(
    ENOUGH_SEEDS,
    8,
    100,
    row("", 500, f1=(0.02, 0.01, 0.03)),
    (
        row("A", recall=(0.05, 0.01, 0.09), precision=(-0.04, -0.08, -0.01)),
        row("B", f1=(0.03, 0.01, 0.05)),
        row("C", FEW - 1, recall=(0.5, 0.4, 0.6)),
        row("D", precision=(0.05, 0.01, 0.09), recall=(-0.2, -0.3, -0.1)),
        row("E", recall=(0.04, 1e-17, 0.08)),
        replace(row("F", 0), difference=dict.fromkeys(METRICS)),
    ),
)


def test_a_finding_names_gains_and_losses_by_size():
    labels = {label.label: label for label in COMPARED.labels}

    def effect(label, metric):
        return Effect(label, metric, (labels | {"": COMPARED.overall})[label].difference[metric])

    assert finding("mix", COMPARED) == Finding(
        name="mix",
        gains=(effect("A", "recall"), effect("D", "precision"), effect("", "f1")),
        losses=(effect("D", "recall"), effect("A", "precision")),
        none_shown=("B", "E"),
        too_few=("C", "F"),
        seeds=ENOUGH_SEEDS,
    )


def test_ties_put_recall_first():
    tied = replace(COMPARED, labels=(row("A", precision=(0.1, 0.05, 0.2)), row("B", recall=(0.1, 0.05, 0.2))))
    assert [e.label for e in finding("mix", tied).gains] == ["B", "A", ""]


@pytest.mark.parametrize("smaller", ["baseline_seeds", "other_seeds"])
def test_too_few_repeats_say_nothing(smaller):
    found = finding("mix", replace(COMPARED, **{smaller: ENOUGH_SEEDS - 1}))
    assert found == Finding("mix", (), (), (), ("C", "F"), ENOUGH_SEEDS - 1)


def test_an_overall_figure_on_few_mentions_is_no_effect():
    few = replace(COMPARED, overall=row("", FEW - 1, f1=(0.2, 0.1, 0.3)))
    assert "" not in {e.label for e in finding("mix", few).gains}
