"""Slips on the keyboard. Belinkov & Bisk 2018, "Synthetic and Natural Noise Both Break Neural Machine Translation",
https://arxiv.org/abs/1711.02173 ("key"), with the key maps of nlpaug 1.1.11
(https://github.com/makcedward/nlpaug, KeyboardAug).

Departures from nlpaug: the choice of tokens and characters is made with our own random numbers; letters and digits
become letters and digits only, since a symbol inside a word would be another token to a tokeniser; the case of a
letter stays; a tenth of the tokens instead of three tenths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Annotated

from pydantic import Field

from core.augment.noise import legible, misspelt, nlpaug_data, noisy
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.errors import CoreError
from core.params import CLOSED


@dataclass(frozen=True)
class KeyboardParams:
    """`rate`: probability that a token is changed; `character_rate`: that one of its characters is, at least one."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.1
    character_rate: Rate = 0.3
    shortest: Annotated[int, Field(ge=1)] = 4  # characters of the shortest token that is changed
    scope: Scope = "all"


class Keyboard:
    """Characters become their neighbours on the keyboard, in mentions too unless `scope` says otherwise."""

    def __init__(self, params: KeyboardParams, resources: Resources) -> None:
        self._params = params
        self._options = _neighbours(resources.language.partition("-")[0])

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        places = legible(row, self._params.scope, self._options, self._params.shortest)
        rate = self._params.character_rate
        return noisy(row, places, self._params.rate, lambda word: misspelt(word, self._options, rate, rng), rng)


@cache
def _neighbours(language: str) -> Mapping[str, list[str]]:
    """Character -> its neighbours, sorted. Raises CoreError `no_keyboard`."""
    from nlpaug.model.char import Keyboard as KeyMap

    path = nlpaug_data("char", "keyboard", f"{language}.json")
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.json")))
        raise CoreError("no_keyboard", {"language": language, "known": known}, "hint_other_augmenter")
    keys = KeyMap(upper_case=False, lang=language, model_path=str(path))
    options: dict[str, list[str]] = {}
    for key in keys.model:
        near = sorted(n for n in keys.predict(key) if len(n) == 1 and n.isalnum())
        if len(key) == 1 and key.isalnum() and near:
            options[key] = near
            if len(key.upper()) == 1 and key.upper() != key:
                options[key.upper()] = [n.upper() if len(n.upper()) == 1 else n for n in near]
    return options
