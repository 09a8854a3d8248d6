"""The issues of an import as a table that can be searched, and what of them is leakage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.corpus import pc
from core.errors import Issue, message
from core.report.tables import Cell, spreadsheet_csv

LEAKS = ("leak_exact", "leak_near", "leak_dev_test")  # codes, the gravest first
_GRAVEST_FIRST = ("dropped", "repaired", "kept")
_SEARCHED = ("file", "line", "column", "what")


@dataclass(frozen=True)
class Leak:
    """Rows of a file that stand in dev or test too. `other`: the file of that split."""

    code: str
    file: str
    split: str
    other: str
    rows: int


def issue_table(issues: Sequence[Issue], language: str) -> pa.Table:
    """The columns file, line (null: the whole file), column, code, what (in words), action.

    What was dropped comes first, then what was repaired, then what was only noted.
    """
    issues = sorted(issues, key=lambda issue: _GRAVEST_FIRST.index(issue.action))
    return pa.table(
        {
            "file": pa.array([issue.file for issue in issues], pa.string()),
            "line": pa.array([issue.row for issue in issues], pa.int64()),
            "column": pa.array([issue.column for issue in issues], pa.string()),
            "code": pa.array([issue.code for issue in issues], pa.string()),
            "what": pa.array([message(issue.code, issue.values, language) for issue in issues], pa.string()),
            "action": pa.array([issue.action for issue in issues], pa.string()),
        }
    )


def kinds(table: pa.Table) -> Mapping[tuple[str, str], int]:
    """How many issues there are of each code and action, the most frequent first."""
    found = Counter(zip(table.column("code").to_pylist(), table.column("action").to_pylist(), strict=True))
    return dict(found.most_common())


def matching(table: pa.Table, text: str = "", **wanted: Sequence[str]) -> pa.Table:
    """The issues whose columns have one of the `wanted` values (none given: any) and that hold `text` somewhere."""
    keep = np.ones(len(table), dtype=bool)
    for column, values in wanted.items():
        if values:
            keep &= pc.is_in(table.column(column), value_set=pa.array(values, pa.string())).to_numpy()
    if text:
        hits = (pc.match_substring(_text(table, name), text, ignore_case=True) for name in _SEARCHED)
        keep &= np.logical_or.reduce([hit.to_numpy() for hit in hits])
    return table.filter(pa.array(keep))


def _text(table: pa.Table, column: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.cast(table.column(column), pa.string()), "")


def issues_csv(table: pa.Table, titles: Mapping[str, str], actions: Mapping[str, str]) -> bytes:
    """Issues for a spreadsheet. `titles`: of the columns to write, in order; `actions`: their words."""
    columns = [table.column(name).to_pylist() for name in titles]
    at = list(titles).index("action")

    def rows() -> Iterable[Sequence[Cell]]:
        for row in zip(*columns, strict=True):
            yield [*row[:at], actions[row[at]], *row[at + 1 :]]

    return spreadsheet_csv(list(titles.values()), rows())


def leaks(issues: Iterable[Issue]) -> list[Leak]:
    """How many rows of each file also stand in another split; in the order of `LEAKS`."""
    found = Counter(
        (issue.code, issue.file, str(issue.values.get("split", "test")), str(issue.values["other"]))
        for issue in issues
        if issue.code in LEAKS
    )
    return sorted((Leak(*key, rows) for key, rows in found.items()), key=lambda leak: LEAKS.index(leak.code))
