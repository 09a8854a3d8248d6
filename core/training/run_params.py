"""What one training is asked for: the params of the run kind `train`."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from core.mix import Mix
from core.params import CLOSED
from core.training.settings import TrainParams


@dataclass(frozen=True)
class TrainRunParams:
    """One training: a mix, the settings, one seed. `model` inside `train` is the identity of the installed model."""

    __pydantic_config__ = CLOSED
    seed: Annotated[int, Field(ge=0)]
    labels: tuple[str, ...]
    mix: Mix = Mix()
    train: TrainParams = TrainParams()
    mask_outside: tuple[str, ...] = ()
