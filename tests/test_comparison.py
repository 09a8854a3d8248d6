"""Differences between groups of runs: by hand, by brute force, by property; what is claimed of them, and how often
wrongly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.evaluation.comparison import Comparison, Difference, LabelComparison, compare, level, measure
from core.evaluation.power import repeats_for
from core.evaluation.scoring import METRICS, bootstrap, score
from core.evaluation.sequential import AlwaysValid, always_valid
from core.evaluation.verdicts import ENOUGH_SEEDS, holm, judge
from core.report.finding import findings
from core.scores import FEW, Counts

NAMES = ("LOC", "PER")


def counts(tp, pred, gold, names=NAMES) -> Counts:
    return Counts(names, *(np.asarray(x, dtype=np.int32) for x in (tp, pred, gold)))


def group(gold: np.ndarray, recall: float, seeds: int, draw: int, names=NAMES) -> list[Counts]:
    """Runs that find each mention with the same probability, and predict some more."""
    rng = np.random.default_rng(draw)
    found = [rng.binomial(gold, recall) for _ in range(seeds)]
    return [counts(tp, tp + rng.binomial(1, 0.1, gold.shape), gold, names) for tp in found]


def between(baseline, other) -> Comparison:
    return compare(measure(baseline), measure(other))


GOLD = np.random.default_rng(0).binomial(1, 0.4, (200, 2))


def test_two_groups_on_rows_that_move_nothing_are_welchs_t_test():
    """All rows alike: nothing is left but the spread over seeds, for which Welch's test is exact."""
    gold = np.ones((10, 1), dtype=int) * 10
    runs = [[counts(gold * n // 10, gold, gold, ("A",)) for n in found] for found in ((3, 5, 4, 6, 5), (7, 6, 8, 9, 6))]
    found = between(*runs).overall.difference["recall"]
    assert found is not None and found.rows == pytest.approx(0)
    theirs = stats.ttest_ind([0.7, 0.6, 0.8, 0.9, 0.6], [0.3, 0.5, 0.4, 0.6, 0.5], equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval == pytest.approx((theirs.confidence_interval().low, theirs.confidence_interval().high))


def test_equivalence_is_two_one_sided_tests():
    difference = Difference(0.005, 0.01, 9.0)
    upper = stats.t.cdf((0.005 - 0.02) / 0.01, 9)
    lower = stats.t.sf((0.005 + 0.02) / 0.01, 9)
    assert difference.p_same(0.02) == pytest.approx(max(upper, lower))
    assert Difference(0.03, 0.001, 9.0).p_same(0.02) > 0.99


@pytest.mark.parametrize("metric", METRICS)
def test_rows_enter_as_the_bootstrap_over_rows_has_them(metric):
    """With many runs of each kind that never change, only rows are left: the error is the bootstrap's."""
    before, after = group(GOLD, 0.5, 1, 1) * 6, group(GOLD, 0.6, 1, 2) * 6
    found = between(before, after).overall.difference[metric]
    draws = [
        getattr(bootstrap(one, 4000, np.random.default_rng(0), np.random.default_rng(1))["micro"], metric)
        for one in (before, after)
    ]
    assert found is not None and found.error == pytest.approx((draws[1] - draws[0]).std(ddof=1), rel=0.06)
    assert found.error**2 == pytest.approx(found.rows)


def test_a_label_that_no_run_finds_is_not_called_the_same():
    blind = [counts(np.zeros_like(GOLD), np.zeros_like(GOLD), GOLD)] * 5
    found = judge({"": between(blind, blind)})[""]
    assert {one.verdict for one in found} == {"open"}
    assert {one.difference.value for one in found} == {0.0}


def test_a_group_against_itself_differs_by_nothing():
    runs = group(GOLD, 0.6, 5, 1)
    for row in between(runs, runs).all:
        for difference in row.difference.values():
            assert difference is not None and difference.interval is not None
            assert difference.value == 0 and difference.p == 1
            assert difference.interval[0] <= 0 <= difference.interval[1]
    one = between(runs[:1], runs[:1])
    assert one.overall.difference["f1"] == Difference(0.0) and one.overall.difference["f1"].interval is None


def world(rows: int, labels: int, spread: float, drift: float, draw: int):
    """A maker of groups on the same rows: hard and easy rows, seeds that differ, and chance in each run and row."""
    rng = np.random.default_rng(draw)
    gold, ease = rng.binomial(1, 0.4, (rows, labels)), rng.normal(0, 1, (rows, labels))
    own = [rng.normal(0, drift, (rows, labels)) for _ in range(2)]  # what each recipe does to each row: 0 on average

    def make(seeds: int, which: int) -> list[Counts]:
        out = []
        for _ in range(seeds):
            odds = ease + own[which] + rng.normal(0, spread, (1, labels)) + rng.normal(0, 0.6, (rows, labels))
            tp = rng.binomial(gold, 1 / (1 + np.exp(-odds)))
            out.append(counts(tp, tp + rng.binomial(1, 0.1, gold.shape), gold, tuple("ABCDE"[:labels])))
        return out

    return make


@pytest.mark.parametrize(("seeds", "drift"), [(5, 0.0), (5, 1.0), (8, 1.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds, drift):
    """The truth is 0: over seeds alone (drift 0), and over seeds and rows."""
    held = []
    for draw in range(120):
        make = world(300, 2, 0.2, drift, draw)
        found = between(make(seeds, 0), make(seeds, 1))
        held += [
            row.difference[m].interval[0] <= 0 <= row.difference[m].interval[1] for row in found.all for m in METRICS
        ]
    assert 0.91 <= np.mean(held) <= 0.98


def test_wrong_claims_are_rare_over_all_labels_and_mixes_together():
    wrong = 0
    for draw in range(150):
        make = world(300, 4, 0.2, 0.0, draw)
        base = measure(make(5, 0))
        judged = judge({str(at): compare(base, measure(make(5, 0))) for at in range(3)})
        wrong += any(one.verdict in ("better", "worse") for found in judged.values() for one in found)
    assert wrong / 150 <= 0.09


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_swapping_the_groups_turns_the_sign(few, many, draw):
    one, two = group(GOLD[:40], 0.5, few, draw), group(GOLD[:40], 0.6, many, draw + 1)
    there, back = between(one, two), between(two, one)
    assert (there.baseline_seeds, there.other_seeds) == (back.other_seeds, back.baseline_seeds) == (few, many)
    for a, b in zip(there.all, back.all, strict=True):
        assert (a.baseline, a.other) == (b.other, b.baseline)
        for metric in METRICS:
            x, y = a.difference[metric], b.difference[metric]
            assert x is not None and y is not None
            assert (x.value, x.error, x.freedom) == pytest.approx((-y.value, y.error, y.freedom), nan_ok=True)


def test_rows_are_shared_so_that_hard_rows_cancel_out():
    tp = np.where(np.arange(200)[:, None] < 100, GOLD, 0)  # half of the rows are found by every run
    better = tp.copy()
    better[100:110] = GOLD[100:110]
    before, after = [counts(tp, tp, GOLD)] * 5, [counts(better, better, GOLD)] * 5
    low, high = between(before, after).overall.difference["recall"].interval  # type: ignore[union-attr, misc]
    alone = [score(g).metrics["recall"].interval for g in (before, after)]
    assert low > 0  # though the groups' own intervals overlap
    assert alone[0][1] > alone[1][0]
    assert high - low < 0.6 * (alone[0][1] - alone[0][0])


def test_a_better_group_is_found_to_be_better():
    found = between(group(GOLD, 0.5, 5, 2), group(GOLD, 0.75, 5, 3))
    for row in found.labels:
        difference = row.difference["recall"]
        assert difference is not None and difference.interval is not None
        assert 0 < difference.interval[0] < difference.value < difference.interval[1]


def test_seeds_that_disagree_widen_the_interval():
    bad, good = counts(GOLD * 0, GOLD, GOLD), counts(GOLD, GOLD, GOLD)
    found = between([bad, good], [bad, good]).overall.difference["recall"]
    assert found is not None and found.value == 0 and found.interval == (-1.0, 1.0)


def test_values_are_those_of_the_scores():
    runs = group(GOLD, 0.6, 3, 4)
    scores, found = score(runs), between(runs, group(GOLD, 0.6, 2, 5))
    for row in found.labels:
        assert row.support == scores.per_label[row.label].support
        assert row.baseline == pytest.approx({m: getattr(scores.per_label[row.label], m) for m in METRICS})
    assert found.overall.baseline == pytest.approx({m: scores.metrics[m].mean for m in METRICS})
    assert [row.label for row in found.labels] == list(NAMES)
    assert (found.overall.label, found.overall.support, found.rows) == ("", int(GOLD.sum()), 200)


def test_a_label_without_support_has_no_figures():
    gold = GOLD * [1, 0]
    found = between(group(gold, 0.5, 2, 1), group(gold, 0.6, 2, 2))
    nothing = dict.fromkeys(METRICS)
    assert found.labels[1] == LabelComparison("PER", 0, nothing, nothing, nothing)
    assert found.labels[0].difference["f1"] is not None


def test_levels_are_the_scores_with_nearly_their_intervals():
    runs = group(GOLD, 0.6, 8, 4)
    scores, measured = score(runs), measure(runs)
    for metric in METRICS:
        found = level(measured, metric)
        assert found[0][0] == pytest.approx(scores.metrics[metric].mean)
        for (mean, ends), name in zip(found[1:], NAMES, strict=True):
            assert mean == pytest.approx(getattr(scores.per_label[name], metric))
            assert ends == pytest.approx(scores.per_label[name].interval[metric], abs=0.03)
    assert level(measure(runs[:1]), "recall")[0][1][0] < level(measure(runs[:1]), "recall")[0][0]


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
        between(baseline, other)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03], [1, 1, 1]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.02, 0.02], [3, 1]) == pytest.approx([0.02 * 4 / 3, 0.02 * 4 / 3])  # then the other, alone: .02
    assert holm([0.9, 0.001], [0.5, 0.5]) == pytest.approx([0.9, 0.002])
    assert holm([], []) == []


def test_a_first_question_is_not_drowned_by_many_labels():
    """F1 of all labels keeps its share of what may go wrong, however many labels there are."""
    few, many = judge({"": clear(2)})[""][0], judge({"": clear(40)})[""][0]
    assert few.metric == many.metric == "f1"
    assert few.p == pytest.approx(many.p) and few.verdict == many.verdict == "better"
    single = judge({"": clear(2)})[""][3].p, judge({"": clear(40)})[""][3].p
    assert single[0] < single[1]


def clear(labels: int) -> Comparison:
    """F1 of all labels differs by 3 errors, everything else by 2."""
    names = [f"L{at}" for at in range(labels)]
    return Comparison(8, 8, 100, row("", 500, f1=(0.03, 0.01)), tuple(row(n, recall=(0.02, 0.01)) for n in names))


def row(label: str, support: int = FEW, **metrics: tuple[float, float]) -> LabelComparison:
    """A label with (value, error) per metric; those left out are undecided."""
    found = {m: Difference(*metrics.get(m, (0.0, 0.05)), 14.0) for m in METRICS}
    return LabelComparison(label, support, {}, {}, found)


COMPARED = Comparison(
    ENOUGH_SEEDS,
    8,
    100,
    row("", 500, f1=(0.02, 0.002)),
    (
        row("A", recall=(0.05, 0.005), precision=(-0.04, 0.004)),
        row("B", f1=(0.03, 0.001)),
        row("C", FEW - 1, recall=(0.5, 0.01)),
        row("D", precision=(0.05, 0.005), recall=(-0.2, 0.01)),
        row("E", recall=(0.002, 0.002), precision=(0.0, 0.001)),
        replace(row("F", 0), difference=dict.fromkeys(METRICS)),
    ),
)


def test_a_finding_names_gains_and_losses_by_size():
    found = findings({"mix": COMPARED})["mix"]
    assert [(one.label, one.metric) for one in found.gains] == [("A", "recall"), ("D", "precision")]
    assert [(one.label, one.metric) for one in found.losses] == [("D", "recall"), ("A", "precision")]
    assert found.overall is not None and found.overall.verdict == "better"
    assert (found.none_shown, found.same, found.too_few) == (("B", "E"), ("E",), ("C", "F"))
    assert (found.seeds, found.enough, found.helps, found.harms) == (ENOUGH_SEEDS, True, True, False)


@pytest.mark.parametrize("smaller", ["baseline_seeds", "other_seeds"])
def test_too_few_repeats_say_nothing(smaller):
    found = findings({"mix": replace(COMPARED, **{smaller: ENOUGH_SEEDS - 1})})["mix"]
    assert {one.verdict for one in found.judged} == {"few_repeats"}
    assert not found.enough and not found.gains and not found.none_shown
    assert all(one.interval is None and one.p is None for one in found.judged)


def test_few_mentions_are_not_judged_and_cost_the_others_nothing():
    few = replace(COMPARED, overall=row("", FEW - 1, f1=(0.2, 0.001)))
    found = findings({"mix": few})["mix"]
    assert found.overall is not None and found.overall.verdict == "few_mentions"
    assert [one.verdict for one in found.judged if one.label == "C"] == ["few_mentions"] * 2


def test_what_a_mix_must_not_lose_decides_whether_it_harms():
    worse = replace(COMPARED, overall=row("", 500, f1=(-0.05, 0.002)))
    found = findings({"mix": worse})["mix"]
    assert found.harms and not found.helps and found.gains


def test_a_difference_smaller_than_the_margin_is_told_to_be_small():
    tiny = replace(COMPARED, overall=row("", 500, f1=(0.01, 0.001)))
    overall = findings({"mix": tiny})["mix"].overall
    assert overall is not None and overall.verdict == "better" and overall.small


def test_the_always_valid_rule_is_the_t_tests_bayes_factor():
    """The ratio of the densities of t under the prior and under none (Goenen et al. 2005), computed the long way."""
    found = AlwaysValid(Difference(0.05, 0.012, 14.0), 8, 8)
    size, t = 1 + 4 * 4, 0.05 / 0.012
    factor = stats.t.pdf(t / np.sqrt(size), 14) / np.sqrt(size) / stats.t.pdf(t, 14)
    assert found.p == pytest.approx(1 / factor)
    assert found.interval is not None
    edge = AlwaysValid(Difference(found.interval[0], 0.012, 14.0), 8, 8)
    assert AlwaysValid(Difference(0.05 - found.interval[0], 0.012, 14.0), 8, 8).p == pytest.approx(0.05)
    assert edge.p > found.p
    assert found.interval[0] < Difference(0.05, 0.012, 14.0).interval[0]  # the price of looking again and again


def test_looking_again_and_again_does_not_make_a_difference():
    """Repeats are added one by one and it is looked each time: the fixed test is fooled, the always-valid one isn't."""
    rng, fixed, always = np.random.default_rng(0), 0, 0
    for _ in range(400):
        scores = rng.normal(0.5, 0.02, (2, 40))
        hit = [False, False]
        for n in range(3, 41):
            before, after = scores[0, :n], scores[1, :n]
            error = np.sqrt(before.var(ddof=1) / n + after.var(ddof=1) / n)
            one = Difference(after.mean() - before.mean(), error, 2 * n - 2)
            hit[0] |= one.p <= 0.05
            hit[1] |= AlwaysValid(one, n, n).p <= 0.05
        fixed, always = fixed + hit[0], always + hit[1]
    assert fixed / 400 > 0.15
    assert always / 400 <= 0.05


def test_sequential_judging_says_less():
    shown = judge({"": COMPARED}, sequential=True)[""]
    plain = judge({"": COMPARED})[""]
    for careful, other in zip(shown, plain, strict=True):
        if careful.interval and other.interval and other.p is not None:
            assert careful.interval[0] <= other.interval[0] and careful.interval[1] >= other.interval[1]
    assert always_valid(COMPARED, COMPARED.overall.difference["f1"]).p > COMPARED.overall.difference["f1"].p


def test_repeats_that_are_needed_are_enough():
    """Simulated with the number that is told, a true difference of that size is found in about four of five cases."""
    rng, spread = np.random.default_rng(1), 0.02
    seen = Comparison(8, 8, 100, row(""), ())
    needed = repeats_for(seen, Difference(0.0, spread / 2, 14.0), 0.03)
    assert needed is not None
    scores = rng.normal(0, spread, (2, 2000, needed))
    p = stats.ttest_ind(scores[0], scores[1] + 0.03, axis=1).pvalue
    assert 0.75 <= (p <= 0.05).mean() <= 0.9
    assert repeats_for(seen, Difference(0.0, 0.05, 14.0, rows=0.0025), 0.03) is None  # rows alone leave too much open
    assert repeats_for(seen, Difference(0.0), 0.03) is None
