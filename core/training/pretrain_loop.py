"""The loop of continued pre-training: one file, read from top to bottom."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from core.errors import CoreError
from core.models import batching
from core.models.language import LanguageModel
from core.params import CLOSED
from core.runs import RunContext
from core.training import state
from core.training.gear import Gear
from core.training.masking import Masking
from core.training.pretrain_text import Blocks
from core.training.settings import Positive

if TYPE_CHECKING:
    import torch

HEAD_ALONE, HEAD_RATE = 0.1, 1e-3  # share of the steps that a head which had to be made learns alone, and how fast
_LOOK_TOKENS = 4096  # sub-tokens of a batch when perplexity is measured
_MASKED, _LOOK = 1, 2  # streams of random numbers


@dataclass(frozen=True)
class PretrainParams:
    """AdamW (Loshchilov & Hutter 2019) with linear warm-up and decay; no step is chosen, the last one counts."""

    __pydantic_config__ = CLOSED
    steps: Annotated[int, Field(ge=1)] = 300
    batch_tokens: Annotated[int, Field(ge=8)] = 2048  # sub-tokens in a batch, padding included
    learning_rate: Positive = 1e-4  # the highest
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06  # share of the steps
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Positive = 1.0  # norm of the gradient
    masked: Annotated[float, Field(gt=0, lt=1)] = 0.15  # share of the sub-tokens that an encoder guesses
    max_length: Annotated[int, Field(ge=8, le=8192)] = 128  # sub-tokens of a row; a longer one is several
    freeze_word_embeddings: bool = False
    looks: Annotated[int, Field(ge=1)] = 5  # at perplexity after the beginning, the last at the end
    checkpoint_every: Annotated[int, Field(ge=1)] = 50  # steps
    seed: Annotated[int, Field(ge=0)] = 0

    def rate(self, step: int, begin: int = 0) -> float:
        """Learning rate of a step from `begin` on, where warm-up begins: linear up, then linear down to 0."""
        steps, at = self.steps - begin, step - begin
        rising = math.ceil(self.warmup * steps)
        if at < rising:
            return self.learning_rate * (at + 1) / rising
        return self.learning_rate * (steps - at) / max(1, steps - rising)

    def look_steps(self, alone: int) -> frozenset[int]:
        """The steps after which perplexity is measured. `alone`: those that the head learns alone."""
        evenly = {max(1, math.ceil(self.steps * k / self.looks)) for k in range(1, self.looks + 1)}
        return frozenset(evenly | ({alone} if alone else set()))


@dataclass(frozen=True)
class Job:
    """What the loop needs. `alone`: steps that the head learns alone."""

    model: LanguageModel
    params: PretrainParams
    learned: Blocks
    held_out: Blocks
    masking: Masking | None  # of an encoder
    pad: int
    alone: int
    environment: Mapping[str, Any]
    began: float

    @property
    def seconds(self) -> float:
        """Seconds that this attempt has taken so far."""
        return round(time.monotonic() - self.began, 3)

    @cached_property
    def per_epoch(self) -> int:
        """Steps of a pass over the text."""
        return batching.count(self.learned.lengths, self.params.batch_tokens)


def learn(ctx: RunContext, job: Job, gear: Gear) -> dict[int, float]:
    """Train in place; resumes from the newest verified checkpoint. -> perplexity by step. Raises CoreError
    `loss_not_finite`, `resume_other_environment`."""
    import torch

    params, parameters = job.params, _trained(job)
    optimizer = torch.optim.AdamW(_groups(job, parameters), lr=params.learning_rate, fused=True)
    resumed = state.resume(ctx, parameters, optimizer, job.environment) or {"step": 0, "perplexity": []}
    found: dict[int, float] = {int(step): value for step, value in resumed["perplexity"]}
    sizes = {"per_epoch": job.per_epoch, "tokens": len(job.learned.ids), "dev_tokens": len(job.held_out.ids)}
    ctx.metric(step=0, total=params.steps, s=job.seconds, **sizes)
    if not found:
        found[0] = _look(ctx, job, 0, gear)
    order: list[np.ndarray] = []
    for step in range(int(resumed["step"]), params.steps):
        ctx.check_cancelled()
        if not order or step % job.per_epoch == 0:
            order = batching.epoch(job.learned.lengths, params.batch_tokens, params.seed, step // job.per_epoch)
        rows, alone = order[step % job.per_epoch], step < job.alone
        for group in optimizer.param_groups:
            group["lr"] = HEAD_RATE if alone else params.rate(step, job.alone)
        for name, parameter in parameters.items():
            parameter.requires_grad_(not alone or name in job.model.made)
        job.model.whole.train()
        value = _backward(ctx, job, step, rows, gear)
        if not math.isfinite(value):
            raise CoreError("loss_not_finite", {"step": step + 1}, "hint_loss")
        norm = float(
            torch.nn.utils.clip_grad_norm_([p for p in parameters.values() if p.grad is not None], params.clip)
        )
        optimizer.step()
        optimizer.zero_grad()
        done, rate = step + 1, float(optimizer.param_groups[0]["lr"])
        ctx.metric(step=done, loss=value, lr=rate, grad=norm, rows=len(rows), s=job.seconds)
        ctx.point("step")
        if done in params.look_steps(job.alone):
            found[done] = _look(ctx, job, done, gear)
        if done % params.checkpoint_every == 0 and done < params.steps:
            progress = {"step": done, "perplexity": [*found.items()]}
            state.keep(ctx, parameters, optimizer, job.environment, progress)
    return found


def _trained(job: Job) -> dict[str, "torch.nn.Parameter"]:
    """All weights but, where they are frozen, those of the word embeddings, which the head of an encoder shares."""
    words = job.model.whole.get_input_embeddings().weight
    if job.params.freeze_word_embeddings:
        words.requires_grad_(False)
    return {name: p for name, p in job.model.parameters.items() if p.requires_grad}


def _groups(job: Job, parameters: Mapping[str, "torch.nn.Parameter"]) -> list[dict[str, Any]]:
    """For the optimiser: biases and normalisation don't decay."""
    parts = ([p for p in parameters.values() if (p.ndim > 1) == matrix] for matrix in (True, False))
    decays = (job.params.weight_decay, 0.0)
    return [{"params": part, "weight_decay": decay} for part, decay in zip(parts, decays, strict=True) if part]


