"""Parameters as frozen dataclasses: checked once where they enter, hashed without their defaults."""

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.errors import CoreError, Value

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
T = TypeVar("T")

CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)  # `__pydantic_config__` of every params class


def build(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """`data` as an instance of the params class `cls`; `where` names the place in messages ("train", "mix").

    Raises CoreError `unknown_key`, `missing_key` or `bad_value`, naming the first offending key; an unknown one comes
    before all others, since a misspelt key also leaves the right one missing.
    """
    try:
        return _checker(cls).validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise _translated(cls, error, where) from None


@cache
def _checker(cls: type[T]) -> TypeAdapter[T]:
    """Made once for each class: that takes 10 ms."""
    return TypeAdapter(cls)


def _translated(cls: type[Any], error: ValidationError, where: str) -> CoreError:
    errors = error.errors(include_url=False, include_context=False)
    first = next((found for found in errors if _is_unknown(found)), errors[0])
    path = [str(part) for part in first["loc"] if not str(part).startswith(("function-", "constrained-"))]
    if path and path[-1] == "[key]":  # a mapping's key is meant, not its value
        path.pop()
    key = path[-1] if path else ""
    place = ".".join(part for part in (where, *path[:-1]) if part)
    if _is_unknown(first):
        return unknown_key(key, _known(cls, path[:-1]), place)
    if first["type"] in ("missing", "missing_argument"):
        return CoreError("missing_key", {"key": key, "where": place})
    return bad_value(".".join(part for part in (where, *path) if part), first.get("input"), first["msg"])


def _is_unknown(error: Mapping[str, Any]) -> bool:
    return error["type"] in ("unexpected_keyword_argument", "extra_forbidden") or error["loc"][-1:] == ("[key]",)


def _known(cls: type[Any], path: Sequence[str]) -> tuple[str, ...]:
    """The keys that may stand at the place `path` inside a params class; none where any may."""
    kind: Any = cls
    for part in path:
        kind = get_type_hints(kind)[part] if dataclasses.is_dataclass(kind) else get_args(kind)[-1]
        if get_origin(kind) in (Union, UnionType):
            kind = next(option for option in get_args(kind) if option is not NoneType)
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    keys = get_args(kind)[:1]
    return get_args(keys[0]) if keys and get_origin(keys[0]) is Literal else ()


def bad_value(where: str, value: object, expected: str) -> CoreError:
    return CoreError("bad_value", {"where": where, "value": _short(value), "expected": expected})


def unknown_key(key: str, known: Sequence[str], where: str) -> CoreError:
    """The error for a key nobody knows, with the nearest known one where there is one."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    values: dict[str, Value] = {"key": key, "where": where, "known": ", ".join(known)}
    if near:
        return CoreError("unknown_key", values | {"nearest": near[0]}, "hint_nearest")
    return CoreError("unknown_key", values, "hint_known" if known else "")


def field_names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def canonical(params: Any) -> dict[str, Json]:
    """A params instance as JSON that omits every field equal to its default."""
    out: dict[str, Json] = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value != default:
            out[field.name] = plain(value)
    return out


def plain(value: Any) -> Json:
    """A value of a params class as JSON."""
    if dataclasses.is_dataclass(value):
        return canonical(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def canonical_json(value: Json) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Json) -> str:
    """sha256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def slug(name: str) -> str:
    """A name that is safe as a folder: letters (of any script), digits, `-`, `_`, `.`; never a path, at most 80."""
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-.")[:80]
    return safe or "untitled"
