"""The colours of maps: of a value its colour, and of a colour the ink that is legible on it."""

import math

Colour = tuple[int, int, int]
# opaque, so that numbers are legible on a light page, on a dark one, and on paper; dark blue and vermilion are told
# apart by everybody
_NONE, _MORE, _LESS = (233, 238, 242), (0, 74, 124), (156, 63, 0)
_INKS = ((255, 255, 255), (0, 0, 0))  # of which one has a contrast of 4.5 with whatever colour


def colour(value: float, reach: float) -> Colour:
    """The colour of a value: on one side of zero blue, on the other vermilion."""
    share, end = min(1.0, abs(value) / reach), _MORE if value >= 0 else _LESS
    red, green, blue = (round(none + share * (strong - none)) for none, strong in zip(_NONE, end, strict=True))
    return red, green, blue


def ink(cell: Colour) -> Colour:
    """The colour of text that stands out more (contrast as in WCAG 2.1)."""
    return max(_INKS, key=lambda ink: abs(_light(ink) - _light(cell)))


def _light(colour: Colour) -> float:
    """The logarithm of a colour's luminance as contrasts are reckoned, so that contrasts are differences."""
    red, green, blue = (_linear(part / 255) for part in colour)
    return math.log(0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4


def rgb(cell: Colour) -> str:
    return f"rgb({cell[0]},{cell[1]},{cell[2]})"
