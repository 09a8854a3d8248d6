"""A form made of a params dataclass: one widget for each field, with the bounds that the class declares."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import streamlit as st

from components.words import escape
from core.augment.protocol import Names
from core.params import canonical_json, plain
from core.yaml_text import parse

_STEPS = 100  # of a slider from end to end
_SIDE_BY_SIDE = 4  # options that stand beside each other in a narrow form; of more, one is picked from a list
_TALL = 220  # pixels of a field for several lines
_SLIDER = 50  # the widest range of whole numbers that is a slider


@dataclass(frozen=True)
class FieldWords:
    """What a field is called, in the session's language and safe for Markdown."""

    label: str
    help: str | None = None
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    step: float | None = None  # a field that counts in such steps, even where a slider would do
    format: str | None = None  # of the number in such a field, as printf has it
    unset: str | None = None  # shown in a field that may be left empty
    offered: Sequence[str] | None = None  # of the options; None: all


@dataclass(frozen=True)
class Kind:
    """The type of a field without its bounds, and the bounds: a value equal to an open one is not allowed."""

    type: Any
    optional: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    names: Names | None = None  # a file or a model, which no plain field can ask for


Ask = Callable[[Names, FieldWords, str], str | None]  # draws what asks for a file or a model


def params_form(
    cls: type[Any],
    key: str,
    words: Mapping[str, FieldWords] | None = None,
    only: Sequence[str] | None = None,
    ask: Ask | None = None,
) -> dict[str, Any]:
    """Draw the form. -> the fields that differ from their default, as JSON; what they mean is checked elsewhere

    `key`: begins the key of each widget; `only`: some of the fields, in that order; `ask`: for those that name files or
    models. Raises CoreError where the text of a list or mapping is no YAML, and those of `ask`.
    """
    by_name = {f.name: f for f in dataclasses.fields(cls)}
    fields = [by_name[name] for name in (by_name if only is None else only)]
    kinds = kinds_of(cls)
    shown = {f.name: _words(f.name, words or {}) for f in fields}
    values: dict[str, Any] = {}
    for f in fields:
        kind, place = kinds[f.name], f"{key}_{f.name}"
        if ask is not None and kind.names is not None:
            values[f.name] = ask(kind.names, shown[f.name], place)
        else:
            values[f.name] = _widget(kind, shown[f.name], place, _default(f))
    found = {f.name: _read(kinds[f.name], values[f.name], f.name) for f in fields}
    return {f.name: found[f.name] for f in fields if found[f.name] != plain(_default(f))}


def fill(cls: type[Any], key: str, data: Mapping[str, Any]) -> None:
    """Put values into a form before it is drawn; the fields that `data` leaves out get their default."""
    for one in dataclasses.fields(cls):
        kind, value = kinds_of(cls)[one.name], data.get(one.name, _default(one))
        st.session_state[f"{key}_{one.name}"] = plain(value) if _has_widget(kind) else _text(value)


def kinds_of(cls: type[Any]) -> dict[str, Kind]:
    """The kind of each field, by name."""
    hints = get_type_hints(cls, include_extras=True)
    return {one.name: _kind(hints[one.name]) for one in dataclasses.fields(cls)}


def _kind(hint: Any) -> Kind:
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        kind = _bounded(_kind(inner), notes)
        return dataclasses.replace(kind, names=next((one for one in notes if isinstance(one, Names)), kind.names))
    if get_origin(hint) in (Union, UnionType):
        inner = [option for option in get_args(hint) if option is not NoneType]
        if len(inner) == 1:
            return dataclasses.replace(_kind(inner[0]), optional=True)
    return Kind(hint)


def _bounded(kind: Kind, notes: Sequence[Any]) -> Kind:
    """With the bounds of pydantic's Field: `ge`, `gt`, `le`, `lt`."""
    for bound in (bound for note in notes for bound in getattr(note, "metadata", ())):
        for name, end in (("ge", "low"), ("gt", "low"), ("le", "high"), ("lt", "high")):
            if hasattr(bound, name):
                kind = dataclasses.replace(kind, **{end: getattr(bound, name), f"{end}_open": name in ("gt", "lt")})
    return kind


