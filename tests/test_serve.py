"""`python -m core serve`: a real server on a free port of this machine, asked over HTTP."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, ended, environment, start
from delivered import harbour, trained_run
from invariants import until

from core.predict import predict_lines
from core.serving import Limits, loopback, stranger
from core.workspace import Workspace

LINES = ["The Aurora left Bergen on Monday .", "", "Ein Schiff namens Köln, 🎉!", "x " * 500]
HEAVY = {"texts": ["The Aurora left Bergen " * 90] * 256}  # seconds of work
SMALL = """
import sys
from pathlib import Path
from core.predict import open_run
from core.serving import Desk, Limits, address_of, listen, serve
from core.workspace import Workspace
desk = Desk(sys.argv[2], open_run(Workspace(Path(sys.argv[1])), sys.argv[2], 1), Limits(seconds=0.5, waiting=0))
with listen("127.0.0.1", 0) as listening:
    serve(desk, listening, lambda: print(address_of(listening), file=sys.stderr, flush=True))
"""


@dataclass(frozen=True)
class Heard:
    status: int
    headers: dict[str, str]
    data: Any

    @property
    def code(self) -> str:
        return self.data["error"]["code"]


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Heard:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            found = connection.getresponse()
            data = found.read()
            return Heard(
                found.status, {k.lower(): v for k, v in found.getheaders()}, json.loads(data) if data else None
            )
        finally:
            connection.close()

    def predict(self, data: Any, **headers: str) -> Heard:
        return self.ask("POST", "/predict", json.dumps(data), **headers)

    def inside(self) -> int:
        return self.ask("GET", "/health").data["inside"]


def listening(process: subprocess.Popen[str]) -> Server:
    """Wait until a server has said where it answers."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found:
            return Server(process, int(found[1]))
    raise AssertionError(f"it ended: {process.wait()}")


def gone(server: Server) -> None:
    server.process.kill()
    server.process.communicate()


@pytest.fixture(scope="module")
def space(tmp_path_factory, tiny_model) -> Workspace:
    return Workspace.open(tmp_path_factory.mktemp("serve") / "w")


@pytest.fixture(scope="module")
def run_id(space: Workspace, tiny_model) -> str:
    whole = harbour()
    return trained_run(space, tiny_model, whole.take([*range(40)]), whole.take([*range(40, 60)]))


@pytest.fixture(scope="module")
def server(space: Workspace, run_id: str, tmp_path_factory) -> Iterator[Server]:
    arguments = ("serve", run_id[:10], "--workspace", space.root, "--port", 0, "--threads", 1)
    found = listening(start(arguments, tmp_path_factory.mktemp("from")))
    yield found
    gone(found)


@pytest.fixture(scope="module")
def small(space: Workspace, run_id: str) -> Iterator[Server]:
    """A server with little patience: half a second for a body, nobody in line."""
    command = [sys.executable, "-c", SMALL, str(space.root), run_id]
    pipe = subprocess.PIPE
    found = listening(subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=pipe, stdout=pipe, text=True))
    yield found
    gone(found)


def test_health_says_what_answers(server: Server, run_id: str):
    told = server.ask("GET", "/health")
    assert told.status == 200 and told.headers["content-type"] == "application/json"
    assert told.data["status"] == "ok" and told.data["run"] == run_id
    assert told.data["labels"] == list(harbour().schema.labels)
    assert (told.data["task"], told.data["language"], told.data["device"]) == ("tagging", "en", "cpu")


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """What stands in one batch with a row may differ, and with it the last bits of a confidence."""
    return row | {"entities": [entity | {"confidence": round(entity["confidence"], 3)} for entity in row["entities"]]}


