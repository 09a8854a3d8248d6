"""Back-translation. Sennrich, Haddow & Birch 2016, "Improving Neural Machine Translation Models with Monolingual
Data", https://arxiv.org/abs/1511.06709; as augmentation Xie et al. 2020 (UDA), https://arxiv.org/abs/1904.12848.

Two ways to keep labels. *segments*: only what lies between mentions is translated, each stretch by itself. *markers*:
the sentence is translated whole, each mention between square brackets (Chen et al. 2023, EasyProject,
https://arxiv.org/abs/2211.15613), and a child is kept only if every pair of brackets comes back with its mention in
it; the mention's own spelling is put back.

The translator is the embedded one, or models or an endpoint that are named: with several pivots, each child goes
through one of them by chance, and at a temperature above 0 what a sentence becomes is drawn, too
(`core.augment.translators`).

Departures: addresses, handles, hashtags and masked words are kept like mentions; capitals and full stops that a
translator adds at the edges are taken back; words are cut as the corpus cuts them ("do n't" or "don't").
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from core.augment.cutting import parts, words
from core.augment.edits import Tagged, by_chance, compared
from core.augment.protocol import Child, Example, Name, Names, Rate, Rejected, Resources, Spent
from core.augment.translation import Asked, Memory
from core.augment.translators import ByEndpoint, Named, translator
from core.errors import CoreError
from core.params import CLOSED
from core.tasks.example import OUTSIDE, spans
from core.tasks.running import unspaced
from core.tasks.tokenise import tokenise

_PIVOTS = re.compile(r"[a-z]{2,3}(, ?[a-z]{2,3}){0,19}")
_LIKE = 0.9  # a mention has come back if it is as similar as that to what it was, 0..1
_LONGEST = 500  # characters of a text: of longer ones translators forget the end, and they take minutes for some
# Never put to a translator: addresses, handles, brackets, endless words; to the embedded one: what isn't Latin; to one
# that knows any script: emoji and the like, and what stands in whole words in a script without blanks.
_SHAPES = r"^(https?:|www\.|[@#].|\S+\.(com|org|net|ly|co)\b)|[\[\]]|^\S{41,}"
_SIGNS = r"[^\w\s\x20-\u024f\u2000-\u206f\u3000-\u303f\uff00-\uffef€]"
_FIXED = re.compile(rf"{_SHAPES}|[^\x20-\u024f\u2010-\u2027€]", re.IGNORECASE)
_FIXED_ANY = re.compile(rf"{_SHAPES}|{_SIGNS}", re.IGNORECASE)
_FIXED_WORDS = re.compile(rf"{_SHAPES}|{_SIGNS}|[\u3040-\u30ff\u3400-\u9fff]", re.IGNORECASE)
_CLOSE = frozenset(".,!?;:%)]}…") | {"'s", "'m", "'re", "'ve", "'d", "'ll", "n't"}
_OPEN = frozenset("([{$#")
_DRAW = 32  # bits: which of the ways to say a sentence
_LOOKED_AT = 2000  # rows, to see how a corpus cuts words


@dataclass(frozen=True)
class BackTranslationParams:
    """`rate`: probability that a segment is translated, at least one is; `mode` markers translates whole sentences;
    `there`, `back`: models that translate, in place of the embedded ones, by their hub ids or folders: without `back`
    the first goes both ways, as `endpoint:NAME` does; `temperature` of these: 0 takes the likeliest words."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.5
    mode: Literal["segments", "markers"] = "segments"
    fewest: Annotated[int, Field(ge=1)] = 3  # words of the shortest segment that is translated
    pivot: Annotated[str, Field(max_length=100)] = "pt"  # languages between: de, fr
    there: Annotated[Name, Names("model", endpoints=True)] | None = None
    back: Annotated[Name, Names("model")] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0

    def __post_init__(self) -> None:
        """Raises CoreError `bad_pivot`."""
        if not _PIVOTS.fullmatch(self.pivot):
            raise CoreError("bad_pivot", {"pivot": self.pivot or "-"}, "hint_bad_pivot")

    @property
    def pivots(self) -> list[str]:
        return [*dict.fromkeys(one.strip() for one in self.pivot.split(","))]


