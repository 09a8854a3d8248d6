"""The run kind `reasons`: what reaches the head of a trained run, of every row that it learned from.

One pass over the mix, drawn again as the training drew it: the same spec, the same rows. What is kept is enough to say
of any prediction which of these rows stand behind it (core.reasons.rows), without a network.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.mix import GOLD
from core.models import batching, loading, shapes
from core.params import CLOSED, build
from core.reasons.rows import Read
from core.runs import POOL, RunContext, RunSpec, located
from core.tasks import task as task_of
from core.tasks.drawing import drawn_of, mixed
from core.tasks.protocol import Task
from core.training.feed import BATCH_TOKENS, Feed, Reader, pieces_of, reader
from core.training.gear import Gear, gear_of
from core.training.train import TrainRunParams

KIND, MODEL = "reasons", "model"  # the kind, and the role of the trained run
MOST_ROWS = 10_000  # different ones of a mix that are read
STATES, LOGITS, ROWS = "states.npy", "logits.npy", "mix.arrow"
TIMES, INGREDIENT = "times", "ingredient"  # columns beside those of the task


@dataclass(frozen=True)
class ReasonsParams:
    """No choices: the trained run says all."""

    __pydantic_config__ = CLOSED


@dataclass(frozen=True)
class Behind:
    """The rows behind a run. `mix`: each different row once, with the columns `ingredient` and `times`, how often it
    was drawn; `states`: what reaches the head of each of its items, `logits`: what the head makes of it, NaN where it
    was cut off. *Shapes:* (items, width), (items, classes), float16, memory-mapped. `drawn`: different rows that the
    mix has, of which some were read."""

    mix: Corpus
    states: np.ndarray
    logits: np.ndarray
    labels: tuple[str, ...]
    drawn: int

    def read(self) -> Read:
        """As core.reasons.rows needs it."""
        task = task_of(self.mix.schema.task)
        lengths = np.ones(len(self.mix), np.int64) if task.reads == "row" else task.lengths(self.mix.table)
        targets, times = task.targets(self.mix.table, self.labels), self.mix.table.column(TIMES).to_numpy()
        return Read(self.states, self.logits, targets, np.concatenate([[0], np.cumsum(lengths)]), times)


@dataclass(frozen=True)
class Head:
    """A trained network cut before its head's last map. `put`: gives what reaches it; `last`: that map."""

    put: Reader
    last: Any

    def __call__(self, feed: Feed, rows: np.ndarray, gear: Gear) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What reaches the head of the items of some rows that were not cut off, their logits, and where they stand
        among all items. *Shapes:* (n, width), (n, classes), both float32, (n,)."""
        import torch

        self.put.whole.eval()
        positions, within, places = feed.items(rows)
        seen = places >= 0
        with torch.inference_mode(), gear.autocast():
            states = self.put(feed.inputs(rows, gear), within[seen], places[seen]).float()
            logits = self.last(states).float()
        return states.cpu().numpy(), logits.cpu().numpy(), positions[seen]


def head_of(task: Task, network: Any) -> Head:
    """Of a trained network."""
    return Head(reader(task, shapes.headless(network)), network.get_submodule(shapes.head_name(network)))


def spec_of(run_id: str) -> RunSpec:
    """The run that reads the mix of a trained one."""
    return RunSpec(KIND, {MODEL: f"run:{run_id}"})


def refusal(run_id: str, spec: RunSpec) -> CoreError | None:
    """Why no rows stand behind a run with this spec: `reasons_no_mix`, `reasons_no_labels`; None where some do."""
    if spec.kind != "train":
        return CoreError("reasons_no_mix", {"run": run_id, "kind": spec.kind})
    no_labels = build(TrainRunParams, spec.params, "train").train.no_labels
    return CoreError("reasons_no_labels", {"run": run_id}) if no_labels else None


def read(folder: Path) -> Behind:
    """What a run of this kind delivered. `folder`: of the run."""
    about: Mapping[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    states, logits = (np.lib.format.open_memmap(folder / name, "r") for name in (STATES, LOGITS))
    return Behind(corpora.read(folder / ROWS), states, logits, tuple(about["labels"]), about["drawn"])


def run(ctx: RunContext) -> None:
    """Inputs: `model`, a trained run with weights. Raises CoreError `run_without_weights`, `run_prompted`,
    `run_of_parts`, `reasons_no_mix`, `reasons_no_labels`, `corpus_gone`."""
    trained = ctx.input(MODEL)
    meta, mix, drawn = _mix(ctx.root, trained)
    task, base = task_of(meta.task), ctx.root / "models" / meta.base
    gear = gear_of(ctx.resolved)
    network: Any = loading.load_trained(trained / "model", base, task.head, task.classes(meta.labels))
    feed = Feed(pieces_of(task, mix, base, meta.max_length, None), loading.pad_id(base))
    found = _read(ctx, head_of(task, network.to(gear.device)), feed, gear)
    for name, array in zip((STATES, LOGITS), found, strict=True):
        np.save(ctx.folder / name, array)
    corpora.keep(mix.table, mix.schema.to_json(), ctx.folder / ROWS)
    ctx.finish({"rows": len(mix), "drawn": drawn, "labels": [*meta.labels]})


def _mix(root: Path, trained: Path) -> tuple[loading.ModelMeta, Corpus, int]:
    """The different rows that a run learned from, or as many as are read, and how many there are in all."""
    loading.check_kept(trained, trained.name)
    spec = RunSpec.from_json(json.loads((trained / "spec.json").read_text(encoding="utf-8")))
    refused = refusal(trained.name, spec)
    if refused is not None:
        raise refused
    params = build(TrainRunParams, spec.params, "train")
    pools = {role.removeprefix(POOL): _corpus(root, value) for role, value in spec.inputs.items()
             if role == GOLD or role.startswith(POOL)}  # fmt: skip
    task = task_of(pools[GOLD].schema.task)
    drawing = drawn_of(task, pools, params.mix, params.seed)
    once = {name: np.unique(rows, return_counts=True) for name, rows in drawing.picked.items()}
    whole = mixed(task, drawing.pools, {name: rows for name, (rows, _) in once.items()}, params.mask_outside)
    times = np.concatenate([counts for _, counts in once.values()])
    found = Corpus(whole.schema, whole.table.append_column(TIMES, pa.array(times, pa.int32())))
    some = found if len(found) <= MOST_ROWS else found.take(_some(len(found)))
    return loading.ModelMeta.read(trained / "model"), some, len(found)


def _some(rows: int) -> np.ndarray:
    """So many of them by chance, always the same, in order."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


def _corpus(root: Path, value: str) -> Corpus:
    path = root / located(value)
    if not path.is_file():
        raise CoreError("corpus_gone", {"corpus": value.partition(":")[2][:16]})
    return corpora.read(path)


def _read(ctx: RunContext, head: Head, feed: Feed, gear: Gear) -> tuple[np.ndarray, np.ndarray]:
    """States and logits of all items, as `Behind` has them."""
    items, done = int(feed.pieces.items[-1]), 0
    found: list[np.ndarray] = []
    for rows in batching.in_order(feed.pieces.lengths, BATCH_TOKENS):
        ctx.check_cancelled()
        ctx.metric(step=done, total=len(feed.pieces))
        *read, positions = head(feed, rows, gear)
        if not found:
            found = [np.full((items, side.shape[1]), np.nan, np.float16) for side in read]
        for whole, side in zip(found, read, strict=True):
            whole[positions] = side
        done += len(rows)
    return found[0], found[1]
