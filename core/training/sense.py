"""Which settings of a training mean something together: what a method has a use for, and what contradicts it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from core.errors import CoreError
from core.models import layers
from core.models.catalogue import BUNDLED
from core.models.shapes import Pooling, Shape, shape_of
from core.prompting.asking import check_template
from core.tasks.protocol import Task
from core.training.settings import BY_NEARNESS, RATES, Head, Method, TrainParams

_LORA = frozenset({"lora_rank", "lora_alpha"})
_ENCODER = frozenset({"freeze_word_embeddings", "frozen_layers", "layer_decay", "adversarial"})
_LOSS = frozenset({"class_weights", "adversarial", "consistency", "consistency_weight"})
UNUSED: Mapping[Method, frozenset[str]] = {  # settings that a method has no use for; they are left as they are
    "full": _LORA,
    "lora": frozenset({"freeze_word_embeddings", "layer_decay"}),
    "frozen": _LORA | _ENCODER,
    "contrastive": _LORA | _LOSS,
    "prompt": _LORA | _ENCODER | _LOSS | {"head", "pooling", "max_length"},
}
REFUSED: Mapping[Method, frozenset[str]] = {  # those of them that promise what would not happen
    "full": frozenset(),
    "lora": frozenset({"layer_decay"}),
    "frozen": frozenset({"layer_decay", "adversarial"}),
    "contrastive": frozenset({"class_weights", "adversarial", "consistency"}),
    "prompt": frozenset({"layer_decay", "adversarial", "class_weights", "consistency", "pooling"}),
}
_NO_HEAD: Mapping[Method, frozenset[Head]] = {  # what can't begin a head that is learned, or end one that isn't
    "full": frozenset({"neighbours"}),
    "lora": frozenset({"neighbours"}),
    "frozen": frozenset(),
    "contrastive": frozenset({"fresh", "described"}),
    "prompt": frozenset(get_args(Head)) - {"suited"},
}
_STEPWISE = frozenset(  # what matters where something is learned by steps alone
    {"learning_rate", "batch_tokens", "warmup", "weight_decay", "clip", "dropout", "class_weights", "consistency"}
    | {"consistency_weight", "evaluations", "patience", "checkpoint_every"}
)
_PLAIN = TrainParams()


def applies(train: TrainParams, name: str) -> bool:
    """Whether a setting of that name can change anything in such a training."""
    if name in UNUSED[train.method] or (train.at_once and name in _STEPWISE):
        return False
    where = {
        "freeze_word_embeddings": not train.frozen_layers,  # they are frozen with the layers above them
        "consistency_weight": train.consistency is not None,
        "pooling": train.method == "contrastive" or train.head in BY_NEARNESS or train.pooling is not None,
        "descriptions": train.head == "described" or train.method == "prompt",
        "prompt": train.method == "prompt",
    }
    return where.get(name, True)


def check(train: TrainParams) -> None:
    """Refuse what contradicts itself, or lacks what it hangs on. Raises CoreError `setting_without_effect`, `where` the
    key that it is about; `prompt_missing`, and those of a template."""
    for name in sorted(REFUSED[train.method]):
        value = getattr(train, name)
        if value != getattr(_PLAIN, name):
            values = {"where": f"train.{name}", "key": name, "value": value, "method": train.method}
            raise CoreError("setting_without_effect", values, "hint_setting_without_effect")
    _check_head(train)
    _check_prompt(train)


def _check_prompt(train: TrainParams) -> None:
    if train.method != "prompt":
        return
    if train.prompt is None:
        raise CoreError("prompt_missing", {"where": "train.method"}, "hint_prompt_missing")
    if train.prompt.template is not None:
        try:
            check_template(train.prompt.template, train.prompt.demonstrations)
        except CoreError as error:
            raise CoreError(error.code, {"where": "train.prompt.template"} | error.values, error.hint_code) from None


def check_learns(train: TrainParams) -> None:
    """Refuse settings by which nothing is learned. Raises CoreError `prompt_learns_nothing`."""
    if train.method == "prompt":
        raise CoreError("prompt_learns_nothing", {"where": "train.method"}, "hint_prompt_learns_nothing")


def _check_head(train: TrainParams) -> None:
    if train.head in _NO_HEAD[train.method]:
        values = {"where": "train.head", "key": "head", "value": train.head, "method": train.method}
        raise CoreError("setting_without_effect", values, "hint_setting_without_effect")


def check_encoder(train: TrainParams, base: Path) -> None:
    """Refuse to leave more layers as they are than there are. `base`: folder of the installed encoder.

    Raises CoreError `layers_unknown`, `layers_few`, as the training would.
    """
    asked = 0 if train.method in ("frozen", "prompt") else train.frozen_layers or 0
    known = layers.layers_of(base) if asked else 0
    if asked and not known:
        family = json.loads((base / "config.json").read_text(encoding="utf-8")).get("model_type", "")
        raise CoreError("layers_unknown", {"where": "train.frozen_layers", "family": str(family)})
    if asked > known:
        raise CoreError("layers_few", {"where": "train.frozen_layers", "layers": known, "asked": asked})


def unfit(train: TrainParams, task: Task) -> str | None:
    """The first setting that says what a task has no use for; None where there is none."""
    one = task.reads == "row" and task.objective == "softmax"
    fits = {
        "method": train.method != "contrastive" or one,
        "head": train.head not in BY_NEARNESS or task.objective == "softmax",
        "pooling": train.pooling is None or task.reads == "row",
    }
    return next((name for name, fit in fits.items() if not fit), None)


def check_task(train: TrainParams, task: Task) -> None:
    """Refuse what a task has no use for. Raises CoreError `setting_other_task`."""
    name = unfit(train, task)
    if name is not None:
        values = {"where": f"train.{name}", "key": name, "value": str(getattr(train, name)), "task": task.name}
        raise CoreError("setting_other_task", values, "hint_setting_other_task")


def choices(name: str, method: Method, task: Task) -> list[str]:
    """The values of `method`, `head` or `pooling` that a task, and a method, have a use for, in order."""
    known: Mapping[str, tuple[str, ...]] = {
        "method": get_args(Method),
        "head": tuple(one for one in get_args(Head) if one not in _NO_HEAD[method]),
        "pooling": get_args(Pooling),
    }
    return [value for value in known[name] if unfit(replace(_PLAIN, **{name: value}), task) is None]


def tidied(train: TrainParams) -> TrainParams:
    """The same with the default of each setting that its method has no use for, and of a rate that is the method's."""
    unused = UNUSED[train.method] | (_STEPWISE if train.at_once else frozenset())
    plain = {name: getattr(_PLAIN, name) for name in unused}
    if train.head != "described" and train.method != "prompt":
        plain["descriptions"] = _PLAIN.descriptions
    if train.head in _NO_HEAD[train.method]:
        plain["head"] = _PLAIN.head
    if train.consistency is None:
        plain["consistency_weight"] = _PLAIN.consistency_weight
    plain.setdefault("learning_rate", None if train.learning_rate == RATES.get(train.method) else train.learning_rate)
    return replace(train, **plain)


