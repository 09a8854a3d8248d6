"""Rows that a language model writes: new ones beside each row, with its labels (sources: `core.augment.writing`).

Whoever writes is a model in this process or an endpoint (`core.models.writers`). A new row has at least the mentions
of its parent by label, or exactly its labels; with `label` others. What a model says is checked and may be wrong all
the same: the checks by a model and a look at the children are worth their time here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Annotated

from pydantic import Field

from core.augment.edits import compared
from core.augment.protocol import Child, Example, Name, Names, Rate, Rejected, Resources, Spent
from core.augment.writing import PROMPT, Asking, Told
from core.models.writers import Answers, Question, writer
from core.params import CLOSED

_MOST = 500  # tokens of an answer
_SEED = 31  # bits


@dataclass(frozen=True)
class WrittenParams:
    """`model`: a causal language model by its hub id or folder, or `endpoint:NAME`; `rate`: the share of rows beside
    which one is written, by chance; `label`: labels that it is to have, with commas between them, in place of those of
    its parent (mentions: besides them); `prompt`: with the places $language, $wanted, $labels, $style, $domain,
    $example and $form."""

    __pydantic_config__ = CLOSED
    model: Annotated[Name, Names("model", endpoints=True)]
    rate: Rate = 1.0
    label: Annotated[str, Field(max_length=500)] = ""
    style: Annotated[str, Field(max_length=500)] = ""
    domain: Annotated[str, Field(max_length=500)] = ""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    prompt: Annotated[str, Field(min_length=1, max_length=8000)] = PROMPT

    @property
    def told(self) -> Told:
        labels = tuple(dict.fromkeys(one.strip() for one in self.label.split(",") if one.strip()))
        return Told(self.prompt, labels, self.style.strip(), self.domain.strip())


class Written:
    """New rows in the place of changed ones."""

    def __init__(self, params: WrittenParams, resources: Resources) -> None:
        self._rate = params.rate
        self._asking = Asking(params.told, resources.examples, resources.language)
        who = writer(params.model, resources.named.get("model"), resources.endpoints, params.temperature)
        self._answers = Answers(who, resources.cache)

    def ahead(self, asked: Sequence[tuple[Example, Random]]) -> None:
        """Ask for many at once; what is answered is kept, whoever asks for it then."""
        questions = [self._question(row, rng) for row, rng in asked]
        self._answers.of(one for one in questions if isinstance(one, Question))

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        question = self._question(row, rng)
        if isinstance(question, Rejected):
            return question
        reply = self._answers.of([question])[question]
        if reply.cut:
            return Rejected("answer_cut")
        found = self._asking.read(row, reply.text)
        if isinstance(found, Rejected):
            return found
        child = compared(row, found.tagged)
        return child if isinstance(child, Rejected) else replace(child, text=found.text, labels=found.labels)

    def spent(self) -> Spent:
        return self._answers.spent(self._asking.common)

    def _question(self, row: Example, rng: Random) -> Question | Rejected:
        chosen, seed = rng.random() < self._rate, rng.getrandbits(_SEED)
        prompt = self._asking.prompt(row)
        if isinstance(prompt, Rejected):
            return prompt
        return Question(prompt, seed, _MOST) if chosen else Rejected("not_asked")
