"""The way to a hub, on a hub of our own on loopback, with a model saved here; and data sets from `datasets`."""

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import environment

from core.errors import CoreError
from core.formats.hub import Reference, fetch, records

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """What the hub's client asks for: a model's file list, and each file by revision."""

    folder: Path
    extra: dict[str, bytes]
    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()} | self.extra

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/lab/tiny"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in self.files().items()]
            if "/tree/" in path:
                siblings = [
                    {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()}
                    for n, d in self.files().items()
                ]
                return self.send(json.dumps(siblings).encode(), body)
            return self.send(json.dumps({"id": "lab/tiny", "sha": COMMIT, "siblings": siblings}).encode(), body)
        name = path.rpartition("/")[2]
        if path.startswith("/lab/tiny/resolve/") and name in self.files():
            return self.send(self.files()[name], body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, data: bytes, body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


@pytest.fixture
def hub(tiny_model):
    handler = type("ThisHub", (Hub,), {"folder": tiny_model, "extra": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, handler
    server.shutdown()
    server.server_close()
    thread.join()


def install(name: str, port: int, tmp_path: Path, patience: float = 10.0) -> subprocess.CompletedProcess[str]:
    """Install a model in a process of its own: the hub's client reads its settings when it is imported."""
    code = (
        "import sys; from pathlib import Path; from core.models import catalogue\n"
        "catalogue._HUB_SECONDS = float(sys.argv[3])\n"
        "from core.models.catalogue import install; from core.errors import CoreError\n"
        "try:\n    print(install(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[2])).folder)\n"
        "except CoreError as error:\n    print(error.code, '|', error)"
    )
    env = environment(HF_ENDPOINT=f"http://127.0.0.1:{port}", HF_HOME=str(tmp_path / "hub"), HF_HUB_OFFLINE="0")
    models = tmp_path / "models"
    models.mkdir(exist_ok=True)
    command = [sys.executable, "-c", code, name, str(models), str(patience)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["lab/tiny", f"lab/tiny@{COMMIT}"])
def test_a_hub_model_is_fetched_checked_and_installed(hub, tiny_model, tmp_path, name):
    server, handler = hub
    handler.extra = {"pytorch_model.bin": b"\x80\x04never", "notes.md": b"#"}
    done = install(name, server.server_port, tmp_path)
    folder = Path(done.stdout.strip())
    assert folder.is_dir(), done.stdout + done.stderr
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert (folder / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert not any("pytorch_model.bin" in path for path in handler.asked)


def test_a_hub_model_with_code_is_refused(hub, tmp_path, tiny_model):
    server, handler = hub
    config = json.loads((tiny_model / "config.json").read_text()) | {"auto_map": {"AutoModel": "x.Y"}}
    handler.extra = {"config.json": json.dumps(config).encode()}
    assert install("lab/tiny", server.server_port, tmp_path).stdout.startswith("model_code |")


def test_a_name_the_hub_does_not_know(hub, tmp_path):
    server, _ = hub
    assert install("lab/nothing", server.server_port, tmp_path).stdout.startswith("model_missing |")


def test_an_unreachable_hub_says_what_is_at_hand(tmp_path):
    done = install("lab/tiny", 9, tmp_path)  # nobody listens there
    assert done.stdout.startswith("hub_unreachable |"), done.stdout + done.stderr


def test_a_hub_that_never_answers_is_given_up(tmp_path):
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # connections are taken, and nothing is ever said
        done = install("lab/tiny", silent.getsockname()[1], tmp_path, patience=0.5)
    assert done.stdout.startswith("hub_unreachable |"), done.stdout + done.stderr


def test_data_sets_become_tokens_and_tags():
    import datasets

    features = datasets.Features(
        {
            "words": datasets.List(datasets.Value("string")),
            "ner": datasets.List(datasets.ClassLabel(names=["O", "B-LOC", "I-LOC"])),
        }
    )
    data = datasets.Dataset.from_dict({"words": [["In", "Oslo"]], "ner": [[0, 1]]}, features=features)
    found = list(records(data, {"tokens": "words", "tags": "ner"}, "hub:x"))
    assert found == [{"tokens": ["In", "Oslo"], "tags": ["O", "B-LOC"]}]
    with pytest.raises(CoreError) as caught:
        list(records(data, {"tokens": "tokens", "tags": "ner"}, "hub:x"))
    assert caught.value.code == "hub_column_missing"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hub:conll2003", Reference("conll2003", None, None, "train")),
        ("hub:a/b@v1.0#test", Reference("a/b", "v1.0", None, "test")),
        ("hub:a/b@main#en/validation", Reference("a/b", "main", "en", "validation")),
    ],
)
def test_references(text, wanted):
    assert Reference.parse(text) == wanted


@pytest.mark.parametrize("text", ["hub:", "hub:../x", "hub:a/b/c", "hub:http://x", "hub:a b"])
def test_what_is_no_reference(text, tmp_path):
    with pytest.raises(CoreError) as caught:
        fetch(text, {}, tmp_path)
    assert caught.value.code == "bad_hub_reference"
