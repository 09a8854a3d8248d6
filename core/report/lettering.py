"""How a name from a user's file gets into a figure: as it is typed, whatever it holds."""

import re
import unicodedata

_LONGEST = 40  # characters of a name
_TICK_COLUMNS = 20
_TITLE_COLUMNS = 46  # at 420 pixels
_READ_BY_PLOTLY = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"})


def escape(text: str) -> str:
    """Text that Plotly draws as it is: it reads tags and entities, and TeX between dollars; the unseen as codes."""
    return _visible(text).translate(_READ_BY_PLOTLY)


def shown(name: str) -> str:
    """A name without markup, and of at most 40 characters."""
    return escape(_cut(name))


def tick(label: str) -> str:
    """`shown` for an axis: in lines of at most 20 columns, broken after a blank where there is one."""
    lines, room = [""], _TICK_COLUMNS
    for character in _cut(label):
        if _width(character) > room:
            head, blank, tail = lines[-1].rpartition(" ")
            lines[-1:] = [head + blank, tail] if blank else [tail, ""]
            room = _TICK_COLUMNS - sum(_width(other) for other in lines[-1])
        lines[-1] += character
        room -= _width(character)
    return "<br>".join(escape(line) for line in lines)


def title(text: str) -> str:
    """`escape` for an axis' title, in lines that a narrow figure has room for: broken at blanks, Chinese anywhere."""
    lines = [""]
    for part in re.findall(r"\S*\s*", text) if columns(text) == len(_cut(text)) else text:
        if lines[-1] and sum(map(_width, lines[-1] + part.rstrip())) > _TITLE_COLUMNS:
            lines.append("")
        lines[-1] += part
    return "<br>".join(escape(line.rstrip()) for line in lines)


def columns(name: str) -> int:
    """How wide `shown` draws a name: a Latin letter takes one column, a Chinese character two."""
    return sum(_width(character) for character in _cut(name))


def _width(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str) -> str:
    visible = _visible(text)
    return visible if len(visible) <= _LONGEST else visible[: _LONGEST - 1] + "…"


def _visible(text: str) -> str:
    """Control, format and bidirectional characters as codes."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
