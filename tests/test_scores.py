"""Entity counts and scores against seqeval, and hand-made cases."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from core.evaluation.scoring import METRICS, bootstrap, score
from core.scores import Counts
from core.tasks import task
from core.tasks.tagging import COLUMNS, Span, spans

LABELS = ("LOC", "ORG", "PER")
TAGS = ("O", *(p + label for label in LABELS for p in ("B-", "I-")))
rows_of_pairs = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=12), min_size=1, max_size=12
)


def counts(gold: list[list[str | None]], pred: list[list[str]], labels: tuple[str, ...] = LABELS):
    return task("tagging").counts(pa.table({"tags": pa.array(gold, COLUMNS["tags"])}), pred, labels)


@given(rows_of_pairs)
@settings(max_examples=200, deadline=None)
def test_scores_equal_seqeval_strict_iob2(rows):
    gold, pred = [[g for g, _ in row] for row in rows], [[p for _, p in row] for row in rows]
    theirs = classification_report(gold, pred, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    ours = score([counts(gold, pred)], draws=2)
    for name in LABELS:
        found = theirs.get(name, {"support": 0})
        assert ours.per_label[name].support == found["support"]
        if found["support"]:
            mine = ours.per_label[name]
            assert (mine.precision, mine.recall, mine.f1) == (found["precision"], found["recall"], found["f1-score"])
    for average, prefix in (("micro avg", ""), ("macro avg", "macro_")):
        if average in theirs and len(theirs) > 3:  # without any entity seqeval's macro is NaN
            for metric in ("precision", "recall", "f1"):
                key = "f1-score" if metric == "f1" else metric
                assert ours.metrics[prefix + metric].mean == pytest.approx(theirs[average][key], abs=1e-15)


def test_spans_ignore_an_inside_that_continues_nothing():
    assert spans(["I-PER", "B-PER", "I-LOC", "I-PER", "B-LOC", "I-LOC", "B-LOC"]) == [
        Span(1, 2, "PER"),
        Span(4, 6, "LOC"),
        Span(6, 7, "LOC"),
    ]


def test_label_without_support_is_null_and_without_prediction_is_zero():
    scores = score([counts([["B-PER", "O"]], [["O", "B-LOC"]])], draws=10)
    assert scores.per_label["LOC"].precision is None
    assert (scores.per_label["PER"].precision, scores.per_label["PER"].f1) == (0.0, 0.0)


def test_a_masked_gold_token_hides_the_predictions_that_touch_it():
    hidden = counts([[None, None, "B-PER"]], [["B-LOC", "I-LOC", "B-PER"]])
    assert (hidden.pred.sum(), hidden.tp.sum(), hidden.gold.sum()) == (1, 1, 1)


def test_means_and_deviation_are_over_seeds():
    right, wrong = [["B-PER", "O", "B-LOC"]], [["B-PER", "O", "O"]]
    scores = score([counts(right, right), counts(right, wrong)], draws=200)
    assert scores.metrics["recall"].mean == 0.75
    assert scores.metrics["recall"].sd == pytest.approx(np.std([1, 0.5], ddof=1))
    assert score([counts(right, right)], draws=5).metrics["f1"].sd is None


def test_interval_covers_seeds_as_well_as_rows():
    gold = [["B-PER"]] * 400
    good, bad = [["B-PER"]] * 400, [["O"]] * 400
    low, high = score([counts(gold, good), counts(gold, bad)]).metrics["recall"].interval
    assert (low, high) == (0.0, 1.0)  # rows alone would say .5 to .5
    one = score([counts(gold, [["B-PER"]] * 280 + [["O"]] * 120)]).metrics["recall"].interval
    assert one == pytest.approx((0.655, 0.745), abs=0.012)  # binomial: .7 +- 1.96 sqrt(.21 / 400)


def test_interval_is_the_same_every_time():
    rng = np.random.default_rng(1)
    gold = [[str(t) for t in rng.choice(["B-PER", "O", "B-LOC"], 6)] for _ in range(60)]
    pred = [[str(t) for t in rng.choice(["B-PER", "O", "B-LOC"], 6)] for _ in range(60)]
    assert score([counts(gold, pred)]).to_json() == score([counts(gold, pred)]).to_json()


def test_draws_are_those_of_the_same_streams_one_row_at_a_time():
    rng = np.random.default_rng(0)
    gold = rng.binomial(2, 0.3, (5, 2))
    gold[3] = 0  # a row that holds nothing
    found = [rng.binomial(gold, 0.6) for _ in range(3)]
    runs = [Counts(("LOC", "PER"), tp, tp + (gold > 0) * rng.binomial(1, 0.4, gold.shape), gold) for tp in found]
    drawn = bootstrap(runs, 270, np.random.default_rng(1), np.random.default_rng(2))
    rows, seeds = np.random.default_rng(1), np.random.default_rng(2)
    picks = [*rows.integers(0, 5, size=(250, 5)), *rows.integers(0, 5, size=(20, 5))]
    repeats = [*seeds.integers(0, 3, size=(250, 3)), *seeds.integers(0, 3, size=(20, 3))]
    for draw, (row, seed) in enumerate(zip(picks, repeats, strict=True)):
        for which, labels, column in (("micro", [0, 1], ()), ("label", [0], (0,)), ("label", [1], (1,))):
            rates = []
            for run in (runs[s] for s in seed):
                tp, pred, true = (int(getattr(run, n)[row][:, labels].sum()) for n in ("tp", "pred", "gold"))
                p, r = (tp / pred if pred else 0.0), (tp / true if true else 0.0)
                rates.append((p, r, 2 * p * r / (p + r) if p + r else 0.0))
            absent = which == "label" and not gold[row][:, labels].any()
            expected = [np.nan] * 3 if absent else np.mean(rates, axis=0)
            mine = [getattr(drawn[which], metric)[(draw, *column)] for metric in METRICS]
            assert mine == pytest.approx(expected, nan_ok=True)
