"""Random insertion. Wei & Zou 2019, "EDA: Easy Data Augmentation Techniques for Boosting Performance on Text
Classification Tasks", https://arxiv.org/abs/1901.11196 (RI).

Departures: the word whose synonym is inserted is always one of the parent's own O tokens (EDA may take one that it
inserted a moment ago); nothing is inserted inside a mention or a masked stretch; senses as in `synonym`.
"""

from collections import defaultdict
from dataclasses import dataclass
from random import Random

from core.augment.edits import Edit, edited, gaps, how_many
from core.augment.protocol import Child, Example, Rate, Rejected, Resources
from core.augment.wordnet import replaceable, synonyms_for
from core.params import CLOSED
from core.tasks.example import OUTSIDE


@dataclass(frozen=True)
class InsertionParams:
    """`rate`: inserted words per token of the row (EDA's alpha); at least one."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1


class Insertion:
    """Synonyms of the row's own words are inserted as O tokens."""

    def __init__(self, params: InsertionParams, resources: Resources) -> None:
        self._rate = params.rate
        self._synonyms = synonyms_for(resources, "insertion")

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        able = replaceable(row, self._synonyms)
        if not able:
            return Rejected("nothing_to_change")
        places = gaps(row)
        inserted: defaultdict[int, list[str]] = defaultdict(list)
        for _ in range(how_many(self._rate, len(row.tokens))):
            word = row.tokens[rng.choice(able)].lower()
            inserted[rng.choice(places)].append(rng.choice(self._synonyms[word]))
        return edited(row, [Edit(gap, gap, tuple(w), (OUTSIDE,) * len(w)) for gap, w in sorted(inserted.items())])
