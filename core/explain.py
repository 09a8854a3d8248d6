"""What a training computes at a step, told with its own numbers: codes of core's words, and formulas beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import corpus as corpora
from core.errors import Value
from core.jobs.folder import last_metrics, read_object
from core.models.weights import Layout, layout
from core.params import build
from core.report import formulas
from core.report.formulas import Formula, Objective
from core.tasks import task as task_of
from core.training.consistency import EXCHANGED, SURE, TEMPERATURE
from core.training.contrastive import TEMPERATURE as CONTRAST
from core.training.first_batch import FILE, of_json
from core.training.methods import frozen_layers
from core.training.portions import Split, split
from core.training.settings import TrainParams
from core.workspace import Workspace

MOST = 200  # steps that one chooses from
_BY_NEARNESS = {  # what is said of a head that compares
    "prototypes": "explain_prototypes",
    "neighbours": "explain_neighbours",
    "described": "explain_described",
}
RIDGE = 10.0  # of a solved head, see core.models.ridge


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


@dataclass(frozen=True)
class Told:
    """A sentence by its code, and the formulas that belong to it."""

    code: str
    values: Mapping[str, Value]
    formulas: tuple[Formula, ...] = ()


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


def explained(found: Subject, step: int) -> list[Told]:
    """The step in the order in which it is computed, and what of the network it changes."""
    moment = found.moments.get(step) or Moment(step, None, None, None, None, None, False)
    parts = (_batch, _order, _loss, _backward, _text, _clipping, _rate, _update, _method)
    return [told for part in parts for told in part(found, moment)]


def _batch(found: Subject, moment: Moment) -> Iterator[Told]:
    step, steps = moment.step, found.steps
    if steps and found.per_epoch:
        values = {"step": step, "steps": steps, "pass": (step - 1) // found.per_epoch + 1, "each": found.per_epoch}
        yield Told("explain_step_pass", values)
    else:
        yield Told("explain_step", {"step": step, "steps": steps or "?"})
    if step == 1 and found.first is not None and found.first.scored is not None:
        first, padding = found.first, found.first.padding or 0
        places = first.rows * first.longest
        values = {"rows": first.rows, "longest": first.longest, "places": places, "padding": padding}
        yield Told("explain_batch_first", values | {"scored": first.scored})
    elif moment.rows is not None:
        yield Told("explain_batch", {"rows": moment.rows, "budget": found.train.batch_tokens})
    if found.tokens and found.per_epoch:
        mean = found.tokens / found.per_epoch
        yield Told("explain_tokens", {"mean": round(mean)})
        if moment.seconds:
            speed = round(mean / moment.seconds)
            yield Told("explain_time", {"seconds": round(moment.seconds, 3), "speed": speed})
            return
    if moment.seconds:
        yield Told("explain_time_alone", {"seconds": round(moment.seconds, 3)})


def _order(found: Subject, moment: Moment) -> Iterator[Told]:
    """What is done one after the other, and what need not be done again."""
    yield Told("explain_order_push" if found.train.adversarial else "explain_order", {})
    if found.encoder is not None:
        values = {"below": found.below, "layers": found.encoder.layers}
        if found.train.method == "frozen":
            yield Told("explain_states_all", values)
        elif found.below:
            yield Told("explain_states_below", values)
    if found.precision == "bf16":
        yield Told("explain_precision", {})


def _loss(found: Subject, moment: Moment) -> Iterator[Told]:
    if found.train.method == "contrastive":
        yield Told("explain_contrastive", {}, (formulas.contrastive(CONTRAST, moment.loss),))
        return
    weighted = _weighted(found)
    formula = formulas.loss(found.objective, weighted, found.classes, moment.loss)
    sigmoid = found.objective == "sigmoid"
    yield Told("explain_loss_sigmoid" if sigmoid else "explain_loss", {"classes": found.classes}, (formula,))
    if weighted:
        yield Told("explain_weighted", {})


def _weighted(found: Subject) -> bool:
    """Whether rare classes count more; of any number of classes an item, none does."""
    return found.train.class_weights == "balanced" and found.objective == "softmax"


def _backward(found: Subject, moment: Moment) -> Iterator[Told]:
    if found.train.method == "contrastive":
        return
    yield Told("explain_gradient", {}, (formulas.by_logit(found.objective, _weighted(found), found.classes),))
    if found.train.adversarial:
        yield Told("explain_push", {"length": found.train.adversarial}, (formulas.push(found.train.adversarial),))


def _text(found: Subject, moment: Moment) -> Iterator[Told]:
    train = found.train
    if train.consistency is None:
        return
    formula = formulas.consistency(train.consistency_weight, TEMPERATURE, SURE, moment.consistency)
    values = {"exchanged": round(100 * EXCHANGED), "sure": round(100 * SURE), "weight": train.consistency_weight}
    yield Told("explain_consistency", values, (formula,))
    if moment.sure is not None:
        yield Told("explain_consistency_sure", {"percent": round(100 * moment.sure, 1)})


def _clipping(found: Subject, moment: Moment) -> Iterator[Told]:
    clip, norm = found.train.clip, moment.norm
    formula = (formulas.clipped(clip, norm),)
    if norm is None:
        yield Told("explain_clip_unknown", {"clip": clip}, formula)
    else:
        values = {"clip": clip, "norm": float(formulas.figure(norm))}
        yield Told("explain_clip" if norm > clip else "explain_clip_below", values, formula)


def _rate(found: Subject, moment: Moment) -> Iterator[Told]:
    train, steps = found.train, found.steps
    if steps:
        formula = formulas.rate(train.peak, train.warmup, moment.step, steps)
        values = {"highest": train.peak, "percent": round(100 * train.warmup)}
        yield Told("explain_rate", values, (formula,))
    if train.method == "full" and train.layer_decay < 1 and found.encoder is not None:
        below = found.encoder.layers + 1
        yield Told("explain_by_layer", {"factor": train.layer_decay}, (formulas.by_layer(train.layer_decay, below),))


def _update(found: Subject, moment: Moment) -> Iterator[Told]:
    train, eta = found.train, eta_of(found, moment)
    if eta is not None:
        formula = formulas.update(moment.step, eta, train.weight_decay)
        yield Told("explain_update", {"decay": train.weight_decay}, (formula,))
    elif moment.step:
        yield Told("explain_update_unknown", {})


def eta_of(found: Subject, moment: Moment) -> float | None:
    """The learning rate of a step, as it was noted, else as the settings say."""
    if moment.rate is not None:
        return moment.rate
    return found.train.rate(moment.step - 1, found.steps) if found.steps else None


def _method(found: Subject, moment: Moment) -> Iterator[Told]:
    train = found.train
    if train.method == "lora":
        values: dict[str, Value] = {"rank": train.lora_rank, "alpha": train.lora_alpha}
        yield Told("explain_low_rank", values, (formulas.low_rank(train.lora_rank, train.lora_alpha),))
    if train.head == "solved":
        yield Told("explain_solved", {}, (formulas.solved(RIDGE),))
    if train.head in _BY_NEARNESS:
        yield Told(_BY_NEARNESS[train.head], {})
    if train.dropout:
        share = round(256 * train.dropout) / 256 if found.device == "cpu" else train.dropout  # there, bytes are drawn
        yield Told("explain_dropout", {"percent": round(100 * share, 2)}, (formulas.dropped(share),))
    elif train.dropout is None:
        yield Told("explain_dropout_own", {})
    if train.patience is not None:
        yield Told("explain_patience", {"looks": train.patience})
    if found.parts is None:
        yield Told("explain_weights_unknown", {})
    else:
        trained, weights = found.parts.trained, found.parts.weights
        share = round(100 * trained / max(1, weights), 2)
        yield Told("explain_weights", {"trained": f"{trained:,}", "weights": f"{weights:,}", "percent": share})
