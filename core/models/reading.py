"""What an encoder, as it was pre-trained, makes of rows: of each word, and of the whole."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.models import batching, loading
from core.models.shapes import PLAIN
from core.tasks.protocol import Task

_TOKENS = 4096  # sub-tokens of a batch, padding included
_LONGEST = 256  # sub-tokens of a row


@dataclass(frozen=True)
class Read:
    """`items`: the states of what predictions are made for, row after row; zeros where one was cut off. *Shape:*
    (items, width), float32. `ends`: row i has items[ends[i] : ends[i + 1]]. *Shape:* (rows + 1,). `rows`: the mean over
    a row's sub-tokens, of length 1. *Shape:* (rows, width), float32."""

    items: np.ndarray
    ends: np.ndarray
    rows: np.ndarray


class Encoder:
    """The encoder of an installed folder, in float32, on the GPU where there is one."""

    def __init__(self, folder: Path, task: Task) -> None:
        import torch

        self._task, self._tokenizer = task, loading.tokenizer(folder)
        self._pad, self._length = loading.pad_id(folder), loading.longest_input(folder, _LONGEST)
        with torch.random.fork_rng():  # of a head, which is not used
            network: Any = loading.network(folder, task.head, task.classes(("none",)), PLAIN)
        self._network = loading.reading(network.base_model)
        self._device = self._network.device

    def read(self, table: pa.Table, check: Callable[[], None] = lambda: None, items: bool = True) -> Read:
        """The states of the last layer; without `items` only those of whole rows are kept. `check` is called before
        each batch and may raise."""
        import torch

        pieces = self._task.pieces(table, self._tokenizer, self._length)
        lengths = pieces.lengths
        width = int(self._network.config.hidden_size)
        kept = np.zeros((len(pieces.places) if items else 0, width), dtype=np.float32)
        rows = np.zeros((len(pieces), width), dtype=np.float32)
        with torch.inference_mode():
            for batch in batching.in_order(lengths, _TOKENS):
                check()
                put = batching.inputs(pieces.ids, pieces.rows, batch, self._pad)
                mask = put["attention_mask"]
                found = self._network(**{name: torch.from_numpy(a).to(self._device) for name, a in put.items()})
                states = found.last_hidden_state.float().cpu().numpy()
                rows[batch] = (states * mask[:, :, None]).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)[:, None]
                for within, row in enumerate(batch.tolist() if items else ()):
                    span = slice(int(pieces.items[row]), int(pieces.items[row + 1]))
                    places = pieces.places[span]
                    kept[span] = np.where(places[:, None] >= 0, states[within][places], 0)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return Read(kept, np.asarray(pieces.items), rows / np.maximum(norms, 1e-9))
