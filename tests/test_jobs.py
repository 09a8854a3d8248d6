"""The run store, dispatch, supervisor and trainer, with real processes and a real database."""

import ast
import json
import random
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from invariants import (
    REPOSITORY,
    check,
    lines,
    processes,
    slots,
    spec_of,
    submit,
    until,
    wait,
)

from core.errors import CoreError
from core.jobs import database
from core.jobs import folder as folders
from core.jobs.database import journal_mode
from core.jobs.dispatch import dispatch, reconcile
from core.jobs.folder import last_metrics, read_json, tail
from core.jobs.run import Exit
from core.jobs.store import Store
from core.jobs.trainer import Context
from core.runs import ENDED, RunSpec


def carry_out(store: Store, **params) -> str:
    id = submit(store, **params)
    dispatch(store.root)
    wait(store, id)
    return id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_success(store: Store):
    id = submit(store, steps=6, checkpoint_every=2, children=2)
    assert store.get(id).state == "queued"
    assert dispatch(store.root) == [id]
    assert wait(store, id) == ["succeeded"]
    run = store.get(id)
    assert (run.attempt, run.error) == (1, None)
    assert 0 < run.seconds < 20
    assert [values["step"] for values in last_metrics(store.folder(id))] == [1, 2, 3, 4, 5, 6]
    assert read_json(store.folder(id) / "exit.json")["returncode"] == 0
    assert tail(store.folder(id) / "log.txt").startswith("attempt 1\n")
    assert store.folder(id).stat().st_mode & 0o777 == 0o700
    check(store)


def test_the_same_spec_is_the_same_run(store: Store):
    spec = spec_of(steps=2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Store(store.root).submit(spec, {"inputs": {}}), range(8)))
    assert sorted(reused for _, reused in answers) == [False] + 7 * [True]
    assert len(store.list()) == 1
    dispatch(store.root)
    wait(store, spec.id)
    run, reused = store.submit(spec, {"inputs": {}})
    assert (run.state, run.attempt, reused) == ("succeeded", 1, True)
    assert store.submit(RunSpec(spec.kind, {}, spec.params, repeat=1), {})[1] is False


def test_failures_say_why(store: Store):
    codes = {"error": "selftest_failed", "exception": "internal", "memory": "out_of_memory", "disk": "disk_full"}
    ids = {name: submit(store, fail_at=2, failure=name) for name in [*codes, "unfinished"]}
    slots(store, light=3)
    dispatch(store.root)
    assert wait(store, *ids.values()) == 5 * ["failed"]
    errors = {name: store.get(id).error for name, id in ids.items()}
    assert {name: errors[name]["code"] for name in codes} == codes
    assert errors["error"]["values"] == {"step": 2}
    assert errors["exception"]["values"] == {"what": "RuntimeError: asked to fail at step 2"}
    assert errors["unfinished"]["code"] == "internal"
    log = tail(store.folder(ids["exception"]) / "log.txt")
    assert "Traceback" in log and "asked to fail" in log
    check(store)
    again, reused = store.submit(spec_of(fail_at=2, failure="error"), {"inputs": {}, "other": 1})
    assert (again.state, again.attempt, again.error, reused) == ("queued", 1, None, False)
    assert "other" not in read_json(store.folder(again.id) / "resolved.json")
    dispatch(store.root)
    wait(store, again.id)
    assert store.get(again.id).attempt == 2
    check(store)


def test_a_result_of_an_earlier_attempt_is_not_taken_for_this_one(store: Store):
    id = submit(store, fail_at=1, failure="unfinished")
    (store.folder(id) / "result.json").write_text("{}")
    (store.folder(id) / "error.json").write_text(json.dumps(CoreError("stale").to_json()))
    dispatch(store.root)
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "internal"


def test_other_behaviour_version_is_refused(store: Store):
    id = submit(store, steps=2)
    spec = read_json(store.folder(id) / "spec.json") | {"repeat": 7}
    (store.folder(id) / "spec.json").write_text(json.dumps(spec))
    dispatch(store.root)
    assert wait(store, id) == ["failed"]
    assert store.get(id).error["code"] == "run_other_version"


def test_not_a_number_stays_valid_json(store: Store):
    id = carry_out(store, steps=1, fail_at=1, failure="not_finite")
    text = folders.metrics_file(store.folder(id), 1).read_text()
    assert "NaN" not in text
    assert json.loads(text.splitlines()[0])["loss"] is None


