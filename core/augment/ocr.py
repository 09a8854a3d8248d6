"""Characters that optical recognition confuses, from the table of nlpaug 1.1.11
(https://github.com/makcedward/nlpaug, OcrAug): 0 and O, 1 and l, 5 and 8.

Departures from nlpaug: the choice of tokens and characters is made with our own random numbers; only letters and
digits are put in; at least one character of a chosen token instead of two; a tenth of the tokens instead of three
tenths. The table knows Latin letters and digits: rows without any are rejected one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Annotated

from pydantic import Field

from core.augment.noise import legible, misspelt, nlpaug_data, noisy
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.params import CLOSED


@dataclass(frozen=True)
class OcrParams:
    """`rate`: probability that a token is changed; `character_rate`: that one of its characters is, at least one."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    character_rate: Rate = 0.3
    shortest: Annotated[int, Field(ge=1)] = 1  # characters of the shortest token that is changed
    scope: Scope = "all"


class Ocr:
    """Characters become look-alikes, in mentions too unless `scope` says otherwise."""

    def __init__(self, params: OcrParams, resources: Resources) -> None:
        self._params = params
        self._options = _look_alikes()

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        places = legible(row, self._params.scope, self._options, self._params.shortest)
        rate = self._params.character_rate
        return noisy(row, places, self._params.rate, lambda word: misspelt(word, self._options, rate, rng), rng)


@cache
def _look_alikes() -> Mapping[str, list[str]]:
    """Character -> what it is taken for, sorted."""
    from nlpaug.model.char import Ocr as Confusions
    from nlpaug.util import ReadUtil

    table = Confusions(ReadUtil.read_json(str(nlpaug_data("char", "ocr", "en.json"))))
    options = {key: sorted({c for c in table.predict(key) if c.isalnum() and c != key}) for key in table.model}
    return {key: found for key, found in options.items() if found and key.isalnum()}
