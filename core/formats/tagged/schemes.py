"""Tagging schemes: recognised over a whole file and brought to IOB2, on flat arrays of tag codes.

One rule for all of them. An entity begins at B, S or U, and at an inside tag (I, M, E, L) whose previous token is
not in an open entity of the same label; E, L, S and U close it. In IO and IOB1 such beginnings are the norm; in
IOB2 and BIOES they are repairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.errors import CoreError
from core.formats.labels import MAX_LABEL, MAX_LABELS, UNKNOWN, is_label, too_many
from core.formats.protocol import Scheme
from core.tasks.example import OUTSIDE

MASKED = UNKNOWN
MAX_TAG = MAX_LABEL
NAMES: Mapping[str, Scheme] = {
    "IO": "IO",
    "IOB1": "IOB1",
    "IOB2": "IOB2",
    "BIO": "IOB2",
    "BIOES": "BIOES",
    "IOBES": "BIOES",
    "BILOU": "BIOES",
    "BMES": "BIOES",
}

_BAD, _MASKED, _OUTSIDE, _BEGIN, _INSIDE, _END, _SINGLE = range(7)
_KINDS = {"B": _BEGIN, "I": _INSIDE, "M": _INSIDE, "E": _END, "L": _END, "S": _SINGLE, "U": _SINGLE}


class Placed(NamedTuple):
    """A tag that doesn't come from a tag in the file but from offsets, so no scheme applies to it."""

    prefix: str  # B | I | O
    label: str


class Special(NamedTuple):
    """A code for a token that can't be used, with the code of its issue."""

    code: str


RAGGED = Special("ragged_row")
EMPTY_TOKEN = Special("empty_token")
Tag = str | Placed | Special


class Names:
    """The distinct tags of a file, numbered as they come."""

    def __init__(self) -> None:
        self.codes: dict[Tag, int] = {RAGGED: 0, EMPTY_TOKEN: 1}

    def code(self, tag: Tag) -> int:
        """The number of a tag. Raises CoreError `too_many_labels` beyond what 16 bits hold."""
        if isinstance(tag, str) and len(tag) > MAX_TAG:
            tag = tag[: MAX_TAG + 1]  # still too long to be a tag, but no burden
        found = self.codes.setdefault(tag, len(self.codes))
        if found > np.iinfo(np.int16).max:
            raise too_many(found)
        return found

    def tags(self) -> list[Tag]:
        return list(self.codes)


@dataclass(frozen=True)
class Reading:
    """How the tags of a file are to be read. `kinds`, `numbers`: of each distinct tag its kind (int8) and the index of
    its label (int16, -1 for none)."""

    scheme: Scheme
    labels: tuple[str, ...]
    kinds: np.ndarray
    numbers: np.ndarray


@dataclass(frozen=True)
class Tagged:
    """The tags of some rows in IOB2. *Shapes:* (tokens,).

    `codes`: -1 where the tag is not known, 0 for O, 1 + 2k for B- and 2 + 2k for I- of label k, int16. `repaired`: an
    inside tag that had to begin an entity, bool. `bad`: a token that drops its row, bool.
    """

    codes: np.ndarray
    repaired: np.ndarray
    bad: np.ndarray


def resolve(name: str | None) -> Scheme | None:
    """The scheme a user named. Raises CoreError `unknown_scheme`."""
    if name is None:
        return None
    if name.upper() not in NAMES:
        raise CoreError("unknown_scheme", {"value": name, "known": ", ".join(NAMES)}, "hint_known")
    return NAMES[name.upper()]


