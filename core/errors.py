"""What can go wrong, as codes and values. The words live in the gettext catalogues (`core/locale`)."""

import gettext
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

Value = str | int | float | None
Action = Literal["kept", "repaired", "dropped"]

LANGUAGES = ("en", "zh_CN")
_CATALOGUES = Path(__file__).parent / "locale"


class CoreError(Exception):
    """Something the user can mend: a code, the offending values, and the code of a hint (may be empty)."""

    def __init__(self, code: str, values: Mapping[str, Value] | None = None, hint_code: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.values = dict(values or {})
        self.hint_code = hint_code

    def __str__(self) -> str:
        return message(self.code, self.values)

    def to_json(self) -> dict[str, object]:
        return {"code": self.code, "values": self.values, "hint_code": self.hint_code}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "CoreError":
        values = data.get("values")
        assert isinstance(values, dict)
        return cls(str(data["code"]), values, str(data.get("hint_code") or ""))


@dataclass(frozen=True)
class Issue:
    """What was found in one row of a user's file, and what was done about it."""

    file: str
    row: int | None  # line or record number from 1; None: the whole file
    column: str | None
    code: str
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    action: Action = "kept"


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("core", _CATALOGUES, [language])


def message(code: str, values: Mapping[str, Value] | None = None, language: str = "en") -> str:
    """The words for a code. Values are inserted as they are: whoever shows the text escapes it."""
    return _catalogue(language).gettext(code).format_map({k: _shown(v) for k, v in (values or {}).items()})


def _shown(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
