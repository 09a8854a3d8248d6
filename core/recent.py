"""What a workspace was last used for: its projects with their sizes, and the newest trainings."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

from core import project as projects
from core.errors import CoreError
from core.groups import history, launched, of_searches
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
    changed = {name: _changed(workspace, name) for name in projects.names(workspace)}
    done = {id for id, brief in workspace.store.briefs("train").items() if brief.state == "succeeded"}
    found: list[RecentProject] = []
    for name in sorted(changed, key=lambda name: -changed[name]):
        try:
            found.append(_project(workspace, projects.load(workspace, name), changed[name], done))
        except CoreError:
            continue
        if len(found) == most:
            break
    return found


def _changed(workspace: Workspace, name: str) -> float:
    paths = (workspace.root / "projects" / name / projects.FILE, projects.history_file(workspace, name))
    return max(path.stat().st_mtime for path in paths if path.exists())


def _project(workspace: Workspace, project: projects.Project, changed: float, done: Set[str]) -> RecentProject:
    seeds = [ids for group in history(workspace, project.slug).groups.values() for ids in group.members.values()]
    runs = sum(not done.isdisjoint(ids) for ids in seeds)
    return RecentProject(project.slug, project.title, _rows(workspace, project), changed, runs)


def _rows(workspace: Workspace, project: projects.Project) -> Mapping[str, int]:
    run = import_spec(workspace, project.recipe).id
    if not (workspace.run_folder(run) / "result.json").exists():
        return {}
    rows = workspace.result(run)["rows"]
    return {split: rows[split] for split in ("train", "dev", "test") if split in rows}


def recent_runs(workspace: Workspace, most: int) -> list[RecentRun]:
    """The last submitted first, without trials; of projects that launched the same run the first changed is named."""
    homes = {project: _own(workspace, project) for project in projects.names(workspace)}
    runs: list[Run] = []
    for limit in (8 * most, None):  # all only where most of the newest were launched by no project
        newest = workspace.store.list(kind="train", limit=limit)
        runs = [run for run in newest if any(run.id in home for home in homes.values())]
        if len(runs) >= most:
            break
    return [_recent(workspace, homes, run) for run in sorted(runs, key=lambda run: -run.submitted)[:most]]


def _own(workspace: Workspace, project: str) -> Mapping[str, tuple[str, str, int]]:
    """What a project launched, but for the trials of searches."""
    trials = of_searches(workspace, project)
    return {id: about for id, about in launched(workspace, project).items() if id not in trials}


def _recent(workspace: Workspace, homes: Mapping[str, Mapping[str, tuple[str, str, int]]], run: Run) -> RecentRun:
    project = [project for project, runs in homes.items() if run.id in runs][-1]
    _, mix, seed = homes[project][run.id]
    return RecentRun(_title(workspace, project), mix, seed, run)


def _title(workspace: Workspace, name: str) -> str:
    try:
        return projects.load(workspace, name).title
    except CoreError:
        return name


def sample_rows(sample: Sample) -> int:
    """The sentences of a sample's own data, all splits."""
    files = sample.corpora[str(sample.project["data"]).removeprefix("corpus:")].values()
    return sum((sample.folder / file).read_bytes().count(b"\n") for file in files)
