"""Rows of words as sub-tokens: what a tokenizer makes of words that are cut already."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.tasks.protocol import Pieces

_ROWS_AT_ONCE = 1000


def pieces_of_words(column: pa.ChunkedArray, tokenizer: Any, max_length: int) -> Pieces:
    """The words of list<string> rows, one item each, which stands at the word's first sub-token."""
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    unknown_id = unknown_of(tokenizer)
    ids: list[np.ndarray] = []
    places: list[np.ndarray] = []
    counted: list[tuple[int, int, int]] = []  # words with an unknown sub-token, words, words cut off
    for batch in column.chunks:
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            rows = batch.slice(start, _ROWS_AT_ONCE).to_pylist()
            for tokens, item in zip(rows, tokenizer.encode_batch(rows, is_pretokenized=True), strict=True):
                piece = np.array(item.ids, dtype=np.int32)
                first = _first_pieces(item.word_ids, len(tokens))
                # a word without any sub-token (a lone zero-width mark) was not cut off
                cut = len(tokens) - 1 - int(np.flatnonzero(first >= 0).max(initial=-1)) if item.overflowing else 0
                counted.append((_unknown_words(item.word_ids, piece, unknown_id), len(tokens), cut))
                ids.append(piece)
                places.append(first)
    unknown, words, cut = np.array(counted, dtype=np.int32).reshape(-1, 3).T
    return Pieces(*flattened(ids), *flattened(places), unknown, words, cut)


def flattened(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Arrays one after the other, and where each ends. *Shapes:* (n,) int32, (parts + 1,) int64."""
    ends = np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)
    return np.concatenate([np.empty(0, dtype=np.int32), *parts]), ends


def unknown_of(tokenizer: Any) -> int:
    """The id of the sub-token for what the vocabulary does not know; -1: it knows everything."""
    for token in ("[UNK]", "<unk>"):
        found = tokenizer.token_to_id(token)
        if found is not None:
            return int(found)
    return -1


def _first_pieces(word_ids: Sequence[int | None], words: int) -> np.ndarray:
    """Index of the first sub-token of each word, -1 where there is none. *Shape:* (words,), int32."""
    first = np.full(words, -1, dtype=np.int32)
    previous: int | None = None
    for index, word in enumerate(word_ids):
        if word is not None and word != previous:
            first[word] = index
        previous = word
    return first


def _unknown_words(word_ids: Sequence[int | None], piece: np.ndarray, unknown_id: int) -> int:
    return len({word_ids[index] for index in np.flatnonzero(piece == unknown_id).tolist()} - {None})
