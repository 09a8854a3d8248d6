"""How a model is fine-tuned: the part of a recipe under `train`, without its seeds."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from core.models.catalogue import DEFAULT
from core.params import CLOSED

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class TrainParams:
    """Fine-tuning by AdamW (Loshchilov & Hutter 2019) with linear warm-up and decay; best step by dev F1."""

    __pydantic_config__ = CLOSED
    model: Annotated[str, Field(min_length=1)] = DEFAULT
    method: Literal["full"] = "full"
    epochs: Positive = 4.0  # passes over the mix
    steps: Annotated[int, Field(ge=1)] | None = None  # optimiser steps, instead of epochs
    batch_tokens: Annotated[int, Field(ge=8)] = 1024  # sub-tokens in a batch, padding included
    learning_rate: Positive = 2e-4
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of the steps
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Positive = 1.0  # norm of the gradient
    max_length: Annotated[int, Field(ge=8, le=8192)] = 256  # sub-tokens of a row; words beyond count as missed
    freeze_word_embeddings: bool = True
    evaluations: Annotated[int, Field(ge=1)] = 4  # looks at dev, evenly spaced, the last at the end
    checkpoint_every: Annotated[int, Field(ge=1)] = 50  # steps

    def steps_for(self, batches: int) -> int:
        """Optimiser steps for a mix of so many batches a pass: at least 1, half a step rounds up."""
        if self.steps is not None:
            return self.steps
        return max(1, math.floor(Fraction(repr(self.epochs)) * batches + Fraction(1, 2)))  # exact in decimal

    def evaluation_steps(self, steps: int) -> frozenset[int]:
        """The steps after which dev is looked at."""
        return frozenset(max(1, math.ceil(steps * k / self.evaluations)) for k in range(1, self.evaluations + 1))

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step 0..steps-1: linear up over the warm-up, then linear down to 0."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * (steps - step) / max(1, steps - rising)
