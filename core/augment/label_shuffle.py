"""A control, not a method: every mention keeps its words and gets the label of another mention of the corpus; a row
that is labelled as a whole gets the labels of another one.

After Zhang et al. 2017, "Understanding deep learning requires rethinking generalization",
https://arxiv.org/abs/1611.03530 (random labels): nothing can be learned from it that holds, so a comparison in which
it helps deserves doubt. Departure: boundaries stay, labels are drawn by how often they occur.
"""

from dataclasses import dataclass
from random import Random

from core.augment.occurrences import Occurrences
from core.augment.protocol import Child, Example, Rejected, Resources
from core.params import CLOSED
from core.tasks.example import spans


@dataclass(frozen=True)
class LabelShuffleParams:
    """It has none."""

    __pydantic_config__ = CLOSED


class LabelShuffle:
    """Mentions and rows change their labels, never to those that they have."""

    def __init__(self, params: LabelShuffleParams, resources: Resources) -> None:
        self._labels = Occurrences(span.label for row in resources.examples for span in spans(row.tags))
        known = [tuple(sorted(row.stated)) for row in resources.examples if row.stated is not None]
        self._texts = any(known)  # whether rows have labels, or mentions have
        self._whole = Occurrences(known)

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        if self._texts:
            return self._other(row, rng)
        tags = list(row.tags)
        for span in spans(row.tags):
            if self._labels.has_other(span.label):
                label = self._labels.other(span.label, rng)
                tags[span.start : span.end] = [f"B-{label}", *[f"I-{label}"] * (span.end - span.start - 1)]
        return Child(row.tokens, tuple(tags), ()) if tuple(tags) != row.tags else Rejected("no_mentions")

    def _other(self, row: Example, rng: Random) -> Child | Rejected:
        """The row with the labels that another one has as a whole."""
        own = None if row.stated is None else tuple(sorted(row.stated))
        if own is None or not self._whole.has_other(own):
            return Rejected("one_label")
        return Child(row.tokens, row.tags, (), labels=self._whole.other(own, rng))
