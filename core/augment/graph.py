"""Graph expansion: words become, or are followed by, what a graph of words relates them to. WordNet: Fellbaum 1998,
https://wordnet.princeton.edu (`core.augment.triples`); synonyms of it as augmentation Zhang, Zhao & LeCun 2015,
https://arxiv.org/abs/1509.01626; this takes its other relations.

`replace`: "the spaniel" -> "the dog". `append`: "the spaniel ( dog )"; a sibling is set beside it, "the spaniel /
setter". Both read well where a phrase ends, whatever the language; so an English word is only followed by something
where no other content word follows it.

What keeps labels true:

- O tokens become O tokens, and never words among which a mention of the corpus stands.
- A graph that knows names (not WordNet) is asked for mentions too, whole and whatever their case. Siblings have the
  same relation to the same thing, so they are of the same kind, unless the corpus labels them otherwise: a mention
  becomes its sibling, or has it appended, with its label. Along any other relation the tail is of another kind: it is
  only appended, with the label that most mentions of the corpus spelt like it have, and as O where there are none.
- Masked tokens stay, and nothing is put inside a mention or a masked stretch.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Literal

from pydantic import Field

from core.augment.edits import Edit, edited, how_many, in_scope
from core.augment.protocol import Child, Example, Name, Names, Rate, Rejected, Resources
from core.augment.triples import SIBLING, Graph, Triples, WordNet, key, read
from core.augment.wordnet import FUNCTION_WORDS, cased, ordinary
from core.errors import CoreError
from core.params import CLOSED
from core.tasks.example import OUTSIDE, spans
from core.tasks.tokenise import tokenise

_TOLD = 20  # relations of a file that a message names


@dataclass(frozen=True)
class GraphParams:
    """`rate`: changed words and mentions per token of the row, at least one; `relation`, `senses`: of WordNet, and how
    many of a word's senses count, the most frequent first; `triples`: a CSV file with the columns head, relation and
    tail in place of WordNet; `along`: the relation of that file, or siblings."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    relation: Literal["hypernym", "hyponym", "sibling", "part", "whole"] = "hypernym"
    how: Literal["replace", "append"] = "replace"
    senses: Annotated[int, Field(ge=1, le=5)] = 1
    triples: Annotated[Name, Names("file", "core.augment.triples:read")] | None = None
    along: Annotated[str, Field(max_length=200)] = SIBLING  # nothing: siblings


@dataclass(frozen=True)
class _Place:
    """tokens[start:end] of a row, the label that they have as a mention, and what they may become or be followed by."""

    start: int
    end: int
    label: str | None
    others: Sequence[str]


class GraphExpansion:
    """Words, and mentions where the graph knows names, are replaced or followed by their neighbours in a graph."""

    def __init__(self, params: GraphParams, resources: Resources) -> None:
        self._params = params
        own = resources.named.get("triples")
        self._relation = params.relation if own is None else params.along or SIBLING
        self._graph: Graph = WordNet(resources, params.senses) if own is None else _own(own, params)
        self._english = resources.language.partition("-")[0] == "en"
        self._brackets = ("（", "）") if resources.language.partition("-")[0] in ("zh", "ja") else ("(", ")")
        self._labels, self._spelt = _mentions(resources.examples)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        places = [*(self._named(row) if self._graph.names else ()), *self._words(row)]
        if not places:
            return Rejected("nothing_to_change")
        chosen = rng.sample(places, min(how_many(self._params.rate, len(row.tokens)), len(places)))
        chosen.sort(key=lambda place: place.start)
        return edited(row, [self._edit(row, place, rng.choice(place.others)) for place in chosen])

    def _named(self, row: Example) -> list[_Place]:
        if self._relation != SIBLING and self._params.how == "replace":
            return []
        found = [
            (s, self._graph.neighbours(" ".join(row.tokens[s.start : s.end]), self._relation)) for s in spans(row.tags)
        ]
        kind = self._labels.get if self._relation == SIBLING else lambda _, label: label
        same = [(s, [other for other in others if kind(key(other), s.label) == s.label]) for s, others in found]
        return [_Place(s.start, s.end, s.label, others) for s, others in same if others]

    def _words(self, row: Example) -> list[_Place]:
        found: list[_Place] = []
        for at in in_scope(row, "outside"):
            token = row.tokens[at]
            if ordinary(token, at) and (self._params.how == "replace" or not self._english or _ends(row, at)):
                others = self._graph.neighbours(token.lower(), self._relation)
                safe = [other for other in others if not self._names(other)]
                if safe:
                    found.append(_Place(at, at + 1, None, safe))
        return found

    def _names(self, other: str) -> bool:
        """Whether a mention of the corpus stands in some words."""
        words = key(other).split()
        parts = (words[at:end] for at in range(len(words)) for end in range(at + 1, len(words) + 1))
        return any(" ".join(part) in self._labels for part in parts)

    def _edit(self, row: Example, place: _Place, other: str) -> Edit:
        tokens = self._spelt.get(key(other)) or _cut(other)
        if place.label is None:
            tokens = tuple(cased(token, row.tokens[place.start]) if token.islower() else token for token in tokens)
        if self._params.how == "replace":
            return Edit(place.start, place.end, tokens, _tags(place.label, len(tokens)))
        if self._relation == SIBLING:
            return Edit(place.end, place.end, ("/", *tokens), (OUTSIDE, *_tags(place.label, len(tokens))))
        opening, closing = self._brackets
        tags = _tags(self._labels.get(key(other)) if place.label else None, len(tokens))
        return Edit(place.end, place.end, (opening, *tokens, closing), (OUTSIDE, *tags, OUTSIDE))


def _own(path: Path, params: GraphParams) -> Triples:
    """Triples of one's own. Raises CoreError `relation_unknown` where none has the relation."""
    found = read(path, params.triples or "")
    if (params.along or SIBLING) != SIBLING and params.along not in found.relations:
        known = dict.fromkeys([SIBLING, *found.relations[:_TOLD]])
        values = {"relation": params.along, "known": ", ".join(known)}
        raise CoreError("relation_unknown", values)
    return found


def _mentions(rows: Sequence[Example]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """By `key`: the label that most mentions have, and how most of them are spelt; of equals the first in order."""
    labels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    spelt: defaultdict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for row in rows:
        for span in spans(row.tags):
            tokens = row.tokens[span.start : span.end]
            labels[key(" ".join(tokens))][span.label] += 1
            spelt[key(" ".join(tokens))][tokens] += 1
    return (
        {name: max(sorted(found), key=found.__getitem__) for name, found in labels.items()},
        {name: max(sorted(found), key=found.__getitem__) for name, found in spelt.items()},
    )


def _ends(row: Example, at: int) -> bool:
    """Whether no other content word follows: a noun in front of another noun is not the end of its phrase."""
    after = row.tokens[at + 1] if at + 1 < len(row.tokens) else "."
    return not after.isalpha() or len(after) < 3 or after.lower() in FUNCTION_WORDS  # which lists longer ones


def _cut(surface: str) -> tuple[str, ...]:
    """The tokens of what no mention of the corpus is spelt like: its words, or the characters of a script that has no
    spaces."""
    tokens: list[str] = []
    for word in surface.split():
        cut = [word[start:end] for start, end in tokenise(word)]
        single = all(len(token) == 1 and token.isalpha() and token.upper() == token.lower() for token in cut)
        tokens += cut if single else [word]
    return tuple(tokens)


def _tags(label: str | None, tokens: int) -> tuple[str, ...]:
    return (OUTSIDE,) * tokens if label is None else (f"B-{label}", *[f"I-{label}"] * (tokens - 1))
