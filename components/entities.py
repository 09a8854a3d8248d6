"""Rows of text with their entities or labels coloured and changed words marked. All of it is set as text only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from components.words import raw, visible
from core.report.browse import Row, Segment
from core.report.figures import label_colours


@dataclass(frozen=True)
class Line:
    """One row as it is shown. `lead`: a short note before it (a number, "original"); `note`: one after it.

    `labels`: of the row as a whole, after the text; None: not known.
    """

    segments: Sequence[Segment]
    lead: str = ""
    note: str = ""
    indent: bool = False
    labels: Sequence[str] | None = ()


GREY = "#888888"
_CSS = """
.rows { font-family: var(--st-font); color: var(--st-text-color); font-size: 0.95rem; line-height: 1.9; }
.row { display: flex; gap: 0.7rem; padding: 0.25rem 0; border-bottom: 1px solid var(--st-border-color-light); }
.row.indent { padding-inline-start: 1.2rem; }
.lead { flex: 0 0 auto; min-width: 3.2rem; opacity: 0.65; font-size: 0.8rem; padding-top: 0.2rem; }
.text { flex: 1 1 auto; min-width: 0; overflow-wrap: anywhere; }
.note { opacity: 0.7; font-size: 0.8rem; margin-inline-start: 0.5rem; }
.entity { border-radius: 0.3rem; padding: 0.08rem 0.3rem; border-bottom: 2px solid var(--c);
  background: color-mix(in srgb, var(--c) 24%, transparent); unicode-bidi: isolate; }
.label { font-size: 0.68rem; margin-inline-start: 0.3rem; opacity: 0.8; }
.whole { border-radius: 0.6rem; padding: 0.05rem 0.5rem; margin-inline-start: 0.4rem; font-size: 0.78rem;
  border: 1px solid var(--c); background: color-mix(in srgb, var(--c) 24%, transparent); unicode-bidi: isolate; }
.new { text-decoration: underline; text-decoration-style: wavy; text-decoration-thickness: 1px;
  text-underline-offset: 0.25rem; font-weight: 600; }
.was { text-decoration: line-through; opacity: 0.55; margin-inline-end: 0.25rem; font-size: 0.85rem; }
"""

MAKE_JS = """
const make = (name, kind, text) => {
  const found = document.createElement(name)
  if (kind) found.className = kind
  if (text !== undefined) found.textContent = text
  return found
}
"""
_JS = """
export default function (component) {
  const { data, parentElement } = component
  const old = parentElement.querySelector(".rows")
  if (old) old.remove()
  const rows = make("div", "rows")
  for (const line of data.lines) {
    const row = make("div", line.indent ? "row indent" : "row")
    if (line.lead) row.append(make("span", "lead", line.lead))
    const text = make("span", "text")
    for (const part of line.parts) {
      if (part.was) text.append(make("span", "was", part.was))
      if (!part.text) continue
      if (part.label === null) {
        text.append(make("span", part.changed ? "new" : "", part.text))
        continue
      }
      const entity = make("span", part.changed ? "entity new" : "entity", part.text)
      entity.style.setProperty("--c", data.colours[part.label] || "#888888")
      entity.append(make("span", "label", part.label))
      text.append(entity)
    }
    for (const [label, colour] of line.labels) {
      const whole = make("span", "whole", label)
      whole.style.setProperty("--c", colour)
      text.append(whole)
    }
    if (line.note) text.append(make("span", "note", line.note))
    row.append(text)
    rows.append(row)
  }
  parentElement.append(rows)
}
"""

_mount = st.components.v2.component("peibi_entities", css=_CSS, js=MAKE_JS + _JS)


def shown(row: Row, lead: str = "", note: str = "", indent: bool = False) -> Line:
    """A row of a corpus as a line."""
    return Line(row.segments, lead, note, indent, row.labels)


def entities(lines: Sequence[Line], labels: Sequence[str], key: str) -> None:
    """Show rows. `labels`: all of the corpus, in order, so that each keeps its colour."""
    colours = {visible(label): colour for label, colour in label_colours(labels).items()}
    _mount(data={"lines": [_line(line, colours) for line in lines], "colours": colours}, key=key)


def _line(line: Line, colours: Mapping[str, str]) -> dict[str, object]:
    parts = [
        {
            "text": visible(part.text),
            "label": None if part.label is None else visible(part.label),
            "was": None if part.was is None else visible(part.was),
            "changed": part.changed,
        }
        for part in line.segments
    ]
    whole = [(raw("not known"), GREY)] if line.labels is None else [
        (name, colours.get(name, GREY)) for name in map(visible, line.labels)
    ]  # fmt: skip
    text = {"lead": visible(line.lead), "note": visible(line.note), "indent": line.indent}
    return {**text, "parts": parts, "labels": whole}
