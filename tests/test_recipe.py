"""Recipes: YAML 1.2, what a recipe may say, and the file, line and nearest key of what it may not."""

import ast
import gettext
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.augment import AUGMENTERS, lacking
from core.errors import LANGUAGES, CoreError, message
from core.formats.importing import Split
from core.mix import Part
from core.output import error_line
from core.params import build, canonical, field_names
from core.recipe import AugmentedIngredient, Data, FileIngredient, Recipe, load
from core.training.settings import TrainParams
from core.yaml_text import LARGEST, parse

ROOT = Path(__file__).parents[1]
Write = Callable[[str], Path]
START = "version: 1\ndata: {train: a.conll}\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        (tmp_path / "demo.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "demo.yaml"

    return written


def rendered(error: CoreError) -> CoreError:
    """The error, whose message and hint can be shown in every language with the values that it carries."""
    for language in LANGUAGES:
        for code in (error.code, error.hint_code):
            if code:
                assert message(code, error.values, language) not in ("", code), code
    return error


def refused(path: Path, code: str, row: int | None, nearest: str | None = None) -> CoreError:
    """The error of a recipe: its code, file and line, and the nearest known key."""
    with pytest.raises(CoreError) as raised:
        load(path, "demo.yaml")
    error = rendered(raised.value)
    assert (error.code, error.values["file"], error.values["row"]) == (code, "demo.yaml", row), error
    assert error_line(error).startswith(f"demo.yaml:{row}: " if row else "demo.yaml: ")
    if nearest is not None:
        assert error.values.get("nearest") == nearest
        assert nearest in error_line(error)
    return error


# --- YAML ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-4", 0.0005),
        ("5E-4", 0.0005),
        ("1e3", 1000.0),
        ("+.5", 0.5),
        ("1.", 1.0),
        ("-0.0", 0.0),
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("010", 10),
        ("-007", -7),
        ("0o10", 8),
        ("0o8", "0o8"),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("~", None),
        ("null", None),
        ("", None),
        ("nULL", "nULL"),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("inf", "inf"),
        ("nan", "nan"),
        ("'5'", "5"),
        ('"null"', "null"),
        ("'~'", "~"),
        ("''", ""),
        ("|\n  5\n", "5\n"),
        (">-\n  true\n", "true"),
        ("!!str 5", "5"),
        ("!!str", ""),
        ("1.2.3", "1.2.3"),
        ("1" * 401, "1" * 401),
        ("٣", "٣"),
        ("<<", "<<"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = parse(f"a: {text}", "r.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_one_kind_of_number():
    assert math.isnan(parse("a: .nan", "r.yaml").data["a"])


def test_keys_are_words_and_a_merge_key_is_a_key_like_any_other():
    assert parse("1: a\nNO: b\n~: c\ntrue: d\n'': e", "r.yaml").data == {
        "1": "a",
        "NO": "b",
        "~": "c",
        "true": "d",
        "": "e",
    }
    assert parse("x: &x {a: 1}\ny: {<<: *x}", "r.yaml").data["y"] == {"<<": {"a": 1}}


def test_aliases_are_copies_and_lines_are_those_of_the_keys():
    document = parse("# x\na: &a\n  b: 1\nc: *a\nd: [{e: 2}]\n\nf:\n  - g: 3\n", "r.yaml")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"e": 2}], "f": [{"g": 3}]}
    assert document.lines == {"a": 2, "a.b": 3, "c": 4, "c.b": 3, "d": 5, "d.0.e": 5, "f": 7, "f.0.g": 8}
    assert parse("a: 1\r\nb: 2\r\n", "r.yaml").lines == {"a": 1, "b": 2}


@given(
    st.recursive(
        st.text("ab1~.eEx0o-+_ N", max_size=6) | st.integers() | st.booleans() | st.none(), st.lists, max_leaves=8
    )
)
@settings(max_examples=60, deadline=None)
def test_quoted_strings_stay_strings_and_plain_ones_are_read_as_json_would(value):
    """JSON is YAML 1.2: whatever json.dumps writes is read back as it was."""
    assert parse(json.dumps({"k": value}), "r.yaml").data == {"k": value}


