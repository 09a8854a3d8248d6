"""Which translator there is: the embedded one, or models that a person names."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.augment.translation import Embedded, Translator
from core.errors import CoreError
from core.models.seq2seq import Seq2SeqModel

_TOLD = 20  # languages that a message names


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


def translator(
    language: str, pivots: Sequence[str], there: Path | None, back: Path | None, temperature: float
) -> Translator:
    """The translator for a language. Raises CoreError `no_translation` where it can't go to a pivot and back."""
    found = Embedded() if there is None else OfModels(language, there, back or there, temperature)
    missing = [to for to in pivots if to == language or not (found.known(language, to) and found.known(to, language))]
    if missing:
        values = {"language": language, "pivot": ", ".join(missing), "known": ", ".join(found.told[:_TOLD])}
        raise CoreError("no_translation", values, "hint_other_augmenter")
    return found
