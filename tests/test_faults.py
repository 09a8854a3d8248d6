"""Killed processes, broken checkpoints, full disks: what was begun ends with the digest of the undisturbed run."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from invariants import REPOSITORY, check, digest, interrupted, processes, slots, submit, until, wait, wanted

from core.jobs import faults
from core.jobs import folder as folders
from core.jobs.dispatch import dispatch
from core.jobs.folder import hold, last_metrics, tail
from core.jobs.store import Store
from core.training import checkpoints

PASSED = ("core/jobs/selftest.py", "core/jobs/trainer.py", "core/training/checkpoints.py")  # by every self-test


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def running(store: Store, id: str, step: int = 1) -> int:
    """The pid of the trainer of a run once it has passed a step."""
    dispatch(store.root)
    until(lambda: any(values["step"] >= step for values in last_metrics(store.folder(id))))
    [trainer] = processes(store.root, id, "core.jobs.trainer")
    return trainer


def finish_again(store: Store, id: str, **params) -> None:
    """Submit what failed once more; it must end as if nothing had been."""
    assert submit(store, **params) == id
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    assert digest(store, id) == wanted(store, id)
    check(store, [id])


def test_kill_the_trainer(store: Store):
    params = {"steps": 30, "checkpoint_every": 4, "seconds_per_step": 0.05, "children": 2}
    id = submit(store, **params)
    trainer = running(store, id, step=9)
    os.kill(trainer, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: store.get(id).state == "interrupted", 2.0)
    assert time.monotonic() - killed < 2.0
    assert store.get(id).error["values"] == {"signal": "SIGKILL"}
    assert store.get(id).pending  # it goes on by itself: nobody does anything from here on
    assert wait(store, id) == ["succeeded"]
    check(store, [id])
    assert (store.get(id).attempt, store.get(id).resumes) == (2, 1)
    assert re.search(r"resumed from step (8|12|16)\n", tail(store.folder(id) / "log.txt"))


def test_terminate_the_trainer_from_outside(store: Store):
    id = submit(store, steps=200, seconds_per_step=0.05)
    os.kill(running(store, id), signal.SIGTERM)
    interrupted(store, id)
    [event] = [event for event in folders.events(store.folder(id)) if event["to"] == "interrupted"]
    assert event["run"]["error"]["values"] == {"signal": "SIGTERM"}  # the run itself may be on its way again
    store.cancel(id)  # it would go on by itself
    assert wait(store, id) == ["cancelled"]
    check(store, [id])


def test_kill_the_supervisor(store: Store):
    params = {"steps": 30, "checkpoint_every": 4, "seconds_per_step": 0.05}
    id = submit(store, **params)
    later = submit(store, steps=1)
    running(store, id, step=9)
    [supervisor] = processes(store.root, id, "core.jobs.supervisor")
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not processes(store.root, id), 2.0)
    assert not (store.folder(id) / "result.json").exists()  # the trainer didn't go on to its end
    assert store.get(id).state == "running"  # nobody has looked yet
    assert dispatch(store.root) == [later]
    assert (store.get(id).state, store.get(id).error["code"]) == ("interrupted", "run_lost")
    assert wait(store, later, id) == ["succeeded", "succeeded"]
    assert store.get(id).attempt == 2
    check(store, [id, later])


def test_a_trainer_without_its_supervisor_does_not_begin(store: Store):
    id = submit(store, steps=2)
    command = [sys.executable, "-m", "core.jobs.trainer", str(store.root), id, "1", "1", "-1", "-"]
    assert subprocess.run(command, cwd=REPOSITORY).returncode == -signal.SIGKILL
    assert not last_metrics(store.folder(id))


def test_a_hung_trainer_is_killed(store: Store):
    id = submit(store, steps=1000, hang_at=1)
    claimed, lock = store.claim(id), hold(store.folder(id))
    code = "import sys, core.jobs.supervisor as s; s.TERM_AFTER, s.KILL_AFTER = 0.2, 0.6; s.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, str(store.root), id, str(claimed.attempt), str(lock)]
    with (store.folder(id) / "log.txt").open("ab") as log:
        supervisor = subprocess.Popen(command, cwd=REPOSITORY, pass_fds=(lock,), stdout=log, stderr=log)
    os.close(lock)
    until(lambda: "hanging" in tail(store.folder(id) / "log.txt"))
    store.cancel(id)
    assert supervisor.wait(10) == 0
    assert wait(store, id) == ["cancelled"]
    assert json.loads((store.folder(id) / "exit.json").read_text())["signal"] == "SIGKILL"
    check(store)


def test_the_code_is_found_from_any_folder(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    id = submit(store, steps=2)
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]


def points() -> list[str]:
    """Every point that the code of a self-test names."""
    text = "".join((REPOSITORY / file).read_text() for file in PASSED)
    return sorted(set(re.findall(r"\bpoint\(\"([a-z_.]+)\"\)", text)))


@pytest.mark.whole
def test_killed_at_every_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """At the n-th pass of every point, n = 1 and on until a run passes; all points of one n side by side."""
    left, struck = points(), 0
    assert len(left) >= 10
    for number in range(1, 20):
        stores = {name: Store(_made(tmp_path / f"{name}-{number}")) for name in left}
        params = {"steps": 3, "checkpoint_every": 1, "seed": number}
        ids = {name: submit(store, **params) for name, store in stores.items()}
        for name, store in stores.items():
            monkeypatch.setenv("PEIBI_FAULT", f"{name}:{number}")
            dispatch(store.root)
        monkeypatch.delenv("PEIBI_FAULT")
        for name, store in stores.items():
            assert wait(store, ids[name]) == ["succeeded"]
            assert store.get(ids[name]).resumes <= 1
            check(store, [ids[name]])
        left = [name for name, store in stores.items() if store.get(ids[name]).resumes]
        struck += len(left)
        if not left:
            break
    assert not left
    assert struck >= 15


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_fault_may_raise(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PEIBI_FAULT", "step:2:raise")
    id = submit(store, steps=3)
    dispatch(store.root)
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["values"] == {"what": "FaultError: step:2:raise"}
    faults.point("other")
    monkeypatch.delenv("PEIBI_FAULT")
    faults.point("step")


def test_a_full_disk(store: Store):
    params = {"steps": 60, "seconds_per_step": 0.03}
    id = submit(store, **params)
    trainer = running(store, id, step=12)
    resource.prlimit(trainer, resource.RLIMIT_FSIZE, (1500, 1500))  # bytes; metrics grow beyond it
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "disk_full"
    finish_again(store, id, **params)
    assert [values["step"] for values in last_metrics(store.folder(id))] == list(range(1, 61))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = _made(tmp_path / "disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_without_a_byte_left(small_disk: Path):
    store, params = Store(small_disk), {"steps": 60, "checkpoint_every": 2, "seconds_per_step": 0.03}
    id = submit(store, **params)
    running(store, id, step=5)
    fill = os.open(small_disk / "fill", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="No space"):
        while True:
            os.write(fill, bytes(512))
    os.close(fill)
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "disk_full"
    (small_disk / "fill").unlink()
    finish_again(store, id, **params)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


BROKEN: dict[str, tuple[str, Callable[[Path], None]]] = {
    "flipped bit": ("state.json", _flip),
    "cut short": ("state.json", _cut),
    "missing file": ("state.json", Path.unlink),
    "missing manifest": ("manifest.json", Path.unlink),
    "broken manifest": ("manifest.json", _cut),
}


def test_a_broken_checkpoint_is_not_used(store: Store):
    params = {"steps": 12, "checkpoint_every": 3, "fail_at": 11, "failure": "unfinished"}
    slots(store, light=2)
    ids = {name: submit(store, **params, seed=seed) for seed, name in enumerate(BROKEN)}
    dispatch(store.root)
    assert set(wait(store, *ids.values())) == {"failed"}
    for seed, (name, (file, damage)) in enumerate(BROKEN.items()):
        damage(store.folder(ids[name]) / "checkpoints" / "step-00000009" / file)
        submit(store, **params, seed=seed)
    dispatch(store.root)
    wait(store, *ids.values())
    for id in ids.values():
        log = tail(store.folder(id) / "log.txt")
        assert "checkpoint step-00000009 not used" in log and "resumed from step 6\n" in log
        kept = sorted(path.name for path in (store.folder(id) / "checkpoints").iterdir())
        assert kept == ["step-00000006", "step-00000009"]
        assert checkpoints.newest(store.folder(id) / "checkpoints")[1] == 9  # written again
    check(store)


def _save(folder: Path, step: int, text: str = "weights", point: Callable[[str], None] = lambda name: None) -> Path:
    def write(draft: Path) -> None:
        (draft / "inner").mkdir()
        (draft / "inner" / "a.bin").write_text(text)

    return checkpoints.save(folder, step, write, point)


def test_checkpoints_are_kept_and_pruned(tmp_path: Path):
    folder = tmp_path / "checkpoints"
    assert checkpoints.newest(folder) is None
    assert _save(folder, 5) == checkpoints.folder_of(folder, 5)
    for step in (10, 50):
        _save(folder, step)
    (folder / ".draft-left").mkdir()
    checkpoints.prune(folder)
    assert checkpoints.newest(folder) == (checkpoints.folder_of(folder, 50), 50)
    _save(folder, 60)
    checkpoints.prune(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000050", "step-00000060"]


def test_a_checkpoint_under_another_step_is_not_used(tmp_path: Path):
    _save(tmp_path, 5)
    _save(tmp_path, 6).rename(tmp_path / "step-00000009")
    heard: list[tuple[str, str]] = []
    found = checkpoints.newest(tmp_path, lambda path, reason: heard.append((path.name, reason)))
    assert found == (checkpoints.folder_of(tmp_path, 5), 5)
    assert heard == [("step-00000009", "the manifest is of step 6")]


def test_saving_an_earlier_step_drops_the_later_broken_ones(tmp_path: Path):
    for step in (5, 20, 25):
        _save(tmp_path, step)
    for step in (20, 25):
        _flip(checkpoints.folder_of(tmp_path, step) / "inner" / "a.bin")
    _save(tmp_path, 10)
    checkpoints.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000005", "step-00000010"]


def test_a_checkpoint_may_be_replaced(tmp_path: Path):
    _save(tmp_path, 5, "first")

    def stop(name: str) -> None:
        if name == "checkpoint.replaced":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        _save(tmp_path, 5, "second", stop)
    _save(tmp_path, 5, "third")
    assert (tmp_path / "step-00000005" / "inner" / "a.bin").read_text() == "third"
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000005"]
