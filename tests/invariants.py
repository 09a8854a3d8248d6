"""What the tests of runs share: self-tests submitted and waited for, and what must hold whatever happened."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from core.jobs import folder as folders
from core.jobs.dispatch import MARK, settled
from core.jobs.folder import read_json
from core.jobs.process import marked
from core.jobs.run import BACK_OFF, MOST_HALVINGS
from core.jobs.selftest import SelftestParams, expected
from core.jobs.store import Store
from core.params import build, canonical
from core.runs import ENDED, MOVES, RunSpec
from core.training import checkpoints

REPOSITORY = Path(__file__).parents[1]


def spec_of(**params) -> RunSpec:
    return RunSpec("selftest", {}, canonical(SelftestParams(**params)))


def submit(store: Store, **params) -> str:
    spec = spec_of(**params)
    store.submit(spec, {"inputs": {}})
    return spec.id


def slots(store: Store, **numbers) -> None:
    """How many runs of each lane may run at once in a workspace."""
    (store.root / "slots.json").write_text(json.dumps(numbers))


def processes(root: Path, *words: str) -> list[int]:
    """Living processes whose command line names this workspace and all of the words."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if str(root) in line and all(word in line for word in words):
            found.append(int(entry.name))
    return found


def until(condition, seconds: float = 60.0):
    """What `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def wait(store: Store, *ids: str, seconds: float = 60.0) -> list[str]:
    """The states in which runs have ended for good, once their processes are gone."""
    until(lambda: settled(store.root, ids), seconds)
    until(lambda: not processes(store.root), seconds)
    return [store.get(id).state for id in ids]


def interrupted(store: Store, id: str, seconds: float = 10.0) -> None:
    """Wait until a run has been interrupted, whatever comes after."""
    until(lambda: any(event["to"] == "interrupted" for event in folders.events(store.folder(id))), seconds)


def digest(store: Store, id: str) -> str:
    return read_json(store.folder(id) / "result.json")["digest"]


def wanted(store: Store, id: str) -> str:
    """The digest that an undisturbed run ends with."""
    spec = RunSpec.from_json(read_json(store.folder(id) / "spec.json"))
    return expected(build(SelftestParams, spec.params, ""))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(store: Store, acknowledged: Sequence[str] = ()) -> None:
    """What must hold whatever happened, once nothing moves. `acknowledged`: runs that somebody was told of."""
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    known = {run.id for run in store.list()}
    assert set(acknowledged) <= known, "a run that was acknowledged is lost"
    for run in store.list():
        folder = store.folder(run.id)
        assert folders.derived(folder) == run, "the row is not what the folder says"
        _check_events(store, run)
        if run.state in ENDED and run.due_at is None:
            assert not folders.held(folder), "an ended run holds its lock"
        if run.state in ENDED:
            assert not processes(store.root, run.id), "a process of an ended run lives"
            if (folder / "lock").exists():
                left = [marked(MARK, folders.mark_of(folder, n)) for n in range(1, run.attempt + 1)]
                assert not any(left), "a process that an ended run left behind lives"
        if run.state == "succeeded" and run.kind == "selftest":
            assert digest(store, run.id) == wanted(store, run.id), "not what an undisturbed run gives"
        for attempt in range(1, run.attempt + 1):
            steps = [values["step"] for values in folders.json_lines(folders.metrics_file(folder, attempt))]
            strictly = run.kind == "selftest"
            assert all(one < next if strictly else one <= next for one, next in pairwise(steps))
        kept = folder / "checkpoints"
        if any(kept.glob("step-*")):
            assert checkpoints.newest(kept), "no checkpoint verifies"


def _check_events(store: Store, run) -> None:
    """Legal moves only, one after the other, attempts counted one by one: at most one lives at a time."""
    events = folders.events(store.folder(run.id))
    assert all((event["from"], event["to"]) in MOVES for event in events), "an illegal change of state"
    assert [e["to"] for e in events[:-1]] == [e["from"] for e in events[1:]], "an event is lost"
    assert events[-1]["to"] == run.state
    attempts = [event["attempt"] for event in events if event["to"] == "running"]
    assert attempts == list(range(1, run.attempt + 1)), "an attempt was started twice, or never"
    assert run.resumes <= len(BACK_OFF) and run.halvings <= MOST_HALVINGS


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
