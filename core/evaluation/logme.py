"""How well an encoder's states suit a task before anything is trained: the log of maximum evidence.

LogME, You et al. 2021 (https://arxiv.org/abs/2102.11005), with the fixed point of You et al. 2022
(https://arxiv.org/abs/2110.10545, algorithm 3): the evidence of a Bayesian linear map from states to each class, over
the number of items, in the mean over classes. Higher is better; only the order of encoders on one task says something.
"""

import numpy as np

_ROUNDS = 100
_NEAR = 1e-3  # a change of the ratio of the two precisions below which the fixed point is found


def logme(states: np.ndarray, hot: np.ndarray) -> float:
    """The score of an encoder. `states`: *Shape:* (items, width); `hot`: 1 where an item has a class, 0 elsewhere.
    *Shape:* (items, classes); classes that no item or every item has are left out."""
    number, width = states.shape
    values = hot[:, (hot.sum(axis=0) > 0) & (hot.sum(axis=0) < number)].astype(np.float64)
    if not values.shape[1]:
        return 0.0
    left, sizes, _ = np.linalg.svd(states.astype(np.float64), full_matrices=False)
    squares = sizes**2
    return float(np.mean([_evidence(left, squares, column, number, width) for column in values.T])) / number


def _evidence(left: np.ndarray, squares: np.ndarray, values: np.ndarray, number: int, width: int) -> float:
    """The log of the evidence of one class, at its maximum over the two precisions."""
    seen = (left.T @ values) ** 2
    rest = float(values @ values - seen.sum())  # what lies outside the states
    ratio = 1.0  # alpha / beta
    alpha = beta = 1.0
    for _ in range(_ROUNDS):
        gamma = float((squares / (squares + ratio)).sum())
        weights = float((squares * seen / (squares + ratio) ** 2).sum())
        error = float((seen / (1 + squares / ratio) ** 2).sum()) + max(rest, 0.0)
        alpha, beta = gamma / (weights + 1e-12), (number - gamma) / (error + 1e-12)
        before, ratio = ratio, alpha / beta
        if abs(ratio - before) / before <= _NEAR:
            break
    weights = float((squares * seen / (squares + ratio) ** 2).sum())
    error = float((seen / (1 + squares / ratio) ** 2).sum()) + max(rest, 0.0)
    spread = float(np.log(alpha + beta * squares).sum()) + (width - len(squares)) * np.log(alpha)
    return 0.5 * (
        width * np.log(alpha) + number * np.log(beta) - beta * error - alpha * weights - spread
        - number * np.log(2 * np.pi)
    )  # fmt: skip
