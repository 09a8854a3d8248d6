"""The training loop: one file, read from top to bottom."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import CoreError
from core.models.loading import save_tensors, word_embeddings
from core.runs import RunContext
from core.tasks.protocol import IGNORED, Encoded
from core.training import batching, checkpoints
from core.training.settings import TrainParams

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

KEPT_CHECKPOINTS = 2  # the last, and the one before in case that one is damaged
KEPT_BEST = 1


@dataclass(frozen=True)
class Job:
    """Everything a training needs besides the network."""

    train: Encoded
    params: TrainParams
    steps: int
    seed: int
    pad: int
    evaluate: Callable[[Any], float]  # network -> dev headline score, 0..1
    environment: Mapping[str, Any]  # versions, precision, threads: a checkpoint made under others is refused
    began: float = field(default_factory=time.monotonic)  # when this attempt began, on a clock that nobody sets

    @property
    def seconds(self) -> float:
        """Seconds that this attempt has taken so far."""
        return round(time.monotonic() - self.began, 3)


@dataclass
class _Progress:
    """Where a training stands; written to every checkpoint."""

    step: int = 0
    best_step: int = 0
    best_score: float = -1.0


def accelerator(resolved: Mapping[str, Any]) -> "Accelerator":
    """Device, precision and threads as they were resolved when the run was submitted."""
    import torch
    from accelerate import Accelerator

    torch.set_num_threads(int(resolved["threads"]))
    torch.use_deterministic_algorithms(True, warn_only=True)
    # what is then overwritten need not be filled first
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    mixed = "bf16" if resolved["precision"] == "bf16" else "no"
    return Accelerator(mixed_precision=mixed, cpu=resolved["device"] == "cpu")


def train(ctx: RunContext, model: Any, job: Job, gear: "Accelerator") -> tuple[int, float]:
    """Fine-tune `model` in place; it ends with the weights of its best step on dev.

    Resumes from the newest verified checkpoint of the run. -> (best step, its dev score). Raises CoreError
    `loss_not_finite`, `resume_other_environment`.
    """
    params = job.params
    if params.freeze_word_embeddings:
        word_embeddings(model).requires_grad_(False)
    optimizer = _optimizer(model, params)
    model, optimizer = gear.prepare(model, optimizer)
    progress = _resume(ctx, gear, model, optimizer, job)
    looks = params.evaluation_steps(job.steps)
    lengths = job.train.lengths
    per_epoch = batching.count(lengths, params.batch_tokens)
    order: list[np.ndarray] = []
    for step in range(progress.step, job.steps):
        ctx.check_cancelled()
        if not order or step % per_epoch == 0:
            order = batching.epoch(lengths, params.batch_tokens, job.seed, step // per_epoch)
        rows = order[step % per_epoch]
        rate = params.rate(step, job.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        value = _backward(ctx, model, job, rows, gear)
        if not math.isfinite(value):
            raise CoreError("loss_not_finite", {"step": step + 1}, "hint_loss")
        gear.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], params.clip)
        optimizer.step()
        optimizer.zero_grad()
        progress.step = step + 1
        ctx.metric(step=progress.step, loss=value, lr=rate, rows=len(rows), s=job.seconds)
        ctx.point("step")
        if progress.step in looks:
            _look_at_dev(ctx, model, job, progress)
        if progress.step in looks or progress.step % params.checkpoint_every == 0:
            _checkpoint(ctx, model, optimizer, job, progress)
    _restore_best(ctx, model, progress)
    return progress.best_step, progress.best_score


def _optimizer(model: Any, params: TrainParams) -> "torch.optim.Optimizer":
    """AdamW; biases and normalisation weights are not decayed."""
    import torch

    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for _, p in trained if p.ndim > 1], "weight_decay": params.weight_decay},
        {"params": [p for _, p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=params.learning_rate, fused=True)


def _batch(job: Job, rows: np.ndarray, device: Any) -> dict[str, Any]:
    import torch

    ids = batching.padded([job.train.ids[row] for row in rows], job.pad)
    targets = batching.padded([job.train.targets[row] for row in rows], IGNORED)
    real = np.arange(ids.shape[1]) < job.train.lengths[rows][:, None]
    arrays = {"input_ids": ids, "attention_mask": real.astype(np.int64), "targets": targets}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _backward(ctx: RunContext, model: Any, job: Job, rows: np.ndarray, gear: "Accelerator") -> float:
    """Gather the gradient of the mean loss over a batch, and give that loss; not finite: no gradient is of use.

    Where the GPU's memory was too small, the batch goes in 2 ** halvings parts whose gradients add up to the same.
    """
    parts = [part for part in np.array_split(rows, 2**ctx.halvings) if len(part)]
    scored = sum(int((job.train.targets[row] != IGNORED).sum()) for row in rows)
    total = 0.0
    for part in parts:
        loss = _loss(model, _batch(job, part, gear.device), max(1, scored))
        total += float(loss.detach())
        if not math.isfinite(total):
            return total
        gear.backward(loss)
    return total


def _loss(model: Any, batch: dict[str, Any], scored: int) -> "torch.Tensor":
    """The sum of the cross-entropy of scored sub-tokens, by how many the whole batch has."""
    import torch

    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    total = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), batch["targets"].flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return total / scored


def _look_at_dev(ctx: RunContext, model: Any, job: Job, progress: _Progress) -> None:
    import torch

    state = torch.get_rng_state()
    score = job.evaluate(model)
    torch.set_rng_state(state)
    ctx.metric(step=progress.step, dev=score)
    if score > progress.best_score:  # a later step must be better, not equal
        progress.best_score, progress.best_step = score, progress.step
        best = ctx.folder / "best"
        checkpoints.save(best, progress.step, lambda folder: _write_best(folder, model), ctx.point)
        checkpoints.prune(best, KEPT_BEST)


def _write_best(folder: Path, model: Any) -> None:
    save_tensors(_trained(model), folder / "model.safetensors")


def _trained(model: Any) -> dict[str, Any]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _checkpoint(ctx: RunContext, model: Any, optimizer: Any, job: Job, progress: _Progress) -> None:
    """Weights, optimiser, random state and progress: enough to go on with the same bits."""
    import torch

    def write(folder: Path) -> None:
        names = {id(p): name for name, p in model.named_parameters()}
        moments = {
            f"{names[id(p)]}|{key}": value
            for p, state in optimizer.optimizer.state.items()
            for key, value in state.items()
        }
        save_tensors(_trained(model), folder / "model.safetensors")
        save_tensors(moments, folder / "optimizer.safetensors")
        random = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        save_tensors(random, folder / "random.safetensors")
        state = {"progress": vars(progress), "environment": dict(job.environment)}
        (folder / "state.json").write_text(json.dumps(state))

    place = ctx.folder / "checkpoints"
    checkpoints.save(place, progress.step, write, ctx.point)
    checkpoints.prune(place, KEPT_CHECKPOINTS)


def _resume(ctx: RunContext, gear: "Accelerator", model: Any, optimizer: Any, job: Job) -> _Progress:
    """Load the newest verified checkpoint, if there is one."""
    import torch
    from safetensors.torch import load_file

    found = checkpoints.newest(
        ctx.folder / "checkpoints", skipped=lambda path, reason: ctx.note(f"checkpoint {path.name} not used: {reason}")
    )
    if found is None:
        return _Progress()
    folder, step = found
    state = json.loads((folder / "state.json").read_text())
    if state["environment"] != dict(job.environment):
        raise CoreError("resume_other_environment", {"step": step}, "hint_fresh")
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(str(folder / "model.safetensors")).items():
            parameters[name].copy_(tensor)
    for key, tensor in load_file(str(folder / "optimizer.safetensors")).items():
        name, _, moment = key.rpartition("|")
        own = tensor if moment == "step" else tensor.to(gear.device)
        optimizer.optimizer.state[parameters[name]][moment] = own
    random = load_file(str(folder / "random.safetensors"))
    torch.set_rng_state(random["cpu"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"])
    ctx.note(f"resumed from step {step}")
    return _Progress(**state["progress"])


def _restore_best(ctx: RunContext, model: Any, progress: _Progress) -> None:
    import torch
    from safetensors.torch import load_file

    best = checkpoints.folder_of(ctx.folder / "best", progress.best_step)
    flaw = checkpoints.flaw(best, progress.best_step)
    if flaw:
        raise CoreError("best_damaged", {"step": progress.best_step, "what": flaw}, "hint_fresh")
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(str(best / "model.safetensors")).items():
            parameters[name].copy_(tensor)
