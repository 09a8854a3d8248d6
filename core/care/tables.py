"""What takes how much room, by project, corpus, run and encoder."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core import project as projects
from core.care.links import Belongings, Known, belongings
from core.care.usage import Usage
from core.errors import CoreError
from core.jobs.folder import read_object
from core.runs import State
from core.workspace import Workspace


@dataclass(frozen=True)
class ProjectUse:
    """`bytes`: of all that belongs to a project; `alone`: of what belongs to no other one."""

    slug: str
    title: str
    runs: int
    bytes: int
    alone: int


@dataclass(frozen=True)
class CorpusUse:
    """`what`: train, dev, test, pool:NAME or an augmenter's name; empty where the run that made it is gone."""

    id: str
    what: str
    projects: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class RunUse:
    """`parts`: bytes by the lines of usage.KINDS that belong to runs."""

    id: str
    kind: str
    state: State
    parts: Mapping[str, int]
    bytes: int


@dataclass(frozen=True)
class ModelUse:
    """An encoder. `runs`: that began with it."""

    identity: str
    runs: int
    bytes: int


Owned = Mapping[str, tuple[str, Belongings]]  # project -> (its title, what it has)


def owned(workspace: Workspace, found: Usage) -> Owned:
    """What belongs to each project; one whose file can't be read has nothing."""
    known = Known(workspace, found.facts)
    out: dict[str, tuple[str, Belongings]] = {}
    for name in projects.names(workspace):
        try:
            project = projects.load(workspace, name)
        except CoreError:
            continue
        out[name] = (project.title, belongings(workspace, project, known))
    return out


def by_project(found: Usage, having: Owned) -> list[ProjectUse]:
    """The largest first."""
    places = {name: set(_places(name, belongs)) for name, (_, belongs) in having.items()}
    size = {place: _size(found, place) for place in set[tuple[str, str]]().union(*places.values())}
    lines: list[ProjectUse] = []
    for name, (title, belongs) in having.items():
        others = set[tuple[str, str]]().union(*(mine for other, mine in places.items() if other != name))
        alone = sum(size[place] for place in places[name] - others)
        lines.append(ProjectUse(name, title, len(belongs.runs), sum(size[place] for place in places[name]), alone))
    return sorted(lines, key=lambda line: -line.bytes)


def _places(name: str, belongs: Belongings) -> Iterator[tuple[str, str]]:
    yield ("projects", name)
    yield from (("runs", id) for id in belongs.runs)
    yield from (("corpora", f"{id}.arrow") for id in belongs.corpora)
    yield from (("uploads", file) for file in belongs.files)
    yield from (("models", model) for model in belongs.models)


def _size(found: Usage, place: tuple[str, str]) -> int:
    kind, name = place
    if kind in ("corpora", "uploads"):
        return (found.corpora if kind == "corpora" else found.uploads).of(name)
    tree = {"projects": found.projects, "runs": found.runs, "models": found.models}[kind].get(name)
    return 0 if tree is None else tree.bytes


def by_corpus(workspace: Workspace, found: Usage, having: Owned) -> list[CorpusUse]:
    """The largest first."""
    known = Known(workspace, found.facts)
    lines: list[CorpusUse] = []
    for name in found.corpora.names():
        if name.endswith(".arrow"):
            id = name.removesuffix(".arrow")
            users = tuple(project for project, (_, belongs) in having.items() if id in belongs.corpora)
            lines.append(CorpusUse(id, _what(workspace, id, known), users, found.corpora.of(name)))
    return sorted(lines, key=lambda line: (-line.bytes, line.id))


def _what(workspace: Workspace, corpus: str, known: Known) -> str:
    """What a corpus is to the first run that came to it."""
    for id in known.makers.get(corpus, ()):
        roles = (read_object(workspace.run_folder(id) / "result.json") or {}).get("corpora", {})
        role = next((role for role, one in roles.items() if one == corpus), None)
        if role is not None:
            return str(role)
        params = (read_object(workspace.run_folder(id) / "spec.json") or {}).get("params", {})
        return str(params.get("method", ""))
    return ""


def by_run(workspace: Workspace, found: Usage) -> list[RunUse]:
    """The largest first; folders that are no runs are left out."""
    lines: list[RunUse] = []
    for run in workspace.store.list():
        tree = found.runs.get(run.id)
        if tree is not None:
            lines.append(RunUse(run.id, run.kind, run.state, tree.parts, tree.bytes))
    return sorted(lines, key=lambda line: -line.bytes)


def by_model(found: Usage) -> list[ModelUse]:
    """The largest first."""
    used = Counter(model for about in found.facts.values() for model in about.reads("model"))
    lines = [ModelUse(name, used[name], tree.bytes) for name, tree in found.models.items()]
    return sorted(lines, key=lambda line: -line.bytes)
