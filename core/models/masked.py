"""A masked language model: which words it expects at a place of a sentence, and how well it expects a whole one."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CoreError
from core.models.loading import longest_input, pretrained, reading, tokenizer

_LONGEST = 512  # sub-tokens of a row
_TOKENS = 4096  # sub-tokens of a batch


class MaskedModel:
    """The model of an installed folder, in float32, on the GPU where there is one.

    Raises CoreError `model_unloadable`, and `model_not_masked` for an encoder that has no head for words or whose
    tokeniser has no mask.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._tokenizer = tokenizer(folder)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest_input(folder, _LONGEST))
        masks = (self._tokenizer.token_to_id(token) for token in ("[MASK]", "<mask>"))
        found = next((mask for mask in masks if mask is not None), None)
        self._network = _network(folder, name)
        if found is None or self._network is None:
            raise CoreError("model_not_masked", {"model": name}, "hint_model_not_masked")
        self._mask = int(found)

    def expected(self, words: Sequence[str], at: Sequence[int], most: int) -> list[list[tuple[str, float]]]:
        """For each place of `at`: the whole words that the model expects there, with their probabilities, the likeliest
        first, at most `most`; none where the sentence is too long to reach it.

        All these places are masked at once. The words are made of letters, in the case of the model's vocabulary.
        """
        import torch

        item = self._tokenizer.encode([*words], is_pretokenized=True)
        asked, ids, place_of = set(at), list[int](), dict[int, int]()
        for id, word in zip(item.ids, item.word_ids, strict=True):
            if word not in asked:
                ids.append(id)
            elif word not in place_of:
                place_of[word] = len(ids)
                ids.append(self._mask)
        with torch.inference_mode():
            batch = torch.tensor([ids], device=next(self._network.parameters()).device)
            logits = self._network(input_ids=batch, attention_mask=torch.ones_like(batch)).logits[0]
            chances = logits.float().softmax(-1).cpu().numpy()
        return [self._best(chances[place_of[word]], most) if word in place_of else [] for word in at]

    def surprise(self, rows: Sequence[Sequence[str]], check: Callable[[], None] = lambda: None) -> np.ndarray:
        """The mean negative pseudo-log-likelihood of each row's sub-tokens, each masked in turn, in nats; 0 for a row
        without any. *Shape:* (rows,), float64. Its exponential is the pseudo-perplexity. `check` is called before each
        batch and may raise.

        Salazar et al. 2020, "Masked Language Model Scoring", https://arxiv.org/abs/1910.14659.
        """
        items = [self._tokenizer.encode([*words], is_pretokenized=True) for words in rows]
        ids = [np.array(item.ids, dtype=np.int64) for item in items]
        real = [np.flatnonzero(np.array(item.special_tokens_mask) == 0) for item in items]
        total = np.zeros(len(rows))
        by_length: dict[int, list[int]] = {}
        for row, of in enumerate(ids):
            by_length.setdefault(len(of), []).append(row)
        for length, some in sorted(by_length.items()):  # no padding: what is beside a row can't change its figure
            masked = [(row, place) for row in some for place in real[row].tolist()]
            for start in range(0, len(masked), step := max(1, _TOKENS // max(1, length))):
                check()
                batch = masked[start : start + step]
                np.add.at(total, [row for row, _ in batch], self._missed(ids, batch))
        return total / np.maximum([len(places) for places in real], 1)

    def _missed(self, ids: Sequence[np.ndarray], batch: Sequence[tuple[int, int]]) -> np.ndarray:
        """How unlikely what stands at a place of a row is, that alone being masked. *Shape:* (batch,)."""
        import torch

        device = next(self._network.parameters()).device
        rows = torch.from_numpy(np.stack([ids[row] for row, _ in batch])).to(device)
        at, places = torch.arange(len(batch), device=device), torch.tensor([place for _, place in batch], device=device)
        there = rows[at, places]
        with torch.inference_mode():
            hidden = rows.clone()
            hidden[at, places] = self._mask
            logits = self._network(input_ids=hidden, attention_mask=torch.ones_like(hidden)).logits
            return -logits[at, places].float().log_softmax(-1)[at, there].cpu().numpy().astype(np.float64)

    def _best(self, chances: np.ndarray, most: int) -> list[tuple[str, float]]:
        ids, words = self._whole
        order = np.argsort(-chances[ids], kind="stable")[:most]
        return [(words[place], float(chances[ids[place]])) for place in order]

    @cached_property
    def _whole(self) -> tuple[np.ndarray, list[str]]:
        """Ids of the vocabulary that stand for a whole word of letters, and these words."""
        names = sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])
        begins = next((mark for mark in ("▁", "Ġ") if any(name.startswith(mark) for name, _ in names)), "")
        whole = [(id, self._tokenizer.decode([id]).strip() if begins else name) for name, id in names
                 if name.startswith(begins) and not name.startswith("##")]  # fmt: skip
        kept = [(id, word) for id, word in whole if word.isalpha()]
        return np.array([id for id, _ in kept], dtype=np.int64), [word for _, word in kept]


def _network(folder: Path, name: str) -> Any:
    """The network with its pre-trained head; None where the folder holds none."""
    from transformers import AutoModelForMaskedLM

    try:
        model, absent = pretrained(folder, AutoModelForMaskedLM, name)
    except ValueError:  # a family without such a head
        return None
    return None if absent else reading(model)
