"""What may be mixed: how much of each ingredient, and of which of them a mix has one at most.

An ingredient that was made in several ways (at other rates, in more copies) is a family of columns, its variants. A mix
has one of them or none, so what is drawn are amounts of units, a unit being a family or an ingredient alone, and which
column of it each amount goes to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Space:
    """`most`: times gold, by ingredient, in the order of the columns of amounts; `families`: names of variants."""

    most: Mapping[str, float]
    families: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> list[str]:
        return [*self.most]

    @property
    def limits(self) -> np.ndarray:
        """*Shape:* (columns,), times gold."""
        return np.array([*self.most.values()])

    @cached_property
    def units(self) -> list[list[int]]:
        """Columns of each unit, variants in the order in which they were named; units by their first column."""
        at = {name: column for column, name in enumerate(self.most)}
        families = [[at[name] for name in family if name in at] for family in self.families]
        inside = {column for family in families for column in family}
        return sorted([*filter(None, families), *([c] for c in at.values() if c not in inside)], key=min)

    def among(self, least: float) -> "Space":
        """With the ingredients alone of which there may be so much."""
        return Space({name: most for name, most in self.most.items() if most >= least}, self.families)

    def placed(self, amounts: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Amounts of units as amounts of columns. `which`: any whole number, the variant of each family, counted
        through. *Shapes:* (mixes, units), (mixes, units) -> (mixes, columns)."""
        out = np.zeros((len(amounts), len(self.most)))
        for unit, columns in enumerate(self.units):
            taken = np.array(columns)[which[:, unit] % len(columns)]
            out[np.arange(len(out)), taken] = amounts[:, unit]
        return out

    def gathered(self, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Amounts of columns as amounts of units, and which variant each is. *Shapes:* (mixes, columns) -> (mixes,
        units), (mixes, units)."""
        sums = np.stack([amounts[:, columns].sum(axis=1) for columns in self.units], axis=1)
        which = np.stack([amounts[:, columns].argmax(axis=1) for columns in self.units], axis=1)
        return sums, which

    def holds(self, amounts: np.ndarray) -> np.ndarray:
        """Which mixes have one variant of each ingredient at most. *Shapes:* (mixes, columns) -> (mixes,), bool."""
        some = [np.count_nonzero(amounts[:, columns], axis=1) <= 1 for columns in self.units]
        return np.all(some, axis=0) if some else np.ones(len(amounts), bool)

    def others(self, name: str) -> list[int]:
        """Columns of the other variants of an ingredient."""
        column = self.names.index(name)
        return [one for unit in self.units if column in unit for one in unit if one != column]
