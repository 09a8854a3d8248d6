"""Masked language modelling: which sub-tokens of a batch are to be guessed, and what stands in their places.

Devlin et al. 2019 (https://arxiv.org/abs/1810.04805): 15 % are to be guessed; of these 80 % are masked, 10 % become any
sub-token, 10 % stay. Drawn anew at every step: Liu et al. 2019 (https://arxiv.org/abs/1907.11692).
"""

from dataclasses import dataclass

import numpy as np

MASKED, CHANGED = 0.8, 0.1  # of those that are to be guessed


@dataclass(frozen=True)
class Masking:
    """`mask`: the id that hides; `special`: ids that are never asked for; `others`: all ids but these, one of which
    stands in for some. *Shapes:* (n,), int64."""

    mask: int
    special: np.ndarray
    others: np.ndarray
    share: float

    def hide(
        self, ids: np.ndarray, filled: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A batch with some places hidden. `ids`, `filled`: *shape* (rows, longest), int64, bool.

        -> the batch, as it is read; the places to be guessed, of rows x longest; what stood there. One place at least.
        """
        may = np.flatnonzero(filled & ~np.isin(ids, self.special))
        at = may[rng.random(len(may)) < self.share]
        if not len(at):
            at = may[:1] if len(may) else np.flatnonzero(filled)[:1]
        told, read = ids.reshape(-1)[at], ids.copy()
        chance = rng.random(len(at))
        instead = np.where(chance < MASKED, self.mask, rng.choice(self.others, len(at)))
        read.reshape(-1)[at] = np.where(chance < MASKED + CHANGED, instead, told)
        return read, at, told
