"""What a training computes at a step, told with its own numbers: codes of core's words, and formulas beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.errors import Value
from core.models.ridge import RIDGE
from core.report import formulas
from core.report.formulas import Formula
from core.subject import Moment, Subject
from core.training.consistency import EXCHANGED, SURE, TEMPERATURE
from core.training.contrastive import TEMPERATURE as CONTRAST

_BY_NEARNESS = {  # what is said of a head that compares
    "prototypes": "explain_prototypes",
    "neighbours": "explain_neighbours",
    "described": "explain_described",
}


@dataclass(frozen=True)
class Told:
    """A sentence by its code, and the formulas that belong to it."""

    code: str
    values: Mapping[str, Value]
    formulas: tuple[Formula, ...] = ()


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
