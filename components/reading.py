"""How a file is read: in words, and as choices that override what was recognised."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import streamlit as st

from components.words import raw, t, visible
from core.formats import READERS
from core.formats.preview import columns_of
from core.formats.protocol import Layout, ReadOptions, Role

_AUTO = "auto"
_SCHEMES = ("IOB2", "IOB1", "BIOES", "IO")


def read_words(layout: Layout) -> str:
    """How a file was read."""
    if layout.format == "jsonl":
        return t("Read as JSON Lines in {encoding}: one record a line.", encoding=layout.encoding.upper())
    if layout.separator == "tab":
        return t(
            "Read as CoNLL in {encoding}: {n} columns between tabs, tags in the scheme {scheme}.",
            encoding=layout.encoding.upper(),
            n=layout.columns,
            scheme=layout.scheme,
        )
    return t(
        "Read as CoNLL in {encoding}: {n} columns between blanks, tags in the scheme {scheme}.",
        encoding=layout.encoding.upper(),
        n=layout.columns,
        scheme=layout.scheme,
    )


def options_of(key: str, head: bytes, before: ReadOptions) -> ReadOptions:
    """The choices for one file; what stays automatic is recognised. `key`: tells the file apart."""
    left, middle, right = st.columns(3)
    formats = {_AUTO: raw("Recognise it"), "conll": "CoNLL", "jsonl": "JSON Lines"}
    with left:
        format = _pick(
            t("Format"), {k: v for k, v in formats.items() if k in (_AUTO, *READERS)}, before.format, key, "format"
        )
    with middle:
        schemes = {_AUTO: raw("Recognise it"), **{name: name for name in _SCHEMES}}
        scheme = _pick(
            t("Tagging scheme"),
            schemes,
            before.scheme,
            key,
            "scheme",
            t("How tags say where a mention begins: B- begins, I- goes on, O is outside (IOB2)."),
        )
    with right:
        separators = {_AUTO: raw("Recognise it"), "tab": raw("Tabs"), "space": raw("Blanks")}
        separator = _pick(t("Between columns"), separators, before.separator, key, "separator")
    options = replace(before, format=format, scheme=scheme, separator=separator)
    columns = columns_of(head, options)
    if not columns:
        return options
    by_number = columns[0].startswith("1: ")
    return _columns(options, columns, key) if by_number else _fields(options, columns, key)


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


def _fields(options: ReadOptions, keys: list[str], key: str) -> ReadOptions:
    """The keys of the records of JSON Lines."""
    labels = {"tokens": t("Tokens"), "tags": t("Tags"), "text": t("Text"), "spans": t("Spans")}
    words = {_AUTO: raw("Recognise it")} | {f"={name}": visible(name) for name in keys}
    found: dict[Role, str] = {}
    for (role, label), place in zip(labels.items(), st.columns(4), strict=True):
        with place:
            known = options.columns.get(cast(Role, role))
            chosen = _pick(label, words, f"={known}" if known else None, key, role)
        if chosen:
            found[cast(Role, role)] = chosen[1:]
    return replace(options, columns=found)
