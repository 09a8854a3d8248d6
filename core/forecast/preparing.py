"""The run kind `forecast`: what is enough to know of some ingredients to forecast any mix of them, made once.

A few encoders read gold, every ingredient and dev. Each was first fine-tuned on the uniform mix, as much of every
ingredient as half of gold, in its upper half: what new text teaches an encoder, frozen features don't show. They differ
in nothing but their seeds, whose chance the mean over them evens out. Dev plays no part in that.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.forecast.forecast import Forecast, Member, Pool, member, member_folder
from core.mix import GOLD, Mix, Part, draw
from core.models import layers, loading
from core.models.shapes import PLAIN
from core.params import CLOSED, build
from core.runs import POOL, RunContext
from core.tasks import task as task_of
from core.tasks.drawing import strata
from core.tasks.protocol import Pieces, Task
from core.training.features import fill, kept
from core.training.feed import Feed, feed, pieces_of
from core.training.gear import Gear, gear_of
from core.training.loop import Job, train
from core.training.methods import ready
from core.training.settings import TrainParams
from core.training.state import environment_of
from core.training.train import TrainRunParams, prepare

_DONE = "done"  # marks a member that is whole
UNIFORM = 0.5  # times gold of every ingredient of the uniform mix
LAST = 1000  # layer; one above the last means the last


@dataclass(frozen=True)
class ForecastParams:
    """`labels`, `mask_outside`: of a training of all ingredients; `warm`: how encoders are warmed up, by `steps`;
    `members`: how many there are; `most_rows`: of an ingredient that are read; `unlabelled`: ingredients of which no
    label is known, whose states are kept and from which nothing is learned."""

    __pydantic_config__ = CLOSED
    labels: tuple[str, ...]
    mask_outside: tuple[str, ...] = ()
    warm: TrainParams = TrainParams(steps=150, batch_tokens=256)
    members: Annotated[int, Field(ge=1, le=16)] = 3
    layers: tuple[Annotated[int, Field(ge=0)], ...] = (LAST,)
    most_rows: Annotated[int, Field(ge=1)] = 4000
    unlabelled: tuple[str, ...] = ()


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
    bare = {name: pools.pop(name) for name in params.unlabelled}
    dev = corpora.read(ctx.input("dev"))
    work = _Work(ctx, params, task_of(dev.schema.task), ctx.input("model"), gear_of(ctx.resolved))
    rows = {name: rows_read(pool, params) for name, pool in pools.items()}
    read = {name: as_read(pool, rows[name], name, params) for name, pool in pools.items()}
    apart = {name: pool.take(rows_read(pool, params)) for name, pool in bare.items()}
    sizes = {name: len(pool) for name, pool in pools.items()}
    for number in range(params.members):
        folder = member_folder(ctx.folder, number)
        if not (folder / _DONE).exists():
            _member(work, number, pools, read, dev, apart, sizes, folder)
    members = [Member.load(member_folder(ctx.folder, number), [*pools]) for number in range(params.members)]
    Forecast(params.labels, members, dev).save(ctx.folder)
    ctx.finish({"rows": {name: len(pool) for name, pool in (read | apart).items()}, "members": params.members})


def _member(
    work: _Work,
    number: int,
    pools: Mapping[str, Corpus],
    read: Mapping[str, Corpus],
    dev: Corpus,
    apart: Mapping[str, Corpus],
    sizes: Mapping[str, int],
    folder: Path,
) -> None:
    """Warm an encoder up, read with it, and keep what it makes of all."""
    whole = {**read, **apart, "": dev}
    steps, rows = work.params.warm.steps or 0, sum(map(len, whole.values()))
    before, total = number * (steps + rows), work.params.members * (steps + rows)

    def tell(done: int) -> None:
        work.ctx.check_cancelled()
        work.ctx.metric(step=before + done, total=total)

    network = _encoder(work, number, pools, _Quiet(work.ctx, tell))
    found = _states(work, network, whole, lambda done: tell(steps + done))
    folder.mkdir(exist_ok=True)
    for at, name in enumerate([*read, *apart]):
        np.save(states_file(folder, at), found[name])
    states = {name: Pool(pool, found[name]) for name, pool in read.items()}
    member(states, Pool(dev, found[""]), work.params.labels, sizes).save(folder)
    for name in ("checkpoints", "best"):  # of this encoder: another one must not go on from them
        shutil.rmtree(work.ctx.folder / name, ignore_errors=True)
    (folder / _DONE).touch()


def rows_read(pool: Corpus, params: ForecastParams) -> np.ndarray:
    """Which rows of a pool are read: all, or as many as there may be, drawn as a mix draws them. *Shape:* (rows,)."""
    if len(pool) <= params.most_rows:
        return np.arange(len(pool))
    return draw(pool.keys(), strata(task_of(pool.schema.task), pool), params.most_rows, 0)


def as_read(pool: Corpus, rows: np.ndarray, name: str, params: ForecastParams) -> Corpus:
    """Those rows, masked where the ingredient does not cover every label."""
    some = pool if len(rows) == len(pool) else pool.take(rows)
    return task_of(pool.schema.task).masked(some, outside=True) if name in params.mask_outside else some


def states_file(folder: Path, at: int) -> Path:
    """The states of an ingredient in the folder of a member, in the order of the forecast's names; those without labels
    come last, in the order of the params."""
    return folder / f"states-{at}.npy"


def _encoder(work: _Work, number: int, pools: Mapping[str, Corpus], ctx: Any) -> Any:
    """A network that is fine-tuned on the uniform mix; an attempt that goes on begins at its last checkpoint."""
    import torch

    gear, began = work.gear, time.monotonic()
    torch.manual_seed(number)  # of the head
    classes = work.task.classes(work.params.labels)
    frozen = layers.layers_of(work.base) // 2
    settings = replace(work.params.warm, evaluations=1, head="fresh", frozen_layers=frozen)
    network = ready(loading.network(work.base, work.task.head, classes, PLAIN), settings, frozen)
    network.whole.to(gear.device)
    mix = Mix(parts={name: Part(UNIFORM) for name in pools if name != GOLD})
    labels, outside = work.params.labels, work.params.mask_outside
    prepared = prepare(pools, TrainRunParams(number, labels, mix, settings, outside), work.base, ctx.root / "cache")
    read = feed(prepared.encoded.pieces, network.whole, network.frozen, work.base, gear, ctx.check_cancelled)
    job = Job(
        work.task, prepared.encoded, read, settings, prepared.steps, frozenset({prepared.steps}), number, len(classes),
        lambda: (0.0, _nothing), environment_of(ctx.resolved), began,
    )  # fmt: skip
    train(ctx, network, job, gear)
    return network.merged()


class _Quiet:
    """A run's context, for a training that is a part of the run: of its metrics the step alone is told."""

    def __init__(self, ctx: RunContext, tell: Callable[[int], None]) -> None:
        self._ctx, self._tell = ctx, tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def metric(self, **values: Any) -> None:
        self._tell(int(values["step"]))


def _nothing(folder: Path) -> None:
    """What is predicted for dev while an encoder is warmed up."""


def _states(
    work: _Work, network: Any, read: Mapping[str, Corpus], tell: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """What the encoder makes of each corpus. *Shape:* (items, width), float16."""
    encoder, pad, before = network.base_model, loading.pad_id(work.base), 0
    read_from, width = kept(encoder, work.params.layers)
    found: dict[str, np.ndarray] = {}
    for name, corpus in read.items():
        pieces = work.pieces(corpus)
        found[name] = np.zeros((int(pieces.items[-1]), width), np.float16)
        so_far = before
        fill(found[name], Feed(pieces, pad), encoder, read_from, work.gear, lambda done, at=so_far: tell(at + done))
        before += len(corpus)
    return found
