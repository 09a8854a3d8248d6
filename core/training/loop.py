"""The training loop: one file, read from top to bottom."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.errors import CoreError
from core.models import batching, shapes
from core.models.loading import save_tensors
from core.runs import RunContext
from core.tasks.protocol import Encoded, Task
from core.training import checkpoints, contrastive, state
from core.training.adversarial import away, embedded
from core.training.feed import Feed, Reader
from core.training.gear import Gear
from core.training.methods import Network, class_weights, groups_of, scored
from core.training.settings import TrainParams

if TYPE_CHECKING:
    import torch

KEPT_BEST = 1
PREDICTIONS = "predictions.arrow"  # of dev, beside the best weights

Look = Callable[[], tuple[float, Callable[[Path], None]]]  # dev's headline (0..1), and what writes the predictions


class Lesson(Protocol):
    """What is learned in every step besides the mix."""

    def teach(self, network: Network, step: int, gear: Gear, parts: int) -> Mapping[str, float]:
        """Add to the gradient of a step, from 0. -> what the metrics say of it

        `parts`: how many a batch goes in, whose gradients add up to the same.
        """
        ...


@dataclass(frozen=True)
class Job:
    """Everything a training needs besides the network."""

    task: Task
    train: Encoded
    feed: Feed  # of the same rows
    params: TrainParams
    steps: int
    looks: frozenset[int]  # steps after which dev is looked at
    seed: int
    classes: int
    evaluate: Look
    environment: Mapping[str, Any]  # versions, precision, threads: a checkpoint made under others is refused
    began: float = field(default_factory=time.monotonic)  # when this attempt began, on a clock that nobody sets
    lessons: Sequence[Lesson] = ()

    def batches(self, number: int) -> list[np.ndarray]:
        """The rows of each step of a pass over the mix."""
        lengths, budget = self.train.lengths, self.params.batch_tokens
        if self.params.method != "contrastive":
            return batching.epoch(lengths, budget, self.seed, number)
        return contrastive.epoch(self.train.targets, lengths, budget, self.seed, number)

    @property
    def seconds(self) -> float:
        """Seconds that this attempt has taken so far."""
        return round(time.monotonic() - self.began, 3)


@dataclass
class Progress:
    """Where a training stands; written to every checkpoint."""

    step: int = 0
    best_step: int = 0
    best_score: float = -1.0
    stale: int = 0  # looks at dev since the best one


def train(ctx: RunContext, network: Network, job: Job, gear: Gear) -> Progress:
    """Fine-tune a network in place; it ends with the weights of its best step on dev, whose predictions are kept.

    AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) on the mean cross-entropy of a batch. Resumes
    from the newest verified checkpoint of the run. Raises CoreError `loss_not_finite`, `resume_other_environment`.
    """
    params = job.params
    network.whole.to(gear.device)
    pairs = params.method == "contrastive"
    put = network.reader(job.task, job.feed, shapes.headless) if pairs else network.reader(job.task, job.feed)
    weights = None if pairs else class_weights(params, job.task, job.train.targets, job.classes)
    loss = _Loss(job.task, None if weights is None else gear.tensor(weights), pairs)
    optimizer = _optimizer(network, params)
    progress = _resume(ctx, network, optimizer, job)
    per_epoch = len(job.batches(0))
    order: list[np.ndarray] = []
    for step in range(progress.step, job.steps):
        ctx.check_cancelled()
        if not order or step % per_epoch == 0:
            order = job.batches(step // per_epoch)
        rows = order[step % per_epoch % len(order)]  # passes over pairs differ by a batch: one more is left out
        rate = params.rate(step, job.steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        network.train()
        value = _backward(ctx, put, job, rows, loss, gear)
        if not math.isfinite(value):
            raise CoreError("loss_not_finite", {"step": step + 1}, "hint_loss")
        learned = _lessons(ctx, network, job, step, gear)
        norm = _clip(network, params.clip)
        optimizer.step()
        optimizer.zero_grad()
        progress.step = step + 1
        ctx.metric(step=progress.step, loss=value, lr=rate, grad=norm, rows=len(rows), s=job.seconds, **learned)
        ctx.point("step")
        if progress.step in job.looks:
            _look_at_dev(ctx, network, job, progress)
            if params.patience is not None and progress.stale >= params.patience:
                ctx.note(f"ends after step {progress.step}: {progress.stale} looks at dev without a gain")
                break
        if progress.step % params.checkpoint_every == 0 and progress.step < job.steps:
            state.keep(ctx, network.trained(), optimizer, job.environment, vars(progress))
    if progress.step != progress.best_step:
        _restore_best(ctx, network, progress)
    return progress


def at_once(ctx: RunContext, network: Network, job: Job, gear: Gear) -> Progress:
    """What `train` does of a network in which nothing is learned by steps: one look at dev."""
    network.whole.to(gear.device)
    progress = Progress(step=1)
    ctx.check_cancelled()
    _look_at_dev(ctx, network, job, progress)
    return progress


def best_of(ctx: RunContext, progress: Progress) -> Path:
    """The folder with the best weights, and dev's predictions by them. Raises CoreError `best_damaged`."""
    best = checkpoints.folder_of(ctx.folder / "best", progress.best_step)
    flaw = checkpoints.flaw(best, progress.best_step)
    if flaw:
        raise CoreError("best_damaged", {"step": progress.best_step, "what": flaw}, "hint_fresh")
    return best


