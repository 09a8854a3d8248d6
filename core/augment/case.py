"""Letters in another case, as people type in a hurry or in headlines. Dhole et al. 2021, NL-Augmenter,
https://arxiv.org/abs/2112.02721 (random upper-case); why it matters to names: Mayhew, Tsygankova & Roth 2019,
https://aclanthology.org/D19-1650.

Departures: whole words change, to one of lower, Upper or UPPER that differs from what they are, instead of single
letters; `style` can ask for one of them alone.
"""

from dataclasses import dataclass
from random import Random
from typing import Literal

from core.augment.edits import in_scope
from core.augment.noise import noisy
from core.augment.protocol import Child, Example, Rate, Rejected, Resources, Scope
from core.params import CLOSED

Style = Literal["any", "lower", "title", "upper"]
_FORMS = {"lower": str.lower, "title": lambda word: word[:1].upper() + word[1:].lower(), "upper": str.upper}


@dataclass(frozen=True)
class CaseParams:
    """`rate`: probability that a word is changed; `style`: what it becomes."""

    __pydantic_config__ = CLOSED
    rate: Rate = 0.2
    style: Style = "any"
    scope: Scope = "all"


class Case:
    """Words change their case, in mentions too unless `scope` says otherwise."""

    def __init__(self, params: CaseParams, resources: Resources) -> None:
        self._params = params

    def augment(self, row: Example, copy: int, rng: Random) -> Child | Rejected:
        places = [at for at in in_scope(row, self._params.scope) if _forms(row.tokens[at], self._params.style)]
        return noisy(row, places, self._params.rate, lambda word: rng.choice(_forms(word, self._params.style)), rng)


def _forms(word: str, style: Style) -> list[str]:
    """What a word may become: as long as it was (German ß has no capital of one letter), and never itself."""
    asked = _FORMS.values() if style == "any" else (_FORMS[style],)
    forms = dict.fromkeys(form(word) for form in asked)
    return [form for form in forms if form != word and len(form) == len(word)]
