"""Graphs of words: triples of a head, a relation and a tail.

Two sources: WordNet 3.0 (Fellbaum 1998, https://wordnet.princeton.edu), kept as an Arrow file, and a CSV file of one's
own. Of WordNet, a head is a common word that its texts show most often as a noun, in the singular: what a verb is a
kind of rarely fits the sentence. Of what it stands in a relation to, the first name counts that is such a word too, so
no plural and no name of a person or place; what WordNet calls disparaging or obscene does not.

- `hypernym`: what it is a kind of. Where that has several words, the kinds above are looked at, five levels at most;
  what is as general as a group or a substance is none, but a person is.
- `hyponym`: kinds of it, if there are not too many. `sibling`: other kinds of what it is a kind of, if there are not
  too many and that is not too general.
- `part`, `whole`: parts and members of it, and what it is a part or a member of.

The most frequent first, twelve at most of one sense; those that WordNet's texts show, where there are any.
"""

import gc
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from core.augment import built
from core.augment.lexicon import Lexicon, Reading
from core.augment.protocol import Resources
from core.augment.wordnet import FUNCTION_WORDS, plain
from core.errors import CoreError
from core.formats import table
from core.tasks.tokenise import tokenise

SIBLING = "sibling"  # another head with the same relation to the same tail
RELATIONS = ("hypernym", "hyponym", SIBLING, "part", "whole")  # of WordNet
COLUMNS: Mapping[str, Sequence[str]] = {
    "head": ("head", "subject", "头实体"),
    "relation": ("relation", "predicate", "关系"),
    "tail": ("tail", "object", "尾实体"),
}
SENSES = 5  # of a word that are kept
VERSION = 1  # of what is kept: raise it whenever the rules above change
_WORD = pa.dictionary(pa.int32(), pa.string())
_TABLE = pa.schema([("head", _WORD), ("relation", _WORD), ("tail", _WORD), ("sense", pa.int8())])
_CODE = Path(__file__).parents[2]
_MOST = 12  # tails of one head, relation and sense
_CLIMB = 5  # levels above a word
_GENERAL = 4  # levels below "entity" that a hypernym has at least, and
_OWN_KIND = 5  # one that makes siblings of two words
_WIDE = 60  # kinds of one thing: of more, any one is hardly related to the others
_DISPARAGING = ("slur", "offensive", "derogat", "disparag", "obscen")  # in what WordNet says of it


class Graph(Protocol):
    """A source of triples."""

    @property
    def names(self) -> bool:
        """Whether what it says of a word holds of a mention that is spelt like it."""
        ...

    def neighbours(self, word: str, relation: str) -> Sequence[str]:
        """What the word, whatever its case, stands in the relation to, as the source spells it; never itself."""
        ...


class Triples:
    """Triples held in memory."""

    names = True

    def __init__(self, triples: Sequence[tuple[str, str, str]]) -> None:
        tails: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        heads: defaultdict[tuple[str, str], dict[tuple[str, str], None]] = defaultdict(dict)
        of: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        for head, relation, tail in triples:
            tails[key(head), relation][tail] = None
            heads[relation, key(tail)][head, key(head)] = None
            of[key(head)][relation, key(tail)] = None
        self._tails, self._heads, self._of = tails, heads, of

    def neighbours(self, word: str, relation: str) -> Sequence[str]:
        own = key(word)
        if relation == SIBLING:
            found = [head for about in self._of.get(own, ()) for head, plain in self._heads[about] if plain != own]
            found += [tail for tail in self._tails.get((own, relation), ()) if key(tail) != own]  # as the file calls it
        else:
            found = [tail for tail in self._tails.get((own, relation), ()) if key(tail) != own]
        return [*dict.fromkeys(found)]

    @property
    def relations(self) -> list[str]:
        """What its relations are called."""
        return sorted({relation for _, relation in self._tails})


class WordNet:
    """WordNet's relations of English words, by the first senses of each."""

    names = False

    def __init__(self, resources: Resources, senses: int) -> None:
        """Raises CoreError `no_graph` where the corpus is not in English."""
        if resources.language.partition("-")[0] != "en":
            raise CoreError("no_graph", {"language": resources.language}, "hint_no_synonyms")
        self._folder, self._senses = resources.cache, senses

    def neighbours(self, word: str, relation: str) -> Sequence[str]:
        return _loaded(self._folder, relation, self._senses).get(word.lower(), ())


