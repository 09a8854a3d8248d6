"""The drawers of the Compare page: what stands in the figures and tables, by hand-made cases and on the sample."""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import contrast, corpus, groups, sliced
from core.apart import apart
from core.cost import cost
from core.evaluation.comparison import Measured, measure
from core.evaluation.slices import SLICES
from core.groups import Group, counts_of, evaluated
from core.jobs.folder import append_line, metrics_file, read_json, resources_file, write_json
from core.mix import GOLD, Part
from core.report import confusion as maps
from core.report.canvas import GREY
from core.report.confusion import BOUNDARY, MISSED, NOTHING, Shares, confusion_map, largest, shares
from core.report.figures import AMBER, PALETTE
from core.report.lettering import escape, shown
from core.report.plane import Key, Place, places, plane
from core.sample import open_sample
from core.scores import FEW, Counts
from core.tasks.iob2 import flat
from core.tasks.matching import match
from core.tasks.pairs import Matches
from core.workspace import Workspace
from tests.test_figures import HOSTILE, data, layout, strings

WORDS = {"gold": "In gold", "predicted": "Marked as", BOUNDARY: "borders", MISSED: "missed", NOTHING: "nothing"}
KEY = Key("Recall", "Precision", ("gold only", "mix"), (AMBER, PALETTE[0]))


# Recall and precision on a plane


def measured(*runs: tuple[list[int], list[int], list[int]]) -> Measured:
    """Of runs over one row with the labels LOC, ORG and PER: right, marked, and gold mentions of each."""
    names = ("LOC", "ORG", "PER")
    return measure([Counts(names, *(np.array([one], dtype=np.int32) for one in run)) for run in runs])


BEFORE = measured(([10, 5, 0], [20, 10, 0], [40, 20, 0]), ([20, 5, 0], [40, 10, 5], [40, 20, 0]))
AFTER = measured(([30, 10, 0], [40, 40, 0], [40, 20, 0]))


def test_places_are_means_over_repeats_of_labels_that_there_are():
    whole, loc, org = places(BEFORE, AFTER, "all", spread="LOC")
    assert (loc.label, loc.support, loc.before, loc.after) == ("LOC", 40, (0.375, 0.5), (0.75, 0.75))
    assert (org.label, org.support, org.faint, loc.faint) == ("ORG", 20, True, False)
    assert (whole.label, whole.whole, whole.support, loc.whole) == ("all", True, 60, False)
    assert whole.before == pytest.approx(((15 / 60 + 25 / 60) / 2, (15 / 30 + 25 / 55) / 2))
    assert loc.repeats == (((0.25, 0.5), (0.5, 0.5)), ((0.75, 0.75),))
    assert whole.repeats == org.repeats == ((), ())
    assert places(BEFORE, AFTER, "all")[0].repeats[1] == ((40 / 60, 40 / 80),)


def dots(figure: Any) -> list[Any]:
    return [trace for trace in data(figure) if trace.get("name")]


def test_a_plane_shows_hollow_dots_before_and_filled_ones_after():
    figure = plane(places(BEFORE, AFTER, "all", "LOC"), KEY)
    before, after = dots(figure)
    assert (before["x"][1:], before["y"][1:]) == ([37.5, 25], [50, 50])
    assert (after["x"][1:], after["y"][1:]) == ([75, 50], [75, 25])
    assert (before["name"], before["marker"]["symbol"]) == ("gold only", "square")
    assert (after["name"], after["marker"]["symbol"]) == ("mix", "circle")
    assert before["marker"]["color"] == [AMBER, AMBER, GREY] and after["marker"]["color"][1:] == [PALETTE[0], GREY]
    assert after["marker"]["size"][0] > after["marker"]["size"][1] == after["marker"]["size"][2]
    assert after["hovertext"][1].startswith("LOC · n = 40<br>gold only: Recall 37.5 %, Precision 50.0 %<br>mix: ")
    moves = [trace for trace in data(figure) if trace.get("line", {}).get("width") == 1.5]
    assert moves[0]["x"][3:] == [37.5, 75, None] and moves[1]["line"]["color"] == GREY
    singles = [trace for trace in data(figure) if trace.get("marker", {}).get("size") == 5]
    assert [trace["x"] for trace in singles] == [[25, 50], [75]]
    for axis in ("xaxis", "yaxis"):
        low, high = layout(figure)[axis]["range"]
        assert -5 < low < 0 and 100 < high < 105


