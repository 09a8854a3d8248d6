"""How a language model is prompted: the part `prompt` of a training's settings."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from core.params import CLOSED

WRITER = "writer"  # the role of the language model among a run's inputs, where it is no endpoint
Choose = Literal["similar", "cover", "random"]


@dataclass(frozen=True)
class PromptParams:
    """Labels by asking a language model. What it is shown beside a row is drawn from the mix; nothing is learned.

    `model`: `endpoint:NAME`, or a causal language model by its folder, its hub id, or as the workspace keeps it;
    `demonstrations`: rows that it is shown, 0 is zero shot; `choose`: how, see core.prompting.demonstrations;
    `template`: with the places of core.prompting.asking, None: the one that suits the language; `most_tokens`: of a
    prompt, demonstrations are left out where it would be longer; `answer_tokens`: of an answer at most; `temperature`:
    0 takes the likeliest answer.
    """

    __pydantic_config__ = CLOSED
    model: Annotated[str, Field(min_length=1, max_length=500)]
    demonstrations: Annotated[int, Field(ge=0, le=64)] = 8
    choose: Choose = "similar"
    template: Annotated[str, Field(min_length=1, max_length=8000)] | None = None
    most_tokens: Annotated[int, Field(ge=64, le=1_000_000)] = 4000
    answer_tokens: Annotated[int, Field(ge=8, le=8000)] = 500
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0

    @property
    def compares(self) -> bool:
        """Whether an encoder has to say which rows are alike."""
        return self.demonstrations > 0 and self.choose != "random"
