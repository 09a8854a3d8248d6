"""Other names in other words. Lin et al. 2021, "RockNER: A Simple Method to Create Adversarial Examples for Evaluating
the Robustness of Named Entity Recognition Models", https://arxiv.org/abs/2109.05620.

Each mention becomes another one of its label, then words around them become others. Both are done by the methods that
do them alone: `mention_replacement`, and `masked_lm` where a masked language model is named, else `neighbours`.

With `against`, a trained model is asked about `tries` such children, and the one is kept about which it is most wrong;
where it is wrong about none, there is none.

Departures: mentions come from the corpus itself or from a gazetteer, in place of Wikidata, and are of the corpus's
labels, which are coarser than Wikidata's classes; `rate` says how many words change, in place of one to three; one is
drawn among the likeliest that a model expects (the authors' code draws from the 51st to the 100th, so that few read
well); no tagger picks nouns, verbs, adjectives and adverbs.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Annotated

from pydantic import Field

from core.augment import victim
from core.augment.edits import compared
from core.augment.masked_lm import MaskedLm, MaskedLmParams
from core.augment.mention_replacement import MentionReplacement, MentionReplacementParams
from core.augment.neighbours import Neighbours, NeighboursParams
from core.augment.protocol import Augmenter, Child, Example, Name, Names, Rate, Rejected, Resources
from core.params import CLOSED


@dataclass(frozen=True)
class RocknerParams:
    """`rate`: words outside mentions that become others, per token of the row, at least one; `mentions`: probability
    that a mention becomes another, at least one does; `gazetteer`: a CSV file with the columns label and mention;
    `model`: a masked language model; `against`: a trained run (`run:ID`), or a model that labels such rows; `tries`:
    children that it is asked about."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    mentions: Rate = 1.0
    gazetteer: Annotated[Name, Names("file", "core.augment.gazetteer:read")] | None = None
    model: Annotated[Name, Names("model")] | None = None
    against: Annotated[Name, Names("model", trained=True)] | None = None
    tries: Annotated[int, Field(ge=1, le=50)] = 5


class Rockner:
    """Mentions become others of their label, and words around them other words."""

    def __init__(self, params: RocknerParams, resources: Resources) -> None:
        self._tries = params.tries
        swap = MentionReplacementParams(params.mentions, gazetteer=params.gazetteer)
        self._mentions = MentionReplacement(swap, resources)
        self._context = _context(params, resources)
        against = resources.named.get("against")
        self._victim = None if against is None else victim.victim(against, resources.task)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        if self._victim is None:
            return self._changed(row, copy, rng)
        tried = [self._changed(row, copy, rng) for _ in range(self._tries)]
        children = [child for child in tried if isinstance(child, Child)]
        if not row.tokens or not children:
            return tried[0]
        first = self._victim.held(row, [victim.same(row)])
        attempt = victim.begun(row, first)
        if first.wrong[0]:
            return Rejected("already_wrong", attempt)
        held = self._victim.held(row, children)
        attempt = replace(attempt, queries=1 + len(children))
        at = int(held.faults.argmax())
        return victim.won(children[at], attempt, held, at) if held.wrong[at] else Rejected("attack_failed", attempt)

    def _changed(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        swapped = self._mentions.augment(row, copy, rng)
        if isinstance(swapped, Rejected):
            return swapped
        between = Example(row.id, swapped.tokens, swapped.tags)
        made = self._context.augment(between, copy, rng)
        last = swapped if isinstance(made, Rejected) else made
        return compared(row, [*zip(last.tokens, last.tags, strict=True)])


def _context(params: RocknerParams, resources: Resources) -> Augmenter:
    """What changes the words around mentions."""
    if params.model is not None:
        return MaskedLm(MaskedLmParams(params.model, params.rate), resources)
    return Neighbours(NeighboursParams(params.rate), resources)
