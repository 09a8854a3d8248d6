"""What of a training can be searched for, and within which range: the settings that a search tries."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from core.errors import CoreError
from core.jobs.folder import read_object
from core.params import CLOSED, build, canonical, unknown_key
from core.training import methods, sense
from core.training.settings import TrainParams

Tried: TypeAlias = str | int | float  # one value of one setting
_DIGITS = 3  # of a value between two ends
_DROPOUT = 0.1  # what encoders of BERT's family are made with


@dataclass(frozen=True)
class Range:
    """From one end to the other, or one of some choices.

    `log`: evenly over the logarithm; `step`: between two values that are tried, from `low` on; `whole`: whole numbers;
    `unset`: the value that the setting, left open, comes to in the training that a search begins from.
    """

    __pydantic_config__ = CLOSED
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    whole: bool = False
    choices: tuple[Tried, ...] = ()
    unset: float | None = None


SPACE: Mapping[str, Range] = {
    "learning_rate": Range(2e-5, 1e-3, log=True),
    "epochs": Range(2.0, 12.0, step=1.0),
    "steps": Range(50, 800, log=True, whole=True),
    "batch_tokens": Range(choices=(256, 512, 1024)),
    "warmup": Range(0.0, 0.3, step=0.05),
    "weight_decay": Range(0.001, 0.3, log=True),
    "dropout": Range(0.0, 0.4, step=0.05),
    "layer_decay": Range(0.6, 1.0, step=0.05),
    "frozen_layers": Range(0, 4, whole=True),
    "method": Range(choices=("full", "lora", "frozen")),
    "head": Range(choices=("suited", "fresh", "solved")),
    "class_weights": Range(choices=("none", "balanced")),
    "adversarial": Range(choices=(0.0, 0.5, 1.0)),
}
_EITHER = {"steps": "epochs", "epochs": "steps"}  # what the one replaces
USUAL = ("learning_rate", "epochs", "dropout", "layer_decay")  # steps in place of epochs where a training has them


def usual(start: TrainParams, base: Path | None = None) -> dict[str, Range]:
    """What is searched unless somebody says otherwise. `base`: folder of the encoder, where it is at hand."""
    names = ("steps" if name == "epochs" and start.steps is not None else name for name in USUAL)
    return {name: around(name, start, base) for name in names}


def around(name: str, start: TrainParams, base: Path | None = None) -> Range:
    """The usual range of a setting, widened to hold what a training has."""
    found = replace(SPACE[name], unset=_left_open(name, start, base))
    value = placed(name, start, found)
    if value is None or holds(found, value):
        return found
    if found.choices:
        return replace(found, choices=(value, *found.choices))
    low, high = ends(found)
    assert not isinstance(value, str)
    wider = replace(found, low=min(low, value), high=max(high, value))
    return wider if holds(wider, value) else replace(wider, step=None)


def _left_open(name: str, start: TrainParams, base: Path | None) -> float | None:
    """What a setting comes to that a training leaves open; None where it doesn't, or nobody can tell."""
    if getattr(start, name) is not None:
        return None
    if name == "dropout":
        made = read_object(base / "config.json") if base else None
        return float((made or {}).get("hidden_dropout_prob", _DROPOUT))
    return methods.frozen_layers(start, base) if name == "frozen_layers" and base else None


def placed(name: str, train: TrainParams, found: Range) -> Tried | None:
    """What a training has of a setting, as a sampler is told; None where that is no value of the setting."""
    value = train.peak if name == "learning_rate" else getattr(train, name)
    if name == "epochs" and train.steps is not None:
        return None
    return found.unset if value is None else value


def ends(found: Range) -> tuple[float, float]:
    """Of a range without choices; the upper one is a whole number of steps from the lower."""
    assert found.low is not None and found.high is not None
    if found.step is None:
        return found.low, found.high
    return found.low, rounded(found, found.low + found.step * math.floor((found.high - found.low) / found.step + 1e-9))


