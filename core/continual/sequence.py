"""The run kind `sequence`: one model learns from one corpus after another, in one way of keeping, under one seed.

After each step it says what it finds in dev of all steps, those to come too; what came of it (core.sequences) is read
from those predictions. Predictions for test, of the steps learned so far, are made with them, and looked at only where
somebody asks.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.continual import routing
from core.continual.chain import (
    DEV,
    FISHER,
    START,
    TEST,
    WEIGHTS,
    Chain,
    chain_of,
    fisher_of,
    means_of,
    network_of,
    rows_of,
    spread,
    weights_before,
)
from core.continual.distillation import hot, learned, said
from core.continual.ewc import Consolidation
from core.continual.keep import Keep
from core.continual.within import Within
from core.models import batching, loading
from core.params import canonical, digest
from core.runs import RunContext
from core.tasks.protocol import Encoded
from core.training import predictions
from core.training.feed import Feed
from core.training.gear import versions
from core.training.heads import Beginning, begin
from core.training.loop import Job, Lesson, train
from core.training.methods import Network
from core.training.predictions import Predictions, f1_of, predict
from core.training.state import environment_of

_DONE = "step.json"
_SEEDS = 1000  # seeds of a run's steps are so far apart


def run(ctx: RunContext) -> None:
    """Inputs: `model`, the encoder; `gold:N`, `dev:N` and, where there is one, `test:N` of each step; `start`, where
    the first step is a trained run. Each finished step is kept, and an attempt after a crash goes on behind it."""
    chain = chain_of(ctx)
    last = len(chain.gold) - 1
    ctx.metric(step=0, total=(chain.params.train.steps or 0) * (last + 1))
    for at in [last] if chain.params.keep.joint else range(last + 1):
        if not (chain.folder(at) / _DONE).exists() and not _fetched(chain, at):
            began = time.monotonic()
            chain.folder(at).mkdir(exist_ok=True)
            told = _step(chain, at)
            _foretell(chain, at)
            _note(chain.folder(at), told | {"seconds": round(time.monotonic() - began, 3)})
            _lend(chain, at)
        ctx.point("sequence.step")
    done = [json.loads(path.read_text()) for path in sorted(ctx.folder.glob(f"step-*/{_DONE}"))]
    _deliver(chain, last)
    ctx.finish({"steps": done, "labels": list(chain.labels(last)), "versions": dict(versions())})


def _note(folder: Path, told: Mapping[str, Any]) -> None:
    draft = folder / f"{_DONE}.tmp"
    draft.write_text(json.dumps(told))
    draft.rename(folder / _DONE)


def _shared(chain: Chain, at: int) -> Path | None:
    """Where the first step is kept for other ways of keeping: under one seed it is the same for all of them."""
    ctx = chain.ctx
    if at or chain.params.keep.joint or START in ctx.spec.inputs:
        return None
    settings = canonical(replace(chain.params, keep=Keep()))
    about = [dict(ctx.spec.inputs), settings, environment_of(ctx.resolved)]
    return ctx.root / "cache" / "first-steps" / digest(about)[:24]


def _fetched(chain: Chain, at: int) -> bool:
    """Take over the first step from another run, where one has learned it."""
    source, target = _shared(chain, at), chain.folder(at)
    if source is None or not source.exists():
        return False
    shutil.rmtree(target, ignore_errors=True)
    draft = target.with_suffix(".tmp")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(source, draft)
    except (FileNotFoundError, shutil.Error):  # cleaned up meanwhile
        return False
    draft.rename(target)
    return True


def _lend(chain: Chain, at: int) -> None:
    """Keep the first step for others."""
    target = _shared(chain, at)
    if target is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}-{chain.ctx.folder.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(chain.folder(at), draft)
    try:
        draft.rename(target)
    except OSError:  # another was faster
        shutil.rmtree(draft, ignore_errors=True)


def _step(chain: Chain, at: int) -> dict[str, Any]:
    """Learn a step, and keep its weights. -> what is told of it"""
    import torch

    folder = chain.folder(at)
    if at == 0 and START in chain.ctx.spec.inputs:
        shutil.copytree(chain.ctx.input(START) / WEIGHTS, folder / WEIGHTS, dirs_exist_ok=True)
        return {"rows": 0, "replayed": 0, "steps": 0, "best_step": 0}
    settings, joint = chain.params.train, chain.params.keep.joint
    seed = chain.params.seed + _SEEDS * at
    torch.manual_seed(seed)
    network = network_of(chain, at, None if at == 0 or joint else weights_before(chain, at))
    rows, replayed = rows_of(chain, at)
    read = chain.read(network, rows.pieces)
    if (settings.head == "solved" and (at == 0 or joint)) or (chain.params.keep.adapters and at):
        solved = replace(settings, head="solved")
        made = Beginning(chain.task, solved, rows, read, chain.gear, chain.params.seed, chain.base, chain.labels(at))
        begin(network, made)
    each = settings.steps_for(batching.count(rows.lengths, settings.batch_tokens))
    steps = each * len(chain.gold) if joint else each
    within = Within(chain.ctx, folder, 0 if joint else each * at)
    job = _job(chain, at, network, rows, read, steps)
    torch.manual_seed(seed)  # whatever was kept already, and not worked out anew
    best = train(within, network, job, chain.gear)
    _keep(chain, at, network)
    return {"rows": len(chain.gold[at]), "replayed": replayed, "steps": steps, "best_step": best.best_step}


def _keep(chain: Chain, at: int, network: Network) -> None:
    """Keep the weights of a step; its checkpoints have had their day."""
    target = chain.folder(at) / WEIGHTS
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    length = loading.longest_input(chain.base, chain.params.train.max_length)
    about = (chain.base.name, chain.task.name, chain.gold[0].schema.language, chain.labels(at), length, network.frozen)
    loading.save_trained(network.merged(), loading.ModelMeta(*about), target)
    for name in ("checkpoints", "best"):
        shutil.rmtree(chain.folder(at) / name, ignore_errors=True)


def _job(chain: Chain, at: int, network: Network, rows: Encoded, read: Feed, steps: int) -> Job:
    settings, task, dev = chain.params.train, chain.task, chain.held[f"{DEV}{at}"]
    own, pieces = chain.params.labels[at], chain.pieces(dev)

    def evaluate() -> tuple[float, Callable[[Path], None]]:
        found = chain.read(network, pieces)
        guessed = predict(network.reader(task, found), chain.labels(at), found, chain.gear)
        return f1_of(task, dev, guessed.values, own), lambda path: predictions.write(path, dev, guessed)

    learns = int(rows.lengths.sum()) * steps // batching.count(rows.lengths, settings.batch_tokens)
    looks = settings.evaluation_steps(steps, settings.looks(learns, len(pieces.ids)))
    return Job(
        task, _taught(chain, at, rows), read, settings, steps, looks, chain.params.seed + _SEEDS * at,
        len(chain.classes(at)), evaluate, environment_of(chain.ctx.resolved), lessons=_lessons(chain, at),
    )  # fmt: skip


def _taught(chain: Chain, at: int, rows: Encoded) -> Encoded:
    """The rows of a step with what the model before says of the new ones."""
    keep = chain.params.keep
    if not at or not (keep.mask or keep.distil):
        return rows
    before = network_of(chain, at - 1, weights_before(chain, at))
    says = said(before, chain.task, chain.read(before, chain.pieces(chain.gold[at])), chain.gear)
    new = len(says)
    own = learned(keep, chain.task, rows.targets[:new], says, chain.classes(at - 1), chain.classes(at))
    others = rows.targets[new:]
    if own.ndim > others.ndim:
        others = hot(others, own.shape[1])
    return Encoded(rows.pieces, np.concatenate([own, others]))


def _lessons(chain: Chain, at: int) -> list[Lesson]:
    """The weights before, held where they matter; outputs of new classes are free."""
    if not at or not chain.params.keep.ewc:
        return []
    begins = network_of(chain, at, weights_before(chain, at)).trained()
    held = {
        name: spread(tensor, chain.classes(at - 1), chain.classes(at), begins[name])
        for name, tensor in fisher_of(chain, at - 1).items()
    }
    return [Consolidation(chain.params.keep.ewc, {name: p.detach() for name, p in begins.items()}, held)]


def _foretell(chain: Chain, at: int) -> None:
    """Predict the held-out rows with the model as it is after a step."""
    parts = range(at + 1) if chain.params.keep.adapters else (at,)
    networks = [network_of(chain, part, chain.folder(part) / WEIGHTS) for part in parts]
    router = routing.router([means_of(chain, chain.gold[part]) for part in parts]) if len(networks) > 1 else None
    for role, corpus in chain.held.items():
        if role.startswith(TEST) and int(role.removeprefix(TEST)) > at:
            continue
        found: list[Predictions] = []
        for part, network in zip(parts, networks, strict=True):
            chain.ctx.check_cancelled()
            read = chain.read(network, chain.pieces(corpus))
            found.append(predict(network.reader(chain.task, read), chain.labels(part), read, chain.gear))
        one = found[0] if router is None else routing.chosen(found, router.steps(means_of(chain, corpus)))
        predictions.write(predictions.file_of(chain.folder(at), corpus.id), corpus, one)


def _deliver(chain: Chain, last: int) -> None:
    """Keep the model after the last step; with adapters, the part of each."""
    if not (chain.folder(last) / WEIGHTS).exists():  # an attempt that ended here had done it
        return
    target = chain.ctx.folder / WEIGHTS
    shutil.rmtree(target, ignore_errors=True)
    if chain.params.keep.adapters:
        _deliver_parts(chain, last, target)
    else:
        shutil.copytree(chain.folder(last) / WEIGHTS, target)
    for at in reversed(range(last + 1)):
        shutil.rmtree(chain.folder(at) / WEIGHTS, ignore_errors=True)
        (chain.folder(at) / FISHER).unlink(missing_ok=True)


def _deliver_parts(chain: Chain, last: int, target: Path) -> None:
    """What each step learned over the encoder as the first step left it, and the router."""
    from safetensors.torch import load_file

    first = load_file(str(chain.folder(0) / WEIGHTS / loading.OVERLAY))
    prefix = f"{network_of(chain, 0, None).whole.base_model_prefix}."
    encoder = {name: tensor for name, tensor in first.items() if name.startswith(prefix)}
    for at in range(last + 1):
        source, part = chain.folder(at) / WEIGHTS, routing.part_of(target, at)
        part.mkdir(parents=True)
        shutil.copyfile(source / loading.META, part / loading.META)
        loading.save_tensors(encoder | load_file(str(source / loading.OVERLAY)), part / loading.OVERLAY)
    about = loading.ModelMeta.read(chain.folder(last) / WEIGHTS)
    labels = tuple(sorted({label for step in chain.params.labels for label in step}))
    loading.save_meta(replace(about, labels=labels), target)
    routing.write(routing.router([means_of(chain, gold) for gold in chain.gold]), target)
