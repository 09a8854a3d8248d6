"""The run kind `features`: what an encoder, as it was pre-trained, makes of every word of a corpus."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.models import batching, loading
from core.models.shapes import PLAIN
from core.params import CLOSED, build, canonical
from core.runs import RunContext, RunSpec
from core.tasks import task as task_of
from core.training.feed import Feed, pieces_of
from core.training.gear import Gear, gear_of

BATCH_TOKENS = 4096
STATES, ROWS = "features.npy", "rows.npy"


@dataclass(frozen=True)
class FeaturesParams:
    """Which hidden states are kept: layer 0 is the embeddings. Words cut off by `max_length` have zeros."""

    __pydantic_config__ = CLOSED
    layers: tuple[Annotated[int, Field(ge=0)], ...] = (0, 2, 4, 6)
    max_length: Annotated[int, Field(ge=8, le=8192)] = 256


@dataclass(frozen=True)
class Features:
    """The states of the words of a corpus, row after row, both memory-mapped.

    `states`: *Shape:* (words, layers x width), float16. `rows`: *Shape:* (rows + 1,), int64: row i has the words
    rows[i] to rows[i + 1].
    """

    states: np.ndarray
    rows: np.ndarray


def spec_of(corpus: str, model: str, layers: Sequence[int] = ()) -> RunSpec:
    """The run over a stored corpus and an installed encoder, by their ids; no layers: those of FeaturesParams."""
    params = canonical(build(FeaturesParams, {"layers": [*layers]} if layers else {}, "features"))
    return RunSpec("features", {"data": f"corpus:{corpus}", "model": f"model:{model}"}, params)


def size_of(data: Path, base: Path, layers: Sequence[int] = FeaturesParams.layers) -> int:
    """Bytes that the states of a corpus take. `base`: the encoder."""
    corpus = corpora.read(data)
    task = task_of(corpus.schema.task)
    items = len(corpus) if task.reads == "row" else int(task.lengths(corpus.table).sum())
    width, last = loading.hidden_states(base)
    return items * width * len({min(layer, last) for layer in layers}) * np.dtype(np.float16).itemsize


def read(folder: Path) -> Features:
    """What a run of this kind delivered. `folder`: of the run."""
    states, rows = (np.lib.format.open_memmap(folder / name, "r") for name in (STATES, ROWS))
    return Features(states, rows)


def run(ctx: RunContext) -> None:
    """Inputs: `data`, a corpus, and `model`, an installed encoder. A layer above the last means the last."""
    import torch

    params = build(FeaturesParams, ctx.spec.params, "features")
    data, base = corpora.read(ctx.input("data")), ctx.input("model")
    task = task_of(data.schema.task)
    pieces = pieces_of(task, data, base, params.max_length, ctx.root / "cache")
    gear = gear_of(ctx.resolved)
    torch.manual_seed(0)  # of the head, which is not used
    network = loading.network(base, task.head, task.classes(data.schema.labels or ("none",)), PLAIN)
    encoder: Any = network.base_model.to(gear.device)
    read = Feed(pieces, loading.pad_id(base))
    layers, width = kept(encoder, params.layers)
    states = np.lib.format.open_memmap(ctx.folder / STATES, "w+", np.float16, (int(pieces.items[-1]), width))

    def tell(done: int) -> None:
        ctx.check_cancelled()
        ctx.metric(step=done, total=len(data))

    fill(states, read, encoder, layers, gear, tell)
    states.flush()
    np.save(ctx.folder / ROWS, np.ascontiguousarray(pieces.items))
    told = {"words": len(states), "width": width, "layers": layers, "truncated": pieces.truncated}
    ctx.finish(told | {"rows": len(data)})


def kept(encoder: Any, layers: Sequence[int]) -> tuple[list[int], int]:
    """The layers of an encoder whose states are kept, and how wide these are together."""
    config = encoder.config
    found = sorted({min(layer, config.num_hidden_layers) for layer in layers})
    return found, len(found) * int(config.hidden_size)


def fill(
    states: np.ndarray, feed: Feed, encoder: Any, layers: Sequence[int], gear: Gear, tell: Callable[[int], None]
) -> None:
    """Write the states of each item, of words that of the first sub-token, in batches of rows of like length.

    `states`: *Shape:* (items, width of `kept`); what was cut off is left as it is. `tell`: is told how many rows are
    done.
    """
    import torch

    encoder.eval()
    done = 0
    with torch.inference_mode(), gear.autocast():
        for batch in batching.in_order(feed.pieces.lengths, BATCH_TOKENS):
            tell(done)
            found = encoder(**feed.inputs(batch, gear), output_hidden_states=True).hidden_states
            read = torch.cat([found[layer] for layer in layers], dim=-1).to(torch.float16).cpu().numpy()
            positions, within, places = feed.items(batch)
            there = places >= 0
            states[positions[there]] = read[within[there], places[there]]
            done += len(batch)
    tell(done)
