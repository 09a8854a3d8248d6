"""How a report speaks: in which language, and whether of names in sentences or of whole texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import Value, message

_UNITS = (("hours", 3600, 5400), ("minutes", 60, 90))  # a unit, its seconds, and from how many on it is used


@dataclass(frozen=True)
class Voice:
    """`texts`: whole texts are labelled."""

    language: str = "en"
    texts: bool = False

    def say(self, code: str, **values: Value) -> str:
        """A sentence; where whole texts are labelled its own version, if it has one."""
        whole = f"report_{code}"
        if self.texts:
            told = message(f"{whole}_texts", values, self.language)
            if told != f"{whole}_texts":
                return told
        return message(whole, values, self.language)

    def joined(self, names: Sequence[str] | Mapping[str, None]) -> str:
        return ("、" if self.language == "zh_CN" else ", ").join(names)

    def after(self, first: str, then: str) -> str:
        """Two sentences."""
        return first + ("" if self.language == "zh_CN" else " ") + then

    def long(self, seconds: float) -> str:
        """A duration in the unit that fits."""
        for code, unit, least in _UNITS:
            if seconds >= least:
                return self.say(code, n=f"{seconds / unit:.1f}".removesuffix(".0"))
        return self.say("seconds", n=f"{seconds:.0f}")


def last(name: str) -> str:
    """Of a path on somebody's machine its last part: its folders are nobody else's business."""
    return Path(name).name if Path(name).is_absolute() else name
