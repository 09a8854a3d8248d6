"""A trained run sent to a hub of our own on loopback: which files arrive, with which bytes, and who may read them."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from conftest import environment
from delivered import exported, harbour, trained_run

from core import model_export
from core.__main__ import main
from core.contrast import gold_only
from core.groups import groups
from core.project import record
from core.recipe_text import mix_data
from core.sample import open_sample
from core.workspace import Workspace

TOKEN = "hf_aSecretThatNobodyMaySee"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """What the hub's client asks for when it commits; a repository is public where its name says so."""

    made: ClassVar[dict[str, bool]] = {}  # name -> private
    files: ClassVar[dict[str, dict[str, bytes]]] = {}
    commits: ClassVar[list[str]] = []
    large: ClassVar[dict[str, bytes]] = {}

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.reply({})

    def do_GET(self) -> None:
        if self.name not in self.made:
            return self.reply({"error": "Repository not found"}, 404)
        return self.reply({"id": self.name, "sha": COMMIT, "private": self.made[self.name], "siblings": []})

    def do_PUT(self) -> None:
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == self.path.rpartition("/")[2]
        self.large[hashlib.sha256(data).hexdigest()] = data
        self.reply({})

    def do_POST(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.reply({"error": "Invalid username or password."}, 401)
        elif "/commit/" in self.path:
            self.commit(self.body())
        else:
            self.reply(*self.answer(json.loads(self.body())))

    def answer(self, asked: Any) -> tuple[Any, int]:
        if self.path == "/api/repos/create":
            name = f"{asked['organization']}/{asked['name']}"
            found = {"url": f"http://{self.headers['Host']}/{name}"}
            if name in self.made:
                return found | {"error": "You already created this model repo"}, 409
            self.made[name] = asked["visibility"] == "private"
            return found, 200
        if "/preupload/" in self.path:
            modes = {True: "lfs", False: "regular"}
            found = [
                {"path": f["path"], "uploadMode": modes[f["path"].endswith(".safetensors")], "shouldIgnore": False}
                for f in asked["files"]
            ]
            return {"files": found}, 200
        if self.path.endswith("/objects/batch"):
            href = f"http://{self.headers['Host']}/large/"
            objects = [one | {"actions": {"upload": {"href": href + one["oid"]}}} for one in asked["objects"]]
            return {"transfer": "basic", "objects": objects}, 200
        return {"errors": [], "warnings": []}, 200  # api/validate-yaml

    @property
    def name(self) -> str:
        return "/".join(self.path.split("?")[0].split("/")[3:5])

    def commit(self, body: bytes) -> None:
        files = self.files.setdefault(self.name, {})
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                assert line["key"] == "lfsFile"
                files[value["path"]] = self.large[value["oid"]]
        self.reply({"commitOid": COMMIT, "commitUrl": f"http://{self.headers['Host']}/{self.name}/commit/{COMMIT}"})

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def reply(self, data: Any, status: int = 200) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


@pytest.fixture(scope="module")
def hub() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_model) -> tuple[Workspace, str]:
    """A trained run with weights that a project launched, exported. -> workspace, run"""
    space = Workspace.open(tmp_path_factory.mktemp("push"))
    open_sample(space, "newsroom")
    gold = harbour()
    run = trained_run(space, tiny_model, gold, gold)
    base = gold_only(groups(space, "newsroom"))
    assert base is not None
    event = {"event": "launch", "group": "f" * 12, "mix": "ours", "asked": mix_data(base.mix), "train": {"steps": 2}}
    record(space, "newsroom", {**event, "corpora": {"dev": gold.id}, "seeds": {run: 0}})
    exported(space, model_export.spec_of(space, run, "safetensors"))
    return space, run


def pushed(place: tuple[Workspace, str], tmp_path: Path, port: int, *commands: str, token: str = TOKEN) -> list[str]:
    """Several pushes in one process (the hub's client reads its settings when it is imported). -> all that was said"""
    space, run = place
    code = (
        "import sys; from core.__main__ import main\n"
        "for line in sys.argv[3:]:\n"
        "    status = main(['push', sys.argv[1], *line.split(), '--json', '--workspace', sys.argv[2]])\n"
        "    print(status)\n"
    )
    env = environment(HF_ENDPOINT=f"http://127.0.0.1:{port}", HF_HUB_OFFLINE="0", HF_HOME=str(tmp_path / "hf"))
    env |= {"HF_HUB_DISABLE_XET": "1"} | ({"HF_TOKEN": token} if token else {})
    command = [sys.executable, "-c", code, run, str(space.root), *commands]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.stdout.count("\n") == 2 * len(commands), done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done.stdout.splitlines()


def test_what_was_exported_arrives_in_one_commit(place, hub, tmp_path):
    space, run = place
    Hub.made["lab/open"] = False
    said = pushed(
        place, tmp_path, hub, "--to lab/first", "--to lab/open", "--to lab/card --card-only --public", "--to lab",
        "--to lab/quoted --card-only --quote-sentences",
    )  # fmt: skip
    [first, open_one, card, no_name, quoted] = [json.loads(line) for line in said[::2]]
    assert said[1::2] == ["0", "2", "0", "2", "0"], said
    [package] = space.run_folder(model_export.spec_of(space, run, "safetensors").id).glob("*.zip")
    with zipfile.ZipFile(package) as archive:
        wanted = {Path(name).name: archive.read(name) for name in archive.namelist()}
    arrived = Hub.files["lab/first"]
    assert {name: data for name, data in arrived.items() if name != "report.html"} == wanted
    assert {"README.md", "recipe.yaml", "model.safetensors", "config.json", "tokenizer.json"} <= wanted.keys()
    assert first["private"] and Hub.made["lab/first"] and first["commit"] == COMMIT
    assert first["files"] == {name: len(data) for name, data in arrived.items()}
    assert open_one["error"]["code"] == "push_public" and "lab/open" not in Hub.files
    assert not card["private"] and Hub.made["lab/card"] is False
    assert Hub.files["lab/card"].keys() == {"README.md", "recipe.yaml", "report.html"}
    assert no_name["error"]["code"] == "push_name"
    assert quoted["private"] and Hub.commits == [f"Peibi: run {run}"] * 3
    assert len(Hub.files["lab/quoted"]["report.html"]) > len(arrived["report.html"])
    assert not any(TOKEN.encode() in data for files in Hub.files.values() for data in files.values())
    kept = [path.read_bytes() for path in space.root.rglob("*") if path.is_file() and path.stat().st_size < 1 << 20]
    assert not any(TOKEN.encode() in data for data in kept) and not [*(space.root / "cache").glob("push-*")]


def test_a_hub_that_knows_nobody_says_what_is_missing(place, hub, tmp_path):
    [said, status] = pushed(place, tmp_path, hub, "--to lab/nobody --card-only", token="")
    assert status == "2" and json.loads(said)["error"]["code"] == "push_refused" and "lab/nobody" not in Hub.files
    assert "HF_TOKEN" in json.loads(said)["error"]["hint"]


def test_a_hub_that_is_not_there(place, monkeypatch, capsys):
    from huggingface_hub import constants

    space, run = place
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert main(["push", run, "--to", "lab/far", "--json", "--workspace", str(space.root)]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "hub_silent"
