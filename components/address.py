"""What one looks at stands in the address of the page: a reload, a bookmark or a colleague's link shows it again.

Streamlit's own `bind="query-params"` writes the words an option is shown with, so a link would break when the language
changes; here the language-neutral code is written. Widgets without options (numbers, text) use Streamlit's binding.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

_WRITTEN = "address:"  # session key of what was last written to the address


def choice(
    widget: Callable[..., Any],
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str | None = None,
    show: Callable[[str], str] = str,
    always: bool = False,
    **more: Any,
) -> str:
    """One of `options` by a selectbox, segmented_control, pills or radio; `key` is also the name in the address.

    The first choice stays out of the address, unless `always`: where the first may be another one tomorrow.
    """
    first = default if default in options else options[0]
    asked = st.query_params.get(key)
    if asked in options and asked != st.session_state.get(_WRITTEN + key):
        st.session_state[key] = asked
    elif st.session_state.get(key) not in options:
        st.session_state[key] = first
    if widget in (st.segmented_control, st.pills):
        more.setdefault("required", True)
    value = widget(label, options, key=key, format_func=show, persist_state="session", **more)
    keep(key, value, None if always else first)
    return value


def several(
    widget: Callable[..., Any],
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str] = (),
    show: Callable[[str], str] = str,
    **more: Any,
) -> list[str]:
    """Any of `options` by a multiselect, or pills with selection_mode="multi"."""
    asked = [value for value in st.query_params.get_all(key) if value in options]
    if asked and asked != st.session_state.get(_WRITTEN + key):
        st.session_state[key] = asked
    elif key not in st.session_state:
        st.session_state[key] = [value for value in default if value in options]
    else:
        st.session_state[key] = [value for value in st.session_state[key] if value in options]
    value = widget(label, options, key=key, format_func=show, persist_state="session", **more)
    keep(key, list(value), list(default))
    return list(value)


def keep(key: str, value: Any, default: Any) -> None:
    """Write a value into the address; one that is the default stays out of it."""
    if value in (None, default, []):
        if key in st.query_params:
            del st.query_params[key]
        st.session_state[_WRITTEN + key] = None
    else:
        now = st.query_params.get_all(key)
        if now != (value if isinstance(value, list) else [value]):
            st.query_params[key] = value
        st.session_state[_WRITTEN + key] = value


def whole() -> dict[str, list[str]]:
    """All that stands in the address; of some names there is more than one."""
    return {name: st.query_params.get_all(name) for name in st.query_params}
