"""Connections to addresses that were checked before, which end after so many seconds and bytes."""

import ipaddress
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2


class Capped(Exception):
    """The other side sent more than it may."""


def pinned(
    places: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address], until: float, most: int
) -> httpcore2.NetworkBackend:
    """Whatever host is asked for, one of `places`, the first that answers. `until`: on the monotonic clock; `most`:
    bytes that are read."""
    return _Pinned(places, until, most)


class _Pinned(httpcore2.NetworkBackend):
    def __init__(self, places: Sequence[Any], until: float, most: int) -> None:
        self._places, self._until, self._most = places, until, most

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        for place in self._places[:-1]:
            try:
                return self._stream(str(place), port, timeout, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return self._stream(str(self._places[-1]), port, timeout, socket_options)

    def _stream(
        self, place: str, port: int, timeout: float | None, socket_options: Iterable[Any] | None
    ) -> httpcore2.NetworkStream:
        left = _left(self._until, timeout)
        inner = httpcore2.SyncBackend().connect_tcp(place, port, left, socket_options=socket_options)
        return _Bounded(inner, self._until, self._most)


class _Bounded(httpcore2.NetworkStream):
    """A stream whose every act ends in time, however slowly the other side sends."""

    def __init__(self, inner: httpcore2.NetworkStream, until: float, most: int) -> None:
        self._inner, self._until, self._most = inner, until, most

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found = self._inner.read(max_bytes, _left(self._until, timeout))
        self._most -= len(found)
        if self._most < 0:
            raise Capped
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._until, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(self._until, timeout))
        return _Bounded(inner, self._until, self._most)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(until: float, timeout: float | None) -> float:
    """Seconds that an act may take. Raises httpcore2.ReadTimeout where none are left."""
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left if timeout is None else min(left, timeout)
