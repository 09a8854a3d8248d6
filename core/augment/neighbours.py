"""Words near others in a space of words. Wang & Yang 2015, "That's So Annoying!!!: A Lexical and Frame-Semantic
Embedding Based Data Augmentation Approach to Automatic Categorization of Annoying Behaviors using #petpeeve Tweets",
https://aclanthology.org/D15-1306; Jiao et al. 2020, "TinyBERT: Distilling BERT for Natural Language Understanding",
https://arxiv.org/abs/1909.10351, section 4.2 (words in pieces).

Departures: only O tokens are replaced; the space is that of the encoder's input table in place of word2vec or GloVe
(`core.augment.embeddings`, which also says which words have neighbours); one of several neighbours is drawn, all with
the same probability, in place of the nearest; the case pattern stays. TinyBERT draws each word with probability .4 from
its 15 nearest, and fills the words of one sub-word by a language model instead.

The known fault: opposites stand in the same sentences, so they stand near each other ("good", "bad"). English ones that
WordNet lists are left out, others are not.
"""

from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import Field

from core.augment.edits import how_many, substituted
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.augment.wordnet import cased, replaceable
from core.params import CLOSED


@dataclass(frozen=True)
class NeighboursParams:
    """`rate`: replaced words per token of the row, at least one; `nearest`: how many neighbours one is drawn from;
    `least`: their cosine, 0..1."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    nearest: Annotated[int, Field(ge=1, le=32)] = 8
    least: Annotated[float, Field(ge=0, le=1)] = 0.4


class Neighbours:
    """O tokens become words that stand near them in the encoder's space, with the same case pattern."""

    def __init__(self, params: NeighboursParams, resources: Resources) -> None:
        from core.augment.embeddings import neighbours_for

        self._rate = params.rate
        self._near = neighbours_for(resources, params.nearest, params.least)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        able = replaceable(row, self._near)
        if not able:
            return Rejected("nothing_to_change")
        new: dict[int, str] = {}
        for at in rng.sample(able, min(how_many(self._rate, len(row.tokens)), len(able))):
            token = row.tokens[at]
            new[at] = cased(rng.choice(self._near[token.lower()]), token)
        return substituted(row, new)
