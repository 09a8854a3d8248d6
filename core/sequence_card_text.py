"""The model card of a sequence as README.md: like that of a training (core.card_text), with the steps in place of the
mix."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from core.card_parts import (
    NOT_STATED,
    PIPELINES,
    SCORE_HEADS,
    day,
    encoder_title,
    fingerprints,
    limits,
    rare_labels,
    score_rows,
    shown,
    table,
    words,
)
from core.card_use import snippet
from core.models.catalogue import BUNDLED
from core.params import field_names
from core.recipe_text import recipe_text, yaml_text
from core.sequence_card import SequenceCard
from core.tasks import task as task_of
from core.training.sense import applies

_WAYS = {  # of core.continual.keep.METHODS; adapters are several models, and have no card
    "plain": "fine-tuned further on each step's rows, and nothing else",
    "mask": "what new rows leave unlabelled, and the model before is sure of, was not learned from",
    "distil": "what new rows leave unlabelled was learned as the model before sees it",
    "ewc": "weights that earlier steps hang on were held (elastic weight consolidation)",
    "replay": "rows of earlier steps, drawn by chance, joined the new ones",
    "balanced": "rows of earlier steps, one of each label in turn, joined the new ones",
    "replay_distil": "rows of earlier steps joined the new ones, and what these leave unlabelled was learned as the "
    "model before sees it",
    "replay_ewc": "rows of earlier steps joined the new ones, and weights that earlier steps hang on were held",
    "joint": "all rows at once, for as long as all steps take",
}


def papers(card: SequenceCard, format: str) -> dict[str, str]:
    """What goes with the model, by file: its card, and the recipes that repeat it."""
    return {"README.md": text(card, format)} | {name: recipe_text(one) for name, one in card.recipes().items()}


def text(card: SequenceCard, format: str) -> str:
    """The README.md. `format`: of the folder it lies in, `safetensors` or `onnx`."""
    parts = (_about, _steps, _labels, _data, _training, _scores, _limits)
    body = [line for part in parts for line in ("", *part(card))]
    lines = ["---", yaml_text(_metadata(card)).rstrip("\n"), "---", "", f"# {words(card.title)}", *body]
    used = ["", "## How to use it", "", "In the folder of this file:", "", *snippet(task_of(card.meta.task), format)]
    return "\n".join([*lines, *used, "", *_again(card, format)]) + "\n"


def _metadata(card: SequenceCard) -> dict[str, object]:
    stated = {step.licence for step in card.steps} | {_encoder_licence(card)}
    one = next(iter(stated)) if len(stated) == 1 else ""
    return {
        "language": [card.meta.language],
        "license": one.casefold() if re.fullmatch(r"[\w.-]+", one) else "other",
        "library_name": "transformers",
        "pipeline_tag": PIPELINES[task_of(card.meta.task).reads],
        "tags": ["peibi", "continual-learning"],
    }


def _encoder_licence(card: SequenceCard) -> str:
    return BUNDLED[card.train.model].licence if card.train.model in BUNDLED else ""


def _about(card: SequenceCard) -> Iterator[str]:
    task = PIPELINES[task_of(card.meta.task).reads].replace("-", " ")
    labels = ", ".join(words(label) for label in card.meta.labels)
    name = card.way.partition("@")[0]
    yield (
        f"A model for {task} in the language `{card.meta.language}`. With Peibi, from "
        f"{words(encoder_title(card.train.model))}, it learned {len(card.steps)} corpora"
        + (" together" if name == "joint" else " one after the other")
        + f", in the way `{card.way}`: {_WAYS[name]}. Seed {card.params.seed}. Its labels: {labels}."
    )
    if card.start:
        yield f"Its first step is the trained run `{card.start}`, which was not learned anew."


def _steps(card: SequenceCard) -> Iterator[str]:
    yield "## What it learned"
    yield ""
    scores = card.told.course.scores[0]
    rows = [
        (
            str(at + 1),
            words(step.part.title),
            ", ".join(words(label) for label in step.part.labels),
            f"{step.rows:,}" if step.rows else "-",
            f"{step.replayed:,}",
            _points(scores[at, at]),
            _points(scores[-1, at]),
            "-" if at == len(card.steps) - 1 else _points(np.nanmax([*scores[:-1, at], -1]) - scores[-1, at]),
        )
        for at, step in enumerate(card.steps)
    ]
    heads = ("step", "corpus", "labels", "rows", "earlier rows replayed", "F1 after its step", "F1 in the end")
    yield from table((*heads, "forgotten"), _without_past(card, rows))
    yield ""
    yield "F1 in points, on the rows that each corpus holds out (dev). *Forgotten*: how much worse they are read in the"
    yield "end than at their best before. Of each corpus only its own labels are counted."


def _without_past(card: SequenceCard, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Where all was learned at once, there is nothing before the end."""
    joint = card.params.keep.joint
    return [(*row[:5], "-", row[6], "-") if joint else row for row in rows]


