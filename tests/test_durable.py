"""Nothing that was started is ever lost: the rows of docs/reliability.md that tests of single parts do not show."""

import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from conftest import environment
from invariants import REPOSITORY, check, digest, interrupted, kill, processes, slots, spec_of, submit, until, wait

from core.errors import CoreError
from core.jobs import database
from core.jobs import folder as folders
from core.jobs.dispatch import MARK, dispatch, reconcile
from core.jobs.folder import last_metrics, read_json
from core.jobs.process import Identity, alive, boot_id, boottime, identity, marked, send
from core.jobs.run import BACK_OFF, GPU_FULL, MOST_HALVINGS, Exit, Run, after, again
from core.jobs.store import Store
from core.runs import RunSpec
from core.training import checkpoints
from core.workspace import Workspace

DRIVE = """
import sys
from pathlib import Path
from core.jobs.dispatch import dispatch
from core.jobs.store import Store
from core.runs import RunSpec
import json
root, act, *specs = sys.argv[1:]
store = Store(Path(root))
for spec in map(json.loads, specs):
    if act == "submit":
        store.submit(RunSpec.from_json(spec), {"inputs": {}})
        print(RunSpec.from_json(spec).id, flush=True)
    elif act == "cancel":
        store.cancel(RunSpec.from_json(spec).id)
    dispatch(store.root)
if not specs:
    dispatch(store.root)
"""  # an app, or a command line, of its own


