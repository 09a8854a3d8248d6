"""Synonym replacement. Wei & Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", https://arxiv.org/abs/1901.11196 (SR); for named entities Dai & Adel 2020,
https://arxiv.org/abs/2010.11683 (SR).

As EDA: max(1, rate x length) words of a row, synonyms from WordNet. Departures: only O tokens are replaced, and only
by single words from the first two senses of the word's most frequent part of speech (`core.augment.wordnet`); the
paper takes all senses, which is a change of meaning more often than not. Dai & Adel draw each token with probability
.3 and allow multi-word synonyms.
"""

from dataclasses import dataclass
from random import Random

from core.augment.edits import how_many, substituted
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.augment.wordnet import cased, replaceable, synonyms_for
from core.params import CLOSED


@dataclass(frozen=True)
class SynonymParams:
    """`rate`: replaced words per token of the row (EDA's alpha); at least one."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1


class Synonym:
    """O tokens become synonyms with the same case pattern."""

    def __init__(self, params: SynonymParams, resources: Resources) -> None:
        self._rate = params.rate
        self._synonyms = synonyms_for(resources, "synonym")

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        able = replaceable(row, self._synonyms)
        if not able:
            return Rejected("nothing_to_change")
        new: dict[int, str] = {}
        for at in rng.sample(able, min(how_many(self._rate, len(row.tokens)), len(able))):
            token = row.tokens[at]
            new[at] = cased(rng.choice(self._synonyms[token.lower()]), token)
        return substituted(row, new)