def test_it_finds_what_predict_finds(server: Server, space: Workspace, run_id: str):
    told = server.predict({"texts": LINES})
    assert told.status == 200
    wanted = predict_lines(space, run_id, LINES)
    assert [rounded(row) for row in told.data["results"]] == [rounded(row) for row in wanted]
    assert any(row["entities"] for row in wanted)
    assert [row["text"] for row in told.data["results"]] == LINES
    [one] = server.predict({"text": LINES[2]}).data["results"]
    assert rounded(one) == rounded(wanted[2])
    assert server.predict({"texts": []}).data == {"results": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "serve_no_json"),
        (b"{", "serve_no_json"),
        (b"\xff\xfe\x00", "serve_no_json"),
        (b"[" * 100_000, "serve_no_json"),
        (b'{"texts": ' + b"9" * 5000 + b"}", "serve_no_json"),
        (b"[]", "serve_bad_request"),
        (b'"text"', "serve_bad_request"),
        (b"{}", "serve_bad_request"),
        (b'{"text": "a", "texts": []}', "serve_bad_request"),
        (b'{"texts": ["a"], "more": 1}', "serve_bad_request"),
        (b'{"texts": "a"}', "serve_bad_request"),
        (b'{"texts": [3]}', "serve_bad_request"),
        (b'{"text": null}', "serve_bad_request"),
        (b'{"text": "\\ud800"}', "predict_no_text"),
        (json.dumps({"texts": ["x"] * 257}).encode(), "predict_too_many_lines"),
        (json.dumps({"texts": ["x", "x" * 10_001]}).encode(), "predict_line_too_long"),
    ],
)
def test_what_is_no_request_is_said_and_the_next_one_answered(server: Server, body: bytes, code: str):
    told = server.ask("POST", "/predict", body)
    assert (told.status, told.code) == (400, code)
    assert told.data["error"]["message"] and set(told.data["error"]) == {"code", "message", "hint"}
    assert server.predict({"text": "x"}).status == 200


@pytest.mark.parametrize("size", [(1 << 20) + 1, 9 << 20])
def test_a_body_that_is_too_large(server: Server, size: int):
    body = b'{"text": "' + b"x" * (size - 12) + b'"}'
    assert len(body) == size
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", "/predict")
    connection.putheader("content-length", str(size))
    connection.endheaders(body if size < 2 << 20 else body[:1000])
    found = connection.getresponse()
    assert (found.status, json.loads(found.read())["error"]["code"]) == (413, "serve_body_large")
    connection.close()
    assert server.predict({"text": "x"}).status == 200


def test_a_large_body_without_a_length(server: Server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/predict", iter([b'{"text": "', b"x" * (1 << 20), b'"}']), encode_chunked=True,
                       headers={"transfer-encoding": "chunked"})  # fmt: skip
    assert connection.getresponse().status == 413
    connection.close()


def test_paths_and_methods(server: Server):
    assert (server.ask("GET", "/").status, server.ask("GET", "/docs").code) == (404, "serve_no_path")
    told = server.ask("GET", "/predict")
    assert (told.status, told.code, told.headers["allow"]) == (405, "serve_method", "POST")
    assert server.ask("POST", "/health", "{}").status == 405
    assert server.ask("OPTIONS", "/predict").status == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_the_web_is_not_answered(server: Server, headers: dict[str, str]):
    told = server.predict({"text": "x"}, **headers)
    assert told.status == 403 and told.code in ("serve_other_host", "serve_other_origin")
    assert not any(name.startswith("access-control") for name in told.headers)


def test_names_of_this_machine_are_answered(server: Server):
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1", f"[::1]:{server.port}"):
        assert server.ask("GET", "/health", Host=host).status == 200
    assert server.predict({"text": "x"}, Origin=f"http://localhost:{server.port}").status == 200


