"""What an import found in the files: as a table to search and take away, and its leakage in words."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import streamlit as st

from components.address import several
from components.splits import in_sentence
from components.words import escape, language, raw, said, said_raw, t, visible
from core.errors import Issue
from core.launch import Standing
from core.report import issues as found
from core.workspace import Workspace

_SHOWN = 1000  # rows of the table that go to the browser
_NOTES = 12  # notes on whole files
ACTIONS = ("dropped", "repaired", "kept")
_KINDS: Mapping[str, str] = {  # words
    "ragged_row": "wrong number of columns",
    "empty_token": "an empty token",
    "bad_token": "a token with tab or line break",
    "bad_tag": "a tag that can't be read",
    "tag_repaired": "an inside tag without a beginning",
    "span_trimmed": "blanks at the edge of a span",
    "span_outside": "a span outside the text",
    "span_empty": "an empty span",
    "span_nested": "a span within another",
    "span_off_boundary": "a span that cuts a word",
    "spans_malformed": "spans that can't be read",
    "duplicate_key": "a key that stands twice",
    "bad_number": "a number that can't be read",
    "bad_json": "a line that is no JSON",
    "json_too_deep": "JSON nested too deeply",
    "not_object": "a line that is no JSON object",
    "fields_missing": "a record without tokens or text",
    "tokens_not_strings": "tokens that are no list of words",
    "tags_not_strings": "tags that are no list of words",
    "length_mismatch": "more or fewer tags than tokens",
    "no_tokens": "a row without a token",
    "lone_surrogate": "half a character",
    "text_not_string": "a text that is no string",
    "text_empty": "an empty text",
    "text_too_long": "a text that is too long",
    "text_nul": "a text with a NUL character",
    "bad_csv": "a line that is no CSV",
    "label_missing": "a text without a label",
    "label_not_string": "a label that is no word",
    "bad_label": "a label that can't be one",
    "labels_split": "several labels in a cell",
    "labels_unknown": "texts whose labels are not known",
    "not_one_label": "a text with none or several labels",
    "task_settled": "texts with several labels",
    "position_digits": "position digits taken off",
    "header_skipped": "a line with column names",
    "scheme_converted": "another tagging scheme",
    "tags_unknown": "tokens without a known tag",
    "no_labels": "a file without labels",
    "label_lookalike": "labels that look alike",
    "label_only_in_test": "a label only test has",
    "dev_split": "dev split off train",
    "quick_look": "a quick look at train",
    "leak_exact": "the same text in dev or test",
    "leak_near": "nearly the same text in dev or test",
    "leak_dev_test": "the same text in dev and test",
    "mention_overlap": "the same mentions in dev or test",
}


def kind_of(code: str) -> str:
    """A short name for a kind of issue, as it is."""
    return raw(_KINDS[code]) if code in _KINDS else visible(code)


def shelf(table: pa.Table, key: str, height: int | str = "auto") -> None:
    """The first thousand issues of a table."""
    first = table.slice(0, _SHOWN)
    column = st.column_config
    st.dataframe(
        {
            "file": [visible(name) for name in first.column("file").to_pylist()],
            "line": first.column("line").to_pylist(),
            "what": [visible(words) for words in first.column("what").to_pylist()],
            "action": [said_raw(f"action_{action}") for action in first.column("action").to_pylist()],
            "column": [visible(name or "") for name in first.column("column").to_pylist()],
        },
        key=key,
        hide_index=True,
        height=height,
        column_config={
            "file": column.TextColumn(raw("File"), width="small"),
            "line": column.NumberColumn(
                raw("Line"), format="%d", help=raw("Line of the file, from 1; empty: the whole file."), width="small"
            ),
            "what": column.TextColumn(raw("What was found"), width="large"),
            "action": column.TextColumn(raw("What was done"), width="small"),
            "column": column.TextColumn(raw("Field"), width="small"),
        },
        alt=raw("Issues"),
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _table(root: Path, run: str, code: str, _issues: Sequence[Issue]) -> pa.Table:
    """The issues of an import that succeeded, in words; `code`: of the language."""
    return found.issue_table(_issues, code)


@st.fragment
def issues(space: Workspace, standing: Standing) -> None:
    """All issues of an import: filters in the address, and a file for a spreadsheet."""
    assert standing.stage is not None
    table = _table(space.root, standing.runs["import"].id, language(), standing.stage.issues)
    if not len(table):
        st.success(t("Nothing was found to mend, to drop or to warn of."), icon=":material/check_circle:")
        return
    counts = found.kinds(table)
    files = list(dict.fromkeys(table.column("file").to_pylist()))
    left, middle, right = st.columns(3)
    with left:
        codes = several(
            st.multiselect,
            t("Kind"),
            list(dict.fromkeys(code for code, _ in counts)),
            key="kind",
            show=kind_of,
            placeholder=raw("Any"),
        )
    with middle:
        actions = several(
            st.multiselect,
            t("What was done"),
            ACTIONS,
            key="action",
            show=lambda action: said_raw(f"action_{action}"),
            placeholder=raw("Any"),
            help=t("Dropped: the row is not used. Repaired: it is used, changed. Kept: it is used as it is."),
        )
    with right:
        names = several(st.multiselect, t("File"), files, key="files", show=visible, placeholder=raw("Any"))
    text = st.text_input(
        t("Search"),
        key="find",
        type="search",
        placeholder=raw("Search"),
        max_chars=200,
        bind="query-params",
        persist_state="session",
    )
    chosen = found.matching(table, text or "", code=codes, action=actions, file=names)
    _head(chosen, len(table))
    shelf(chosen, "data_issues", height=520)


def _head(chosen: pa.Table, total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        words = t("{n} of {total} issues", n=f"{len(chosen):,}", total=f"{total:,}")
        if len(chosen) > _SHOWN:
            words += ". " + t("The first {n} are shown; the download has all.", n=f"{_SHOWN:,}")
        st.markdown(words)
        titles = {
            "file": raw("File"),
            "line": raw("Line"),
            "column": raw("Field"),
            "what": raw("What was found"),
            "action": raw("What was done"),
        }
        done = {action: said_raw(f"action_{action}") for action in ACTIONS}
        st.download_button(
            t("Download as CSV"),
            partial(found.issues_csv, chosen, titles, done),
            file_name="issues.csv",
            mime="text/csv",
            key="data_issues_csv",
            icon=":material/download:",
            on_click="ignore",
            disabled=not len(chosen),
        )


def notes(issues: Sequence[Issue]) -> None:
    """Leakage in words with its counts, and what was noted of whole files."""
    leaks = [_leak_words(leak) for leak in found.leaks(issues)]
    st.markdown(_bullets(leaks or [t("No sentence of train stands in dev or test, nor nearly so.")]))
    whole = [issue for issue in issues if issue.row is None]
    lines = [f"{escape(issue.file)}: {said(issue.code, issue.values)}" for issue in whole[:_NOTES]]
    if len(whole) > _NOTES:
        lines.append(t("And {n} more notes: see Issues.", n=len(whole) - _NOTES))
    if lines:
        st.caption(t("Also noted:"))
        st.caption(_bullets(lines))


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _leak_words(leak: found.Leak) -> str:
    if leak.code == "leak_exact":
        return t(
            "**{n} sentences** of {file} stand word for word in {split}. They were taken out of training.",
            n=leak.rows,
            file=leak.file,
            split=in_sentence(leak.split),
        )
    if leak.code == "leak_near":
        return t(
            "**{n} sentences** of {file} are nearly the same as one in {split}. They stay; "
            "scores on {split} may look a little too good.",
            n=leak.rows,
            file=leak.file,
            split=in_sentence(leak.split),
        )
    return t("**{n} sentences** of {file} stand word for word in test too. They stay.", n=leak.rows, file=leak.file)
