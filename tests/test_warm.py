"""The warm process: started once, ready when it says so, answers what it should and outlives what it shouldn't mind."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from conftest import HARBOUR, ROOT, environment
from streamlit.testing.v1 import AppTest

from core import corpus as corpora
from core.augment import AUGMENTERS, lacking
from core.augment.pool import AugmentParams, build_pool
from core.augment.preview import answer as preview_answer
from core.augment.preview import preview
from core.augment.protocol import Child, Rejected
from core.corpus import Corpus
from core.errors import CoreError
from core.formats import ReadOptions, read
from core.formats.leakage import contents
from core.jobs import warm
from core.jobs.process import identity
from core.jobs.trainer import Context
from core.jobs.warm import identified, memory, server
from core.jobs.warm.pieces import LIGHT, PIECES
from core.jobs.warm.protocol import MOST_REQUEST, REQUESTS, socket_path
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
    """Wait for the warm process of a workspace -> the pid of its server."""
    until(lambda: warm.state(root) == "ready")
    return warm.ask(root, "ping", {}, 30)["pid"]


def guard_of(root: Path) -> int:
    """The pid of the guard of a workspace's server."""
    return json.loads((root / "warm.json").read_text())["pid"]


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not reaped does not."""
    return identity(pid) is not None


def processes(root: Path) -> list[int]:
    """The pids of all processes, guards and servers, that serve a workspace."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"core.jobs.warm.guard" in words and os.fsencode(root) in words:
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory, tables) -> Path:
    """A cache folder with the synonyms, which take long to build: two processes that want them build them once."""
    folder = tmp_path_factory.mktemp("wordnet")
    command = [sys.executable, "-m", "core.augment.wordnet", str(folder)]
    both = [subprocess.Popen(command, cwd=ROOT, env=environment()) for _ in range(2)]
    waited = [os.wait4(process.pid, 0) for process in both]
    assert [status for _, status, _ in waited] == [0, 0]
    worked = sorted(usage.ru_utime for _, _, usage in waited)
    assert worked[0] < worked[1] / 2  # one of them did nothing but wait
    assert len(list(folder.glob("*.arrow"))) == 1 and not list(folder.glob("*.tmp"))
    for path in folder.glob("*.arrow"):
        if not (tables / path.name).exists():  # for all tests
            shutil.copyfile(path, tables / f"{path.name}.copied")
            (tables / f"{path.name}.copied").rename(tables / path.name)
    for module in ("core.augment.embeddings", "core.augment.triples"):  # whose tables take longest, built for all tests
        subprocess.run([sys.executable, "-m", module, str(tables)], cwd=ROOT, env=environment(), check=True)
    for path in tables.glob("*.arrow"):
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
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
    for pid in processes(root):
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


@pytest.mark.whole
def test_eight_that_start_it_at_once_start_one(root: Path):
    pids = {guard_of(root), warm.ask(root, "ping", {}, 30)["pid"]}
    assert set(processes(root)) == pids
    warm.start(root)
    assert set(processes(root)) == pids
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
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_off"
    warm.start(root, idle=1)
    assert warm.state(root) == "starting"
    second = ready(root)
    assert second != first
    until(lambda: warm.state(root) == "off")  # after a second without a request
    until(lambda: not alive(second), 30)
    assert not (root / "warm.sock").exists()


def test_a_workspace_far_down_is_no_obstacle_and_sigterm_ends_it(place):
    root = place("x" * 120)
    warm.start(root)
    pid = ready(root)
    folder = socket_path(root).parent
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
    "line",
    [
        *(b"\n", b"{\n", b"[]\n", b"3\n", b"\xff\xfe\n", b'{"kind": "ping"}\n', b"[" * 100_000 + b"\n"),
        b'{"kind": "ping", "request": {}, "until": "x"}\n',
        b'{"kind": "ping", "request": {}, "until": 1' + b"0" * 400 + b"}\n",
    ],
)
def test_what_is_no_request_is_answered_all_the_same(root: Path, line: bytes):
    assert json.loads(said(root, line))["error"]["code"] == "warm_bad_request"


@pytest.mark.parametrize("line", [b'{"kind": [], "request": {}}\n', b'{"kind": "ping", "request": []}\n'])
def test_a_request_of_another_shape_is_refused(root: Path, line: bytes):
    assert json.loads(said(root, line))["error"]["code"] == "warm_unknown_request"


def test_an_oversized_line_is_refused_here_and_dropped_there(root: Path):
    error = refused(lambda: warm.ask(root, "ping", {"x": "x" * MOST_REQUEST}))
    assert error.code == "warm_too_large"
    with connected(root) as connection, pytest.raises(OSError):
        connection.sendall(b"x" * (2 * MOST_REQUEST))
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