def lines_of_f1(figure: Any) -> tuple[list[str], list[tuple[float, float]]]:
    """-> the names of the lines, and all their points"""
    line, names = data(figure)[:2]
    return names["text"], [(x, y) for x, y in zip(line["x"], line["y"], strict=True) if x is not None]


def test_lines_of_f1_are_where_f1_is_the_same():
    names, points = lines_of_f1(plane(places(BEFORE, AFTER, "all"), KEY))
    assert names == ["F1 20", "F1 40", "F1 60", "F1 80"]
    found = {round(2 * x * y / (x + y), 6) for x, y in points}
    assert found == {20, 40, 60, 80}
    assert max(max(point) for point in points) < 100.001


def test_a_close_up_holds_all_dots_and_enough_lines():
    found = [Place("a", 99, (0.91, 0.88), (0.93, 0.9)), Place("b", 99, (0.95, 0.91), (0.94, 0.92))]
    figure = plane(found, KEY, close=True)
    (left, right), (low, high) = (layout(figure)[axis]["range"] for axis in ("xaxis", "yaxis"))
    assert 80 < left < 91 and 95 < right <= 101 and 80 < low < 88 and 92 < high < 99
    names, points = lines_of_f1(figure)
    assert len(names) >= 3 and all(left <= x <= right and low <= y <= high for x, y in points)
    middle = [Place("a", 99, (0.5, 0.5), (0.5, 0.5))]
    low, high = layout(plane(middle, KEY, close=True))["xaxis"]["range"]
    assert 44 < low < 46 and 54 < high < 56


def test_names_stand_only_where_they_meet_nothing():
    crowd = [Place(f"label {at}", 50 + at, (0.5, 0.5), (0.5 + at / 1000, 0.5)) for at in range(9)]
    shown_names = [text for text in dots(plane(crowd, KEY))[1]["text"] if text]
    assert 1 <= len(shown_names) <= 4 and "label 8" in shown_names  # that with most mentions chooses first
    apart_from_others = [Place(f"label {at}", 50, (0.1, 0.1), (0.2 + at / 8, 0.9 - at / 8)) for at in range(5)]
    assert all(dots(plane(apart_from_others, KEY))[1]["text"])
    assert not any(dots(plane(crowd, KEY))[0]["text"])
    edge = [Place("a long name of a label", 50, (0.5, 0.1), (1.0, 0.5))]
    assert dots(plane(edge, KEY))[1]["textposition"] == ["middle left"]


# What is taken for what


def matches(gold: str, *predicted: str) -> list[Matches]:
    """Taggings of one row, as words like `B-ORG I-ORG O`, held against gold."""
    names = ("LOC", "ORG")
    kind = pa.list_(pa.string())
    both = [flat(pa.chunked_array([pa.array([tags.split()], kind)]), names) for tags in (gold, *predicted)]
    return [match(both[0], guess, names) for guess in both[1:]]


GOLD_TAGS = "B-ORG O B-ORG I-ORG O B-LOC O B-ORG O O B-ORG"
FIRST = "B-ORG O B-ORG O     O B-ORG O B-LOC O B-ORG O"
SECOND = "B-ORG O B-ORG I-ORG O B-LOC O B-LOC O O B-ORG"


def test_shares_say_what_became_of_the_mentions_of_a_label():
    found = shares(matches(GOLD_TAGS, FIRST))
    assert found.names == ("LOC", "ORG") and found.gold.tolist() == [1, 4] and found.predicted.tolist() == [1, 4]
    loc, org, nothing = found.values.tolist()
    assert loc == [0, 1, 0, 0]  # taken for an organisation
    assert org == [0.25, 0.25, 0.25, 0.25]  # a place, right, wrong borders, missed
    assert nothing[:2] == [0, 0.25] and np.isnan(nothing[2:]).all()  # one of four marks as ORG touches nothing


