"""Which settings of a training mean something together: what a method has a use for, and what contradicts it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from core.errors import CoreError
from core.models import layers
from core.models.catalogue import BUNDLED
from core.tasks.protocol import Task
from core.training.settings import RATES, Method, TrainParams

METHODS: tuple[Method, ...] = ("full", "lora", "frozen")
_LORA = frozenset({"lora_rank", "lora_alpha"})
_ENCODER = frozenset({"freeze_word_embeddings", "frozen_layers", "layer_decay", "adversarial"})
UNUSED: Mapping[Method, frozenset[str]] = {  # settings that a method has no use for; they are left as they are
    "full": _LORA,
    "lora": frozenset({"freeze_word_embeddings", "layer_decay"}),
    "frozen": _LORA | _ENCODER,
}
REFUSED: Mapping[Method, frozenset[str]] = {  # those of them that promise what would not happen
    "full": frozenset(),
    "lora": frozenset({"layer_decay"}),
    "frozen": frozenset({"layer_decay", "adversarial"}),
}
_PLAIN = TrainParams()


def applies(train: TrainParams, name: str) -> bool:
    """Whether a setting of that name can change anything in such a training."""
    if name == "freeze_word_embeddings" and train.frozen_layers:
        return False  # they are frozen with the layers above them
    if name == "consistency_weight" and train.consistency is None:
        return False
    return name not in UNUSED[train.method]


def check(train: TrainParams) -> None:
    """Refuse what contradicts itself. Raises CoreError `setting_without_effect`, `where` the key that it is about."""
    for name in sorted(REFUSED[train.method]):
        value = getattr(train, name)
        if value != getattr(_PLAIN, name):
            values = {"where": f"train.{name}", "key": name, "value": value, "method": train.method}
            raise CoreError("setting_without_effect", values, "hint_setting_without_effect")


def check_encoder(train: TrainParams, base: Path) -> None:
    """Refuse to leave more layers as they are than there are. `base`: folder of the installed encoder.

    Raises CoreError `layers_unknown`, `layers_few`, as the training would.
    """
    asked = 0 if train.method == "frozen" else train.frozen_layers or 0
    known = layers.layers_of(base) if asked else 0
    if asked and not known:
        family = json.loads((base / "config.json").read_text(encoding="utf-8")).get("model_type", "")
        raise CoreError("layers_unknown", {"where": "train.frozen_layers", "family": str(family)})
    if asked > known:
        raise CoreError("layers_few", {"where": "train.frozen_layers", "layers": known, "asked": asked})


def tidied(train: TrainParams) -> TrainParams:
    """The same with the default of each setting that its method has no use for, and of a rate that is the method's."""
    plain = {name: getattr(_PLAIN, name) for name in UNUSED[train.method]}
    if train.consistency is None:
        plain["consistency_weight"] = _PLAIN.consistency_weight
    rate = None if train.learning_rate == RATES[train.method] else train.learning_rate
    return replace(train, learning_rate=rate, **plain)


def beginning(train: TrainParams, task: Task) -> Literal["fresh", "solved"]:
    """How the head of a training begins.

    At random only where all weights are trained, every word is an item to learn from, and the encoder's states lie
    apart: otherwise too little of what is to be learned has begun when the steps are over (docs/training.md).
    """
    if train.head != "suited":
        return train.head
    return "fresh" if _usually_fresh(train, task) else "solved"


def settled(train: TrainParams, task: Task) -> TrainParams:
    """One training, one spec: tidied, and how a head begins is written down except for the usual way."""
    begins = beginning(train, task)
    return replace(tidied(train), head="suited" if begins == "fresh" and _usually_fresh(train, task) else begins)


def _usually_fresh(train: TrainParams, task: Task) -> bool:
    close = train.model in BUNDLED and BUNDLED[train.model].close
    return train.method == "full" and task.reads != "row" and not close
