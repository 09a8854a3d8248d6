"""Pieces of model cards, whatever was trained: Markdown in which what users named is escaped."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.models.catalogue import BUNDLED, HUB_ID
from core.models.started import run_of
from core.output import plain
from core.params import plain as value_of
from core.scores import FEW, Interval, LabelScores, Scores

PIPELINES = {"tokens": "token-classification", "row": "text-classification"}
NOT_STATED = "not stated"
METRICS = ("precision", "recall", "f1")
SCORE_HEADS = ("label", "precision", "recall", "F1", "in gold")
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#!|~$&@:]|(?i:(?<=www)\.))")


def words(value: object) -> str:
    """A value as Markdown that shows exactly its characters, on one line."""
    return _MARKS.sub(r"\\\1", plain(" ".join(str(value).split())))


def encoder_title(name: str) -> str:
    """What a model was tuned from; of a folder of somebody's machine, its last name alone."""
    if name.startswith("model:"):
        return "an encoder whose name is not known"
    return name if name in BUNDLED or run_of(name) or HUB_ID.fullmatch(name) else Path(name).name


def table(heads: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def score_rows(scores: Scores) -> Iterator[Sequence[str]]:
    whole = scores.metrics
    yield ("**all**", *(_figure(whole[name].mean, whole[name].interval) for name in METRICS), f"{scores.support:,}")
    for name, label in scores.per_label.items():
        values = _of_label(label)
        yield (words(name), *(_figure(values[m], label.interval[m]) for m in METRICS), f"{label.support:,}")


def _of_label(label: LabelScores) -> Mapping[str, float | None]:
    return {"precision": label.precision, "recall": label.recall, "f1": label.f1}


def _figure(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + ("" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})")


def limits(longest: int) -> Iterator[str]:
    """The head of that section, and what holds for every model. `longest`: sub-tokens that it reads."""
    yield "## Limits"
    yield ""
    yield f"- It reads at most {longest} sub-tokens of a text; what comes after is not looked at."
    yield "- The probabilities it gives are not calibrated."
    yield "- It was not examined for bias, nor on other kinds of text than those above."


def rare_labels(where: str, scores: Scores) -> Iterator[str]:
    """Of which labels the figures say little. `where`: as Markdown."""
    few = [words(name) for name, label in scores.per_label.items() if label.support < FEW]
    if few:
        names = ", ".join(few)
        yield f"- On {where} these labels occur fewer than {FEW} times, so their figures say little: {names}."


def fingerprints(format: str) -> Iterator[str]:
    """What a folder for `transformers` holds of the texts that were learned."""
    if format != "onnx":
        yield ""
        yield "`start.json` holds 64-bit fingerprints of the texts it has learned from, and no text: with them Peibi"
        yield "refuses to train this model further where those texts are to judge the outcome."


def shown(value: object) -> str:
    found = value_of(value)
    return "the default" if found is None else "yes" if found is True else "no" if found is False else str(found)


def day(seconds: float | None) -> str:
    return "-" if seconds is None else time.strftime("%Y-%m-%d", time.gmtime(seconds))
