"""Mention replacement. Dai & Adel 2020, "An Analysis of Simple Data Augmentation for Named Entity Recognition",
https://arxiv.org/abs/2010.11683, section 3 (MR).

`balance` evens out what is seldom: forms are drawn alike however often they occur, and mentions of rare labels are
replaced more often, by the root of how much rarer they are than the most frequent label. With a `gazetteer`, mentions
of the labels that it has become its names, first of all those that the corpus doesn't have (Song et al. 2020,
"Improving Neural Named Entity Recognition with Gazetteers", https://arxiv.org/abs/2003.03072, on what names bring).

Departures: the new mention always has another surface (the paper may draw the same one again), and where chance
takes no mention of a row one is replaced all the same, so that a copy is a copy.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import Annotated

from core.augment import gazetteer
from core.augment.edits import Edit, by_chance, edited
from core.augment.occurrences import Occurrences
from core.augment.protocol import Child, Example, Name, Names, Rate, Rejected, Resources
from core.errors import CoreError
from core.params import CLOSED
from core.tasks.example import spans

_TOLD = 20  # labels of a file that a message names


@dataclass(frozen=True)
class MentionReplacementParams:
    """`rate`: probability that a mention is replaced; with `balance`, one of the most frequent label; `gazetteer`: a
    CSV file with the columns label and mention, from which mentions are drawn too."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.3
    balance: bool = False
    gazetteer: Annotated[Name, Names("file", "core.augment.gazetteer:read")] | None = None


class MentionReplacement:
    """Each mention becomes another mention of the same label, drawn by how often it occurs in the parent corpus, or, of
    the labels that a gazetteer has, one of its names."""

    def __init__(self, params: MentionReplacementParams, resources: Resources) -> None:
        found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
        for row in resources.examples:
            for span in spans(row.tags):
                found[span.label].append(row.tokens[span.start : span.end])
        most = max(map(len, found.values()), default=0)
        even = params.balance
        self._rates = {
            label: min(1.0, params.rate * math.sqrt(most / len(mentions))) if even else params.rate
            for label, mentions in found.items()
        }
        self._mentions = {label: Occurrences({*m} if even else m) for label, m in found.items()}
        if "gazetteer" in resources.named:
            names = gazetteer.read(resources.named["gazetteer"], params.gazetteer or "")
            if found and not {*found} & {*names}:
                values = {"labels": ", ".join([*names][:_TOLD]), "known": ", ".join(sorted(found))}
                raise CoreError("gazetteer_labels", values)
            self._mentions |= {
                label: Occurrences({*names[label]} - {*mentions} or {*names[label]})
                for label, mentions in found.items()
                if label in names
            }

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        mentions = spans(row.tags)
        if not mentions:
            return Rejected("no_mentions")
        able = [
            span
            for span in mentions
            if span.label in self._mentions and self._mentions[span.label].has_other(row.tokens[span.start : span.end])
        ]
        if not able:
            return Rejected("no_other_mention")
        edits: list[Edit] = []
        for span in by_chance(able, lambda span: self._rates[span.label], rng):
            new = self._mentions[span.label].other(row.tokens[span.start : span.end], rng)
            tags = (f"B-{span.label}", *[f"I-{span.label}"] * (len(new) - 1))
            edits.append(Edit(span.start, span.end, new, tags))
        return edited(row, edits)