def test_shares_are_means_over_repeats():
    found = shares(matches(GOLD_TAGS, FIRST, SECOND))
    assert found.values[1].tolist() == [0.25, 0.5, 0.125, 0.125]
    assert found.values[2, :2].tolist() == [0, 0.125] and found.predicted.tolist() == [1.5, 3.5]
    none = shares(matches(GOLD_TAGS, "O " * 11))
    assert none.values[:2, 3].tolist() == [1, 1] and np.isnan(none.values[2]).all()
    with pytest.raises(ValueError, match="run"):
        shares([])


def table(*rows: list[float], gold: tuple[int, int] = (100, 100)) -> Shares:
    return Shares(("LOC", "ORG"), np.array(rows), np.array(gold), np.array([80.0, 90.0]))


def test_the_largest_change_is_one_of_mistakes_in_labels_with_enough_mentions():
    nan = math.nan
    before = table([0.8, 0.1, 0.1, 0.0], [0.08, 0.7, 0.12, 0.1], [0.1, 0.2, nan, nan])
    after = table([0.6, 0.1, 0.1, 0.2], [0.03, 0.8, 0.1, 0.07], [0.1, 0.05, nan, nan])
    found = largest(before, after)
    assert found is not None and (found.row, found.column, found.taken) == ("LOC", MISSED, False)
    assert (found.before, found.after) == (0, 0.2)
    few = replace(before, gold=np.array([FEW - 1, 100]))
    found = largest(few, after)
    assert found is not None and (found.row, found.column, found.spurious) == (NOTHING, "ORG", True)
    found = largest(replace(few, predicted=np.array([80.0, 20.0])), after)
    assert found is not None and (found.row, found.column, found.taken) == ("ORG", "LOC", True)
    assert largest(before, before) is None
    assert largest(replace(before, gold=np.array([1, 1]), predicted=np.zeros(2)), after) is None


def test_a_map_holds_per_cent_and_writes_what_is_not_zero():
    found = shares(matches(GOLD_TAGS, FIRST))
    cells, numbers = data(confusion_map(found, WORDS))
    assert cells["z"] == [[0, 100, 0, 0], [25, 25, 25, 25], [0, 25, None, None]]
    assert (cells["zmin"], cells["zmax"]) == (0, 100)
    assert list(zip(numbers["x"], numbers["y"], numbers["text"], strict=True)) == [
        *((1, 0, "100"), (0, 1, "25"), (1, 1, "25"), (2, 1, "25"), (3, 1, "25"), (1, 2, "25")),
    ]
    look = layout(confusion_map(found, WORDS))
    assert look["yaxis"]["ticktext"] == ["LOC", "ORG", "nothing"]
    assert look["xaxis"]["ticktext"] == ["LOC", "ORG", "borders", "missed"]
    assert cells["hovertext"][1][0] == "ORG → LOC<br>25.0 % · n = 4" and cells["hovertext"][2][2] == ""
    slight = replace(found, values=np.where(found.values == 0.25, 0.004, found.values))
    assert data(confusion_map(slight, WORDS))[1]["text"] == ["100"]  # less than half a per cent is shown by hovering


def test_a_map_of_a_difference_is_symmetric_around_zero():
    before, after = shares(matches(GOLD_TAGS, FIRST)), shares(matches(GOLD_TAGS, SECOND))
    cells, numbers = data(confusion_map(after, WORDS, against=before))
    assert cells["z"][0] == [100, -100, 0, 0] and cells["z"][1] == [0, 50, -25, -25]
    assert cells["zmin"] == -cells["zmax"] == -100
    assert [at for at, _ in cells["colorscale"]] == [0, 0.5, 1]
    assert numbers["text"] == ["+100", "-100", "+50", "-25", "-25", "-25"]
    assert cells["hovertext"][1][1] == "ORG → ORG<br>25.0 % → 75.0 % (+50.0) · n = 4"
    calm, _ = data(confusion_map(before, WORDS, against=before))
    assert (calm["zmin"], calm["zmax"]) == (-5, 5)  # what is next to nothing isn't blown up
    unlike = data(confusion_map(after, WORDS, against=replace(before, values=before.values * math.nan)))
    assert unlike[1].get("x", []) == []


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(scale: list[Any], at: float) -> str:
    """The colour that Plotly draws at a place of a scale."""
    places_, colours = zip(*scale, strict=True)
    parts = [[int(part) for part in re.findall(r"\d+", colour)] for colour in colours]
    return "rgb({},{},{})".format(*(round(np.interp(at, places_, [p[i] for p in parts])) for i in range(3)))


