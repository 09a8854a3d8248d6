"""The words that a prediction hangs on: integrated gradients.

Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks" (https://arxiv.org/abs/1703.01365), through
`captum`. The path goes in the table of word embeddings from a row whose sub-tokens are all masked (the encoder's own
marks and the positions stay) to the row. What words add sums up to the difference between the two (completeness), but
for the error of the integral: steps are doubled until that is small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.models import loading
from core.tasks.protocol import Pieces, Task, View

FEWEST_STEPS, MOST_STEPS = 32, 1024
CLOSE = 0.01  # of all that words add, by absolute value: how much the integral may be off
_TOKENS = 4096  # sub-tokens that are put to the network at once
_MASKS = ("[MASK]", "<mask>")


@dataclass(frozen=True)
class Row:
    """A row as a network reads it. `ids`: its sub-tokens; `hidden`: the same with all words masked; `word`: which word
    each belongs to, -1 for the encoder's own marks. *Shapes:* (sub-tokens,), int64. `places`: the sub-token that stands
    for each item, -1 where it was cut off. *Shape:* (items,), int64. `words`: how many there are."""

    ids: np.ndarray
    hidden: np.ndarray
    word: np.ndarray
    places: np.ndarray
    words: int


@dataclass(frozen=True)
class Weighed:
    """What each word adds to a difference of logits. *Shape:* by_word (words,), float64. `whole`: the difference;
    `bare`: the same with all words masked; `gap`: by_word's sum less (whole - bare); `steps`: of the integral."""

    by_word: np.ndarray
    whole: float
    bare: float
    gap: float
    steps: int

    @property
    def close(self) -> bool:
        """Whether the integral is as exact as is asked for."""
        return abs(self.gap) <= CLOSE * float(np.abs(self.by_word).sum())


def row_of(task: Task, pieces: Pieces, view: View, tokenizer: Any, pad: int) -> Row:
    """`pieces`: of that row alone; `view`: its words; `pad`: what hides words where the encoder has no mask."""
    ids, places = pieces.ids.astype(np.int64), pieces.places.astype(np.int64)
    marks = np.isin(ids, tokenizer.encode("", add_special_tokens=True).ids)
    word = _by_places(places, len(ids)) if task.reads == "tokens" else _by_offsets(view, len(ids), tokenizer)
    word = np.where(marks, -1, word)
    mask = next((id for id in map(tokenizer.token_to_id, _MASKS) if id is not None), pad)
    return Row(ids, np.where(word >= 0, mask, ids), word, places, len(view.tokens))


def weigh(
    network: Any, row: Row, at: np.ndarray, direction: np.ndarray, check: Callable[[], None] = lambda: None
) -> Weighed:
    """By what the words of a row make a difference of logits. The network is in evaluation mode, in full precision.

    `at`: the items that the difference is of; `direction`: what their logits are multiplied by. *Shapes:* (n,), (n,
    classes). `check`: is called before each batch and may raise.
    """
    import torch
    from captum.attr import LayerIntegratedGradients

    device = network.device
    put = torch.from_numpy(direction).float().to(device)
    places = torch.from_numpy(row.places[at]).to(device)

    def difference(ids: Any) -> Any:
        """*Shape:* (rows, longest) -> (rows,)."""
        check()
        logits = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()
        read = logits.index_select(1, places) if logits.ndim == 3 else logits.unsqueeze(1)
        return (read * put).sum(dim=(1, 2))

    ids, hidden = (torch.from_numpy(side).to(device).unsqueeze(0) for side in (row.ids, row.hidden))
    with torch.no_grad():
        whole, bare = float(difference(ids)), float(difference(hidden))
    along = LayerIntegratedGradients(difference, loading.word_embeddings(network))
    steps, batch = FEWEST_STEPS, max(1, _TOKENS // len(row.ids))
    while True:
        found: Any = along.attribute(ids, baselines=hidden, n_steps=steps, internal_batch_size=batch)
        by_piece = found.detach()[0].sum(dim=-1).double().cpu().numpy()
        by_word = np.bincount(row.word[row.word >= 0], by_piece[row.word >= 0], row.words)
        weighed = Weighed(by_word, whole, bare, float(by_word.sum()) - (whole - bare), steps)
        if weighed.close or steps >= MOST_STEPS:
            return weighed
        steps *= 2


def _by_places(places: np.ndarray, length: int) -> np.ndarray:
    """A word has the sub-tokens from its first to the next word's first. *Shape:* (length,), int64."""
    seen = np.flatnonzero(places >= 0)
    found = np.searchsorted(places[seen], np.arange(length), side="right") - 1
    return np.where(found >= 0, seen[np.maximum(found, 0)] if len(seen) else -1, -1)


def _by_offsets(view: View, length: int, tokenizer: Any) -> np.ndarray:
    """The first word that ends behind where a sub-token begins. *Shape:* (length,), int64."""
    assert view.running is not None  # a text that is labelled as a whole is known
    starts = np.array([left for left, _ in tokenizer.encode(view.running.text).offsets[:length]], dtype=np.int64)
    ends = np.array(view.running.ends, dtype=np.int64)
    found = np.searchsorted(ends, starts, side="right")
    return np.where(found < len(ends), found, len(ends) - 1)
