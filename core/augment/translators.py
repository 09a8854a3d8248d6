"""Which translator there is: the embedded one, or models or an endpoint that a person names."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.augment.protocol import Resources, Spent
from core.augment.translation import Embedded, Translator
from core.errors import CoreError
from core.models.chat import Reply
from core.models.endpoints import name_of
from core.models.languages import english
from core.models.seq2seq import Seq2SeqModel
from core.models.writers import Answers, Question, writer

_TOLD = 20  # languages that a message names
_MOST = 500  # tokens of an answer
_LONGER, _MORE = 4, 50  # a translation has at most so many times the characters of its text, and so many more
_PROMPT = (
    "Translate this text from {source} to {target}. Leave whatever stands in square brackets as it is, with its "
    "brackets. Answer with the translation on one line, and with nothing else.\n\n{text}"
)


@dataclass(frozen=True)
class Named:
    """What params say about who translates: models or `endpoint:NAME`, there and back."""

    there: str | None
    back: str | None
    temperature: float


class OfModels:
    """Sequence-to-sequence models: one that goes there and one that comes back, which may be the same.

    Edunov et al. 2018, "Understanding Back-Translation at Scale", https://arxiv.org/abs/1808.09381, on drawing: at a
    `temperature` above 0 a sentence comes back in other words at every draw. What isn't drawn is the likeliest word at
    each place; nothing looks for the likeliest sentence (no beams).
    """

    def __init__(self, language: str, there: Path, back: Path, temperature: float) -> None:
        self._language = language
        self._folders = there, back
        self._temperature = temperature
        drawn = f" at {temperature:g}" if temperature else ""
        self.name = f"seq2seq 1 {there.name} {back.name}{drawn}"

    @property
    def told(self) -> Sequence[str]:
        return self._model(self._language).languages

    def known(self, source: str, target: str) -> bool:
        return self._model(source).speaks(target)

    def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
        return self._model(source).translate(texts, source, target, draws, self._temperature)

    def _model(self, source: str) -> Seq2SeqModel:
        return _loaded(self._folders[source != self._language])


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> Seq2SeqModel:
    """A model in memory: another setting needs no other. An installed folder never changes."""
    return Seq2SeqModel(folder, folder.name[:16])


class ByEndpoint:
    """A language model behind an endpoint, asked for one text at a time in words. An answer is one line, or lost."""

    def __init__(self, endpoint: str, resources: Resources, temperature: float) -> None:
        found = writer(endpoint, None, resources.endpoints, temperature)
        self._answers = Answers(found, resources.cache)
        self.name = found.name
        self.told: Sequence[str] = (found.told,)

    def known(self, source: str, target: str) -> bool:
        return True

    def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
        asked = [
            Question(prompt_for(text, source, target), draw, _MOST) for text, draw in zip(texts, draws, strict=True)
        ]
        found = self._answers.of(asked)
        return [_line(found[one], text) for one, text in zip(asked, texts, strict=True)]

    def spent(self) -> Spent:
        """So far."""
        return self._answers.spent(_PROMPT)


def prompt_for(text: str, source: str, target: str) -> str:
    """What a language model is asked, to have a text translated."""
    return _PROMPT.format(source=english(source), target=english(target), text=text)


def _line(reply: Reply, text: str) -> str:
    """The translation in an answer; empty where it is cut, or no line about as long as the text."""
    found = reply.text.strip()
    sound = not reply.cut and found.isprintable() and len(found) <= _LONGER * len(text) + _MORE
    return found if sound else ""


def translator(language: str, pivots: Sequence[str], named: Named, resources: Resources) -> Translator:
    """The translator for a language. Raises CoreError `no_translation` where it can't go to a pivot and back,
    `translator_incomplete` for a way back or a temperature that nothing has, and those of endpoints and models."""
    found = _found(language, named, resources)
    missing = [to for to in pivots if to == language or not (found.known(language, to) and found.known(to, language))]
    if missing:
        values = {"language": language, "pivot": ", ".join(missing), "known": ", ".join(found.told[:_TOLD])}
        raise CoreError("no_translation", values, "hint_other_augmenter")
    return found


def _found(language: str, named: Named, resources: Resources) -> Translator:
    by_endpoint = [one is not None and name_of(one) is not None for one in (named.there, named.back)]
    nowhere = named.there is None and (named.back is not None or named.temperature)
    if nowhere or by_endpoint[1] or (by_endpoint[0] and named.back is not None):
        raise CoreError("translator_incomplete", {}, "hint_translator_incomplete")
    if named.there is None:
        return Embedded()
    if by_endpoint[0]:
        return ByEndpoint(named.there, resources, named.temperature)
    there = resources.named["there"]
    return OfModels(language, there, resources.named.get("back", there), named.temperature)