@pytest.mark.parametrize("signed", [False, True])
def test_every_number_of_a_map_is_legible_on_its_cell(signed):
    steps = np.linspace(-1 if signed else 0, 1, 81)
    nothing = Shares(tuple("ab"), np.zeros((3, 4)), np.array([9, 9]), np.zeros(2))
    for some in np.array_split(steps, 7):
        values = np.resize(some, (3, 4))
        values[2, 2:] = math.nan
        cells, numbers = data(
            confusion_map(replace(nothing, values=values), WORDS, against=nothing if signed else None)
        )
        for x, y, ink in zip(numbers["x"], numbers["y"], numbers["textfont"]["color"], strict=True):
            at = (cells["z"][y][x] - cells["zmin"]) / (cells["zmax"] - cells["zmin"])
            cell = luminance(mixed(cells["colorscale"], at))
            light, dark = sorted((luminance(ink), cell), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (x, y, cells["z"][y][x])


def test_a_map_of_many_labels_has_a_scale_in_place_of_numbers():
    many = tuple(f"label {at}" for at in range(18))
    values = np.full((19, 20), 0.5)
    values[18, 18:] = math.nan
    found = Shares(many, values, np.full(18, 9), np.full(18, 9.0))
    (cells,) = data(confusion_map(found, WORDS))
    assert cells["showscale"] is True
    few, _ = data(confusion_map(shares(matches(GOLD_TAGS, FIRST)), WORDS))
    assert few["showscale"] is False


def every_figure(name: str) -> dict[str, Any]:
    words = dict.fromkeys(WORDS, name)
    values = np.array([[0.5, 0, 0, 0.5], [0, 0.5, 0.5, 0], [0.5, 0.5, math.nan, math.nan]])
    found = Shares((name, "b"), values, np.array([9, 9]), np.array([9.0, 9.0]))
    return {
        "plane": plane([Place(name, 40, (0.5, 0.5), (0.6, 0.6))], Key(name, name, (name, name), (AMBER, GREY))),
        "confusion": confusion_map(found, words),
        "change": confusion_map(found, words, found),
    }


@pytest.mark.parametrize("kind", ["plane", "confusion", "change"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_markup(kind, name):
    figure = every_figure(name)[kind]
    texts = list(strings(json.loads(figure.to_json())))
    assert any(shown(name) in text or escape(name) in text for text in texts)
    for text in texts:
        assert name not in text or not re.search(r"[<>&$]", name), text
        assert not re.search(r"[<>$]|&(?!(amp|lt|gt|#36);)", text.replace("<br>", "")), text
        assert text.isprintable(), text
    for trace in data(figure):
        assert "hovertemplate" not in trace and "texttemplate" not in trace


# The sample


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, Group]]:
    """The sample's workspace, never changed, and its groups by name."""
    space = Workspace.open(tmp_path_factory.mktemp("drawers") / "ws")
    project = open_sample(space, "newsroom")
    return space, {group.name: group for group in contrast.finished(space, project.slug)}


@pytest.fixture
def changeable(sampled: tuple[Workspace, dict[str, Group]], tmp_path: Path) -> tuple[Workspace, dict[str, Group]]:
    """A copy of it, to be changed."""
    shutil.copytree(sampled[0].root, tmp_path / "ws")
    return Workspace(tmp_path / "ws"), sampled[1]


def ground_of(space: Workspace, *found: Group) -> sliced.Ground:
    return sliced.ground(space, groups.split_of(space, found[0], "dev"), sliced.ingredients_of(space, found))


@pytest.mark.parametrize("name", [name for name in SLICES if name != "ingredient"])
def test_the_parts_of_a_slice_add_up_to_the_whole(sampled, name):
    space, found = sampled
    group = found["gold only"]
    whole = counts_of(space, group, "dev")
    background = replace(ground_of(space, group).background, wanted="the")
    parts = sliced.counts_on(sliced.matched(space, group, "dev"), background, name)
    assert len(parts) > 1
    for run, counts in enumerate(whole):
        for kind in ("tp", "pred", "gold"):
            added = sum(getattr(part[run], kind) for part in parts.values())
            assert np.array_equal(added, getattr(counts, kind)), (name, kind)


def test_unseen_is_relative_to_gold_whatever_a_mix_adds(sampled):
    space, found = sampled
    group, mix = found["gold only"], found["mention swaps"]
    alone, both = ground_of(space, group), ground_of(space, group, mix)
    assert alone.background.train == both.background.train
    assert set(both.background.ingredients) == {GOLD, "mention swaps"}
    pairs = (sliced.matched(space, group, "dev"), sliced.matched(space, mix, "dev"))
    compared = sliced.compared_on(*pairs, both.background, "seen")
    gold = corpus.read(space.corpus_path(sliced.ingredients_of(space, [group])[GOLD]))
    dev = groups.split_of(space, group, "dev")
    known = set(_mentions(gold))
    support = sum(text in known for text in _mentions(dev))
    assert compared["seen"].overall.support == support > 0
    assert compared["unseen"].overall.support == len(_mentions(dev)) - support > 0


def _mentions(data: corpus.Corpus) -> list[str]:
    from core.tasks.tagging import spans

    rows = zip(data.table.column("tokens").to_pylist(), data.table.column("tags").to_pylist(), strict=True)
    return [" ".join(tokens[span.start : span.end]) for tokens, tags in rows for span in spans(tags)]


def test_a_text_of_ones_own_parts_the_sentences(sampled):
    space, found = sampled
    group, mix = found["gold only"], found["mention swaps"]
    pairs = (sliced.matched(space, group, "dev"), sliced.matched(space, mix, "dev"))
    background = ground_of(space, group).background
    compared = sliced.compared_on(*pairs, background, "text", "THE")
    rows = groups.split_of(space, group, "dev").table.select(["tokens", "tags"]).to_pylist()
    holding = [row for row in rows if "the" in " ".join(row["tokens"]).casefold()]
    mentions = sum(tag is not None and tag.startswith("B-") for row in holding for tag in row["tags"])
    assert compared["with"].overall.support == mentions
    nowhere = sliced.compared_on(*pairs, background, "text", "no such text")
    assert nowhere["with"].overall.support == 0 and nowhere["with"].overall.difference["recall"] is None


def test_without_the_sentences_of_gold_nothing_is_called_unseen(changeable):
    space, found = changeable
    group = found["gold only"]
    assert ground_of(space, group).slices == tuple(SLICES)
    space.corpus_path(sliced.ingredients_of(space, [group])[GOLD]).unlink()
    assert ground_of(space, group).slices == ("length", "casing", "sentence", "text")


def both(space: Workspace, left: Group, right: Group) -> Any:
    return apart(space, (left, evaluated(space, left, "dev")), (right, evaluated(space, right, "dev")))


def test_what_sets_two_groups_apart_is_what_differs_and_nothing_else(sampled):
    space, found = sampled
    told = both(space, found["gold only"], found["mention swaps"])
    assert [(one.kind, one.name, one.baseline, one.other) for one in told.settings] == [
        ("asked", "mention swaps", None, Part(1.0, "times_gold")),
        ("rows", "mention swaps", None, 84),
    ]
    assert told.same > 25
    same = both(space, found["gold only"], found["gold only"])
    assert same.settings == () and same.same == told.same


def test_settings_machine_and_software_that_differ_are_told(changeable):
    space, found = changeable
    left, mix = found["gold only"], found["mention swaps"]
    same = both(space, left, mix).same
    right = replace(mix, train=replace(mix.train, steps=200), mix=replace(mix.mix, seed=7), corpora={"dev": "f" * 64})
    runs = evaluated(space, mix, "dev")
    for run in runs[:2]:
        path = space.run_folder(run) / "resolved.json"
        kept = read_json(path)
        write_json(path, kept | {"device": "cuda", "versions": kept["versions"] | {"torch": "9.9"}})
    told = apart(space, (left, evaluated(space, left, "dev")), (right, runs[:3]))
    by_name = {(one.kind, one.name): (one.baseline, one.other) for one in told.settings}
    assert by_name["train", "steps"] == (100, 200)
    assert by_name["mix", "seed"] == (0, 7)
    assert by_name["data", "dev"][1] == "ffffffff" and ("data", "test") not in by_name
    assert by_name["machine", "device"] == ("cpu", "cuda, cpu")
    assert by_name["version", "torch"] == (read_json(space.run_folder(runs[3]) / "resolved.json")["versions"]["torch"],
                                           "9.9, " + str(by_name["version", "torch"][0]))  # fmt: skip
    assert by_name["repeats", "number"] == (8, 3)
    assert ("repeats", "seeds") in by_name and ("train", "learning_rate") not in by_name
    assert told.same == same - 7 - 1  # those above; and the sentences of test, which one of them alone has


def test_what_the_sample_does_not_know_of_its_cost_is_none(sampled):
    space, found = sampled
    group = found["mention swaps"]
    told = cost(space, group, group.finished)
    assert told.repeats == 8 and (told.steps, told.rows, told.gold_rows) == (100, 168, 84)
    seconds = [run.seconds for run in group.runs.values()]
    assert told.whole == pytest.approx(sum(seconds)) and told.seconds == pytest.approx(sum(seconds) / 8)
    assert (told.cores, told.memory, told.gpu_memory, told.gold_seen, told.weights) == (None, None, None, None, 0)
    assert told.silences == ("elsewhere",)
    assert cost(space, group, ()).seconds is None


def test_cost_is_taken_from_what_runs_noted(changeable):
    space, found = changeable
    group = found["harbour news"]
    first, second = group.finished[:2]
    for run, cores, memory in ((first, 1.0, 3_000), (second, 2.0, 5_000)):
        folder = space.run_folder(run)
        append_line(resources_file(folder, 1), {"t": 1.0, "cpu": cores, "memory": 10})
        append_line(resources_file(folder, 1), {"t": 3.0, "cpu": cores, "memory": memory, "gpu": 0.5, "gpu_memory": 7})
        append_line(metrics_file(folder, 1), {"step": 0, "per_epoch": 5})
        (folder / "model").mkdir()
        (folder / "model" / "trained.safetensors").write_bytes(b"x" * 11)
    told = cost(space, group, [first, second])
    assert (told.repeats, told.cores, told.memory, told.gpu_memory, told.weights) == (2, 1.5, 5_000, 7, 22)
    assert told.silences == ()
    assert told.gold_seen == pytest.approx(100 / 5)  # all of gold is in the mix once: 20 passes show it 20 times


# The component


def show(root: str, split: str, which: int, title: str) -> None:
    """A page with the drawers alone: the sample's group number `which` against gold alone, under such a title."""
    from pathlib import Path

    from components.comparison import Chosen
    from components.drawers import drawer
    from core import contrast, project
    from core.report.figures import AMBER, PALETTE
    from core.workspace import Workspace

    space = Workspace(Path(root))
    found = contrast.finished(space, "newsroom")
    titles = contrast.titles(found) | ({found[which].id: title} if title else {})
    colours = dict(zip(titles.values(), (AMBER, *PALETTE), strict=False))
    chosen = Chosen(split, found[0], tuple(found[1:]), titles, colours)
    drawer(space, project.load(space, "newsroom"), chosen, found[which])


def opened(space: Workspace, split: str = "dev", which: int = 4, title: str = "", **query: str) -> AppTest:
    page = AppTest.from_function(show, args=(str(space.root), split, which, title), default_timeout=60)
    page.query_params.update(query)
    page.session_state["lang"] = "en"
    page.run()
    assert not page.exception and not page.error, (page.exception, page.error)
    return page


@pytest.fixture(autouse=True)
def fresh_caches():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def charts(page: AppTest) -> list[Any]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


def captions(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption)


def test_the_first_drawer_is_the_plane_and_no_other_is_computed(sampled):
    space, found = sampled
    page = opened(space)
    (chart,) = charts(page)
    before, after = (trace for trace in chart["data"] if trace.get("name"))
    assert (before["name"], after["name"]) == ("gold only", "auto-labelled archive")
    scores = measure(counts_of(space, found["gold only"], "dev")).scores
    assert before["x"] == pytest.approx((100 * scores["recall"].mean(0)).tolist())
    assert before["y"] == pytest.approx((100 * scores["precision"].mean(0)).tolist())
    assert not page.dataframe and "single repeats of all labels" in captions(page)


def test_the_address_says_what_is_looked_at(sampled):
    space, _ = sampled
    page = opened(space, drawer="plane", focus="event", zoom="close")
    (chart,) = charts(page)
    assert "single repeats of event" in captions(page)
    assert chart["layout"]["xaxis"]["range"][0] > 5
    page = opened(space, drawer="confusion", confusion="change")
    (chart,) = charts(page)
    assert chart["data"][0]["zmin"] < 0
    page = opened(space, drawer="slices", slice="text", holding="ship", focus="place")
    assert page.text_input[0].value == "ship"
    assert page.dataframe[0].value["part"].tolist() == ["with the text", "without it"]


def test_the_maps_of_both_groups_have_one_scale_and_the_largest_change_is_told(sampled):
    space, found = sampled
    page = opened(space, drawer="confusion")
    maps_ = charts(page)
    assert [(chart["data"][0]["zmin"], chart["data"][0]["zmax"]) for chart in maps_] == [(0, 100), (0, 100)]
    one, two = (maps.shares(sliced.matched(space, found[name], "dev").pairs) for name in
                ("gold only", "auto-labelled archive"))  # fmt: skip
    change = largest(one, two)
    assert change is not None and change.column == MISSED
    sentence = page.markdown[0].value
    assert f"**{change.row}** missed, from {100 * change.before:.0f} % to {100 * change.after:.0f} %" in sentence


def test_slices_show_differences_with_intervals_and_no_verdict(sampled):
    space, found = sampled
    page = opened(space, drawer="slices", slice="seen")
    rows: Mapping[str, Any] = page.dataframe[0].value.set_index("part").to_dict("index")
    pairs = (sliced.matched(space, found[name], "dev") for name in ("gold only", "auto-labelled archive"))
    ground = ground_of(space, found["gold only"], found["auto-labelled archive"])
    compared = sliced.compared_on(*pairs, ground.background, "seen")["unseen"].overall
    gap = compared.difference["recall"]
    assert gap is not None and gap.interval is not None
    new = rows["not in gold"]
    assert new["support"] == compared.support and new["recall_gap"] == pytest.approx(100 * gap.value)
    low, high = gap.interval
    assert new["recall_ends"] == f"{100 * low:+.1f} to {100 * high:+.1f}"
    recall, precision = charts(page)
    assert recall["data"][-1]["x"] == pytest.approx([rows[part]["recall_gap"] for part in rows])
    assert recall["layout"]["xaxis"]["range"] == precision["layout"]["xaxis"]["range"]
    assert {*page.dataframe[0].value.columns} & {"verdict", "recall_verdict"} == set()
    assert "gold training sentences" in captions(page)


def test_a_slice_by_a_text_waits_for_the_text(sampled):
    page = opened(sampled[0], drawer="slices", slice="text")
    assert not charts(page) and not page.dataframe
    page.text_input[0].input("ship").run()
    assert len(charts(page)) == 2 and not page.exception


def test_settings_and_cost_are_tables(sampled):
    space, _ = sampled
    page = opened(space, drawer="settings")
    rows = page.dataframe[0].value.to_dict("records")
    assert rows[0] == {
        "area": "Asked for", "name": "auto-labelled archive", "baseline": "-", "other": "1 × gold",
    }  # fmt: skip
    assert "All else is the same" in captions(page) and not charts(page)
    page = opened(space, drawer="cost")
    rows = page.dataframe[0].value.set_index("name").to_dict("index")
    assert rows["Sentences in the mix"] == {"baseline": "84", "other": "168", "gap": "+100 %"}
    assert rows["Steps"]["gap"] == "0 %" and rows["Memory"] == {"baseline": "-", "other": "-", "gap": "-"}
    assert "came with a sample" in captions(page)


@pytest.mark.parametrize("view", ["plane", "confusion", "slices", "settings", "cost"])
@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_hostile_title_stays_text(sampled, view, split):
    hostile = "![x](http://evil.invalid) <b>:smile:"
    page = opened(sampled[0], split, 3, hostile, drawer=view)
    for text in (*(one.value for one in page.markdown), *(one.value for one in page.caption)):
        assert "](http" not in text and ":smile:" not in text, text
    for chart in charts(page):
        assert not any("<b>" in text for text in strings(chart))


def test_a_method_that_is_not_offered_is_told(sampled):
    text = captions(opened(sampled[0], drawer="shots"))  # the sample is at gold alone, and asks nobody
    assert "The project's mix is not offered. Nothing joins gold" in text and "Prompting is not offered" in text