def test_first_come_first_served(store: Store):
    ids = [submit(store, steps=2, seed=seed) for seed in (5, 3, 9)]
    assert dispatch(store.root) == ids[:1]
    assert dispatch(store.root) == []
    wait(store, *ids)
    runs = [store.get(id) for id in ids]
    assert all(before.ended <= after.started for before, after in pairwise(runs))
    check(store)


def test_light_kinds_do_not_wait_for_a_training(store: Store):
    trainings = [RunSpec("train", {}, {"seed": seed}) for seed in range(2)]  # both fail, once their imports are done
    for spec in trainings:
        store.submit(spec, {"inputs": {}})
    assert dispatch(store.root) == [trainings[0].id]
    light = submit(store, steps=2)
    assert dispatch(store.root) == [light]  # the second training waits, the self-test does not
    wait(store, light, *(spec.id for spec in trainings))
    assert store.get(light).state == "succeeded"
    assert store.get(light).started < store.get(trainings[1].id).started


def test_two_dispatchers_start_a_run_once(store: Store):
    slots(store, light=2)
    ids = [submit(store, steps=2, seed=seed) for seed in range(3)]
    command = [sys.executable, "-m", "core.jobs.dispatch", str(store.root)]
    others = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: dispatch(store.root), range(3)))
    assert [other.wait() for other in others] == [0, 0, 0]
    assert wait(store, *ids) == 3 * ["succeeded"]
    runs = [store.get(id) for id in ids]
    assert [run.attempt for run in runs] == [1, 1, 1]
    assert all(sum(other.started <= run.started < other.ended for other in runs) <= 2 for run in runs)
    assert {run.slot for run in runs} <= {"light:0", "light:1"}
    check(store, ids)


def test_only_one_dispatcher_acts_at_a_time(store: Store):
    id = submit(store, steps=2)
    with ThreadPoolExecutor(1) as pool:
        with folders.locked(store.root / "dispatch.lock"):
            other = pool.submit(dispatch, store.root)
            time.sleep(0.3)
            assert (other.done(), store.get(id).state) == (False, "queued")
        assert other.result(10) == [id]
    wait(store, id)


def test_cancel_while_queued(store: Store):
    id = submit(store, steps=2)
    store.cancel(id)
    assert store.get(id).state == "cancelled"
    assert dispatch(store.root) == []
    store.path.unlink()
    assert Store(store.root).get(id).state == "cancelled"
    check(store)


def test_cancel_while_running(store: Store):
    id = submit(store, steps=1000, seconds_per_step=0.05, children=2)
    dispatch(store.root)
    until(lambda: last_metrics(store.folder(id)))
    [trainer] = processes(store.root, id, "core.jobs.trainer")
    assert len(_descendants(trainer)) == 2
    family = _descendants(trainer)
    store.cancel(id)
    assert wait(store, id) == ["cancelled"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in family)
    check(store)
    store.cancel(id)  # an ended run stays what it is
    run, reused = store.submit(spec_of(steps=1000, seconds_per_step=0.05, children=2), {})
    assert (run.state, reused) == ("queued", False)


def _descendants(pid: int) -> list[int]:
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(g for child in children for g in _descendants(child))]


def test_cancel_at_any_moment_ends_in_one_state(store: Store, whole: bool):
    """Many cancellations against the start, the work and the end of runs."""
    races = 200 if whole else 40
    slots(store, light=4)
    rng = random.Random(0)
    ids = [submit(store, steps=2, seconds_per_step=0.01, seed=seed) for seed in range(races)]
    for at in range(0, races, 4):
        dispatch(store.root)
        for id in ids[at : at + 4]:
            time.sleep(rng.uniform(0, 0.3))
            store.cancel(id)
    assert set(wait(store, *ids, seconds=240)) <= {"cancelled", "succeeded"}
    ends = [[e for e in folders.events(store.folder(id)) if e["to"] in ENDED] for id in ids]
    assert [len(end) for end in ends] == races * [1]
    check(store, ids)


def test_unknown_run(store: Store):
    for act in (store.get, store.cancel, store.claim):
        with pytest.raises(CoreError) as caught:
            act("nobody")
        assert caught.value.code == "run_unknown"


