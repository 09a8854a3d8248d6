"""The run kinds `train` (one seed of one mix) and `evaluate` (trained runs on another corpus)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from core import corpus as corpora
from core.corpus import Corpus
from core.evaluation.scoring import Rates
from core.mix import GOLD, Mix, plan
from core.models import loading
from core.models.fit import UNKNOWN_WARNING
from core.params import CLOSED, build
from core.runs import POOL, RunContext
from core.tasks import task as task_of
from core.tasks.drawing import draw_mix
from core.tasks.protocol import Encoded, Task
from core.training import batching, first_batch, predictions
from core.training.first_batch import FirstBatch
from core.training.loop import Job, accelerator, train
from core.training.settings import TrainParams


@dataclass(frozen=True)
class TrainRunParams:
    """One training: a mix, the settings, one seed. `model` inside `train` is the identity of the installed model."""

    __pydantic_config__ = CLOSED
    seed: Annotated[int, Field(ge=0)]
    labels: tuple[str, ...]
    mix: Mix = Mix()
    train: TrainParams = TrainParams()
    mask_outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateParams:
    """No choices: the inputs say which trained runs (`model:0`, ...) and which corpus (`data`)."""

    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class Prepared:
    """A mix drawn and encoded: what a training will see, and for how many steps."""

    drawn: Corpus
    rows: Mapping[str, int]
    encoded: Encoded
    steps: int


def prepare(pools: Mapping[str, Corpus], params: TrainRunParams, model: Path) -> Prepared:
    """Draw and encode the mix. `pools`: gold and the ingredients; `model`: folder of the installed model."""
    gold = pools[GOLD]
    task = task_of(gold.schema.task)
    rows = plan(params.mix, {name: len(pool) for name, pool in pools.items()})
    seed = params.mix.seed + params.seed if params.mix.draw_per_seed else params.mix.seed
    drawn = draw_mix(task, pools, rows, seed, params.mask_outside)
    length = loading.longest_input(model, params.train.max_length)
    encoded = task.encode(drawn.table, params.labels, loading.tokenizer(model), length)
    batches = batching.count(encoded.lengths, params.train.batch_tokens)
    return Prepared(drawn, rows, encoded, params.train.steps_for(batches))


def run(ctx: RunContext) -> None:
    """Train one seed; keeps model/, the dev predictions and result.json, and drops the checkpoints."""
    began = time.monotonic()
    import shutil

    import torch

    params = build(TrainRunParams, ctx.spec.params, "train")
    pools = {GOLD: corpora.read(ctx.input(GOLD))}
    pools |= {r[len(POOL) :]: corpora.read(ctx.input(r)) for r in ctx.spec.inputs if r.startswith(POOL)}
    dev, base = corpora.read(ctx.input("dev")), ctx.input("model")
    task = task_of(dev.schema.task)
    prepared = prepare(pools, params, base)
    _warn(ctx, prepared.encoded)
    gear = accelerator(ctx.resolved)
    length = loading.longest_input(base, params.train.max_length)
    dev_encoded = task.encode(dev.table, params.labels, loading.tokenizer(base), length)
    pad = loading.pad_id(base)

    def headline(model: Any) -> float:
        guessed = predictions.predict(task, model, params.labels, dev_encoded, pad, gear)
        return dev_f1(task, dev, guessed.values, params.labels)

    torch.manual_seed(params.seed)
    model = loading.network(base, task.head, task.classes(params.labels))
    environment = {k: ctx.resolved[k] for k in ("device", "precision", "threads", "versions")}
    job = Job(prepared.encoded, params.train, prepared.steps, params.seed, pad, headline, environment, began)
    first_batch.keep(ctx.folder, lambda: _first_batch(prepared, params, task.classes(params.labels), base))
    _tell_sizes(ctx, job, dev_encoded)
    best_step, best = train(ctx, model, job, gear)
    final = predictions.predict(task, model, params.labels, dev_encoded, pad, gear)
    predictions.write(predictions.file_of(ctx.folder, dev.id), dev, final)
    folder = ctx.folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    meta = loading.ModelMeta(base.name, dev.schema.task, dev.schema.language, params.labels, length)
    loading.save_trained(model, meta, folder)
    ctx.finish(
        {
            "steps": prepared.steps,
            "rows": dict(prepared.rows),
            "best_step": best_step,
            "best_dev": best,
            "unknown_words": prepared.encoded.unknown,
            "truncated_words": prepared.encoded.truncated + dev_encoded.truncated,
        }
    )
    ctx.point("finished")
    for name in ("checkpoints", "best"):
        shutil.rmtree(ctx.folder / name, ignore_errors=True)


def _first_batch(prepared: Prepared, params: TrainRunParams, classes: Sequence[str], base: Path) -> FirstBatch:
    names = prepared.drawn.table.column("ingredient").to_pylist()
    budget, read = params.train.batch_tokens, loading.tokenizer(base)
    return first_batch.first_batch(prepared.encoded, names, classes, read, budget, params.seed)


def _tell_sizes(ctx: RunContext, job: Job, dev: Encoded) -> None:
    """The first line of the metrics: what steps are to be counted by, and what a look at dev is to cost."""
    lengths = job.train.lengths
    per_epoch = batching.count(lengths, job.params.batch_tokens)
    sizes = {"per_epoch": per_epoch, "tokens": int(lengths.sum()), "dev_tokens": int(dev.lengths.sum())}
    ctx.metric(step=0, total=job.steps, s=job.seconds, **sizes)


def dev_f1(task: Task, dev: Corpus, guessed: Any, labels: tuple[str, ...]) -> float:
    """The headline on dev: micro F1."""
    counts = task.counts(dev.table, guessed, labels)
    return float(Rates.of(counts.tp.sum(), counts.pred.sum(), counts.gold.sum()).f1)


def _warn(ctx: RunContext, encoded: Encoded) -> None:
    if encoded.unknown > UNKNOWN_WARNING:
        ctx.note(f"warning: the model's vocabulary does not know {encoded.unknown:.0%} of the words")
    if encoded.truncated:
        ctx.note(f"warning: {encoded.truncated} words stand beyond the longest input and are not learned from")


def evaluate(ctx: RunContext) -> None:
    """Predict a corpus with every trained run among the inputs; each keeps its predictions in its own folder."""
    data = corpora.read(ctx.input("data"))
    gear = accelerator(ctx.resolved)
    roles = [role for role in ctx.spec.inputs if role.startswith("model:")]
    for number, role in enumerate(roles):
        ctx.check_cancelled()
        folder = ctx.input(role)
        path = predictions.file_of(folder, data.id)
        if not path.exists():
            predictions.write(path, data, with_model(folder / "model", ctx.root / "models", data, gear))
        ctx.metric(step=number + 1, total=len(roles))
    ctx.finish({"models": len(roles)})


def with_model(folder: Path, models: Path, data: Corpus, gear: Any) -> predictions.Predictions:
    """The predictions of a fine-tuned model (folder of a run's `model`) for a corpus."""
    meta = loading.ModelMeta.read(folder)
    base = models / meta.base
    task = task_of(meta.task)
    model = loading.load_trained(folder, base, task.head, task.classes(meta.labels))
    model = gear.prepare(model)
    encoded = task.encode(data.table, meta.labels, loading.tokenizer(base), meta.max_length)
    return predictions.predict(task, model, meta.labels, encoded, loading.pad_id(base), gear)