class BackTranslation:
    """What stands outside mentions is said in other words: those that come back from another language."""

    def __init__(self, params: BackTranslationParams, resources: Resources) -> None:
        self._params = params
        self._language = resources.language.partition("-")[0]
        who = Named(params.there, params.back, params.temperature)
        self._translator = translator(self._language, params.pivots, who, resources)
        mine = isinstance(self._translator, ByEndpoint)
        self._memory = Memory(self._translator, None if mine else resources.cache)
        some = [token for row in resources.examples[:_LOOKED_AT] for token in row.tokens]
        self._parted = parts(some)
        self._fixed = _FIXED if params.there is None else _FIXED_WORDS if _whole_words(some) else _FIXED_ANY

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        """Translate what rows will need, all at once; their children are then made from memory."""
        by_pivot: defaultdict[str, list[Asked]] = defaultdict(list)
        for row, rng in asked:
            way = self._way(rng)
            by_pivot[way.pivot] += [(text, way.draw) for text in self.texts(row, rng)]
        for pivot, texts in by_pivot.items():
            self._memory.there_and_back(texts, self._language, pivot)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        pieces = self._pieces(row)
        if not any(_movable(piece, self._params.fewest) for piece in pieces):
            return Rejected("nothing_to_change")
        way = self._way(rng)
        if self._params.mode == "markers":
            return self._whole(row, pieces, way)
        return self._parts(row, pieces, way, rng)

    def spent(self) -> Spent | None:
        return self._translator.spent() if isinstance(self._translator, ByEndpoint) else None

    def _way(self, rng: Random) -> "_Way":
        """The first random numbers of a child; none where there is one way only."""
        pivots = self._params.pivots
        pivot = rng.choice(pivots) if len(pivots) > 1 else pivots[0]
        return _Way(pivot, rng.getrandbits(_DRAW) if self._params.temperature else 0)

    def texts(self, row: Example, rng: Random) -> list[str]:
        """What is translated of a row. `rng`: after `_way` has taken from it."""
        pieces = self._pieces(row)
        if self._params.mode == "markers":
            text = _marked(pieces)
            able = any(_movable(piece, self._params.fewest) for piece in pieces) and len(text) <= _LONGEST
            return [text] if able else []
        return [pieces[at].text for at in self._chosen(pieces, rng)]

    def _pieces(self, row: Example) -> "list[_Piece]":
        return _pieces(row, self._fixed)

    def _chosen(self, pieces: Sequence["_Piece"], rng: Random) -> list[int]:
        able = [at for at, piece in enumerate(pieces) if _movable(piece, self._params.fewest)]
        return by_chance(able, self._params.rate, rng)

    def _back(self, texts: Iterable[str], way: "_Way") -> dict[str, str]:
        asked = [(text, way.draw) for text in texts]
        found = self._memory.there_and_back(asked, self._language, way.pivot)
        return {text: found[text, way.draw] for text, _ in asked}

    def _parts(self, row: Example, pieces: Sequence["_Piece"], way: "_Way", rng: Random) -> Child | Rejected:
        chosen = self._chosen(pieces, rng)
        texts = {at: pieces[at].text for at in chosen}
        back = self._back(texts.values(), way)
        new: list[Tagged] = []
        for at, piece in enumerate(pieces):
            said = self._words(back[texts[at]], piece.words, at == 0, row) if at in texts else ()
            new += [(word, OUTSIDE) for word in said] if said else piece.tagged
        return compared(row, new)

    def _whole(self, row: Example, pieces: Sequence["_Piece"], way: "_Way") -> Child | Rejected:
        text = _marked(pieces)
        if len(text) > _LONGEST:
            return Rejected("too_long")
        parts = re.split(r"\[([^\[\]]*)\]", self._back([text], way)[text])  # outside, inside, outside, ...
        kept = [piece for piece in pieces if piece.kept]
        if len(parts) != 2 * len(kept) + 1 or any("[" in part or "]" in part for part in parts):
            return Rejected("markers_lost")
        new: list[Tagged] = []
        for at, part in enumerate(parts):
            if at % 2:
                found = max(kept, key=lambda piece: _alike(part, piece.text), default=None)
                if found is None or _alike(part, found.text) < _LIKE:
                    return Rejected("mention_lost")
                kept.remove(found)
                new += found.tagged
            else:
                new += [(word, OUTSIDE) for word in self._cut(part, row.tokens)]
        first, last = row.tokens[0], row.tokens[-1]
        return compared(row, _edges(new, first, last))

    def _words(self, text: str, was: Sequence[str], begins: bool, row: Example) -> list[str]:
        """A segment's words as they came back, with its edges as they were."""
        found = [(word, OUTSIDE) for word in self._cut(text, row.tokens)]
        first = was[0] if begins or not was[0][:1].isupper() else ""
        return [word for word, _ in _edges(found, first, was[-1])]

    def _cut(self, text: str, known: Collection[str]) -> Iterator[str]:
        """The words of a text, cut as the corpus cuts them; `known`: those of the parent, which stay whole."""
        for chunk in text.split():
            if chunk in known:
                yield chunk
                continue
            if self._fixed is _FIXED_ANY and any(map(unspaced, chunk)):
                yield from (chunk[start:end] for start, end in tokenise(chunk))
                continue
            yield from words(chunk, self._parted, known)