def test_a_change_is_compare_and_set(store: Store):
    id = submit(store, steps=2)
    assert not store.end(id, Exit(0, "failed", 1.0))
    assert store.claim(id).attempt == 1
    assert store.claim(id) is None
    assert not store.end(id, Exit(2, "failed", 1.0))
    assert store.end(id, Exit(1, "failed", 1.0))
    assert [e["to"] for e in lines(store.folder(id) / "events.jsonl")] == ["queued", "running", "failed"]


def test_list(store: Store):
    ids = [submit(store, steps=2, seed=seed) for seed in range(3)]
    store.cancel(ids[0])
    assert [run.id for run in store.list()] == ids[::-1]
    assert [run.id for run in store.list(kind="selftest", limit=1)] == ids[2:]
    assert [run.id for run in store.list(state="cancelled")] == ids[:1]
    assert store.list(kind="train") == ()


@pytest.mark.parametrize("damage", ["deleted", "garbage", "empty", "page", "older", "folder copied"])
def test_the_database_is_made_anew_from_the_folders(store: Store, damage: str):
    failed, _, cancelled = (submit(store, steps=2, seed=seed, fail_at=1) for seed in range(3))
    lost = submit(store, steps=2)
    store.claim(failed)
    store.end(failed, Exit(1, "failed", time.time(), error=CoreError("selftest_failed").to_json()))
    store.cancel(cancelled)
    before = store.list()
    store.claim(lost)  # and then nothing lives that could carry it out
    if damage == "deleted":
        store.path.unlink()
    elif damage == "older":
        with closing(sqlite3.connect(store.path)) as db:
            db.execute("PRAGMA user_version = 0")
    elif damage == "folder copied":
        store.path.rename(store.root / "runs.db.gone")
        store.root.rename(store.root.with_name("elsewhere"))
        store = Store(store.root.with_name("elsewhere"))
    else:
        whole = store.path.read_bytes()
        store.path.write_bytes({"garbage": b"x" * 9000, "empty": b"", "page": whole[:4096] + b"\xff" * 2000}[damage])
    after = Store(store.root).list()
    assert [run for run in after if run.id != lost] == [run for run in before if run.id != lost]
    assert store.get(lost).state == "interrupted"
    assert bool(list(store.root.glob("runs.db.aside-*"))) == (damage not in ("deleted", "folder copied"))
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (database.VERSION,)


def test_a_store_in_use_survives_the_loss_of_its_database(store: Store):
    id = submit(store, steps=2)
    store.path.write_bytes(b"not a database " * 500)
    assert store.get(id).state == "queued"
    store.path.unlink()
    assert carry_out(store, steps=2) == id
    assert store.get(id).state == "succeeded"
    check(store)


def test_a_newer_database_is_refused_and_left_alone(store: Store):
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = store.path.read_bytes()
    with pytest.raises(CoreError) as caught:
        Store(store.root)
    assert caught.value.code == "database_newer"
    assert store.path.read_bytes() == before


def test_a_locked_database_is_waited_for_and_then_said(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CoreError) as caught:
            submit(store, steps=2)
        assert caught.value.code == "database_busy"
        db.execute("ROLLBACK")
    id = submit(store, steps=2)
    assert store.get(id).state == "queued"


def test_events_lost(store: Store):
    id = carry_out(store, steps=2)
    (store.folder(id) / "events.jsonl").unlink()
    store.rebuild()
    assert (store.get(id).state, store.get(id).attempt) == ("succeeded", 1)


def test_an_event_cut_short_has_not_happened(store: Store):
    id = submit(store, steps=2)
    with (store.folder(id) / "events.jsonl").open("ab") as stream:
        stream.write(b'{"t": 1, "from": "queued", "to": "running", "att')
    store.rebuild()
    assert store.get(id).state == "queued"
    dispatch(store.root)
    assert wait(store, id) == ["succeeded"]
    events = folders.events(store.folder(id))
    assert [event["to"] for event in events] == ["queued", "running", "succeeded"]


def test_an_event_whose_row_was_lost_counts(store: Store):
    """A process died after the event and before the row: the next change finds what the folder says."""
    id = submit(store, steps=2)
    now = store.get(id)
    folders.note(store.folder(id), now, replace(now, state="cancelled", ended=1.0))
    assert store.get(id).state == "queued"  # the row is behind
    assert dispatch(store.root) == []
    assert store.get(id).state == "cancelled"
    check(store, [id])


def test_a_deleted_folder_leaves_no_ghost(store: Store):
    id = submit(store, steps=2)
    store.folder(id).rename(store.root / "elsewhere")
    assert dispatch(store.root) == []
    assert store.list() == ()


