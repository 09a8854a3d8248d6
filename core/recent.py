"""What a workspace was last used for: its projects with their sizes, and the newest trainings."""

from collections.abc import Mapping
from dataclasses import dataclass

from core import project as projects
from core.errors import CoreError
from core.groups import groups, launched
from core.jobs.folder import Run
from core.sample import Sample
from core.sources import import_spec
from core.workspace import Workspace


@dataclass(frozen=True)
class RecentProject:
    """`rows`: sentences by split, empty before the import; `changed`: unix seconds; `runs`: that succeeded."""

    slug: str
    title: str
    rows: Mapping[str, int]
    changed: float
    runs: int


@dataclass(frozen=True)
class RecentRun:
    """A training that a project launched. `project`: its title."""

    project: str
    mix: str
    seed: int
    run: Run


def recent_projects(workspace: Workspace, most: int) -> list[RecentProject]:
    """The last changed first; a project whose file can't be read is left out."""
    found: list[RecentProject] = []
    for name in projects.names(workspace):
        try:
            found.append(_project(workspace, projects.load(workspace, name)))
        except CoreError:
            continue
    return sorted(found, key=lambda line: -line.changed)[:most]


def _project(workspace: Workspace, project: projects.Project) -> RecentProject:
    folder = workspace.root / "projects" / project.slug
    changed = max(path.stat().st_mtime for path in folder.glob("*") if path.name in (projects.FILE, "events.jsonl"))
    done = sum(len(group.finished) for group in groups(workspace, project.slug))
    return RecentProject(project.slug, project.title, _rows(workspace, project), changed, done)


def _rows(workspace: Workspace, project: projects.Project) -> Mapping[str, int]:
    run = import_spec(workspace, project.recipe).id
    if not (workspace.run_folder(run) / "result.json").exists():
        return {}
    rows = workspace.result(run)["rows"]
    return {split: rows[split] for split in ("train", "dev", "test") if split in rows}


def recent_runs(workspace: Workspace, most: int) -> list[RecentRun]:
    """The last submitted first."""
    known: dict[str, tuple[str, str, int]] = {}
    for project in projects.names(workspace):
        title = _title(workspace, project)
        known |= {run: (title, mix, seed) for run, (_, mix, seed) in launched(workspace, project).items()}
    runs = sorted(workspace.store.list(kind="train"), key=lambda run: -run.submitted)
    return [RecentRun(*known[run.id], run) for run in runs if run.id in known][:most]


def _title(workspace: Workspace, name: str) -> str:
    try:
        return projects.load(workspace, name).title
    except CoreError:
        return name


def sample_rows(sample: Sample) -> int:
    """The sentences of a sample's own data, all splits."""
    files = sample.corpora[str(sample.project["data"]).removeprefix("corpus:")].values()
    return sum((sample.folder / file).read_bytes().count(b"\n") for file in files)
