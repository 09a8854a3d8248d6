"""The tasks: one file each, one line in this table."""

import importlib
from collections.abc import Mapping
from functools import cache

from core.errors import CoreError
from core.tasks.protocol import Task

TASKS: Mapping[str, str] = {
    "tagging": "core.tasks.tagging:Tagging",
    "classification": "core.tasks.classification:Classification",
    "multilabel": "core.tasks.classification:multilabel",
}
DEFAULT = next(iter(TASKS))


@cache
def task(name: str) -> Task:
    """The task of that name. Raises CoreError `unknown_task`."""
    if name not in TASKS:
        raise CoreError("unknown_task", {"name": name, "known": ", ".join(TASKS)}, "hint_known")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)()
