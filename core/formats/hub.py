"""Data sets on a hub, through `datasets`: `hub:NAME@revision#config/split` becomes a JSON Lines file like any other."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import CoreError
from core.formats.labelled import columns as of_labelled
from core.params import digest
from core.tasks import DEFAULT
from core.tasks import task as task_of

_NAME = r"[A-Za-z0-9][\w.-]*"  # never a path
_REFERENCE = re.compile(
    rf"hub:(?P<name>{_NAME}(/{_NAME})?)(@(?P<revision>[\w./-]+?))?(#((?P<config>[\w.-]+)/)?(?P<split>[\w.-]+))?"
)
DEFAULT_COLUMNS: Mapping[str, str] = {"tokens": "tokens", "tags": "ner_tags"}


@dataclass(frozen=True)
class Reference:
    """One split of a data set on a hub."""

    name: str
    revision: str | None
    config: str | None
    split: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises CoreError `bad_hub_reference`."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise CoreError("bad_hub_reference", {"file": text}, "hint_hub_reference")
        return cls(found["name"], found["revision"], found["config"], found["split"] or "train")


def fetch(text: str, columns: Mapping[str, str], cache: Path, task: str = DEFAULT) -> Path:
    """Download a split and keep it as JSON Lines. `columns`: ours (tokens, tags; text, labels) -> theirs.

    Raises CoreError `hub_data_unreachable` with the library's own reason, `hub_column_missing`, `columns_unknown`.
    """
    reference = Reference.parse(text)
    rows = RECORDS[task_of(task).rows]
    wanted = {**rows.columns, **columns}
    target = cache / f"hub-{digest([text, dict(wanted)])[:16]}.jsonl"
    if target.exists() and reference.revision:  # a revision doesn't change; a branch may
        return target
    import datasets
    from datasets.exceptions import DatasetsError

    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        data = datasets.load_dataset(
            reference.name, reference.config, split=reference.split, revision=reference.revision
        )
    except (OSError, ValueError, DatasetsError) as error:
        values = {"file": text, "what": str(error).split("\n")[0][:200]}
        raise CoreError("hub_data_unreachable", values, "hint_hub_data") from None
    write_lines(rows.read(data, wanted, text), target)
    return target


def records(data: Any, columns: Mapping[str, str], name: str) -> Iterator[dict[str, Any]]:
    """The rows of a `datasets.Dataset` as tokens and tags; class numbers become their names."""
    for ours, theirs in columns.items():
        if theirs not in data.column_names:
            values = {"file": name, "key": theirs, "where": f"columns.{ours}", "known": ", ".join(data.column_names)}
            raise CoreError("hub_column_missing", values, "hint_known")
    names = getattr(getattr(data.features[columns["tags"]], "feature", None), "names", None)
    for row in data:
        tags = row[columns["tags"]]
        yield {"tokens": row[columns["tokens"]], "tags": [names[tag] for tag in tags] if names else tags}


def labelled(data: Any, columns: Mapping[str, str], name: str) -> Iterator[dict[str, Any]]:
    """The rows of a `datasets.Dataset` as text and labels; class numbers become their names, -1 is not known."""
    named = of_labelled.found(data.column_names, {role: columns[role] for role in of_labelled.ROLES if role in columns})
    if named is None:
        raise of_labelled.unknown(data.column_names, {**columns}, name)  # pyright: ignore[reportArgumentType]
    feature = data.features[named["labels"]]
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    for row in data:
        yield {"text": row[named["text"]], "labels": _named(row[named["labels"]], names)}


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None or value is None:
        return value
    return [_named(one, names) for one in value] if isinstance(value, list) else names[value] if value >= 0 else None


@dataclass(frozen=True)
class Rows:
    """How rows of a kind are had from a data set, and under which columns unless somebody says otherwise."""

    read: Callable[[Any, Mapping[str, str], str], Iterator[dict[str, Any]]]
    columns: Mapping[str, str]


RECORDS: Mapping[str, Rows] = {"tagged": Rows(records, DEFAULT_COLUMNS), "labelled": Rows(labelled, {})}


def write_lines(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    temporary.rename(path)
