"""Prompts for rows, and what of the answers is taken: a prediction, or the reason why there is none.

An answer counts where it is one JSON object of the form that was asked for, has labels of the set alone, and every
mention stands in the text, at the edges of words, in order. Anything else counts as nothing predicted.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

from core.models.answers import json_object, pairs, placed, placed_in_order
from core.models.languages import english
from core.models.prompts import template
from core.prompting.voices import Form, form_of, voice_of
from core.tasks.example import OUTSIDE, Example, spans
from core.tasks.protocol import Predicted, Task
from core.tasks.running import Running, joined

PLACES = ("language", "task", "labels", "form", "demonstrations", "text")
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Prompt:
    """What is sent. `shown`: how many demonstrations stand in it, `dropped`: how many more would have."""

    text: str
    shown: int
    dropped: int


@dataclass(frozen=True)
class Asking:
    """How rows of one corpus are asked about. `template`: None: the language's own; `descriptions`: what labels mean,
    of those that somebody described.

    Raises CoreError `prompt_place`, `prompt_place_missing`.
    """

    form: Form
    labels: tuple[str, ...]
    language: str
    template: str
    demonstrations: int
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        check_template(self.template, self.demonstrations)

    def prompt(self, row: Example, shown: Sequence[Example], tokens: Callable[[str], int], most: int) -> Prompt | None:
        """The longest prompt of at most so many tokens: what stands first of `shown` is left out first. None where the
        row alone is too long."""
        for dropped in range(len(shown) + 1):
            text = self.filled(row, shown[dropped:])
            if tokens(text) <= most:
                return Prompt(text, len(shown) - dropped, dropped)
        return None

    def filled(self, row: Example, shown: Sequence[Example]) -> str:
        """The prompt for a row with these demonstrations."""
        voice = voice_of(self.language)
        language = voice.language or english(self.language.partition("-")[0])
        form = "" if _has(self.template, "form") else "\n\n$form"
        blocks = [f"{voice.text}: {_quoted(one)}\n{voice.answer}: {self.answer_like(one)}" for one in shown]
        filled = Template(self.template + form).safe_substitute(
            language=language,
            task=Template(voice.tasks[self.form]).substitute(language=language),
            labels="\n".join(self._told(label) for label in self.labels),
            form=voice.forms[self.form],
            demonstrations="\n\n".join([voice.examples, *blocks]) if blocks else "",
            text=_quoted(row),
        )
        return _EMPTY_LINES.sub("\n\n", filled).strip()

    def answer_like(self, row: Example) -> str:
        """The right answer for a row whose labels are known."""
        return json.dumps(self._right(row), ensure_ascii=False)

    def read(self, row: Example, answer: str) -> Predicted | str:
        """The prediction in an answer, or the code of what is wrong with it."""
        found = json_object(answer)
        if found is None or {*found} != {self.form}:
            return "answer_form"
        if self.form == "mentions":
            return self._mentions(row, found["mentions"])
        given = [found["label"]] if self.form == "label" else found["labels"]
        if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
            return "answer_form"
        if not {*given} <= {*self.labels}:
            return "answer_label"
        values = [label for label in self.labels if label in given]
        return Predicted(values, [1.0] * len(values))

    def nothing(self, row: Example) -> Predicted:
        """What counts as predicted where no answer can be read: nothing, and nobody is sure of it."""
        words = len(row.tokens) if self.form == "mentions" else 0
        return Predicted([OUTSIDE] * words, [0.0] * words)

    def _mentions(self, row: Example, given: Any) -> Predicted | str:
        asked = pairs(given)
        if asked is None:
            return "answer_form"
        if not {label for _, label in asked} <= {*self.labels}:
            return "answer_label"
        at = _running(row)
        bounds = [*zip(at.starts, at.ends, strict=True)]
        found = placed_in_order(at.text, bounds, asked)
        if found is None:
            return "answer_mention_absent" if placed(at.text, bounds, asked) is None else "answer_mention_order"
        tags = [OUTSIDE] * len(row.tokens)
        for span in found:
            tags[span.start : span.end] = [f"B-{span.label}", *[f"I-{span.label}"] * (span.end - span.start - 1)]
        return Predicted(tags, [1.0] * len(tags))

    def _right(self, row: Example) -> Mapping[str, Any]:
        if self.form == "mentions":
            at = _running(row)
            found = [(at.text[at.starts[s.start] : at.ends[s.end - 1]], s.label) for s in spans(row.tags)]
            return {"mentions": [{"text": name, "label": label} for name, label in found]}
        labels = [*(row.stated or ())]
        return {"label": labels[0]} if self.form == "label" else {"labels": labels}

    def _told(self, label: str) -> str:
        told = " ".join(self.descriptions.get(label, "").split())
        return f"- {label}: {told}" if told else f"- {label}"


def asking_for(
    task: Task,
    labels: Sequence[str],
    language: str,
    own: str | None,
    demonstrations: int,
    descriptions: Mapping[str, str],
) -> Asking:
    """How rows of a task are asked about. `own`: a template of one's own, None: the language's."""
    text = voice_of(language).template if own is None else own
    return Asking(form_of(task), tuple(labels), language, text, demonstrations, descriptions)


def check_template(text: str, demonstrations: int) -> None:
    """Raises CoreError `prompt_place`, and `prompt_place_missing` where the row, or demonstrations that are asked for,
    would stand nowhere."""
    template(text, PLACES, ("text", "demonstrations") if demonstrations else ("text",))


def _has(text: str, place: str) -> bool:
    return place in Template(text).get_identifiers()


def _running(row: Example) -> Running:
    return row.running or joined(row.tokens)


def _quoted(row: Example) -> str:
    """A row's text as JSON, so that none of its lines looks like one of the prompt."""
    return json.dumps(_running(row).text, ensure_ascii=False)