def drive(store: Store, act: str, *specs: RunSpec, limit: int | None = None, **env: str) -> subprocess.Popen[str]:
    """A process that submits or cancels runs and dispatches. `limit`: bytes that a file of it may have."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", DRIVE, str(store.root), act, *(json.dumps(spec.to_json()) for spec in specs)]
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else small,  # noqa: PLW1509 -- no other thread of the tests holds a lock here
    )


def driven(store: Store, act: str, *specs: RunSpec, **more) -> int:
    process = drive(store, act, *specs, **more)
    process.communicate(timeout=60)
    return process.returncode


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "w")


def trainer_of(store: Store, id: str, step: int = 1) -> int:
    """The pid of the trainer of a run, once it has passed a step."""
    until(lambda: any(values["step"] >= step for values in last_metrics(store.folder(id))))
    return until(lambda: processes(store.root, id, "core.jobs.trainer"))[0]


@contextmanager
def supervised(store: Store, id: str, change: str = "", slot: str = "light:0") -> Iterator[subprocess.Popen[bytes]]:
    """The supervisor of the next attempt, with `change` (Python) done in its process before it begins."""
    claimed, lock = store.claim(id, slot), folders.hold(store.folder(id))
    code = f"import sys, time, core.jobs.supervisor as s, core.jobs.watch as w\n{change}\ns.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, str(store.root), id, str(claimed.attempt), str(lock)]
    with (store.folder(id) / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, pass_fds=(lock,), stdout=log, stderr=log, start_new_session=True
        )
    os.close(lock)
    try:
        yield process
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()


# Processes


def test_killed_at_moments_that_nobody_chose(store: Store, whole: bool):
    """Seeded kill -9 of trainers: each run ends by itself with the bytes of an undisturbed one."""
    rng, slots_ = random.Random(0), 4
    slots(store, light=slots_)
    ids = [
        submit(store, steps=80, seconds_per_step=0.04, checkpoint_every=8, seed=n) for n in range(20 if whole else 4)
    ]
    for at in range(0, len(ids), slots_):
        dispatch(store.root)
        for id in ids[at : at + slots_]:
            until(lambda id=id: last_metrics(store.folder(id)))
            time.sleep(rng.uniform(0, 0.3))
            for trainer in processes(store.root, id, "core.jobs.trainer"):
                kill(trainer)
        until(lambda at=at: all(not store.get(id).pending for id in ids[at : at + slots_]), 120)
    assert set(wait(store, *ids)) == {"succeeded"}
    assert all(store.get(id).resumes <= 1 for id in ids)
    assert sum(store.get(id).resumes for id in ids) >= len(ids) // 2
    check(store, ids)


STRUCK = {  # fault point -> who passes it
    **dict.fromkeys(("submit.begin", "submit.resolved", "submit.spec", "submit.noted", "submit.kept"), "submit"),
    **dict.fromkeys(("claim.noted", "claim.kept", "spawn.begin", "spawn.done"), "submit"),
    **dict.fromkeys(("supervisor.begin", "supervisor.ready", "supervisor.started", "supervisor.waited"), "submit"),
    **dict.fromkeys(("supervisor.exit", "supervisor.freed", "end.noted", "end.kept"), "submit"),
    **dict.fromkeys(("resume.noted", "resume.kept"), "resume"),
    **dict.fromkeys(("cancel.noted", "cancel.kept"), "cancel"),
}
CORE = (  # of these in every test run
    *("submit.noted", "claim.noted", "spawn.done", "supervisor.ready"),
    *("supervisor.exit", "end.noted", "resume.noted", "cancel.noted"),
)


def test_every_point_of_the_way_is_struck_below():
    named = "".join(
        (REPOSITORY / "core" / "jobs" / f"{name}.py").read_text() for name in ("store", "dispatch", "supervisor")
    )

    fixed = set(re.findall(r'faults\.point\("([a-z.]+)"\)', named))
    moves = set(re.findall(r'self\._change\([^)]*change, "([a-z]+)"\)', named))
    points = fixed | {f"{move}.{end}" for move in moves - {"move"} for end in ("noted", "kept")}
    assert points == set(STRUCK)


@pytest.mark.parametrize(
    "point", [point if point in CORE else pytest.param(point, marks=pytest.mark.whole) for point in STRUCK]
)
def test_struck_on_its_way(store: Store, point: str):
    """kill -9 in submit, claim, spawn, supervise, end, resume, cancel: the next one who comes finishes it."""
    spec, who = spec_of(steps=3, checkpoint_every=1), STRUCK[point]
    if who != "submit":
        store.submit(spec, {"inputs": {}})
    if who == "resume":
        store.claim(spec.id)
        store.end(spec.id, Exit(1, "interrupted", time.time()))
        time.sleep(BACK_OFF[0])
    act = "cancel" if who == "cancel" else who
    specs = () if who == "resume" else (spec,)
    struck = drive(store, act, *specs, PEIBI_FAULT=f"{point}:1")
    acknowledged = struck.communicate(timeout=60)[0].split()
    in_driver = not point.startswith(("supervisor.", "end."))
    assert (struck.returncode == -signal.SIGKILL) == in_driver
    until(lambda: not processes(store.root, spec.id))
    check_only_known(store, acknowledged)
    assert driven(store, act, *specs) == 0
    [state] = wait(store, spec.id)
    assert state == ("cancelled" if who == "cancel" else "succeeded")
    check(store, [spec.id])


def check_only_known(store: Store, acknowledged: list[str]) -> None:
    """What was said to be there is there, in the row and after the row was lost."""
    assert set(acknowledged) <= {run.id for run in store.list()}
    store.rebuild()
    assert set(acknowledged) <= {run.id for run in store.list()}


@pytest.mark.whole
def test_two_apps_queue_the_same_runs_at_once(store: Store, whole: bool):
    specs = [spec_of(steps=1, seed=seed) for seed in range(50 if whole else 16)]
    slots(store, light=3)
    apps = [drive(store, "submit", *order) for order in (specs, specs[::-1])]
    said = [set(app.communicate(timeout=240)[0].split()) for app in apps]
    ids = [spec.id for spec in specs]
    assert said == [set(ids), set(ids)]
    assert set(wait(store, *ids, seconds=240)) == {"succeeded"}
    assert [store.get(id).attempt for id in ids] == [1] * len(ids)
    assert len(store.list()) == len(ids)
    check(store, ids)


def test_after_a_reboot_it_goes_on(store: Store):
    """What was running in another boot has no process, whatever its pids say now; its back-off is over."""
    id = submit(store, steps=4)
    store.claim(id)
    here = identity(os.getpid())
    folders.write_json(store.folder(id) / "process.json", {"attempt": 1, "supervisor": asdict(replace(here, boot="x"))})
    reconcile(store)
    run = store.get(id)
    assert (run.state, run.error["code"], run.resumes) == ("interrupted", "run_lost", 1)
    assert not run.due and replace(run, due_boot="another boot").due
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    check(store, [id])


def test_a_stranger_with_the_same_pid_is_not_signalled(store: Store):
    with subprocess.Popen(["sleep", "60"]) as stranger:
        who = identity(stranger.pid)
        assert alive(who) and who.boot == boot_id()
        for other in (replace(who, ticks=who.ticks + 1), replace(who, boot="another")):
            assert not alive(other) and not send(other, signal.SIGKILL)
        id = submit(store, steps=2)
        store.claim(id)
        told = {"attempt": 1, "supervisor": asdict(replace(who, ticks=who.ticks - 5))}
        folders.write_json(store.folder(id) / "process.json", told)
        reconcile(store)
        assert store.get(id).state == "interrupted" and stranger.poll() is None
        assert send(who, signal.SIGTERM)
        assert stranger.wait() == -signal.SIGTERM
    assert not alive(who) and not send(who, signal.SIGKILL)


def test_a_zombie_is_dead():
    process = subprocess.Popen(["true"])
    who = until(lambda: os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) and process.pid)
    assert Path(f"/proc/{who}").exists() and identity(who) is None
    process.wait()


def test_what_a_killed_supervisor_leaves_is_ended(store: Store):
    """Grandchildren, also one in a session of its own, do not outlive the attempt."""
    id = submit(store, steps=500, seconds_per_step=0.02, children=2)
    dispatch(store.root)
    trainer_of(store, id)
    mark = folders.mark_of(store.folder(id), 1)
    assert len(marked(MARK, mark)) == 3
    [supervisor] = processes(store.root, id, "core.jobs.supervisor")
    kill(supervisor)
    until(lambda: not processes(store.root, id))
    assert len(marked(MARK, mark)) == 2  # the kernel ended the trainer only
    reconcile(store)
    assert marked(MARK, mark) == [] and store.get(id).state == "interrupted"
    store.cancel(id)
    check(store, [id])


def test_a_trainer_that_stands_still_is_flagged_and_left_alone(store: Store):
    id = submit(store, steps=40, seconds_per_step=0.05)
    flag = folders.stalled_file(store.folder(id), 1)
    with supervised(store, id, "w.LEAST = 1.0"):
        trainer = trainer_of(store, id, step=5)
        os.kill(trainer, signal.SIGSTOP)
        until(flag.exists)
        assert store.get(id).state == "running" and read_json(flag)["seconds"] >= 1
        os.kill(trainer, signal.SIGCONT)
        until(lambda: not flag.exists())
    assert wait(store, id) == ["succeeded"]
    check(store, [id])


def test_a_laptop_asleep_is_no_run_stalled(store: Store):
    id = submit(store, steps=40, seconds_per_step=0.05)
    with supervised(store, id, "w.LEAST = 1.0") as supervisor:
        trainer = trainer_of(store, id, step=5)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in (supervisor.pid, trainer):
                os.kill(pid, number)
            time.sleep(2.5 if number == signal.SIGSTOP else 0.5)
        assert not folders.stalled_file(store.folder(id), 1).exists()
    assert wait(store, id) == ["succeeded"]
    assert store.get(id).attempt == 1
    check(store, [id])


def test_patience_grows_with_the_steps(tmp_path: Path):
    from core.jobs.watch import LEAST, Pulse

    pulse = Pulse(tmp_path, 1)
    for step in range(5):
        pulse.look(10.0)
        folders.append_line(folders.metrics_file(tmp_path, 1), {"step": step})
    pulse.look(0.1)
    assert pulse.patience == pytest.approx(100, rel=0.05) and LEAST == 60
    pulse.look(99.0)
    assert not folders.stalled_file(tmp_path, 1).exists()
    pulse.look(2.0)
    assert folders.stalled_file(tmp_path, 1).exists()


@contextmanager
def little_memory(size: int) -> Iterator[Callable[[int], None]]:
    """A control group whose processes have so many bytes together. -> a function that puts a process into it"""
    version1, version2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    folder = (version1 if version1.is_dir() else version2) / f"peibi-test-{os.getpid()}"
    try:
        folder.mkdir()
        limit = folder / ("memory.limit_in_bytes" if version1.is_dir() else "memory.max")
        limit.write_text(str(size))
        swap = folder / ("memory.memsw.limit_in_bytes" if version1.is_dir() else "memory.swap.max")
        with suppress(OSError):
            swap.write_text(str(size if version1.is_dir() else 0))
    except OSError:
        with suppress(OSError):
            folder.rmdir()
        pytest.skip("no control group for memory can be made here")
    try:
        yield lambda pid: (folder / "cgroup.procs").write_text(str(pid)) and None
    finally:
        until(lambda: _removed(folder))


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def test_the_kernel_ends_it_for_want_of_memory(store: Store):
    id = submit(store, steps=300, seconds_per_step=0.02, fail_at=60, failure="eat_memory")
    dispatch(store.root)
    trainer = trainer_of(store, id)
    assert Path(f"/proc/{trainer}/oom_score_adj").read_text().strip() == "500"
    with little_memory(200 << 20) as put:
        put(trainer)
        assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "out_of_memory"
    check(store, [id])


def test_its_own_limit_of_memory(store: Store):
    id = submit(store, steps=300, seconds_per_step=0.02, fail_at=40, failure="eat_memory")
    dispatch(store.root)
    resource.prlimit(trainer_of(store, id), resource.RLIMIT_AS, (1 << 30, 1 << 30))
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "out_of_memory"


def test_a_batch_too_large_for_the_gpu_is_halved(store: Store):
    slots(store, light=2)
    params = {"steps": 6, "checkpoint_every": 2, "fail_at": 5, "failure": "gpu_memory"}
    fits, never = (submit(store, **params, fits=n) for n in (2, MOST_HALVINGS + 1))
    dispatch(store.root)
    assert wait(store, fits, never) == ["succeeded", "failed"]
    run = store.get(fits)
    assert (run.halvings, run.attempt, run.resumes) == (2, 3, 0)
    told = [e["run"]["error"]["values"] for e in folders.events(store.folder(fits)) if e["to"] == "interrupted"]
    assert told == [{"times": 1, "part": 2}, {"times": 2, "part": 4}]
    assert digest(store, fits)
    run = store.get(never)
    assert (run.halvings, run.attempt, run.error["code"]) == (MOST_HALVINGS, MOST_HALVINGS + 1, GPU_FULL)
    check(store, [fits, never])


def test_a_run_sees_the_gpu_of_its_slot_only(store: Store):
    id = submit(store, steps=60, seconds_per_step=0.05)
    with supervised(store, id, slot="gpu:3"):
        trainer = trainer_of(store, id)
        assert b"CUDA_VISIBLE_DEVICES=3" in Path(f"/proc/{trainer}/environ").read_bytes().split(b"\0")
        assert store.get(id).slot == "gpu:3"
        store.cancel(id)
    assert wait(store, id) == ["cancelled"]


def test_the_line_can_be_changed(store: Store):
    ids = [submit(store, steps=1, seed=seed) for seed in range(5)]
    store.move([ids[3], ids[4]], "first")
    store.move([ids[0]], "last")
    order = [ids[3], ids[4], ids[1], ids[2], ids[0]]
    assert [run.id for run in reversed(store.pending())] == order
    store.rebuild()
    assert [run.id for run in reversed(store.pending())] == order
    dispatch(store.root)
    wait(store, *ids)
    assert sorted(ids, key=lambda id: store.get(id).started) == order
    store.move(ids, "first")  # what has ended stays
    check(store, ids)


def test_a_run_goes_on_three_times_and_then_says_why():
    run = Run("0" * 16, "selftest", "running", 1, 1, 0.0, 0.0)
    for number, seconds in enumerate(BACK_OFF, 1):
        run = after(run, Exit(number, "interrupted", 1.0, signal="SIGKILL"))
        assert (run.state, run.resumes, run.due) == ("interrupted", number, False)
        assert run.due_at - boottime() == pytest.approx(seconds, abs=1)
        assert replace(run, due_at=boottime()).due
        run = replace(again(run), state="running", attempt=number + 1)
        assert run.due_at is None
    run = after(run, Exit(4, "interrupted", 1.0, signal="SIGKILL"))
    assert (run.state, run.pending, run.error["code"]) == ("failed", False, "run_poison")
    assert run.error["values"] == {"times": 4, "signal": "SIGKILL"}
    assert after(replace(run, state="running"), Exit(4, "succeeded", 1.0, score=0.5)).score == 0.5


@pytest.mark.whole
def test_a_poison_run_ends(store: Store):
    """One start and three resumes, for real: it waits for every back-off."""
    id = submit(store, steps=9, checkpoint_every=2, fail_at=5, failure="killed")
    dispatch(store.root)
    assert wait(store, id, seconds=120) == ["failed"]
    assert (store.get(id).attempt, store.get(id).error["code"]) == (4, "run_poison")
    check(store, [id])
    assert store.submit(RunSpec.from_json(read_json(store.folder(id) / "spec.json")), {})[0].resumes == 0


def test_a_run_that_waits_to_go_on_can_be_cancelled_and_not_deleted(store: Store):
    from core.jobs.trash import delete

    id = submit(store, steps=3000, seconds_per_step=0.02)
    dispatch(store.root)
    kill(trainer_of(store, id))
    interrupted(store, id)
    with pytest.raises(CoreError) as caught:
        delete(store.root, [id])
    assert caught.value.code == "run_active"
    store.cancel(id)
    assert wait(store, id) == ["cancelled"]
    assert delete(store.root, [id]) == [id]


def test_cancelled_in_the_moment_in_which_it_is_interrupted(store: Store):
    """Asked after its supervisor saw how it ended, and before that was written down; and just after that."""
    gone = Exit(1, "interrupted", time.time(), error={"code": "run_killed"})
    ids = [submit(store, steps=seed + 1) for seed in range(2)]
    for id in ids:
        assert store.claim(id)
    store.cancel(ids[0])
    assert store.end(ids[0], gone) and store.get(ids[0]).state == "cancelled"
    assert store.end(ids[1], gone) and store.get(ids[1]).pending
    with closing(sqlite3.connect(store.path)) as db, db:  # the row is behind what was written down
        db.execute("UPDATE runs SET state = 'running', due_at = NULL, due_boot = NULL WHERE id = ?", (ids[1],))
    store.cancel(ids[1])
    assert store.get(ids[1]).state == "cancelled" and not any(store.get(id).pending for id in ids)


def test_a_huge_log_and_a_binary_one(store: Store):
    id = submit(store, steps=2)
    log = store.folder(id) / "log.txt"
    with log.open("wb") as stream:
        stream.truncate(1 << 30)  # sparse: it takes no room
        stream.seek(0, os.SEEK_END)
        stream.write(bytes(range(256)) * 300 + b"\nthe end\n")
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    text = folders.tail(log)
    assert len(text.encode()) <= 4 * 65536 and "the end\nattempt 1\n" in text


# Disk and database


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte is free meanwhile."""
    fill = folder / "fill"
    with fill.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(512))
    try:
        yield
    finally:
        fill.unlink()


