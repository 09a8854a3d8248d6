"""The forecast of any mix, as a search for one takes it: solved once for a few hundred mixes, told between them.

To solve it anew takes some hundredths of a second, and a step of a search looks at thousands of mixes. Between 256
solved mixes of seven ingredients it comes out in the order in which solving it gives it (rank correlation .99 on
WNUT-17, .95 on CrossNER politics). What was solved is kept with the search: it reads the same ever after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.evaluation.verdicts import Metric
from core.forecast.forecast import Forecast
from core.jobs.folder import read_json, write_json
from core.mix import GOLD
from core.observed import Totals
from core.search.between import Between
from core.search.designs import thinned
from core.search.rates import log_odds
from core.search.rounds import candidates
from core.search.space import Space
from core.search.surrogate import Cast

FORECAST = "forecast"  # the role of the forecast among a search's inputs
SOLVED = 256  # mixes
_FILE = "prior.json"


@dataclass(frozen=True)
class Prior:
    """`labels`, `gold`: of dev, and their mentions; `between`: what is right and what is predicted of each. *Shapes:*
    gold (labels,); values of `between` (2 x labels,)."""

    labels: tuple[str, ...]
    gold: np.ndarray
    between: Between

    def found(self, amounts: np.ndarray) -> list[Totals]:
        """What is forecast of mixes. *Shape:* (mixes, ingredients), times gold."""
        told = self.between.at(amounts).reshape(-1, 2, len(self.labels))
        predicted = np.maximum(told[:, 1], 0.0)
        right = np.clip(told[:, 0], 0.0, np.minimum(predicted, self.gold))
        return [Totals(self.labels, *one, self.gold) for one in zip(right, predicted, strict=True)]

    def of(self, value: Callable[[Totals], float]) -> Cast:
        """The forecast of a score."""
        return lambda amounts: np.array([value(one) for one in self.found(amounts)])

    def rates(self, label: str, metric: Metric) -> Cast:
        """0..1."""
        return self.of(lambda one: one.rate(label, metric))

    def odds(self, label: str, metric: Metric) -> Cast:
        """Log-odds, as a response takes them."""

        def cast(amounts: np.ndarray) -> np.ndarray:
            cases = np.array([one.cases(label, metric) for one in self.found(amounts)])
            return log_odds(cases[:, 0], cases[:, 1])

        return cast


def solved(forecast: Forecast, space: Space, gold: int, turn: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """The forecasts of mixes that are spread over what may be mixed. `gold`: its rows; `turn`: called between two.
    *Shapes:* (mixes, ingredients), times gold; (mixes, 3, labels)."""
    none = np.zeros((1, len(space.most)))
    mixes = thinned(none, candidates(space, none[:0], 0)[1:], SOLVED)
    out: list[np.ndarray] = []
    for row in mixes:
        turn()
        rows = np.rint(row * gold).astype(int).tolist()
        out.append(forecast.of({GOLD: gold} | dict(zip(space.names, rows, strict=True))).totals)
    return mixes, np.stack(out)


def keep(folder: Path, labels: Sequence[str], mixes: np.ndarray, totals: np.ndarray) -> None:
    """*Shapes:* as `solved`."""
    write_json(folder / _FILE, {"labels": [*labels], "mixes": mixes.tolist(), "totals": totals.tolist()})


def kept(folder: Path) -> Prior | None:
    """What `keep` kept in the folder of a search; None where there is nothing yet."""
    return _read(folder / _FILE) if (folder / _FILE).exists() else None


@lru_cache(maxsize=16)
def _read(file: Path) -> Prior:
    found = read_json(file)
    mixes, totals = np.array(found["mixes"]), np.array(found["totals"])
    return Prior(tuple(found["labels"]), totals[0, 2], Between.through(mixes, totals[:, :2].reshape(len(mixes), -1)))