def test_journal_modes():
    modes = {(3, 40, 1): "delete", (3, 44, 6): "wal", (3, 45, 0): "delete", (3, 50, 7): "wal", (3, 51, 2): "delete"}
    modes |= {(3, 51, 3): "wal", (3, 60, 0): "wal", (3, 50, 6): "delete", (3, 44, 5): "delete"}
    assert {version: journal_mode(version) for version in modes} == modes


def test_metrics_of_two_attempts(tmp_path: Path):
    first = Context(tmp_path, tmp_path, spec_of(), {}, 1)
    for step in range(1, 5):
        first.metric(step=step, loss=float(step))
    first.metric(step=4, dev=0.5)
    second = Context(tmp_path, tmp_path, spec_of(), {}, 2)
    second.metric(step=3, loss=float("inf"))
    with folders.metrics_file(tmp_path, 2).open("ab") as stream:
        stream.write(b'{"step": 4, "loss"')
    found = [(values["step"], values.get("loss"), values.get("dev")) for values in last_metrics(tmp_path)]
    assert found == [(1, 1.0, None), (2, 2.0, None), (3, None, None), (4, 4.0, 0.5)]
    second.metric(step=5, loss=5.0)  # the torn line stays by itself
    assert last_metrics(tmp_path)[-1]["loss"] == 5.0


def test_tail_of_a_log(tmp_path: Path):
    log = tmp_path / "log.txt"
    assert tail(log) == ""
    log.write_bytes(b"first\n" + "第二 \xff\n".encode("latin-1", "ignore") + b"\xfflast\n")
    assert tail(log).startswith("first\n")
    assert tail(log, 9) == "�last\n"


def test_inputs_lie_in_the_workspace_or_where_they_were_said_to(tmp_path: Path):
    context = Context(tmp_path, tmp_path, spec_of(), {"inputs": {"gold": "corpora/a.arrow", "model": "/m"}}, 1)
    assert context.input("gold") == tmp_path / "corpora" / "a.arrow"
    assert context.input("model") == Path("/m")


RUN = {"core.errors", "core.runs", "core.jobs.process"}
FOLDER = {"core.errors", "core.runs", "core.jobs.run"}
DATABASE = {*FOLDER, "core.jobs.folder"}
STORE = {*DATABASE, "core.jobs", "core.jobs.database"}
DISPATCH = {*STORE, "core.jobs.store", "core.jobs.process", "core.jobs.machine"}  # machine: only where something waits
LIGHT = {
    "process": set(),
    "faults": set(),
    "run": RUN,
    "folder": FOLDER,
    "watch": {"core.jobs.folder"},
    "database": DATABASE,
    "store": STORE,
    "dispatch": DISPATCH,
    "idle": {"core.jobs.folder", "core.jobs.process"},
    "attempt": {"core.errors", "core.runs", "core.jobs.folder"},
    "trainer_process": {"core.jobs.attempt", "core.jobs.dispatch", "core.jobs.folder"},
    "supervisor": {
        *DISPATCH,
        "core.jobs.dispatch",
        "core.jobs.watch",
        "core.jobs.attempt",
        "core.jobs.trainer_process",
    },
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_stays_running_beside_a_training_is_light(name: str):
    tree = ast.parse((REPOSITORY / "core" / "jobs" / f"{name}.py").read_text())
    own = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {module for module in own if module.split(".")[0] == "core"} <= LIGHT[name]
    assert {module.split(".")[0] for module in own} - {"core", "pynvml"} <= set(sys.stdlib_module_names)
    code = f"import core.jobs.{name}, sys; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not {"pyarrow", "numpy", "pydantic", "torch", "pynvml"} & set(done.stdout.split())


def test_a_row_called_running_without_processes_is_ended(store: Store):
    """A crash between claim and spawn, and one between exit.json and the database."""
    never, ended, stopped = (submit(store, steps=2, seed=seed) for seed in range(3))
    for id in (never, ended, stopped):
        store.claim(id)
    folders.write_json(store.folder(ended) / "exit.json", vars(Exit(1, "succeeded", 5.0, 0)))
    store.cancel(stopped)
    assert reconcile(store) == []
    assert [store.get(id).state for id in (never, ended, stopped)] == ["interrupted", "succeeded", "cancelled"]
    assert store.get(never).error["code"] == "run_lost"
    assert store.get(ended).ended == 5.0
