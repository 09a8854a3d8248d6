"""Submitting runs and waiting for them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from core.errors import CoreError
from core.jobs.dispatch import dispatch, settled
from core.jobs.folder import Run
from core.runs import RunSpec
from core.workspace import Workspace

Watch = Callable[[Sequence[Run]], None]  # called while runs are waited for
_POLL = 0.2  # seconds
_NOT_MENDABLE = frozenset(
    {"internal", "out_of_memory", "gpu_out_of_memory", "loss_not_finite", "disk_full", "run_poison"}
)


class RunEnded(Exception):
    """A run that a recipe needs before training ended without success, and not by a fault in what was given."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.id)
        self.run = run


class Submitter:
    """Submits specs; with `fresh`, each as a replicate that nobody has run."""

    def __init__(self, workspace: Workspace, fresh: bool) -> None:
        self.workspace = workspace
        self.fresh = fresh
        self.ids: list[str] = []  # of the runs submitted, in order

    def __call__(self, spec: RunSpec) -> tuple[Run, bool]:
        if self.fresh:
            taken = {path.name for path in (self.workspace.root / "runs").iterdir()}
            number = 1
            while replace(spec, repeat=number).id in taken:
                number += 1
            spec = replace(spec, repeat=number)
        self.ids.append(spec.id)
        return self.workspace.submit(spec)


def wait(workspace: Workspace, ids: Sequence[str], watch: Watch) -> list[Run]:
    """Wait until all have ended; on Ctrl-C they are cancelled first."""
    store = workspace.store
    try:
        while True:
            dispatch(workspace.root)
            found = {run.id: run for run in store.find(ids)}
            runs = [found.get(run_id) or store.get(run_id) for run_id in ids]
            watch(runs)
            if not any(run.pending for run in runs):
                return runs
            time.sleep(_POLL)
    except KeyboardInterrupt:
        cancel_all(workspace, ids)
        raise


def cancel_all(workspace: Workspace, ids: Sequence[str]) -> None:
    """Cancel runs, and wait until they have stopped."""
    known = [run.id for run in workspace.store.find(ids)]
    for run_id in known:
        workspace.store.cancel(run_id)
    while not settled(workspace.root, known):
        dispatch(workspace.root)
        time.sleep(_POLL)


def result_of(workspace: Workspace, run: Run, watch: Watch) -> dict[str, Any]:
    """The result of a run that must succeed before anything else can be done."""
    [run] = wait(workspace, [run.id], watch)
    if run.state != "succeeded":
        raise_mendable([run])
        raise RunEnded(run)
    return workspace.result(run.id)


def raise_mendable(runs: Sequence[Run]) -> None:
    """A run that failed for something in what the user gave is the user's error."""
    for run in runs:
        if run.state == "failed" and run.error and run.error["code"] not in _NOT_MENDABLE:
            raise CoreError.from_json(run.error)