def test_a_full_disk_loses_nothing_and_can_be_looked_at(small_disk: Path, core):
    space = Workspace.open(small_disk / "w")
    store = space.store
    ids = [submit(store, steps=1, seed=seed) for seed in range(3)]
    with full(small_disk):
        with pytest.raises(CoreError) as caught:
            for seed in range(3, 40):
                ids.append(submit(store, steps=1, seed=seed))
        assert caught.value.code == "disk_full"
        done = core("list", "--json", "--workspace", space.root, folder=small_disk.parent)
        assert done.status == 0, done.stderr
        assert set(ids) <= {run["id"] for run in done.json["runs"]}
    dispatch(store.root)
    assert set(wait(store, *ids)) == {"succeeded"}
    check(store, ids)


@pytest.mark.whole
def test_files_that_may_not_grow(store: Store):
    """RLIMIT_FSIZE: the database, or what stands beside it, cannot be written (EFBIG, SQLITE_IOERR_WRITE)."""
    specs = [spec_of(steps=1, seed=seed) for seed in range(400)]
    app = drive(store, "submit", *specs, limit=30_000)
    said, told = app.communicate(timeout=120)
    assert (app.returncode == 1 and "disk_full" in told) or "disk" in told.lower()
    assert 0 < len(said.split()) < len(specs)
    for run in store.pending():
        store.cancel(run.id)
    wait(store, *said.split())
    check(store, said.split())


