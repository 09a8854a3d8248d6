"""What a language model is asked for, and what of its answer may become a row: parsed, checked, never carried out.

Prompts for data with labels: Schick & Schütze 2021, https://arxiv.org/abs/2104.07540; Ye et al. 2022 (ZeroGen),
https://arxiv.org/abs/2202.07922; a row as the example: Yoo et al. 2021 (GPT3Mix), https://arxiv.org/abs/2104.08826. An
answer is one JSON object in the form of the example that the prompt shows.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from core.augment.cutting import Cutter
from core.augment.edits import Tagged
from core.augment.protocol import Example, Rejected
from core.errors import CoreError
from core.models.answers import LONGEST, json_object, pairs, placed, plain
from core.models.languages import english
from core.models.prompts import template
from core.tasks.example import OUTSIDE, spans
from core.tasks.running import joined

PROMPT = """Write one new text in $language that could stand in the same collection as the example.
It is about something else, with other names and other words.
$wanted
$style
$domain
Example: $example
$form"""
_FORM = "Answer with one JSON object on one line, in the form of the example, and with nothing else."
_PLACES = frozenset(("language", "example", "wanted", "labels", "style", "domain", "form"))


@dataclass(frozen=True)
class Told:
    """What people say about what they want. `labels`: to be among the mentions, or those of the row."""

    prompt: str = PROMPT
    labels: tuple[str, ...] = ()
    style: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Sentence:
    """A row that was written."""

    text: str
    tagged: tuple[Tagged, ...]
    labels: tuple[str, ...] | None  # of the row as a whole, where the corpus has such


class Asking:
    """Prompts for the rows of a corpus, and answers as its rows. `known`: all labels, where these are only some rows.

    Raises CoreError `prompt_place`, and `label_unknown` for a label that none has.
    """

    def __init__(self, told: Told, rows: Sequence[Example], language: str, known: Sequence[str] = ()) -> None:
        template(told.prompt, _PLACES)
        self._told, self._language = told, language
        self._whole = any(row.labels for row in rows)  # whether rows have labels, or mentions have
        mentions = [(span.label, row.tokens[span.start : span.end]) for row in rows for span in spans(row.tags)]
        of_rows = {label for row in rows for label in row.stated or ()}
        self._known = sorted(known or (of_rows if self._whole else {label for label, _ in mentions}))
        self._names = {tokens for _, tokens in mentions}
        self._longest = max(map(len, self._names), default=0)
        self._cutter = Cutter(rows)
        for label in told.labels:
            if label not in self._known and rows:
                raise CoreError("label_unknown", {"label": label, "known": ", ".join(self._known) or "-"}, "hint_known")

    @property
    def common(self) -> str:
        """What all prompts have in common."""
        return json.dumps([vars(self._told) | {"labels": list(self._told.labels)}, self._known], ensure_ascii=False)

    def prompt(self, row: Example) -> str | Rejected:
        """The prompt for a new row beside this one; Rejected where nothing can be asked for."""
        if not row.tokens or None in row.tags or row.stated is None:
            return Rejected("nothing_to_change")
        text = joined(row.tokens).text
        if len(text) > LONGEST:
            return Rejected("too_long")
        form = "" if "$form" in self._told.prompt or "${form}" in self._told.prompt else f"\n{_FORM}"
        filled = Template(self._told.prompt + form).safe_substitute(
            language=english(self._language.partition("-")[0]),
            wanted=self._wanted(row),
            labels=", ".join(self._known),
            style=f"Style: {self._told.style}" if self._told.style else "",
            domain=f"Domain: {self._told.domain}" if self._told.domain else "",
            example=self.answer_like(row),
            form=_FORM,
        )
        return "\n".join(line for line in filled.split("\n") if line.strip())

    def answer_like(self, row: Example) -> str:
        """An answer as long as a right one."""
        return json.dumps(self._shown(row, joined(row.tokens).text), ensure_ascii=False)

    def read(self, row: Example, answer: str) -> Sentence | Rejected:
        """The new row in an answer, or what is wrong with it."""
        found = json_object(answer)
        if found is None or {*found} != {"text", "labels" if self._whole else "mentions"}:
            return Rejected("answer_form")
        text = found["text"]
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST or not plain(text):
            return Rejected("answer_form")
        text = " ".join(text.split())
        if self._whole:
            return self._of_labels(row, text, found["labels"])
        return self._of_mentions(row, text, found["mentions"])

    def _wanted(self, row: Example) -> str:
        if self._whole:
            return (
                f"Its labels: {json.dumps(self._labels(row), ensure_ascii=False)}. All labels there are: {self._list}."
            )
        counts = self._counts(row)
        least = ", ".join(f"{count} x {label}" for label, count in sorted(counts.items()))
        first = f"It must mention at least: {least}. " if least else ""
        return f"{first}Mark every mention of these kinds, exactly as it stands in the text: {self._list or '-'}."

    @property
    def _list(self) -> str:
        return ", ".join(self._known)

    def _labels(self, row: Example) -> list[str]:
        return [*(self._told.labels or row.stated or ())]

    def _counts(self, row: Example) -> Counter[str]:
        """Mentions that a new row has at least: as many of each label as its parent, and one of each that is asked."""
        found = Counter(span.label for span in spans(row.tags))
        return found | Counter(self._told.labels)

    def _shown(self, row: Example, text: str) -> Mapping[str, Any]:
        """A row in the form in which answers are."""
        if self._whole:
            return {"text": text, "labels": [*(row.stated or ())]}
        at = joined(row.tokens)
        mentions = [(at.text[at.starts[s.start] : at.ends[s.end - 1]], s.label) for s in spans(row.tags)]
        return {"text": text, "mentions": [{"text": name, "label": label} for name, label in mentions]}

    def _of_labels(self, row: Example, text: str, labels: Any) -> Sentence | Rejected:
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            return Rejected("answer_form")
        if not {*labels} <= {*self._known}:
            return Rejected("answer_label")
        if sorted({*labels}) != sorted({*self._labels(row)}):
            return Rejected("answer_label_missing")
        words = tuple((text[start:end], OUTSIDE) for start, end in self._cutter.bounds(text))
        return Sentence(text, words, tuple(sorted({*labels})))

    def _of_mentions(self, row: Example, text: str, mentions: Any) -> Sentence | Rejected:
        asked = pairs(mentions)
        if asked is None:
            return Rejected("answer_form")
        if not {label for _, label in asked} <= {*self._known}:
            return Rejected("answer_label")
        bounds = self._cutter.bounds(text)
        places = placed(text, bounds, asked)
        if places is None:
            return Rejected("answer_mention_absent")
        if self._counts(row) - Counter(span.label for span in places):
            return Rejected("answer_label_missing")
        tokens = [text[start:end] for start, end in bounds]
        tags = [OUTSIDE] * len(tokens)
        for span in places:
            tags[span.start : span.end] = [f"B-{span.label}", *[f"I-{span.label}"] * (span.end - span.start - 1)]
        if self._unmarked(tokens, tags, {tuple(tokens[span.start : span.end]) for span in places}):
            return Rejected("answer_mention_unmarked")
        return Sentence(text, tuple(zip(tokens, tags, strict=True)), None)

    def _unmarked(self, tokens: Sequence[str], tags: Sequence[str], mine: set[tuple[str, ...]]) -> bool:
        """Whether a mention of the corpus, or one that is marked elsewhere in the row, stands among the O tokens."""
        longest = max([self._longest, *map(len, mine)])
        for start in range(len(tokens)):
            for end in range(start + 1, min(start + longest, len(tokens)) + 1):
                if tags[end - 1] != OUTSIDE:
                    break
                words = tuple(tokens[start:end])
                if words in mine or words in self._names:
                    return True
        return False
