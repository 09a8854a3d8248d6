"""Words of a row shaded by what each adds: colour, sign and number, so that none of them is needed alone. All of it is
set as text only."""

from collections.abc import Sequence

import streamlit as st

from components.entities import MAKE_JS
from components.words import visible

FOR, AGAINST = "#0072B2", "#D55E00"  # apart for the colour-blind, too
_CSS = """
.shaded { font-family: var(--st-font); color: var(--st-text-color); display: flex; flex-wrap: wrap; gap: 0.3rem 0.25rem;
  font-size: 0.95rem; }
.word { display: inline-flex; flex-direction: column; align-items: center; max-width: 100%; border-radius: 0.25rem;
  padding: 0.05rem 0.25rem; background: color-mix(in srgb, var(--c) var(--s), transparent);
  border-bottom: 2px solid color-mix(in srgb, var(--c) var(--s), transparent); unicode-bidi: isolate; }
.word.against { border-bottom-style: dashed; }
.word.asked { outline: 1px solid var(--st-text-color); font-weight: 600; }
.written { overflow-wrap: anywhere; }
.adds { font-size: 0.68rem; opacity: 0.8; font-variant-numeric: tabular-nums; }
"""
_JS = """
export default function (component) {
  const { data, parentElement } = component
  const old = parentElement.querySelector(".shaded")
  if (old) old.remove()
  const all = make("div", "shaded")
  for (const one of data.words) {
    const word = make("span", "word" + (one.against ? " against" : "") + (one.asked ? " asked" : ""))
    word.style.setProperty("--c", one.colour)
    word.style.setProperty("--s", one.strength + "%")
    word.append(make("span", "written", one.text), make("span", "adds", one.adds))
    all.append(word)
  }
  parentElement.append(all)
}
"""
_STRONGEST = 70  # per cent of the colour that the word which adds most has

_mount = st.components.v2.component("peibi_shading", css=_CSS, js=MAKE_JS + _JS)


def shaded(words: Sequence[str], adds: Sequence[float], asked: range, key: str) -> None:
    """`adds`: of each word; `asked`: the words that it is about, which are framed."""
    most = max((abs(value) for value in adds), default=0.0) or 1.0
    shown = [
        {
            "text": visible(word),
            "adds": f"{value:+.2f}",
            "against": value < 0,
            "asked": at in asked,
            "colour": AGAINST if value < 0 else FOR,
            "strength": round(_STRONGEST * abs(value) / most),
        }
        for at, (word, value) in enumerate(zip(words, adds, strict=True))
    ]
    _mount(data={"words": shown}, key=key)
