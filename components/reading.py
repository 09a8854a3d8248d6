"""How a file is read: in words, and as choices that override what was recognised."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from components.words import raw, t, visible
from core.formats import CHOICES, READERS
from core.formats.preview import columns_of
from core.formats.protocol import Choices, Layout, ReadOptions, Role
from core.tasks import task as task_of

_AUTO = "auto"
_FORMATS: Mapping[str, str] = {"conll": "CoNLL", "csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}


def read_words(layout: Layout) -> str:
    """How a file was read."""
    values = {"encoding": layout.encoding.upper(), "n": layout.columns, "scheme": layout.scheme}
    if layout.format == "conll" and layout.separator == "tab":
        return t("Read as CoNLL in {encoding}: {n} columns between tabs, tags in the scheme {scheme}.", **values)
    if layout.format == "conll":
        return t("Read as CoNLL in {encoding}: {n} columns between blanks, tags in the scheme {scheme}.", **values)
    if layout.format == "csv":
        told = t("Read as CSV in {encoding}: {n} columns.", **values)
    elif layout.format == "parquet":
        told = t("Read as Parquet: {n} columns.", **values)
    else:
        told = t("Read as JSON Lines in {encoding}: one record a line.", **values)
    if "labels" in layout.names:
        told += " " + t("The text is in {first}, its labels are in {other}.", first=layout.names["text"],
                        other=layout.names["labels"])  # fmt: skip
    if layout.between:
        told += " " + t("Several labels stand in one cell, with {mark} between them.", mark=layout.between)
    return told


def options_of(key: str, head: bytes, before: ReadOptions, task: str) -> ReadOptions:
    """The choices for one file; what stays automatic is recognised. `key`: tells the file apart."""
    rows = task_of(task).rows
    choices, recognise = CHOICES[rows], {_AUTO: raw("Recognise it")}
    offered = [place for place in (choices.schemes, choices.label_separators) if place]
    left, right, *rest = st.columns(2 + len(offered))
    with left:
        formats = recognise | {name: _FORMATS.get(name, name) for name in READERS[rows]}
        format = _pick(t("Format"), formats, before.format, key, "format")
    with right:
        words = _between_words()
        separators = recognise | {name: words[name] for name in choices.separators}
        separator = _pick(t("Between columns"), separators, before.separator, key, "separator")
    options = replace(before, format=format, separator=separator)
    for place in rest:
        with place:
            options = _scheme(options, choices, key) if choices.schemes else _label_separator(options, choices, key)
    columns = columns_of(head, options, task)
    if not columns:
        return options
    by_number = columns[0].startswith("1: ") and bool(choices.schemes)
    return _columns(options, columns, key) if by_number else _fields(options, choices.roles, columns, key)


def _between_words() -> Mapping[str, str]:
    """What may lie between columns, as it is."""
    return {
        "tab": raw("Tabs"),
        "space": raw("Blanks"),
        "comma": raw("Commas"),
        "semicolon": raw("Semicolons"),
        "pipe": raw("Upright bars"),
    }


def _scheme(options: ReadOptions, choices: Choices, key: str) -> ReadOptions:
    schemes = {_AUTO: raw("Recognise it"), **{name: name for name in choices.schemes}}
    help = t("How tags say where a mention begins: B- begins, I- goes on, O is outside (IOB2).")
    return replace(options, scheme=_pick(t("Tagging scheme"), schemes, options.scheme, key, "scheme", help))


def _label_separator(options: ReadOptions, choices: Choices, key: str) -> ReadOptions:
    marks = {mark: raw("Nothing: a cell is one label") if mark == "none" else mark for mark in choices.label_separators}
    words, before = {_AUTO: raw("Recognise it")} | marks, options.label_separator
    return replace(options, label_separator=_pick(t("Between labels"), words, before, key, "between"))


def _pick(
    label: str, words: Mapping[str, str], before: str | None, key: str, what: str, help: str | None = None
) -> str | None:
    options = list(words)
    found = st.selectbox(
        label,
        options,
        index=options.index(before) if before in options else 0,
        format_func=words.__getitem__,
        key=f"data_{what}_{key}",
        help=help,
    )
    return None if found == _AUTO else found


def _columns(options: ReadOptions, columns: list[str], key: str) -> ReadOptions:
    """The columns of a CoNLL file; the last one is named as such, so that it stays the last."""
    words = {str(at): visible(name) for at, name in enumerate(columns)}
    count = len(columns)
    left, right = st.columns(2)
    with left:
        token = _number(t("Column of the tokens"), words, options.token_column % count, f"data_token_{key}")
    with right:
        tag = _number(t("Column of the tags"), words, options.tag_column % count, f"data_tag_{key}")
    return replace(options, token_column=token, tag_column=-1 if tag == count - 1 else tag)


def _number(label: str, words: Mapping[str, str], before: int, key: str) -> int:
    return int(st.selectbox(label, list(words), index=before, format_func=words.__getitem__, key=key))


def _fields(options: ReadOptions, roles: Sequence[Role], keys: Sequence[str], key: str) -> ReadOptions:
    """The columns that have names: those of a table, or the keys of the records of JSON Lines."""
    labels: Mapping[Role, str] = {
        "tokens": t("Tokens"),
        "tags": t("Tags"),
        "text": t("Text"),
        "spans": t("Spans"),
        "labels": t("Labels"),
    }
    words = {_AUTO: raw("Recognise it")} | {f"={name}": visible(name) for name in keys}
    found: dict[Role, str] = {}
    for role, place in zip(roles, st.columns(len(roles)), strict=True):
        with place:
            known = options.columns.get(role)
            chosen = _pick(labels[role], words, f"={known}" if known else None, key, role)
        if chosen:
            found[role] = chosen[1:]
    return replace(options, columns=found)
