"""How a model is fine-tuned: the part of a recipe under `train`, without its seeds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from core.models.catalogue import DEFAULT
from core.models.shapes import Pooling
from core.params import CLOSED
from core.prompting.settings import PromptParams

Positive = Annotated[float, Field(gt=0)]
Method = Literal["full", "lora", "frozen", "contrastive", "prompt"]
Head = Literal["suited", "fresh", "solved", "prototypes", "neighbours", "described"]
RATES: Mapping[Method, float] = {  # peak learning rates that suit them; prompting learns nothing
    "full": 2e-4,
    "lora": 2e-3,
    "frozen": 5e-3,
    "contrastive": 1e-4,
}
BY_NEARNESS: frozenset[Head] = frozenset({"prototypes", "neighbours", "described"})  # heads that compare with examples
MOST_LOOKS, FEWEST_LOOKS = 4, 2  # at dev, where nobody says how many
_LOOK = 1 / 3  # of what learning from a sub-token takes, predicting one does


@dataclass(frozen=True)
class TrainParams:
    """Fine-tuning by AdamW (Loshchilov & Hutter 2019) with linear warm-up and decay; best step by dev F1."""

    __pydantic_config__ = CLOSED
    model: Annotated[str, Field(min_length=1)] = DEFAULT
    method: Method = "full"  # all weights, low-rank updates of them, the head alone; all weights by pairs of texts, the
    # head in closed form over them, see core.training.contrastive; none: a language model is asked, see core.prompting
    epochs: Positive = 4.0  # passes over the mix
    steps: Annotated[int, Field(ge=1)] | None = None  # optimiser steps, instead of epochs
    batch_tokens: Annotated[int, Field(ge=8)] = 1024  # sub-tokens in a batch, padding included
    learning_rate: Positive | None = None  # None: the method's own, see RATES
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of the steps
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Positive = 1.0  # norm of the gradient
    max_length: Annotated[int, Field(ge=8, le=8192)] = 256  # sub-tokens of a row; words beyond count as missed
    freeze_word_embeddings: bool = True
    frozen_layers: Annotated[int, Field(ge=0, le=96)] | None = None  # lowest layers that are not trained, embeddings
    # with them; None: a quarter of them, where the encoder's family is known
    head: Head = "suited"  # how it begins: at random, in closed form over the encoder as it was (ridge, prototypes,
    # neighbours), or by descriptions of the labels; suited: what method and task ask for, see core.training.sense
    pooling: Pooling | None = None  # what the head reads of a text: the pooler over its first state, or the mean of all
    # states; None: what suits the head, see core.training.sense.shape
    # of labels, for head described and method prompt; of one that has none: its name, made readable
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    prompt: PromptParams | None = None  # of method prompt; the encoder `model` then says which rows are alike
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0  # each layer learns at so many times the rate of the next
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None  # None: what the encoder was made with
    class_weights: Literal["none", "balanced"] = "none"  # balanced: by the inverse root of how often a class occurs
    adversarial: Annotated[float, Field(ge=0, le=100)] = 0.0  # length of FGM's push on the embeddings; 0: none
    consistency: Annotated[str, Field(min_length=1)] | None = None  # the ingredient of text without labels that it is
    # learned from, see core.training.consistency; None: none
    consistency_weight: Positive = 1.0  # of what is learned from that text, beside what the mix teaches
    patience: Annotated[int, Field(ge=1)] | None = None  # looks at dev without a gain after which it ends
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 16  # of method lora
    lora_alpha: Positive = 32.0  # the updates count alpha / rank
    evaluations: Annotated[int, Field(ge=1)] | None = None  # looks at dev, the last at the end; None: 4, fewer where
    # looking would take longer than learning
    checkpoint_every: Annotated[int, Field(ge=1)] = 50  # steps

    def steps_for(self, batches: int) -> int:
        """Optimiser steps for a mix of so many batches a pass: at least 1, half a step rounds up."""
        if self.at_once:
            return 1
        if self.steps is not None:
            return self.steps
        return max(1, math.floor(Fraction(repr(self.epochs)) * batches + Fraction(1, 2)))  # exact in decimal

    def looks(self, tokens: int, dev_tokens: int) -> int:
        """How often dev is looked at. `tokens`: sub-tokens learned from in all; `dev_tokens`: those of dev.

        Where nobody says, looking takes at most as long as learning, but there are two looks at least.
        """
        if self.evaluations is not None:
            return self.evaluations
        worth = tokens / max(1.0, _LOOK * dev_tokens)
        return min(MOST_LOOKS, max(FEWEST_LOOKS, math.floor(worth)))

    def evaluation_steps(self, steps: int, looks: int = MOST_LOOKS) -> frozenset[int]:
        """The steps after which dev is looked at, evenly spaced, the last at the end. `looks`: of `self.looks`."""
        return frozenset(max(1, math.ceil(steps * k / looks)) for k in range(1, looks + 1))

    @property
    def at_once(self) -> bool:
        """Whether nothing is learned by steps: the encoder stays, and the head is what comparing gives; or none is."""
        return self.method == "prompt" or (self.method == "frozen" and self.head in BY_NEARNESS)

    @property
    def no_labels(self) -> bool:
        """Whether the weights hang on descriptions of labels alone, and on no label of a row."""
        return self.at_once and self.head == "described"

    @property
    def whole(self) -> bool:
        """Whether all weights are trained that aren't left as they are."""
        return self.method in ("full", "contrastive")

    @property
    def peak(self) -> float:
        """The highest learning rate; 0 where nothing is learned."""
        return RATES.get(self.method, 0.0) if self.learning_rate is None else self.learning_rate

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of step 0..steps-1: linear up over the warm-up, then linear down to 0."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return self.peak * (step + 1) / rising
        return self.peak * (steps - step) / max(1, steps - rising)