def recognise(tags: Sequence[Tag], parts: Sequence[tuple[np.ndarray, np.ndarray]], scheme: Scheme | None) -> Reading:
    """How to read the tags of a file.

    `tags`: the distinct ones; `parts`: whole rows, each the numbers of their tokens' tags, (tokens,) int16, and the
    index of each row's first token, (rows,); `scheme`: given by the user, or None. Raises CoreError `too_many_labels`.
    """
    seen = np.zeros(len(tags), dtype=bool)
    for raw, _ in parts:
        seen[raw] = True
    used = [tag for tag, there in zip(tags, seen, strict=True) if there]
    bare = scheme == "IO" or (scheme is None and not any(_prefixed(tag) for tag in used))
    parsed = [_parse(tag, bare) for tag in tags]
    labels = tuple(sorted({label for (_, label), there in zip(parsed, seen, strict=True) if label and there}))
    if len(labels) > MAX_LABELS:
        raise too_many(len(labels))
    index = {label: number for number, label in enumerate(labels)}
    kinds = np.array([kind for kind, _ in parsed], dtype=np.int8)
    numbers = np.array([index.get(label, -1) for _, label in parsed], dtype=np.int16)
    if scheme is None:
        scheme = _scheme_of(used, bare) or _by_beginnings(parts, kinds, numbers)
    return Reading(scheme, labels, kinds, numbers)


def to_iob2(reading: Reading, raw: np.ndarray, begins: np.ndarray) -> Tagged:
    """Whole rows in IOB2; `raw` and `begins` as a part of `recognise`."""
    kind, label = reading.kinds[raw], reading.numbers[raw]
    continues = _follows(label, begins)
    continues[1:] &= (kind[:-1] == _BEGIN) | (kind[:-1] == _INSIDE)
    inside = (kind == _INSIDE) | (kind == _END)
    codes = 2 * label + 1
    codes[inside & continues] += 1
    codes[kind == _OUTSIDE] = 0
    bad = kind == _BAD
    codes[bad | (kind == _MASKED)] = -1
    repaired = inside & ~continues if reading.scheme in ("IOB2", "BIOES") else np.zeros(len(raw), dtype=bool)
    return Tagged(codes, repaired, bad)


def _follows(label: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """True where the token before is of the same row and has the same label. *Shape:* (tokens,), bool."""
    follows = np.zeros(len(label), dtype=bool)
    follows[1:] = (label[1:] == label[:-1]) & (label[1:] >= 0)
    follows[begins] = False
    return follows


def _prefixed(tag: Tag) -> bool:
    return isinstance(tag, str) and tag[:1] in _KINDS and tag[1:2] == "-"


def _parse(tag: Tag, bare: bool) -> tuple[int, str]:
    """The kind and the label of a tag; the label is empty where there is none. `bare`: tags without prefixes."""
    if isinstance(tag, Special):
        return _BAD, ""
    if isinstance(tag, Placed):
        return _KINDS.get(tag.prefix, _OUTSIDE), tag.label
    if tag == OUTSIDE:
        return _OUTSIDE, ""
    if tag == MASKED:
        return _MASKED, ""
    if bare:
        kind, label = _INSIDE, tag.removeprefix("I-")
    elif _prefixed(tag):
        kind, label = _KINDS[tag[0]], tag[2:]
    else:
        return _BAD, ""
    return (kind, label) if is_label(label) and len(tag) <= MAX_TAG else (_BAD, "")


def _scheme_of(used: Sequence[Tag], bare: bool) -> Scheme | None:
    """The scheme that the distinct tags alone give away."""
    texts = [tag for tag in used if isinstance(tag, str)]
    if not texts:
        return "spans"
    if bare:
        return "IO" if any(tag not in (OUTSIDE, MASKED) for tag in texts) else "IOB2"
    return "BIOES" if any(_prefixed(tag) and tag[0] in "SELUM" for tag in texts) else None


def _by_beginnings(parts: Sequence[tuple[np.ndarray, np.ndarray]], kinds: np.ndarray, numbers: np.ndarray) -> Scheme:
    """IOB1 where more entities begin with I than with B, not counting those right behind one of the same label."""
    begins = insides = 0
    for raw, row_begins in parts:
        kind, first = kinds[raw], ~_follows(numbers[raw], row_begins)
        begins += int(np.count_nonzero(first & (kind == _BEGIN)))
        insides += int(np.count_nonzero(first & (kind == _INSIDE)))
    return "IOB1" if insides > begins else "IOB2"