def _asked(job: Job, blocks: Blocks, rows: np.ndarray, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], ...]:
    """A batch as the network is called with it; the places of rows x longest that are asked for, and what stands there
    (of a causal one, one place further)."""
    read = batching.inputs(blocks.ids, blocks.ends, rows, job.pad)
    ids, filled = read["input_ids"], read["attention_mask"].astype(bool)
    if job.masking is not None:
        hidden, at, told = job.masking.hide(ids, filled, rng)
        return read | {"input_ids": hidden}, {"at": at, "told": told}
    at = np.flatnonzero(np.pad(filled[:, 1:], ((0, 0), (0, 1))))
    return read, {"at": at, "told": ids.reshape(-1)[at + 1]}


def _loss(job: Job, read: dict[str, np.ndarray], asked: dict[str, np.ndarray], gear: Gear) -> "torch.Tensor":
    """The sum of the cross-entropy over the places that are asked for."""
    import torch

    with gear.autocast():
        scores = job.model.scores({key: gear.tensor(value) for key, value in read.items()}, gear.tensor(asked["at"]))
    return torch.nn.functional.cross_entropy(scores, gear.tensor(asked["told"]), reduction="sum")


def _backward(ctx: RunContext, job: Job, step: int, rows: np.ndarray, gear: Gear) -> float:
    """Gather the gradient of a batch's mean loss, and give that loss. Where the GPU's memory was too small, the batch
    goes in 2 ** halvings parts."""
    rng = np.random.default_rng([job.params.seed, _MASKED, step])
    parts = [_asked(job, job.learned, part, rng) for part in np.array_split(rows, 2**ctx.halvings) if len(part)]
    over, total = sum(len(asked["at"]) for _, asked in parts), 0.0
    for read, asked in parts:
        loss = _loss(job, read, asked, gear) / over
        total += float(loss.detach())
        loss.backward()
    return total


def _look(ctx: RunContext, job: Job, step: int, gear: Gear) -> float:
    """Perplexity of the text that was kept apart: the exponential of the mean loss, of an encoder over the same masked
    places at every look."""
    import torch

    random, rng = torch.get_rng_state(), np.random.default_rng(_LOOK)
    total, over = 0.0, 0
    job.model.whole.eval()
    with torch.inference_mode():
        for rows in batching.in_order(job.held_out.lengths, _LOOK_TOKENS):
            ctx.check_cancelled()
            read, asked = _asked(job, job.held_out, rows, rng)
            total, over = total + float(_loss(job, read, asked, gear)), over + len(asked["at"])
    torch.set_rng_state(random)
    found = math.exp(min(total / max(1, over), 100.0))
    ctx.metric(step=step, perplexity=found, s=job.seconds)
    return found