def test_who_says_nothing_is_dropped_and_keeps_nobody_waiting(root: Path):
    with connected(root) as silent:
        assert warm.ask(root, "ping", {}, 30)
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.recv(1)  # it is still there
        silent.settimeout(30)
        assert silent.recv(1) == b""
    assert warm.ask(root, "ping", {}, 30)


def test_what_nobody_foresaw_is_internal_and_logged(root: Path):
    broken = root / "corpora" / f"{'0' * 64}.arrow"
    broken.write_bytes(b"no arrow file")
    error = refused(lambda: warm.ask(root, "preview", {"corpus": "0" * 64, "rows": [0], "method": "swap"}, 30))
    assert (error.code, error.hint_code) == ("internal", "hint_warm_log")
    assert "Traceback" in (root / "warm.log").read_text()
    assert warm.ask(root, "ping", {}, 30)


# Deadlines, and clients that leave


def work(seconds: float = 60.0, **more: Any) -> dict[str, Any]:
    """The request for a selftest."""
    return {"seconds": seconds, **more}


def busy(root: Path) -> bool:
    """Whether the server works on a request, which it does not leave for another."""
    try:
        return not warm.ask(root, "ping", {}, 0.2)
    except CoreError as error:
        return error.code == "warm_timeout"


def put(root: Path, seconds: float, request: Mapping[str, Any]) -> socket.socket:
    """A client that waits for a selftest `seconds` long, and listens for longer."""
    connection = connected(root)
    line = {"kind": "selftest", "request": request, "until": time.monotonic() + seconds}
    connection.sendall(json.dumps(line).encode() + b"\n")
    return connection


def heard(connection: socket.socket) -> Any:
    with connection, connection.makefile("rb") as stream:
        return json.loads(stream.readline())


def test_work_stops_when_its_client_hangs_up(root: Path):
    question = warm.begin(root, "selftest", work(), 60)
    until(lambda: busy(root), 30)
    warm.hang_up(question)
    assert warm.ask(root, "ping", {}, 30)


def test_work_stops_at_the_deadline_and_says_so(root: Path):
    pid = warm.ask(root, "ping", {}, 30)["pid"]
    answer = heard(put(root, 0.5, work()))
    assert answer["error"]["code"] == "warm_timeout"
    assert answer["error"]["values"]["seconds"] <= 0.5
    assert warm.ask(root, "ping", {}, 30)["pid"] == pid


def test_what_is_too_late_is_not_begun(root: Path):
    pid = warm.ask(root, "ping", {}, 30)["pid"]
    first = put(root, 60, work(1.5))
    until(lambda: busy(root), 30)
    late = put(root, 0.3, work(work="hold_gil"))  # which would not come back
    assert heard(first)["answer"]["units"] > 1
    assert heard(late)["error"]["code"] == "warm_timeout"
    assert warm.ask(root, "ping", {}, 30)["pid"] == pid


def test_the_newest_of_many_wins(root: Path):
    for _ in range(20):
        warm.hang_up(warm.begin(root, "selftest", work(), 60))
    assert warm.ask(root, "selftest", work(0.1), 30)["units"] >= 1


def test_a_preview_stops_between_two_children(root: Path):
    class Leaving(Patient):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 5:
                raise server.Gone

    leaving = Leaving()
    request = {"corpus": GOLD.id, "rows": list(range(48)), "method": "swap", "copies": 3}
    with pytest.raises(server.Gone):
        preview_answer(root, request, leaving)
    assert leaving.checks == 5


def test_what_stays_loaded_is_loaded_to_its_end(root: Path):
    pid = warm.ask(root, "ping", {}, 30)["pid"]
    error = refused(lambda: warm.ask(root, "selftest", work(server.GRACE + 1.5, work="load"), 0.5))
    assert (error.code, error.values) == ("warm_timeout", {"seconds": 0.5})
    assert warm.ask(root, "ping", {}, 30)["pid"] == pid


# Hanging, stopped, killed


@pytest.mark.parametrize("kind", ["loop", "hold_gil"])
def test_a_server_that_hangs_is_ended_and_another_one_starts(place, kind: str):
    root = place("w")
    warm.start(root)
    first = ready(root)
    hanging = warm.begin(root, "selftest", work(600, work=kind), 1.5)
    until(lambda: busy(root), 30)
    behind = warm.begin(root, "ping", {}, 60)
    assert refused(lambda: [warm.answer_to(hanging, 60)]).code == "warm_timeout"
    assert refused(lambda: [warm.answer_to(behind, 60)]).code == "warm_ended"
    until(lambda: warm.state(root) == "off")
    assert not alive(first)
    assert "in selftest" in (root / "warm.log").read_text()  # the traceback
    warm.start(root)
    assert ready(root) != first


