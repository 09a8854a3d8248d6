"""Groups: the trainings of one mix over several seeds, as a project's history and the run store know them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import corpus as corpora
from core.corpus import Corpus
from core.errors import CoreError
from core.formats.importing import used_labels
from core.jobs.folder import Run
from core.mix import Mix
from core.params import build, digest
from core.project import events, mix_of
from core.runs import RunSpec, State
from core.scores import Counts
from core.tasks import task as task_of
from core.training import predictions
from core.training.settings import TrainParams
from core.workspace import Workspace

LAUNCH = "launch"
_BEST_FIRST: tuple[State, ...] = ("succeeded", "running", "queued", "interrupted", "failed", "cancelled")


@dataclass(frozen=True)
class Group:
    """`runs`: one for each seed, by seed. `corpora`: ids by split: only groups that agree in these can be compared."""

    id: str
    name: str
    mix: Mix  # as it was asked for
    train: TrainParams
    corpora: Mapping[str, str]
    runs: Mapping[int, Run]

    @property
    def finished(self) -> list[str]:
        """Ids of the runs that succeeded, by seed."""
        return [run.id for _, run in sorted(self.runs.items()) if run.state == "succeeded"]

    @property
    def active(self) -> bool:
        return any(run.pending for run in self.runs.values())


def group_id(spec: RunSpec) -> str:
    """What the runs of a group share: everything but the seed. 12 hex digits."""
    params = {name: value for name, value in spec.params.items() if name != "seed"}
    return digest({"kind": spec.kind, "inputs": dict(spec.inputs), "params": params})[:12]


def groups(workspace: Workspace, project: str) -> list[Group]:
    """The groups of a project, the first launched first; runs that were deleted are left out, and empty groups."""
    known = {run.id: run for run in workspace.store.list(kind="train")}
    order: dict[str, dict[str, Any]] = {}
    members: dict[str, dict[int, Run]] = {}
    for event in events(workspace, project):
        if event.get("event") != LAUNCH:
            continue
        order[event["group"]] = event
        runs = members.setdefault(event["group"], {})
        for run_id, seed in event["seeds"].items():
            run = known.get(run_id)
            if run and (seed not in runs or _BEST_FIRST.index(run.state) <= _BEST_FIRST.index(runs[seed].state)):
                runs[seed] = run
    return [_group(key, event, members[key]) for key, event in order.items() if members[key]]


def launched(workspace: Workspace, project: str) -> dict[str, tuple[str, str, int]]:
    """Every training that a project launched: run id -> (group, name of the mix, seed)."""
    told = (event for event in events(workspace, project) if event.get("event") == LAUNCH)
    return {run: (event["group"], event["mix"], seed) for event in told for run, seed in event["seeds"].items()}


def _group(key: str, event: Mapping[str, Any], runs: Mapping[int, Run]) -> Group:
    train = build(TrainParams, event["train"], "train")
    return Group(key, event["mix"], mix_of(event["asked"]), train, event["corpora"], dict(sorted(runs.items())))


def comparable(found: Sequence[Group], baseline: Group) -> list[Group]:
    """The groups that were trained and chosen on the same splits as the baseline, without it."""
    return [group for group in found if group.corpora == baseline.corpora and group.id != baseline.id]


def evaluated(workspace: Workspace, group: Group, split: str) -> list[str]:
    """The runs of a group that have predictions for a split."""
    corpus_id = group.corpora.get(split)
    if corpus_id is None:
        return []
    return [run for run in group.finished if predictions.file_of(workspace.run_folder(run), corpus_id).exists()]


def counts_of(workspace: Workspace, group: Group, split: str) -> list[Counts]:
    """True positives, predictions and gold per row and label, one Counts for each evaluated run.

    Labels: those that occur in the split, sorted; the same for every group of the split. Raises CoreError
    `nothing_evaluated`.
    """
    runs = evaluated(workspace, group, split)
    if not runs:
        raise CoreError("nothing_evaluated", {"name": group.name, "split": split})
    data = split_of(workspace, group, split)
    names = tuple(sorted(used_labels(data)))
    task = task_of(data.schema.task)
    kept = (predictions.read(predictions.file_of(workspace.run_folder(run), data.id)) for run in runs)
    return [task.counts(data.table, found.values, names) for found in kept]


def split_of(workspace: Workspace, group: Group, split: str) -> Corpus:
    """The rows of a split that the group was chosen or tested on."""
    return corpora.read(workspace.corpus_path(group.corpora[split]))
