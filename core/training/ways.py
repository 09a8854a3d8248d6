"""Ways to train by name, as they are held against each other with few labelled rows."""

from collections.abc import Mapping
from typing import Any

from core.params import build, canonical, unknown_key
from core.tasks.protocol import Task
from core.training import sense
from core.training.settings import TrainParams

SHOTS, DRAWS = (1, 5, 10, 50), 10
METHODS: Mapping[str, Mapping[str, Any]] = {  # settings of a training by what the method is called
    "described": {"method": "frozen", "head": "described"},
    "prototypes": {"method": "frozen", "head": "prototypes"},
    "neighbours": {"method": "frozen", "head": "neighbours"},
    "contrastive": {"method": "contrastive"},
    "frozen": {"method": "frozen"},
    "lora": {"method": "lora"},
    "full": {"method": "full"},
    "prompt": {"method": "prompt"},
}
MIX = "mix"  # all weights, on the mix that a project is at in place of gold alone


def fitting(task: Task, train: TrainParams) -> list[str]:
    """The methods that a task has a use for; prompting where a project's settings say who is asked."""
    able = [name for name in METHODS if name != "prompt" or train.prompt is not None]
    return [name for name in able if sense.unfit(settings_of(TrainParams(prompt=train.prompt), name), task) is None]


def without_rows(method: str, train: TrainParams) -> bool:
    """Whether a method, with a project's settings, looks at no labelled row."""
    shown = train.prompt.demonstrations if train.prompt is not None else 0
    return method == "described" or (method == "prompt" and not shown)


def method_of(train: TrainParams) -> str | None:
    """What the method of a training is called; None for a mixture that has no name."""
    named = {(way["method"], way.get("head", TrainParams.head)): name for name, way in METHODS.items()}
    return named.get((train.method, train.head))


def settings_of(train: TrainParams, method: str) -> TrainParams:
    """A project's settings with another method. Raises CoreError `unknown_key`, `prompt_missing`."""
    if method == MIX:
        method = "full"
    if method not in METHODS:
        raise unknown_key(method, (*METHODS, MIX), "--methods")
    given = {name: value for name, value in canonical(train).items() if name not in ("method", "head", "learning_rate")}
    return sense.tidied(build(TrainParams, given | dict(METHODS[method]), "train"))