def test_a_disk_that_fills_up_in_a_checkpoint(small_disk: Path):
    """ENOSPC: the checkpoint before it is good, the run says why, and goes on from there when there is room."""
    store = Store(small_disk / "w")
    params = {"steps": 30, "seconds_per_step": 0.03, "checkpoint_every": 3, "checkpoint_bytes": 300_000}
    id = submit(store, **params)
    dispatch(store.root)
    trainer_of(store, id, step=7)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        with suppress(OSError):
            while True:
                stream.write(bytes(4096))
        stream.truncate(stream.tell() - 100_000)  # room for metrics, not for a checkpoint
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "disk_full"
    kept = checkpoints.newest(store.folder(id) / "checkpoints")
    assert kept and kept[1] >= 6
    ballast.unlink()
    submit(store, **params)
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    assert f"resumed from step {kept[1]}\n" in folders.tail(store.folder(id) / "log.txt")
    check(store, [id])


def test_a_checkpoint_that_may_not_grow(store: Store):
    """EFBIG in the checkpoint while metrics can still be written."""
    params = {"steps": 40, "seconds_per_step": 0.03, "checkpoint_every": 3, "checkpoint_bytes": 300_000}
    id = submit(store, **params)
    dispatch(store.root)
    resource.prlimit(trainer_of(store, id, step=7), resource.RLIMIT_FSIZE, (100_000, 100_000))
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "disk_full"
    assert checkpoints.newest(store.folder(id) / "checkpoints")[1] >= 6
    submit(store, **params)
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    check(store, [id])


