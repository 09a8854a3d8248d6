"""How well an encoder's vocabulary suits a text: what it doesn't know, and how finely it cuts words. Without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.corpus import Corpus
from core.errors import Issue, Value
from core.models.catalogue import knows_more
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
    cutting = tokenizer(model)
    read = task_of(corpus.schema.task).pieces(table, cutting, longest_input(model, _LENGTH))
    words = int(read.words.sum())
    special = cutting.num_special_tokens_to_add(False)
    pieces = len(read.ids) - special * count
    return Fit(read.unknown_share, pieces / max(words - read.truncated, 1), read.truncated, count, words)


def unknown_issue(unknown: float, model: str, file: str) -> Issue | None:
    """What is said where a model doesn't know too many words of a mix, and which other one is at hand.

    `unknown`: share of words, 0..1; `model`: as the recipe calls it; `file`: the recipe.
    """
    if unknown <= UNKNOWN_WARNING:
        return None
    values: dict[str, Value] = {"model": model, "percent": round(100 * unknown, 1)}
    other = knows_more(model)
    if other is None:
        return Issue(file, None, "train.model", "unknown_words", values, "kept")
    return Issue(file, None, "train.model", "unknown_words_other", values | {"other": other}, "kept")