def usual_head(train: TrainParams, task: Task, origin: str) -> Head:
    """How a head begins where nobody says. `origin`: as `settled` takes it.

    At random only where all weights are trained, every word is an item to learn from, and the encoder's states lie
    apart: otherwise too little of what is to be learned has begun when the steps are over (docs/training.md).
    """
    close = origin in BUNDLED and BUNDLED[origin].close
    return "fresh" if train.method == "full" and task.reads != "row" and not close else "solved"


def settled(train: TrainParams, task: Task, origin: str | None = None) -> TrainParams:
    """One training, one spec: tidied, and how a head begins is written down except for the usual way.

    `origin`: of its model, see core.models.catalogue.origin_of; None: that is its own.
    """
    _check_head(train)
    _check_prompt(train)
    check_task(train, task)
    usual = usual_head(train, task, train.model if origin is None else origin)
    begins = "suited" if train.method == "prompt" else usual if train.head == "suited" else train.head
    told = "suited" if begins == usual == "fresh" else begins
    pooling = None if train.pooling == _pooled(train, task) else train.pooling
    prompt = train.prompt if train.method == "prompt" else None
    plain = replace(tidied(train), head=told, pooling=pooling, prompt=prompt)
    return replace(plain, epochs=_PLAIN.epochs, steps=None) if train.at_once else plain


def shape(train: TrainParams, task: Task, base: Path) -> Shape:
    """What the network has that its family has not, a head of neighbours aside: that is made of what it is shown.

    Sentence encoders say what a text means by the mean of its states; where nobody says how, and the head doesn't
    compare texts, it is as in the folder `base`.
    """
    return Shape(train.pooling or _pooled(train, task) or shape_of(base).pooling)


def _pooled(train: TrainParams, task: Task) -> Pooling | None:
    compares = train.method == "contrastive" or train.head in BY_NEARNESS
    return "mean" if compares and task.reads == "row" else None
