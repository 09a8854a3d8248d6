"""Words that a masked language model expects. Wu et al. 2019, "Conditional BERT Contextual Augmentation",
https://arxiv.org/abs/1812.06705; insertion: Garg & Ramakrishnan 2020 (BAE), https://arxiv.org/abs/2004.01970.

Departures: only words outside mentions are replaced, and new ones are put in only where they split none; all places of
a sentence are masked at once, so that a child costs one pass; a word is drawn among the likeliest whole words in small
letters, by how likely they are, never the one that stood there and none of a mention of the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from core.augment.edits import Edit, edited, gaps, how_many, in_scope, substituted
from core.augment.protocol import Child, Example, Name, Names, Rate, Rejected, Resources
from core.augment.wordnet import cased
from core.models.masked import MaskedModel
from core.params import CLOSED
from core.tasks.example import OUTSIDE


@dataclass(frozen=True)
class MaskedLmParams:
    """`model`: a masked language model, by its hub id or folder; `rate`: words replaced or put in per token of the row,
    at least one; `likeliest`: how many words may come to stand at a place."""

    __pydantic_config__ = CLOSED
    model: Annotated[Name, Names("model")]
    rate: Rate = 0.15
    way: Literal["replace", "insert"] = "replace"
    likeliest: Annotated[int, Field(ge=1, le=100)] = 10


class MaskedLm:
    """O tokens become, or are joined by, words that the model expects at their place."""

    def __init__(self, params: MaskedLmParams, resources: Resources) -> None:
        self._params = params
        self._model = _loaded(resources.named["model"])
        self._names = {row.tokens[at].casefold() for row in resources.examples for at in in_scope(row, "inside")}

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        number = how_many(self._params.rate, len(row.tokens))
        return (self._inserted if self._params.way == "insert" else self._replaced)(row, number, rng)

    def _replaced(self, row: Example, number: int, rng: Random) -> Child | Rejected:
        able = [at for at in in_scope(row, "outside") if row.tokens[at].isalpha() and _plain(row, at)]
        if not able:
            return Rejected("nothing_to_change")
        chosen = sorted(rng.sample(able, min(number, len(able))))
        expected = self._model.expected(row.tokens, chosen, 2 * self._params.likeliest)
        new: dict[int, str] = {}
        for at, words in zip(chosen, expected, strict=True):
            others = [(word, p) for word, p in self._common(words) if word != row.tokens[at].casefold()]
            if others:
                new[at] = cased(_drawn(others[: self._params.likeliest], rng), row.tokens[at])
        return substituted(row, new) if new else Rejected("unchanged")

    def _inserted(self, row: Example, number: int, rng: Random) -> Child | Rejected:
        able = gaps(row)
        if OUTSIDE not in row.tags:
            return Rejected("nothing_to_change")
        chosen = sorted(rng.sample(able, min(number, len(able))))
        words, places = list(row.tokens), list[int]()
        for more, gap in enumerate(chosen):
            words.insert(gap + more, "")
            places.append(gap + more)
        expected = self._model.expected([word or "x" for word in words], places, 2 * self._params.likeliest)
        expected = [self._common(found)[: self._params.likeliest] for found in expected]
        edits = [Edit(gap, gap, (_drawn(found, rng),), (OUTSIDE,))
                 for gap, found in zip(chosen, expected, strict=True) if found]  # fmt: skip
        return edited(row, edits) if edits else Rejected("unchanged")

    def _common(self, words: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
        """Those that are no name by their looks, and stand in no mention of the corpus."""
        return [(word, p) for word, p in words if word == word.lower() and word not in self._names]


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> MaskedModel:
    """A model in memory: another setting needs no other. An installed folder never changes."""
    return MaskedModel(folder, folder.name[:16])


def _plain(row: Example, at: int) -> bool:
    """Whether a word is no name by its looks: small letters, or a capital where a sentence begins."""
    token = row.tokens[at]
    return not token.isupper() and (token.islower() or at == 0 or not token[0].isupper())


def _drawn(words: list[tuple[str, float]], rng: Random) -> str:
    return rng.choices([word for word, _ in words], [chance for _, chance in words])[0]
