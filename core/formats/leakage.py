"""What stands in two splits at once: exact copies, near-duplicates, and mentions seen before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.corpus import Corpus
from core.tasks import task as task_of

NEAR = 0.8  # Jaccard similarity of character 5-grams from which two rows count as near-duplicates
_GRAM = 5
_PERMUTATIONS = 64
_SHORTEST = 20  # characters; below that any two rows look alike


@dataclass(frozen=True)
class Near:
    """A row of one corpus that is nearly a row of another. `similarity`: Jaccard, 0..1, exact."""

    row: int
    held_out: int
    similarity: float


def contents(corpus: Corpus) -> set[bytes]:
    """What a model would see of each row, as digests."""
    return {*_contents(corpus)}


def exact(corpus: Corpus, held_out: Corpus) -> np.ndarray:
    """Positions of the rows of `corpus` whose words stand in `held_out`. int64, ascending."""
    known = contents(held_out)
    return np.array([i for i, content in enumerate(_contents(corpus)) if content in known], dtype=np.int64)


def _contents(corpus: Corpus) -> Iterator[bytes]:
    task = task_of(corpus.schema.task)
    return map(task.text_content, task.words(corpus.table))


def near(corpus: Corpus, held_out: Corpus) -> list[Near]:
    """Rows of `corpus` that nearly stand in `held_out`: candidates by MinHash and LSH (Broder 1997; datasketch),
    each confirmed by its exact Jaccard similarity. Only the held-out side is kept in memory."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=NEAR, num_perm=_PERMUTATIONS)
    words = task_of(corpus.schema.task).words
    grams = [_grams(tokens) for tokens in words(held_out.table)]
    for row, found in enumerate(grams):
        if found:
            index.insert(row, _sketch(MinHash, found), check_duplication=False)
    out: list[Near] = []
    for row, tokens in enumerate(words(corpus.table)):
        mine = _grams(tokens)
        if not mine:
            continue
        candidates: list[int] = index.query(_sketch(MinHash, mine))  # pyright: ignore[reportAssignmentType]
        scored = [(len(mine & grams[other]) / len(mine | grams[other]), -other) for other in candidates]
        best = max(scored, default=(0.0, 0))
        if best[0] >= NEAR:
            out.append(Near(row, -best[1], best[0]))
    return out


def _grams(tokens: Sequence[str]) -> set[bytes]:
    text = " ".join(tokens).casefold()
    if len(text) < _SHORTEST:
        return set()
    return {text[i : i + _GRAM].encode() for i in range(len(text) - _GRAM + 1)}


def _sketch(kind: Any, grams: set[bytes]) -> Any:
    sketch = kind(num_perm=_PERMUTATIONS, seed=1)
    sketch.update_batch(list(grams))
    return sketch


def mentions(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """(label, words) of all that is labelled."""
    names = corpus.schema.labels
    _, labels, surfaces = task_of(corpus.schema.task).mentions(corpus.table, names)
    return zip((names[label] for label in labels.tolist()), surfaces, strict=True)
