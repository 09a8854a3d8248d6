"""Mentions in pairs: against seqeval, scikit-learn and nervaluate, against a pairing by hand, and by property."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nervaluate.evaluator import Evaluator
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import classification_report as flat_report

from core.corpus import BASE, Corpus, Schema
from core.evaluation.scoring import METRICS, score
from core.scores import Counts
from core.tasks import TASKS, task
from core.tasks.iob2 import classes, flat
from core.tasks.matching import RULES, count, counts_of, match
from core.tasks.pairs import CORRECT, KINDS, MISSED, SPURIOUS, Matches, confusion, kinds_of, mean_confusion
from core.tasks.tagging import COLUMNS, spans
from core.training import predictions

LABELS = ("LOC", "ORG", "PER")
TAGS = classes(LABELS)
Rows = list[list[str | None]]


def rows_of(gold=TAGS):
    pair = st.tuples(st.sampled_from(gold), st.sampled_from(TAGS))
    return st.lists(st.lists(pair, max_size=12), min_size=1, max_size=10)


known = rows_of()
masked = rows_of((*TAGS, None))


def sides(rows) -> tuple[Rows, Rows]:
    return [[g for g, _ in row] for row in rows], [[p for _, p in row] for row in rows]


def column(tags: Rows) -> pa.ChunkedArray:
    """In two chunks, the second of which does not begin where its buffers do."""
    whole = pa.array(tags, COLUMNS["tags"])
    return pa.chunked_array([whole.slice(0, len(tags) // 2), whole.slice(len(tags) // 2)])


def matched(gold: Rows, pred: Rows) -> Matches:
    return match(flat(column(gold), LABELS), flat(column(pred), LABELS), LABELS)


def counted(gold: Rows, pred: Rows, rule: str = "strict") -> Counts:
    return task("tagging").counts(pa.table({"tags": column(gold)}), column(pred), LABELS, rule)


def tagged(text: str) -> list[str | None]:
    """`P P. L _ ?`: a token of PER, and one that goes on; LOC; O; not known."""
    names = {"P": "PER", "L": "LOC", "O": "ORG"}
    out: list[str | None] = []
    last = ""
    for sign in text.split():
        if sign in "_?":
            out.append("O" if sign == "_" else None)
        else:
            out.append(f"I-{last}" if sign == "." else f"B-{names[sign]}")
            last = last if sign == "." else names[sign]
    return out


def pairs(found: Matches) -> list[tuple[tuple[int, int, int], tuple[int, int, int], str]]:
    return [
        (
            (int(found.gold.start[i]), int(found.gold.end[i]), int(found.gold.label[i])),
            (int(found.predicted.start[i]), int(found.predicted.end[i]), int(found.predicted.label[i])),
            KINDS[found.kind[i]],
        )
        for i in range(len(found.row))
    ]


def same(one: Counts, two: Counts) -> bool:
    return one.names == two.names and all(
        np.array_equal(getattr(one, n), getattr(two, n)) for n in ("tp", "pred", "gold")
    )


# Pairing


def test_each_kind_of_pair():
    found = matched([tagged("P . _ L _ O . _ P . _ L _")], [tagged("P . _ P _ O _ _ L . . _ O")])
    nothing = (-1, -1, -1)
    assert pairs(found) == [
        ((0, 2, 2), (0, 2, 2), "correct"),
        ((3, 4, 0), (3, 4, 2), "wrong_type"),
        ((5, 7, 1), (5, 6, 1), "boundary"),
        ((8, 10, 2), (8, 11, 0), "boundary_and_type"),
        ((11, 12, 0), nothing, "missed"),
        (nothing, (12, 13, 1), "spurious"),
    ]
    assert found.kind.dtype == np.int8


def test_where_several_overlap_the_left_ones_belong_together():
    found = matched([tagged("P . . L .")], [tagged("_ P . . .")])
    assert [kind for _, _, kind in pairs(found)] == ["boundary", "missed"]
    found = matched([tagged("_ P . . .")], [tagged("P . . L .")])
    assert [kind for _, _, kind in pairs(found)] == ["boundary", "spurious"]
    chain = matched([tagged("P . P . P .")], [tagged("_ P . P . _")])
    assert [kind for _, _, kind in pairs(chain)] == ["boundary", "boundary", "missed"]


def by_hand(gold: Rows, pred: Rows) -> list[tuple[int, str]]:
    """(row, kind) of all pairs, in no order: same bounds first, then for each mention from the left the first free."""
    out: list[tuple[int, str]] = []
    for row, (truth, guess) in enumerate(zip(gold, pred, strict=True)):
        free = [s for s in spans(guess) if None not in truth[s.start : s.end]]
        left = []
        for mine in spans(truth):
            exact = next((s for s in free if (s.start, s.end) == (mine.start, mine.end)), None)
            if exact:
                free.remove(exact)
                out.append((row, "correct" if exact.label == mine.label else "wrong_type"))
            else:
                left.append(mine)
        for mine in left:
            other = next((s for s in free if s.start < mine.end and mine.start < s.end), None)
            if other:
                free.remove(other)
            kinds = {True: "boundary", False: "boundary_and_type"}
            out.append((row, kinds[other.label == mine.label] if other else "missed"))
        out += [(row, "spurious") for _ in free]
    return out


@given(masked)
@settings(max_examples=300, deadline=None)
def test_pairs_are_those_found_by_hand(rows):
    gold, pred = sides(rows)
    found = matched(gold, pred)
    mine = [(int(row), KINDS[kind]) for row, kind in zip(found.row, found.kind, strict=True)]
    assert sorted(mine) == sorted(by_hand(gold, pred))


@given(masked)
@settings(max_examples=200, deadline=None)
def test_every_mention_stands_in_one_pair_and_gold_comes_first(rows):
    gold, pred = sides(rows)
    found = matched(gold, pred)

    def listed(side, there) -> list[tuple[int, int, int, str]]:
        columns = (found.row, side.start, side.end, side.label)
        return [(r, s, e, LABELS[k]) for r, s, e, k in zip(*(c[there].tolist() for c in columns), strict=True)]

    truth = [(row, s.start, s.end, s.label) for row, tags in enumerate(gold) for s in spans(tags)]
    scored = [
        (row, s.start, s.end, s.label)
        for row, tags in enumerate(pred)
        for s in spans(tags)
        if None not in gold[row][s.start : s.end]
    ]
    assert listed(found.gold, found.gold.label >= 0) == truth
    assert (found.gold.label[: len(truth)] >= 0).all()
    assert sorted(listed(found.predicted, found.predicted.label >= 0)) == scored
    assert np.array_equal(found.gold.label < 0, found.kind == SPURIOUS)
    assert np.array_equal(found.predicted.label < 0, found.kind == MISSED)
    assert found.rows == len(rows)


@given(known)
@settings(max_examples=200, deadline=None)
def test_no_more_mentions_could_be_paired(rows):
    gold, pred = sides(rows)
    found = matched(gold, pred)
    both = int(((found.gold.label >= 0) & (found.predicted.label >= 0)).sum())
    most = 0
    for truth, guess in zip(gold, pred, strict=True):
        overlaps = [[int(g.start < p.end and p.start < g.end) for p in spans(guess)] for g in spans(truth)]
        if overlaps and overlaps[0]:
            most += int((maximum_bipartite_matching(csr_matrix(overlaps)) >= 0).sum())
    assert both == most


@given(known)
@settings(max_examples=200, deadline=None)
def test_swapping_gold_and_predicted_swaps_missed_and_spurious(rows):
    gold, pred = sides(rows)
    there, back = matched(gold, pred), matched(pred, gold)
    turned = {"missed": "spurious", "spurious": "missed"}
    mirrored = [(p, g, turned.get(kind, kind)) for g, p, kind in pairs(back)]
    assert sorted(zip(there.row.tolist(), pairs(there), strict=True)) == sorted(
        zip(back.row.tolist(), mirrored, strict=True)
    )


def test_a_masked_gold_token_hides_the_predictions_that_touch_it():
    found = matched([tagged("? ? P _ P ?")], [tagged("L . P _ P .")])
    assert pairs(found) == [((2, 3, 2), (2, 3, 2), "correct"), ((4, 5, 2), (-1, -1, -1), "missed")]
    assert counted([tagged("? ? P")], [tagged("L . P")], "token").pred.sum() == 1


def test_nothing_at_all():
    for gold, pred in (([], []), ([[]], [[]]), ([["O"]], [["O"]]), ([[None]], [["B-PER"]])):
        found = matched(gold, pred)
        assert (len(found.row), found.rows) == (0, len(gold))
        for rule in task("tagging").rules:
            assert counted(gold, pred, rule).pred.shape[0] == len(gold)
    assert counts_of(match(flat(column([["B-X"]]), ()), flat(column([["B-X"]]), ()), ()), "exact").tp.shape == (1, 0)


# Counts


@given(masked)
@settings(max_examples=300, deadline=None)
def test_strict_pairs_count_as_without_pairing(rows):
    gold, pred = (flat(column(tags), LABELS) for tags in sides(rows))
    assert same(counts_of(match(gold, pred, LABELS), "strict"), count(gold, pred, LABELS))


@given(known)
@settings(max_examples=100, deadline=None)
def test_valid_sequences_score_as_seqevals_default_mode(rows):
    """Which reads what is no valid IOB2 otherwise; our predictions are always valid, so the two agree on them."""
    gold, pred = (valid(tags) for tags in sides(rows))
    theirs = classification_report(gold, pred, output_dict=True, zero_division=0)
    ours = score([counts_of(matched(gold, pred), "strict")], draws=2)
    for name in LABELS:
        if theirs.get(name, {"support": 0})["support"]:
            mine, found = ours.per_label[name], theirs[name]
            assert (mine.precision, mine.recall, mine.f1) == (found["precision"], found["recall"], found["f1-score"])


@given(known)
@settings(max_examples=100, deadline=None)
def test_kinds_add_up(rows):
    gold, pred = sides(rows)
    found, strict = kinds_of(matched(gold, pred)), counts_of(matched(gold, pred), "strict")
    at = {kind: found[:, number] for number, kind in enumerate(KINDS)}
    assert (at["correct"] == strict.tp.sum(0)).all()
    assert (found.sum(1) - at["spurious"] == strict.gold.sum(0)).all()
    assert found.sum() - at["missed"].sum() == strict.pred.sum()


@given(known)
@settings(max_examples=200, deadline=None)
def test_strict_pairs_score_as_seqeval(rows):
    gold, pred = sides(rows)
    theirs = classification_report(gold, pred, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    ours = score([counts_of(matched(gold, pred), "strict")], draws=2)
    for name in LABELS:
        found = theirs.get(name, {"support": 0})
        mine = ours.per_label[name]
        assert mine.support == found["support"]
        if found["support"]:
            assert (mine.precision, mine.recall, mine.f1) == (found["precision"], found["recall"], found["f1-score"])
    if len(theirs) > 3:
        for metric, key in zip(METRICS, ("precision", "recall", "f1-score"), strict=True):
            assert ours.metrics[metric].mean == pytest.approx(theirs["micro avg"][key], abs=1e-15)


@pytest.mark.parametrize("rule", ["token", "tag"])
@given(masked)
@settings(max_examples=80, deadline=None)
def test_tokens_and_tags_score_as_the_classic_report(rule, rows):
    gold, pred = sides(rows)
    flattened = [(g, p) for truth, guess in zip(gold, pred, strict=True) for g, p in zip(truth, guess, strict=True)]
    both = [[tag[2:] or tag if rule == "token" else tag for tag in pair] for pair in flattened if pair[0] is not None]
    names = sorted({tag for pair in both for tag in pair} - {"O"})
    ours = score([counted(gold, pred, rule)], draws=2)
    assert set(names) <= set(ours.per_label) == set(LABELS if rule == "token" else TAGS[1:])
    if not names:
        assert ours.support == 0
        return
    theirs = flat_report([g for g, _ in both], [p for _, p in both], labels=names, output_dict=True, zero_division=0)
    for name in names:
        mine = ours.per_label[name]
        assert mine.support == theirs[name]["support"]
        if mine.support:
            assert (mine.precision, mine.recall, mine.f1) == pytest.approx(
                tuple(theirs[name][key] for key in ("precision", "recall", "f1-score"))
            )
    micro = theirs.get("micro avg") or dict.fromkeys(("precision", "recall", "f1-score"), theirs["accuracy"])
    for metric, key in zip(METRICS, ("precision", "recall", "f1-score"), strict=True):
        assert ours.metrics[metric].mean == pytest.approx(micro[key])
        assert ours.metrics[f"macro_{metric}"].mean == pytest.approx(theirs["macro avg"][key])


def valid(tags: Rows) -> Rows:
    """Inside tags that continue nothing begin an entity: that is how nervaluate reads them."""
    out: Rows = []
    for row in tags:
        mended: list[str | None] = []
        for tag in row:
            assert tag is not None
            goes_on = tag[:2] != "I-" or (mended and mended[-1] in (tag, "B-" + tag[2:]))
            mended.append(tag if goes_on else "B-" + tag[2:])
        out.append(mended)
    return out


@given(known)
@settings(max_examples=200, deadline=None)
def test_rules_count_as_nervaluate(rows):
    gold, pred = (valid(tags) for tags in sides(rows))
    theirs = Evaluator(gold, pred, tags=list(LABELS), loader="list").evaluate()["overall"]
    several = any(
        sum(a.start < b.end and b.start < a.end for b in others) > 1
        for truth, guess in zip(gold, pred, strict=True)
        for ones, others in ((spans(truth), spans(guess)), (spans(guess), spans(truth)))
        for a in ones
    )
    for rule, name in (("strict", "strict"), ("exact", "exact"), ("partial", "partial"), ("type", "ent_type")):
        if rule == "type" and several:
            continue  # nervaluate pairs anew for this rule, by label and nearness
        ours, found = counted(gold, pred, rule), theirs[name]
        assert (ours.tp.sum(), ours.pred.sum(), ours.gold.sum()) == (
            found.correct + 0.5 * found.partial,
            found.actual,
            found.possible,
        )
        micro = score([ours], draws=2).metrics
        assert [micro[m].mean for m in METRICS] == pytest.approx([found.precision, found.recall, found.f1])


CASES = [  # gold, predicted; then COR + PAR / 2 under strict, exact, partial, type (SemEval-2013 task 9, section 4)
    ("P . _", "P . _", (1, 1, 1, 1)),
    ("P . _", "L . _", (0, 1, 1, 0)),
    ("P . _", "P _ _", (0, 0, 0.5, 1)),
    ("P . _", "_ L .", (0, 0, 0.5, 0)),
    ("P . _", "_ _ P", (0, 0, 0, 0)),
    ("P . _", "_ _ _", (0, 0, 0, 0)),
    ("_ _ _", "P . _", (0, 0, 0, 0)),
    ("P . . .", "P . P .", (0, 0, 0.5, 1)),  # one partner; the other is spurious
    ("P . P .", "P . . .", (0, 0, 0.5, 1)),
    ("P . L . _ O", "P . P _ _ O", (2, 2, 2.5, 2)),
]


@pytest.mark.parametrize(("gold", "pred", "hits"), CASES)
def test_rules_by_hand(gold, pred, hits):
    for rule, worth in zip(RULES, hits, strict=True):
        found = counted([tagged(gold)], [tagged(pred)], rule)
        assert found.tp.sum() == worth
        assert found.pred.sum() == len(spans(tagged(pred)))
        assert found.gold.sum() == len(spans(tagged(gold)))
        assert found.tp.dtype == (np.float32 if rule == "partial" else np.int32)


def test_a_wrong_label_counts_under_its_own_or_under_its_partners():
    gold, pred = [tagged("P . _ P")], [tagged("L . _ P")]  # columns: LOC, ORG, PER
    strict, exact = (counted(gold, pred, rule) for rule in ("strict", "exact"))
    assert (strict.tp.tolist(), strict.pred.tolist()) == ([[0, 0, 1]], [[1, 0, 1]])
    assert (exact.tp.tolist(), exact.pred.tolist()) == ([[0, 0, 2]], [[0, 0, 2]])
    assert strict.gold.tolist() == exact.gold.tolist() == [[0, 0, 2]]


@given(masked)
@settings(max_examples=100, deadline=None)
def test_rules_differ_in_hits_alone_and_in_this_order(rows):
    found = {rule: counts_of(matched(*sides(rows)), rule) for rule in RULES}
    for rule, counts in found.items():
        assert np.array_equal(counts.gold, found["strict"].gold), rule
        assert np.array_equal(counts.pred.sum(1), found["strict"].pred.sum(1)), rule
        assert (counts.tp <= counts.pred).all() and (counts.tp <= counts.gold).all()
    for less, more in (("strict", "exact"), ("exact", "partial"), ("strict", "type")):
        assert (found[less].tp <= found[more].tp).all()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_counts_under_each_of_its_rules_and_no_other(name):
    rules = task(name).rules
    assert rules[0] == "strict" and len(set(rules)) == len(rules)
    with pytest.raises(ValueError, match="no rule 'loose'"):
        counted([["O"]], [["O"]], "loose")


def test_half_hits_are_scored_and_resampled():
    gold, pred = [tagged("P . _")] * 8, [tagged("P _ _")] * 8
    scores = score([counted(gold, pred, "partial")], draws=50)
    assert scores.metrics["f1"].mean == 0.5
    assert scores.metrics["f1"].interval == (0.5, 0.5)


# Kept predictions


def test_kept_predictions_are_counted_as_they_lie_in_their_file(tmp_path):
    rng = np.random.default_rng(0)
    gold, pred = (valid([[str(t) for t in rng.choice(TAGS, 9)] for _ in range(500)]) for _ in range(2))
    ids = pa.array([row.to_bytes(16, "little") for row in range(500)], BASE.field("id").type)
    corpus = Corpus(Schema("tagging", LABELS), pa.table({"id": ids, "tags": pa.array(gold, COLUMNS["tags"])}))
    made = predictions.Predictions(pred, [[0.5] * 9] * 500, 1.0)
    predictions.write(tmp_path / "kept.arrow", corpus, made)
    before = pa.total_allocated_bytes()
    found = predictions.column(tmp_path / "kept.arrow")
    sure = predictions.confidence_column(tmp_path / "kept.arrow")
    assert pa.total_allocated_bytes() == before  # mapped, not read
    assert (found.to_pylist(), sure.to_pylist()) == (pred, made.confidence)
    for rule in task("tagging").rules:
        assert same(
            task("tagging").counts(corpus.table, found, LABELS, rule),
            task("tagging").counts(corpus.table, pred, LABELS, rule),
        )


def test_predictions_for_other_rows_are_refused():
    table = pa.table({"tags": column([["O", "O"]])})
    with pytest.raises(ValueError, match="differ in length"):
        task("tagging").counts(table, column([["O"]]), LABELS, "partial")


# Confusion


def test_confusion_by_hand():
    found = matched([tagged("P . _ L _ O . _ P . _ L _")], [tagged("P . _ P _ O _ _ L . . _ O")])
    assert confusion(found).names == LABELS
    assert confusion(found).counts.tolist() == [  # LOC, ORG, PER, boundary, missed
        [0, 0, 1, 0, 1],
        [0, 0, 0, 1, 0],
        [0, 0, 1, 1, 0],
        [0, 1, 0, 0, 0],  # nothing
    ]


@given(masked)
@settings(max_examples=100, deadline=None)
def test_confusion_adds_up(rows):
    gold, pred = sides(rows)
    found = matched(gold, pred)
    cells, strict = confusion(found).counts, counts_of(found, "strict")
    assert cells[:-1].sum(1).tolist() == strict.gold.sum(0).tolist()
    assert np.diag(cells[:-1, :-2]).tolist() == strict.tp.sum(0).tolist()
    assert cells.sum() == len(found.row)
    assert cells[:, :-1].sum() == strict.pred.sum()
    assert cells[-1, -2:].tolist() == [0, 0]


def test_mean_confusion():
    right, wrong = (confusion(matched([tagged("P _")], [tagged(pred)])) for pred in ("P _", "_ P"))
    mean = mean_confusion([right, wrong])
    assert mean.counts[2].tolist() == [0, 0, 0.5, 0, 0.5]
    assert mean.counts[3].tolist() == [0, 0, 0.5, 0, 0]
    other = confusion(match(flat(column([["O"]]), ("X",)), flat(column([["O"]]), ("X",)), ("X",)))
    for runs in ([], [right, other]):
        with pytest.raises(ValueError, match="same labels"):
            mean_confusion(runs)


def test_correct_is_what_strict_counts():
    found = matched([tagged("P . _ L")], [tagged("P . _ P")])
    assert int((found.kind == CORRECT).sum()) == counts_of(found, "strict").tp.sum() == 1
