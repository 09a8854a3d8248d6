"""How the trainings of projects stand: a line for each group, its repeats, and how they learn."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.groups import Group, groups, launched
from core.jobs.folder import Run, last_metrics, read_object, share_done
from core.launch import time_left
from core.runs import State
from core.workspace import Workspace

Points = list[tuple[int, float]]  # (step, value)


@dataclass(frozen=True)
class Repeat:
    """One seed of a group. `run`: a replicate that goes on, else the one that counts; `ids`: all runs of the seed."""

    seed: int
    run: Run
    ids: tuple[str, ...]
    dev: float | None  # best F1 on dev so far, 0..1
    done: float | None  # 0..1; None where it doesn't say
    weights: bool  # whether the trained model was kept


@dataclass(frozen=True)
class Entry:
    """A group as it stands. `dev`: mean of the best F1 on dev over its finished repeats; `left`: seconds."""

    project: str
    group: Group
    repeats: tuple[Repeat, ...]
    dev: float | None
    left: float | None

    @property
    def states(self) -> Mapping[State, int]:
        return Counter(repeat.run.state for repeat in self.repeats)

    @property
    def active(self) -> bool:
        return any(repeat.run.pending for repeat in self.repeats)


def board(workspace: Workspace, projects: Sequence[str]) -> list[Entry]:
    """The groups of some projects, each project's first launched first."""
    known = {run.id: run for run in workspace.store.list(kind="train")}
    active = any(run.pending for run in known.values())
    ends = time_left(workspace) if active else {}
    out: list[Entry] = []
    for project in projects:
        members: dict[tuple[str, int], list[Run]] = {}
        for run_id, (group_id, _, seed) in launched(workspace, project).items():
            if run_id in known:
                members.setdefault((group_id, seed), []).append(known[run_id])
        for group in groups(workspace, project):
            found = tuple(_repeat(workspace, s, run, members[group.id, s]) for s, run in group.runs.items())
            out.append(_entry(workspace, project, group, found, ends))
    return out


def _entry(
    workspace: Workspace, project: str, group: Group, repeats: tuple[Repeat, ...], ends: Mapping[str, float]
) -> Entry:
    scores = [best_dev(workspace.run_folder(run)) for run in group.finished]
    known = [score for score in scores if score is not None]
    left = [ends[repeat.run.id] for repeat in repeats if repeat.run.id in ends]
    return Entry(project, group, repeats, statistics.fmean(known) if known else None, max(left, default=None))


def _repeat(workspace: Workspace, seed: int, run: Run, members: Sequence[Run]) -> Repeat:
    run = next((other for other in members if other.pending), run)
    folder = workspace.run_folder(run.id)
    done = share_done(last_metrics(folder)) if run.state == "running" else None
    ids = tuple(member.id for member in members)
    return Repeat(seed, run, ids, best_dev(folder), done, (folder / "model").exists())


def best_dev(folder: Path) -> float | None:
    """The best F1 on dev of a training, so far."""
    result = read_object(folder / "result.json")
    if result is not None:
        return result.get("best_dev")
    return max((line["dev"] for line in last_metrics(folder) if line.get("dev") is not None), default=None)


def learning(folder: Path) -> tuple[Points, Points]:
    """The loss and the F1 on dev over the steps of a training."""
    lines = last_metrics(folder)
    loss, dev = ([(m["step"], m[key]) for m in lines if m.get(key) is not None] for key in ("loss", "dev"))
    return loss, dev
