"""Deleted runs: their folders lie in the workspace's trash, from which they can be brought back."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from core.errors import CoreError
from core.jobs.folder import read_object, sync_folder
from core.jobs.store import Store

_ID = re.compile(r"[0-9a-f]{16}")
_FEW = 50  # runs that are looked for one by one


def delete(root: Path, ids: Sequence[str]) -> list[str]:
    """Move ended runs to the trash; all of them, or none where one can't be. -> their ids

    What lies there of an earlier deletion of the same run is replaced. Raises CoreError `run_unknown`, `run_active`,
    `run_in_use` where an active run reads one of them.
    """
    store = Store(root)
    wanted = list(dict.fromkeys(ids))
    known = {run.id: run for run in store.find(wanted)}
    for id in wanted:
        run = known.get(id)
        if run is None:
            raise CoreError("run_unknown", {"id": id})
        if run.pending:
            raise CoreError("run_active", {"id": run.id}, "hint_run_active")
    _refuse_used(store, wanted)
    places = {id: _place(root, id) for id in wanted}
    for place in places.values():
        place.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
    store.remove_all(places)
    sync_folder(store.root / "runs")
    return wanted


def _refuse_used(store: Store, ids: Sequence[str]) -> None:
    """An evaluation reads the models of the runs it scores."""
    for run in store.pending():
        inputs = (read_object(store.folder(run.id) / "spec.json") or {}).get("inputs", {})
        for used in {f"run:{id}" for id in ids} & {*inputs.values()}:
            raise CoreError("run_in_use", {"id": used.removeprefix("run:"), "by": run.id}, "hint_run_active")


def deleted(root: Path, ids: Sequence[str]) -> list[str]:
    """Those of some ids that can be brought back."""
    asked = [id for id in ids if _ID.fullmatch(id)]
    if len(asked) < _FEW or not (root / "trash").is_dir():
        return [id for id in asked if _place(root, id).is_dir() and not _there(root, id)]
    lying, there = ({path.name for path in (root / name).iterdir()} for name in ("trash", "runs"))
    return [id for id in asked if _place(root, id).name in lying and id not in there]


def restore(root: Path, ids: Sequence[str]) -> list[str]:
    """Bring deleted runs back; all of them, or none where one can't be. -> their ids

    Raises CoreError `run_not_deleted` where there is none in the trash, or the same run was made anew since.
    """
    wanted = list(dict.fromkeys(ids))
    lying = {*deleted(root, wanted)}
    for id in wanted:
        if id not in lying:
            raise CoreError("run_not_deleted", {"id": id})
    store = Store(root)
    for id in wanted:
        _place(root, id).rename(store.folder(id))
    store.adopt_all(wanted)
    sync_folder(store.root / "runs")
    return wanted


def _place(root: Path, id: str) -> Path:
    return root / "trash" / f"run-{id}"


def _there(root: Path, id: str) -> bool:
    return (root / "runs" / id).exists()