NINE = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "code", "row"),
    [
        ("a: 1\nb: 2\na: 3\n", "yaml_duplicate", 3),
        ("x: {a: 1,\n 'a': 2}", "yaml_duplicate", 2),
        ("x:\n  y:\n    a: 1\n    b: 2\n    b: 3\n", "yaml_duplicate", 5),
        ("1: a\n'1': b\n", "yaml_duplicate", 2),
        ("a: 1\n b: 2\n", "yaml_syntax", 2),
        ("a:\n\tb: 1\n", "yaml_syntax", 2),
        ("a: [1,\nb: 2\n", "yaml_syntax", 3),
        ("a: 1\n---\nb: 2\n", "yaml_syntax", 2),
        ("a: *nobody\n", "yaml_syntax", 1),
        ("a: 1\n? [b]\n: 2\n", "yaml_syntax", 2),
        ("a: 1\nb: \0\n", "yaml_syntax", 2),
        ("a: 1\nb: \x07\n", "yaml_syntax", 2),
        ('a: 1\nb: "\\ud800"\n', "yaml_syntax", 2),
        ("a: &a [*a]\n", "yaml_syntax", 1),
        ("a: &a {b: *a}\n", "yaml_syntax", 1),
        ("a: " + "[" * 60 + "]" * 60, "yaml_syntax", 1),
        ("a: " + "[" * 1200 + "]" * 1200, "yaml_syntax", None),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "yaml_syntax", 2),
        ("a: !!int '5'\n", "yaml_syntax", 1),
        ("a: !mine 5\n", "yaml_syntax", 1),
        ("a: !<mine> 5\n", "yaml_syntax", 1),
        ("a: !!set {x}\n", "yaml_syntax", 1),
        ("%YAML 3.0\n---\na: 1\n", "yaml_syntax", 1),
        (NINE, "yaml_too_large", None),
        (f"a: &a {'x' * 50_000}\nb: [{'*a,' * 10_000}]\n", "yaml_too_large", None),
        ("a: " + "x" * LARGEST, "yaml_too_large", None),
        ("é" * 3 * LARGEST, "yaml_too_large", None),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.timeout(60)  # texts that grow when they are expanded would need hours
def test_what_is_no_yaml_for_us_is_refused_with_its_line(write, text, code, row):
    path = write(text)
    with pytest.raises(CoreError) as raised:
        load(path, "demo.yaml")
    error = rendered(raised.value)
    assert (error.code, error.values["file"], error.values.get("row")) == (code, "demo.yaml", row)


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "demo.yaml"
    with path.open("wb") as file:
        file.truncate(50 * 2**30)  # a sparse file: 50 GB that take no room
    with pytest.raises(CoreError) as raised:
        load(path)
    assert rendered(raised.value).code == "yaml_too_large"


@pytest.mark.parametrize("text", ["version: 1 # é".encode("latin-1"), "version: 1\n".encode("utf-16"), b"\x00\xff\xfe"])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, text):
    (tmp_path / "demo.yaml").write_bytes(text)
    with pytest.raises(CoreError) as raised:
        load(tmp_path / "demo.yaml", "demo.yaml")
    assert rendered(raised.value).code == "recipe_not_text"


def test_a_byte_order_mark_is_no_content(tmp_path: Path):
    (tmp_path / "demo.yaml").write_bytes(b"\xef\xbb\xbf" + START.encode())
    assert load(tmp_path / "demo.yaml").data == Data(train="a.conll")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    for path, code in ((tmp_path / "none.yaml", "file_missing"), (tmp_path, "file_unreadable")):
        with pytest.raises(CoreError) as raised:
            load(path)
        assert rendered(raised.value).code == code


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "just words\n", "null\n"])
def test_what_holds_no_keys_is_no_recipe(write, text):
    with pytest.raises(CoreError) as raised:
        load(write(text), "demo.yaml")
    assert rendered(raised.value).code == "recipe_empty"


# --- what a recipe says --------------------------------------------------------------------------------------------