def _default(one: "dataclasses.Field[Any]") -> Any:
    """None where a value must be given."""
    if one.default_factory is not dataclasses.MISSING:
        return one.default_factory()
    return None if one.default is dataclasses.MISSING else one.default


def _words(name: str, words: Mapping[str, FieldWords]) -> FieldWords:
    return words.get(name) or FieldWords(escape(name.replace("_", " ").capitalize()))


def _has_widget(kind: Kind) -> bool:
    """Whether a value goes into its widget as it is, not as text."""
    return bool(_choices(kind)) or kind.type in (bool, int, float, str) or get_origin(kind.type) is Literal


def _choices(kind: Kind) -> list[str]:
    """What may stand in a list of such a type, where that is said: tuple[Literal["a", "b"], ...]."""
    inner = get_args(kind.type)[0] if get_origin(kind.type) is tuple else None
    return list(get_args(inner)) if get_origin(inner) is Literal else []


def _widget(kind: Kind, words: FieldWords, key: str, default: Any) -> Any:
    """The widget of one field. -> what it says"""
    common: dict[str, Any] = {"key": key, "help": words.help, "persist_state": "session"}
    if key not in st.session_state:
        st.session_state[key] = plain(default) if _has_widget(kind) else _text(default)
    if kind.type is bool:
        return st.toggle(words.label, **common)
    if _choices(kind):
        show, options = words.options, _choices(kind)
        return st.multiselect(words.label, options, format_func=lambda one: show.get(one, escape(one)), **common)
    if get_origin(kind.type) is Literal:
        return _one_of(kind, words, default, common)
    if kind.type in (int, float):
        return _number(kind, words, common)
    if kind.type is str and "\n" not in str(default):
        return st.text_input(words.label, **common)
    return st.text_area(words.label, height=_TALL if kind.type is str else 100, **common)


def _one_of(kind: Kind, words: FieldWords, default: Any, common: Mapping[str, Any]) -> Any:
    """Options beside each other, or in a list where they are many; the default in place of one that isn't offered."""
    show, known = words.options, get_args(kind.type)
    options = list(known if words.offered is None else words.offered)
    if st.session_state[common["key"]] not in options:
        st.session_state[common["key"]] = default
    look: dict[str, Any] = {"format_func": lambda option: show.get(option, escape(option)), **common}
    if len(known) > _SIDE_BY_SIDE:  # a form doesn't change its widgets with what is offered
        return st.selectbox(words.label, options, **look)
    return st.segmented_control(words.label, options, required=not kind.optional, **look)


def _number(kind: Kind, words: FieldWords, common: Mapping[str, Any]) -> Any:
    """A slider where both ends are given, else a field."""
    as_type, label = kind.type, words.label
    low, high = kind.low, kind.high
    step = as_type(words.step or (1 if as_type is int else 0.01))
    if low is not None and high is not None and words.step is None:
        step = 1 if as_type is int else (high - low) / _STEPS
    apart = step if words.format is None else step / 1000  # of what is shown in few digits an open end is far enough
    low = None if low is None else as_type(low + apart * kind.low_open)
    high = None if high is None else as_type(high - apart * kind.high_open)
    narrow = low is not None and high is not None and (as_type is float or high - low <= _SLIDER)
    if not narrow or kind.optional or words.step is not None:
        look = {"step": step, "format": words.format, "placeholder": words.unset}
        return st.number_input(label, min_value=low, max_value=high, **look, **common)
    key = common["key"]
    st.session_state[key] = as_type(min(max(st.session_state[key], low), high))
    share = as_type is float and (kind.low, kind.high) == (0, 1)
    return st.slider(label, low, high, step=step, format="percent" if share else None, **common)


def _text(value: Any) -> str:
    """A list or a mapping as text that YAML reads back."""
    return "" if value is None else canonical_json(plain(value))


def _read(kind: Kind, value: Any, name: str) -> Any:
    if _has_widget(kind):
        return None if kind.optional and value == "" else value
    return parse(value, name).data if value.strip() else None
