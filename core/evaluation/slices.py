"""Parts of the mentions that are scored apart: those seen in training, the long ones, those in capitals, and so on.

A slice looks at each mention by itself (its words, its length, its row): a gold mention by its own words, a predicted
one by its own. Precision is then that of the predictions in the part, recall that of the gold mentions in it; a strict
hit has the same words on both sides, so it is in the same part on both. What comes out are strict counts per row and
label, from which every score, interval and test is made as from those of the whole.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from core.scores import Counts


class Mentions(Protocol):
    """The mentions of one side, gold's or a run's.

    `label`: index into the labels; `length` in tokens; `hit`: the other side has the same bounds and label; `form`:
    index into `forms`, the distinct words of mentions (tokens with a space between). *Shapes:* (mentions,).
    """

    @property
    def row(self) -> np.ndarray: ...
    @property
    def label(self) -> np.ndarray: ...
    @property
    def length(self) -> np.ndarray: ...
    @property
    def hit(self) -> np.ndarray: ...
    @property
    def form(self) -> np.ndarray: ...
    @property
    def forms(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Background:
    """What slices ask beside the mentions.

    `lengths`: tokens of each row, (rows,); `train`: how often each form stands as a mention in gold train;
    `ingredients`: the forms that stand as mentions in each ingredient, by its name; `texts`: the tokens of each row
    with a space between; `wanted`: the text that rows are chosen by. Made once for all runs over the same rows.
    """

    lengths: np.ndarray
    train: Mapping[str, int] = field(default_factory=dict)
    ingredients: Mapping[str, Collection[str]] = field(default_factory=dict)
    texts: Sequence[str] = ()
    wanted: str = ""

    @cached_property
    def terciles(self) -> tuple[int, int]:
        """The most tokens of a short row, and of a medium one: a third of the rows each, as far as ties allow."""
        if not len(self.lengths):
            return 0, 0
        low, high = np.quantile(self.lengths, (1 / 3, 2 / 3), method="inverted_cdf")
        return int(low), int(high)

    @cached_property
    def holds(self) -> np.ndarray:
        """The rows that hold the wanted text, whatever its case. *Shape:* (rows,), bool."""
        wanted = self.wanted.casefold()
        return np.array([wanted in text.casefold() for text in self.texts], dtype=bool)

    @cached_property
    def sets(self) -> Mapping[str, frozenset[str]]:
        """`ingredients` as sets."""
        return {name: frozenset(forms) for name, forms in self.ingredients.items()}


Parts = dict[str, np.ndarray]  # by name: which mentions are in the part, (mentions,) bool
Slice = Callable[[Mentions, Background], Parts]


def seen(mentions: Mentions, background: Background) -> Parts:
    """Whether the form stands as a mention in gold train, under whatever label."""
    known = _by_form(mentions, lambda form: form in background.train)
    return _parts(("seen", "unseen"), 1 - known)


def length(mentions: Mentions, _: Background) -> Parts:
    """Tokens of the mention."""
    return _parts(("1", "2", "3+"), np.minimum(mentions.length, 3) - 1)


def frequency(mentions: Mentions, background: Background) -> Parts:
    """How often the form stands as a mention in gold train."""
    times = _by_form(mentions, lambda form: background.train.get(form, 0))
    return _parts(("0", "1", "2-4", "5+"), np.searchsorted((1, 2, 5), times, side="right"))


CASINGS: tuple[str, ...] = ("title", "lower", "upper", "mixed", "none")


def casing(mentions: Mentions, _: Background) -> Parts:
    """Capitals of the form, see `casing_of`."""
    return _parts(CASINGS, _by_form(mentions, lambda form: CASINGS.index(casing_of(form))))


def casing_of(form: str) -> str:
    """One of CASINGS.

    upper, lower: all letters that have case are; title: it begins with a capital, and capitals stand only where a run
    of letters begins (New York, Bank of England, Jean-Luc); none: no letter has case (北京, 2012); mixed: the rest.
    """
    if form.isupper():
        return "upper"
    if form.islower():
        return "lower"
    first = next((letter for letter in form if letter.lower() != letter.upper()), None)
    if first is None:
        return "none"
    inside = any(before.isalpha() and after.isupper() for before, after in pairwise(form))
    return "mixed" if inside or first.islower() else "title"


def ingredient(mentions: Mentions, background: Background) -> Parts:
    """The ingredients in which the form stands as a mention: one part each, which may overlap."""
    return {
        name: _by_form(mentions, lambda form, forms=forms: form in forms).astype(bool)
        for name, forms in background.sets.items()
    }


def sentence(mentions: Mentions, background: Background) -> Parts:
    """Tokens of the row, in thirds of the rows."""
    which = np.searchsorted(background.terciles, background.lengths, side="left")
    return _parts(("short", "medium", "long"), which[mentions.row])


def text(mentions: Mentions, background: Background) -> Parts:
    """Whether the row holds the wanted text; every row holds the empty one."""
    return _parts(("with", "without"), 1 - background.holds.astype(np.int64)[mentions.row])


SLICES: Mapping[str, Slice] = {
    "seen": seen,
    "length": length,
    "frequency": frequency,
    "casing": casing,
    "ingredient": ingredient,
    "sentence": sentence,
    "text": text,
}


def sliced(
    name: str, gold: Mentions, predicted: Mentions, background: Background, labels: Sequence[str]
) -> dict[str, Counts]:
    """Strict counts of one run in each part of a slice of SLICES, over all rows; KeyError for another slice."""
    rows, of_gold, of_predicted = len(background.lengths), *(SLICES[name](s, background) for s in (gold, predicted))
    return {
        part: Counts(
            tuple(labels),
            _table(predicted, of_predicted[part] & predicted.hit, rows, len(labels)),
            _table(predicted, of_predicted[part], rows, len(labels)),
            _table(gold, mask, rows, len(labels)),
        )
        for part, mask in of_gold.items()
    }


def _by_form(mentions: Mentions, of: Callable[[str], int]) -> np.ndarray:
    """A number of each distinct form, for each mention. *Shape:* (mentions,), int64."""
    return np.fromiter((of(form) for form in mentions.forms), np.int64, len(mentions.forms))[mentions.form]


def _parts(names: Sequence[str], which: np.ndarray) -> Parts:
    return {name: which == number for number, name in enumerate(names)}


def _table(mentions: Mentions, mask: np.ndarray, rows: int, labels: int) -> np.ndarray:
    """How many of the mentions stand in each row and label. *Shape:* (rows, labels), int32."""
    cells = mentions.row[mask] * labels + mentions.label[mask]
    return np.bincount(cells, minlength=rows * labels).reshape(rows, labels).astype(np.int32)
