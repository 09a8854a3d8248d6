"""What can be asked of a prediction: why a run says one thing of some words, and not another.

What is explained is a difference of logits. A logit alone says little: softmax doesn't change where all rise together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.tasks.example import OUTSIDE, spans
from core.tasks.protocol import Task


@dataclass(frozen=True)
class Asked:
    """`start`, `end`: the words that it is about; both 0 where the whole text is labelled. `said`: what the run says,
    `rather`: what it doesn't say, gold's where that differs; a class for each word, or one for the whole; "": none.
    `wrong`: whether gold says otherwise."""

    start: int
    end: int
    said: tuple[str, ...]
    rather: tuple[str, ...]
    wrong: bool


def asked_of(
    task: Task, labels: Sequence[str], said: Sequence[str], gold: Sequence[str | None] | None, logits: np.ndarray
) -> list[Asked]:
    """All that can be asked of a row, what is wrong first.

    `said`, `gold`: tags, or labels of the whole; gold None: not known. `logits`: of the row's words, NaN where one was
    cut off, or of the whole. *Shape:* (items, classes).
    """
    if task.reads == "tokens":
        tags = [None] * len(said) if gold is None else [*gold]
        found = [_stretch(task, labels, said, tags, logits, *ends) for ends in _stretches(said, tags)]
    elif task.objective == "sigmoid":
        found = _several(labels, said, gold, len(logits))
    else:
        found = [_one(labels, said, gold, logits)]
    return sorted((one for one in found if one is not None), key=lambda one: not one.wrong)


def names(asked: Asked) -> tuple[str, str]:
    """What is said, and what isn't, by their labels, "A + B" of several, or by their tags where the labels
    are the same; "": nothing."""
    whole = asked.start == asked.end
    said, rather = (" + ".join(_labels(side, whole)) for side in (asked.said, asked.rather))
    return (said, rather) if said != rather else (" ".join(asked.said), " ".join(asked.rather))


def _labels(side: Sequence[str], whole: bool) -> list[str]:
    if whole:
        return [name for name in side if name]
    return [*dict.fromkeys(tag.partition("-")[2] for tag in side if tag != OUTSIDE)]


def direction(task: Task, labels: Sequence[str], asked: Asked) -> np.ndarray:
    """What the logits of the words asked about are multiplied by to give the difference. *Shape:* (words, classes), or
    (1, classes) of a whole text."""
    order = {name: at for at, name in enumerate(task.classes(labels))}
    found = np.zeros((len(asked.said), len(order)))
    for side, sign in ((asked.said, 1.0), (asked.rather, -1.0)):
        for item, name in enumerate(side):
            if name:
                found[item, order[name]] += sign
    return found


def _stretches(said: Sequence[str], gold: Sequence[str | None]) -> list[tuple[int, int]]:
    """The mentions of both sides; those that share a word are one stretch. In order."""
    found: list[tuple[int, int]] = []
    for span in sorted((*spans(said), *spans(gold)), key=lambda one: one.start):
        if found and span.start < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], span.end)
        else:
            found.append((span.start, span.end))
    return found


def _stretch(
    task: Task,
    labels: Sequence[str],
    said: Sequence[str],
    gold: Sequence[str | None],
    logits: np.ndarray,
    start: int,
    end: int,
) -> Asked | None:
    """None where a word of it was cut off: nothing was said of it."""
    if np.isnan(logits[start:end]).any():
        return None
    mine = tuple(said[start:end])
    known = tuple(tag for tag in gold[start:end] if tag is not None)
    if len(known) == len(mine) and known != mine:
        return Asked(start, end, mine, known, True)
    return Asked(start, end, mine, _next_tags(task, labels, mine, logits[start:end]), False)


def _next_tags(task: Task, labels: Sequence[str], said: tuple[str, ...], logits: np.ndarray) -> tuple[str, ...]:
    """The other label, or none, that the run gave most to in the same words."""
    order = {name: at for at, name in enumerate(task.classes(labels))}
    begin, inside = (1, len(said) - 1)
    others = [(OUTSIDE,) * len(said), *((f"B-{one}",) * begin + (f"I-{one}",) * inside for one in labels)]
    return max(
        (tags for tags in others if tags != said),
        key=lambda tags: float(sum(logits[item, order[tag]] for item, tag in enumerate(tags))),
    )


def _one(
    labels: Sequence[str], said: Sequence[str], gold: Sequence[str | None] | None, logits: np.ndarray
) -> Asked | None:
    """Why this label; None where there is no other."""
    known = [label for label in gold or () if label is not None]
    if len(known) == 1 and known[0] != said[0] and known[0] in labels:
        return Asked(0, 0, (said[0],), (known[0],), True)
    others = [at for at, label in enumerate(labels) if label != said[0]]
    if not others:
        return None
    return Asked(0, 0, (said[0],), (labels[max(others, key=lambda at: float(logits[0, at]))],), False)


def _several(
    labels: Sequence[str], said: Sequence[str], gold: Sequence[str | None] | None, rows: int
) -> list[Asked | None]:
    """Of any number of labels: why each that is said, and why not each that gold has besides."""
    known = None if gold is None or None in gold else {*gold}
    found: list[Asked | None] = [
        Asked(0, 0, (label,), ("",), known is not None and label not in known) for label in said
    ]
    missed = [label for label in labels if known is not None and label in known and label not in said]
    return [*found, *(Asked(0, 0, ("",), (label,), True) for label in missed)] if rows else []
