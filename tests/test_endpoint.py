"""Endpoints: what their file may say, where they may lie, and what a hostile one can do."""

import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import LANGUAGES, CoreError, message
from core.models import chat as client
from core.models.chat import Reply, ask
from core.models.endpoints import Endpoint, name_of, named, read
from tests.language_server import KEY, Asked, Said, Server, chat, configured, serving


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE", 0.01)


def of(server: Server, **more: Any) -> Endpoint:
    given: dict[str, Any] = {"url": server.url, "model": "tiny", "key": KEY, "private": True, "seconds": 5.0}
    return Endpoint(**given | more)


def put(endpoint: Endpoint) -> Reply:
    return ask(endpoint, "local", "Say something.", temperature=0.7, seed=5, most=100)


def code(endpoint: Endpoint) -> str:
    with pytest.raises(CoreError) as error:
        put(endpoint)
    assert KEY not in str(error.value.to_json()) + str(error.value)
    assert all(message(error.value.hint_code, {}, of) != error.value.hint_code for of in LANGUAGES)
    return error.value.code


def test_a_question_is_put_as_the_protocol_has_it():
    with serving(lambda asked: chat("Hello.")) as server:
        assert put(of(server)) == Reply("Hello.", 7, 11)
        [asked] = server.asked
        assert asked.path == "/v1/chat/completions" and asked.head["authorization"] == f"Bearer {KEY}"
        assert asked.head["host"] == f"127.0.0.1:{server.port}" and asked.prompt == "Say something."
        told = {name: asked.body[name] for name in ("model", "temperature", "seed", "max_tokens", "stream")}
        assert told == {"model": "tiny", "temperature": 0.7, "seed": 5, "max_tokens": 100, "stream": False}
        put(of(server, send={"max_tokens": None, "max_completion_tokens": 9}, key=None))
        assert "max_tokens" not in server.asked[1].body and server.asked[1].body["max_completion_tokens"] == 9
        assert "authorization" not in server.asked[1].head


def test_tokens_that_nobody_counted_are_guessed_and_a_cut_answer_says_so():
    with serving(lambda asked: chat("x" * 40, None, "length")) as server:
        assert put(of(server)) == Reply("x" * 40, 4, 10, cut=True)


def endless() -> Iterator[bytes]:
    while True:
        yield b" " * 65_536


def dripping() -> Iterator[bytes]:
    for _ in range(1000):
        yield b" "
        time.sleep(0.05)


HOSTILE: dict[str, tuple[Said, str]] = {
    "redirect": (Said(b"", 302, {"Location": "http://169.254.169.254/latest/meta-data"}), "endpoint_redirect"),
    "redirect to itself": (Said(b"", 307, {"Location": "/v1/chat/completions"}), "endpoint_redirect"),
    "endless": (Said(endless()), "endpoint_large"),
    "huge": (Said(b"{" + b" " * (2 << 20) + b"}"), "endpoint_large"),
    "lying length": (Said(b"{}", 200, {"Content-Length": str(1 << 40)}), "endpoint_silent"),
    "huge head": (Said(b"", 200, {f"x-{n}": "y" * 30_000 for n in range(60)}), "endpoint_silent"),
    "dripping": (Said(dripping()), "endpoint_slow"),
    "no JSON": (Said(b"<html>Hello</html>"), "endpoint_no_answer"),
    "other JSON": (Said(b'{"choices": []}'), "endpoint_no_answer"),
    "no text": (Said(b'{"choices": [{"message": {"content": ["x"]}}]}'), "endpoint_no_answer"),
    "deep JSON": (Said(b"[" * 100_000), "endpoint_no_answer"),
    "packed": (Said(b"\x1f\x8b", 200, {"Content-Encoding": "gzip"}), "endpoint_no_answer"),
    "its key is wrong": (Said(b'{"error": {"message": "no such key: ' + KEY.encode() + b'"}}', 401), "endpoint_key"),
    "it repeats the key": (Said(b'{"error": {"code": "' + KEY.encode() + b'"}}', 400), "endpoint_status"),
    "no such model": (Said(b'{"error": {"code": "model_not_found"}}', 404), "endpoint_status"),
    "odd status": (Said(b"{}", 204), "endpoint_status"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_endpoint_is_left_in_time(what: str):
    said, expected = HOSTILE[what]
    with serving(lambda asked: said) as server:
        began = time.monotonic()
        assert code(of(server, seconds=1.0)) == expected
        assert time.monotonic() - began < 4


def test_a_dripping_head_is_left_in_time():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        import threading

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                for _ in range(200):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        began = time.monotonic()
        assert code(Endpoint(url, "m", private=True, seconds=0.6)) in ("endpoint_slow", "endpoint_silent")
        assert time.monotonic() - began < 3


def test_the_word_for_an_error_is_told_where_it_is_one():
    with (
        serving(lambda asked: Said(b'{"error": {"code": "model_not_found"}}', 404)) as server,
        pytest.raises(CoreError) as error,
    ):
        put(of(server))
    assert error.value.values == {"name": "local", "status": 404, "what": "model_not_found"}


def test_a_key_of_letters_is_not_repeated_either():
    with serving(lambda asked: Said(b'{"error": {"code": "opensesame"}}', 404)) as server:
        with pytest.raises(CoreError) as error:
            put(of(server, key="opensesame"))
        assert error.value.values["what"] == "-"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again_but_not_for_ever(status: int):
    def answer(asked: Asked) -> Said:
        head = {"Retry-After": "0"}
        return chat("At last.") if len(server.asked) == 3 else Said(b"", status, head)

    with serving(answer) as server:
        assert put(of(server)).text == "At last." and len(server.asked) == 3
    with serving(lambda asked: Said(b"", status)) as server:
        assert code(of(server)) == "endpoint_status" and len(server.asked) == 4
    with serving(lambda asked: Said(b"", 400)) as server:
        assert code(of(server)) == "endpoint_status" and len(server.asked) == 1


def test_an_endpoint_that_isnt_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert code(Endpoint(f"http://127.0.0.1:{port}", "m", private=True)) == "endpoint_silent"
    assert code(Endpoint("http://no-such-host.invalid", "m")) == "endpoint_silent"


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1:248:1893:25c8:1946", True, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("192.168.0.10", False, True),
        ("fd12::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("169.254.169.254", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("fd00:ec2::254", False, False),
        ("100.100.100.200", False, False),
        ("fe80::1", False, False),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
    ],
)
def test_where_an_endpoint_may_lie(address: str, public: bool, private: bool):
    place = ipaddress.ip_address(address)
    assert (client._allowed(place, False), client._allowed(place, True)) == (public, private)  # pyright: ignore


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "169.254.169.254"])
def test_this_machine_is_not_asked_unless_the_file_allows_it(host: str):
    with serving(lambda asked: chat("x")) as server:
        found = code(Endpoint(f"http://{host}:{server.port}", "m"))
        assert found in ("endpoint_address", "endpoint_silent") and not server.asked


