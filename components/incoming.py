"""One file that is to be imported: what it is for, how it is read, and its first sentences."""

from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import streamlit as st

from components.entities import entities, shown
from components.issues import shelf
from components.reading import options_of, read_words
from components.words import language as ui_language
from components.words import raw, t, told
from core.errors import CoreError
from core.formats.preview import Preview, preview, raw_lines
from core.formats.protocol import ReadOptions
from core.formats.sniff import is_parquet
from core.output import size_text
from core.report import browse
from core.report.issues import issue_table

_ROWS = 4  # sentences shown


@dataclass(frozen=True)
class Incoming:
    """A file to import. `key`: tells it apart; `kept`: its input (file:SHA256) where the workspace has it already."""

    key: str
    name: str
    size: int
    head: bytes
    role: str
    options: ReadOptions = ReadOptions()
    kept: str = ""
    stream: BinaryIO | None = None


@dataclass(frozen=True)
class Reading:
    """How one file is to be read, and what it looks like so; no `preview` where it can't be read."""

    role: str
    options: ReadOptions
    preview: Preview | None


def card(file: Incoming, files: int, language: str, task: str) -> Reading:
    """One file: what it is for, how it is read, and its first sentences."""
    with st.container(border=True):
        left, right = st.columns([2, 1], vertical_alignment="center")
        left.markdown(t("**{name}** · {size}", name=file.name[-80:], size=size_text(file.size)))
        with right:
            role = _role(file, files)
        place = st.container()
        with st.expander(t("Change how it is read"), icon=":material/tune:", key=f"data_change_{file.key}"):
            options = replace(options_of(file.key, file.head, file.options, task), language=language)
        found = None
        with place:
            try:
                found = _previewed(file.key, file.name, file.size, options, task, file.head)
            except CoreError as error:
                st.error(told(error), icon=":material/error:")
            else:
                _looks(file, found)
        if not is_parquet(file.head):
            with st.expander(t("The first lines of the file, as they are"), key=f"data_raw_{file.key}"):
                st.code(raw_lines(file.head), language=None)
    return Reading(role, replace(options, language=ReadOptions.language), found)


def _role(file: Incoming, files: int) -> str:
    words = {"train": raw("For training"), "dev": raw("Dev: for choosing"), "test": raw("Test: for the last look")}
    if files == 1:
        words = {"file": raw("Split it for me"), "train": raw("All for training, 10 % of it dev")}
    options = list(words)
    return st.selectbox(
        t("What is it for?"),
        options,
        index=options.index(file.role) if file.role in options else 0,
        format_func=words.__getitem__,
        key=f"data_role_{file.key}",
        label_visibility="collapsed",
    )


@st.cache_resource(max_entries=24, show_spinner=False)
def _previewed(key: str, name: str, size: int, options: ReadOptions, task: str, _head: bytes) -> Preview:
    return preview(_head, size == len(_head), name, options, size, task)


def _looks(file: Incoming, found: Preview) -> None:
    """The beginning of a file as it will be read."""
    corpus = found.read.corpus
    st.markdown(_count(found) + " " + read_words(found.read.layout))
    rows = browse.page(corpus, np.arange(len(corpus)), 0, _ROWS)
    labels = corpus.schema.labels
    entities([shown(row, str(row.position + 1)) for row in rows], labels, key=f"data_rows_{file.key}")
    if not labels:
        st.warning(t("No token carries a label. Check which column holds the tags."), icon=":material/warning:")
    issues = found.read.issues
    if issues:
        text = t("Issues so far: {n}", n=f"{len(issues):,}")
        with st.expander(text, icon=":material/flag:", key=f"data_found_{file.key}"):
            shelf(issue_table(issues, ui_language()), f"data_issues_{file.key}")


def _count(found: Preview) -> str:
    if found.estimated_rows is None:
        return t("{n} sentences.", n=f"{found.rows_seen:,}")
    return t("About {n} sentences, by the first {seen}.", n=f"{found.estimated_rows:,}", seen=f"{found.rows_seen:,}")