def rounded(found: Range, value: float) -> float:
    """A value as it is written down: whole, on a step, or with three digits."""
    if found.whole:
        return round(value)
    if found.step is not None:
        return float(f"{value:.10g}")
    low, high = ends(found)
    return min(max(float(f"{value:.{_DIGITS}g}"), low), high)


def holds(found: Range, value: Tried) -> bool:
    """Whether a value is one of those that are tried."""
    if found.choices:
        return value in found.choices
    if isinstance(value, str):
        return False
    low, high = ends(found)
    steps = 0.0 if found.step is None else (value - low) / found.step
    return low <= value <= high and math.isclose(steps, round(steps), abs_tol=1e-6)


def with_values(start: TrainParams, values: Mapping[str, Tried]) -> TrainParams:
    """The settings of a trial; what its method has no use for is left at its default. Raises CoreError `bad_value`."""
    replaced = {_EITHER[name] for name in values if name in _EITHER}
    kept = {name: value for name, value in canonical(start).items() if name not in replaced}
    return sense.tidied(build(TrainParams, kept | dict(values), "train"))


def check(ranges: Mapping[str, Range]) -> None:
    """Raises CoreError `tune_empty`, `tune_range`, `unknown_key`, `bad_value`, `epochs_and_steps`."""
    if not ranges:
        raise CoreError("tune_empty", {"known": ", ".join(SPACE)}, "hint_known")
    if {"epochs", "steps"} <= ranges.keys():
        raise CoreError("epochs_and_steps", {"where": "search.steps"}, "hint_epochs_and_steps")
    for name, found in ranges.items():
        if name not in SPACE:
            raise unknown_key(name, tuple(SPACE), "search")
        if not _is_range(found):
            given = ", ".join(map(str, found.choices)) or f"{found.low}:{found.high}"
            raise CoreError("tune_range", {"name": name, "value": given}, "hint_tune_range")
        for value in found.choices or ends(found):
            with_values(TrainParams(), {name: round(value) if found.whole and not isinstance(value, str) else value})


def check_encoder(ranges: Mapping[str, Range], start: TrainParams, base: Path) -> None:
    """Refuse what an encoder can't be trained with. `base`: its folder.

    Raises CoreError `layers_unknown`, `layers_few`.
    """
    tried = ranges.get("frozen_layers")
    most = start.frozen_layers if tried is None else max(map(int, tried.choices or ends(tried)))
    sense.check_encoder(build(TrainParams, {"frozen_layers": most}, "train"), base)


def _is_range(found: Range) -> bool:
    """Whether there is something to choose between."""
    if found.choices:
        return len(set(found.choices)) == len(found.choices) > 1
    if found.low is None or found.high is None or (found.log and found.low <= 0):
        return False
    if found.whole and not (float(found.low).is_integer() and float(found.high).is_integer()):
        return False
    return found.low < found.high and ends(found)[0] < ends(found)[1] and (found.step is None or found.step > 0)


def parsed(texts: Iterable[str], start: TrainParams, base: Path | None = None) -> dict[str, Range]:
    """Ranges as the command line has them: NAME, NAME=LOW:HIGH or NAME=A,B,C.

    Raises CoreError `unknown_key`, `tune_range`, and what `check` raises.
    """
    out: dict[str, Range] = {}
    for text in texts:
        name, given, words = text.partition("=")
        if name not in SPACE:
            raise unknown_key(name, tuple(SPACE), "search")
        found = around(name, start, base)
        out[name] = _parsed(name, words, found) if given else found
    check(out)
    return out


def _parsed(name: str, words: str, usual: Range) -> Range:
    try:
        if ":" in words:
            low, high = (float(part) for part in words.split(":"))
            return replace(usual, low=low, high=high, choices=(), whole=_whole(name))
        kind = str if isinstance(getattr(TrainParams(), name), str) else int if _whole(name) else float
        return Range(choices=tuple(kind(part.strip()) for part in words.split(",")), unset=usual.unset)
    except ValueError:
        raise CoreError("tune_range", {"name": name, "value": words}, "hint_tune_range") from None


def _whole(name: str) -> bool:
    return SPACE[name].whole or isinstance(getattr(TrainParams(), name), int)
