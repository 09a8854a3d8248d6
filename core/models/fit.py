"""How well an encoder's vocabulary suits a text: what it doesn't know, and how finely it cuts words. Without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpus import Corpus
from core.models.loading import longest_input, tokenizer
from core.tasks import task as task_of

UNKNOWN_WARNING = 0.10  # share of words with an unknown sub-token above which a model does not suit the text
_LENGTH = 256  # sub-tokens of a row, as a training has it unless a recipe says otherwise


@dataclass(frozen=True)
class Fit:
    """What was found in some rows of a corpus."""

    unknown: float  # share of words with an unknown sub-token, 0..1
    subwords_per_word: float
    truncated: int  # words cut off
    rows: int
    words: int

    @property
    def suits(self) -> bool:
        return self.unknown <= UNKNOWN_WARNING


def fit(corpus: Corpus, model: Path, rows: int = 500) -> Fit:
    """Read up to `rows` rows, evenly spaced, with the tokeniser of a model's folder."""
    count = min(rows, len(corpus))
    table = corpus.table.take(np.arange(count) * len(corpus) // max(count, 1))
    encoded = task_of(corpus.schema.task).encode(table, (), tokenizer(model), longest_input(model, _LENGTH))
    words = sum(len(row) for row in encoded.words)
    special = tokenizer(model).num_special_tokens_to_add(False)
    pieces = int(encoded.lengths.sum()) - special * count
    return Fit(encoded.unknown, pieces / max(words - encoded.truncated, 1), encoded.truncated, count, words)
