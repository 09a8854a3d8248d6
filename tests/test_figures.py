"""The figures hold the numbers they were given, and names from files stay text."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from core.report.canvas import GREY
from core.report.curves import curve, curves, usage
from core.report.figures import (
    AMBER,
    PALETTE,
    colour_of,
    label_colours,
    label_histogram,
    lengths,
    share_bar,
)
from core.report.forest import ForestRow, forest
from core.report.lettering import columns, escape, shown, tick, title
from core.report.still import MOST_TOLD, in_words, numbers

WORDS = {"axis": "Step", "share": "Cores", "memory": "GB", "loss": "Loss", "dev_f1": "Dev F1", "rows": "rows"}
POINTS = [(1, 2.5), (2, 1.25), (3, 0.5)]
DEV = [(2, 0.25), (3, 0.5)]


def every_figure(name: str) -> dict[str, Any]:
    """One figure of each kind in which every name is `name`."""
    words = dict.fromkeys(WORDS, name)
    return {
        "forest": forest([ForestRow(name, 0.1, (0.0, 0.2), 40, "better", PALETTE[0], name)], name),
        "share_bar": share_bar({name: 3, "gold": 9}, {name: PALETTE[0], "gold": AMBER}, words),
        "label_histogram": label_histogram({name: {name: 3}}, [name], name, {}),
        "curve": curve(POINTS, DEV, words),
        "curves": curves({name: (POINTS, DEV)}, words),
        "usage": usage(POINTS, DEV, words, [2.0]),
        "lengths": lengths({name: [3, 4, 5]}, name, {}),
    }


KINDS = tuple(every_figure("x"))


def strings(node: Any) -> Iterator[str]:
    """Every text that a figure holds, apart from Plotly's own template."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key != "template":
                yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def data(figure: Any) -> Any:
    return json.loads(figure.to_json())["data"]


def layout(figure: Any) -> Any:
    return json.loads(figure.to_json())["layout"]