def test_the_recipe_of_the_contract_is_read_as_it_is_meant(write, tmp_path):
    recipe = load(
        write(
            """\
version: 1
task: tagging
language: en
data: {train: a.conll, dev: b.conll, test: c.conll}
ingredients:
  synonym: {augmenter: synonym, of: gold, params: {rate: 0.15}, copies: 1, seed: 0}
  wiki: {file: wikigold.conll, labels: {PER: person, LOC: location, ORG: null, MISC: null}}
mix: {unit: times_gold, parts: {gold: 1.0, synonym: 0.5, wiki: 1.0}, max_repeats: 4, short: shrink, seed: 0}
train: {model: all-MiniLM-L6-v2, method: full, epochs: 4, batch_tokens: 1024, learning_rate: 2.0e-4, seeds: [0, 1, 2]}
project: demo
"""
        )
    )
    assert recipe.data == Data(train="a.conll", dev="b.conll", test="c.conll")
    assert recipe.ingredients == {
        "synonym": AugmentedIngredient("synonym", params={"rate": 0.15}),
        "wiki": FileIngredient("wikigold.conll", {"PER": "person", "LOC": "location", "ORG": None, "MISC": None}),
    }
    assert recipe.mix.parts == {"gold": Part(1.0), "synonym": Part(0.5), "wiki": Part(1.0)}
    assert list(recipe.mix.parts) == ["gold", "synonym", "wiki"]
    assert (recipe.seeds, recipe.train, recipe.project) == ((0, 1, 2), TrainParams(learning_rate=2e-4), "demo")
    assert (recipe.folder, recipe.task, recipe.language) == (tmp_path, "tagging", "en")


def test_everything_but_version_and_data_has_a_default(write):
    """Defaults: language en, the train values above but seeds 0 to 7. No `mix`: gold once. `project`: the recipe
    file's stem."""
    recipe = load(write(START))
    assert (recipe.task, recipe.language, recipe.project) == ("tagging", "en", "demo")
    assert recipe.seeds == (0, 1, 2, 3, 4, 5, 6, 7)
    train = recipe.train
    assert (train.model, train.method, train.epochs, train.steps) == ("all-MiniLM-L6-v2", "full", 4.0, None)
    assert (train.batch_tokens, train.peak) == (1024, 2e-4)
    mix = recipe.mix
    assert mix.requested() == {"gold": (1.0, "times_gold")}
    assert (mix.unit, mix.max_repeats, mix.short, mix.seed, mix.draw_per_seed) == ("times_gold", 4, "shrink", 0, False)
    assert recipe.ingredients == {}
    assert load(write(START + "mix:\ntrain:\ningredients:\n")) == recipe
    assert load(write(START + "mix: {parts: }\n")) == recipe


def test_an_augmenter_needs_nothing_but_its_name(write):
    """`of: gold` by default; every parameter has a default, but for the model that a method can't do without."""
    names = [name for name in AUGMENTERS if not lacking(name, {})]
    lines = "".join(f"  x{number}: {{augmenter: {name}, params: }}\n" for number, name in enumerate(names))
    found = load(write(START + "ingredients:\n" + lines)).ingredients.values()
    assert list(found) == [AugmentedIngredient(name, "gold", {}, 1, 0) for name in names]
    assert {*AUGMENTERS} - {*names} == {"masked_lm", "written", "attack", "pseudo_labels"}


def test_a_part_can_carry_its_own_unit(write):
    text = "ingredients: {w: {file: w}}\nmix: {parts: {w: {amount: 200, unit: rows}, gold: {amount: 2}}}\n"
    assert load(write(START + text)).mix.requested() == {"w": (200, "rows"), "gold": (2, "times_gold")}


def test_labels_are_words_whatever_they_look_like(write):
    labels = "{NO: yes, null: no, 1: '5', true: on, ~: null}"
    found = load(write(START + f"ingredients: {{w: {{file: w, labels: {labels}}}}}")).ingredients["w"]
    assert found == FileIngredient("w", {"NO": "yes", "null": "no", "1": "5", "true": "on", "~": None})


