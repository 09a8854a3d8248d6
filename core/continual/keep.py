"""How what was learned before is kept while something new is learned: the ways there are, alone and together.

Sources: elastic weight consolidation, Kirkpatrick et al. 2017 (https://arxiv.org/abs/1612.00796); replay of kept rows,
Rolnick et al. 2019 (https://arxiv.org/abs/1811.11682); learning without forgetting, Li & Hoiem 2016
(https://arxiv.org/abs/1606.09282), and for entities ExtendNER, Monaikul et al. 2021 (doi:10.1609/aaai.v35i15.17600);
low-rank updates for each step, Hu et al. 2021 (https://arxiv.org/abs/2106.09685).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from core.errors import CoreError
from core.params import CLOSED
from core.training.settings import TrainParams

Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Keep:
    """What is done against forgetting; nothing: the model is fine-tuned further, and that is all."""

    __pydantic_config__ = CLOSED
    replay: Share = 0.0  # of the gold rows of each step before, that join the new ones
    balanced: bool = False  # those are drawn so that every label has its share, instead of by chance
    mask: bool = False  # what new rows leave unlabelled, and the model before is sure of, is not learned from
    distil: Share = 0.0  # of what the model before says of what new rows leave unlabelled
    ewc: Annotated[float, Field(ge=0)] = 0.0  # how firmly weights are held where they matter to what was learned
    adapters: bool = False  # low-rank updates and a head for each step; a row goes to the step whose text is like it
    joint: bool = False  # not one after another but all at once, as long as all steps take: what could be reached


METHODS: Mapping[str, Keep] = {
    "plain": Keep(),
    "mask": Keep(mask=True),
    "distil": Keep(distil=1.0),
    "ewc": Keep(ewc=1e4),
    "replay": Keep(replay=0.1),
    "balanced": Keep(replay=0.1, balanced=True),
    "replay_distil": Keep(replay=0.1, distil=1.0),
    "replay_ewc": Keep(replay=0.1, ewc=1e4),
    "adapters": Keep(adapters=True),
    "joint": Keep(joint=True),
}


def check(keep: Keep, train: TrainParams) -> None:
    """Raises CoreError `keep_alone` for what can't be had together, `keep_needs_full` for weights that can't be held
    because they are not trained themselves, `keep_by_steps` for models that don't learn labels by steps."""
    if train.method not in ("full", "lora", "frozen") or train.head not in ("suited", "fresh", "solved"):
        raise CoreError("keep_by_steps", {"method": train.method, "head": train.head}, "hint_keep_by_steps")
    others = Keep(adapters=keep.adapters, joint=keep.joint)
    if (keep.joint and keep.adapters) or ((keep.joint or keep.adapters) and keep != others):
        raise CoreError("keep_alone", {"name": "joint" if keep.joint else "adapters"}, "hint_keep_alone")
    if keep.ewc and train.method == "lora":
        raise CoreError("keep_needs_full", {"method": train.method}, "hint_keep_needs_full")
