"""Which step's part of a model a row goes to, where each step has its own: the one whose text is like it.

Told by a linear map in closed form (core.models.ridge) over the mean of the states that the encoder, as it was before
the first step, makes of a row. Departure from learned gates: nothing is trained, and from earlier steps nothing but
these means is needed.
"""

from collections.abc import Sequence

import numpy as np

from core.models.ridge import ridge
from core.training.predictions import Predictions


def routes(known: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The step of each row. `known`: means of the gold rows of each step. *Shape:* (rows,), int64."""
    if len(known) == 1:
        return np.zeros(len(rows), dtype=np.int64)
    steps = np.repeat(np.arange(len(known)), [len(one) for one in known])
    weights, bias = ridge(np.concatenate(known), steps, len(known))
    return (rows @ weights.T + bias).argmax(axis=1)


def chosen(found: Sequence[Predictions], steps: np.ndarray) -> Predictions:
    """Of the predictions by each step's part, those of the part that each row went to."""
    values = [found[step].values[row] for row, step in enumerate(steps.tolist())]
    sure = [found[step].confidence[row] for row, step in enumerate(steps.tolist())]
    return Predictions(values, sure, sum(one.seconds for one in found))
