"""Spelling mistakes that people make, from the list of nlpaug 1.1.11 (https://github.com/makcedward/nlpaug,
SpellingAug), which comes from Belinkov & Bisk 2018, https://arxiv.org/abs/1711.02173 ("natural noise", English).

Departures from nlpaug: the choice is made with our own random numbers; the list is read from right to wrong only
(nlpaug's default also corrects words that are wrong); the case pattern of every token stays, not only of the first;
a tenth of the tokens instead of three tenths; of what has no letter the list is left aside, which makes "Egor" of "?".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from core.augment.edits import in_scope
from core.augment.noise import nlpaug_data, noisy
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.augment.wordnet import cased
from core.errors import CoreError
from core.params import CLOSED


@dataclass(frozen=True)
class SpellingParams:
    """`rate`: probability that a token with known misspellings is misspelt."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    scope: Scope = "all"


class Spelling:
    """Words become common misspellings, in mentions too unless `scope` says otherwise."""

    def __init__(self, params: SpellingParams, resources: Resources) -> None:
        if resources.language.partition("-")[0] != "en":
            raise CoreError("no_spellings", {"language": resources.language}, "hint_other_augmenter")
        self._params = params
        self._mistakes = _mistakes()

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        places = [at for at in in_scope(row, self._params.scope) if self._options(row.tokens[at])]
        return noisy(row, places, self._params.rate, lambda word: rng.choice(self._options(word)), rng)

    def _options(self, word: str) -> list[str]:
        """The misspellings listed for the word as it stands, else for its lower-case form, in the word's case."""
        if word in self._mistakes:
            return self._mistakes[word]
        if word.isupper() or word.istitle():
            found = [cased(wrong, word) for wrong in self._mistakes.get(word.lower(), ())]
            return [wrong for wrong in found if wrong != word]
        return []


@cache
def _mistakes() -> Mapping[str, list[str]]:
    """Word -> its misspellings: single tokens, sorted (nlpaug's own order differs from process to process)."""
    from nlpaug.model.word_dict import Spelling as Mistakes

    book = Mistakes(str(nlpaug_data("word", "spelling", "spelling_en.txt")), include_reverse=False)
    options = {word: sorted(w for w in book.predict(word) or () if w != word and w.isalpha()) for word in book.dict}
    return {word: found for word, found in options.items() if found and any(map(str.isalpha, word))}
