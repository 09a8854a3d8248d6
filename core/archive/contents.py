"""What goes into the archive of a project, and when that is the same again."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.archive.documents import model_name, portable, writer_name
from core.archive.entries import EVENTS, KINDS, NAMES, PROJECT, UNPACKED, has_place, largest
from core.care.facts import Facts
from core.care.links import NAMED, Belongings, Known, belongings, named, sources
from core.errors import CoreError
from core.jobs.folder import Run
from core.models.checks import manifest_of, model_files
from core.models.loading import is_prompted
from core.params import Json, canonical, digest
from core.project import Project, events, text_of
from core.runs import kept
from core.sources import named_gold
from core.training.predictions import file_of
from core.workspace import Workspace

_ENDED = ("id", "kind", "state", "attempt", "submitted", "started", "ended")  # what an archive says of a run


@dataclass(frozen=True)
class Content:
    """One entry to be: a file of the workspace, or bytes that were put together."""

    name: str
    size: int
    path: Path | None = None
    data: bytes = b""


@dataclass(frozen=True)
class Contents:
    """`entries`: by name; `state`: changes with whatever is in them; `left_out`: encoders that can't be told apart."""

    entries: tuple[Content, ...]
    state: str
    left_out: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)


def contents(workspace: Workspace, project: Project, weights: bool, models: bool) -> Contents:
    """What a project needs to live elsewhere: its runs that succeeded, and all that they read and made.

    Raises CoreError `export_outside` where the project reads files that the workspace has under no name,
    `export_large` for an entry that is too large.
    """
    outside = [source for source in sources(project) if not source.startswith(NAMED)]
    outside += [name for name in named(project) if kept(name) is None]
    if outside:
        raise CoreError("export_outside", {"name": outside[0]}, "hint_export_outside")
    known = Known(workspace)
    having = belongings(workspace, project, known)
    runs = _runs(workspace, having, known)
    parts = [*_documents(workspace, project, having), *_data(workspace, having, [about for _, about in runs])]
    rows = {id for _, about in runs for id in (*about.reads("corpus"), *about.made)}
    for run, _ in runs:
        parts += _of_run(workspace, run, weights, rows)
    there = [model for model in sorted(having.models) if models and (workspace.models / model).is_dir()]
    whole = [model for model in there if _has_weights(workspace.models / model, model)]
    for model in whole:
        parts += [_file(f"models/{model}/{path.name}", path) for path in model_files(workspace.models / model)]
    parts.sort(key=lambda part: part.name)
    for part in parts:
        if part.size > largest(part.name):
            raise CoreError("export_large", {"name": part.name, "most": largest(part.name)})
    state: list[Json] = [[part.name, part.size, digest(part.data.decode()) if part.data else ""] for part in parts]
    state += [[run.id, run.attempt, run.ended] for run, _ in runs]
    return Contents(tuple(parts), digest(state)[:32], tuple(model for model in there if model not in whole))


def _has_weights(folder: Path, identity: str) -> bool:
    """Whether an installed model is whole, and a network: a prompted one means nothing where its endpoint isn't."""
    return manifest_of(folder) == identity and not is_prompted(folder)


def _runs(workspace: Workspace, having: Belongings, known: Known) -> list[tuple[Run, Facts]]:
    """The runs that succeeded and whose corpora are all there."""
    found: list[tuple[Run, Facts]] = []
    for run in workspace.store.list(state="succeeded"):
        about = known(run.id) if run.id in having.runs and run.kind in KINDS else None
        if about is not None:
            needed = {*about.reads("corpus"), *about.made}
            if all(workspace.corpus_path(id).is_file() for id in needed):
                found.append((run, about))
    return found


def _documents(workspace: Workspace, project: Project, having: Belongings) -> Iterator[Content]:
    train = portable(project.recipe.train)
    yield _text(PROJECT, text_of(replace(project, recipe=replace(project.recipe, train=train))))
    told = (event_of(event) for event in events(workspace, project.slug) if event.get("event") != UNPACKED)
    yield _text(EVENTS, "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in told))
    names: dict[str, Json] = {}
    for name in sorted(having.names):
        names[name] = canonical(named_gold(workspace, NAMED + name))
    yield _text(NAMES, json.dumps(names, ensure_ascii=False, sort_keys=True, indent=1))


def event_of(event: Mapping[str, object]) -> dict[str, object]:
    """A line of the history without the folders of this machine."""
    train = event.get("train")
    if not isinstance(train, dict):
        return dict(event)
    named = {**train, **({"model": model_name(str(train["model"]))} if "model" in train else {})}
    if isinstance(prompt := train.get("prompt"), dict) and "model" in prompt:
        named["prompt"] = {**prompt, "model": writer_name(str(prompt["model"]))}
    return {**event, "train": named}


def _text(name: str, text: str) -> Content:
    data = text.encode()
    return Content(name, len(data), data=data)


def _file(name: str, path: Path) -> Content:
    return Content(name, path.stat().st_size, path)


def _data(workspace: Workspace, having: Belongings, read: list[Facts]) -> Iterator[Content]:
    """Uploaded files, and the corpora that the runs of the archive read or made."""
    for file in sorted(having.files):
        path = workspace.root / "files" / file
        if path.is_file():
            yield _file(f"files/{file}", path)
    for id in sorted({id for about in read for id in (*about.reads("corpus"), *about.made)}):
        yield _file(f"corpora/{id}.arrow", workspace.corpus_path(id))


def _of_run(workspace: Workspace, run: Run, weights: bool, rows: set[str]) -> Iterator[Content]:
    """How a run ended, and its files that have a place in an archive: no checkpoints, no log, no locks, no events.

    `rows`: ids of the corpora in the archive; predictions for others, as for changed copies, stay behind.
    """
    folder = workspace.run_folder(run.id)
    known = {file_of(folder, id).name for id in rows}
    yield _text(f"runs/{run.id}/run.json", json.dumps({name: getattr(run, name) for name in _ENDED}))
    for inside in ("", "model/") if weights and not is_prompted(folder / "model") else ("",):
        if (folder / inside).is_dir():
            with os.scandir(folder / inside) as entries:
                for entry in entries:
                    name = f"runs/{run.id}/{inside}{entry.name}"
                    if entry.name.startswith("predictions-") and entry.name not in known:
                        continue
                    if entry.is_file(follow_symlinks=False) and has_place(name) and entry.name != "run.json":
                        yield Content(name, entry.stat().st_size, Path(entry.path))
