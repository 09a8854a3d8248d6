"""A trained run behind HTTP, for programs on the same machine: GET /health, POST /predict. JSON in both directions.

Starlette and uvicorn (Streamlit's own, so they are there) parse HTTP; one thread computes, and requests wait in line
for it. A page of the web that a browser shows on this machine must not get at it: only names of this machine are taken
as `Host` (that is against DNS rebinding) and as `Origin`, and nothing is said about CORS.
"""

import asyncio
import errno
import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.errors import CoreError
from core.output import error_json
from core.predict import UNIT_TOKENS, Predictor, check_lines, read

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp

_STATUS = {
    **dict.fromkeys(("serve_no_json", "serve_bad_request", "predict_too_many_lines"), 400),
    **dict.fromkeys(("predict_line_too_long", "predict_no_text"), 400),
    **dict.fromkeys(("serve_other_host", "serve_other_origin"), 403),
    **{"serve_no_path": 404, "serve_method": 405, "serve_body_slow": 408, "serve_body_large": 413},
    **{"serve_busy": 503, "internal": 500},
}
_LAST_WORDS = frozenset({"serve_body_slow", "serve_body_large"})  # after which the rest of a body is not read
_DRAINED = 8  # a body so many times too large is still read to its end, so that its sender hears why it is refused
_TICK = 1  # second between two looks at the clock
_log = logging.getLogger("peibi")


class _Gone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Limits:
    """`seconds`: that a body may take to arrive; `waiting`: requests in line behind the one that is computed."""

    body: int = 1 << 20  # bytes
    texts: int = 256
    characters: int = 10_000  # of one text
    seconds: float = 10.0
    waiting: int = 16


@dataclass
class Desk:
    """Where requests wait for the one thread that computes. `run`: the id of the run that answers."""

    run: str
    trained: Predictor
    limits: Limits = Limits()
    inside: int = 0  # requests that are computed or wait
    answered: int = 0
    touched: float = field(default_factory=time.monotonic)  # when the last one came or went
    closed: threading.Event = field(default_factory=threading.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "peibi-serve"))

    async def read(self, texts: Sequence[str], gone: threading.Event) -> list[dict[str, Any]]:
        """What the run finds in each text. `gone`: set once the client has left. Raises CoreError `serve_busy`."""
        if self.inside > self.limits.waiting:
            raise CoreError("serve_busy", {"waiting": self.limits.waiting}, "hint_serve_busy")
        self.inside += 1
        try:
            async with self._turn:
                found = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, texts, gone)
            self.answered += 1
            return found
        finally:
            self.inside -= 1
            self.touched = time.monotonic()

    def _read(self, texts: Sequence[str], gone: threading.Event) -> list[dict[str, Any]]:
        def check() -> None:
            if gone.is_set() or self.closed.is_set():
                raise _Gone

        return read(self.trained, texts, UNIT_TOKENS, check)

    def close(self) -> None:
        """What is being computed ends before its next batch."""
        self.closed.set()
        self._thread.shutdown(wait=False, cancel_futures=True)


def loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts; port 0: any that is free. Raises CoreError `serve_port_taken`, `serve_no_address`."""
    place = "127.0.0.1" if host == "localhost" else host.strip("[]")
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    try:
        return socket.create_server((place, port), family=family)
    except OSError as error:
        code = "serve_port_taken" if error.errno == errno.EADDRINUSE else "serve_no_address"
        values = {"host": host, "port": port, "what": error.strerror or str(error)}
        raise CoreError(code, values, "hint_serve_port") from None


def address_of(listening: socket.socket) -> str:
    """Where a socket is reached, as an address of the web."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    desk: Desk,
    listening: socket.socket,
    ready: Callable[[], None],
    idle_exit: float | None = None,
    open_to_all: bool = False,
    language: str = "en",
) -> None:
    """Answer until somebody interrupts, or nobody has asked for `idle_exit` seconds. `ready` is called once it does."""
    import uvicorn

    async def look() -> None:
        idle = time.monotonic() - desk.touched
        if idle_exit is not None and not desk.inside and idle > idle_exit:
            server.should_exit = True

    config = uvicorn.Config(
        application(desk, open_to_all, language), loop="asyncio", http="h11", ws="none", lifespan="off",
        log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=5,
        timeout_graceful_shutdown=0, callback_notify=look, timeout_notify=_TICK,
    )  # fmt: skip
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what it calls errors are clients that went away
    ready()
    try:
        server.run(sockets=[listening])
    finally:
        desk.close()


