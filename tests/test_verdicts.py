"""What the app says of a comparison, the rows behind it, and the sentences behind those."""

import numpy as np
import pytest

from components.verdicts import verdict, verdict_sentence
from core.contrast import harms
from core.evaluation.comparison import Difference, compare
from core.evaluation.scoring import score
from core.report.contrast import colours, forest_rows, lines, rates, spreadsheet
from core.report.figures import AMBER, PALETTE, forest
from core.report.finding import Effect, Finding
from core.report.ledger import Entry, ledger
from core.scores import Counts


def effect(label, metric, value, low, high):
    return Effect(label, metric, Difference(value, (low, high)))


MORE = effect("organisation", "recall", 0.041, 0.012, 0.07)
WRONG = effect("place", "precision", -0.02, -0.035, -0.004)


def found(gains=(), losses=(), none_shown=(), too_few=(), seeds=8, name="mention swaps"):
    return Finding(name, tuple(gains), tuple(losses), tuple(none_shown), tuple(too_few), seeds)


def said(text):
    """A sentence as it reads: without the backslashes and joiners that make it safe."""
    return text.replace("\\", "").replace("\u2060", "")


def test_a_gain_is_told_with_its_figures():
    text = said(verdict_sentence(found([MORE], none_shown=["place", "person"]), "test"))
    assert text == (
        "**mention swaps** helps: finds more mentions of **organisation** "
        "(recall +4.1 points, 95 % interval +1.2 to +7.0). "
        "For place, person no difference is shown. Measured on test, at least 8 repeats each."
    )


def test_a_cost_is_told_beside_a_gain():
    text = said(verdict(found([MORE], [WRONG])))
    assert "helps: finds more mentions of **organisation**" in text
    cost = "What it costs: what it marks as **place** is right less often (precision -2.0 points, "
    assert cost + "95 % interval -3.5 to -0.4)." in text


def test_what_loses_over_all_labels_does_harm_whatever_it_gains():
    worse = effect("", "f1", -0.05, -0.08, -0.02)
    text = said(verdict(found([MORE], [worse])))
    assert text.startswith("**mention swaps** does harm: worse over all labels (F1 -5.0 points")
    assert "What it gains: finds more mentions of **organisation**" in text
    assert harms(found(losses=[WRONG]))
    assert not harms(found([MORE], [WRONG]))
    assert not harms(found())


def test_nothing_shown_and_too_few_are_said():
    text = said(verdict(found(none_shown=["place"], too_few=["event"])))
    assert text == "**mention swaps**: no difference is shown. Too few to judge, under 30 mentions: event."


def test_too_few_repeats_are_no_verdict():
    text = said(verdict_sentence(found(seeds=3), "dev"))
    assert text == "**mention swaps**: not enough repeats to judge, 3 of at least 5."


def test_many_effects_are_cut_short_and_counted():
    many = [effect(f"label{at}", "recall", 0.05, 0.01, 0.09) for at in range(7)]
    text = said(verdict(found(many)))
    assert "mentions of **label2**" in text
    assert "mentions of **label3**" not in text
    assert "4 more." in text


@pytest.mark.parametrize("name", ["![x](http://e.invalid)", "**bold**", ":red[a]", "<b>", "www.e.invalid", "$x$"])
def test_names_are_shown_as_typed(name):
    hostile = effect(name, "recall", 0.1, 0.05, 0.15)
    text = verdict_sentence(found([hostile], none_shown=[name], too_few=[name], name=name), "test")
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
    assert changed[0] == Entry(0, 0.5, 1.0)
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


def test_equal_shares_of_unequal_groups_are_no_difference():
    perfect, blind = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD)
    assert ledger([blind, blind, perfect], [blind, perfect, blind, perfect, blind, blind], "PER") == []


def test_a_ledger_refuses_other_gold():
    with pytest.raises(ValueError, match="same gold"):
        ledger([counts(NONE, NONE, GOLD)], [counts(NONE, NONE, NONE)], "LOC")


def compared():
    perfect, blind = counts(GOLD, GOLD, GOLD), counts(NONE, NONE, GOLD)
    base, other = [blind, perfect], [perfect, perfect]
    return base, other, compare(base, other, draws=200)


def test_rows_of_one_mix_are_labels_and_of_several_have_headings():
    _, _, comparison = compared()
    one = forest_rows({"swaps": comparison}, "recall", {"swaps": "#000001"}, "all")
    assert [(row.label, row.heading, row.colour) for row in one] == [
        ("all", False, "#000001"),
        ("LOC", False, "#000001"),
        ("PER", False, "#000001"),
    ]
    two = forest_rows({"a": comparison, "b": comparison}, "recall", {"a": "#000001", "b": "#000002"}, "all")
    assert [row.label for row in two] == ["all", "a", "b", "LOC", "a", "b", "PER", "a", "b"]
    assert [row.heading for row in two] == [True, False, False] * 3
    assert two[1].value == pytest.approx(0.5)
    ticks = forest(two, "x").layout.yaxis.ticktext
    assert ticks[:2] == ("<b>all</b>", "a")


def test_lines_hold_every_rate_and_the_baseline_has_no_difference():
    base, other, comparison = compared()
    told = lines(("gold only", score(base, draws=200)), {"swaps": (score(other, draws=200), comparison)})
    assert [(line.label, line.mix) for line in told[:4]] == [
        ("", "gold only"),
        ("", "swaps"),
        ("LOC", "gold only"),
        ("LOC", "swaps"),
    ]
    assert not told[0].difference
    assert told[3].rate["recall"][0] == 1.0
    assert told[3].difference["recall"].value == pytest.approx(0.5)
    by_mix, labels = rates(told, "recall", "all")
    assert labels == ["all", "LOC", "PER"]
    assert by_mix["swaps"]["PER"][0] == 1.0
    names = ("label", "mix", "support", "recall", "precision", "f1", "low", "high", "difference")
    words = {name: name for name in (*names, "difference_low", "difference_high")} | {"all_labels": "=all"}
    table = spreadsheet(told, words).decode("utf-8-sig").splitlines()
    assert len(table) == 1 + len(told)
    assert table[1].startswith("'=all,gold only,80,0.5,")
    assert table[0].count(",") == table[1].count(",")


def test_a_mix_has_the_colour_of_its_one_ingredient():
    parts = {"gold only": [], "both": ["a", "b"], "just b": ["b"], "again b": ["b"]}
    shown = colours(parts, ["a", "b"])
    assert (shown["gold only"], shown["just b"]) == (AMBER, PALETTE[1])
    assert list(shown) == list(parts)
    assert len(set(shown.values())) == 4
