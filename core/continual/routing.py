"""Which step's part of a model a row goes to, where each step has its own: the one whose text is like it.

Told by a linear map in closed form (core.models.ridge) over the mean of the states that the encoder, as it was before
the first step, makes of a row. Departure from learned gates: nothing is trained, and from earlier steps nothing but
these means is needed.

Such a model is kept as a folder: `router.safetensors`, `model.json` with the labels of all steps, and `part-N/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.models.loading import ROUTER
from core.models.ridge import ridge
from core.training.predictions import Predictions


@dataclass(frozen=True)
class Router:
    """A score for each step, linear in the mean state of a row. *Shapes:* weights (steps, width), bias (steps,)."""

    weights: np.ndarray
    bias: np.ndarray

    def steps(self, means: np.ndarray) -> np.ndarray:
        """The step of each row. *Shape:* (rows, width) -> (rows,), int64."""
        return (means @ self.weights.T + self.bias).argmax(axis=1)


def router(known: Sequence[np.ndarray]) -> Router:
    """`known`: means of the gold rows of each step."""
    if len(known) == 1:
        return Router(np.zeros((1, known[0].shape[1]), dtype=np.float32), np.zeros(1, dtype=np.float32))
    steps = np.repeat(np.arange(len(known)), [len(one) for one in known])
    return Router(*ridge(np.concatenate(known), steps, len(known)))


def write(router: Router, folder: Path) -> None:
    """Keep a router with the parts that it chooses from."""
    from safetensors.numpy import save_file

    tensors = {"weights": np.ascontiguousarray(router.weights), "bias": router.bias}  # memory is written as it lies
    save_file(tensors, str(folder / ROUTER))


def read(folder: Path) -> Router:
    """The router of a model that is several."""
    from safetensors.numpy import load_file

    found = load_file(str(folder / ROUTER))
    return Router(found["weights"], found["bias"])


def part_of(folder: Path, step: int) -> Path:
    """Where a model that is several keeps the part of a step: a folder like that of any trained run."""
    return folder / f"part-{step}"


def chosen(found: Sequence[Predictions], steps: np.ndarray) -> Predictions:
    """Of the predictions by each step's part, those of the part that each row went to."""
    values = [found[step].values[row] for row, step in enumerate(steps.tolist())]
    sure = [found[step].confidence[row] for row, step in enumerate(steps.tolist())]
    return Predictions(values, sure, sum(one.seconds for one in found))
