"""The run kind `forecast`: what is enough to know of some ingredients to forecast any mix of them, made once.

An encoder reads gold, every ingredient and dev. Where `warm` has steps, it is first fine-tuned on the uniform mix, as
much of every ingredient as half of gold, in its upper half: what new text teaches an encoder, frozen features don't
show. Dev plays no part in that.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.forecast.forecast import Pool, forecast
from core.mix import GOLD, Mix, Part, draw
from core.models import layers, loading
from core.params import CLOSED, build
from core.runs import POOL, RunContext
from core.tasks import task as task_of
from core.tasks.drawing import strata
from core.tasks.protocol import Pieces, Task
from core.training.features import fill, kept
from core.training.feed import Feed, feed, pieces_of
from core.training.gear import Gear, gear_of, versions
from core.training.loop import Job, train
from core.training.methods import Network, ready
from core.training.settings import TrainParams
from core.training.train import TrainRunParams, prepare

UNIFORM = 0.5  # times gold of every ingredient of the uniform mix
LAST = 1000  # layer; one above the last means the last


@dataclass(frozen=True)
class ForecastParams:
    """`labels`, `mask_outside`: of a training of all ingredients; `warm`: how the encoder is warmed up, without `steps`
    not at all; `most_rows`: of an ingredient that are read."""

    __pydantic_config__ = CLOSED
    labels: tuple[str, ...]
    mask_outside: tuple[str, ...] = ()
    warm: TrainParams = TrainParams()
    layers: tuple[Annotated[int, Field(ge=0)], ...] = (LAST,)
    most_rows: Annotated[int, Field(ge=1)] = 4000


@dataclass(frozen=True)
class _Work:
    """One attempt."""

    ctx: RunContext
    params: ForecastParams
    task: Task
    base: Path
    gear: Gear

    def pieces(self, corpus: Corpus) -> Pieces:
        return pieces_of(self.task, corpus, self.base, self.params.warm.max_length, self.ctx.root / "cache")


def run(ctx: RunContext) -> None:
    """Inputs: those of a training of all ingredients. Keeps what core.forecast.forecast reads."""
    params = build(ForecastParams, ctx.spec.params, "forecast")
    pools = {GOLD: corpora.read(ctx.input(GOLD))}
    pools |= {r[len(POOL) :]: corpora.read(ctx.input(r)) for r in ctx.spec.inputs if r.startswith(POOL)}
    dev = corpora.read(ctx.input("dev"))
    work = _Work(ctx, params, task_of(dev.schema.task), ctx.input("model"), gear_of(ctx.resolved))
    network = _encoder(work, pools)
    rows = {name: rows_read(pool, params) for name, pool in pools.items()}
    read = {name: as_read(pool, rows[name], name, params) for name, pool in pools.items()}
    found = _states(work, network, read | {"": dev})
    for number, name in enumerate(read):
        np.save(states_file(ctx.folder, number), found[name])
    sizes = {name: len(pool) for name, pool in pools.items()}
    states = {name: Pool(pool, found[name]) for name, pool in read.items()}
    forecast(states, Pool(dev, found[""]), params.labels, sizes).save(ctx.folder)
    ctx.finish({"rows": {name: len(pool) for name, pool in read.items()}, "warmed": params.warm.steps or 0})


def rows_read(pool: Corpus, params: ForecastParams) -> np.ndarray:
    """Which rows of a pool are read: all, or as many as there may be, drawn as a mix draws them. *Shape:* (rows,)."""
    if len(pool) <= params.most_rows:
        return np.arange(len(pool))
    return draw(pool.keys(), strata(task_of(pool.schema.task), pool), params.most_rows, 0)


def as_read(pool: Corpus, rows: np.ndarray, name: str, params: ForecastParams) -> Corpus:
    """Those rows, masked where the ingredient does not cover every label."""
    some = pool if len(rows) == len(pool) else pool.take(rows)
    return task_of(pool.schema.task).masked(some, outside=True) if name in params.mask_outside else some


def states_file(folder: Path, number: int) -> Path:
    """The states of the ingredient of that number, in the order of the forecast's parts."""
    return folder / f"states-{number}.npy"


def _encoder(work: _Work, pools: Mapping[str, Corpus]) -> Any:
    """A network whose encoder is as it was pre-trained, or warmed up."""
    import torch

    torch.manual_seed(0)  # of the head
    classes = work.task.classes(work.params.labels)
    whole = loading.network(work.base, work.task.head, classes)
    if work.params.warm.steps is None:
        return whole.to(work.gear.device)
    frozen = layers.layers_of(work.base) // 2
    settings = replace(work.params.warm, evaluations=1, head="fresh", frozen_layers=frozen)
    network = ready(whole, settings, frozen)
    network.whole.to(work.gear.device)
    _warm_up(work, network, settings, pools)
    return network.merged()


def _warm_up(work: _Work, network: Network, settings: TrainParams, pools: Mapping[str, Corpus]) -> None:
    """Fine-tune on the uniform mix; an attempt that goes on begins at its last checkpoint."""
    ctx, gear, began = work.ctx, work.gear, time.monotonic()
    mix = Mix(parts={name: Part(UNIFORM) for name in pools if name != GOLD})
    labels, outside = work.params.labels, work.params.mask_outside
    prepared = prepare(pools, TrainRunParams(0, labels, mix, settings, outside), work.base, ctx.root / "cache")
    read = feed(prepared.encoded.pieces, network.whole, network.frozen, work.base, gear, ctx.check_cancelled)
    classes = len(work.task.classes(labels))
    environment = {k: ctx.resolved[k] for k in ("device", "precision", "threads")} | {"versions": dict(versions())}
    job = Job(
        work.task, prepared.encoded, read, settings, prepared.steps, frozenset({prepared.steps}), 0, classes,
        lambda: (0.0, _nothing), environment, began,
    )  # fmt: skip
    train(ctx, network, job, gear)
    for name in ("checkpoints", "best"):
        shutil.rmtree(ctx.folder / name, ignore_errors=True)


def _nothing(folder: Path) -> None:
    """What is predicted for dev while an encoder is warmed up."""


def _states(work: _Work, network: Any, read: Mapping[str, Corpus]) -> dict[str, np.ndarray]:
    """What the encoder makes of each corpus. *Shape:* (items, width), float16."""
    encoder, pad, before = network.base_model, loading.pad_id(work.base), work.params.warm.steps or 0
    read_from, width = kept(encoder, work.params.layers)
    total = before + sum(map(len, read.values()))
    found: dict[str, np.ndarray] = {}

    def tell(done: int) -> None:
        work.ctx.check_cancelled()
        work.ctx.metric(step=before + done, total=total)

    for name, corpus in read.items():
        pieces = work.pieces(corpus)
        found[name] = np.zeros((int(pieces.items[-1]), width), np.float16)
        fill(found[name], Feed(pieces, pad), encoder, read_from, work.gear, tell)
        before += len(corpus)
    return found
