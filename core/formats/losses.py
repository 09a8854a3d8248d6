"""Rows that a reader could not take: how they are told, and when they are too many."""

from collections.abc import Sequence

from core.errors import CoreError, Issue, Value


class Bad(Exception):
    """Why a row is dropped; never leaves its reader."""

    def __init__(self, code: str, column: str | None = None, **values: Value) -> None:
        super().__init__(code)
        self.code, self.column, self.values = code, column, values

    def issue(self, name: str, row: int) -> Issue:
        return Issue(name, row, self.column, self.code, self.values, "dropped")


def shown(text: str, most: int = 60) -> str:
    """A piece of user data, short enough for a message."""
    return text if len(text) <= most else text[: most - 1] + "…"


def refuse_mostly_bad(name: str, kept: int, rows_in: int, issues: Sequence[Issue]) -> None:
    """Raises CoreError `no_usable_rows`, `mostly_ragged`. `issues`: in the order of the file."""
    dropped = rows_in - kept
    values: dict[str, Value] = {"file": name, "rows": rows_in, "dropped": dropped}
    if dropped:
        values["line"] = next(issue.row for issue in issues if issue.action == "dropped")
    hint = "hint_first_bad_line" if dropped else "hint_no_rows"
    if not kept:
        raise CoreError("no_usable_rows", values, hint)
    if 2 * dropped > rows_in:
        raise CoreError("mostly_ragged", values, hint)