def key(surface: str) -> str:
    """What two spellings of the same words have in common, whatever their case and the spaces between tokens."""
    return " ".join(surface[start:end] for start, end in tokenise(surface)).casefold()


@cache
def _loaded(folder: Path, relation: str, senses: int) -> Mapping[str, Sequence[str]]:
    some = built.mapped(_made(folder)).filter((pc.field("relation") == relation) & (pc.field("sense") <= senses))
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for head, tail in zip(some.column("head").to_pylist(), some.column("tail").to_pylist(), strict=True):
        found[head][tail] = None
    return {head: [*tails] for head, tails in found.items()}


def _path(folder: Path) -> Path:
    return folder / f"graph-wordnet-3.0-{VERSION}.arrow"


def _made(folder: Path) -> Path:
    """The file, built by a process of its own if need be, which takes WordNet with it when it ends."""
    path = _path(folder)
    if not path.exists():
        command = [sys.executable, "-m", "core.augment.triples", str(folder.absolute())]
        subprocess.run(command, cwd=_CODE, stdin=subprocess.DEVNULL, check=True)
    return path


def _built() -> pa.Table:
    """All of WordNet. ~20 s, ~400 MB."""
    lexicon = Lexicon()
    listed = sorted(word for word in lexicon.net.all_lemma_names("n") if plain(word) and word not in FUNCTION_WORDS)
    nouns = [word for word in listed if lexicon.reading(word) == Reading("n", "", word)]
    base = frozenset(nouns)
    rows = [row for word in nouns for row in _of_word(lexicon, word, base)]
    return pa.table([*map(list, zip(*rows, strict=True))], schema=_TABLE)


def _of_word(lexicon: Lexicon, word: str, base: frozenset[str]) -> Iterator[tuple[str, str, str, int]]:
    for rank, sense in enumerate(lexicon.senses(word, "n")[:SENSES], 1):
        for relation, synsets in _related(sense, base).items():
            names = dict.fromkeys(_name(one, base) for one in synsets)
            for name in [name for name in names if name and name != word][:_MOST]:
                yield word, relation, name, rank


def _related(sense: Any, base: frozenset[str]) -> dict[str, list[Any]]:
    """Relation -> synsets, the most frequent first."""
    above = sense.hypernyms()
    own = [one for one in above if one.min_depth() >= _OWN_KIND]
    return {
        "hypernym": _above(above, base),
        "hyponym": _by_use(_kinds(sense)),
        SIBLING: _by_use([other for one in own for other in _kinds(one) if other is not sense]),
        "part": _by_use([*sense.part_meronyms(), *sense.member_meronyms()]),
        "whole": _by_use([*sense.part_holonyms(), *sense.member_holonyms()]),
    }


def _above(level: list[Any], base: frozenset[str]) -> list[Any]:
    """The nearest hypernyms that are single words, unless those are too general."""
    for _ in range(_CLIMB):
        found = [one for one in level if _name(one, base)]
        if found:
            return [one for one in found if one.min_depth() >= _GENERAL or one.name() == "person.n.01"]
        level = [one for below in level for one in below.hypernyms()]
    return []


def _kinds(synset: Any) -> list[Any]:
    found = synset.hyponyms()
    return found if len(found) <= _WIDE else []


def _name(synset: Any, base: frozenset[str]) -> str | None:
    about = [synset.definition(), *(usage.name() for usage in synset.usage_domains())]
    if any(word in text for word in _DISPARAGING for text in about):
        return None
    return next((name for name in synset.lemma_names() if name in base), None)


def _by_use(synsets: Sequence[Any]) -> list[Any]:
    uses = {one.offset(): sum(lemma.count() for lemma in one.lemmas()) for one in synsets}
    found = sorted(synsets, key=lambda one: (-uses[one.offset()], one.offset()))
    return [one for one in found if uses[one.offset()]] or found


def read(path: Path, name: str) -> Triples:
    """A CSV file with the columns head, relation and tail. `name`: what its user calls it.

    Raises CoreError: those of core.formats.table, `empty_file` where there is no triple.
    """
    found = [(head, relation, tail) for _, (head, relation, tail) in table.read(path, name, COLUMNS)]
    if not found:
        raise CoreError("empty_file", {"file": name}, "hint_empty_file")
    return Triples(found)


if __name__ == "__main__":
    gc.disable()  # a third faster, in a process that ends with it
    built.made(_path(Path(sys.argv[1])), _built)