def test_no_room_is_said_before_it_starts(small_disk: Path, tmp_path: Path):
    space = Workspace.open(small_disk / "w")
    (tmp_path / "train.conll").write_text("word\tO\n\n" * 40_000)
    sha = space.add_file(tmp_path / "train.conll", "train.conll")
    spec = RunSpec("import", {"train": f"file:{sha}"}, {"sources": {"train": {"name": "train.conll"}}})
    with pytest.raises(CoreError) as caught:
        space.submit(spec)
    assert caught.value.code == "no_room"
    assert caught.value.values["need"] == 3 and 0 < caught.value.values["free"] < 2
    assert space.store.list() == () and not space.run_folder(spec.id).exists()


def test_a_workspace_moved_in_mid_run(store: Store):
    """Its processes write where nothing is any more and end; in the new place the run goes on."""
    id = submit(store, steps=60, seconds_per_step=0.05, checkpoint_every=3)
    dispatch(store.root)
    trainer_of(store, id, step=5)
    there = store.root.with_name("elsewhere")
    store.root.rename(there)
    moved = Store(there)
    until(lambda: dispatch(there) or moved.get(id).attempt == 2)
    assert wait(moved, id) == ["succeeded"]
    check(moved, [id])
    assert not store.root.exists()


@pytest.mark.whole
def test_a_workspace_copied_in_mid_run(store: Store):
    """The copy is a workspace of its own: its run goes on there too, and neither disturbs the other."""
    id = submit(store, steps=60, seconds_per_step=0.05, checkpoint_every=3)
    dispatch(store.root)
    trainer_of(store, id, step=5)
    copy = Store(Path(shutil.copytree(store.root, store.root.with_name("copy"))))
    dispatch(copy.root)
    assert wait(copy, id) == ["succeeded"]
    assert wait(store, id) == ["succeeded"]
    assert (store.get(id).attempt, copy.get(id).attempt) == (1, 2)
    check(store, [id])
    check(copy, [id])


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_the_clock_jumps(store: Store, jump: float):
    """Who sets the clock changes what the time is called, not how long a run takes, waits or may stand still."""
    id = submit(store, steps=30, seconds_per_step=0.05)
    later = submit(store, steps=1)
    change = "real, began = time.time, time.monotonic()\n"
    change += f"time.time = lambda: real() + {jump} * (time.monotonic() > began + 1)"
    with supervised(store, id, change):
        trainer_of(store, id, step=15)
        assert not folders.stalled_file(store.folder(id), 1).exists()
    assert wait(store, id, later) == ["succeeded", "succeeded"]
    run = store.get(id)
    assert abs(run.ended - run.started) > 1e8  # it did jump
    assert 1 < read_json(store.folder(id) / "exit.json")["seconds"] < 120
    assert run.seconds >= 0
    waiting = after(replace(run, state="running"), Exit(1, "interrupted", run.ended))
    assert 0 < waiting.due_at - boottime() <= BACK_OFF[0]
    check(store, [id, later])


