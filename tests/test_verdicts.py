"""What the app says of a comparison, the rows behind it, and the sentences behind those."""

import numpy as np
import pytest

from components.verdicts import all_verdicts, verdict, verdict_sentence
from core.evaluation.comparison import Difference, compare, measure
from core.evaluation.verdicts import Judged
from core.report.contrast import colours, lines, spreadsheet
from core.report.figures import AMBER, PALETTE
from core.report.finding import Finding, findings
from core.report.forest import forest, label_rows, mix_rows, reach
from core.report.ledger import Entry, ledger
from core.scores import Counts


def judged(label, metric, value, low, high, verdict):
    p = None if verdict in ("few_mentions", "few_repeats") else 0.01
    return Judged(label, metric, 100, Difference(value), None if low is None else (low, high), verdict, p)


MORE = judged("organisation", "recall", 0.041, 0.012, 0.07, "better")
WRONG = judged("place", "precision", -0.02, -0.035, -0.004, "worse")
OPEN = judged("", "f1", 0.003, -0.01, 0.016, "open")


def unclear(label, verdict="open"):
    return [judged(label, metric, 0.0, -0.02, 0.02, verdict) for metric in ("recall", "precision")]


def found(*effects, overall=OPEN, too_few=(), seeds=8, name="mention swaps"):
    return Finding(name, (overall, *effects), tuple(too_few), (seeds, 8))


def said(text):
    """A sentence as it reads: without the backslashes and joiners that make it safe."""
    return text.replace("\\", "").replace("\u2060", "")


def test_a_gain_is_told_with_its_figures():
    text = said(verdict_sentence(found(MORE, *unclear("place"), *unclear("person")), "test"))
    assert text == (
        "**mention swaps**: over all labels no difference is shown: "
        "F1 +0.3 points (95 %: -1.0 to +1.6, 8 repeats each). "
        "What it gains: more mentions of **organisation** found (recall +4.1 points, 95 %: +1.2 to +7.0). "
        "For place, person no difference is shown. Measured on test."
    )


def test_a_cost_is_told_beside_a_gain():
    text = said(verdict(found(MORE, WRONG)))
    assert "What it gains: more mentions of **organisation** found" in text
    cost = "What it costs: marks of **place** right less often (precision -2.0 points, 95 %: -3.5 to -0.4)."
    assert cost in text


@pytest.mark.parametrize(
    ("overall", "words"),
    [
        (("better", 0.03, 0.01, 0.05), "**mention swaps** is better: F1 +3.0 points (95 %: +1.0 to +5.0"),
        (("better", 0.01, 0.005, 0.015), "is better, but by less than 2 points: F1 +1.0"),
        (("worse", -0.03, -0.05, -0.01), "**mention swaps** is worse: F1 -3.0 points"),
        (("worse", -0.01, -0.015, -0.005), "is worse, but by less than 2 points"),
        (("same", 0.001, -0.008, 0.01), "no difference is shown, over all labels it is the same within 2 points"),
        (("open", 0.01, -0.02, 0.04), "**mention swaps**: no difference is shown: F1 +1.0 points"),
        (("few_mentions", 0.01, -0.02, 0.04), "**mention swaps**: too few mentions to judge."),
    ],
)
def test_the_answer_over_all_labels_comes_first(overall, words):
    word, *figures = overall
    assert words in said(verdict(found(overall=judged("", "f1", *figures, word))))


def test_sameness_and_too_few_are_said():
    text = said(verdict(found(*unclear("place", "same"), too_few=["event"])))
    assert text.endswith("The same within 2 points: place. Too few to judge, under 30 mentions: event.")


def test_too_few_repeats_are_no_verdict():
    few = judged("", "f1", 0.3, None, None, "few_repeats")
    text = said(verdict_sentence(found(overall=few, seeds=3), "dev"))
    assert text == "**mention swaps**: not enough repeats to judge, 3 of at least 5."


def test_many_effects_are_cut_short_and_counted():
    many = [judged(f"label{at}", "recall", 0.05, 0.01, 0.09, "better") for at in range(7)]
    text = said(verdict(found(*many)))
    assert "mentions of **label2**" in text
    assert "mentions of **label3**" not in text
    assert "4 more." in text


@pytest.mark.parametrize("name", ["![x](http://e.invalid)", "**bold**", ":red[a]", "<b>", "www.e.invalid", "$x$"])
def test_names_are_shown_as_typed(name):
    hostile = judged(name, "recall", 0.1, 0.05, 0.15, "better")
    other = unclear(name + "2")
    text = verdict_sentence(found(hostile, *other, too_few=[name], name=name), "test")
    assert name not in text
    assert said(text).count(name) == 4


def counts(tp, pred, gold):
    return Counts(("LOC", "PER"), *(np.array(found, dtype=np.int32) for found in (tp, pred, gold)))


GOLD = [[1, 0], [0, 1], [1, 1], [0, 0]] * 20
NONE = [[0, 0]] * 80
WITH_EXTRA = [[1, 0], [0, 1], [1, 1], [1, 0]] * 20  # a LOC too many in every fourth row


