"""Word-level attack on a trained model. Jin et al. 2020, "Is BERT Really Robust? A Strong Baseline for Natural Language
Attack on Text Classification and Entailment" (TextFooler), https://arxiv.org/abs/1907.11932, algorithm 1.

Words are ranked by how much less sure of gold the model is without them. In that order each becomes the candidate that
makes the model least sure, until it is wrong; of several that make it wrong, the one that leaves the sentence most
similar. A child is only made where that succeeds.

Departures:

- Only O tokens are touched, and none becomes a word that stands in a mention of the corpus, so that labels stay true.
  The model is wrong where any label of the row is missed, or predicted and not there.
- A word is masked, not deleted, to rank it: tags stay beside their words.
- Candidates are neighbours in the table of word embeddings of the bundled encoder (`core.augment.embeddings`) and, in
  English, synonyms of WordNet, in place of counter-fitted vectors; `candidates` of them are drawn, so that copies
  differ. The paper takes the 50 nearest.
- No tagger says what part of speech a word has here: in English, candidates are of the one that WordNet's texts show
  most often, with the same ending; in other languages nothing is known of it.
- The similarity of sentences is the cosine of the mean states of an encoder, over the whole sentence, in place of the
  Universal Sentence Encoder over a window. It is asked only about candidates that would be taken: all that make the
  model wrong, else at most the `_ASKED` that make it least sure.
- At most `rate` of the words become others (Li et al. 2020, BERT-Attack, https://arxiv.org/abs/2004.09984: 40 %), and
  after `queries` questions to the model it ends.

An attack on rows that the model learned from, whose children it then learns from, is adversarial training: what it
says about the model's weakness on new text, an attack on dev says.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
from pydantic import Field

from core.augment import victim
from core.augment.edits import how_many, in_scope, substituted
from core.augment.protocol import Attempt, Child, Example, Name, Names, Rate, Rejected, Resources
from core.augment.wordnet import cased, replaceable, synonyms_for
from core.models.catalogue import default_for, in_package
from core.models.trained import Held
from core.params import CLOSED

_ASKED = 4  # candidates whose sentence is held against the row, where none makes the model wrong
_DIGITS = 4
_NEAREST = 32  # neighbours that candidates are drawn from


@dataclass(frozen=True)
class AttackParams:
    """`model`: a trained run (`run:ID`), or a folder or hub id of a model that labels such rows; `rate`: words that may
    become others, per token of the row, at least one; `candidates`: how many are tried for a word; `least`: cosine of a
    neighbour to the word, 0..1; `similar`: cosine of the sentence to the row, 0..1; `queries`: rows that the model is
    asked about, at most; `encoder`: whose states tell how similar sentences are, by default those of the bundled one in
    English, of the attacked model elsewhere."""

    __pydantic_config__ = CLOSED
    model: Annotated[Name, Names("model", trained=True)]
    rate: Rate = 0.4
    candidates: Annotated[int, Field(ge=1, le=50)] = 12
    least: Annotated[float, Field(ge=0, le=1)] = 0.3
    similar: Annotated[float, Field(ge=0, le=1)] = 0.84
    queries: Annotated[int, Field(ge=2, le=5000)] = 500
    encoder: Annotated[Name, Names("model")] | None = None


class Attack:
    """O tokens become words that stand near them, until a model is wrong about the row."""

    def __init__(self, params: AttackParams, resources: Resources) -> None:
        self._params, self._task = params, resources.task
        self._victim = victim.victim(resources.named["model"], resources.task)
        self._encoder = _encoder(resources)
        self._near = _candidates(resources, params.least)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        if not row.tokens or row.labels is None:
            return Rejected("nothing_to_change")
        first = self._victim.held(row, [victim.same(row)])
        attempt = victim.begun(row, first)
        able = replaceable(row, self._near)
        if first.wrong[0]:
            return Rejected("already_wrong", attempt)
        if not able:
            return Rejected("nothing_to_change", attempt)
        return self._searched(row, able, float(first.sure[0]), attempt, rng)

    def _searched(self, row: Example, able: list[int], sure: float, attempt: Attempt, rng: Random) -> Child | Rejected:
        """`able`: places whose words may become others; `sure`: how sure of gold the model is of the row as it is."""
        ranked = self._ranked(row, able[: self._params.queries - 1], sure)
        queries, new = 1 + len(ranked), dict[int, str]()
        likeness = victim.Likeness(self._encoder, self._task, row)
        for at in ranked:
            left = self._params.queries - queries
            if not left or len(new) == how_many(self._params.rate, len(row.tokens)):
                break
            words = self._drawn(row.tokens[at], rng)[:left]
            children = [substituted(row, {**new, at: word}) for word in words]
            held = self._victim.held(row, children)
            queries += len(children)
            taken = self._taken(likeness, children, held, sure)
            if taken is not None and held.wrong[taken]:
                return victim.won(children[taken], replace(attempt, queries=queries), held, taken)
            if taken is not None:
                new[at], sure = words[taken], float(held.sure[taken])
        return Rejected("attack_failed", replace(attempt, queries=queries))

    def _ranked(self, row: Example, able: Sequence[int], sure: float) -> list[int]:
        """Places of a row, those first without whose words the model is least sure of gold."""
        masked = [substituted(row, {at: self._victim.model.mask}) for at in able]
        drop = np.round(sure - self._victim.held(row, masked).sure, _DIGITS)
        return [able[at] for at in np.argsort(-drop, kind="stable").tolist()]

    def _drawn(self, token: str, rng: Random) -> list[str]:
        """What a word may become, in its case."""
        near = self._near[token.lower()]
        return [cased(word, token) for word in rng.sample(near, min(self._params.candidates, len(near)))]

    def _taken(self, likeness: victim.Likeness, children: Sequence[Child], held: Held, sure: float) -> int | None:
        """Which child the search goes on with: of those that are similar enough, the most similar that makes the model
        wrong, else the one that makes it least sure, where it is less sure than before."""
        order: list[int] = np.argsort(held.sure, kind="stable").tolist()
        beaten = [at for at in order if held.wrong[at]]
        if beaten:
            cosine, at = max(zip(likeness.of([children[at] for at in beaten]), beaten, strict=True), key=itemgetter(0))
            if cosine >= self._params.similar:
                return at
        weaker = [at for at in order if not held.wrong[at] and held.sure[at] < sure][:_ASKED]
        return next((at for at in weaker if likeness.of([children[at]])[0] >= self._params.similar), None)


def _encoder(resources: Resources) -> Path:
    """Whose states tell how similar sentences are."""
    if "encoder" in resources.named:
        return resources.named["encoder"]
    return in_package(default_for("en")) if _english(resources) else resources.named["model"]


def _candidates(resources: Resources, least: float) -> Mapping[str, Sequence[str]]:
    """Word in small letters -> the words that it may become, none of which stands in a mention of the corpus."""
    from core.augment.embeddings import neighbours_for

    near = neighbours_for(resources, _NEAREST, least)
    more = synonyms_for(resources, "attack") if _english(resources) else {}
    names = {row.tokens[at].casefold() for row in resources.examples for at in in_scope(row, "inside")}
    both = {word: _others((*near.get(word, ()), *more.get(word, ())), names) for word in [*near, *more]}
    return {word: found for word, found in both.items() if found}


def _others(words: Collection[str], names: Collection[str]) -> list[str]:
    """Each once, without names."""
    return [word for word in dict.fromkeys(words) if word.casefold() not in names]


def _english(resources: Resources) -> bool:
    return resources.language.partition("-")[0] == "en"
