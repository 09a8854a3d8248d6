"""A gazetteer: names of things by label, from a CSV file with the columns `label` and `mention`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.errors import CoreError
from core.formats import table
from core.tasks.tokenise import tokenise

COLUMNS: Mapping[str, Sequence[str]] = {
    "label": ("label", "type", "tag", "标签", "类型"),
    "mention": ("mention", "name", "entity", "text", "surface", "form", "实体", "名称"),
}

Form = tuple[str, ...]  # the tokens of a name


def read(path: Path, name: str) -> dict[str, list[Form]]:
    """The names of each label, each once, in the order of the file. `name`: of the file, for messages.

    Raises CoreError: those of core.formats.table, `empty_file` where there is none.
    """
    found: defaultdict[str, dict[Form, None]] = defaultdict(dict)
    for _, (label, mention) in table.read(path, name, COLUMNS):
        found[label][tuple(mention[start:end] for start, end in tokenise(mention))] = None
    if not found:
        raise CoreError("empty_file", {"file": name}, "hint_empty_file")
    return {label: [*forms] for label, forms in found.items()}
