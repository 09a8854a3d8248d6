"""Deleting runs and bringing them back, and the commands for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import CoreError
from core.jobs.folder import Exit, read_json
from core.jobs.selftest import SelftestParams
from core.jobs.store import Store
from core.jobs.trash import delete, deleted, restore
from core.params import canonical
from core.runs import RunSpec, State
from core.submit import wait
from core.workspace import Workspace


def queued(store: Store, seed: int = 0, **inputs: str) -> str:
    spec = RunSpec("selftest", inputs, canonical(SelftestParams(seed=seed)))
    return store.submit(spec, {"inputs": {}})[0].id


def ended(store: Store, seed: int = 0, state: State = "succeeded") -> str:
    """A run that was carried out, and left a file behind."""
    id = queued(store, seed)
    assert store.claim(id)
    (store.folder(id) / "result.json").write_text(json.dumps({"seed": seed}))
    assert store.end(id, Exit(1, state, 100.0))
    return id


def code_of(act: Callable[[], Any]) -> str:
    with pytest.raises(CoreError) as error:
        act()
    return error.value.code


def ids(store: Store) -> set[str]:
    return {run.id for run in store.list()}


def test_a_deleted_run_is_gone_and_comes_back_as_it_was(tmp_path):
    store = Store(tmp_path)
    kept, gone = ended(store, 0), ended(store, 1, "failed")
    before = store.get(gone)
    assert delete(tmp_path, [gone, gone]) == [gone]
    assert ids(store) == {kept} and not store.folder(gone).exists()
    assert deleted(tmp_path, [gone, kept]) == [gone]
    store.rebuild()  # the trash is no run folder
    assert ids(store) == {kept}
    assert restore(tmp_path, [gone]) == [gone]
    assert store.get(gone) == before
    assert read_json(store.folder(gone) / "result.json") == {"seed": 1}
    assert deleted(tmp_path, [gone]) == []


def test_active_runs_stay_and_so_do_the_others_of_the_same_request(tmp_path):
    store = Store(tmp_path)
    done, waiting, running = ended(store, 0), queued(store, 1), queued(store, 2)
    store.claim(running)
    for id in (waiting, running):
        assert code_of(lambda id=id: delete(tmp_path, [done, id])) == "run_active"
        assert code_of(lambda id=id: store.remove(id, tmp_path / "elsewhere")) == "run_active"
    assert ids(store) == {done, waiting, running}
    assert all(store.folder(id).is_dir() for id in (done, waiting, running))


def test_a_run_that_an_active_one_reads_stays(tmp_path):
    store = Store(tmp_path)
    model = ended(store)
    reader = queued(store, 1, **{"model:0": f"run:{model}"})
    assert code_of(lambda: delete(tmp_path, [model])) == "run_in_use"
    assert store.cancel(reader)
    assert delete(tmp_path, [model]) == [model]


def test_unknown_runs(tmp_path):
    store = Store(tmp_path)
    run = ended(store)
    assert code_of(lambda: delete(tmp_path, [run, "0" * 16])) == "run_unknown"
    assert ids(store) == {run}
    assert code_of(lambda: restore(tmp_path, [run])) == "run_not_deleted"


@pytest.mark.parametrize("id", ["../runs", "", "x", "0" * 15, "../../etc", "0" * 16 + "\n"])
def test_only_ids_are_looked_for_in_the_trash(tmp_path, id):
    Store(tmp_path)
    (tmp_path / "trash" / "run-x").mkdir(parents=True)
    assert deleted(tmp_path, [id]) == []
    assert code_of(lambda: restore(tmp_path, [id])) == "run_not_deleted"


def test_a_run_made_anew_is_not_overwritten_and_may_be_deleted_again(tmp_path):
    store = Store(tmp_path)
    run = ended(store, state="failed")
    delete(tmp_path, [run])
    assert ended(store, state="succeeded") == run
    assert deleted(tmp_path, [run]) == []
    assert code_of(lambda: restore(tmp_path, [run])) == "run_not_deleted"
    assert store.get(run).state == "succeeded"
    delete(tmp_path, [run])
    restore(tmp_path, [run])
    assert store.get(run).state == "succeeded"


def test_restoring_several_is_all_or_nothing(tmp_path):
    store = Store(tmp_path)
    one, other = ended(store, 0), ended(store, 1)
    delete(tmp_path, [one])
    assert code_of(lambda: restore(tmp_path, [one, other])) == "run_not_deleted"
    assert ids(store) == {other}


def test_commands(tmp_path, core):
    store = Store(tmp_path / "w")
    run = ended(store, state="failed")
    at = ("--workspace", tmp_path / "w", "--json")
    assert core("delete", run[:8], *at, folder=tmp_path).json == {"deleted": [run]}
    assert not store.list()
    again = core("delete", run, *at, folder=tmp_path)
    assert again.status == 2 and again.json["error"]["code"] == "run_ambiguous"
    assert core("restore", run, *at, folder=tmp_path).json == {"restored": [run]}
    assert core("resume", run, *at, folder=tmp_path).json["runs"][run] in ("queued", "running")
    wait(Workspace(tmp_path / "w"), [run], lambda runs: None)
    assert (store.get(run).state, store.get(run).attempt) == ("succeeded", 2)
