"""A recipe back as plain data and as the text of a file that `load` reads."""

import re
from collections.abc import Mapping
from typing import Any

from core.mix import GOLD, Mix
from core.models.catalogue import default_for
from core.params import Json, canonical, plain
from core.recipe import SEEDS, VERSION, Recipe

GOLD_ONLY = "gold only"
_PLAIN = re.compile(r"[^\W\d]([\w .-]*\w)?|corpus:[\w.-]+")  # needs no quotes
_WORDS = ("null", "true", "false")  # which would be read as something else


def recipe_data(recipe: Recipe) -> dict[str, Any]:
    """The keys of a recipe file, without those that equal their default."""
    data: dict[str, Any] = {"version": VERSION, "task": recipe.task, "language": recipe.language}
    data["data"] = recipe.data if isinstance(recipe.data, str) else canonical(recipe.data)
    if recipe.ingredients:
        data["ingredients"] = {name: canonical(part) for name, part in recipe.ingredients.items()}
    if recipe.mix != Mix():
        data["mix"] = mix_data(recipe.mix)
    train = train_data(recipe)
    if recipe.seeds != SEEDS:
        train["seeds"] = plain(recipe.seeds)
    data |= {"train": train} if train else {}
    data |= {"licences": dict(recipe.licences)} if recipe.licences else {}
    return data | {"project": recipe.project}


def train_data(recipe: Recipe) -> dict[str, Json]:
    """Training settings as they stand in a recipe, whose language says which model is meant where none is named."""
    train = dict(canonical(recipe.train))
    train.pop("model", None)
    return train if recipe.train.model == default_for(recipe.language) else {"model": recipe.train.model} | train


def mix_data(mix: Mix) -> dict[str, Any]:
    """A mix as it stands in a recipe: a bare number where a part has the mix's own unit."""
    parts = {name: part.amount if part.unit is None else canonical(part) for name, part in mix.parts.items()}
    return dict(canonical(mix)) | ({"parts": parts} if parts else {})


def mix_name(mix: Mix) -> str:
    """A short name for a mix that has none: `gold only`, or `1x mentions + 0.5x synonyms`; its own words are data."""
    asked = {name: ask for name, ask in mix.requested().items() if name != GOLD and ask[0] > 0}
    signs = {"times_gold": "x", "rows": " rows", "share": " share"}
    return " + ".join(f"{amount:g}{signs[unit]} {name}" for name, (amount, unit) in asked.items()) or GOLD_ONLY


def recipe_text(recipe: Recipe) -> str:
    """The recipe as YAML."""
    return yaml_text(recipe_data(recipe))


def yaml_text(data: Mapping[str, Any]) -> str:
    """Plain data as YAML 1.2 in the order given; what core.yaml_text.parse reads back is equal to it."""
    return "".join(_block(name, value, 0) for name, value in data.items()) or "{}\n"


def _block(name: str, value: Any, depth: int) -> str:
    """One key: mappings of mappings as lines of their own, everything else on the key's line."""
    lead = "  " * depth + _scalar(name) + ":"
    if isinstance(value, Mapping) and value and (depth < 1 or any(isinstance(v, Mapping) for v in value.values())):
        return lead + "\n" + "".join(_block(key, inner, depth + 1) for key, inner in value.items())
    return f"{lead} {_flow(value)}\n"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS else _quoted(value)
    if isinstance(value, float):
        return repr(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _quoted(text: str) -> str:
    """Double-quoted, with an escape for whatever is not plainly printable."""
    out = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in out) + '"'
