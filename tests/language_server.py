"""A real HTTP server on this machine that speaks, or misspeaks, the protocol of language models."""

import json
import re
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "sk-canary-3f9ac2e1b7d04c55"


@dataclass(frozen=True)
class Said:
    """An answer: its status, its head and its body, whole or piece by piece."""

    body: bytes | Iterable[bytes]
    status: int = 200
    head: Mapping[str, str] = field(default_factory=dict[str, str])


def chat(text: str, tokens: tuple[int, int] | None = (7, 11), end: str = "stop") -> Said:
    """A well-formed answer."""
    data: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": end}]}
    if tokens is not None:
        data["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return Said(json.dumps(data).encode())


@dataclass
class Asked:
    """What a server was asked: path, head with small letters, body."""

    path: str
    head: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        return self.body["messages"][0]["content"]


@dataclass
class Server:
    """Where it listens, and all that it was asked so far."""

    port: int
    asked: list[Asked] = field(default_factory=list[Asked])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def serving(answer: Callable[[Asked], Said]) -> Generator[Server]:
    """A server whose answers are those of a function."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            head = {key.lower(): value for key, value in self.headers.items()}
            asked = Asked(self.path, head, json.loads(self.rfile.read(size)))
            server.asked.append(asked)
            said = answer(asked)
            self.send_response(said.status)
            for key, value in said.head.items():
                self.send_header(key, value)
            self.end_headers()
            try:
                for piece in [said.body] if isinstance(said.body, bytes) else said.body:
                    self.wfile.write(piece)
            except OSError:  # who asked has left
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server = Server(listening.server_address[1])
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def configured(root: Path, url: str, name: str = "local", **more: object) -> Path:
    """`endpoints.yaml` of a workspace with one endpoint that may lie on this machine. -> the file"""
    path = root / "endpoints.yaml"
    data = {"url": url, "model": "tiny", "key": KEY, "private": True, "price_in": 1.0, "price_out": 4.0, **more}
    path.write_text(f"{name}: {json.dumps({key: value for key, value in data.items() if value is not None})}\n")
    path.chmod(0o600)
    return path


def author(asked: Asked) -> Said:
    """A diligent writer: a new text with what was asked for, another one for each seed."""
    found = re.search(r"^Example: (.*)$", asked.prompt, re.MULTILINE)
    assert found, asked.prompt
    example, n = json.loads(found[1]), asked.body["seed"] % 9973
    if "labels" in example:
        told = re.search(r"^Its labels: (\[.*?\])\. All", asked.prompt, re.MULTILINE)
        assert told
        return chat(json.dumps({"text": f"Quite another text, number {n}.", "labels": json.loads(told[1])}))
    least = re.search(r"at least: (.*?)\. Mark", asked.prompt)
    counts = [one.split(" x ") for one in least[1].split(", ")] if least else []
    labels = [label for count, label in counts for _ in range(int(count))]
    mentions = [{"text": f"Zorb {n}-{at}", "label": label} for at, label in enumerate(labels)]
    text = f"Whoever met {' beside '.join(one['text'] for one in mentions) or 'nobody'} ran {n} miles!"
    return chat(json.dumps({"text": text, "mentions": mentions}, ensure_ascii=False))