def test_a_machine_that_sleeps_costs_no_server(place):
    root = place("w")
    warm.start(root)
    server_, guard = ready(root), guard_of(root)
    connection = put(root, 0.5, work())
    until(lambda: busy(root), 30)
    for pid in (server_, guard):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(0.5 + server.GRACE + 1)  # longer than the request may take
    os.kill(guard, signal.SIGCONT)
    time.sleep(0.5)  # they need not wake together
    os.kill(server_, signal.SIGCONT)
    assert heard(connection)["error"]["code"] == "warm_timeout"
    assert (warm.ask(root, "ping", {}, 30)["pid"], guard_of(root)) == (server_, guard)


def test_who_is_stopped_for_good_is_ended(place):
    """A server between two requests by its guard; a guard with its server by the next client that waits."""
    alone, both = place("alone"), place("both")
    warm.start(alone)
    warm.start(both)
    pids = [ready(alone), ready(both), guard_of(both)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    assert refused(lambda: warm.ask(both, "ping", {}, 60)).code == "warm_ended"
    until(lambda: warm.state(both) == warm.state(alone) == "off", 60)
    assert not any(alive(pid) for pid in pids)
    warm.start(both)
    assert ready(both) not in pids


def test_a_guard_that_is_killed_takes_its_server_along(place):
    root = place("w")
    warm.start(root)
    pid, guard = ready(root), guard_of(root)
    os.kill(guard, signal.SIGKILL)
    until(lambda: warm.state(root) == "off")
    assert not alive(pid)
    assert (root / "warm.sock").exists()  # nobody was left to remove it
    assert refused(lambda: warm.ask(root, "ping", {})).code == "warm_off"
    warm.start(root)
    assert ready(root) != pid


def test_a_stranger_is_never_signalled(place, monkeypatch):
    root = place("w")
    warm.start(root)
    pid, guard = ready(root), guard_of(root)
    monkeypatch.setattr(identified, "APART", 0.0)
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        who, own = identity(stranger.pid), identity(guard)
        assert who is not None and own is not None
        for one in (guard, pid):
            os.kill(one, signal.SIGSTOP)
        reused = replace(own, ticks=own.ticks - 1)  # its pid, but of a process that started before it
        rebooted = replace(own, boot="0" * len(own.boot))
        for named in (who, replace(who, ticks=who.ticks + 1), reused, rebooted):
            assert not looked(root, json.dumps(asdict(named)))
        for text in ("", "{", "[]", '{"pid": 1}', '{"boot": "", "pid": "x", "ticks": 0}', '{"pid": null}'):
            assert not looked(root, text)
        assert stranger.poll() is None and alive(guard) and alive(pid)
        assert looked(root, json.dumps(asdict(own)))
        until(lambda: not alive(guard) and not alive(pid), 30)
    finally:
        stranger.kill()
        stranger.wait()


def looked(root: Path, text: str) -> bool:
    """Whether a client that waits and waits kills whom the file names."""
    (root / "warm.json").write_text(text)
    return any(identified.unanswered(root) for _ in range(2 * identified.LOOKS))


# Memory


@pytest.mark.whole
def test_who_wants_too_much_memory_is_told_and_who_keeps_it_ends(place):
    root, most = place("w"), 300 << 20
    warm.start(root, memory=most)
    pid = ready(root)
    error = refused(lambda: warm.ask(root, "selftest", {"bytes": 2 * most}, 60))
    assert (error.code, error.hint_code) == ("out_of_memory", "hint_warm_memory")
    assert warm.ask(root, "selftest", {"bytes": most // 2}, 60)
    assert warm.ask(root, "ping", {}, 30)["pid"] == pid
    kept, codes = 0, set[str]()
    while not codes and kept < memory.LEAST + 2 * most:
        try:
            assert warm.ask(root, "selftest", {"bytes": most * 3 // 4, "keep": True}, 60)
            kept += most * 3 // 4
        except CoreError as error:  # it ended after an answer; who asked just then is told that it did
            codes.add(error.code)
    assert codes <= {"warm_off", "warm_starting", "warm_ended"} and kept > memory.LEAST
    until(lambda: warm.state(root) == "off")
    assert "are kept after a request" in (root / "warm.log").read_text()
    warm.start(root)
    assert ready(root) != pid


def test_torch_says_that_there_is_no_memory_in_its_own_words():
    import torch

    with memory.capped(1 << 28):
        try:
            torch.empty(1 << 31)
        except Exception as error:  # noqa: BLE001 -- of what kind it is, is the question
            assert memory.out_of_memory(error)
        else:
            pytest.fail("it was given")
    assert torch.empty(1 << 28).numel() == 1 << 28


# Previews


@pytest.mark.parametrize("method", [name for name in AUGMENTERS if not lacking(name, {})])
def test_a_preview_is_what_the_pool_will_hold(root: Path, method: str):
    params = AugmentParams(method, copies=3, seed=5)
    pool = build_pool(GOLD, params, root, contents(DEV), lambda: None)
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
    everything = preview(GOLD, range(48), params, root)
    some = preview(GOLD, [17, 3, 29], params, root)
    assert [item.row for item in some] == [17, 3, 29]
    for item in some:
        assert item.parent == everything[item.row].parent
        for child, whole in zip(item.children, everything[item.row].children, strict=True):
            assert child == whole or (isinstance(child, Child) and not isinstance(whole, Child))
    assert any(isinstance(child, Child) for item in some for child in item.children)


def test_a_child_that_repeats_a_held_out_row_is_rejected(root: Path):
    params = AugmentParams("swap", seed=2)
    (item,) = preview(GOLD, [0], params, root)
    (child,) = item.children
    assert isinstance(child, Child)
    pool = build_pool(GOLD, params, root, set(), lambda: None)
    forbidden = contents(pool.corpus)
    (again,) = preview(GOLD, [0], params, root, forbidden)
    assert [*again.children] == [Rejected("overlaps_held_out")]


class Patient:
    """A turn whose client waits for ever."""

    def check(self) -> None: ...

    def loading(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_what_was_loaded_for_one_preview_serves_the_next(root: Path, monkeypatch):
    request = {"corpus": GOLD.id, "rows": [0], "method": "token_replacement", "params": {"rate": 0.25}}
    turn = Patient()
    first = preview_answer(root, request, turn)
    monkeypatch.setattr(corpora, "read", lambda path: pytest.fail("read again"))
    assert preview_answer(root, request, turn) == first
    assert preview_answer(root, request | {"rows": [1]}, turn)["rows"][0]["row"] == 1


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


# From a page


def page() -> None:
    from pathlib import Path

    import streamlit as st

    from components import asking
    from core.workspace import Workspace

    root, request, seconds = st.session_state["asks"]
    space = Workspace(Path(root))
    found = asking.asked(space, "question", "selftest", request, seconds)
    if found.answer is not None:
        st.text("answered")
    elif found.problem is not None:
        asking.problem("question", found.problem)
    else:
        asking.waiting(space, "question")


def shown(at: AppTest, root: Path, request: Mapping[str, Any], seconds: float = 60.0) -> AppTest:
    """The page as it asks for something, after one look."""
    at.session_state["asks"] = (str(root), request, seconds)
    at.run(timeout=30)
    assert not at.exception
    return at


def until_it_says(at: AppTest, words: str) -> None:
    """Look again and again, as the page does by itself."""

    def says() -> bool:
        at.run(timeout=30)
        assert not at.exception
        return any(words in one.value for one in (*at.text, *at.error, *at.info))

    until(says, 60)


def test_a_page_starts_it_and_asks_again_until_there_is_an_answer(place):
    root, at = place("w"), AppTest.from_function(page)
    assert "starting" in shown(at, root, work(1.0)).info[0].value
    until_it_says(at, "Working")
    until_it_says(at, "answered")
    assert not at.info and not at.error


def test_a_page_that_asks_for_something_else_gives_up_what_it_asked_before(root: Path):
    at = AppTest.from_function(page)
    for seconds in range(55, 59):
        assert "Working" in shown(at, root, work(seconds)).info[0].value
    shown(at, root, work(0.0))
    until_it_says(at, "answered")


def test_a_page_says_what_hung_and_asks_another_process_again(place):
    root, at = place("w"), AppTest.from_function(page)
    warm.start(root)
    pid = ready(root)
    shown(at, root, work(600, work="loop"), 1.5)
    until_it_says(at, "No answer within 1.5 seconds")
    until(lambda: warm.state(root) == "off")
    shown(at, root, work(0.0))
    until_it_says(at, "answered")
    assert ready(root) != pid
    shown(at, root, work(600, work="loop"), 1.5)
    until_it_says(at, "No answer")
    at.button(key="question_again").click()
    shown(at, root, work(600, work="loop"), 1.5)
    until_it_says(at, "No answer")


def test_the_client_loads_nothing_heavy():
    script = "import sys, core.jobs.warm; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=HARBOUR.parents[3])
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"torch", "transformers", "nlpaug", "numpy", "pyarrow"}


def test_every_request_and_every_piece_names_what_exists():
    from importlib import import_module

    for place in (*REQUESTS.values(), *LIGHT, *PIECES):
        module, _, name = place.partition(":")
        assert not name or callable(getattr(import_module(module), name)), place
