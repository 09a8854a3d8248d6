"""The run kind `features`: what an encoder, as it was pre-trained, makes of every word of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import pc
from core.models import loading
from core.params import CLOSED, build, canonical
from core.runs import RunContext, RunSpec
from core.tasks import task as task_of
from core.tasks.protocol import Encoded
from core.training import batching
from core.training.loop import accelerator

if TYPE_CHECKING:
    from accelerate import Accelerator

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
    words = pc.sum(pc.list_value_length(corpora.read(data).table.column("tokens"))).as_py() or 0
    width, last = loading.hidden_states(base)
    return int(words) * width * len({min(layer, last) for layer in layers}) * np.dtype(np.float16).itemsize


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
    length = loading.longest_input(base, params.max_length)
    encoded = task.encode(data.table, data.schema.labels, loading.tokenizer(base), length)
    gear = accelerator(ctx.resolved)
    torch.manual_seed(0)  # of the head, which is not used
    network = loading.network(base, task.head, task.classes(data.schema.labels or ("none",)))
    encoder: Any = gear.prepare(network.base_model)
    layers = sorted({min(layer, encoder.config.num_hidden_layers) for layer in params.layers})
    rows = np.concatenate([[0], np.cumsum([len(words) for words in encoded.words])]).astype(np.int64)
    width = len(layers) * int(encoder.config.hidden_size)
    states = np.lib.format.open_memmap(ctx.folder / STATES, "w+", np.float16, (int(rows[-1]), width))
    _fill(ctx, states, rows, encoded, encoder, layers, loading.pad_id(base), gear)
    states.flush()
    np.save(ctx.folder / ROWS, rows)
    told = {"words": int(rows[-1]), "width": width, "layers": layers, "truncated": encoded.truncated}
    ctx.finish(told | {"rows": len(data)})


def _fill(
    ctx: RunContext,
    states: np.ndarray,
    rows: np.ndarray,
    encoded: Encoded,
    encoder: Any,
    layers: list[int],
    pad: int,
    gear: "Accelerator",
) -> None:
    """Write the states of each word's first sub-token, in batches of rows of like length."""
    import torch

    encoder.eval()
    done, lengths = 0, encoded.lengths
    with torch.inference_mode(), gear.autocast():
        for batch in batching.in_order(lengths, BATCH_TOKENS):
            ctx.check_cancelled()
            ctx.metric(step=done, total=len(lengths))
            ids = batching.padded([encoded.ids[row] for row in batch], pad)
            real = (np.arange(ids.shape[1]) < lengths[batch][:, None]).astype(np.int64)
            found = encoder(
                input_ids=torch.from_numpy(ids).to(gear.device),
                attention_mask=torch.from_numpy(real).to(gear.device),
                output_hidden_states=True,
            ).hidden_states
            kept = torch.cat([found[layer] for layer in layers], dim=-1).to(torch.float16).cpu().numpy()
            for at, row in enumerate(batch.tolist()):
                words = encoded.words[row]
                there = words >= 0
                states[rows[row] : rows[row + 1]][there] = kept[at, words[there]]
            done += len(batch)
    ctx.metric(step=done, total=len(lengths))
