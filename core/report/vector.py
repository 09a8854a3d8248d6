"""Pictures for a page that stands alone: SVG, with classes for their colours, so that light, dark and print differ in a
style sheet. The grammar is that of all figures: dots are measured, bands are uncertain. What they show is told apart
without colour too, and words come from outside.
"""

from collections.abc import Sequence
from html import escape

_COLUMNS, _CELL = 20, 14  # icons in a row, and how wide each stands
_R = 4.6
_ICONS = {  # centred on 0, 0
    "kept": f'<circle r="{_R}" class="kept"/>',
    "gained": f'<circle r="{_R}" class="gained"/><path d="M-2.4 0H2.4M0-2.4V2.4" class="sign"/>',
    "lost": '<path d="M-3.6-3.6L3.6 3.6M3.6-3.6L-3.6 3.6" class="lost"/>',
    "neither": '<circle r="1.4" class="neither"/>',
}
KINDS = tuple(_ICONS)


def icons(whole: Sequence[int], alt: str) -> str:
    """A hundred icons, kind by kind in the order of KINDS. `whole`: how many of each."""
    kinds = [kind for kind, count in zip(KINDS, whole, strict=True) for _ in range(count)]
    height = -(-len(kinds) // _COLUMNS) * _CELL
    placed = "".join(_placed(kind, at % _COLUMNS, at // _COLUMNS) for at, kind in enumerate(kinds))
    return _svg(_COLUMNS * _CELL, height, alt, placed, "icons")


def icon(kind: str, alt: str) -> str:
    """One of them, for a legend."""
    return _svg(_CELL, _CELL, alt, _placed(kind, 0, 0), "icon")


def _placed(kind: str, column: int, row: int) -> str:
    return f'<g transform="translate({(column + 0.5) * _CELL:g} {(row + 0.5) * _CELL:g})">{_ICONS[kind]}</g>'


def strip(
    before: float, now: float, interval: tuple[float, float] | None, alt: str, width: int = _COLUMNS * _CELL
) -> str:
    """Rates of 0..1 on a line from 0 to 100: where it was as a stroke, where it is as a dot, what is likely as a band.
    `interval`: of the rate now."""
    middle = 9

    def at(rate: float) -> float:
        return round(4 + (width - 8) * min(max(rate, 0.0), 1.0), 1)

    parts = [f'<path d="M4 {middle}H{width - 4}" class="axis"/>']
    if interval is not None:
        low, high = map(at, interval)
        parts.append(f'<rect x="{low:g}" y="{middle - 4}" width="{max(1.0, high - low):g}" height="8" class="band"/>')
    parts.append(f'<path d="M{at(before):g} 2V{2 * middle - 2}" class="was"/>')
    parts.append(f'<circle cx="{at(now):g}" cy="{middle}" r="4.6" class="gained"/>')
    return _svg(width, 2 * middle, alt, "".join(parts), "strip")


def _svg(width: int, height: int, alt: str, inside: str, kind: str) -> str:
    return (
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
        f"<title>{escape(alt)}</title>{inside}</svg>"
    )