@dataclass(frozen=True)
class _Way:
    """Through which language, and which of the ways to say it."""

    pivot: str
    draw: int


@dataclass(frozen=True)
class _Piece:
    """Neighbouring words of a row that are kept as they are, or that may be said in other words."""

    tagged: tuple[Tagged, ...]
    kept: bool
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for word, _ in self.tagged)


def _pieces(row: Example, fixed: re.Pattern[str]) -> list[_Piece]:
    """A row as stretches, in order: each mention, each run of masked words, each fixed word, and what lies between."""
    kind: list[object] = [
        OUTSIDE if tag == OUTSIDE and not fixed.search(token) else None if tag is None else at
        for at, (token, tag) in enumerate(zip(row.tokens, row.tags, strict=True))
    ]
    for span in spans(row.tags):
        kind[span.start : span.end] = [f"mention {span.start}"] * (span.end - span.start)
    pieces: list[_Piece] = []
    begin = 0
    for at in range(1, len(kind) + 1):
        if at == len(kind) or kind[at] != kind[begin]:
            tagged = tuple(zip(row.tokens[begin:at], row.tags[begin:at], strict=True))
            text = _joined(row.tokens[begin:at], dense=fixed is _FIXED_ANY)
            pieces.append(_Piece(tagged, kind[begin] != OUTSIDE, text))
            begin = at
    return [piece for piece in pieces if piece.tagged]


def _whole_words(tokens: Iterable[str]) -> bool:
    """Whether scripts without blanks stand in whole words, which no one can cut again, and not in single characters."""
    found = [token for token in tokens if token and unspaced(token[0])]
    return sum(len(token) == 1 for token in found) * 2 < len(found)


def _movable(piece: _Piece, fewest: int) -> bool:
    """Whether a stretch may be put to a translator by itself."""
    wordy = sum(any(map(str.isalpha, word)) for word in piece.words) >= fewest
    return not piece.kept and wordy and sum(map(len, piece.words)) + len(piece.words) <= _LONGEST


def _marked(pieces: Sequence[_Piece]) -> str:
    return " ".join(f"[{piece.text}]" if piece.kept else piece.text for piece in pieces)


def _joined(words: Sequence[str], dense: bool) -> str:
    """Words as running text: translators have never seen " , " and " 's ". `dense`: scripts without blanks, too."""
    text = ""
    for word in words:
        glued = not text or word.casefold() in _CLOSE or text[-1] in _OPEN
        glued = glued or (dense and word != "" and unspaced(text[-1]) and unspaced(word[0]))
        text += word if glued else " " + word
    return text


def _alike(text: str, its: str) -> float:
    """How similar two spellings are, 0..1, whatever their case."""
    mine, its = " ".join(text.split()).casefold(), its.casefold()
    return 1.0 if mine == its else SequenceMatcher(None, mine, its, autojunk=False).ratio()


def _edges(tagged: Sequence[Tagged], first: str, last: str) -> list[Tagged]:
    """Without the capital at the beginning and the full stop at the end that weren't there before."""
    found = list(tagged)
    if found and found[-1] == (".", OUTSIDE) and last != ".":
        found.pop()
    word, tag = found[0] if found else ("", None)
    if tag == OUTSIDE and first and not first[0].isupper() and word.istitle() and word != "I":
        found[0] = (word.lower(), OUTSIDE)
    return found