def test_a_ledger_holds_the_rows_that_differ_the_largest_first():
    perfect, blind, extra = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD), counts(GOLD, WITH_EXTRA, GOLD)
    changed = ledger([blind, perfect], [perfect, perfect], "LOC")
    assert changed[0] == Entry(0, 0.5, 1.0, (0, 0))  # the first run of the baseline is the one that was wrong
    assert [entry.row for entry in changed[:4]] == [0, 2, 4, 6]
    assert {entry.change for entry in changed} == {"fixed"}
    mixed = ledger([blind, perfect], [extra, perfect], "LOC")
    assert {(e.row % 4, e.before, e.after, e.change) for e in mixed} == {
        (0, 0.5, 1.0, "fixed"),
        (2, 0.5, 1.0, "fixed"),
        (3, 1.0, 0.5, "broken"),
    }
    order = [abs(e.after - e.before) for e in ledger([blind, blind], [perfect, extra], "LOC")]
    assert order == sorted(order, reverse=True)
    assert order[0] > order[-1]


def test_without_a_label_a_repeat_must_be_right_about_all_of_them():
    perfect, extra = counts(GOLD, GOLD, GOLD), counts(GOLD, WITH_EXTRA, GOLD)
    assert {entry.row % 4 for entry in ledger([perfect], [extra])} == {3}
    blind_to_people = counts(np.array(GOLD) * [1, 0], np.array(GOLD) * [1, 0], GOLD)
    assert {(e.row % 4, e.change) for e in ledger([blind_to_people], [perfect])} == {(1, "fixed"), (2, "fixed")}


def test_each_row_names_repeats_that_show_the_change():
    perfect, blind, extra = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD), counts(GOLD, WITH_EXTRA, GOLD)
    found = {entry.row: entry for entry in ledger([perfect, blind], [extra, perfect], "LOC")}
    assert (found[0].change, found[0].shown) == ("fixed", (1, 0))
    assert (found[3].change, found[3].shown) == ("broken", (0, 0))


def test_equal_shares_of_unequal_groups_are_no_difference():
    perfect, blind = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD)
    assert ledger([blind, blind, perfect], [blind, perfect, blind, perfect, blind, blind], "PER") == []


def test_a_ledger_refuses_other_gold():
    with pytest.raises(ValueError, match="same gold"):
        ledger([counts(NONE, NONE, GOLD)], [counts(NONE, NONE, NONE)], "LOC")


def compared():
    perfect, blind = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD)
    base, other = [blind, perfect], [perfect, perfect]
    comparison = compare(measure(base), measure(other))
    return measure(base), measure(other), comparison, findings({"swaps": comparison})["swaps"]


def test_a_forest_has_a_row_for_each_label_or_each_mix():
    *_, one = compared()
    rows = label_rows(one, "recall", "#000001", "all", all_verdicts())
    assert [(row.label, row.value, row.verdict) for row in rows] == [
        ("all", 0.5, "few_repeats"),
        ("LOC", 0.5, "few_repeats"),
        ("PER", 0.5, "few_repeats"),
    ]
    assert {row.note for row in rows} == {"few repeats"}
    several = mix_rows({"a": one, "b": one}, {"a": "#000001", "b": "#000002"}, all_verdicts())
    assert [(row.label, row.colour) for row in several] == [("a", "#000001"), ("b", "#000002")]
    assert reach(rows, several) == 0.75
    assert forest(rows, "x").layout.xaxis.range == forest(rows, "x", reach(rows)).layout.xaxis.range == (-75, 75)


def test_lines_hold_every_rate_and_the_baseline_has_no_difference():
    base, other, comparison, one = compared()
    told = lines(("gold only", base), {"swaps": (other, comparison, one)})
    assert [(line.label, line.mix) for line in told[:4]] == [
        ("", "gold only"),
        ("", "swaps"),
        ("LOC", "gold only"),
        ("LOC", "swaps"),
    ]
    assert not told[0].difference
    assert told[3].rate["recall"][0] == 1.0
    assert told[3].difference["recall"].value == pytest.approx(0.5)
    assert told[3].judged["recall"].verdict == "few_repeats" and "f1" not in told[3].judged
    names = ("label", "mix", "support", "recall", "precision", "f1", "low", "high", "difference", "verdict")
    words = {name: name for name in (*names, "difference_low", "difference_high")} | {"all_labels": "=all"}
    table = spreadsheet(told, words, all_verdicts()).decode("utf-8-sig").splitlines()
    assert len(table) == 1 + len(told)
    assert table[1].startswith("'=all,gold only,80,0.5,")
    assert "few repeats" in table[2] and "few repeats" not in table[1]
    assert table[0].count(",") == table[1].count(",")


def test_a_mix_has_the_colour_of_its_one_ingredient():
    parts = {"gold only": [], "both": ["a", "b"], "just b": ["b"], "again b": ["b"]}
    shown = colours(parts, ["a", "b"])
    assert (shown["gold only"], shown["just b"]) == (AMBER, PALETTE[1])
    assert list(shown) == list(parts)
    assert len(set(shown.values())) == 4