def _points(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def _labels(card: SequenceCard) -> Iterator[str]:
    yield "## What became of the old labels"
    yield ""
    rows = [
        (words(card.steps[one.step].part.title), words(one.label), f"{one.support:,}", _points(one.learned),
         _points(one.kept)) for one in card.told.labels
    ]  # fmt: skip
    yield from table(("corpus", "label", "in gold (dev)", "F1 after its step", "F1 in the end"), rows)


def _data(card: SequenceCard) -> Iterator[str]:
    yield "## Data and licences"
    yield ""
    rows: list[Sequence[str]] = []
    for step in card.steps:
        for split, part in step.origins.parts.items():
            if split in step.part.corpora:
                file = "-" if part.file is None else f"{words(part.file[0])}<br>`{part.file[1]}`"
                count = "-" if part.rows is None else f"{part.rows:,}"
                about = (words(step.part.title), split, count, f"`{part.corpus}`", file)
                rows.append((*about, words(step.licence or NOT_STATED)))
    yield from table(("corpus", "split", "rows", "sha256 of its content", "file, sha256", "licence"), rows)
    yield ""
    yield f"The encoder it was tuned from: {words(encoder_title(card.train.model))}, sha256 over its files"
    yield f"`{card.meta.base}`, licence: {words(_encoder_licence(card) or NOT_STATED)}."


def _training(card: SequenceCard) -> Iterator[str]:
    yield "## Training"
    yield ""
    train = card.train
    settings = {name: getattr(train, name) for name in field_names(type(train)) if applies(train, name)}
    settings |= {"model": encoder_title(train.model), "learning_rate": train.peak, "seed": card.params.seed}
    settings |= {"frozen_layers": card.meta.frozen_layers, "steps of each corpus": train.steps}
    settings |= {name: getattr(card.params.keep, name) for name in ("replay", "distil", "ewc")}
    settings |= {"seconds": card.run.seconds and round(card.run.seconds)}
    settings |= {key: card.resolved.get(key) for key in ("device", "precision", "threads")}
    settings |= card.result.get("versions", {})
    idle = {"epochs", "steps", "consistency", *(name for name in ("replay", "distil", "ewc") if not settings[name])}
    told = [(words(k.replace("_", " ")), words(shown(v))) for k, v in settings.items() if k not in idle]
    yield from table(("setting", "value"), told)


def _scores(card: SequenceCard) -> Iterator[str]:
    yield "## Scores in the end"
    yield ""
    yield "Precision, recall and F1 in per cent, with 95 % intervals over the rows of the split (percentile bootstrap),"
    yield "for this one model. The best look of each step was chosen on that step's dev alone."
    for step in card.steps:
        for split, scores in step.scores.items():
            yield from ("", f"### {words(step.part.title)}, {split}", "")
            yield from table(SCORE_HEADS, score_rows(scores))
    if not any("test" in step.scores for step in card.steps):
        yield ""
        yield "Test was not looked at with this model."


def _limits(card: SequenceCard) -> Iterator[str]:
    yield from limits(card.meta.max_length)
    yield "- A corpus says nothing of the labels that it does not have: of these, what it finds there was not judged."
    for step in card.steps:
        if "dev" in step.scores:
            yield from rare_labels(words(step.part.title), step.scores["dev"])


def _again(card: SequenceCard, format: str) -> Iterator[str]:
    names = " ".join(card.recipes())
    start = f" --start {card.start}" if card.start else ""
    yield "## How to repeat it"
    yield ""
    yield "The recipes beside this file say what was learned. With the data files named above:"
    yield ""
    yield "```"
    yield f"python -m core sequence {names} --methods {card.way} --repeats {card.params.seed + 1}{start}"
    yield "```"
    yield ""
    yield f"Trained {day(card.run.ended)}, run `{card.run.id}`."
    yield from fingerprints(format)
