"""Rows as a network reads them: sub-tokens or, above frozen layers, the states that these make of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core import corpus as corpora
from core.corpus import Corpus
from core.models import batching, layers, loading
from core.tasks.protocol import Pieces, Task
from core.training import effort
from core.training.gear import Gear

if TYPE_CHECKING:
    import torch

BATCH_TOKENS = 4096
_WHOLE = 4  # a pool up to so many times as long as what is drawn from it is tokenised whole, for the next draw, too
_kept: dict[str, np.ndarray] = {}  # states by what they are of, the newest last


@dataclass(frozen=True)
class Feed:
    """`states`: of layer `frozen`, of every sub-token. *Shape:* (sub-tokens, width), float32; None: ids are read."""

    pieces: Pieces
    pad: int
    states: np.ndarray | None = None

    def inputs(self, rows: np.ndarray, gear: Gear) -> dict[str, "torch.Tensor"]:
        """A batch as the network is called with it. *Shapes:* (rows, longest) or (rows, longest, width)."""
        pieces = self.pieces
        if self.states is None:
            read = batching.inputs(pieces.ids, pieces.rows, rows, self.pad)
        else:
            states = batching.padded(self.states, pieces.rows, rows)
            read = {"inputs_embeds": states, "attention_mask": batching.mask(pieces.lengths[rows])}
        return {name: gear.tensor(array) for name, array in read.items()}

    def items(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The items of a batch: (position among all items, row within the batch, place within the row), each
        *shape* (items,), int64; the place is -1 where the item was cut off."""
        ends = self.pieces.items
        counts = ends[rows + 1] - ends[rows]
        within = np.repeat(np.arange(len(rows)), counts)
        starts = np.repeat(ends[rows] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        positions = starts + np.arange(int(counts.sum()))
        return positions, within, self.pieces.places[positions].astype(np.int64)


@dataclass(frozen=True)
class Reader:
    """A network as batches are put to it: it works out no more than what is asked for.

    `whole`: all of it; `module`: what is called, the part above the frozen layers where states are read.
    """

    task: Task
    whole: Any
    module: Any
    wanted: layers.Wanted

    def __call__(self, inputs: Mapping[str, "torch.Tensor"], within: np.ndarray, places: np.ndarray) -> "torch.Tensor":
        """The logits of some items of a batch, in full precision. *Shape:* (items, classes).

        `inputs`: of `Feed.inputs`; `within`, `places`: of `Feed.items`, none of them -1.
        """
        import torch

        mask = inputs["attention_mask"]
        at = torch.from_numpy(within * mask.shape[1] + places).to(mask.device)
        self.wanted.at = at
        logits = self.module(**inputs).logits
        if self.task.reads == "row":
            return logits.index_select(0, torch.from_numpy(within).to(mask.device)).float()
        return logits.flatten(0, 1).index_select(0, at).float()


def reader(task: Task, model: Any, frozen: int = 0) -> Reader:
    """How a network is put batches to whose feed holds the states of its layer `frozen`; 0: ids."""
    wanted = layers.Wanted()
    return Reader(task, model, layers.upper(model, frozen, wanted), wanted)


def means(encoder: Any, read: Feed, gear: Gear) -> np.ndarray:
    """The mean state of each row. `read`: sub-tokens, no states. *Shape:* (rows, width), float32."""
    import torch

    encoder.eval()
    out = np.empty((len(read.pieces), int(encoder.config.hidden_size)), dtype=np.float32)
    with torch.inference_mode(), gear.autocast():
        for rows in batching.in_order(read.pieces.lengths, BATCH_TOKENS):
            inputs = read.inputs(rows, gear)
            states, mask = encoder(**inputs).last_hidden_state.float(), inputs["attention_mask"][..., None]
            out[rows] = ((states * mask).sum(1) / mask.sum(1)).cpu().numpy()
    return out


def pieces_of(task: Task, corpus: Corpus, model: Path, max_length: int, cache: Path | None) -> Pieces:
    """The rows of a corpus as sub-tokens, tokenised once: kept under `cache`, memory-mapped, shared by all runs."""
    length = loading.longest_input(model, max_length)
    if cache is None:
        return task.pieces(corpus.table, loading.tokenizer(model), length)
    path = _file(corpus, model, length, cache)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = task.pieces(corpus.table, loading.tokenizer(model), length)
        corpora.keep(_table(found), {}, path)
    return _pieces(corpora.kept(path)[0])


def drawn_pieces(
    task: Task, pool: Corpus, rows: np.ndarray, model: Path, max_length: int, cache: Path | None
) -> Pieces:
    """Some rows of a pool as sub-tokens. A pool that is much longer than what is drawn is not tokenised whole."""
    length = loading.longest_input(model, max_length)
    known = cache is not None and _file(pool, model, length, cache).exists()
    if known or len(pool) <= _WHOLE * len(rows):
        return pieces_of(task, pool, model, max_length, cache).take(rows)
    return task.pieces(pool.take(rows).table, loading.tokenizer(model), length)


def _file(corpus: Corpus, model: Path, length: int, cache: Path) -> Path:
    return cache / "pieces" / f"{corpus.id[:24]}-{model.name[:24]}-{length}.arrow"


def _table(pieces: Pieces) -> pa.Table:
    def lists(values: np.ndarray, ends: np.ndarray) -> pa.Array:
        return pa.LargeListArray.from_arrays(pa.array(ends), pa.array(values))

    columns = [lists(pieces.ids, pieces.rows), lists(pieces.places, pieces.items)]
    columns += [pa.array(pieces.unknown), pa.array(pieces.words), pa.array(pieces.cut)]
    return pa.table(columns, names=["ids", "places", "unknown", "words", "cut"])


def _pieces(table: pa.Table) -> Pieces:
    def flat(name: str) -> tuple[np.ndarray, np.ndarray]:
        column = table.column(name)
        if column.num_chunks == 1:
            chunk = column.chunk(0)
            return chunk.values.to_numpy(), chunk.offsets.to_numpy()
        return np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64)

    whole = table.combine_chunks() if table.column("ids").num_chunks > 1 else table
    numbers = [whole.column(name).to_numpy() for name in ("unknown", "words", "cut")]
    return Pieces(*flat("ids"), *flat("places"), *numbers)