def test_relative_files_are_left_to_the_folder_of_the_recipe(tmp_path: Path):
    """Relative files are relative to the recipe."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "r.yaml").write_text("version: 1\ndata: {train: ../a.conll}\n")
    recipe = load(tmp_path / "deep" / "r.yaml", "deep/r.yaml")
    assert (recipe.folder, recipe.file, recipe.data) == (tmp_path / "deep", "deep/r.yaml", Data(train="../a.conll"))
    assert recipe.project == "r"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{train: a, dev: b, test: c}", Data("a", "b", "c")),
        ("{train: a}", Data("a")),
        ("{file: a, split: {dev: .1, test: .1, seed: 0}}", Data(file="a", split=Split(0.1, 0.1, 0))),
        ("{file: a}", Data(file="a")),
        ("corpus:wnut17", "corpus:wnut17"),
        ("hub:lab/set@v1#en/train", Data("hub:lab/set@v1#en/train")),
        (
            "{train: 'corpus:x', dev: 'hub:n@r#c/s', columns: {tokens: words}}",
            Data("corpus:x", "hub:n@r#c/s", columns={"tokens": "words"}),
        ),
    ],
)
def test_data_is_three_files_or_one_with_a_split_or_a_name(write, data, expected):
    assert load(write(f"version: 1\ndata: {data}\n")).data == expected


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{train: a, file: b}", "data_train_or_file"),
        ("{dev: a}", "data_train_or_file"),
        ("{}", "data_train_or_file"),
        ("{file: a, dev: b}", "data_train_or_file"),
        ("{file: a, test: b}", "data_train_or_file"),
        ("{train: a, split: {dev: .1}}", "split_without_file"),
        ("a.conll", "bad_value"),
        ("[a]", "bad_value"),
        ("null", "bad_value"),
        ("5", "bad_value"),
        ("{train: 5}", "bad_value"),
        ("{train: [a, b]}", "bad_value"),
        ("{file: a, split: {dev: 1}}", "bad_value"),
        ("{file: a, split: {dev: 0}}", "bad_value"),
        ("{file: a, split: {dev: '.1'}}", "bad_value"),
        ("{file: a, split: .1}", "bad_value"),
    ],
)
def test_other_data_is_refused(write, data, code):
    refused(write(f"version: 1\ndata: {data}\n"), code, 2)


# --- unknown keys, at every level ----------------------------------------------------------------------------------

FULL = """\
version: 1
task: tagging
data:
  file: a.conll
  split:
    dev: 0.1
  options:
    format: conll
    columns:
      tokens: words
ingredients:
  made:
    augmenter: deletion
    params:
      rate: 0.1
  wiki:
    file: wiki.conll
    labels:
      PER: person
    options:
      scheme: IOB2
mix:
  unit: times_gold
  parts:
    gold: 1
    wiki:
      amount: 5
      unit: rows
train:
  epochs: 4
  learning_rate: 5e-4
