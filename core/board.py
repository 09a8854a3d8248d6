"""How the trainings of projects stand: a line for each group, what one asks to see of them, and its repeats."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.groups import BEST_FIRST, Group, Launched, group_of, history
from core.jobs.folder import Run, last_metrics, read_object, share_done, stalled_file
from core.jobs.process import boottime
from core.jobs.store import Brief
from core.pace import time_left
from core.runs import State
from core.workspace import Workspace

_OF_ID = 6  # characters of an id that are looked for
Sort = Literal["newest", "dev", "name", "state", "left"]
SORTS: tuple[Sort, ...] = ("newest", "dev", "name", "state", "left")
STATES: tuple[State, ...] = ("running", "queued", "failed", "interrupted", "cancelled", "succeeded")  # urgent first


@dataclass(frozen=True)
class Entry:
    """A group in a line, or all trials of a search in one.

    `dev`: mean of the best F1 on dev over its finished repeats, 0..1; of a search, that of its best trial.
    """

    project: str
    group: str  # its id; of a search, that of its run
    name: str  # of its mix
    steps: int | None
    launched: float  # unix seconds, the newest launch
    states: Mapping[State, int]  # of its repeats
    dev: float | None
    left: float | None  # seconds until its last run ends
    repeats: tuple[str, ...]  # a run of each: the one that goes on, else the one that counts; by seed
    runs: tuple[str, ...]  # all of them, replicates too
    search: bool = False
    mixes: bool = False  # a search among mixes, and not among settings

    @property
    def key(self) -> str:
        """What tells it from all others of the workspace."""
        return f"{self.project}/{self.group}"

    @property
    def active(self) -> bool:
        return self.left is not None


@dataclass(frozen=True)
class View:
    """What one asks to see. `states`: any of them; none: all. `text`: in a mix's name, or 6 or more of an id."""

    text: str = ""
    states: Collection[State] = ()
    sort: Sort = "newest"


@dataclass(frozen=True)
class Repeat:
    """One seed of a group. `run`: a replicate that goes on, else the one that counts; `ids`: all runs of the seed."""

    seed: int
    run: Run
    ids: tuple[str, ...]
    dev: float | None  # best F1 on dev so far, 0..1
    done: float | None  # 0..1; None where it doesn't say
    weights: bool  # whether the trained model was kept
    left: float | None  # seconds until it ends
    place: int | None  # in line, from 1
    stalled: float | None  # seconds that it may stand still, if it stands still for longer
    due: float | None  # seconds until it goes on by itself, 0 where it may already; None where it doesn't


@dataclass(frozen=True)
class Opened:
    """A group with its repeats, by seed."""

    project: str
    group: Group
    repeats: tuple[Repeat, ...]

    @property
    def active(self) -> bool:
        return any(repeat.run.pending for repeat in self.repeats)


def board(workspace: Workspace, projects: Sequence[str]) -> list[Entry]:
    """The groups of some projects, each project's first launched first, then searches. No run folder is read."""
    known = workspace.store.briefs("train")
    ends = time_left(workspace) if any(brief.pending for brief in known.values()) else {}
    found: list[Entry] = []
    trials: dict[tuple[str, str], list[Entry]] = {}  # by project and search
    for project in projects:
        for launched in history(workspace, project).groups.values():
            entry = _entry(workspace, project, launched, known, ends)
            if entry is not None and launched.tune:
                trials.setdefault((project, launched.tune), []).append(entry)
            elif entry is not None:
                found.append(entry)
    searched = {id for project in projects for id in history(workspace, project).searches}
    return found + [replace(_search(id, entries), mixes=id in searched) for (_, id), entries in trials.items()]


def _search(id: str, trials: Sequence[Entry]) -> Entry:
    """All trials of a search in one line."""
    states: Counter[State] = sum((Counter(one.states) for one in trials), Counter[State]())
    return Entry(
        trials[0].project, id, trials[0].name, None, max(one.launched for one in trials), states,
        max((one.dev for one in trials if one.dev is not None), default=None),
        max((one.left for one in trials if one.left is not None), default=None),
        tuple(id for one in trials for id in one.repeats), tuple(id for one in trials for id in one.runs), True,
    )  # fmt: skip


