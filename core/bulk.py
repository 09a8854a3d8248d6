"""Acts on many runs at once: which of them an act touches, and how it is undone."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.board import Entry
from core.jobs import trash
from core.jobs.folder import Run, read_object, write_json
from core.jobs.store import Brief
from core.params import digest
from core.runs import State
from core.workspace import Workspace

BADLY: tuple[State, ...] = ("failed", "cancelled", "interrupted")
_FEW = 500  # runs that are looked for one by one
Act = Literal["cancel", "resume", "first", "last"]


@dataclass(frozen=True)
class Touched:
    """Run ids by what can be done with them, each in the order in which it is to be done."""

    cancel: tuple[str, ...]  # run, wait or go on by themselves; those that run last, so that none takes their slot
    resume: tuple[str, ...]  # ended without success
    delete: tuple[str, ...]  # ended
    move: tuple[str, ...]  # wait for a slot; the next one first


def touched(workspace: Workspace, entries: Sequence[Entry]) -> Touched:
    """What can be done with the runs of some groups."""
    repeats = [id for entry in entries for id in entry.repeats]
    return touched_runs(workspace, repeats, [id for entry in entries for id in entry.runs])


def touched_runs(workspace: Workspace, repeats: Sequence[str], runs: Sequence[str]) -> Touched:
    """What can be done with some runs. `repeats`: those of them that are resumed; of each seed the one that counts."""
    known = _known(workspace, runs)
    there = [id for id in dict.fromkeys(runs) if id in known]
    waiting = [run.id for run in workspace.store.pending() if run.state != "running"]  # the last in line first
    mine = {id for id in there if known[id].pending}
    running = [id for id in there if id in mine and known[id].state == "running"]
    queued = tuple(id for id in reversed(waiting) if id in mine and known[id].state == "queued")
    badly = (id for id in dict.fromkeys(repeats) if id in known and known[id].state in BADLY)
    return Touched(
        tuple([id for id in waiting if id in mine] + running),
        tuple(id for id in badly if id not in mine),
        tuple(id for id in there if id not in mine),
        queued,
    )


def _known(workspace: Workspace, runs: Sequence[str]) -> Mapping[str, Run | Brief]:
    if len(runs) > _FEW:
        return workspace.store.briefs("train")
    return {run.id: run for run in workspace.store.find(runs)}


def do(workspace: Workspace, act: Act, ids: Sequence[str], seconds: float) -> Sequence[str]:
    """Do something with runs, one after the other, for about so many seconds. -> those that are still to be done"""
    end = time.monotonic() + seconds
    left = list(ids)
    if act == "first":  # whoever comes last stands at the front
        left.reverse()
    done: list[str] = []
    while left and (not done or time.monotonic() < end):
        done.append(left.pop(0))
        if act == "cancel":
            workspace.store.cancel(done[-1])
        elif act != "resume":
            workspace.store.move(done[-1:], act)
        else:
            workspace.queue_again(done[-1])
    if act == "resume":
        workspace.dispatch()
    return left[::-1] if act == "first" else left


def delete(workspace: Workspace, ids: Sequence[str]) -> str:
    """Move ended runs to the trash, in one go. -> the name by which all of them can be brought back

    Raises what core.jobs.trash.delete raises.
    """
    found = trash.delete(workspace.root, ids)
    name = digest(sorted(found))[:12]
    write_json(workspace.root / "cache" / f"deleted-{name}.json", {"runs": found})
    return name


def deleted(workspace: Workspace, name: str) -> list[str]:
    """The runs of one deletion that can be brought back."""
    if len(name) != 12 or not name.isalnum():
        return []
    kept = read_object(workspace.root / "cache" / f"deleted-{name}.json") or {}
    return trash.deleted(workspace.root, kept.get("runs", []))


def restore(workspace: Workspace, name: str) -> list[str]:
    """Bring the runs of one deletion back. -> their ids"""
    return trash.restore(workspace.root, deleted(workspace, name))
