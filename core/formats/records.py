"""JSON Lines: one object a line, whatever its keys mean."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.formats import text_lines
from core.formats.losses import Bad, shown

_DIGITS = 1000  # of an integer, at most


def lines_of(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """(number, line) of every line that isn't blank. Raises CoreError: those of `text_lines.blocks`."""
    for first, block in text_lines.blocks(path, name):
        for offset, line in enumerate(block.split(b"\n")):
            if line.strip():
                yield first + offset, line.decode()


def record_of(line: str) -> dict[str, Any]:
    """The object that a line is. Raises Bad."""
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise Bad("bad_json", None, position=error.pos + 1) from None
    except RecursionError:
        raise Bad("json_too_deep") from None
    if not isinstance(value, dict):
        raise Bad("not_object")
    return value


def check_unicode(text: str, column: str) -> None:
    """Raises Bad for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Bad("lone_surrogate", column, position=error.start + 1) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise Bad("duplicate_key", None, key=shown(double))
    return out


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise Bad("bad_number", None, value=shown(digits, 20))
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Bad("bad_number", None, value=shown(digits, 20))
    return number


def _constant(word: str) -> float:
    raise Bad("bad_number", None, value=word)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant)
