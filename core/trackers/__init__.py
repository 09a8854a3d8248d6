"""Trackers of experiments, by name, and what they are told: a function for each, in a module that loads its package."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from core.trackers.described import Told

To = Literal["mlflow", "tensorboard"]
Progress = Callable[[int], None]  # called with how many runs are there, after each
Send = Callable[[Sequence["Told"], str, str, Progress], list[str]]  # (told, address, experiment, progress) -> their ids

TRACKERS: Mapping[To, str] = {
    "mlflow": "core.trackers.mlflow:send",
    "tensorboard": "core.trackers.tensorboard:send",
}


def sender(to: To) -> Send:
    """What tells a tracker. What was sent before is brought up to date, never doubled."""
    module, _, function = TRACKERS[to].partition(":")
    return getattr(importlib.import_module(module), function)
