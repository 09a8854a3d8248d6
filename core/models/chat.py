"""One question to an OpenAI-compatible endpoint: `POST {base}/chat/completions`, with the guards that a stranger needs.

https://platform.openai.com/docs/api-reference/chat/create. httpcore2 (of httpx2) speaks HTTP over a connection that
this module opens: to an address that was looked up and checked before, so that no second look-up leads elsewhere. It
follows no redirects and uses no proxies; an answer has so many bytes and seconds and no more. What an answer says is
text: nothing in it is carried out. What an endpoint says about its own faults is not repeated, it might hold the key.
"""

import ipaddress
import json
import random
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import CoreError, Value
from core.models.endpoints import Endpoint

if TYPE_CHECKING:
    import httpcore2

_MOST_BYTES = 1 << 20  # of an answer, its head included
_MOST_TOKENS = 10**9  # more than that is no count
_TRIES = 4
_PAUSE = 1.0  # seconds before the second try; twice as many before each further one
_LONGEST_PAUSE = 20.0  # seconds, whatever an endpoint asks for
_CONNECT = 10.0  # seconds
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504, 529})  # answers after which it is asked once more
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_CODE = re.compile(r"[a-z_]{1,40}")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Reply:
    """What an endpoint said. `tokens_in`, `tokens_out`: as it counts them, or a guess where it doesn't; `cut`: it had
    not come to its end."""

    text: str
    tokens_in: int
    tokens_out: int
    cut: bool = False


class _Again(Exception):
    """Try once more. `pause`: seconds that the endpoint asks for."""

    def __init__(self, error: CoreError, pause: float = 0.0) -> None:
        super().__init__(error.code)
        self.error, self.pause = error, pause


def ask(endpoint: Endpoint, name: str, prompt: str, *, temperature: float, seed: int, most: int) -> Reply:
    """`name`: of the endpoint, for messages; `most`: tokens of the answer.

    Raises CoreError: `endpoint_address`, `endpoint_redirect`, `endpoint_key`, `endpoint_status`, `endpoint_silent`,
    `endpoint_slow`, `endpoint_large`, `endpoint_no_answer`; the transient ones of these after some tries.
    """
    fields: dict[str, Any] = {"model": endpoint.model, "messages": [{"role": "user", "content": prompt}]}
    fields |= {"temperature": temperature, "seed": seed, "max_tokens": most, "stream": False} | endpoint.send
    body = json.dumps({key: value for key, value in fields.items() if value is not None}).encode()
    began = time.monotonic()
    for number in range(_TRIES):
        try:
            return _read(_asked(endpoint, name, body), name, prompt)
        except _Again as again:
            if number == _TRIES - 1 or time.monotonic() - began > endpoint.seconds:
                raise again.error from None
            pause = max(again.pause, _PAUSE * 2**number * random.Random().uniform(0.8, 1.2))
            time.sleep(min(pause, _LONGEST_PAUSE))
    raise AssertionError