HOSTILE = (
    "<b>bold</b>",
    '<a href="http://evil.invalid">PER</a>',
    "&lt;b&gt;",
    "a<br>b",
    "<span style='font-size:99px'>x",
    "$\\href{http://evil.invalid}{x}$",
    "a\u202eb\u200bc\u0000d\ud800",
    "%{x} %{customdata}",
    "<" * 60,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_markup(kind, name):
    figure = every_figure(name)[kind]
    texts = list(strings(json.loads(figure.to_json())))
    assert any(shown(name) in text or escape(name) in text for text in texts)
    for text in texts:
        assert name not in text or not re.search(r"[<>&$]", name), text
        assert not re.search(r"[<>$]|&(?!(amp|lt|gt|#36);)", text.replace("<br>", "")), text
        assert text.isprintable(), text


def test_no_figure_uses_hover_templates():
    for figure in every_figure("%{x}").values():
        for trace in data(figure):
            assert "hovertemplate" not in trace and "texttemplate" not in trace


@given(st.text(max_size=80))
def test_shown_says_the_same_in_one_safe_line(name):
    safe = shown(name)
    assert safe.isprintable() and not re.search(r"[<>$]", safe)
    back = safe.replace("&#36;", "$").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert len(back) <= 40
    assert tick(name).replace("<br>", "") == safe
    if name.isprintable():
        assert back == name if len(name) <= 40 else back == name[:39] + "…"


def test_lettering_by_example():
    assert shown("a\u202eb") == "a\\u202eb"
    assert shown("x" * 41) == "x" * 39 + "…"
    assert shown("<" * 41) == "&lt;" * 39 + "…"  # cut before it is escaped: no half entity
    assert tick("组织机构名称和人名以及地点") == "组织机构名称和人名以<br>及地点"
    assert (columns("abc"), columns("组织")) == (3, 4)


def test_labels_that_look_alike_or_like_numbers_keep_rows_of_their_own():
    rows = [ForestRow(label, 0.1, None, 40, "open", PALETTE[0]) for label in ("1", "x" * 41, "x" * 42, "2020-01-01")]
    figure = forest(rows, "points")
    assert data(figure)[-1]["y"] == [0, 1, 2, 3]
    axis = layout(figure)["yaxis"]
    assert (axis["tickvals"], axis["range"]) == ([0, 1, 2, 3], [3.5, -0.5])
    assert axis["ticktext"][0] == "1"


def test_a_forest_shows_points_on_a_symmetric_axis():
    figure = forest(
        [
            ForestRow("PER", 0.25, (0.125, 0.375), 120, "better", PALETTE[0], "better"),
            ForestRow("LOC", -0.25, (-0.5, 0.125), 12, "few_mentions", PALETTE[1], "too few"),
            ForestRow("ORG", 0.0, (-0.125, 0.125), 50, "same", PALETTE[2], "same"),
        ],
        "points",
    )
    first, second, _, dots, notes = data(figure)
    assert (first["x"], first["y"], first["line"]["color"]) == ([12.5, 37.5, None], [0, 0, None], PALETTE[0])
    assert (second["x"], second["y"], second["line"]["color"]) == ([-50, 12.5, None], [1, 1, None], GREY)
    assert (dots["x"], dots["y"]) == ([25, -25, 0], [0, 1, 2])
    assert dots["marker"]["symbol"] == ["triangle-right", "x", "square"]
    assert dots["marker"]["color"] == [PALETTE[0], GREY, PALETTE[2]]
    assert dots["hovertext"][0] == "PER<br>+25.0 [+12.5, +37.5]<br>better<br>points · n = 120"
    low, high = layout(figure)["xaxis"]["range"]
    assert low == -high and high == 75
    assert layout(figure)["yaxis"]["ticktext"] == ["PER", "LOC", "ORG"]
    assert layout(figure)["yaxis2"]["ticktext"][1] == "too few<br>n = 12"
    assert notes["yaxis"] == "y2" and layout(figure)["yaxis2"]["range"] == layout(figure)["yaxis"]["range"]


def test_a_share_bar_adds_up():
    figure = share_bar({"gold": 60, "noise": 180}, {"gold": AMBER, "noise": PALETTE[3]}, WORDS | {"gold": "Gold"})
    gold, noise = data(figure)
    assert (gold["x"], gold["name"], gold["text"], gold["marker"]["color"]) == ([60], "Gold", "25%", AMBER)
    assert (noise["x"], noise["hovertext"]) == ([180], "noise<br>180 rows · 75.0%")
    assert layout(figure)["barmode"] == "stack" and layout(figure)["xaxis"]["range"] == [0, 240]


def test_a_label_histogram_shows_shares_of_counts_and_of_shares():
    series = {"mix": {"PER": 30, "LOC": 10}, "gold": {"PER": 0.75, "LOC": 0.25}, "dev": {}}
    mix, gold, dev = data(label_histogram(series, ["LOC", "PER"], "share", {"mix": "This mix"}))
    assert mix["x"] == gold["x"] == [25, 75]
    assert dev["x"] == [0, 0]
    assert (mix["name"], gold["marker"]["color"]) == ("This mix", AMBER)
    assert "error_x" not in mix


def test_a_curve_has_loss_on_the_left_and_f1_on_the_right():
    figure = curve(POINTS, DEV, WORDS)
    loss, f1 = data(figure)
    assert (loss["x"], loss["y"], loss.get("yaxis")) == ([1, 2, 3], [2.5, 1.25, 0.5], None)
    assert (f1["x"], f1["y"], f1["yaxis"]) == ([2, 3], [25, 50], "y2")
    assert layout(figure)["yaxis2"]["range"] == [0, 100]
    assert loss["hovertext"][0] == "Loss<br>Step 1<br>Loss 2.5"


def test_usage_is_in_the_units_it_was_given_and_shows_where_attempts_began():
    figure = usage([(0.0, 0.5), (2.5, 2.0)], [(0.0, 1.25)], WORDS, [2.5])
    share, memory = data(figure)
    assert (share["x"], share["y"], memory["y"], memory["yaxis"]) == ([0, 2.5], [0.5, 2], [1.25], "y2")
    assert share["hovertext"][1] == "Cores<br>Step 2.50<br>Cores 2"
    assert [shape["x0"] for shape in layout(figure)["shapes"]] == [2.5]
    assert [shape["x0"] for shape in layout(curve(POINTS, DEV, WORDS, [2]))["shapes"]] == [2]


def test_long_curves_are_thinned_and_keep_their_ends():
    long = [(step, 1 / (1 + step)) for step in range(100_000)]
    figure = curves({str(seed): (long, long[::100]) for seed in range(8)}, WORDS)
    traces = data(figure)
    assert 8_000 < sum(len(trace["x"]) for trace in traces) <= 10_000
    for trace in traces:
        assert trace["x"][0] == 0 and trace["x"][-1] == (99_999 if "yaxis" not in trace else 99_900)
        gaps = [b - a for a, b in zip(trace["x"], trace["x"][1:], strict=False)]
        assert max(gaps) <= 2 * min(gaps)
    assert len({trace["line"]["color"] for trace in traces}) == len(PALETTE)


def test_lengths_are_shares_of_each_split():
    figure = lengths({"train": [1] * 30 + [2] * 10, "dev": [2, 2, 2, 500], "test": []}, "words", {"dev": "Dev"})
    train, dev = data(figure)
    assert sum(train["y"]) == pytest.approx(100) == sum(dev["y"])
    assert dev["name"] == "Dev"
    assert max(train["y"]) == 100  # 1 and 2 words fall into one bin as wide as dev's long sentence asks for
    (short,) = data(lengths({"train": [1, 1, 1, 2]}, "words", {}))
    assert (short["x"][1:3], short["y"][1:3]) == ([1, 2], [75, 25])
    assert short["hovertext"][1] == "train<br>1 · 75.0 %"
    assert short["hovertext"][-1].startswith("train<br>30+")


def test_colours_are_stable():
    order = ["swap", "gold", "noise"]
    assert [colour_of(name, order) for name in order] == [PALETTE[0], AMBER, PALETTE[1]]
    assert colour_of("swap", [*order, "ocr"]) == PALETTE[0]
    assert colour_of("gold", []) == AMBER not in PALETTE
    assert label_colours(["PER", "LOC"]) == {"PER": PALETTE[0], "LOC": PALETTE[1]}
    with pytest.raises(ValueError, match="noise"):
        colour_of("noise", ["gold"])


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_transparent_titleless_and_the_same_every_time(kind):
    figure, again = every_figure("PER")[kind], every_figure("PER")[kind]
    assert figure.to_json() == again.to_json()
    look = layout(figure)
    assert look["paper_bgcolor"] == look["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert "title" not in look and look["height"] >= 90


@pytest.mark.parametrize(
    "empty",
    [forest([], "points"), share_bar({}, {}, WORDS), curve([], [], WORDS), usage([], [], WORDS)],
)
def test_nothing_to_show_is_an_empty_figure(empty):
    assert all(not trace.get("x") for trace in data(empty))


def test_height_grows_with_rows():
    few, many = (
        forest([ForestRow(str(i), 0.1, None, 40, "open", GREY) for i in range(n)], "points").layout.height
        for n in (3, 20)
    )
    assert many - few == 17 * 36


def test_the_numbers_of_a_figure_can_be_taken_along():
    rows = [
        ForestRow("=PER <b>", 0.25, (0.125, 0.375), 120, "better", PALETTE[0], "better"),
        ForestRow("LOC", -0.25, None, 50, "open", PALETTE[0], "can't tell"),
    ]
    head, *lines = list(csv.reader(io.StringIO(numbers(forest(rows, "points")).decode("utf-8-sig"))))
    assert head == ["series", "x", "y", "value", "note"]
    assert [line[1:3] for line in lines] == [
        ["12.5", "'=PER <b>"],
        ["37.5", "'=PER <b>"],
        ["25.0", "'=PER <b>"],
        ["-25.0", "LOC"],
    ]
    assert "better" in lines[2][4] and "n = 120" in lines[2][4]
    shares = numbers(share_bar({"gold": 60, "noise": 180}, {"gold": AMBER, "noise": PALETTE[3]}, WORDS))
    assert b"noise,180,0" in shares


def test_a_title_has_lines_that_a_narrow_figure_has_room_for():
    assert title("F1 of all labels") == "F1 of all labels"
    long = "Recall: difference in points to 0.05x <mention swaps> + 1x auto-labelled archive"
    assert title(long).replace("<br>", " ") == escape(long) and title(long).count("<br>") == 1
    assert title("召回率" * 20).count("<br>") == 2 and title("召回率" * 20).replace("<br>", "") == "召回率" * 20


def test_a_figure_is_told_with_its_numbers():
    rows = [ForestRow("A & B", 0.1, (0.0, 0.2), 40, "better", PALETTE[0], "better")]
    told = in_words(forest(rows, "points"), "Recall <of all>")
    assert told == "Recall <of all>. A & B, +10.0 [+0.0, +20.0], better, points · n = 40."
    many = [(step, 1 / step) for step in range(1, 500)]
    told = in_words(curve(many, DEV, WORDS), "Curve")
    assert told.count(";") < MOST_TOLD and all(text in told for text in ("Step 1,", "Step 499,", "Dev F1 50.0 %"))


def test_every_figure_of_the_app_has_an_alternative_text():
    """There is one place where figures are shown, and it asks for a text."""
    sources = [*(ROOT / "components").glob("*.py"), *(ROOT / "pages").glob("*.py")]
    shows = re.compile(r"plotly_chart|altair_chart|line_chart|bar_chart|pyplot|graphviz_chart|st\.image")
    assert {path.name for path in sources if shows.search(path.read_text())} == {"pictures.py"}
    assert (
        'plotly_chart(figure, key=key, width="stretch", config=dict(config), alt=in_words(figure, alt))'
        in (ROOT / "components" / "pictures.py").read_text()
    )


def test_there_is_one_palette_and_one_place_that_draws():
    own = {"figures.py": {AMBER, *PALETTE}, "canvas.py": {GREY}}
    for path in (ROOT / "core" / "report").glob("*.py"):
        assert set(re.findall(r"#[0-9A-Fa-f]{6}", path.read_text())) <= own.get(path.name, set()), path
    known = {tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in (AMBER, *PALETTE)}
    known |= {(grey, grey, grey) for grey in (0, 128)}
    for path in (ROOT / "core" / "report").glob("*.py"):
        for found in re.findall(r"rgba?\((\d+), ?(\d+), ?(\d+)", path.read_text()):
            assert tuple(map(int, found)) in known, path
    drawing = [path for folder in ("core", "components", "pages") for path in (ROOT / folder).rglob("*.py")]
    assert {p.parent.name for p in drawing if re.search(r"plotly\.(graph_objects|express)", p.read_text())} <= {
        "report",
        "components",  # for types alone
    }


def test_hollow_is_what_was_not_measured():
    """Dots are real, hollow marks forecasts: of all modules of figures, the outlook's alone has one."""
    modules = (ROOT / "core" / "report").glob("*.py")
    assert [path.name for path in modules if re.search(r"-open\b", path.read_text())] == ["outlook.py"]