def _optimizer(network: Network, params: TrainParams) -> "torch.optim.Optimizer":
    import torch

    return torch.optim.AdamW(groups_of(network, params), lr=params.peak, fused=True)


@dataclass(frozen=True)
class _Loss:
    """The sum of the cross-entropy over some items: over the classes of each, or over each class by itself; of
    embeddings in place of logits, by pairs: the contrastive one."""

    task: Task
    weights: "torch.Tensor | None"  # of classes. *Shape:* (classes,)
    pairs: bool = False

    def __call__(self, logits: "torch.Tensor", targets: np.ndarray) -> "torch.Tensor":
        import torch

        if self.pairs:
            return contrastive.loss(logits, targets)
        wanted = torch.from_numpy(targets).to(logits.device)
        functional = torch.nn.functional
        if self.task.objective == "sigmoid":
            known, hot = ~wanted.isnan(), wanted.nan_to_num()
            loss = functional.binary_cross_entropy_with_logits(logits, hot, known.to(logits.dtype), reduction="sum")
            return loss / logits.shape[1]
        return functional.cross_entropy(logits, wanted, weight=self.weights, reduction="sum")

    def over(self, targets: np.ndarray) -> float:
        """What the sum is divided by: the items, each by its weight."""
        if self.weights is None or targets.ndim > 1:
            return float(max(1, len(targets)))
        return max(1e-6, float(self.weights.cpu().numpy()[targets].sum()))


def _backward(ctx: RunContext, put: Reader, job: Job, rows: np.ndarray, loss: _Loss, gear: Gear) -> float:
    """Gather the gradient of the mean loss over a batch, and give that loss; not finite: no gradient is of use.

    Where the GPU's memory was too small, the batch goes in 2 ** halvings parts whose gradients add up to the same.
    """
    _, _, _, whole = _scored(job, rows)
    over, total = loss.over(whole), 0.0
    for part in np.array_split(rows, 2**ctx.halvings):
        if not len(part):
            continue
        within, places, targets = _scored(job, part)[1:]
        inputs = job.feed.inputs(part, gear)
        words = inputs
        if job.params.adversarial:
            inputs = embedded(put.whole, words)
        with gear.autocast():
            logits = put(inputs, within, places)
        value = loss(logits, targets) / over
        total += float(value.detach())
        if not math.isfinite(total):
            return total
        value.backward()
        if job.params.adversarial:
            inputs = embedded(put.whole, words, away(inputs["inputs_embeds"], job.params.adversarial))
            with gear.autocast():
                logits = put(inputs, within, places)
            (loss(logits, targets) / over).backward()
    return total


def _lessons(ctx: RunContext, network: Network, job: Job, step: int, gear: Gear) -> dict[str, float]:
    """Add the gradients of what a step learns besides the mix. -> what the metrics say of it"""
    told: dict[str, float] = {}
    for lesson in job.lessons:
        told |= lesson.teach(network, step, gear, 2**ctx.halvings)
    if not all(map(math.isfinite, told.values())):
        raise CoreError("loss_not_finite", {"step": step + 1}, "hint_loss")
    return told


def _scored(job: Job, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The items of a batch that the loss is taken from: (positions, row within the batch, place, target)."""
    positions, within, places = job.feed.items(rows)
    targets = job.train.targets[positions]
    use = (places >= 0) & scored(targets)
    return positions[use], within[use], places[use], targets[use]


def _clip(network: Network, most: float) -> float:
    """Shorten the gradient to `most` where it is longer. -> its norm before that"""
    import torch

    found = [p for p in network.trained().values() if p.grad is not None]
    return float(torch.nn.utils.clip_grad_norm_(found, most))


def _look_at_dev(ctx: RunContext, network: Network, job: Job, progress: Progress) -> None:
    import torch

    random = torch.get_rng_state()
    score, write_predictions = job.evaluate()
    torch.set_rng_state(random)
    ctx.metric(step=progress.step, dev=score, s=job.seconds)
    progress.stale += 1
    if score > progress.best_score:  # a later step must be better, not equal
        progress.best_score, progress.best_step, progress.stale = score, progress.step, 0

        def write(folder: Path) -> None:
            save_tensors(dict(network.trained()), folder / "model.safetensors")
            write_predictions(folder / PREDICTIONS)

        checkpoints.save(ctx.folder / "best", progress.step, write, ctx.point)
        checkpoints.prune(ctx.folder / "best", KEPT_BEST)


def _resume(ctx: RunContext, network: Network, optimizer: Any, job: Job) -> Progress:
    """Where the newest verified checkpoint stands, with its weights laid; the beginning where there is none."""
    found = state.resume(ctx, network.trained(), optimizer, job.environment)
    return Progress() if found is None else Progress(**found)


def _restore_best(ctx: RunContext, network: Network, progress: Progress) -> None:
    state.lay(network.trained(), best_of(ctx, progress) / "model.safetensors")