def guess(text: str) -> int:
    """About how many tokens a text has: four bytes each."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def addresses(endpoint: Endpoint, name: str) -> list[Address]:
    """Where an endpoint lies, looked up once. Raises CoreError `endpoint_silent`, and `endpoint_address` where any of
    it is not what its file allows."""
    parts = endpoint.parts
    assert parts.hostname is not None
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _failed("endpoint_silent", name, what="no such host") from None
    places = [ipaddress.ip_address(str(place[4][0]).partition("%")[0]) for place in found]
    for place in places:
        if not _allowed(place, endpoint.private):
            raise CoreError("endpoint_address", {"name": name, "address": str(place)}, "hint_endpoint_address")
    return [*dict.fromkeys(places)]


def _allowed(place: Address, private: bool) -> bool:
    """Whether an address, or one that it stands for, may be asked. Link-local ones never may: metadata lies there."""
    inner = _within(place)
    if inner is not None:
        return _allowed(inner, private)
    if place in _METADATA or place.is_link_local or place.is_multicast or place.is_unspecified:
        return False
    return place.is_global or (private and (place.is_private or place.is_loopback))


def _within(place: Address) -> Address | None:
    """The IPv4 address that an IPv6 one wraps."""
    if isinstance(place, ipaddress.IPv4Address):
        return None
    if place in _NAT64:
        return ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
    return place.ipv4_mapped or place.sixtofour or (place.teredo[1] if place.teredo else None)


def _asked(endpoint: Endpoint, name: str, body: bytes) -> bytes:
    """The answer's body. Raises _Again, CoreError."""
    import httpcore2

    from core.models.pinned import Capped, pinned

    parts = endpoint.parts
    head: dict[str | bytes, str | bytes] = {"Host": parts.netloc, "Content-Length": str(len(body))}
    head |= {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    head |= {} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key}"}
    url = f"{endpoint.url.rstrip('/')}/chat/completions"
    timeout = {"connect": min(_CONNECT, endpoint.seconds), **dict.fromkeys(("read", "write", "pool"), endpoint.seconds)}
    backend = pinned(addresses(endpoint, name), time.monotonic() + endpoint.seconds, _MOST_BYTES)
    tls = httpcore2.default_ssl_context() if parts.scheme == "https" else None
    try:
        with (
            httpcore2.ConnectionPool(ssl_context=tls, network_backend=backend) as pool,
            pool.stream("POST", url, headers=head, content=body, extensions={"timeout": timeout}) as answer,
        ):
            found = b"".join(answer.iter_stream())
            _check(answer, found, name, endpoint.key or "")
            return found
    except Capped:
        raise _failed("endpoint_large", name, most=_MOST_BYTES >> 20) from None
    except httpcore2.TimeoutException:
        raise _failed("endpoint_slow", name, seconds=endpoint.seconds) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
        raise _Again(_failed("endpoint_silent", name, what=type(error).__name__)) from None


def _check(answer: "httpcore2.Response", body: bytes, name: str, key: str) -> None:
    status, head = answer.status, dict(_lower(answer.headers))
    if 300 <= status < 400:
        raise _failed("endpoint_redirect", name)
    if status in (401, 403):
        raise _failed("endpoint_key", name, status=status)
    if status != 200:
        error = _failed("endpoint_status", name, status=status, what=_said(body, key))
        if status in _AGAIN:
            wait = head.get(b"retry-after", b"")
            raise _Again(error, float(wait) if wait.isdigit() and len(wait) < 6 else 0.0)
        raise error
    if head.get(b"content-encoding", b"identity") != b"identity":
        raise _failed("endpoint_no_answer", name, what="content-encoding")


def _lower(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((key.lower(), value.strip().lower()) for key, value in headers)


def _said(body: bytes, key: str) -> str:
    """The code of an endpoint's error, if it has one that is nothing but a word, and nothing of the key."""
    found = _object(body).get("error")
    told = [found.get(key) for key in ("code", "type")] if isinstance(found, dict) else []
    return next((one for one in told if isinstance(one, str) and _CODE.fullmatch(one) and one not in key), "-")


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(body: bytes, name: str, prompt: str) -> Reply:
    found = _object(body)
    choices: Any = found.get("choices")
    some: Any = choices[0] if isinstance(choices, list) and choices else None
    first: dict[str, Any] = some if isinstance(some, dict) else {}
    message: Any = first.get("message")
    text: Any = message.get("content") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise _failed("endpoint_no_answer", name, what="choices[0].message.content")
    used: Any = found.get("usage")
    counts: dict[str, Any] = used if isinstance(used, dict) else {}
    tokens_in = _count(counts.get("prompt_tokens"), prompt)
    return Reply(text, tokens_in, _count(counts.get("completion_tokens"), text), first.get("finish_reason") == "length")


def _count(told: Any, text: str) -> int:
    return told if type(told) is int and 0 <= told < _MOST_TOKENS else guess(text)


def _failed(code: str, name: str, **values: Value) -> CoreError:
    return CoreError(code, {"name": name, **values}, f"hint_{code}")
