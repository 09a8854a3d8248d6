"""A model card as the README.md of a model's folder: metadata as Hugging Face's cards have it, then text, in English.

The metadata are those of https://huggingface.co/docs/hub/model-cards; what a card should say follows Mitchell et al.
2019 (https://arxiv.org/abs/1810.03993). Whatever users named is escaped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from core.augment import draws_on
from core.card import Card
from core.card_parts import (
    METRICS,
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
from core.mix import GOLD
from core.models.catalogue import BUNDLED, HUB_ID
from core.models.fit import UNKNOWN_WARNING
from core.origins import Origin, licence_of
from core.output import plain
from core.params import field_names
from core.recipe_text import recipe_text, yaml_text
from core.tasks import task as task_of
from core.training.sense import applies


def papers(card: Card, format: str) -> dict[str, str]:
    """What goes with a model, by file: its card, and the recipe that repeats it."""
    return {"README.md": text(card, format), "recipe.yaml": recipe_text(card.recipe())}


def text(card: Card, format: str) -> str:
    """The README.md. `format`: of the folder it lies in, `safetensors` or `onnx`."""
    parts = (_about, _mix, _data, _training, _scores, _limits)
    body = [line for part in parts for line in ("", *part(card))]
    lines = ["---", yaml_text(metadata(card)).rstrip("\n"), "---", "", f"# {words(card.title)}", *body]
    used = ["", "## How to use it", "", "In the folder of this file:", "", *snippet(task_of(card.meta.task), format)]
    return "\n".join([*lines, *used, "", *_again(card, format)]) + "\n"


def metadata(card: Card) -> dict[str, object]:
    """The head of the card. One licence is named where all parts state the same."""
    task = task_of(card.meta.task)
    stated = {_licence(card, part) for part in ("train", *card.origins.ingredients)} | {_encoder_licence(card)}
    one = next(iter(stated)) if len(stated) == 1 else ""
    found: dict[str, object] = {
        "language": [card.meta.language],
        "license": one.casefold() if re.fullmatch(r"[\w.-]+", one) else "other",
        "library_name": "transformers",
        "pipeline_tag": PIPELINES[task.reads],
        "tags": ["peibi", "data-mix"],
    }
    if HUB_ID.fullmatch(card.train.model) and card.train.model not in BUNDLED:
        found["base_model"] = card.train.model.partition("@")[0]
    if card.scores:
        found["model-index"] = [{"name": plain(card.slug), "results": [*_results(card)]}]
    return found


def _results(card: Card) -> Iterator[dict[str, object]]:
    task = task_of(card.meta.task)
    kind, named = PIPELINES[task.reads], {name: name for name in METRICS} | dict(task.also)
    for split, scores in card.scores.items():
        data = {"name": plain(f"{card.title} ({split})"), "type": card.slug, "split": split}
        metrics = [{"type": name, "value": round(scores.metrics[of].mean, 4)} for name, of in named.items()]
        yield {"task": {"type": kind}, "dataset": data, "metrics": metrics}


def _about(card: Card) -> Iterator[str]:
    task = task_of(card.meta.task)
    labels = ", ".join(words(label) for label in card.meta.labels)
    rows = sum(int(n) for n in card.result.get("rows", {}).values())
    yield (
        f"A model for {PIPELINES[task.reads].replace('-', ' ')} in the language `{card.meta.language}`, fine-tuned "
        f"with Peibi from {words(_encoder(card))} on {rows:,} rows of a mix of labelled data. Its labels: {labels}."
    )
    if card.launch is not None:
        yield (
            f"It is the repeat with seed {card.params.seed} of the mix {words(card.launch.group.name)} of the project "
            f"{words(card.launch.project.title)}."
        )
    if card.start is not None:
        line = " after ".join(f"`run:{run}`" for run in (card.start.run, *reversed(card.start.before)))
        told = card.start.pretraining
        if told is None:
            yield f"Its start was itself fine-tuned: {line}."
        else:
            yield (
                f"Its start went on pre-training on text without labels: {line}. It read {told.read:,} rows in "
                f"{told.steps:,} steps; {told.left_out:,} rows that stand in dev or test, or nearly, were left out. "
                f"Perplexity of rows kept apart: {told.before:.1f} before, {told.after:.1f} after."
            )


def _mix(card: Card) -> Iterator[str]:
    delivered: Mapping[str, int] = card.result.get("rows", {})
    asked = card.launch.group.mix.requested() if card.launch else {}
    total = max(1, sum(delivered.values()))
    yield "## The mix"
    yield ""
    yield from table(
        ("ingredient", "asked for", "rows drawn", "share", "rows there are", "what it is"),
        [
            (
                words(name),
                " ".join((f"{asked[name][0]:g}", asked[name][1].replace("_", " "))) if name in asked else "-",
                f"{rows:,}",
                f"{rows / total:.1%}",
                _count(_part(card, name)),
                _made(_part(card, name)),
            )
            for name, rows in delivered.items()
        ],
    )
    yield from _text(card)


def _text(card: Card) -> Iterator[str]:
    """What text without labels taught, where it did."""
    name = card.train.consistency
    if name is not None:
        part = _part(card, name)
        yield ""
        yield (
            f"Besides, it was trained to be consistent (Xie et al. 2020, arXiv 1904.12848) on text without labels, "
            f"weight {card.train.consistency_weight:g}: {words(name)}, {_count(part)} rows, {_made(part)}."
        )


def _part(card: Card, name: str) -> Origin | None:
    return card.origins.parts.get("train" if name == GOLD else name)


def _count(part: Origin | None) -> str:
    return "-" if part is None or part.rows is None else f"{part.rows:,}"


def _made(part: Origin | None) -> str:
    """What an ingredient is: a file, or children of another one."""
    if part is None:
        return "-"
    if part.made is not None:
        params = ", ".join(f"{name} {value}" for name, value in part.made.params.items())
        copies = f"{part.made.copies} tries a row, seed {part.made.seed}"
        others = draws_on(part.made.method, part.made.params)
        drawn = f"; also words from {'; '.join(others)}" if others else ""
        return words(f"{part.made.method} of {part.of} ({', '.join(filter(None, (params, copies)))}){drawn}")
    if part.source is None:
        return "labelled rows"
    if part.source.options.unlabelled:
        return words(f"the text of {part.source.name}")
    mapped = part.source.labels or {}
    told = ", ".join(f"{old} as {new}" if new else f"{old} masked" for old, new in mapped.items() if old != new)
    return words(f"labelled rows of {part.source.name}" + (f" ({told})" if told else ""))


def _data(card: Card) -> Iterator[str]:
    yield "## Data and licences"
    yield ""
    rows: list[Sequence[str]] = []
    for name, part in card.origins.parts.items():
        key = GOLD if name == "train" else name
        file = "-" if part.file is None else f"{words(part.file[0])}<br>`{part.file[1]}`"
        rows.append((words(key), _count(part), f"`{part.corpus}`", file, words(_licence(card, name) or NOT_STATED)))
    yield from table(("part", "rows", "sha256 of its content", "file, sha256", "licence"), rows)
    yield ""
    yield f"The encoder it was tuned from: {words(_encoder(card))}, sha256 over its files `{card.meta.base}`,"
    yield f"licence: {words(_encoder_licence(card) or NOT_STATED)}."


def _licence(card: Card, name: str) -> str:
    return licence_of(card.licences, card.origins.parts, name)


def _encoder(card: Card) -> str:
    return encoder_title(card.train.model)


def _encoder_licence(card: Card) -> str:
    return BUNDLED[card.train.model].licence if card.train.model in BUNDLED else ""


def _training(card: Card) -> Iterator[str]:
    yield "## Training"
    yield ""
    train, result = card.train, card.result
    settings = {name: getattr(train, name) for name in field_names(type(train)) if applies(train, name)}
    settings |= {
        "model": _encoder(card),
        "learning_rate": train.peak,
        "frozen_layers": card.meta.frozen_layers,
        "seed": card.params.seed,
    }
    settings |= {"steps": result.get("steps", train.steps), "best step on dev": result.get("best_step")}
    weights = result.get("weights", {})
    settings |= {f"weights {what}": f"{int(number):,}" for what, number in weights.items()}
    settings |= {"seconds": card.run.seconds and round(card.run.seconds)}
    settings |= {key: card.resolved.get(key) for key in ("device", "precision", "threads")}
    settings |= result.get("versions") or card.resolved.get("versions", {})
    idle = {"epochs": train.steps is not None or train.at_once, "consistency": train.consistency is None}
    idle |= {"learning_rate": train.at_once}
    settings = {name: value for name, value in settings.items() if not idle.get(name, False)}
    told = [(words(key.replace("_", " ")), words(shown(value))) for key, value in settings.items()]
    yield from table(("setting", "value"), told)


def _scores(card: Card) -> Iterator[str]:
    yield "## Scores"
    yield ""
    yield (
        "Precision, recall and F1 in per cent, with 95 % intervals over the rows of the split (percentile bootstrap), "
        "for this one model."
    )
    for name, of in task_of(card.meta.task).also.items():
        yield f"{of.capitalize()} of all labels together is {name}."
    notes = {
        "dev": "The best step of the training was chosen on dev, so these figures are a little too good.",
        "test": "No step was chosen by its scores on test: it was looked at when the training was over.",
    }
    for split, scores in card.scores.items():
        yield from ("", f"### {split.capitalize()}", "", notes[split], "")
        yield from table(SCORE_HEADS, score_rows(scores))
    if "test" not in card.scores:
        yield ""
        yield "Test was not looked at with this model."
    elif card.launch is not None and card.launch.looks > 1:
        yield ""
        yield (
            f"Test was looked at {card.launch.looks} times in this project, with this model or others; whether this "
            "mix was chosen by one of those looks is not on record."
        )
    if card.launch is not None and len(card.launch.repeats) > 1:
        found = [*card.launch.repeats.values()]
        mean = sum(found) / len(found)
        yield ""
        yield (
            f"Of {len(found)} repeats of this mix with other seeds the mean on dev is {100 * mean:.1f}, the lowest "
            f"{100 * min(found):.1f}, the highest {100 * max(found):.1f}."
        )


def _limits(card: Card) -> Iterator[str]:
    yield from limits(card.meta.max_length)
    unknown = float(card.result.get("unknown_words", 0.0))
    if unknown > UNKNOWN_WARNING:
        yield f"- The encoder's vocabulary does not know {unknown:.0%} of the words it was trained on."
    for split, scores in card.scores.items():
        yield from rare_labels(split, scores)
    for one in card.saw:
        if one.rows:
            yield f"- Its start had learned from {one.rows} of the {one.all} rows of {one.split}."
    if not card.scores:
        yield "- Its scores are not known: no predictions were kept."


def _again(card: Card, format: str) -> Iterator[str]:
    yield "## How to repeat it"
    yield ""
    yield "`recipe.yaml` beside this file says what was done. With the data files named above, `python -m core run"
    yield f"recipe.yaml` repeats it. Trained {day(card.run.ended)}, run `{card.run.id}`."
    yield from fingerprints(format)
