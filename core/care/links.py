"""What belongs to a project: the names, files, corpora, encoders and runs that it came from or brought about."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from core.augment import named_by
from core.care.facts import Facts, facts
from core.errors import CoreError
from core.groups import launched
from core.jobs.folder import read_object
from core.mix import GOLD
from core.project import Project
from core.recipe import AugmentedIngredient, FileIngredient
from core.runs import POOL, kept
from core.sources import import_spec
from core.stage import augment_spec_of
from core.workspace import Workspace

NAMED = "corpus:"
_MAKERS = ("import", "augment")


@dataclass(frozen=True)
class Belongings:
    """`names`: of corpus:NAME; `files`: sha256; `corpora`, `models`, `runs`: ids."""

    names: frozenset[str]
    files: frozenset[str]
    corpora: frozenset[str]
    models: frozenset[str]
    runs: frozenset[str]


class Known:
    """The facts of a workspace's runs, each read at most once. `known`: those that are known already."""

    def __init__(self, workspace: Workspace, known: Mapping[str, Facts] | None = None) -> None:
        self._workspace = workspace
        self._known: dict[str, Facts | None] = dict(known or {})
        kinds = {run.id: run.kind for run in workspace.store.list()}
        self.evaluations = [id for id, kind in kinds.items() if kind in ("evaluate", "robustness")]
        self.makers: dict[str, list[str]] = {}  # corpus -> the imports and pools that came to it
        for id in (id for id, kind in kinds.items() if kind in _MAKERS):
            for made in (self(id) or Facts("")).made:
                self.makers.setdefault(made, []).append(id)

    def __call__(self, id: str) -> Facts | None:
        if id not in self._known:
            self._known[id] = facts(self._workspace.run_folder(id))
        return self._known[id]


def sources(project: Project) -> Iterator[str]:
    """Where a project's gold and file ingredients come from, as its file says: corpus:NAME, paths, hub:..."""
    data = project.recipe.data
    if isinstance(data, str):
        yield data
    else:
        yield from (name for name in (data.train, data.dev, data.test, data.file) if name is not None)
    yield from (part.file for part in project.ingredients.values() if isinstance(part, FileIngredient))


def named(project: Project) -> Iterator[str]:
    """The files and models that the params of a project's ingredients name, as its file says: file:SHA/NAME,
    model:IDENTITY/NAME, paths, ids."""
    for part in project.ingredients.values():
        if isinstance(part, AugmentedIngredient):
            given = ((mark, part.params.get(param)) for param, mark in named_by(part.augmenter).items())
            yield from (str(value) for mark, value in given if value and not mark.outside(value))
            yield from [] if part.decisions is None else [part.decisions]
            yield from [] if part.checks is None else part.checks.models().values()


def belongings(workspace: Workspace, project: Project, known: Known) -> Belongings:
    """Everything a project has in a workspace. Starts nothing, and reads no file from outside."""
    names = {one.removeprefix(NAMED) for one in sources(project) if one.startswith(NAMED)}
    runs = {id for id in launched(workspace, project.slug) if known(id)}
    with suppress(CoreError):  # a project that can't be carried out still has what it had
        runs.update(_implied(workspace, project, known))
    corpora: set[str] = set()
    left = list(runs)
    while left:  # from trainings to the corpora they read, from these to what made them, and on
        about = known(left.pop())
        fresh = {*about.reads("corpus"), *about.made} - corpora if about else set[str]()
        corpora |= fresh
        makers = {id for one in fresh for id in known.makers.get(one, ())} - runs
        runs |= makers
        left += makers
    runs |= {id for id in known.evaluations if _only_of(known(id), runs)}
    read = [about for id in runs if (about := known(id)) is not None]
    files = {file for about in read for file in about.reads("file")} | set(_named_files(workspace, names))
    corpora |= {one for about in read for one in (*about.reads("corpus"), *about.made)}
    models = {model for about in read for model in about.reads("model")}
    for reference in filter(None, map(kept, named(project))):
        kind, _, id = reference.partition(":")
        (files if kind == "file" else models).add(id)
    return Belongings(*map(frozenset, (names, files, corpora, models, runs)))


def _only_of(about: Facts | None, runs: set[str]) -> bool:
    """Whether an evaluation scores these runs and no others."""
    models = about.reads("run") if about else []
    return bool(models) and runs.issuperset(models)


def _named_files(workspace: Workspace, names: set[str]) -> Iterator[str]:
    for name in names:
        inputs = (read_object(workspace.corpora / f"{name}.json") or {}).get("inputs", {})
        yield from (str(value).removeprefix("file:") for value in inputs.values())


def _implied(workspace: Workspace, project: Project, known: Known) -> Iterator[str]:
    """The import and the pools that a project asks for, as far as they are there."""
    if not all(one.startswith(NAMED) for one in sources(project)):
        return  # to know them, files from outside would have to be read
    spec = import_spec(workspace, project.recipe)
    if known(spec.id) is None:
        return
    yield spec.id
    roles = (read_object(workspace.run_folder(spec.id) / "result.json") or {}).get("corpora", {})
    pools = {GOLD if role == "train" else role.removeprefix(POOL): one for role, one in roles.items()}
    yield from _pools(workspace, project, pools, roles, known)


def _pools(
    workspace: Workspace, project: Project, pools: dict[str, str], roles: Mapping[str, str], known: Known
) -> Iterator[str]:
    """The pools of a project's augmenters, parents before children. `pools`: corpora by ingredient, of the import."""
    left = {name: part for name, part in project.ingredients.items() if isinstance(part, AugmentedIngredient)}
    while ready := [name for name, part in left.items() if part.of in pools]:
        for name in ready:
            part = left.pop(name)
            id = augment_spec_of(part, pools[part.of], roles).id
            about = known(id)
            if about is not None:
                yield id
                if about.made:
                    pools[name] = about.made[0]
