"""Which trainings a tracker is to be told of: those of a project, some of them, or those of recipes alone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core import corpus as corpora
from core import project as projects
from core.card import encoder_name
from core.errors import CoreError
from core.groups import Group, group_id, groups, launched
from core.jobs.folder import Run, read_json
from core.origins import origins
from core.params import build
from core.project import Project
from core.recipe_text import mix_name
from core.runs import RunSpec
from core.training.train import TrainRunParams
from core.workspace import Workspace

ALONE = "peibi"  # the project of trainings that no project knows


@dataclass(frozen=True)
class Asked:
    """Trainings of one project, by group. `runs`: those meant, else all; `project`: where there is one on disk."""

    slug: str
    title: str
    task: str
    groups: Sequence[Group]
    runs: frozenset[str] = frozenset()
    project: Project | None = None


def asked(workspace: Workspace, names: Sequence[str], known: Callable[[str], Run]) -> list[Asked]:
    """What the names mean: a project's, or a training's or the beginning of its id, which `known` finds.

    Raises CoreError `run_is_no_training`, those of `known`.
    """
    there = projects.names(workspace)
    found = [_whole(projects.load(workspace, name)) for name in names if name in there]
    some: dict[str, set[str]] = defaultdict(set)
    for run in (known(name) for name in names if name not in there):
        if run.kind != "train":
            raise CoreError("run_is_no_training", {"run": run.id, "kind": run.kind}, "hint_list")
        owner = next((name for name in there if run.id in launched(workspace, name)), "")
        if owner:
            some[owner].add(run.id)
        else:
            found.append(_alone(workspace, run))
    found += [replace(_whole(projects.load(workspace, name)), runs=frozenset(ids)) for name, ids in some.items()]
    return [replace(one, groups=one.groups or groups(workspace, one.slug)) for one in found]


def _whole(project: Project) -> Asked:
    return Asked(project.slug, project.title, project.recipe.task, (), project=project)


def _alone(workspace: Workspace, run: Run) -> Asked:
    """A training that a recipe asked for on the command line: its project is the one that noted a look at it."""
    spec = RunSpec.from_json(read_json(workspace.run_folder(run.id) / "spec.json"))
    params = build(TrainRunParams, spec.params, "train")
    schema = corpora.read(workspace.corpus_path(spec.inputs["dev"].partition(":")[2])).schema
    parts = origins(workspace, spec, schema.task, schema.language).parts
    ids = {split: parts[split].corpus for split in ("dev", "test") if split in parts}
    train = replace(params.train, model=encoder_name(workspace, spec.inputs["model"].partition(":")[2]))
    name = mix_name(params.mix)
    group = Group(group_id(spec), name, params.mix, train, ids, {params.seed: run})
    owner = _looked(workspace, run.id) or ALONE
    return Asked(owner, owner, schema.task, [group])


def _looked(workspace: Workspace, run: str) -> str:
    """The project that noted a look at test with this training; "": none."""
    for path in sorted((workspace.root / "projects").glob("*/events.jsonl")):
        events = projects.events(workspace, path.parent.name)
        if any(event.get("event") == "look" and run in event.get("runs", ()) for event in events):
            return path.parent.name
    return ""
