"""The run kinds `train` (one seed of one mix) and `evaluate` (trained runs on another corpus)."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.corpus import Corpus
from core.mix import GOLD
from core.models import batching, loading
from core.models.fit import UNKNOWN_WARNING
from core.models.shapes import shape_in
from core.params import CLOSED, build
from core.prompting.prompted import opened
from core.runs import POOL, TEXT, RunContext
from core.tasks import task as task_of
from core.tasks.drawing import drawn_of, mixed
from core.tasks.protocol import Encoded, Pieces, Task
from core.training import first_batch, predictions, prompting, sense
from core.training.consistency import Consistency, text_of
from core.training.feed import drawn_pieces, feed, joined, pieces_of
from core.training.first_batch import FirstBatch
from core.training.gear import Gear, gear_of, versions
from core.training.heads import Beginning, begin
from core.training.loop import PREDICTIONS, Job, Progress, at_once, best_of, train
from core.training.methods import Network, counted, frozen_layers, ready
from core.training.run_params import TrainRunParams
from core.training.settings import TrainParams
from core.training.state import environment_of


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


def prepare(pools: Mapping[str, Corpus], params: TrainRunParams, model: Path, cache: Path | None = None) -> Prepared:
    """Draw and encode the mix. `pools`: gold and the ingredients; `model`: folder of the installed model; `cache`:
    where sub-tokens of pools are kept."""
    gold = pools[GOLD]
    task = task_of(gold.schema.task)
    found = drawn_of(task, pools, params.mix, params.seed)
    drawn = mixed(task, found.pools, found.picked, params.mask_outside)
    length = params.train.max_length
    parts = [drawn_pieces(task, found.pools[name], at, model, length, cache) for name, at in found.picked.items()]
    encoded = Encoded(joined(parts), task.targets(drawn.table, params.labels))
    batches = batching.count(encoded.lengths, params.train.batch_tokens)
    return Prepared(drawn, found.rows, encoded, params.train.steps_for(batches))


def run(ctx: RunContext) -> None:
    """Train one seed; keeps model/, the dev predictions and result.json, and drops the checkpoints."""
    began = time.monotonic()
    params = build(TrainRunParams, ctx.spec.params, "train")
    pools = {GOLD: corpora.read(ctx.input(GOLD))}
    pools |= {r[len(POOL) :]: corpora.read(ctx.input(r)) for r in ctx.spec.inputs if r.startswith(POOL)}
    dev, base = corpora.read(ctx.input("dev")), ctx.input("model")
    if params.train.method == "prompt":
        prompting.run(ctx, params, pools, dev)
        return
    task, cache, settings = task_of(dev.schema.task), ctx.root / "cache", params.train
    prepared = prepare(pools, params, base, cache)
    _warn(ctx, prepared.encoded.pieces)
    gear = gear_of(ctx.resolved)
    dev_pieces = pieces_of(task, dev, base, settings.max_length, cache)
    classes = task.classes(params.labels)
    network, made = _network(ctx, task, prepared, params, base, gear)

    def evaluate() -> tuple[float, Callable[[Path], None]]:
        if settings.method == "contrastive":
            begin(network, made)  # the encoder is another by now
        read = feed(dev_pieces, network.whole, network.frozen, base, gear, ctx.check_cancelled)
        guessed = predictions.predict(network.reader(task, read), params.labels, read, gear)
        return predictions.f1_of(task, dev, guessed.values, params.labels), lambda path: predictions.write(
            path, dev, guessed
        )

    looks = settings.looks(_learned(prepared, settings), len(dev_pieces.ids))
    job = Job(
        task, prepared.encoded, made.feed, settings, prepared.steps, settings.evaluation_steps(prepared.steps, looks),
        params.seed, len(classes), evaluate, environment_of(ctx.resolved), began,
        _lessons(ctx, task, params, prepared.steps, base),
    )  # fmt: skip
    first_batch.keep(ctx.folder, lambda: _first_batch(prepared, params, classes, base))
    _tell_sizes(ctx, job, dev_pieces, looks)
    best = (at_once if settings.at_once else train)(ctx, network, job, gear)
    _deliver(ctx, network, best, dev, prepared, base, params, dev_pieces.truncated)


def _network(
    ctx: RunContext, task: Task, prepared: Prepared, params: TrainRunParams, base: Path, gear: Gear
) -> tuple[Network, Beginning]:
    """The network as it begins, and what its head begins from."""
    import torch

    torch.manual_seed(params.seed)
    frozen = frozen_layers(params.train, base)
    shape = sense.shape(params.train, task, base)
    network = ready(loading.network(base, task.head, task.classes(params.labels), shape), params.train, frozen)
    network.whole.to(gear.device)
    found = feed(prepared.encoded.pieces, network.whole, frozen, base, gear, ctx.check_cancelled)
    about = (gear, params.seed, base, params.labels, prepared.drawn.table)
    made = Beginning(task, params.train, prepared.encoded, found, *about)
    if params.train.head not in ("suited", "fresh"):
        begin(network, made)
    return network, made


def _lessons(ctx: RunContext, task: Task, params: TrainRunParams, steps: int, base: Path) -> list[Consistency]:
    """What is learned besides the mix: consistency, from the text that is named for it, if any is."""
    name = params.train.consistency
    if name is None:
        return []
    corpus = corpora.read(ctx.input(TEXT + name))
    text = text_of(task, corpus, params.train, steps, params.seed, base, ctx.root / "cache")
    return [Consistency(text, task, params.train)]


def _deliver(
    ctx: RunContext,
    network: Network,
    best: Progress,
    dev: Corpus,
    prepared: Prepared,
    base: Path,
    params: TrainRunParams,
    cut: int,
) -> None:
    """Keep the model and the predictions of its best step, and say what came of it. `cut`: words of dev cut off."""
    shutil.copyfile(best_of(ctx, best) / PREDICTIONS, predictions.file_of(ctx.folder, dev.id))
    folder = ctx.folder / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    length = loading.longest_input(base, params.train.max_length)
    meta = loading.ModelMeta(base.name, dev.schema.task, dev.schema.language, params.labels, length, network.frozen)
    meta = replace(meta, shape=shape_in(network.whole))
    weights = {"trained": counted([*network.trained().values()]), "all": counted([*network.whole.parameters()])}
    loading.save_trained(network.merged(), meta, folder)
    ctx.finish(
        {
            "steps": prepared.steps,
            "rows": dict(prepared.rows),
            "best_step": best.best_step,
            "best_dev": best.best_score,
            "unknown_words": prepared.encoded.pieces.unknown_share,
            "truncated_words": prepared.encoded.pieces.truncated + cut,
            "frozen_layers": network.frozen,
            "weights": weights,
            "versions": dict(versions()),
        }
    )
    ctx.point("finished")
    for name in ("checkpoints", "best"):
        shutil.rmtree(ctx.folder / name, ignore_errors=True)


def _learned(prepared: Prepared, settings: TrainParams) -> int:
    """Sub-tokens that are learned from in all steps."""
    lengths = prepared.encoded.lengths
    return int(lengths.sum()) * prepared.steps // batching.count(lengths, settings.batch_tokens)


def _first_batch(prepared: Prepared, params: TrainRunParams, classes: Sequence[str], base: Path) -> FirstBatch:
    names = prepared.drawn.table.column("ingredient").to_pylist()
    budget, read = params.train.batch_tokens, loading.tokenizer(base)
    return first_batch.first_batch(prepared.encoded, names, classes, read, budget, params.seed)


def _tell_sizes(ctx: RunContext, job: Job, dev: Pieces, looks: int) -> None:
    """The first line of the metrics: what steps are to be counted by, and what a look at dev is to cost."""
    lengths = job.train.lengths
    per_epoch = batching.count(lengths, job.params.batch_tokens)
    sizes = {"per_epoch": per_epoch, "tokens": int(lengths.sum()), "dev_tokens": len(dev.ids), "looks": looks}
    ctx.metric(step=0, total=job.steps, s=job.seconds, **sizes)


def _warn(ctx: RunContext, read: Pieces) -> None:
    if read.unknown_share > UNKNOWN_WARNING:
        ctx.note(f"warning: the model's vocabulary does not know {read.unknown_share:.0%} of the words")
    if read.truncated:
        ctx.note(f"warning: {read.truncated} words stand beyond the longest input and are not learned from")


def evaluate(ctx: RunContext) -> None:
    """Predict a corpus with every trained run among the inputs; each keeps its predictions in its own folder.

    `prompted` in its result: of the runs that ask a language model, by number, what became of the questions.
    """
    data = corpora.read(ctx.input("data"))
    gear = gear_of(ctx.resolved)
    roles = [role for role in ctx.spec.inputs if role.startswith("model:")]
    prompted: dict[str, Any] = {}
    for number, role in enumerate(roles):
        ctx.check_cancelled()
        folder = ctx.input(role)
        path = predictions.file_of(folder, data.id)
        if not path.exists():
            asked = opened(folder / "model", ctx.root)
            if asked is None:
                found = with_model(folder / "model", ctx.root, data, gear)
            else:
                found = prompting.labelled(ctx, asked, data)
                prompted[folder.name] = prompting.noted(ctx, asked).to_json()
            predictions.write(path, data, found)
        ctx.metric(step=number + 1, total=len(roles))
    ctx.finish({"models": len(roles)} | ({"prompted": prompted} if prompted else {}))


def with_model(folder: Path, root: Path, data: Corpus, gear: Gear) -> predictions.Predictions:
    """The predictions of a fine-tuned model (folder of a run's `model`) for a corpus. `root`: of the workspace."""
    meta = loading.ModelMeta.read(folder)
    base = root / "models" / meta.base
    task = task_of(meta.task)
    model = loading.load_trained(folder, base, task.head, task.classes(meta.labels)).to(gear.device)
    pieces = pieces_of(task, data, base, meta.max_length, root / "cache")
    frozen = meta.frozen_layers
    read = feed(pieces, model, frozen, base, gear)
    return predictions.predict(Network(model, frozen).reader(task, read), meta.labels, read, gear)