def test_what_is_no_http_does_not_end_it(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
        raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")
    with socket.create_connection(("127.0.0.1", server.port), 60) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
    assert server.predict({"text": "x"}).status == 200


def test_many_at_once_get_their_own_answers(server: Server):
    texts = [f"{number} {LINES[0]}" for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        found = [*threads.map(lambda text: server.predict({"text": text}), texts)]
    assert [told.status for told in found] == [200] * 12
    assert [told.data["results"][0]["text"] for told in found] == texts


def test_a_slow_body_is_not_waited_for(small: Server):
    with socket.create_connection(("127.0.0.1", small.port), 60) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        answer = b""
        while part := raw.recv(4096):  # and the connection is closed
            answer += part
    assert answer.startswith(b"HTTP/1.1 408") and b"serve_body_slow" in answer
    assert small.predict({"text": "x"}).status == 200


def test_a_full_line_is_said_and_a_client_that_left_is_forgotten(small: Server):
    raw = socket.create_connection(("127.0.0.1", small.port), 60)
    body = json.dumps(HEAVY).encode()
    raw.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    until(lambda: small.inside() == 1)
    told = small.predict({"text": "x"})
    assert (told.status, told.code, told.headers["retry-after"]) == (503, "serve_busy", "1")
    before = small.ask("GET", "/health").data["answered"]
    raw.close()
    until(lambda: small.inside() == 0)
    assert small.ask("GET", "/health").data["answered"] == before  # it was not computed to its end
    assert small.predict({"text": "x"}).status == 200


def test_who_leaves_the_line_frees_a_place_while_another_is_computed(server: Server):
    body = json.dumps(HEAVY).encode()
    request = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    first, second = (socket.create_connection(("127.0.0.1", server.port), 60) for _ in range(2))
    before = server.ask("GET", "/health").data["answered"]
    first.sendall(request)
    until(lambda: server.inside() == 1)
    second.sendall(request)
    until(lambda: server.inside() == 2)
    second.close()
    until(lambda: server.inside() == 1)
    assert server.ask("GET", "/health").data["answered"] == before  # the first one is still computed
    first.close()
    until(lambda: server.inside() == 0)
    assert server.predict({"text": "x"}).status == 200


def test_an_interrupt_ends_it_though_it_computes(space: Workspace, run_id: str, tmp_path: Path):
    server = listening(start(("serve", run_id, "--workspace", space.root, "--port", 0, "--threads", 1), tmp_path))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(lambda: server.predict(HEAVY))
        until(lambda: server.inside() == 1)
        server.process.send_signal(signal.SIGINT)
        done = ended(server.process, 60)
        assert asked.exception() is not None or asked.result().status in (500, 503)
    assert done.status == 130
    assert "Traceback" not in done.stderr


@pytest.mark.whole
def test_nobody_asks_and_it_ends(space: Workspace, run_id: str, tmp_path: Path):
    arguments = ("serve", run_id, "--workspace", space.root, "--port", 0, "--idle-exit", 0.5, "--json")
    server = listening(start(arguments, tmp_path))
    done = ended(server.process, 60)
    assert (done.status, done.json["run"], done.json["answered"]) == (0, run_id, 0)


def test_what_it_refuses_to_begin_with(here, space: Workspace, run_id: str, server: Server):
    at = ("--workspace", space.root, "--json")
    for more, code in (
        (("--host", "0.0.0.0"), "serve_not_loopback"),
        (("--host", "example.com"), "serve_not_loopback"),
        (("--port", server.port), "serve_port_taken"),
        (("--port", 70000), "usage"),
        (("--idle-exit", -1), "usage"),
    ):
        done = here("serve", run_id, *more, *at)
        assert (done.status, done.json["error"]["code"]) == (2, code)
    done = here("serve", "0" * 16, *at)
    assert (done.status, done.json["error"]["code"]) == (2, "run_ambiguous")


def test_a_whole_network_is_let_in_only_when_asked_for(space: Workspace, run_id: str, tmp_path: Path):
    arguments = ("serve", run_id, "--workspace", space.root, "--port", 0, "--host", "0.0.0.0", "--allow-network")
    process = start(arguments, tmp_path)
    assert process.stderr is not None
    warning, address = process.stderr.readline(), process.stderr.readline()
    found = re.search(r"http://0\.0\.0\.0:(\d+)", address)
    assert "0.0.0.0" in warning and found, (warning, address)
    server = Server(process, int(found[1]))
    try:
        assert server.ask("GET", "/health", Host="box.example").status == 200
        assert server.ask("GET", "/health", Host="box.example", Origin="http://box.example").status == 200
        assert server.ask("GET", "/health", Host="box.example", Origin="http://evil.example").status == 403
    finally:
        gone(server)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_names_that_only_this_machine_has(host: str):
    assert loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example", "127.0.0.1.example", "1"])
def test_names_that_others_have(host: str):
    assert not loopback(host)


def test_two_hosts_are_none():
    from starlette.datastructures import Headers

    one, two = (b"host", b"localhost"), (b"host", b"evil.example")
    assert stranger(Headers(raw=[one])) is None
    assert stranger(Headers(raw=[one, two])) is not None
    assert stranger(Headers(raw=[])) is not None


def test_the_limits_are_those_of_the_docs():
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    limits = Limits()
    for said in ("1 MB", f"{limits.texts} texts", f"{limits.characters:,} characters", f"{limits.seconds:g} s",
                 f"{limits.waiting} requests"):  # fmt: skip
        assert said in text, said
    assert limits.body == 1 << 20
