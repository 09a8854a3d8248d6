"""Rows without labels get those that a trained run finds in them, as far as it is sure of them.

Yarowsky 1995, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods", https://aclanthology.org/P95-1026
(self-training); Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural
Networks", workshop at ICML 2013; the threshold is that of Sohn et al. 2020, "FixMatch",
https://arxiv.org/abs/2001.07685.

In a sentence each word is judged by itself: what the run is not sure of stays unknown and teaches nothing. Rejecting
the whole sentence would leave short and easy ones alone, and teaching O where the run doubts would teach it to overlook
names; only a sentence in which names are found and none stays is rejected, for the rest of it would teach just that.
A mention is as sure as its least sure word. A text that is labelled as a whole is sure or rejected; where any
number of labels may hold, those that it is sure of are given, and that there may be others, if it is unsure of any.

Departure: labels are given once, by a run that has ended, and not anew in every step. A run that asks a language model
is sure of whatever it reads in an answer (1), and of nothing where it can't read it (0).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated

import numpy as np
from pydantic import Field

from core.augment import victim
from core.augment.protocol import Child, Example, Name, Names, Rejected, Resources, Spent
from core.errors import CoreError
from core.models.trained import Guess
from core.params import CLOSED
from core.prompting.prompted import Prompted
from core.tasks.example import OUTSIDE, spans

_DIGITS = 4  # the last digits of a probability hang on processors


@dataclass(frozen=True)
class PseudoLabelsParams:
    """`model`: a trained run (`run:ID`); `confidence`: of a word, a mention or a label, from which it is given, 0..1;
    `most`: mentions of a label, or rows, that are given at most, the most confident ones."""

    __pydantic_config__ = CLOSED
    model: Annotated[Name, Names("model", trained=True, run=True)]
    confidence: Annotated[float, Field(ge=0, lt=1)] = 0.9
    most: Annotated[int, Field(ge=1)] | None = None


class PseudoLabels:
    """Rows of which nothing is known get the labels that a trained run finds.

    Raises CoreError `model_other_task`, `labels_other` where the run gives labels that the data don't have.
    """

    def __init__(self, params: PseudoLabelsParams, resources: Resources) -> None:
        self._params = params
        self._task, model = resources.task, victim.labeller(resources.named["model"], resources.task)
        self._model = model
        if model.task != resources.task:
            raise CoreError("model_other_task", {"model": params.model, "task": model.task, "asked": resources.task})
        strange = sorted({*self.labels} - {*resources.labels}) if resources.labels else []
        if strange:
            values = {"model": params.model, "labels": ", ".join(strange), "known": ", ".join(resources.labels)}
            raise CoreError("labels_other", values, "hint_labels_other")
        self._all = {*resources.labels} <= {*self.labels}  # whether there is no label that it doesn't know
        self._known: dict[bytes, Guess] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        return self._model.labels or ()

    def spent(self) -> Spent | None:
        return self._model.told().spent if isinstance(self._model, Prompted) else None

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        rows = [row for row, _ in asked if _lacks(row)]
        self._known = victim.guessed(self._model, self._task, rows) if rows else {}

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        if copy:
            return Rejected("duplicate")
        if not row.tokens or not _lacks(row):
            return Rejected("labels_known")
        guess = self._known.get(row.id) or victim.guessed(self._model, self._task, [row])[row.id]
        return self._of_text(row, guess) if row.labels is None else self._of_words(row, guess)

    def _of_words(self, row: Example, guess: Guess) -> Child | Rejected:
        found, confidence = guess.predicted.values, [round(one, _DIGITS) for one in guess.predicted.confidence]
        tags: list[str | None] = [None] * len(found)
        for at, tag in enumerate(found):
            if tag == OUTSIDE and self._all and self._enough(confidence[at]):
                tags[at] = OUTSIDE
        sure: list[float] = []
        for span in spans(found):
            least = min(confidence[span.start : span.end])
            if self._enough(least):
                tags[span.start : span.end] = found[span.start : span.end]
                sure.append(least)
        if all(tag is None for tag in tags) or (spans(found) and not sure):
            return Rejected("unsure")
        return Child(row.tokens, tuple(tags), (), sure=tuple(sure))

    def _of_text(self, row: Example, guess: Guess) -> Child | Rejected:
        if guess.chances is None:
            sure = tuple(round(one, _DIGITS) for one in guess.predicted.confidence)
            if not self._enough(min(sure, default=0.0)):
                return Rejected("unsure")
            return Child(row.tokens, row.tags, (), labels=tuple(guess.predicted.values), sure=sure)
        chances = np.round(guess.chances, _DIGITS).tolist()
        given = {label: one for label, one in zip(self.labels, chances, strict=True) if one > 0.5 and self._enough(one)}
        doubted = not self._all or any(not self._enough(max(one, 1 - one)) for one in chances)
        if doubted and not given:
            return Rejected("unsure")
        labels = sorted(given)
        sure = tuple(given[label] for label in labels)
        return Child(row.tokens, row.tags, (), labels=(*labels, *([None] if doubted else [])), sure=sure)

    def _enough(self, confidence: float) -> bool:
        """Of a word that was cut off nothing is known."""
        return confidence > 0 and confidence >= self._params.confidence

    def settled(self, children: Sequence[Child]) -> list[Child | Rejected]:
        """Of each label the most confident ones stay; of equals the first. What is over is unknown again."""
        if self._params.most is None:
            return [*children]
        given: dict[str, list[tuple[float, int, int]]] = {}
        for at, child in enumerate(children):
            for number, (label, sure) in enumerate(zip(_labels(child), child.sure, strict=False)):
                given.setdefault(label, []).append((-sure, at, number))
        over: dict[int, set[int]] = {}
        for found in given.values():
            for _, at, number in sorted(found)[self._params.most :]:
                over.setdefault(at, set()).add(number)
        return [_without(child, over[at]) if at in over else child for at, child in enumerate(children)]


def _lacks(row: Example) -> bool:
    """Whether nothing is known of a row. What a labelled file leaves open is not filled in: whether its O stands for
    all labels is only known of the ingredient as a whole."""
    return row.labels is None or (row.labels == () and all(tag is None for tag in row.tags))


def _labels(child: Child) -> list[str]:
    """Those that the run gave, in order: a text's, or those of the mentions."""
    if child.labels is not None:
        return [label for label in child.labels if label is not None]
    return [span.label for span in spans(child.tags)]


def _without(child: Child, over: set[int]) -> Child | Rejected:
    """A child without some of its labels, by number."""
    if child.labels is not None:
        left = [label for number, label in enumerate(_labels(child)) if number not in over]
        return replace(child, labels=(*left, None)) if left else Rejected("over_cap")
    tags, found = [*child.tags], spans(child.tags)
    for number in over:
        tags[found[number].start : found[number].end] = [None] * (found[number].end - found[number].start)
    return replace(child, tags=tuple(tags)) if len(over) < len(found) else Rejected("over_cap")
