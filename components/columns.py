"""A sentence and its children beside each other, with what became of each word. All of it is set as text only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from components.entities import GREY, MAKE_JS
from components.words import raw, visible
from core.report.diff import Kind, Piece, Stretch
from core.report.figures import label_colours


@dataclass(frozen=True)
class Column:
    """A child under its method's name, or what is said in its place: `mark` in a word, `said` why.

    `note`: below the name; `end`: below the child; `labels`: of the row as a whole, None: not known.
    """

    title: str
    stretches: Sequence[Stretch] = ()
    note: str = ""
    end: str = ""
    labels: Sequence[str] | None = ()
    mark: str = ""
    said: str = ""


_ACROSS = 3  # columns that stand beside the original, where there is room
_CSS = """
.beside { container-type: inline-size; font-family: var(--st-font); color: var(--st-text-color); }
.frame { display: grid; gap: 0.8rem; align-items: start; grid-template-columns: minmax(0, 1fr) minmax(0, var(--wide)); }
.others { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); }
@container (max-width: 36rem) { .frame, .others { grid-template-columns: minmax(0, 1fr); } }
.column { border: 1px solid var(--st-border-color); border-radius: 0.4rem; padding: 0.6rem 0.8rem; }
.first { background: var(--st-secondary-background-color); }
.title { font-weight: 600; overflow-wrap: anywhere; }
.note { opacity: 0.75; font-size: 0.8rem; }
.text { font-size: 1.05rem; line-height: 1.95; padding: 0.35rem 0; overflow-wrap: anywhere; white-space: pre-wrap; }
.end { border-top: 1px solid var(--st-border-color-light); margin-top: 0.3rem; padding-top: 0.25rem; }
.said { padding: 0.35rem 0; overflow-wrap: anywhere; }
.said b { margin-inline-end: 0.4rem; }
.entity { border-radius: 0.3rem; padding: 0.08rem 0.3rem; border-bottom: 2px solid var(--c);
  background: color-mix(in srgb, var(--c) 24%, transparent); unicode-bidi: isolate; }
.label { font-size: 0.68rem; margin-inline-start: 0.3rem; opacity: 0.8; }
.whole { border-radius: 0.6rem; padding: 0.05rem 0.5rem; margin-inline-end: 0.4rem; font-size: 0.78rem;
  border: 1px solid var(--c); background: color-mix(in srgb, var(--c) 24%, transparent); unicode-bidi: isolate; }