def test_what_was_last_committed_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch):
    """The -wal file is deleted while it holds commits: the rows come back from the folders."""

    with closing(sqlite3.connect(store.path, isolation_level=None)) as open_all_the_time:
        open_all_the_time.execute("PRAGMA journal_mode = wal")
        open_all_the_time.execute("SELECT count(*) FROM runs").fetchone()
        ids = [submit(store, steps=1, seed=seed) for seed in range(3)]
        assert Path(f"{store.path}-wal").stat().st_size > 0
        copy = shutil.copytree(store.root, store.root.with_name("crashed"))
    (copy / "runs.db-wal").unlink()
    with closing(sqlite3.connect(f"file:{copy / 'runs.db'}?immutable=1", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    crashed = Store(copy)
    assert {run.id for run in crashed.list()} == set(ids)
    assert list(copy.glob("runs.db.aside-*"))
    check(crashed, ids)
    monkeypatch.setattr(database, "_checked", set())
    assert {run.id for run in Store(store.root).list()} == set(ids)


def test_an_attempt_that_is_not_the_newest_says_nothing(store: Store):
    """Attempts are fencing tokens: an old one that comes back to life changes neither files nor rows."""
    from core.jobs.trainer import Context
    from core.runs import Cancelled

    id = submit(store, steps=2)
    store.claim(id)
    store.end(id, Exit(1, "interrupted", 1.0))
    submit(store, steps=2)
    store.claim(id)
    old = Context(store.root, store.folder(id), spec_of(steps=2), {}, 1)
    with pytest.raises(Cancelled):
        old.finish({"digest": "old"})
    assert not (store.folder(id) / "result.json").exists()
    assert not store.end(id, Exit(1, "succeeded", 2.0))
    assert (store.get(id).state, store.get(id).attempt) == ("running", 2)


def test_identities_say_boot_pid_and_start():
    me = identity(os.getpid())
    assert me == identity(os.getpid()) and isinstance(me, Identity)
    assert (me.boot, me.pid) == (boot_id(), os.getpid()) and me.ticks > 0
    assert identity(2**22 + 1) is None