def test_the_address_that_was_checked_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch):
    """A name that leads elsewhere at the second look is no way in."""
    with serving(lambda asked: chat("x")) as server:
        looks: list[str] = []

        def rebinding(host: Any, *args: Any, **more: Any) -> Any:
            looks.append(str(host))
            if len(looks) > 1:
                raise AssertionError(f"{host} was looked up again")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(client.socket, "getaddrinfo", rebinding)
        found = client.addresses(Endpoint("http://models.example:80", "m", private=True), "local")
        monkeypatch.undo()
        assert [str(place) for place in found] == ["127.0.0.1"] and looks == ["models.example"]
        monkeypatch.setattr(client, "addresses", lambda endpoint, name: found)
        endpoint = Endpoint(f"http://models.invalid:{server.port}/v1", "m", private=True)
        assert put(endpoint).text == "x" and server.asked[0].head["host"] == f"models.invalid:{server.port}"


def test_the_file_names_endpoints(tmp_path: Path):
    path = configured(tmp_path, "https://example.org/v1", private=False)
    found = named(path, "local")
    assert (found.url, found.key, found.cost(1_000_000, 500_000)) == ("https://example.org/v1", KEY, 3.0)
    assert KEY not in repr(found) + str(found) and Endpoint("https://x", "m").cost(1, 1) is None
    (tmp_path / "key").write_text(KEY + "\n")
    configured(tmp_path, "https://example.org/v1", key=None, key_file="key")
    assert named(path, "local").key == KEY
    assert read(tmp_path / "none.yaml") == {} and name_of("endpoint:a b") == "a b" and name_of("run:x") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {url: 'ftp://x/v1', model: m}", "endpoint_bad_url"),
        ("a: {url: 'file:///etc/passwd', model: m}", "endpoint_bad_url"),
        ("a: {url: 'http://user:secret@x/v1', model: m}", "endpoint_bad_url"),
        ("a: {url: 'https://x/v1?key=1', model: m}", "endpoint_bad_url"),
        ("a: {url: 'https://x:port/v1', model: m}", "endpoint_bad_url"),
        ('a: {url: "https://x/v1\\r\\nX: y", model: m}', "endpoint_bad_url"),
        (f"a: {{url: 'http://example.org/v1', model: m, key: {KEY}}}", "endpoint_key_in_clear"),
        (f"a: {{url: 'https://x/v1', model: m, key: [{KEY}]}}", "endpoint_bad_key"),
        (f'a: {{url: "https://x/v1", model: m, key: "{KEY}\\r\\nX: y"}}', "endpoint_bad_key"),
        ("a: {url: 'https://x/v1', model: m, key_file: none}", "endpoint_bad_key"),
        (f"a: {{url: 'https://x/v1', modle: m, key: {KEY}}}", "unknown_key"),
        ("a: {url: 'https://x/v1'}", "missing_key"),
        ("a: {url: 'https://x/v1', model: m, parallel: 1000}", "bad_value"),
        ("[a, b]", "endpoint_file"),
        ("a b: {}", "endpoint_file"),
        (f"a: {KEY}", "endpoint_file"),
        (f"a: {{key: {KEY}", "yaml_syntax"),
    ],
)
def test_a_bad_file_is_refused_without_repeating_a_key(tmp_path: Path, text: str, expected: str):
    path = tmp_path / "endpoints.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(CoreError) as error:
        read(path)
    assert error.value.code == expected and "secret" not in str(error.value)
    assert KEY not in json.dumps(error.value.to_json()) + str(error.value)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path):
    path = configured(tmp_path, "https://example.org/v1")
    path.chmod(0o640)
    with pytest.raises(CoreError) as error:
        named(path, "local")
    assert error.value.code == "endpoint_file_open"


def test_an_endpoint_that_nobody_named_is_told_with_those_there_are(tmp_path: Path):
    path = configured(tmp_path, "https://example.org/v1")
    with pytest.raises(CoreError) as error:
        named(path, "gpt")
    assert (error.value.code, error.value.values["known"]) == ("endpoint_unknown", "local")
    with pytest.raises(CoreError) as error:
        named(tmp_path / "none.yaml", "gpt")
    assert error.value.values["known"] == "-"
