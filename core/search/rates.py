"""Precision and recall as a surrogate takes them: log-odds, which no band carries below 0 or above 1."""

import numpy as np

FEWEST = 30  # mentions in gold below which nothing is said of a label


def log_odds(right: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of a rate, half a case added to each side (Haldane 1956), so that 0 of 5 and 5 of 5 are no infinities: the fewer
    there are, the nearer to even. Any one shape."""
    return np.log((right + 0.5) / (of - right + 0.5))


def rate(odds: np.ndarray) -> np.ndarray:
    """0..1, of log-odds. Any shape."""
    return 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