def application(desk: Desk, open_to_all: bool = False, language: str = "en") -> "Starlette":
    """The two paths, and errors as {"error": {"code", "message", "hint"}}. `open_to_all`: whatever the Host."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def told(error: CoreError, headers: dict[str, str] | None = None) -> Response:
        more = {"connection": "close"} if error.code in _LAST_WORDS else {}
        more |= {"retry-after": "1"} if error.code == "serve_busy" else {}
        return JSONResponse(error_json(error, language), _STATUS[error.code], more | (headers or {}))

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, CoreError):
            return told(error)
        if isinstance(error, HTTPException) and error.status_code == 405:
            return told(CoreError("serve_method", {}, "hint_serve_path"), dict(error.headers or {}))
        if isinstance(error, HTTPException):
            return told(CoreError("serve_no_path", {}, "hint_serve_path"))
        _log.error("a request failed", exc_info=error)
        return told(CoreError("internal", {"what": type(error).__name__}, "hint_serve_log"))

    async def left(_: Request, __: Exception) -> Response:
        return Response(status_code=503)  # nobody reads it

    async def health(_: Request) -> Response:
        return JSONResponse(_health(desk))

    async def predict(request: Request) -> Response:
        texts = texts_of(await _body(request, desk.limits), desk.limits)
        gone = threading.Event()
        leaving = asyncio.create_task(_left(request, gone))
        reading = asyncio.create_task(desk.read(texts, gone))
        try:
            await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise _Gone
            return JSONResponse({"results": reading.result()})
        finally:
            reading.cancel()
            leaving.cancel()

    def gate(app: "ASGIApp") -> "ASGIApp":
        async def checked(scope: Any, receive: Any, send: Any) -> None:
            desk.touched = time.monotonic()
            error = None if scope["type"] != "http" else stranger(Request(scope).headers, open_to_all)
            await (app if error is None else told(error))(scope, receive, send)

        return checked

    return Starlette(
        routes=[Route("/health", health), Route("/predict", predict, methods=["POST"])],
        middleware=[Middleware(gate)],  # pyright: ignore[reportArgumentType]
        exception_handlers={
            **dict.fromkeys((CoreError, HTTPException, Exception), refused),
            **dict.fromkeys((ClientDisconnect, _Gone), left),
        },
    )


def stranger(headers: Any, open_to_all: bool = False) -> CoreError | None:
    """What is wrong with where a request was sent to, and from which page. `headers`: starlette's.

    `open_to_all`: sent to any name, but still not from a page of another one.
    """
    hosts = headers.getlist("host")
    mine = [_name_in(f"//{host}") for host in hosts]
    if len(hosts) != 1 or not (open_to_all or loopback(mine[0])):
        return CoreError("serve_other_host", {"host": ", ".join(hosts)[:200]}, "hint_serve_other_host")
    for origin in headers.getlist("origin"):
        if not loopback(_name_in(origin)) and _name_in(origin) != mine[0]:
            return CoreError("serve_other_origin", {"origin": origin[:200]}, "hint_serve_other_host")
    return None


def _name_in(address: str) -> str:
    """The name or number of a machine in an address; empty where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def texts_of(body: bytes, limits: Limits) -> list[str]:
    """The texts of a request. Raises CoreError `serve_no_json`, `serve_bad_request`, and what `check_lines` does."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise CoreError("serve_no_json", {"what": str(error)[:200]}, "hint_serve_request") from None
    keys = [*data] if isinstance(data, dict) else []
    texts = data["texts"] if keys == ["texts"] else [data["text"]] if keys == ["text"] else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise CoreError("serve_bad_request", {}, "hint_serve_request")
    check_lines(texts, limits.texts, limits.characters)
    return texts


async def _body(request: "Request", limits: Limits) -> bytes:
    """The whole body. Raises CoreError `serve_body_large`, `serve_body_slow`."""
    large = CoreError("serve_body_large", {"most": limits.body}, "hint_serve_body_large")
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > _DRAINED * limits.body:
        raise large
    kept, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                size += len(part)
                if size > _DRAINED * limits.body:
                    raise large
                if size <= limits.body:
                    kept += part
    except TimeoutError:
        raise CoreError("serve_body_slow", {"seconds": limits.seconds}, "hint_serve_body_slow") from None
    if size > limits.body:
        raise large
    return bytes(kept)


async def _left(request: "Request", gone: threading.Event) -> None:
    """Waits for the client to hang up."""
    receive: Callable[[], Awaitable[Any]] = request.receive
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _health(desk: Desk) -> dict[str, Any]:
    meta = desk.trained.meta
    return {
        "status": "ok",
        "run": desk.run,
        "task": meta.task,
        "language": meta.language,
        "labels": list(meta.labels),
        "device": desk.trained.device,
        "inside": desk.inside,
        "answered": desk.answered,
    }
