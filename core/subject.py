"""A training that is to be explained: what its folder says of it, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.jobs.folder import last_metrics, read_object
from core.models.weights import Layout, layout
from core.params import build
from core.report.formulas import Objective
from core.tasks import task as task_of
from core.training.first_batch import FILE, of_json
from core.training.methods import frozen_layers
from core.training.portions import Split, split
from core.training.settings import TrainParams
from core.workspace import Workspace

MOST = 200  # steps that one chooses from


@dataclass(frozen=True)
class Moment:
    """A step as it was noted. `norm`: of the gradient before clipping; `seconds`: None where they hold more."""

    step: int
    loss: float | None
    norm: float | None
    rate: float | None
    rows: int | None
    seconds: float | None
    looked: bool  # at dev, after it
    consistency: float | None = None  # the loss of text without labels, before it is weighed
    sure: float | None = None  # of the predictions for that text, 0..1


@dataclass(frozen=True)
class Filled:
    """The first batch as it was kept, in places of sub-tokens. `scored`: None where not every row was kept."""

    rows: int
    longest: int
    padding: int | None
    scored: int | None


@dataclass(frozen=True)
class Subject:
    """A training, as far as it is known. `parts`: None where its encoder isn't in the workspace."""

    train: TrainParams
    objective: Objective
    classes: int
    steps: int | None
    per_epoch: int | None
    tokens: int | None  # sub-tokens of a pass
    precision: str
    device: str
    encoder: Layout | None
    below: int  # lowest layers that are left as they are
    parts: Split | None
    first: Filled | None
    moments: Mapping[int, Moment]

    @property
    def newest(self) -> int:
        """The step it noted last; 1 where there is none."""
        return max(self.moments, default=1)


def subject(workspace: Workspace, run: str) -> Subject | None:
    """What is known of a training; None where it is no training, or its request or its dev can't be read."""
    folder = workspace.run_folder(run)
    spec = read_object(folder / "spec.json")
    if spec is None or spec.get("kind") != "train":
        return None
    named = _task_of(workspace.corpus_path(str(spec["inputs"]["dev"]).removeprefix("corpus:")))
    if named is None:
        return None
    task, params = task_of(named), spec["params"]
    train = build(TrainParams, params.get("train", {}), "train")
    classes = len(task.classes(tuple(params["labels"])))
    base = workspace.models / str(spec["inputs"]["model"]).removeprefix("model:")
    encoder = layout(base) if (base / "config.json").is_file() else None
    lines, resolved = last_metrics(folder), read_object(folder / "resolved.json") or {}
    result = read_object(folder / "result.json") or {}
    told: Mapping[str, Any] = next((line for line in lines if line["step"] == 0), {})
    below = 0 if encoder is None else frozen_in(train, base, lines, result)
    return Subject(
        train=train,
        objective=task.objective,
        classes=classes,
        steps=told.get("total") or result.get("steps") or train.steps,
        per_epoch=told.get("per_epoch"),
        tokens=told.get("tokens"),
        precision=str(resolved.get("precision", "")),
        device=str(resolved.get("device", "")),
        encoder=encoder,
        below=below,
        parts=None if encoder is None else split(encoder, train, below, classes, task.reads == "row"),
        first=_first(folder),
        moments=_moments(lines, train),
    )


def frozen_in(train: TrainParams, base: Path, lines: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> int:
    """How many of the lowest layers a run left as they were; before 0.3 none, unless its settings said so."""
    if "frozen_layers" in result:
        return int(result["frozen_layers"])
    old = any(line.get("loss") is not None and "grad" not in line for line in lines)
    return train.frozen_layers or 0 if old and train.method == "full" else frozen_layers(train, base)


@lru_cache(maxsize=256)
def _task_of(corpus: Path) -> str | None:
    return corpora.read(corpus).schema.task if corpus.is_file() else None


def _moments(lines: Sequence[Mapping[str, Any]], train: TrainParams) -> dict[int, Moment]:
    found: dict[int, Moment] = {}
    before: Mapping[str, Any] = {}
    for line in lines:
        step = line["step"]
        if step and line.get("loss") is not None:
            looked = line.get("dev") is not None
            seconds = _between(before, line, train)
            found[step] = Moment(
                step, line["loss"], line.get("grad"), line.get("lr"), line.get("rows"), seconds, looked,
                line.get("consistency"), line.get("sure"),
            )  # fmt: skip
        before = line
    return found


def _between(before: Mapping[str, Any], line: Mapping[str, Any], train: TrainParams) -> float | None:
    """Seconds from one step to the next, where nothing but the step lies between them."""
    if "s" not in line or "s" not in before or before["step"] != line["step"] - 1 or before["step"] == 0:
        return None
    kept = before.get("dev") is not None or before["step"] % train.checkpoint_every == 0
    return None if kept or before["attempt"] != line["attempt"] else max(0.0, line["s"] - before["s"])


def _first(folder: Path) -> Filled | None:
    kept = read_object(folder / FILE)
    if kept is None:
        return None
    batch = of_json(kept)
    if len(batch.sentences) < batch.rows or any(one.cut for one in batch.sentences):
        return Filled(batch.rows, batch.longest, None, None)
    scored = sum(piece.role == "scored" for one in batch.sentences for piece in one.pieces)
    return Filled(batch.rows, batch.longest, sum(one.padding for one in batch.sentences), scored)


def choices(found: Subject) -> list[int]:
    """The steps that one may look at: all, or evenly spaced ones with each look at dev, the newest last."""
    steps = sorted(found.moments)
    apart = max(1, -(-len(steps) // MOST))
    return [step for at, step in enumerate(steps) if at % apart == 0 or found.moments[step].looked or step == steps[-1]]
