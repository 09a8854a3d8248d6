"""The warm process: started once, ready when it says so, answers what it should and outlives what it shouldn't mind."""

import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import HARBOUR

from core import corpus as corpora
from core.augment import AUGMENTERS
from core.augment.pool import AugmentParams, build_pool
from core.augment.preview import answer as preview_answer
from core.augment.preview import preview
from core.augment.protocol import Child, Resources
from core.augment.wordnet import synonyms_for
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.formats.leakage import contents
from core.jobs import warm
from core.jobs.trainer import Context
from core.models.catalogue import install
from core.params import canonical
from core.predict import MOST_CHARACTERS, MOST_LINES, predict_lines
from core.runs import RunSpec
from core.training.settings import TrainParams
from core.training.train import TrainRunParams
from core.training.train import run as train
from core.workspace import Workspace

STARTS_WITHIN = 120.0  # seconds, on a busy machine
WHOLE = read(HARBOUR, name="harbour.conll", options=ReadOptions()).corpus
GOLD, DEV = (Corpus(WHOLE.schema, WHOLE.table.slice(*cut)) for cut in ((0, 48), (48, 12)))


def until(true: Callable[[], bool], seconds: float = STARTS_WITHIN) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def ready(root: Path) -> int:
    """Wait for the warm process of a workspace -> its pid."""
    until(lambda: warm.state(root) == "ready")
    return warm.ask(root, "ping", {}, 30)["pid"]


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def servers(root: Path) -> list[int]:
    """The pids of all warm processes of a workspace."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"core.jobs.warm" in words and os.fsencode(root) in words:
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory) -> Path:
    """A cache folder with the synonyms, which take long to build."""
    folder = tmp_path_factory.mktemp("wordnet")
    synonyms_for(Resources((), "en", folder), "synonym")
    return folder


@pytest.fixture
def place(tmp_path, wordnet) -> Generator[Callable[[str], Path]]:
    """Make workspaces; their warm processes are ended with the test."""
    made: list[Path] = []

    def at(name: str) -> Path:
        made.append(workspace_at(tmp_path / name, wordnet))
        return made[-1]

    yield at
    for root in made:
        end(root)


def workspace_at(root: Path, wordnet: Path) -> Path:
    Workspace.open(root)
    (root / "cache").rmdir()
    (root / "cache").symlink_to(wordnet)
    return root


def end(root: Path) -> None:
    for pid in servers(root):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def root(tmp_path_factory, wordnet) -> Generator[Path]:
    """A workspace with the sample as gold (48 rows) and dev (12 rows), and its warm process, ready."""
    root = workspace_at(tmp_path_factory.mktemp("warm") / "workspace", wordnet)
    for corpus in (GOLD, DEV):
        corpora.write(corpus, root / "corpora")
    together = threading.Barrier(8)

    def begin(_: int) -> None:
        together.wait()
        warm.start(root)

    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(begin, range(8)))
        ready(root)
        yield root
    finally:
        end(root)


@pytest.fixture(scope="module")
def run_id(root: Path, tiny_model: Path) -> str:
    """A training of a few steps in that workspace."""
    settings = TrainParams(steps=80, batch_tokens=256, learning_rate=5e-3, freeze_word_embeddings=False)
    model = install(str(tiny_model), root / "models", root).folder
    paths = {"gold": GOLD.id, "dev": DEV.id}
    inputs = {role: f"corpora/{name}.arrow" for role, name in paths.items()} | {"model": f"models/{model.name}"}
    spec = RunSpec(
        "train", dict.fromkeys(inputs, ""), canonical(TrainRunParams(0, WHOLE.schema.labels, train=settings))
    )
    folder = root / "runs" / spec.id
    folder.mkdir()
    resolved = {"device": "cpu", "precision": "fp32", "threads": 1, "versions": {}, "inputs": inputs}
    train(Context(root, folder, spec, resolved, 1))
    return spec.id


def refused(call: Callable[[], Any]) -> CoreError:
    with pytest.raises(CoreError) as caught:
        call()
    return caught.value


def connected(root: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(str(root / "warm.sock"))
    return connection


def said(root: Path, line: bytes) -> bytes:
    """What the server answers to a line, whatever it is."""
    with connected(root) as connection:
        connection.sendall(line)
        with connection.makefile("rb") as stream:
            return stream.readline()


# Starting and ending


def test_eight_that_start_it_at_once_start_one(root: Path):
    pid = warm.ask(root, "ping", {}, 30)["pid"]
    assert servers(root) == [pid]
    warm.start(root)
    assert servers(root) == [pid]
    assert (root / "warm.log").read_text().count("ready after") == 1


def test_only_its_owner_can_reach_the_socket(root: Path):
    assert stat.S_IMODE((root / "warm.sock").stat().st_mode) == 0o600


def test_it_is_off_then_starting_then_ready_and_off_once_killed(place):
    root = place("w")
    assert warm.state(root) == "off"
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_off"
    warm.start(root)
    assert warm.state(root) == "starting"
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_starting"
    first = ready(root)
    os.kill(first, signal.SIGKILL)
    until(lambda: warm.state(root) == "off", 10)
    assert not alive(first)
    assert (root / "warm.sock").exists()  # nobody was left to remove it
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_off"
    warm.start(root, idle=1)
    assert warm.state(root) == "starting"
    second = ready(root)
    assert second != first
    until(lambda: warm.state(root) == "off", 30)  # after a second without a request
    until(lambda: not alive(second), 30)
    assert not (root / "warm.sock").exists()


def test_a_workspace_far_down_is_no_obstacle_and_sigterm_ends_it(place):
    root = place("x" * 120)
    warm.start(root)
    pid = ready(root)
    folder = warm._socket_path(root).parent
    assert folder != root
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_unsafe_folder"
    folder.rmdir()


def test_it_ends_with_its_workspace(place):
    root = place("w")
    warm.start(root)
    pid = ready(root)
    root.rename(root.with_name("elsewhere"))
    until(lambda: not alive(pid))


# Requests


def test_an_unknown_kind_is_refused(root: Path):
    error = refused(lambda: warm.ask(root, "nosuch", {}, 30))
    assert (error.code, error.values["kind"]) == ("warm_unknown_request", "nosuch")


@pytest.mark.parametrize(
    "line", [b"\n", b"{\n", b"[]\n", b"3\n", b"\xff\xfe\n", b'{"kind": "ping"}\n', b"[" * 100_000 + b"\n"]
)
def test_what_is_no_request_is_answered_all_the_same(root: Path, line: bytes):
    assert json.loads(said(root, line))["error"]["code"] == "warm_bad_request"


@pytest.mark.parametrize("line", [b'{"kind": [], "request": {}}\n', b'{"kind": "ping", "request": []}\n'])
def test_a_request_of_another_shape_is_refused(root: Path, line: bytes):
    assert json.loads(said(root, line))["error"]["code"] == "warm_unknown_request"


def test_an_oversized_line_is_refused_here_and_dropped_there(root: Path):
    error = refused(lambda: warm.ask(root, "ping", {"x": "x" * warm.MOST_REQUEST}))
    assert error.code == "warm_too_large"
    with connected(root) as connection, pytest.raises(OSError):
        connection.sendall(b"x" * (2 * warm.MOST_REQUEST))
        assert connection.recv(1) == b""
        raise ConnectionResetError
    assert warm.ask(root, "ping", {}, 30)


def test_who_hangs_up_is_forgotten(root: Path):
    connected(root).close()
    with connected(root) as connection:
        connection.sendall(b'{"kind": "pi')
    with connected(root) as connection:
        connection.sendall(b'{"kind": "ping", "request": {}}\n')
    assert warm.ask(root, "ping", {}, 30)


def test_who_says_nothing_is_dropped_and_others_wait_no_longer_than_they_want(root: Path):
    with connected(root) as silent:
        began = time.monotonic()
        error = refused(lambda: warm.ask(root, "ping", {}, 0.5))
        assert (error.code, error.values) == ("warm_timeout", {"seconds": 0.5})
        assert time.monotonic() - began < 3
        assert silent.recv(1) == b""
    assert warm.ask(root, "ping", {}, 30)


def test_what_nobody_foresaw_is_internal_and_logged(root: Path):
    broken = root / "corpora" / f"{'0' * 64}.arrow"
    broken.write_bytes(b"no arrow file")
    error = refused(lambda: warm.ask(root, "preview", {"corpus": "0" * 64, "rows": [0], "method": "swap"}, 30))
    assert (error.code, error.hint_code) == ("internal", "hint_warm_log")
    assert "Traceback" in (root / "warm.log").read_text()
    assert warm.ask(root, "ping", {}, 30)


# Previews


@pytest.mark.parametrize("method", AUGMENTERS)
def test_a_preview_is_what_the_pool_will_hold(root: Path, method: str):
    params = AugmentParams(method, copies=3, seed=5)
    pool = build_pool(GOLD, params, root / "cache", contents(DEV), lambda: None)
    request = {"corpus": GOLD.id, "rows": list(range(48)), "method": method, "copies": 3, "seed": 5}
    found = warm.ask(root, "preview", request | {"held_out": [DEV.id]}, 30)["rows"]
    made = {(row["row"], copy): child for row in found for copy, child in enumerate(row["children"])}
    row_of = {row_id: at for at, row_id in enumerate(GOLD.table.column("id").to_pylist())}
    expected = {(row_of[item.parent], item.copy): {"rejected": item.code} for item in pool.rejected}
    for child in pool.corpus.table.select(["parent", "copy", "tokens", "tags", "changes"]).to_pylist():
        expected[row_of[child.pop("parent")], child.pop("copy")] = child
    assert made == expected
    assert [row["tokens"] for row in found] == GOLD.table.column("tokens").to_pylist()
    assert [row["tags"] for row in found] == GOLD.table.column("tags").to_pylist()


def test_some_rows_are_the_pools_in_the_order_they_were_asked_for(root: Path):
    params = AugmentParams("mention_replacement", copies=2, seed=1)
    everything = preview(GOLD, range(48), params, root / "cache")
    some = preview(GOLD, [17, 3, 29], params, root / "cache")
    assert [item.row for item in some] == [17, 3, 29]
    for item in some:
        assert item.parent == everything[item.row].parent
        for child, whole in zip(item.children, everything[item.row].children, strict=True):
            assert child == whole or (isinstance(child, Child) and not isinstance(whole, Child))
    assert any(isinstance(child, Child) for item in some for child in item.children)


def test_a_child_that_repeats_a_held_out_row_is_rejected(root: Path):
    params = AugmentParams("swap", seed=2)
    (item,) = preview(GOLD, [0], params, root / "cache")
    (child,) = item.children
    assert isinstance(child, Child)
    pool = build_pool(GOLD, params, root / "cache", set(), lambda: None)
    forbidden = contents(pool.corpus)
    (again,) = preview(GOLD, [0], params, root / "cache", forbidden)
    assert [vars(found) for found in again.children] == [{"code": "overlaps_held_out"}]


def test_what_was_loaded_for_one_preview_serves_the_next(root: Path, monkeypatch):
    request = {"corpus": GOLD.id, "rows": [0], "method": "token_replacement", "params": {"rate": 0.25}}
    first = preview_answer(root, request)
    monkeypatch.setattr(corpora, "read", lambda path: pytest.fail("read again"))
    assert preview_answer(root, request) == first
    assert preview_answer(root, request | {"rows": [1]})["rows"][0]["row"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"corpus": "../../etc/passwd"}, "bad_value"),
        ({"corpus": GOLD.id + "\n"}, "bad_value"),
        ({"corpus": "f" * 64}, "corpus_gone"),
        ({"held_out": ["f" * 64]}, "corpus_gone"),
        ({"held_out": ["../" + "f" * 61]}, "bad_value"),
        ({"rows": [48]}, "preview_row_unknown"),
        ({"rows": [-1]}, "bad_value"),
        ({"rows": [0] * 101}, "bad_value"),
        ({"copies": 21}, "bad_value"),
        ({"method": "nosuch"}, "unknown_augmenter"),
        ({"params": {"rat": 0.5}}, "unknown_key"),
        ({"more": 1}, "unknown_key"),
    ],
)
def test_a_preview_of_what_is_not_there_is_refused(root: Path, change: dict[str, Any], code: str):
    request = {"corpus": GOLD.id, "rows": [0], "method": "synonym"} | change
    assert refused(lambda: warm.ask(root, "preview", request, 30)).code == code


# Trying a run on text


def test_a_trained_run_reads_text(root: Path, run_id: str):
    lines = [
        *(" ".join(tokens) for tokens in GOLD.table.column("tokens").to_pylist()[:20]),
        "",
        "Ein Schiff namens Köln, 🎉!",
    ]
    found = warm.ask(root, "predict", {"run": run_id, "lines": lines}, 60)["rows"]
    alone = predict_lines(Workspace(root), run_id, lines)
    assert [rounded(row) for row in found] == [rounded(row) for row in alone]
    assert [row["text"] for row in found] == lines
    assert any(row["entities"] for row in found)
    for row in found:
        for entity in row["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["text"]
    assert warm.ask(root, "predict", {"run": run_id, "lines": []}, 60) == {"rows": []}


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Threads may differ, and with them the last bits of a confidence."""
    return row | {"entities": [entity | {"confidence": round(entity["confidence"], 3)} for entity in row["entities"]]}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"run": "0" * 16, "lines": ["x"]}, "run_without_weights"),
        ({"run": "../../../../etc", "lines": ["x"]}, "bad_value"),
        ({"run": "0" * 16 + "\n", "lines": ["x"]}, "bad_value"),
        ({"run": "0" * 16, "lines": ["x"] * (MOST_LINES + 1)}, "predict_too_many_lines"),
        ({"run": "0" * 16, "lines": ["", "x" * (MOST_CHARACTERS + 1)]}, "predict_line_too_long"),
        ({"run": "0" * 16, "lines": [3]}, "bad_value"),
        ({"run": "0" * 16}, "missing_key"),
    ],
)
def test_what_no_run_can_read_is_refused(root: Path, request_: dict[str, Any], code: str):
    assert refused(lambda: warm.ask(root, "predict", request_, 30)).code == code


def test_a_run_whose_weights_were_removed_is_refused_though_it_was_loaded(root: Path, run_id: str):
    model = root / "runs" / run_id / "model"
    assert warm.ask(root, "predict", {"run": run_id, "lines": ["x"]}, 60)
    model.rename(model.with_name("away"))
    try:
        assert refused(lambda: warm.ask(root, "predict", {"run": run_id, "lines": ["x"]}, 30)).code == (
            "run_without_weights"
        )
    finally:
        model.with_name("away").rename(model)


def test_the_client_loads_nothing_heavy():
    import subprocess
    import sys

    script = "import sys, core.jobs.warm; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HARBOUR.parents[3])
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"torch", "transformers", "nlpaug", "numpy", "pyarrow"}


def test_every_request_names_a_function_that_exists():
    from importlib import import_module

    for place in warm.REQUESTS.values():
        module, _, name = place.partition(":")
        assert callable(getattr(import_module(module), name)), place
