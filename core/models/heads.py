"""Whether the head that a model's folder brings along is for the classes that are wanted."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any


def fresh_unless_meant(model: Any, fresh: Any, folder: Path, classes: Sequence[str], loaded: Collection[str]) -> None:
    """Give a network a head of random weights where the folder's was trained for other classes, or the same in another
    order: shapes alone don't tell. The caller seeds torch before.

    `fresh`: makes a network of a configuration; `loaded`: names of the weights outside the encoder that the folder had.
    """
    if not loaded or classes_of(folder) == tuple(classes):
        return
    import torch

    other = fresh(model.config).to(torch.float32)
    with torch.no_grad():
        for name in loaded:
            model.get_parameter(name).copy_(other.get_parameter(name))


def classes_of(folder: Path) -> tuple[str, ...]:
    """What the outputs of a model's folder are called, in order; empty where it doesn't say."""
    named = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("id2label")
    if not isinstance(named, dict) or not all(str(number).isdecimal() for number in named):
        return ()
    return tuple(str(name) for _, name in sorted(named.items(), key=lambda item: int(item[0])))