def feed(
    pieces: Pieces,
    model: Any,
    frozen: int,
    base: Path,
    gear: Gear,
    check: Callable[[], None] = lambda: None,
) -> Feed:
    """The rows for a network whose lowest `frozen` layers stay as in the folder `base`.

    What these make of a row is computed once for all runs of this process on the same rows, and dropped when newer
    states need the room. Too many rows for that: None is kept, and the network has to be called whole.
    """
    pad = loading.pad_id(base)
    width = int(model.config.hidden_size) if frozen else 0
    if not frozen or not effort.keeps(width, len(pieces.ids)):
        return Feed(pieces, pad)
    key = _key(pieces, f"{base.name} {frozen} {gear}")
    if key not in _kept:
        states = _states(Feed(pieces, pad), layers.lower(model, frozen), width, gear, check)
        while _kept and sum(map(_bytes, _kept.values())) + states.nbytes > 2 * effort.STATES:
            del _kept[next(iter(_kept))]
        _kept[key] = states
    _kept[key] = _kept.pop(key)
    return Feed(pieces, pad, _kept[key])


def _key(pieces: Pieces, about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for array in (pieces.ids, pieces.rows):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> int:
    return array.nbytes


def _states(ids: Feed, encoder: Any, width: int, gear: Gear, check: Callable[[], None]) -> np.ndarray:
    """What the encoder makes of every sub-token. *Shape:* (sub-tokens, width), float32."""
    import torch

    ends, lengths = ids.pieces.rows, ids.pieces.lengths
    out = np.empty((len(ids.pieces.ids), width), dtype=np.float32)
    encoder.eval()
    with torch.inference_mode(), gear.autocast():
        for rows in batching.in_order(lengths, BATCH_TOKENS):
            check()
            found = encoder(**ids.inputs(rows, gear)).last_hidden_state.float().cpu().numpy()
            for index, row in enumerate(rows.tolist()):
                out[ends[row] : ends[row + 1]] = found[index, : lengths[row]]
    return out


def joined(parts: Sequence[Pieces]) -> Pieces:
    """Rows of several pools, one after the other."""
    return parts[0] if len(parts) == 1 else Pieces.joined(parts)