def _entry(
    workspace: Workspace, project: str, launched: Launched, known: Mapping[str, Brief], ends: Mapping[str, float]
) -> Entry | None:
    shown: list[str] = []
    states: list[State] = []
    scores: list[float] = []
    runs: list[str] = []
    left: list[float] = []
    for ids in launched.members.values():
        there = [known[id] for id in ids if id in known]
        if not there:
            continue
        found = counts = there[-1]
        if len(there) > 1:
            counts = min(reversed(there), key=lambda brief: _RANK[brief.state])
            found = next((brief for brief in there if brief.pending), counts)
        runs += [brief.id for brief in there]
        shown.append(found.id)
        states.append(found.state)
        if found.pending:
            left.append(ends.get(found.id, 0.0))
        score = counts.score if counts.score is not None else _score(workspace, counts)
        if score is not None:
            scores.append(score)
    if not runs:
        return None
    steps = None if launched.settings.get("method") == "prompt" else launched.settings.get("steps")
    dev = sum(scores) / len(scores) if scores else None
    return Entry(
        project, launched.id, launched.name, steps, launched.time, Counter(states), dev, max(left, default=None),
        tuple(shown), tuple(runs),
    )  # fmt: skip


_RANK: Mapping[State, int] = {state: rank for rank, state in enumerate(BEST_FIRST)}


def _score(workspace: Workspace, brief: Brief) -> float | None:
    """The headline on dev of a training that succeeded before 0.2: it stands in its result alone."""
    return _kept_score(workspace.run_folder(brief.id)) if brief.state == "succeeded" else None


@lru_cache(maxsize=16384)
def _kept_score(folder: Path) -> float | None:
    return (read_object(folder / "result.json") or {}).get("best_dev")


def selected(entries: Sequence[Entry], view: View) -> list[Entry]:
    """Those of some groups that one asks to see, in the order asked for; of equals the newest first."""
    text = view.text.strip().casefold()
    states = frozenset(view.states)
    found = [
        entry
        for entry in entries
        if (not states or not states.isdisjoint(entry.states))
        and (not text or text in entry.name.casefold() or _begins(entry, text))
    ]
    found.sort(key=lambda entry: (-entry.launched, entry.key))
    if view.sort == "dev":
        found.sort(key=lambda entry: (entry.dev is None, -(entry.dev or 0.0)))
    elif view.sort == "name":
        found.sort(key=lambda entry: _natural(entry.name))
    elif view.sort == "state":
        found.sort(key=lambda entry: min(STATES.index(state) for state in entry.states))
    elif view.sort == "left":
        found.sort(key=lambda entry: (entry.left is None, entry.left or 0.0))
    return found


def _begins(entry: Entry, text: str) -> bool:
    """Whether it, or one of its runs, has an id that begins so; of a shorter text chance alone would make it so."""
    return len(text) >= _OF_ID and (entry.group.startswith(text) or any(run.startswith(text) for run in entry.runs))


def _natural(name: str) -> list[tuple[int, str | int]]:
    """A name in the order that people expect: 2x before 10x."""
    parts: list[str] = re.split(r"(\d+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def opened(workspace: Workspace, project: str, group: str) -> Opened | None:
    """A group with all that its repeats' folders tell; None where it is not there."""
    launched = history(workspace, project).groups.get(group)
    if launched is None:
        return None
    known = {run.id: run for run in workspace.store.find(launched.runs)}
    made = group_of(launched, known)
    if made is None:
        return None
    pending = any(run.pending for run in known.values())
    ends, line = (time_left(workspace), places(workspace)) if pending else ({}, {})
    repeats = tuple(
        _repeat(workspace, seed, run, [known[id] for id in launched.members[seed] if id in known], ends, line)
        for seed, run in made.runs.items()
    )
    return Opened(project, made, repeats)


def _repeat(
    workspace: Workspace,
    seed: int,
    run: Run,
    members: Sequence[Run],
    ends: Mapping[str, float],
    line: Mapping[str, int],
) -> Repeat:
    run = next((other for other in members if other.pending), run)
    folder = workspace.run_folder(run.id)
    running = run.state == "running"
    done = share_done(last_metrics(folder)) if running else None
    stalled = read_object(stalled_file(folder, run.attempt)) if running else None
    return Repeat(
        seed, run, tuple(member.id for member in members), best_dev(folder), done, (folder / "model").exists(),
        ends.get(run.id), line.get(run.id), float(stalled["seconds"]) if stalled else None, _due(run),
    )  # fmt: skip


def _due(run: Run) -> float | None:
    if run.due_at is None:
        return None
    return 0.0 if run.due else max(0.0, run.due_at - boottime())


def places(workspace: Workspace) -> dict[str, int]:
    """The place in line of each run that waits for a slot, from 1: those of a lane stand in one line."""
    lanes: Counter[str] = Counter()
    found: dict[str, int] = {}
    for run in reversed(workspace.store.pending()):
        if run.state == "queued":
            lanes[run.lane] += 1
            found[run.id] = lanes[run.lane]
    return found


def best_dev(folder: Path) -> float | None:
    """The best F1 on dev of a training, so far."""
    result = read_object(folder / "result.json")
    if result is not None:
        return result.get("best_dev")
    return max((line["dev"] for line in last_metrics(folder) if line.get("dev") is not None), default=None)
