"""Words on the page: one translation function, and text from users made safe for Streamlit's Markdown sinks."""

import gettext
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import streamlit as st

from components.speech import NOUNS, SPEECH
from core.errors import LANGUAGES, CoreError, Issue, Value, message

NAMES: Mapping[str, str] = {"en": "English", "zh_CN": "简体中文"}
_CATALOGUES = Path(__file__).parent / "locale"
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&\"'^=@/])")
_JOINER = "\u2060"  # invisible, no break: parts what Streamlit would read together, after Markdown was parsed
_SPEECH = "speech"  # session key: the kind of rows that is spoken of
_PAIRS = re.compile(r"(?<=[<>~=-])(?=[<>~=-])")  # arrows and the like, which Streamlit turns into symbols


def language() -> str:
    """The language of this session: what the switch says, else the browser's, else English."""
    chosen = st.session_state.get("lang")
    return chosen if chosen in LANGUAGES else preferred()


def preferred() -> str:
    """The language of the browser, where Peibi speaks it."""
    return "zh_CN" if (st.context.locale or "").lower().startswith("zh") else "en"


def speak(rows: str) -> None:
    """From here on sentences are about rows of that kind (`Task.rows`), see `components.speech`."""
    st.session_state[_SPEECH] = rows


@contextmanager
def speaking(rows: str) -> Generator[None]:
    """Within it, sentences are about rows of that kind."""
    before = st.session_state.get(_SPEECH, "")
    speak(rows)
    try:
        yield
    finally:
        speak(before)


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    return gettext.translation("app", _CATALOGUES, [code], fallback=code == "en")


def t(text: str, **values: object) -> str:
    """The English `text` in the session's language, for widgets and Markdown: values are escaped."""
    return _filled(text, {name: escape(value) for name, value in values.items()})


def raw(text: str, **values: object) -> str:
    """The same for sinks that show text as it is (data frames, charts, `st.text`, our own components)."""
    return _filled(text, {name: visible(value) for name, value in values.items()})


@cache
def _said(text: str, rows: str, code: str) -> str:
    """A sentence of the app, as it is said about rows of a kind, in a language."""
    found = _catalogue(code).gettext(SPEECH.get(rows, {}).get(text, text))
    for noun, other in NOUNS.get(rows, {}).get(code, ()):
        found = found.replace(noun, other)
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    found = _said(text, st.session_state.get(_SPEECH, ""), language())
    return found.format_map(values) if values else found


def visible(value: object) -> str:
    """The text of a value with characters that can't be seen, or that turn the line around, as codes."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() else " " if c in "\n\r\t" else f"\\u{ord(c):04x}" for c in text)


def escape(value: object) -> str:
    """A value as Markdown that shows exactly its characters: no markup, link, image, icon, formula or directive."""
    text = _PAIRS.sub(_JOINER, visible(value))
    text = re.sub(r"(?i)(www)(?=\.)", rf"\1{_JOINER}", text).replace(":", f":{_JOINER}").replace("@", f"@{_JOINER}")
    return _MARKS.sub(r"\\\1", text)


def said(code: str, values: Mapping[str, Value] | None = None) -> str:
    """The words of a code of core's, for Markdown sinks."""
    return message(code, {k: escape(v) if isinstance(v, str) else v for k, v in (values or {}).items()}, language())


def said_raw(code: str, values: Mapping[str, Value] | None = None) -> str:
    """The words of a code of core's, for sinks that show text as it is."""
    return visible(message(code, values or {}, language()))


def told(error: CoreError) -> str:
    """What went wrong, where, and what to do, for Markdown sinks."""
    row = error.values.get("row") or error.values.get("line")
    place = ":".join(escape(part) for part in (error.values.get("file"), row) if part not in (None, ""))
    text = f"**{place}**: {said(error.code, error.values)}" if place else said(error.code, error.values)
    return f"{text} {said(error.hint_code, error.values)}" if error.hint_code else text


def issue_words(issue: Issue) -> str:
    """What an issue says, as it is."""
    return said_raw(issue.code, issue.values)


def percent(value: float, digits: int = 0) -> str:
    """A share (0..1) in per cent."""
    return f"{100 * value:.{digits}f} %"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}"


def duration(seconds: float) -> str:
    """About how long: seconds, minutes or hours."""
    if seconds < 90:
        return t("{n} s", n=max(1, round(seconds)))
    if seconds < 5400:
        return t("{n} min", n=round(seconds / 60))
    hours, minutes = divmod(round(seconds / 60), 60)
    return t("{h} h {m} min", h=hours, m=minutes)


def clock(seconds: float) -> str:
    """The time of day so many seconds from now, where the browser is; with the date if it is another day."""
    zone = ZoneInfo(st.context.timezone or "UTC")
    now = datetime.now(zone)
    then = now + timedelta(seconds=seconds)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"
