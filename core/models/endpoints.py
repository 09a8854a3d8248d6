"""Endpoints: language models behind HTTP, as `endpoints.yaml` of a workspace names them.

Recipes, projects and specs know an endpoint by its name (`endpoint:NAME`) and nothing else of it: where it is and with
which key it is asked stands in that one file, which only its owner may read. Keys come from there or from a file, never
from the environment: a run that goes on after a reboot would not find it there.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import Field

from core.errors import CoreError
from core.params import CLOSED, Json, build
from core.yaml_text import parse

FILE = "endpoints.yaml"
_REFERENCE = re.compile(r"endpoint:(.*)", re.DOTALL)
_NAME = re.compile(r"[\w.-]{1,60}")
_LARGEST = 100_000  # bytes of the file, and of one with a key
_MILLION = 1_000_000

Price = Annotated[float, Field(ge=0)]  # of a million tokens


@dataclass(frozen=True)
class Endpoint:
    """One OpenAI-compatible endpoint. `url`: its base, without `/chat/completions`; `model`: as it calls it; `key` or
    `key_file`: what it is asked with; `private`: it may lie on this machine or in a private network; `price_in`,
    `price_out`: of a million tokens, in `currency`; `parallel`: questions at once; `seconds`: that an answer may take;
    `send`: more fields of a question, null takes one out."""

    __pydantic_config__ = CLOSED
    url: Annotated[str, Field(min_length=1, max_length=2000)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    key: str | None = field(default=None, repr=False)
    key_file: str | None = None
    private: bool = False
    price_in: Price | None = None
    price_out: Price | None = None
    currency: Annotated[str, Field(max_length=10)] = "USD"
    parallel: Annotated[int, Field(ge=1, le=32)] = 4
    seconds: Annotated[float, Field(gt=0, le=300)] = 60.0
    send: dict[str, Any] = field(default_factory=dict[str, Json])

    @property
    def parts(self) -> SplitResult:
        """The address in parts."""
        return urlsplit(self.url)

    def cost(self, tokens_in: float, tokens_out: float) -> float | None:
        """What tokens cost; None where no price is known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / _MILLION


def name_of(value: str) -> str | None:
    """The name in `endpoint:NAME`; None for any other text."""
    found = _REFERENCE.fullmatch(value)
    return found[1] if found else None


def is_web(url: str) -> bool:
    """Whether it is an http(s) address, and says where and nothing else: no user, password, query or fragment."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
    return sound and parts.username is None and not parts.query and not parts.fragment and url.isprintable()


def read(path: Path) -> Mapping[str, Endpoint]:
    """The endpoints of a file, by name; none where it isn't there.

    Raises CoreError `endpoint_file_open` for one that others may read, `endpoint_bad_url`, `endpoint_bad_key`, and
    those of YAML and params, which never repeat a key.
    """
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise CoreError("endpoint_file_open", {"file": path.name}, "hint_endpoint_file_open")
        data = parse(_text(path), path.name).data
    except FileNotFoundError:
        return {}
    if data is None:
        return {}
    if not isinstance(data, dict) or not all(_NAME.fullmatch(str(name)) for name in data):
        raise CoreError("endpoint_file", {"file": path.name}, "hint_endpoint")
    return {str(name): _endpoint(one, f"{path.name}: {name}", path.parent) for name, one in data.items()}


def named(path: Path | None, name: str) -> Endpoint:
    """The endpoint of that name. Raises CoreError `endpoint_unknown` with those there are, and those of `read`."""
    known = {} if path is None else read(path)
    if name not in known:
        values = {"name": name, "known": ", ".join(sorted(known)) or "-", "file": FILE}
        raise CoreError("endpoint_unknown", values, "hint_endpoint")
    return known[name]


def _endpoint(data: Any, where: str, folder: Path) -> Endpoint:
    if not isinstance(data, dict):
        raise CoreError("endpoint_file", {"file": FILE}, "hint_endpoint")
    if not isinstance(data.get("key", ""), str):
        raise CoreError("endpoint_bad_key", {"where": where}, "hint_endpoint")
    found = build(Endpoint, data, where)
    if not is_web(found.url):
        raise CoreError("endpoint_bad_url", {"where": where}, "hint_endpoint_bad_url")
    key = found.key if found.key_file is None else _key(folder / Path(found.key_file).expanduser(), where)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,4000}", key):
        raise CoreError("endpoint_bad_key", {"where": where}, "hint_endpoint")
    if key is not None and found.parts.scheme == "http" and not found.private:
        raise CoreError("endpoint_key_in_clear", {"where": where}, "hint_endpoint_key_in_clear")
    return replace(found, key=key)


def _key(path: Path, where: str) -> str:
    try:
        return _text(path).strip()
    except OSError:
        raise CoreError("endpoint_bad_key", {"where": where}, "hint_endpoint") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        raise CoreError("endpoint_file", {"file": FILE}, "hint_endpoint") from None
