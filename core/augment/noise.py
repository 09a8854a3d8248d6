"""Noise on single tokens: the number of tokens and all tags stay. The methods differ in what a token may become."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from core.augment.edits import by_chance, in_scope, substituted
from core.augment.protocol import Child, Example, Rejected, Scope

Options = Mapping[str, Sequence[str]]  # character or word -> what it may become; never itself


def noisy(
    row: Example, places: Sequence[int], rate: float, misread: Callable[[str], str], rng: Random
) -> Child | Rejected:
    """The row with the token at each of `places` misread with probability `rate`, at least one."""
    if not places:
        return Rejected("nothing_to_change")
    return substituted(row, {at: misread(row.tokens[at]) for at in by_chance(places, rate, rng)})


def legible(row: Example, scope: Scope, options: Options, shortest: int) -> list[int]:
    """Positions of the tokens in scope, of at least `shortest` characters, of which one has options."""
    return [
        at
        for at in in_scope(row, scope)
        if len(row.tokens[at]) >= shortest and any(character in options for character in row.tokens[at])
    ]


def misspelt(word: str, options: Options, rate: float, rng: Random) -> str:
    """The word with each character that has options replaced with probability `rate`, at least one."""
    characters = list(word)
    for at in by_chance([at for at, character in enumerate(word) if character in options], rate, rng):
        characters[at] = rng.choice(options[word[at]])
    return "".join(characters)


def nlpaug_data(*parts: str) -> Path:
    """A file or folder of nlpaug's own data. Importing the package pulls torch."""
    import nlpaug

    return Path(nlpaug.__file__).parent.joinpath("res", *parts)
