"""Label-wise token replacement. Dai & Adel 2020, "An Analysis of Simple Data Augmentation for Named Entity
Recognition", https://arxiv.org/abs/2010.11683, section 3 (LwTR).

As in the paper the label of a token is its full tag (B-PER and I-PER have distributions of their own), and O tokens
are replaced too. Departures: the new token always differs from the old one, at least one token of a row is replaced
where that is possible, and masked tokens are neither replaced nor drawn.
"""

from collections import defaultdict
from dataclasses import dataclass
from random import Random

from core.augment.edits import by_chance, in_scope, substituted
from core.augment.occurrences import Occurrences
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.params import CLOSED


@dataclass(frozen=True)
class TokenReplacementParams:
    """`rate`: probability that a token is replaced; `scope`: outside leaves mentions as they are, which a corpus needs
    whose words are single characters: of characters of several names no name comes (docs/results.md)."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.3
    scope: Scope = "all"


class TokenReplacement:
    """Each token becomes another token that carries the same tag somewhere in the parent corpus."""

    def __init__(self, params: TokenReplacementParams, resources: Resources) -> None:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for row in resources.examples:
            for token, tag in zip(row.tokens, row.tags, strict=True):
                if tag is not None:
                    found[tag].append(token)
        self._params = params
        self._tokens = {tag: Occurrences(tokens) for tag, tokens in found.items()}

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        allowed = {*in_scope(row, self._params.scope)}
        able = [
            (at, tag)
            for at, (token, tag) in enumerate(zip(row.tokens, row.tags, strict=True))
            if at in allowed and tag is not None and tag in self._tokens and self._tokens[tag].has_other(token)
        ]
        if not able:
            return Rejected("nothing_to_change")
        chosen = by_chance(able, self._params.rate, rng)
        return substituted(row, {at: self._tokens[tag].other(row.tokens[at], rng) for at, tag in chosen})
