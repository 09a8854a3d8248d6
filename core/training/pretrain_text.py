"""The text that continued pre-training reads: which rows, what is held out of them, and how a network reads them.

Left out are rows that stand in dev or test, that hold a row of these whole, or that nearly are one (as the leakage scan
of an import finds them), and texts that stood before: Lee et al. 2022, "Deduplicating Training Data Makes Language
Models Better" (https://arxiv.org/abs/2107.06499), of whole rows alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.corpus import Corpus
from core.errors import CoreError
from core.formats import leakage
from core.formats.containing import containing
from core.tasks import task as task_of
from core.tasks.letters import letters, marks

HELD_OUT = 10  # one row in so many is kept apart, to measure perplexity on
MOST_HELD_OUT = 300  # rows
FEWEST = 10  # rows that there must be
_WHOLE = 1 << 20  # sub-tokens: no row is cut before it is parted


@dataclass(frozen=True)
class Rows:
    """Rows by their text. `learned`, `held_out`: positions in each corpus by role; `left_out`: how many rows stand in
    dev or test; `near`: how many nearly do; `twice`: how many stood before."""

    learned: Mapping[str, np.ndarray]
    held_out: Mapping[str, np.ndarray]
    left_out: int
    near: int
    twice: int

    @property
    def read(self) -> int:
        """Rows that are learned from."""
        return sum(map(len, self.learned.values()))

    @property
    def kept_apart(self) -> int:
        return sum(map(len, self.held_out.values()))


def choose(texts: Mapping[str, Corpus], held_out: Sequence[Corpus]) -> Rows:
    """Which rows of some corpora are learned from, and which are kept apart. `held_out`: dev, and test where there is
    one.

    What is kept apart hangs on a row's text alone: more text later, and these rows are kept apart still. Raises
    CoreError `pretrain_little`.
    """
    seen, usable, numbers = set[int](), dict[str, np.ndarray](), dict[str, np.ndarray]()
    left_out = near = twice = 0
    for role, corpus in texts.items():
        inside, like = _held(corpus, held_out)
        numbers[role] = marks(corpus.table)
        keep = np.zeros(len(corpus), dtype=bool)
        for at, (number, text) in enumerate(zip(numbers[role].tolist(), letters(corpus.table), strict=True)):
            left_out += bool(text) and bool(inside[at])
            near += bool(like[at] and not inside[at])
            if not text or inside[at] or like[at]:
                continue
            twice += number in seen
            keep[at] = number not in seen
            seen.add(number)
        usable[role] = np.flatnonzero(keep)
    if len(seen) < FEWEST:
        raise CoreError("pretrain_little", {"rows": len(seen), "least": FEWEST}, "hint_pretrain_little")
    apart = _kept_apart(np.array(sorted(seen), dtype=np.uint64))
    split = {role: np.isin(numbers[role][rows], apart) for role, rows in usable.items()}
    return Rows(
        {role: rows[~split[role]] for role, rows in usable.items()},
        {role: rows[split[role]] for role, rows in usable.items()},
        *(left_out, near, twice),
    )


def _held(corpus: Corpus, held_out: Sequence[Corpus]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows hold one of dev or test, and which are nearly one. *Shapes:* (rows,), bool."""
    inside, like = np.zeros(len(corpus), dtype=bool), np.zeros(len(corpus), dtype=bool)
    for other in held_out:
        inside |= containing(corpus.table, other.table)
        like[[found.row for found in leakage.near(corpus, other)]] = True
    return inside, like


def _kept_apart(texts: np.ndarray) -> np.ndarray:
    """Of the numbers of all texts, ascending, those that are kept apart: one at least."""
    chosen = texts[texts % HELD_OUT == 0][:MOST_HELD_OUT]
    return chosen if len(chosen) else texts[:1]


@dataclass(frozen=True)
class Blocks:
    """Text as a network reads it: rows, or pieces of them, one after the other. `ids`: *shape* (sub-tokens,), int32;
    row i has ids[ends[i] : ends[i + 1]]. *Shape:* (rows + 1,), int64."""

    ids: np.ndarray
    ends: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Sub-tokens per row. *Shape:* (rows,), int64."""
        return np.diff(self.ends)


def _blocks(parts: Sequence[np.ndarray]) -> Blocks:
    ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Blocks(np.concatenate([*parts, np.empty(0, dtype=np.int32)]).astype(np.int32), ends)


def rows_as_read(texts: Mapping[str, Corpus], rows: Mapping[str, np.ndarray], tokenizer: Any, length: int) -> Blocks:
    """Rows cut into sub-tokens as fine-tuning reads them; one that is longer than `length` becomes several."""
    around = tokenizer.encode("", add_special_tokens=True).ids
    begin, end = np.array(around[:1], dtype=np.int32), np.array(around[1:], dtype=np.int32)
    parts: list[np.ndarray] = []
    for role, corpus in texts.items():
        pieces = task_of(corpus.schema.task).pieces(corpus.take(rows[role]).table, tokenizer, _WHOLE)
        for start, stop in zip(pieces.rows[:-1].tolist(), pieces.rows[1:].tolist(), strict=True):
            inner = pieces.ids[start + len(begin) : stop - len(end)]
            room = length - len(around)
            parts += [np.concatenate([begin, inner[at : at + room], end]) for at in range(0, len(inner), max(1, room))]
    return _blocks(parts)


def packed(
    texts: Mapping[str, Corpus], rows: Mapping[str, np.ndarray], tokenizer: Any, end: int | None, length: int
) -> Blocks:
    """Running text one row after the other, `end` between them, in blocks of `length` sub-tokens; the last is
    shorter."""
    lines = [text for role, corpus in texts.items() for text in _running(corpus.take(rows[role]))]
    behind = [] if end is None else [end]
    ids = [id for found in tokenizer.encode_batch(lines, add_special_tokens=False) for id in (*found.ids, *behind)]
    stream = np.array(ids, dtype=np.int32)
    parts = [stream[at : at + length] for at in range(0, len(stream), length)]
    return _blocks([part for part in parts if len(part) > 1])


def _running(corpus: Corpus) -> list[str]:
    """The text of each row, words joined where it isn't known."""
    table = corpus.table
    texts = table.column("text").to_pylist()
    if "tokens" not in table.column_names:
        return texts
    return [text or " ".join(words) for text, words in zip(texts, table.column("tokens").to_pylist(), strict=True)]