ins, del { text-decoration: none; }
ins, .replaced, .moved { font-weight: 600; text-underline-offset: 0.25rem; }
ins { text-decoration: underline solid 2px #009E73; }
ins::before { content: "+"; }
del { font-size: 0.85rem; opacity: 0.75; margin-inline-end: 0.3rem; text-decoration: line-through; }
.removed { margin-inline: 0.3rem 0; text-decoration-color: #D55E00; }
.removed::before { content: "\\2212"; display: inline-block; vertical-align: super; font-size: 0.8em; }
.replaced { text-decoration: underline wavy 1px; }
.moved { border-bottom: 2px dashed #CC79A7; }
.left::before { content: "\\2190\\202F"; }
.right::after { content: "\\202F\\2192"; }
.legend { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.3rem 1.4rem; margin-top: 0.6rem;
  font-size: 0.85rem; }
"""

_JS = """
export default function (component) {
  const { data, parentElement } = component
  const old = parentElement.querySelector(".beside")
  if (old) old.remove()
  const word = (kind, way, text) => {
    const found = make(kind === "inserted" ? "ins" : "span", `${kind} ${way}`.trim(), text)
    if (kind !== "kept") found.title = data.words[kind]
    return found
  }
  const put = (place, one, first) => {
    if (!first) place.append(one.gap)
    if (one.was) {
      const gone = make("del", one.kind === "removed" ? "removed" : "", one.was)
      gone.title = data.words[one.kind]
      place.append(gone)
    }
    if (one.text) place.append(word(one.kind, one.way, one.text))
  }
  const child = (one) => {
    const text = make("div", "text")
    text.dir = "auto"
    for (const stretch of one.stretches) {
      text.append(stretch.pieces[0].gap)
      const place = stretch.label === null ? text : make("span", "entity")
      stretch.pieces.forEach((piece, at) => put(place, piece, at === 0))
      if (stretch.label === null) continue
      place.style.setProperty("--c", data.colours[stretch.label] || "#888888")
      const label = make("span", "label")
      if (stretch.was) label.append(make("del", "", stretch.was))
      label.append(stretch.label)
      place.append(label)
      text.append(place)
    }
    return text
  }
  const column = (one, kind) => {
    const found = make("section", `column ${kind}`)
    found.setAttribute("aria-label", one.title)
    found.append(make("div", "title", one.title))
    if (one.note) found.append(make("div", "note", one.note))
    if (one.mark) {
      const said = make("div", "said")
      said.append(make("b", "", one.mark), make("span", "", one.said))
      found.append(said)
    } else {
      found.append(child(one))
    }
    for (const [label, colour] of one.labels) {
      const whole = make("span", "whole", label)
      whole.style.setProperty("--c", colour)
      found.append(whole)
    }
    if (one.end) found.append(make("div", "note end", one.end))
    return found
  }
  const all = make("div", "beside")
  const frame = make("div", "frame")
  frame.style.setProperty("--wide", `${data.across}fr`)
  const others = make("div", "others")
  for (const one of data.columns) others.append(column(one, ""))
  frame.append(column(data.original, "first"), others)
  const legend = make("div", "legend")
  for (const [kind, way, was, now] of data.legend) {
    const sample = make("span")
    put(sample, { kind, way, was, text: now, gap: "" }, true)
    legend.append(sample)
  }
  all.append(frame, legend)
  parentElement.append(all)
}
"""

_mount = st.components.v2.component("peibi_beside", css=_CSS, js=MAKE_JS + _JS)


def kinds() -> Mapping[Kind, str]:
    """What became of a word, in a word."""
    return {
        "kept": raw("kept"),
        "inserted": raw("inserted"),
        "removed": raw("removed"),
        "replaced": raw("replaced"),
        "moved": raw("moved"),
    }


def beside(original: Column, columns: Sequence[Column], labels: Sequence[str], key: str) -> None:
    """Show them. `labels`: all of the corpus, in order, so that each keeps its colour."""
    colours = {visible(label): colour for label, colour in label_colours(labels).items()}
    words = kinds()
    legend = [
        ("inserted", "", "", words["inserted"]),
        ("removed", "", words["removed"], ""),
        ("replaced", "", raw("before"), words["replaced"]),
        ("moved", "left", "", words["moved"]),
        ("moved", "right", "", words["moved"]),
    ]
    shown = [_column(one, colours) for one in columns]
    across = max(1, min(_ACROSS, len(columns)))
    data = {"original": _column(original, colours), "columns": shown, "across": across}
    _mount(data={**data, "colours": colours, "words": words, "legend": legend}, key=key)


def _column(column: Column, colours: Mapping[str, str]) -> dict[str, object]:
    stretches = [
        {"label": _seen(one.label), "was": _seen(one.was), "pieces": [_piece(piece) for piece in one.pieces]}
        for one in column.stretches
    ]
    labels = [(raw("not known"), GREY)] if column.labels is None else [
        (label, colours.get(label, GREY)) for label in map(visible, column.labels)
    ]  # fmt: skip
    said = {name: visible(getattr(column, name)) for name in ("title", "note", "end", "mark", "said")}
    return {**said, "stretches": stretches, "labels": labels}


def _piece(piece: Piece) -> dict[str, str]:
    text = {"text": visible(piece.text), "was": visible(piece.was), "gap": visible(piece.gap)}
    return {**text, "kind": piece.kind, "way": piece.way}


def _seen(label: str | None) -> str | None:
    return None if label is None else visible(label)
