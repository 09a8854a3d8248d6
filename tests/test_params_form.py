"""The form that is made of a params class, and the labels suggested for another file."""

import dataclasses

import pytest
from streamlit.testing.v1 import AppTest

from components.params_form import Kind, kinds_of
from core.augment import AUGMENTERS, lacking, params_class
from core.formats.label_map import suggest


def every_kind() -> None:
    from collections.abc import Mapping
    from dataclasses import dataclass, field
    from typing import Annotated, Literal

    import streamlit as st
    from pydantic import Field

    from components.params_form import fill, params_form

    @dataclass(frozen=True)
    class Params:
        share: Annotated[float, Field(gt=0, le=1)] = 0.3
        score: float = 0.5
        few: Annotated[int, Field(ge=1, lt=10)] = 2
        least: Annotated[int, Field(ge=1)] = 4
        most: Annotated[int, Field(ge=1)] | None = None
        exact: bool = False
        scope: Literal["all", "outside", "in*side"] = "all"
        language: str = "en"
        words: tuple[str, ...] = ()
        weights: Mapping[str, float] = field(default_factory=dict)

    if "wanted" in st.session_state:
        fill(Params, "p", st.session_state.pop("wanted"))
    st.session_state["found"] = params_form(Params, "p")


def of_a_method(method: str) -> None:
    import streamlit as st

    from components.method_fields import field_words
    from components.params_form import params_form
    from core.augment import params_class, params_of

    found = params_form(params_class(method), "p", field_words(method))
    params_of(method, found)
    st.session_state["found"] = found


def drawn(at: AppTest) -> AppTest:
    at.run(timeout=20)
    assert not at.exception
    return at


@pytest.fixture(scope="module")
def form() -> AppTest:
    return AppTest.from_function(every_kind)


def test_defaults_are_left_out(form: AppTest):
    assert drawn(form).session_state["found"] == {}


def test_what_differs_from_its_default_is_returned(form: AppTest):
    at = drawn(form)
    at.slider("p_share").set_value(0.5)
    at.slider("p_few").set_value(9)
    at.number_input("p_score").set_value(-3.0)
    at.number_input("p_most").set_value(7)
    at.toggle("p_exact").set_value(True)
    at.segmented_control("p_scope").set_value("in*side")
    at.text_input("p_language").set_value("zh")
    at.text_area("p_words").set_value("[a, b]")
    at.text_area("p_weights").set_value("PER: 0.5\nORG: 1")
    assert drawn(at).session_state["found"] == {
        "share": 0.5,
        "score": -3.0,
        "few": 9,
        "most": 7,
        "exact": True,
        "scope": "in*side",
        "language": "zh",
        "words": ["a", "b"],
        "weights": {"PER": 0.5, "ORG": 1},
    }
    at.session_state["wanted"] = {"least": 5, "words": ["x: y"]}
    assert drawn(at).session_state["found"] == {"least": 5, "words": ["x: y"]}


def test_a_form_keeps_the_bounds_of_its_class(form: AppTest):
    at = drawn(form)
    share, few, least = at.slider("p_share"), at.slider("p_few"), at.number_input("p_least")
    assert (share.min, share.max, share.step) == (0.01, 1, 0.01)
    assert (few.min, few.max) == (1, 9)
    assert (least.min, least.step) == (1, 1)
    assert at.segmented_control("p_scope").options[2] == "in\\*side"


def test_text_that_is_no_yaml_is_refused():
    at = drawn(AppTest.from_function(every_kind))
    at.text_area("p_words").set_value("[a, ").run(timeout=20)
    assert [found.message for found in at.exception] and "found" in at.session_state


def test_bounds_are_read_from_the_class():
    kinds = kinds_of(params_class("keyboard"))
    assert kinds["rate"] == Kind(float, low=0, high=1, low_open=True)
    assert kinds["shortest"] == Kind(int, low=1)


@pytest.mark.parametrize("method", [name for name in AUGMENTERS if not lacking(name, {})])
def test_every_method_has_a_form_that_its_class_accepts(method: str):
    at = drawn(AppTest.from_function(of_a_method, args=(method,)))
    assert at.session_state["found"] == {}
    kinds = ("slider", "number_input", "segmented_control", "selectbox", "text_input", "multiselect", "toggle")
    widgets = {widget.key for kind in kinds for widget in at.get(kind)}
    fields = {field.name for field in dataclasses.fields(params_class(method))}
    assert widgets == {f"p_{name}" for name in fields} and ("rate" in fields) != AUGMENTERS[method].control
    if AUGMENTERS[method].control:
        return
    at.slider("p_rate").set_value(0.07)
    assert drawn(at).session_state["found"] == {"rate": 0.07}


def test_labels_are_suggested_by_name_and_meaning():
    ours = ["event", "organisation", "person", "place"]
    assert suggest(["PER", "ORG", "LOC", "EVENT", "Organization", "persn", "MISC"], ours) == {
        "PER": "person",
        "ORG": "organisation",
        "LOC": "place",
        "EVENT": "event",
        "Organization": "organisation",
        "persn": "person",
        "MISC": None,
    }


def test_a_label_of_the_same_name_comes_before_one_of_the_same_meaning():
    assert suggest(["LOC", "place", "per"], ["LOC", "place", "PER"]) == {"LOC": "LOC", "place": "place", "per": "PER"}
    assert suggest(["B*"], []) == {"B*": None}
