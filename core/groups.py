"""Groups: the trainings of one mix over several seeds, as a project's history and the run store know them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.formats.importing import used_labels
from core.jobs.folder import Run
from core.mix import Mix
from core.params import Json, build, digest
from core.project import events, history_file, mix_of
from core.runs import KINDS, RunSpec, State
from core.scores import Counts
from core.tasks import task as task_of
from core.tasks.protocol import Values
from core.training import predictions
from core.training.settings import TrainParams
from core.workspace import Workspace

LAUNCH = "launch"
SEARCH = "search"  # the kind of run that searches for a mix, and the event that one began
BEST_FIRST: tuple[State, ...] = ("succeeded", "running", "queued", "interrupted", "failed", "cancelled")
_known: dict[Path, tuple[object, "History"]] = {}  # what was read of each project's events, and of which state of them


@dataclass(frozen=True)
class Launched:
    """The trainings of one mix as they were launched. `time`: of the newest launch, unix seconds."""

    id: str
    name: str
    asked: Mapping[str, Any]  # the mix, as plain data
    settings: Mapping[str, Any]  # of the training, as plain data
    corpora: Mapping[str, str]
    time: float
    members: Mapping[int, tuple[str, ...]]  # run ids by seed, as launched; by seed
    curve: bool = False  # launched as a point of gold's learning curve, with a part of gold alone
    tune: str = ""  # id of the search, for settings or a mix, that it is a trial of, and that alone

    @property
    def runs(self) -> list[str]:
        """The ids of all its runs, those that were deleted too."""
        return [id for ids in self.members.values() for id in ids]

    @property
    def train(self) -> TrainParams:
        return _settings(json.dumps(self.settings))

    @property
    def mix(self) -> Mix:
        return _mix(json.dumps(self.asked))


@dataclass(frozen=True)
class History:
    """What a project launched. `groups`: by id, the first launched first; `runs`: id -> (group, mix's name, seed);
    `searches`: ids of the searches among mixes."""

    groups: Mapping[str, Launched]
    runs: Mapping[str, tuple[str, str, int]]
    searches: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Group:
    """`runs`: one for each seed, by seed. `corpora`: ids by split: only groups that agree in these can be compared."""

    id: str
    name: str
    mix: Mix  # as it was asked for
    train: TrainParams
    corpora: Mapping[str, str]
    runs: Mapping[int, Run]
    curve: bool = False  # a point of gold's learning curve: no mix that anybody would choose
    tune: str = ""  # a trial of that search, which nobody launched for its own sake

    @property
    def finished(self) -> list[str]:
        """Ids of the runs that succeeded, by seed."""
        return [run.id for _, run in sorted(self.runs.items()) if run.state == "succeeded"]

    @property
    def active(self) -> bool:
        return any(run.pending for run in self.runs.values())

    @property
    def marks(self) -> Mapping[str, Json]:
        """What more of its runs are to be noted with, so that it stays no candidate."""
        curve: Mapping[str, Json] = {"curve": True} if self.curve else {}
        return curve | ({"tune": self.tune} if self.tune else {})


def group_id(spec: RunSpec) -> str:
    """What the runs of a group share: everything but the seed, the version of training too. 12 hex digits."""
    params = {name: value for name, value in spec.params.items() if name != "seed"}
    version = KINDS[spec.kind].behaviour_version
    return digest({"kind": spec.kind, "inputs": dict(spec.inputs), "params": params, "behaviour_version": version})[:12]


def check_version(group: Group, spec: RunSpec) -> None:
    """`spec`: of one of its runs. Raises CoreError `group_older` where a training by it would be of another version."""
    if group_id(spec) != group.id:
        raise CoreError("group_older", {"name": group.name}, "hint_group_older")


def history(workspace: Workspace, project: str) -> History:
    """What a project launched so far; read again only when its events have grown."""
    path = history_file(workspace, project)
    try:
        found = path.stat()
    except FileNotFoundError:
        return History({}, {})
    state = (found.st_ino, found.st_size, found.st_mtime_ns)
    known = _known.get(path)
    if known is None or known[0] != state:
        known = state, _read(workspace, project)
        _known[path] = known
    return known[1]


def _read(workspace: Workspace, project: str) -> History:
    newest: dict[str, dict[str, Any]] = {}
    searches: dict[str, list[str]] = {}  # what launched each group, in order; "": somebody
    members: dict[str, dict[int, tuple[str, ...]]] = {}
    runs: dict[str, tuple[str, str, int]] = {}
    searched: set[str] = set()
    for event in events(workspace, project):
        if event.get("event") == SEARCH:
            searched.add(str(event.get("run", "")))
        if event.get("event") != LAUNCH:
            continue
        group = event["group"]
        newest[group] = event
        searches.setdefault(group, []).append(str(event.get("tune", "")))
        mine = members.setdefault(group, {})
        for run_id, seed in event["seeds"].items():
            others = tuple(id for id in mine[seed] if id != run_id) if seed in mine else ()
            mine[seed] = (*others, run_id)
            runs[run_id] = (group, event["mix"], seed)
    made = {
        group: _launched(event, dict(sorted(members[group].items())), searches[group])
        for group, event in newest.items()
    }
    return History(made, runs, frozenset(searched))


def _launched(event: Mapping[str, Any], members: Mapping[int, tuple[str, ...]], by: Sequence[str]) -> Launched:
    time = float(event.get("time", 0.0))
    curve = event.get("curve") is True
    tune = by[-1] if all(by) else ""  # what somebody launched too is no mere trial
    return Launched(
        event["group"], event["mix"], event["asked"], event["train"], event["corpora"], time, members, curve, tune
    )


@lru_cache(maxsize=256)
def _settings(text: str) -> TrainParams:
    return build(TrainParams, json.loads(text), "train")


@lru_cache(maxsize=4096)
def _mix(text: str) -> Mix:
    return mix_of(json.loads(text))


def groups(workspace: Workspace, project: str) -> list[Group]:
    """The groups of a project, the first launched first; runs that were deleted are left out, and empty groups."""
    found = history(workspace, project)
    known = {run.id: run for run in workspace.store.find(found.runs)}
    made = (group_of(launched, known) for launched in found.groups.values())
    return [group for group in made if group is not None]


def group_of(launched: Launched, known: Mapping[str, Run]) -> Group | None:
    """A group of the runs that are there; None where none is. Of one seed's runs the one that got farthest counts."""
    runs: dict[int, Run] = {}
    for seed, ids in launched.members.items():
        there = [known[id] for id in ids if id in known]
        if there:
            runs[seed] = min(reversed(there), key=lambda run: BEST_FIRST.index(run.state))
    if not runs:
        return None
    about = (launched.id, launched.name, launched.mix, launched.train, launched.corpora)
    return Group(*about, runs, launched.curve, launched.tune)


def launched(workspace: Workspace, project: str) -> Mapping[str, tuple[str, str, int]]:
    """Every training that a project launched: run id -> (group, name of the mix, seed)."""
    return history(workspace, project).runs


def of_searches(workspace: Workspace, project: str) -> frozenset[str]:
    """The trainings that a project launched as trials of searches, and for nothing else."""
    found = history(workspace, project).groups.values()
    return frozenset(id for launched in found if launched.tune for id in launched.runs)


def comparable(found: Sequence[Group], baseline: Group) -> list[Group]:
    """The groups that were trained and chosen on the same splits as the baseline, without it."""
    return [group for group in found if group.corpora == baseline.corpora and group.id != baseline.id]


def evaluated(workspace: Workspace, group: Group, split: str) -> list[str]:
    """The runs of a group that have predictions for a split."""
    corpus_id = group.corpora.get(split)
    if corpus_id is None:
        return []
    return [run for run in group.finished if predictions.file_of(workspace.run_folder(run), corpus_id).exists()]


def counts_of(workspace: Workspace, group: Group, split: str, rule: str = "strict") -> list[Counts]:
    """True positives, predictions and gold per row and label, one Counts for each evaluated run.

    Labels: those that occur in the split, sorted; the same for every group of the split. `rule`: of the task's rules.
    Raises CoreError `nothing_evaluated`.
    """
    runs = evaluated(workspace, group, split)
    if not runs:
        raise CoreError("nothing_evaluated", {"name": group.name, "split": split})
    corpus_id = group.corpora[split]
    count = _counter(workspace.corpus_path(corpus_id), rule)
    return [count(predicted(workspace, run, corpus_id)) for run in runs]


@lru_cache(maxsize=16)
def _counter(path: Path, rule: str) -> Callable[[Values], Counts]:
    """What counts predictions for a corpus, which never changes."""
    data = corpora.read(path)
    return task_of(data.schema.task).counter(data.table, tuple(sorted(used_labels(data))), rule)


def predicted(workspace: Workspace, run: str, corpus_id: str) -> pa.ChunkedArray:
    """What a run predicted for each row of a corpus, list<string>, memory-mapped."""
    return predictions.column(predictions.file_of(workspace.run_folder(run), corpus_id))


def split_of(workspace: Workspace, group: Group, split: str) -> Corpus:
    """The rows of a split that the group was chosen or tested on."""
    return corpora.read(workspace.corpus_path(group.corpora[split]))
