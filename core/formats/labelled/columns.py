"""Which columns hold the text and the labels: by their names, or as the options say."""

from collections.abc import Mapping, Sequence

from core.errors import CoreError, Value
from core.formats.losses import shown
from core.formats.protocol import Role

ROLES: tuple[Role, ...] = ("text", "labels")
NAMES: Mapping[Role, Sequence[str]] = {  # case makes no difference; the first that is there
    "text": (
        *("text", "sentence", "utterance", "content", "query", "question", "message", "review", "comment", "document"),
        *("body", "tweet", "post", "description", "title", "headline", "input", "文本", "内容", "句子", "评论", "标题"),
    ),
    "labels": (
        *("labels", "label", "category", "categories", "intent", "intents", "class", "classes", "topic", "topics"),
        *("sentiment", "emotion", "emotions", "target", "tag", "tags", "label_text", "output", "gold"),
        *("标签", "类别", "分类", "意图", "情感"),
    ),
}
_MOST_SHOWN = 20  # columns in a message

Columns = Mapping[Role, str]


def found(columns: Sequence[str], wanted: Mapping[Role, str]) -> Columns | None:
    """The columns of text and labels, each under the name it has; None where one is missing or both are one.

    `wanted`: names that somebody gave; they are looked for as they stand first, then whatever their case.
    """
    text, labels = (named(columns, role, wanted) for role in ROLES)
    return None if text is None or labels is None or text == labels else {"text": text, "labels": labels}


def unknown(columns: Sequence[str], wanted: Mapping[Role, str], name: str, row: int | None = None) -> CoreError:
    """The error for columns of which `found` finds nothing: it says which there are."""
    missing: Role = "text" if named(columns, "text", wanted) is None else "labels"
    known = ", ".join(shown(column) for column in columns[:_MOST_SHOWN]) + ("…" if len(columns) > _MOST_SHOWN else "")
    values: dict[str, Value] = {"file": name, "role": missing, "known": known}
    if missing in wanted:
        return CoreError("column_unknown", values | {"column": wanted[missing]}, "hint_column_names")
    return CoreError("columns_unknown", values | ({} if row is None else {"line": row}), "hint_column_names")


def named(columns: Sequence[str], role: Role, wanted: Mapping[Role, str]) -> str | None:
    """The column of one role, under the name it has; None where there is none."""
    if role in wanted and wanted[role] in columns:
        return wanted[role]
    names = (wanted[role],) if role in wanted else NAMES[role]
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(column.strip().casefold(), column)
    return next((plain[key] for name in names if (key := name.strip().casefold()) in plain), None)
