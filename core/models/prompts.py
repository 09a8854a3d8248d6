"""Templates of questions to a language model: text with named places, `$name`, that a program fills."""

from collections.abc import Collection
from string import Template

from core.errors import CoreError


def template(text: str, places: Collection[str], needed: Collection[str] = ()) -> Template:
    """A template whose places can all be filled. `needed`: those of `places` that it must have.

    Raises CoreError `prompt_place` for a place that nobody fills, or a dollar sign that begins none,
    `prompt_place_missing`.
    """
    found = Template(text)
    there = {*found.get_identifiers()} if found.is_valid() else {"$"}
    known = ", ".join(f"${one}" for one in sorted(places))
    if there - {*places}:
        values = {"name": ", ".join(sorted(there - {*places})), "known": known}
        raise CoreError("prompt_place", values, "hint_prompt_place")
    if {*needed} - there:
        values = {"name": ", ".join(f"${one}" for one in sorted({*needed} - there)), "known": known}
        raise CoreError("prompt_place_missing", values, "hint_prompt_place_missing")
    return found