"""


def test_the_full_recipe_is_right_as_it_stands(write):
    assert load(write(FULL)).train.learning_rate == 0.0005


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("task: tagging", "tsk: tagging", "recipe"),
        ("data:", "dta:", "recipe"),
        ("mix:", "mixs:", "recipe"),
        ("  split:", "  splt:", "data"),
        ("    dev: 0.1", "    dve: 0.1", "data.split"),
        ("    format: conll", "    fromat: conll", "data.options"),
        ("      tokens: words", "      tokns: words", "data.options.columns"),
        ("    augmenter: deletion", "    augmentr: deletion", "ingredients.made"),
        ("    params:", "    parms:", "ingredients.made"),
        ("      rate: 0.1", "      rat: 0.1", "ingredients.made.params"),
        ("    file: wiki.conll", "    fle: wiki.conll", "ingredients.wiki"),
        ("    labels:", "    label:", "ingredients.wiki"),
        ("      scheme: IOB2", "      schema: IOB2", "ingredients.wiki.options"),
        ("  unit: times_gold", "  units: times_gold", "mix"),
        ("    gold: 1", "    golt: 1", "mix.parts"),
        ("    wiki:\n      amount", "    wki:\n      amount", "mix.parts"),
        ("      amount: 5", "      amout: 5", "mix.parts.wiki"),
        ("  epochs: 4", "  epoch: 4", "train"),
        ("  learning_rate: 5e-4", "  learning_rte: 5e-4", "train"),
    ],
)
def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one(write, right, wrong, place):
    """Duplicate or unknown keys refused with the nearest known one; standard error has one line with file and place."""
    assert FULL.count(right) == 1
    row = FULL[: FULL.index(right)].count("\n") + 1
    nearest = right.strip().partition(":")[0]
    error = refused(write(FULL.replace(right, wrong)), "unknown_key", row, nearest)
    assert (error.values["where"], error.values["key"]) == (place, wrong.strip().partition(":")[0])


def test_a_key_like_no_other_is_refused_with_all_that_are_known(write):
    error = refused(write(START + "train:\n  qqqqqq: 1\n"), "unknown_key", 4)
    assert "learning_rate" in error_line(error)
    assert "nearest" not in error.values


@pytest.mark.parametrize("name", ["synonim", "Synonym", "delete"])
def test_an_unknown_augmenter_is_refused_with_the_nearest_known_one(write, name):
    path = write(START + f"ingredients:\n  a:\n    copies: 2\n    augmenter: {name}\n")
    nearest = "deletion" if name == "delete" else "synonym"
    refused(path, "unknown_augmenter", 6, nearest)


@pytest.mark.parametrize(
    ("of", "name", "row"), [("aaa", "a", 6), ("bca", "a", 12), ("bcb", "b", 12), ("bbb", "b", 9), ("cca", "a", 12)]
)
def test_ingredients_made_of_each_other_are_refused(write, of, name, row):
    """Also where the circle is not closed at the first: a of b, b of c, c of b."""
    text = "".join(
        f"  {child}:\n    augmenter: swap\n    of: {parent}\n" for child, parent in zip("abc", of, strict=True)
    )
    assert refused(write(START + "ingredients:\n" + text), "ingredient_cycle", row).values["name"] == name


def test_an_ingredient_of_nobody_is_refused(write):
    text = "ingredients:\n  wiki: {file: w}\n  a:\n    augmenter: swap\n    of: wki\n"
    refused(write(START + text), "unknown_key", 7, "wiki")


def test_an_ingredient_of_another_is_fine(write):
    text = "ingredients:\n  b: {augmenter: swap, of: a}\n  a: {augmenter: swap, of: w}\n  w: {file: w}\n"
    assert list(load(write(START + text)).ingredients) == ["b", "a", "w"]


# --- wrong values --------------------------------------------------------------------------------------------------

BAD = [
    ("train", "epochs", ["'4'", "true", ".nan", ".inf", "0", "-1", "[4]", "null", "1e999", "9" * 350]),
    ("train", "steps", ["'4'", "true", "1.5", "3.0", "0", "-1", ".nan"]),
    ("train", "batch_tokens", ["'9'", "true", "0", "10.5"]),
    ("train", "learning_rate", ["'2e-4'", "false", ".nan", "0", "-1"]),
    ("train", "model", ["5", "''", "null", "[a]"]),
    ("train", "method", ["adapter", "FULL", "5"]),
    ("train", "seeds", ["3", "[]", "[0, 0]", "[-1]", "[1.5]", "['1']", "[true]", "[2147483648]", "null"]),
    ("train", "draw_per_seed", ["1", "'true'", "yes"]),
    ("train", "max_length", ["0", "1e9", "100000"]),
    ("mix", "unit", ["time_gold", "Share", "1", "null"]),
    ("mix", "parts", ["[gold]", "gold", "5"]),
    ("mix", "size", ["0", "-5", "1.5", "'10'", "true"]),
    ("mix", "max_repeats", ["0", "-1", "'4'", "true", ".inf", ".nan"]),
    ("mix", "short", ["shrnk", "true", "null"]),
    ("mix", "seed", ["'0'", "1.5", "true", "null"]),
    ("mix", "draw_per_seed", ["0", "'no'", "no"]),
]


@pytest.mark.parametrize(("section", "key", "value"), [(s, k, v) for s, k, values in BAD for v in values])
def test_a_value_of_another_kind_is_refused_with_its_line(write, section, key, value):
    """A string for a number, a truth value for a whole number, not a number, a negative one."""
    error = refused(write(START + f"{section}:\n  {key}: {value}\n"), "bad_value", 4)
    assert str(error.values["where"]).startswith(f"{section}.{key}")


@pytest.mark.parametrize("value", ["-1", "'1'", "true", "null", ".nan", "[1]", ".inf"])
def test_an_amount_of_another_kind_is_refused(write, value):
    error = refused(write(START + f"mix:\n  parts:\n    gold: {value}\n"), "bad_value", 5)
    assert str(error.values["where"]).startswith("mix.parts.gold")
    refused(write(START + f"mix:\n  parts:\n    gold:\n      amount: {value}\n"), "bad_value", 6)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("version: 2", "bad_value"),
        ("version: '1'", "bad_value"),
        ("version: 1.0", "bad_value"),
        ("version: true", "bad_value"),
        ("version:", "bad_value"),
        ("task: taging", "unknown_task"),
        ("task: 5", "bad_value"),
        ("language: english", "bad_value"),
        ("language: EN", "bad_value"),
        ("language: null", "bad_value"),
        ("mix: [gold]", "bad_value"),
        ("mix: 1", "bad_value"),
        ("train: 4", "bad_value"),
        ("ingredients: [a]", "bad_value"),
        ("ingredients: {gold: {file: x}}", "ingredient_name"),
        ("ingredients: {'': {file: x}}", "ingredient_name"),
        ("ingredients: {a: x.conll}", "bad_value"),
        ("ingredients: {a: }", "bad_value"),
        ("ingredients: {a: {}}", "missing_key"),
        ("ingredients: {a: {copies: 2}}", "missing_key"),
        ("ingredients: {a: {file: x, augmenter: swap}}", "ingredient_both"),
        ("ingredients: {a: {file: 5}}", "bad_value"),
        ("ingredients: {a: {file: x, labels: [PER]}}", "bad_value"),
        ("ingredients: {a: {file: x, labels: {PER: 5}}}", "bad_value"),
        ("ingredients: {a: {augmenter: swap, copies: 0}}", "bad_value"),
        ("ingredients: {a: {augmenter: swap, copies: 101}}", "bad_value"),
        ("ingredients: {a: {augmenter: swap, copies: true}}", "bad_value"),
        ("ingredients: {a: {augmenter: swap, seed: '0'}}", "bad_value"),
        ("ingredients: {a: {augmenter: swap, params: [1]}}", "bad_value"),
        ("ingredients: {a: {augmenter: deletion, params: {rate: .nan}}}", "bad_value"),
        ("ingredients: {a: {augmenter: deletion, params: {rate: '.1'}}}", "bad_value"),
        ("ingredients: {a: {augmenter: deletion, params: {rate: 2}}}", "bad_value"),
        ("project: 5", "bad_value"),
    ],
)
def test_what_else_can_be_wrong_is_refused_with_its_line(write, line, code):
    kept = "".join(f"{old}\n" for old in START.split("\n") if old and old.partition(":")[0] != line.partition(":")[0])
    refused(write(kept + line + "\n"), code, kept.count("\n") + 1)


def test_without_version_or_data_there_is_no_recipe(write):
    for text, key in (("data: {train: a}\n", "version"), ("version: 1\n", "data")):
        assert refused(write(text), "missing_key", None).values["key"] == key


def test_epochs_and_steps_exclude_each_other(write):
    """`epochs` (a number > 0, may be fractional) xor `steps` (an integer >= 1)."""
    refused(write(START + "train:\n  epochs: 4\n  steps: 10\n"), "epochs_and_steps", 5)
    assert load(write(START + "train: {epochs: 0.25}\n")).train.epochs == 0.25
    assert load(write(START + "train: {epochs: 2}\n")).train.epochs == 2
    assert load(write(START + "train: {steps: 10}\n")).train.steps == 10
    assert load(write(START + "train: {epochs: 3, steps: null}\n")).train.steps is None


def test_draw_per_seed_may_stand_beside_the_seeds_of_either_kind(write):
    for text in ("mix: {draw_per_seed: true}\n", "train: {draw_per_seed: true}\n"):
        assert load(write(START + text)).mix.draw_per_seed is True
    refused(write(START + "mix: {draw_per_seed: true}\ntrain:\n  draw_per_seed: false\n"), "yaml_duplicate", 5)


@pytest.mark.parametrize(
    ("mix", "code", "row"),
    [
        ("mix:\n  unit: rows\n  parts:\n    gold: 1.5\n", "bad_rows", 6),
        ("mix:\n  unit: share\n  parts:\n    gold: 1\n", "size_missing", 6),
        ("mix:\n  parts:\n    gold: 1\n  size: 5\n", "size_unused", 6),
        ("mix:\n  unit: share\n  size: 5\n  parts:\n    gold: 0.5\n", "shares_sum", 6),
    ],
)
def test_amounts_that_no_pool_can_mend_are_refused_before_anything_is_started(write, mix, code, row):
    refused(write(START + mix), code, row)


def test_text_in_a_recipe_can_be_hostile(write):
    hostile = "{0.__class__} ![x](http://example.org) <b> \x1b"
    path = write(START + 'train:\n  "{0.__class__} ![x](http://example.org) <b> \\e": 1\n')
    error = refused(path, "unknown_key", 4)
    assert error.values["key"] == hostile
    assert "\x1b" not in error_line(error)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "epochs": st.floats(0.01, 100),
            "batch_tokens": st.integers(8, 10**6),
            "learning_rate": st.floats(1e-9, 1),
            "warmup": st.floats(0, 0.99),
            "clip": st.floats(0.1, 10),
            "max_length": st.integers(8, 8192),
            "freeze_word_embeddings": st.booleans(),
        },
    )
)
@settings(max_examples=60, deadline=None)
def test_params_survive_canonical_json_which_omits_defaults(data: Mapping[str, Any]):
    """`id` = sha256(canonical JSON that omits fields equal to their default, ...)."""
    params = build(TrainParams, data, "train")
    short = canonical(params)
    assert build(TrainParams, dict(short), "train") == params
    defaults = TrainParams()
    assert set(short) == {name for name in field_names(TrainParams) if getattr(params, name) != getattr(defaults, name)}


@given(
    st.binary(max_size=200)
    | st.text("-:{}[]&*!|>'\"%@`#?,. \n\tab1~", max_size=40).map(lambda text: START.encode() + text.encode())
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_recipe_or_a_core_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "r.yaml"
    path.write_bytes(content)
    try:
        assert isinstance(load(path), Recipe)
    except CoreError as error:
        rendered(error)


# --- the words of errors -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raised:
    """One CoreError(...) in the source whose values are written out where it is made."""

    place: str
    codes: tuple[str, ...]  # code and hint
    values: frozenset[str]


def raised_in_core() -> list[Raised]:
    found: list[Raised] = []
    for path in sorted((ROOT / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "CoreError":
                continue
            code, values, hint = (*node.args, None, None)[:3]
            names = values.keys if isinstance(values, ast.Dict) else [] if values is None else [None]
            codes = tuple(part.value for part in (code, hint) if isinstance(part, ast.Constant) and part.value)
            if isinstance(code, ast.Constant) and all(isinstance(name, ast.Constant) for name in names):
                keys = frozenset(name.value for name in names if isinstance(name, ast.Constant))
                found.append(Raised(f"{path.name}:{node.lineno}", codes, keys))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_words_that_its_values_fill(language):
    raised = raised_in_core()
    assert len(raised) > 40
    words = gettext.translation("core", ROOT / "core" / "locale", [language])
    for error in raised:
        for code in error.codes:
            text = words.gettext(code)
            assert text != code, f"{error.place}: {code} has no words"
            assert {name for _, name, _, _ in Formatter().parse(text) if name} <= error.values, f"{error.place}: {text}"
